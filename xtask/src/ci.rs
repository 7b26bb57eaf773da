//! `cargo xtask ci`: everything that must hold before a change is merged.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::process::Process;
use crate::tools::{CARGO_DENY, CARGO_MACHETE, Tools};
use crate::{is_ci, packaging, project_root, templates, test, workflows};

const LINT_TIMEOUT: Duration = Duration::from_mins(20);

/// Format, lints, templates, workflows, packages, tests, then the dependencies; the first that fails ends it.
///
/// # Errors
///
/// What does not hold.
pub(crate) fn run() -> Result<()> {
    let root = project_root();
    let tools = Tools::of(&root)?;
    cargo(&root, &["fmt", "--all", "--check"])?;
    cargo(
        &root,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    templates::run()?;
    workflows::run()?;
    packaging::run()?;
    test::run(&[])?;
    unused_dependencies(&root, &tools)?;
    licences_and_sources(&root, &tools)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    Process::new("cargo", LINT_TIMEOUT)
        .args(arguments)
        .current_dir(root)
        .run()
}

fn unused_dependencies(root: &Path, tools: &Tools) -> Result<()> {
    let machete = CARGO_MACHETE.find_or_install(tools)?;
    Process::new(machete, LINT_TIMEOUT).current_dir(root).run()
}

/// Building cargo-deny takes minutes, and what it judges changes only with the lock file: on a person's machine it runs
/// if it is there, with CI=true always.
fn licences_and_sources(root: &Path, tools: &Tools) -> Result<()> {
    let found = if is_ci() {
        Some(CARGO_DENY.find_or_install(tools)?)
    } else {
        CARGO_DENY.find(tools)
    };
    let Some(deny) = found else {
        eprintln!(
            "xtask: SKIPPED licences and sources: cargo-deny is not installed (CI=true installs it)"
        );
        return Ok(());
    };
    Process::new(deny, LINT_TIMEOUT)
        .args([
            "--offline",
            "--log-level",
            "error",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ])
        .current_dir(root)
        .run()
}
