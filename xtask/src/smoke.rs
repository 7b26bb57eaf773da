//! `cargo xtask smoke`: this very commit's control plane, with its data in memory, and `hybrid-smoke` against it.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{Process, is_interrupted, last_lines};
use crate::project_root;
use crate::tools::Tools;

const BUILD_TIMEOUT: Duration = Duration::from_mins(25);
const START_WITHIN: Duration = Duration::from_secs(30);
const SMOKE_TIMEOUT: Duration = Duration::from_mins(6);
const POLL: Duration = Duration::from_millis(50);

/// What the plane says before its address.
const LISTENS: &str = "Hybrid CI/CD on ";

/// Builds both, starts the plane on a free port, and runs the smoke test.
///
/// # Errors
///
/// If something does not build or start, or the plane does not do what it should.
pub(crate) fn run() -> Result<()> {
    let root = project_root();
    Process::new("cargo", BUILD_TIMEOUT)
        .args([
            "build",
            "--locked",
            "--package",
            "hybrid-local",
            "--package",
            "hybrid-smoke",
        ])
        .current_dir(&root)
        .run()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = root.join(target).join("debug");
    let tools = Tools::of(&root)?;
    let (log, data) = (tools.log("smoke-plane"), tools.path("smoke-data"));
    let mut plane = Process::new(built.join("hybrid-local"), START_WITHIN)
        .args([
            "--serve",
            "--no-agent",
            "--memory",
            "--sqs",
            "none",
            "--port",
            "0",
            "--data-dir",
        ])
        .args([&data])
        .spawn_logged(&log)?;
    let begun = Instant::now();
    let url = loop {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if let Some((_, rest)) = said.split_once(LISTENS)
            && let Some((url, _)) = rest.split_once(char::is_whitespace)
        {
            break url.to_owned();
        }
        if plane.try_wait()?.is_some() {
            bail!("the plane ended: {}", last_lines(&log, 15));
        }
        ensure!(
            begun.elapsed() < START_WITHIN && !is_interrupted(),
            "the plane does not start"
        );
        thread::sleep(POLL);
    };
    Process::new(built.join("hybrid-smoke"), SMOKE_TIMEOUT)
        .args(["--url", &url, "--token-file"])
        .args([data.join("api-token")])
        .run()
        .context("the control plane of this commit")
}
