//! `cargo xtask templates`: what describes a deployment is well formed. Nothing here calls AWS or needs an account.

mod checkov;
mod terraform;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::process::{Process, is_interrupted};
use crate::tools::{Installed, SAM, Tools};
use crate::{is_ci, project_root};

/// Both linters read half a million lines of schemas.
const LINT_TIMEOUT: Duration = Duration::from_mins(5);

/// A region to check the template for; every region has what is in it.
const REGION: &str = "eu-central-1";

/// What SAM deploys: the control plane, and a customer's relay.
const TEMPLATES: [&str; 2] = ["template.yaml", "customer/relay/deploy/template.yaml"];

/// Checks everything; the first fault ends it.
///
/// # Errors
///
/// What is not well formed, or (with `CI=true`) could not be checked.
pub(crate) fn run() -> Result<()> {
    let root = project_root();
    let tools = Tools::of(&root)?;
    sam(&root, &tools)?;
    terraform::check(&root, &tools)?;
    checkov::check(&root, &tools)
}

/// The templates, by CloudFormation's own schemas, and as SAM transforms them.
fn sam(root: &Path, tools: &Tools) -> Result<()> {
    let Some(installed) = or_skip("what SAM deploys", SAM.find_or_install(tools))? else {
        return Ok(());
    };
    // Neither package can be run as a module by the name of its command.
    let lint = "import sys; from cfnlint.runner import main; sys.exit(main())";
    offline(&installed, tools)
        .args(["-c", lint, "--regions", REGION, "--"])
        .args(TEMPLATES)
        .current_dir(root)
        .run()?;
    for template in TEMPLATES {
        offline(&installed, tools)
            .args(["-m", "samcli", "validate", "--lint", "--region", REGION])
            .args(["--template", template])
            .current_dir(root)
            .run()?;
    }
    Ok(())
}

/// Python with SAM, which finds no credentials, reports nothing to anybody, and keeps what it remembers among the tools.
fn offline(installed: &Installed, tools: &Tools) -> Process {
    installed
        .python(LINT_TIMEOUT)
        .env("AWS_REGION", REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("SAM_CLI_TELEMETRY", "0")
        .env("__SAM_CLI_APP_DIR", tools.path("sam-app"))
}

/// What was found; or nothing, if this machine could not be given it and a person reads that.
pub(crate) fn or_skip<T>(what: &str, found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_interrupted() || is_ci() => Err(error.context(format!("to check {what}"))),
        Err(error) => {
            eprintln!("xtask: SKIPPED the check of {what}: {error:#}");
            Ok(None)
        }
    }
}
