//! AWS's own DynamoDB Local: the second opinion on every suite of the store.

use anyhow::Result;

use crate::emulator::{Emulator, NO_TIMEOUT};
use crate::process::Process;
use crate::tools::{self, Tools};

/// Installs it if need be, and starts it with nothing in it.
///
/// # Errors
///
/// What is missing, or why it did not start.
pub(crate) fn start(tools: &Tools) -> Result<Emulator> {
    let java = tools::java(tools)?;
    let directory = tools::dynamodb_local(tools)?;
    let log = tools.log("dynamodb-local");
    Emulator::start("DynamoDB Local", &log, |port| {
        Process::new(&java, NO_TIMEOUT)
            .args([
                "-Djava.library.path=./DynamoDBLocal_lib",
                "-jar",
                "DynamoDBLocal.jar",
                "-inMemory",
                "-sharedDb",
            ])
            .args(["-port", &port.to_string()])
            .current_dir(&directory)
            .env("DDB_LOCAL_TELEMETRY", "0")
    })
}

/// Whether its native libraries exist for this platform.
pub(crate) fn is_supported() -> bool {
    matches!(
        (std::env::consts::OS, std::env::consts::ARCH),
        ("linux" | "macos", "x86_64" | "aarch64")
            | ("linux", "x86")
            | ("windows", "x86_64" | "x86")
    )
}
