//! `cargo xtask test`: every test, with what the tests need.
//!
//! The tests learn from the environment where things are:
//!
//! | variable | value |
//! |---|---|
//! | `HYBRID_TEST_BIN_DIR` | directory of the built binaries (`hybrid-local`, `hybrid-agent`, the functions) |
//! | `HYBRID_TEST_DYNAMODB_LOCAL` | URL of an empty DynamoDB Local; unset: skip |
//! | `HYBRID_TEST_CARGO_LAMBDA` | path of the cargo-lambda binary; unset: skip |
//! | `HYBRID_TEST_MOTO` | URL of a moto that answers as SQS and STS; unset: skip |
//!
//! The last three are taken as they are if they are set already.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::emulator::Emulator;
use crate::process::{Process, is_interrupted};
use crate::tools::{self, CARGO_NEXTEST, Tools};
use crate::{dynamodb_local, is_ci, moto, project_root};

/// A whole build on two slow cores.
const BUILD_TIMEOUT: Duration = Duration::from_mins(25);
/// All tests; each test by itself has a time-out in `nextest.toml`.
const TEST_TIMEOUT: Duration = Duration::from_mins(25);

const BIN_DIR: &str = "HYBRID_TEST_BIN_DIR";
const DYNAMODB_LOCAL: &str = "HYBRID_TEST_DYNAMODB_LOCAL";
const CARGO_LAMBDA: &str = "HYBRID_TEST_CARGO_LAMBDA";
const MOTO: &str = "HYBRID_TEST_MOTO";

/// What some tests need and this machine could not be given.
#[derive(Debug)]
struct Skip {
    tests: &'static str,
    reason: String,
    /// No machine of this platform could be given it.
    unavoidable: bool,
}

/// Where the tests find things. Dropping it ends what was started for them.
#[derive(Debug, Default)]
struct Surroundings {
    variables: Vec<(&'static str, OsString)>,
    skips: Vec<Skip>,
    emulators: Vec<Emulator>,
}

/// Runs every test of the workspace; `runner_arguments` go to the test runner.
///
/// # Errors
///
/// If something does not build, a test fails, or (with `CI=true`) a test cannot be run.
pub(crate) fn run(runner_arguments: &[String]) -> Result<()> {
    let root = project_root();
    let tools = Tools::of(&root)?;
    let nextest = match CARGO_NEXTEST.find_or_install(&tools) {
        Ok(found) => Some(found),
        Err(error) if is_interrupted() => return Err(error),
        Err(error) => {
            eprintln!(
                "xtask: cargo-nextest could not be installed, `cargo test` runs the tests instead: {error:#}"
            );
            None
        }
    };
    build(&root)?;
    let surroundings = Surroundings::prepare(&root, &tools)?;
    surroundings.report()?;

    let mut plain_count = None;
    let tests = if let Some(nextest) = nextest {
        run_with_nextest(&root, &nextest, &surroundings, runner_arguments)
    } else {
        let count = plain_count.insert(Count::default());
        run_with_cargo(&root, &surroundings, count, runner_arguments)
    };
    // Whoever chooses tests has not chosen all the examples in the documentation.
    let documentation = if runner_arguments.is_empty() && !is_interrupted() {
        doc_tests(&root)
    } else {
        Ok(())
    };
    surroundings.remind();
    if let Some(count) = plain_count {
        println!("{} passed, {} failed", count.passed, count.failed);
    }
    tests.context("tests")?;
    documentation.context("examples in the documentation")
}

/// Builds the binaries that flow tests start together with the tests, so that both share every dependency.
fn build(root: &Path) -> Result<()> {
    Process::new("cargo", BUILD_TIMEOUT)
        .args(["build", "--workspace", "--bins", "--tests"])
        .current_dir(root)
        .run()
}

fn run_with_nextest(
    root: &Path,
    nextest: &Path,
    surroundings: &Surroundings,
    arguments: &[String],
) -> Result<()> {
    surroundings
        .give_to(Process::new(nextest, TEST_TIMEOUT))
        .args([
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--config-file",
        ])
        .args([root.join("xtask").join("nextest.toml")])
        .args(arguments)
        .current_dir(root)
        .run()
}

fn run_with_cargo(
    root: &Path,
    surroundings: &Surroundings,
    count: &mut Count,
    arguments: &[String],
) -> Result<()> {
    surroundings
        .give_to(Process::new("cargo", TEST_TIMEOUT))
        .args([
            "test",
            "--workspace",
            "--bins",
            "--lib",
            "--tests",
            "--no-fail-fast",
        ])
        .args(arguments)
        .current_dir(root)
        .run_watched(|line| count.add(line))
}

fn doc_tests(root: &Path) -> Result<()> {
    Process::new("cargo", BUILD_TIMEOUT)
        .args(["test", "--quiet", "--workspace", "--doc", "--no-fail-fast"])
        .current_dir(root)
        .run()
}

impl Surroundings {
    fn prepare(root: &Path, tools: &Tools) -> Result<Self> {
        let mut prepared = Self::default();
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        prepared
            .variables
            .push((BIN_DIR, root.join(target).join("debug").into_os_string()));

        if std::env::var_os(DYNAMODB_LOCAL).is_none() {
            let started = dynamodb_local::start(tools);
            let supported = dynamodb_local::is_supported();
            prepared.emulate(
                DYNAMODB_LOCAL,
                "the tests on DynamoDB Local",
                started,
                supported,
            )?;
        }
        if std::env::var_os(MOTO).is_none() {
            let (started, supported) = (moto::start(tools), moto::is_supported());
            prepared.emulate(MOTO, "the tests on moto", started, supported)?;
        }
        if std::env::var_os(CARGO_LAMBDA).is_none() {
            match tools::cargo_lambda(tools) {
                Ok(found) => prepared
                    .variables
                    .push((CARGO_LAMBDA, found.into_os_string())),
                Err(error) => {
                    let supported = cfg!(any(
                        target_os = "linux",
                        target_os = "macos",
                        target_os = "windows"
                    ));
                    prepared.skip("the tests with cargo-lambda", &error, !supported)?;
                }
            }
        }
        Ok(prepared)
    }

