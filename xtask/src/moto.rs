//! moto, which answers as SQS and STS do.

use anyhow::Result;

use crate::emulator::{Emulator, NO_TIMEOUT};
use crate::tools::{MOTO, Tools};

/// Installs it if need be, and starts it with nothing in it.
///
/// # Errors
///
/// What is missing, or why it did not start.
pub(crate) fn start(tools: &Tools) -> Result<Emulator> {
    let installed = MOTO.find_or_install(tools)?;
    Emulator::start("moto", &tools.log("moto-server"), |port| {
        installed
            .python(NO_TIMEOUT)
            .args([
                "-m",
                "moto.server",
                "-H",
                "127.0.0.1",
                "-p",
                &port.to_string(),
            ])
            // What it would ask the machine that it runs on.
            .env("AWS_EC2_METADATA_DISABLED", "true")
    })
}

/// Whether its packages exist for this platform.
pub(crate) fn is_supported() -> bool {
    cfg!(any(
        target_os = "linux",
        target_os = "macos",
        target_os = "windows"
    ))
}
