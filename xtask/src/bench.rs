//! `cargo xtask bench`: the release build, measured.

use std::time::Duration;

use anyhow::Result;

use crate::process::Process;
use crate::project_root;

/// Long enough to build everything for release on two cores.
const TIMEOUT: Duration = Duration::from_hours(1);

/// Builds the programs and functions for release and runs `local/benches/plane`.
///
/// # Errors
///
/// If it does not build, or a call that is measured fails.
pub(crate) fn run() -> Result<()> {
    const FUNCTIONS: [&str; 5] = [
        "queue",
        "agents",
        "dashboard",
        "auth-function",
        "maintenance",
    ];
    let mut build = Process::new("cargo", TIMEOUT).args(["build", "--quiet", "--release"]);
    for function in FUNCTIONS {
        build = build.args(["--package", function]);
    }
    build.current_dir(&project_root()).run()?;
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