    /// Tells the tests where a stand-in listens, or that they are to do without.
    fn emulate(
        &mut self,
        variable: &'static str,
        tests: &'static str,
        started: Result<Emulator>,
        supported: bool,
    ) -> Result<()> {
        match started {
            Ok(emulator) => {
                self.variables.push((variable, emulator.endpoint().into()));
                self.emulators.push(emulator);
                Ok(())
            }
            Err(error) => self.skip(tests, &error, !supported),
        }
    }

    fn skip(
        &mut self,
        tests: &'static str,
        error: &anyhow::Error,
        unavoidable: bool,
    ) -> Result<()> {
        if is_interrupted() {
            bail!("interrupted");
        }
        self.skips.push(Skip {
            tests,
            reason: format!("{error:#}"),
            unavoidable,
        });
        Ok(())
    }

    fn give_to(&self, process: Process) -> Process {
        self.variables
            .iter()
            .fold(process, |process, (name, value)| process.env(name, value))
    }

    /// Says what will be skipped; fails if nobody would read it.
    fn report(&self) -> Result<()> {
        self.remind();
        if is_ci() && self.skips.iter().any(|skip| !skip.unavoidable) {
            bail!("with CI=true a test that cannot run is a failure");
        }
        Ok(())
    }

    fn remind(&self) {
        for skip in &self.skips {
            eprintln!("xtask: SKIPPED {}: {}", skip.tests, skip.reason);
        }
    }
}

/// What `cargo test` says of each of its binaries, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    /// Adds a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; …`; any other line adds nothing.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = result.split_whitespace().collect();
        for pair in words.windows(2) {
            if let [number, what] = pair
                && let Ok(number) = number.parse::<u64>()
            {
                match *what {
                    "passed;" => self.passed += number,
                    "failed;" => self.failed += number,
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_added_up() {
        let mut count = Count::default();
        count.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        count.add("test a_test ... ok");
        count.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.0s");
        assert_eq!(
            count,
            Count {
                passed: 15,
                failed: 2
            }
        );
    }
}
