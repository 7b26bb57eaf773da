//! `cargo xtask bench`: the release build, measured.

use std::time::Duration;

use anyhow::Result;

use crate::process::Process;
use crate::project_root;

/// Long enough to build everything for release on two cores.
const TIMEOUT: Duration = Duration::from_hours(1);

/// Builds the program for release and runs `local/benches/plane`.
///
/// # Errors
///
/// If it does not build, or a call that is measured fails.
pub(crate) fn run() -> Result<()> {
    Process::new("cargo", TIMEOUT)
        .args([
            "bench",
            "--quiet",
            "--package",
            "hybrid-local",
            "--bench",
            "plane",
        ])
        .current_dir(&project_root())
        .run()
}
