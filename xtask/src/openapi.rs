//! `cargo xtask openapi`: the API's document, and that of what the plane needs of AWS, from the code.

use std::time::Duration;

use anyhow::Result;

use crate::process::Process;
use crate::project_root;

const TIMEOUT: Duration = Duration::from_mins(25);

/// Lets the tests that compare `docs/openapi.json`, `docs/access.md` and `terraform/plane.json` with the code write the files
/// instead.
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
            "--",
            "openapi",
            "the_description_of_the_plane",
        ])
        .env("UPDATE_SNAPSHOTS", "1")
        .current_dir(&project_root())
        .run()
}
