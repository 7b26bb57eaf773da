//! `cargo xtask deploy` and `cargo xtask restore`: a release becomes live, and the one before becomes live again.
//!
//! Each function has an alias, `live`, and CodeDeploy moves it from one version to the next, in steps that an alarm turns
//! back. Nothing is moved before everything was looked at, and if one function does not arrive, all go back.

mod aws;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::process::is_interrupted;
use crate::project_root;
use aws::{Aws, Shift, State, Version};
use plan::Plan;

/// How often CodeDeploy is asked.
const POLL: Duration = Duration::from_secs(10);
/// The longest of CodeDeploy's own ways takes 30 minutes; and something may be slow.
const SHIFTED_WITHIN: Duration = Duration::from_mins(50);
/// How long going back may take: it is one step.
const BACK_WITHIN: Duration = Duration::from_mins(10);

/// Where a release goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Environment {
    /// Tried out first.
    Staging,
    /// Where customers are.
    Production,
}

/// What to deploy, and where to.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Where to.
    #[arg(long, value_enum)]
    environment: Environment,
    /// The directory with the functions' archives, `<function>.zip`.
    #[arg(long, value_name = "DIR")]
    artifacts: PathBuf,
    /// The file that takes note of what was live before, for `restore`.
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// Move at once, and not in steps: for a release that mends what is broken.
    #[arg(long)]
    at_once: bool,
}

/// What to go back to.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// What `deploy` wrote.
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
}

/// What was live before a deployment.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    environment: Environment,
    versions: BTreeMap<String, Version>,
}

/// Makes a release live.
///
/// # Errors
///
/// What does not fit; or that it was turned back.
pub(crate) fn deploy(options: &Deploy) -> Result<()> {
    let plan = Plan::read(&project_root().join("terraform/plane.json"))?;
    deploy_with(&Aws::new("aws"), &plan, options, POLL)
}

/// Makes live again what was live before.
///
/// # Errors
///
/// If a function did not arrive there.
pub(crate) fn restore(options: &Restore) -> Result<()> {
    restore_with(&Aws::new("aws"), options, POLL)
}

fn deploy_with(aws: &Aws, plan: &Plan, options: &Deploy, poll: Duration) -> Result<()> {
    let prefix = prefix(options.environment);
    plan.check_archives(&options.artifacts)?;
    check_configurations(aws, plan, &prefix)?;
    let mut before = BTreeMap::new();
    for function in plan.functions.keys() {
        before.insert(function.clone(), aws.live_version(&prefix, function)?);
    }
    let record = Record {
        environment: options.environment,
        versions: before,
    };
    write(&options.record, &record)?;

    let mut shifts = Vec::new();
    for (function, from) in &record.versions {
        let archive = options.artifacts.join(format!("{function}.zip"));
        let to = aws.publish(&prefix, function, &archive)?;
        eprintln!("xtask: {function}: version {from} is live, {to} is the release");
        shifts.push(Shift::new(&prefix, function, from, &to));
    }
    // A function whose code and configuration are the same keeps its version, and there is nothing to move.
    shifts.retain(|shift| shift.from != shift.to);
    let arrived = move_all(aws, &shifts, options.at_once, (SHIFTED_WITHIN, poll));
    if let Err(error) = arrived {
        if is_interrupted() {
            bail!("interrupted: what CodeDeploy was told to do goes on, and `restore` goes back");
        }
        eprintln!("xtask: the release did not arrive: {error:#}");
        go_back(aws, &record, poll).context("what was live before is not live again everywhere")?;
        bail!(
            "the release did not arrive everywhere, and what was live before is live again: {error:#}"
        );
    }
    eprintln!("xtask: the release is live in {prefix}");
    Ok(())
}

fn restore_with(aws: &Aws, options: &Restore, poll: Duration) -> Result<()> {
    let text = std::fs::read_to_string(&options.record)
        .with_context(|| format!("cannot read {}", options.record.display()))?;
    let record: Record =
        serde_json::from_str(&text).context("the record is not one of `deploy`")?;
    go_back(aws, &record, poll)
}

fn prefix(environment: Environment) -> String {
    match environment {
        Environment::Staging => "hybrid-ci-staging".to_owned(),
        Environment::Production => "hybrid-ci-production".to_owned(),
    }
}

