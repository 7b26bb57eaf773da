//! `cargo xtask packaging`: the container files, the Kubernetes manifests and the systemd unit are well formed. Nothing is built or
//! started.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Process;
use crate::project_root;
use crate::templates::or_skip;
use crate::tools::{LINTERS, Tools, on_path};

const LINT_TIMEOUT: Duration = Duration::from_mins(2);

const CONTAINERFILES: [&str; 3] = [
    "customer/agent/Containerfile",
    "customer/relay/Containerfile",
    "local/Containerfile",
];
/// The agent's, and the relay's.
const MANIFESTS: [&str; 2] = [
    "customer/agent/deploy/kubernetes.yaml",
    "customer/relay/deploy/kubernetes.yaml",
];
const UNIT: &str = "customer/agent/deploy/hybrid-agent.service";

/// Where the unit has the agent, which the machine that checks the unit need not have.
const AGENT: &str = "/usr/local/bin/hybrid-agent";
/// What systemd calls "OK", in tenths: less is more closed.
const EXPOSURE: &str = "20";

/// Checks everything; the first fault ends it.
///
/// # Errors
///
/// What is not as it should be, or (with `CI=true`) could not be checked.
pub(crate) fn run() -> Result<()> {
    let root = project_root();
    let tools = Tools::of(&root)?;
    if let Some(linters) = or_skip(
        "containers and Kubernetes objects",
        LINTERS.find_or_install(&tools),
    )? {
        linters
            .program("hadolint", LINT_TIMEOUT)
            .args(CONTAINERFILES)
            .current_dir(&root)
            .run()?;
        linters
            .python(LINT_TIMEOUT)
            .args(["-m", "kubernetes_validate", "--strict", "--quiet"])
            .args(MANIFESTS)
            .current_dir(&root)
            .run()?;
    }
    unit(&root, &tools)
}

/// Only a machine with systemd can check the unit; on others that is no fault of anybody's.
fn unit(root: &Path, tools: &Tools) -> Result<()> {
    let Some(analyze) = on_path("systemd-analyze") else {
        eprintln!("xtask: SKIPPED the check of {UNIT}: there is no systemd-analyze");
        return Ok(());
    };
    let text =
        std::fs::read_to_string(root.join(UNIT)).with_context(|| format!("cannot read {UNIT}"))?;
    let copy = tools.path("hybrid-agent.service");
    std::fs::write(&copy, text.replace(AGENT, "/bin/true"))?;
    Process::new(&analyze, LINT_TIMEOUT)
        .args(["verify"])
        .args([&copy])
        .run()?;
    Process::new(&analyze, LINT_TIMEOUT)
        .args([
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            EXPOSURE,
        ])
        .args([&copy])
        .run_logged(&tools.log("systemd-analyze"))
}
