//! What is asked of AWS, through its command line: that has the credentials that the workflow was lent.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::process::Process;

/// The alias that callers of a function use.
const ALIAS: &str = "live";
/// CodeDeploy's way that has one step.
const AT_ONCE: &str = "CodeDeployDefault.LambdaAllAtOnce";
/// How long a call may take: the command tries again by itself, and waits for an upload to take effect.
const CALL_WITHIN: Duration = Duration::from_mins(6);

/// The number of a published version. `$LATEST` is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Version(String);

impl Version {
    fn parse(value: &Value) -> Result<Self> {
        let text = value
            .as_str()
            .context("there is no version in AWS's answer")?;
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        ensure!(is_number, "`{text}` is no published version");
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One alias, from one version to another.
#[derive(Debug)]
pub(super) struct Shift {
    prefix: String,
    pub(super) function: String,
    pub(super) from: Version,
    pub(super) to: Version,
}

impl Shift {
    pub(super) fn new(prefix: &str, function: &str, from: &Version, to: &Version) -> Self {
        let (prefix, function) = (prefix.to_owned(), function.to_owned());
        Self {
            prefix,
            function,
            from: from.clone(),
            to: to.clone(),
        }
    }

    /// What CodeDeploy is to do. Text in JSON in JSON: that is how it is told.
    fn revision(&self) -> String {
        let properties = json!({
            "Name": format!("{}-{}", self.prefix, self.function),
            "Alias": ALIAS,
            "CurrentVersion": self.from,
            "TargetVersion": self.to,
        });
        let resource = json!({ "Type": "AWS::Lambda::Function", "Properties": properties });
        let content = json!({ "version": 0.0, "Resources": [{ &self.function: resource }] });
        json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content.to_string() } })
            .to_string()
    }
}

/// How far a shift is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    UnderWay,
    Arrived,
    /// It did not arrive, and why.
    Ended(String),
}

/// AWS's command line.
#[derive(Debug)]
pub(super) struct Aws {
    program: OsString,
}

impl Aws {
    pub(super) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
        }
    }

    fn process(&self, arguments: &[&str]) -> Process {
        Process::new(&self.program, CALL_WITHIN)
            .args(arguments)
            // Nobody is there to turn pages.
            .env("AWS_PAGER", "")
            .args(["--output", "json"])
    }

    fn call(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.process(arguments).stdout()?;
        let what = arguments
            .iter()
            .take(2)
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        serde_json::from_str(&answer)
            .with_context(|| format!("what `aws {what}` answers is no JSON"))
    }

    /// The names of the variables that a function has.
    pub(super) fn variables(&self, prefix: &str, function: &str) -> Result<BTreeSet<String>> {
        let name = format!("{prefix}-{function}");
        // The names alone, so that no value ever gets into a log.
        let names = "keys(Environment.Variables || `{}`)";
        let arguments = [
            "lambda",
            "get-function-configuration",
            "--function-name",
            &name,
            "--query",
            names,
        ];
        let answer = self.call(&arguments)?;
        serde_json::from_value(answer).context("the names of variables are no list")
    }

    /// The version that callers of a function get.
    pub(super) fn live_version(&self, prefix: &str, function: &str) -> Result<Version> {
        let name = format!("{prefix}-{function}");
        let alias = self.call(&[
            "lambda",
            "get-alias",
            "--function-name",
            &name,
            "--name",
            ALIAS,
        ])?;
        let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
        if weights.is_some_and(|weights| !weights.is_empty()) {
            bail!(
                "{name} is between two versions: a deployment is under way; wait for it, or stop it"
            );
        }
        Version::parse(&alias["FunctionVersion"])
    }

    /// Uploads the code and publishes it as a version, with the configuration that is there.
    pub(super) fn publish(&self, prefix: &str, function: &str, archive: &Path) -> Result<Version> {
        let name = format!("{prefix}-{function}");
        let archive = format!("fileb://{}", archive.display());
        let uploaded = self.call(&[
            "lambda",
            "update-function-code",
            "--function-name",
            &name,
            "--zip-file",
            &archive,
            "--architectures",
            "arm64",
        ])?;
        let digest = uploaded["CodeSha256"]
            .as_str()
            .context("AWS does not say what was uploaded")?;
        self.process(&[
            "lambda",
            "wait",
            "function-updated-v2",
            "--function-name",
            &name,
        ])
        .stdout()?;
        // If somebody uploaded something else meanwhile, this is refused. If nothing has changed since the last version, it is
        // that version.
        let published = self.call(&[
            "lambda",
            "publish-version",
            "--function-name",
            &name,
            "--code-sha256",
            digest,
        ])?;
        Version::parse(&published["Version"])
    }

    /// Has CodeDeploy move an alias, and gives back the id of that.
    pub(super) fn shift(&self, shift: &Shift, at_once: bool) -> Result<String> {
        let way: &[&str] = if at_once {
            &["--deployment-config-name", AT_ONCE]
        } else {
            &[]
        };
        self.create_deployment(shift, way)
    }

    /// The same, at once, and though an alarm may be on: that is why one goes back.
    pub(super) fn shift_back(&self, shift: &Shift) -> Result<String> {
        let way = [
            "--deployment-config-name",
            AT_ONCE,
            "--override-alarm-configuration",
            "enabled=false",
        ];
        self.create_deployment(shift, &way)
    }

    fn create_deployment(&self, shift: &Shift, way: &[&str]) -> Result<String> {
        let group = format!("{}-{}", shift.prefix, shift.function);
        let revision = shift.revision();
        let mut arguments = vec![
            "deploy",
            "create-deployment",
            "--application-name",
            &shift.prefix,
            "--deployment-group-name",
            &group,
            "--revision",
            &revision,
        ];
        arguments.extend(way);
        let answer = self.call(&arguments)?;
        let id = answer["deploymentId"].as_str();
        Ok(id.context("CodeDeploy names no deployment")?.to_owned())
    }

    /// How far it is.
    pub(super) fn state(&self, id: &str) -> Result<State> {
        let answer = self.call(&["deploy", "get-deployment", "--deployment-id", id])?;
        let info = &answer["deploymentInfo"];
        Ok(match info["status"].as_str() {
            Some("Succeeded") => State::Arrived,
            Some(status @ ("Failed" | "Stopped")) => {
                let why = info["errorInformation"]["message"]
                    .as_str()
                    .unwrap_or("it says no more");
                State::Ended(format!("{status}: {why}"))
            }
            Some(_) => State::UnderWay,
            None => bail!("CodeDeploy does not say how deployment {id} is"),
        })
    }

    /// Stops it, and has it turned back.
    pub(super) fn stop(&self, id: &str) -> Result<()> {
        self.call(&[
            "deploy",
            "stop-deployment",
            "--deployment-id",
            id,
            "--auto-rollback-enabled",
        ])?;
        Ok(())
    }
}