/// That the functions in place have every variable that the release needs: Terraform goes before the code.
fn check_configurations(aws: &Aws, plan: &Plan, prefix: &str) -> Result<()> {
    let mut faults = Vec::new();
    for (function, needs) in &plan.functions {
        let has = aws.variables(prefix, function)?;
        let missing: Vec<_> = needs.iter().filter(|name| !has.contains(*name)).collect();
        if !missing.is_empty() {
            faults.push(format!("{prefix}-{function} lacks {missing:?}"));
        }
    }
    ensure!(
        faults.is_empty(),
        "the infrastructure is older than the release, apply its Terraform first:\n{}",
        faults.join("\n")
    );
    Ok(())
}

/// Moves all aliases, and waits until all have arrived. On an error whatever is under way is turned back.
fn move_all(aws: &Aws, shifts: &[Shift], at_once: bool, times: (Duration, Duration)) -> Result<()> {
    let mut under_way = BTreeMap::new();
    let mut outcome = Ok(());
    for shift in shifts {
        match aws.shift(shift, at_once) {
            Ok(id) => under_way.insert(id, shift.function.as_str()),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        };
    }
    if outcome.is_ok() {
        outcome = wait(aws, &mut under_way, times);
    }
    if outcome.is_err() {
        for id in under_way.keys() {
            // It may have ended meanwhile; going back finds out where it is.
            if let Err(error) = aws.stop(id) {
                eprintln!("xtask: deployment {id}: {error:#}");
            }
        }
        let stopped = wait_for_end(aws, &under_way, (BACK_WITHIN, times.1));
        if let Err(error) = stopped {
            eprintln!("xtask: {error:#}");
        }
    }
    outcome
}

/// Waits for all; those that have ended are taken out.
fn wait(
    aws: &Aws,
    under_way: &mut BTreeMap<String, &str>,
    (within, poll): (Duration, Duration),
) -> Result<()> {
    let begun = Instant::now();
    while !under_way.is_empty() {
        for (id, function) in under_way.clone() {
            match aws.state(&id)? {
                State::UnderWay => {}
                State::Arrived => {
                    eprintln!("xtask: {function}: arrived ({id})");
                    under_way.remove(&id);
                }
                State::Ended(why) => {
                    under_way.remove(&id);
                    bail!("{function}: deployment {id} ended: {why}");
                }
            }
        }
        ensure!(!is_interrupted(), "interrupted");
        ensure!(
            begun.elapsed() < within,
            "it takes longer than {} s",
            within.as_secs()
        );
        if !under_way.is_empty() {
            thread::sleep(poll);
        }
    }
    Ok(())
}

/// Waits until all have ended, one way or the other.
fn wait_for_end(
    aws: &Aws,
    under_way: &BTreeMap<String, &str>,
    (within, poll): (Duration, Duration),
) -> Result<()> {
    let begun = Instant::now();
    for (id, function) in under_way {
        while matches!(aws.state(id)?, State::UnderWay) {
            ensure!(
                begun.elapsed() < within,
                "{function}: deployment {id} does not end"
            );
            thread::sleep(poll);
        }
    }
    Ok(())
}

/// Moves every alias that is elsewhere back to what was live, at once and whatever the alarms say.
fn go_back(aws: &Aws, record: &Record, poll: Duration) -> Result<()> {
    let prefix = prefix(record.environment);
    let begun = Instant::now();
    let mut shifts = Vec::new();
    for (function, before) in &record.versions {
        // CodeDeploy may be turning it back itself.
        let now = loop {
            match aws.live_version(&prefix, function) {
                Ok(now) => break now,
                Err(error) if is_interrupted() || begun.elapsed() >= BACK_WITHIN => {
                    return Err(error);
                }
                Err(_) => thread::sleep(poll),
            }
        };
        if now != *before {
            eprintln!("xtask: {function}: back from version {now} to {before}");
            shifts.push(Shift::new(&prefix, function, &now, before));
        }
    }
    let mut under_way = BTreeMap::new();
    for shift in &shifts {
        under_way.insert(aws.shift_back(shift)?, shift.function.as_str());
    }
    wait(aws, &mut under_way, (BACK_WITHIN, poll))
}

/// Writes the record, whole or not at all.
fn write(file: &Path, record: &Record) -> Result<()> {
    let whole = file.with_extension("new");
    std::fs::write(&whole, serde_json::to_string_pretty(record)?)
        .and_then(|()| std::fs::rename(&whole, file))
        .with_context(|| format!("cannot write {}", file.display()))
}
