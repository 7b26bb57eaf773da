//! Runs the steps of a job one after the other.

use crate::environment::{resolve_secrets, step_environment};
use crate::event::Event;
use crate::job::{Outcome, Surroundings, secrets_redactor};
use crate::job_log::JobLog;
use crate::process::{DEFAULT_PATH, Ending, GatedCommand, Limits, Output, find_program, run};
use crate::spec::{JobSpec, StepSpec};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The shell that steps are written for, and its options: stop at the first command that fails.
struct Shell {
    program: PathBuf,
    options: &'static [&'static str],
}

impl Shell {
    fn find(environment: &BTreeMap<OsString, OsString>) -> Result<Self, Outcome> {
        let path = environment
            .get(OsStr::new("PATH"))
            .map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
        if let Some(program) = find_program("bash", path) {
            let options = &["--noprofile", "--norc", "-euo", "pipefail", "-c"];
            return Ok(Self { program, options });
        }
        match find_program("sh", path) {
            Some(program) => Ok(Self {
                program,
                options: &["-eu", "-c"],
            }),
            None => Err(Outcome::AgentError(
                "there is neither bash nor sh in PATH".to_owned(),
            )),
        }
    }
}

/// Runs the steps in that directory until one fails. Returns how the job ended.
pub(crate) async fn run_steps(
    around: &Surroundings<'_>,
    spec: &JobSpec,
    directory: &Path,
    limits: Limits<'_>,
    log: &mut JobLog,
) -> Result<(), Outcome> {
    let Surroundings {
        config, control, ..
    } = around;
    let secrets = resolve_secrets(spec, &config.environment).map_err(Outcome::AgentError)?;
    log.hide(secrets_redactor(config, around.token, &secrets));
    let environment = step_environment(config, &control.job, spec, &secrets);
    let shell = Shell::find(&environment)?;
    let of = spec.steps.len();
    for (number, step) in (1..).zip(&spec.steps) {
        // The lease may have ended while the agent was frozen between two steps.
        if let Some(reason) = control.must_stop() {
            return Err(Outcome::Stopped(reason));
        }
        let name = step.name.clone();
        around.observer.observe(&Event::StepStarted {
            job: control.job.clone(),
            number,
            of,
            name,
        });
        log.note(&format!("step {number} of {of}: {}", step.name));
        let mut command = GatedCommand::new(&shell.program);
        command
            .command()
            .args(shell.options)
            .arg(&step.run)
            .env_clear()
            .envs(&environment)
            .current_dir(directory);
        let code = run_step(command, step, limits, log).await?;
        around.observer.observe(&Event::StepEnded {
            job: control.job.clone(),
            number,
            exit_code: code,
        });
        // A step that the guard or the watch killed did not fail by itself.
        if let Some(reason) = control.must_stop() {
            return Err(Outcome::Stopped(reason));
        }
        if code != 0 {
            log.note(&format!("step {number} failed with exit code {code}"));
            return Err(Outcome::Exited(code));
        }
    }
    Ok(())
}

async fn run_step(
    command: GatedCommand,
    step: &StepSpec,
    limits: Limits<'_>,
    log: &mut JobLog,
) -> Result<i32, Outcome> {
    let own = step
        .timeout_seconds
        .map(|seconds| Instant::now() + Duration::from_secs(u64::from(seconds)));
    let deadline = own.map_or(limits.deadline, |own| own.min(limits.deadline));
    let limits = Limits { deadline, ..limits };
    let ending = run(command, Output::Both, limits, &mut |piece| {
        log.output(piece);
    })
    .await;
    log.flush();
    match ending {
        Ok(Ending::Exited(code)) => Ok(code),
        Ok(Ending::TimedOut) => Err(Outcome::TimedOut(match (own, step.timeout_seconds) {
            (Some(own), Some(seconds)) if own == deadline => {
                format!(
                    "in step `{}`, which may run for {seconds} s (timeout_seconds in the file)",
                    step.name
                )
            }
            (_, _) => format!("in step `{}`", step.name),
        })),
        Ok(Ending::Stopped(reason)) => Err(Outcome::Stopped(reason)),
        Err(error) => Err(Outcome::AgentError(format!(
            "step `{}` cannot be run: {error}",
            step.name
        ))),
    }
}
