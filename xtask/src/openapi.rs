//! `cargo xtask openapi`: the API's document, from the code.

use std::time::Duration;

use anyhow::Result;

use crate::process::Process;
use crate::project_root;

const TIMEOUT: Duration = Duration::from_mins(25);

/// Lets the test that compares `docs/openapi.json` with the routers write the file instead.
///
/// # Errors
///
/// If it does not build, or a router's document is not valid.
pub(crate) fn run() -> Result<()> {
    Process::new("cargo", TIMEOUT)
        .args([
            "test",
            "--quiet",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "openapi",
        ])
        .env("UPDATE_SNAPSHOTS", "1")
        .current_dir(&project_root())
        .run()
}
