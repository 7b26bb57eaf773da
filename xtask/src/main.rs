//! The project's own commands: `cargo xtask test`, `cargo xtask ci`, `cargo xtask templates`, `cargo xtask workflows`,
//! `cargo xtask packaging`, `cargo xtask smoke`, `cargo xtask deploy`, `cargo xtask restore`, `cargo xtask openapi`,
//! `cargo xtask bench`, `cargo xtask bench-lambda`, `cargo xtask month-cost`.
//!
//! `test` does all the set-up that a machine with Rust and git lacks. Whatever it installs goes under `target/tools`,
//! never anywhere else.
//!
//! Most of the project's rules about itself are tests of this crate: see [`architecture`], [`manifests`] and [`tree`].

#[cfg(test)]
mod architecture;
mod bench;
mod bench_lambda;
mod ci;
mod deploy;
mod document;
mod dynamodb_local;
mod emulator;
#[cfg(test)]
mod manifests;
mod month_cost;
mod moto;
mod openapi;
mod packaging;
mod process;
mod smoke;
mod table;
mod templates;
mod test;
mod tools;
#[cfg(test)]
mod tree;
mod workflows;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need under target/tools, start DynamoDB Local and moto, run every test.
    Test {
        /// Passed on to `cargo nextest run`, for instance `-- -E 'package(store)'`.
        #[arg(last = true)]
        runner_arguments: Vec<String>,
    },
    /// Everything that must hold before a change is merged: format, lints, tests, dependencies.
    Ci,
    /// Check what describes a deployment. Calls nobody.
    Templates,
    /// Check what runs at GitHub. Calls nobody.
    Workflows,
    /// Check container files, the Kubernetes manifest and the systemd unit. Builds nothing.
    Packaging,
    /// Start this commit's control plane and run the smoke test against it.
    Smoke,
    /// Make a release live on AWS.
    Deploy(deploy::Deploy),
    /// Make live again what was live before a deployment.
    Restore(deploy::Restore),
    /// Write docs/openapi.json, docs/access.md and terraform/plane.json anew from the code.
    Openapi,
    /// Measure the release build: latencies, rates, consumed capacity, memory; also to target/bench.json.
    Bench,
    /// Measure the functions as Lambda runs them: size, start, answers, memory; also to target/bench-lambda.json.
    BenchLambda {
        /// Measure debug builds, to see that it works.
        #[arg(long, conflicts_with = "record")]
        dev: bool,
        /// Write what was measured to docs/.
        #[arg(long)]
        record: bool,
    },
    /// Show the capacity and the price of a month on AWS, from what was measured.
    MonthCost,
}

fn main() -> ExitCode {
    let outcome = process::watch_for_interrupts().and_then(|()| match Arguments::parse().command {
        Command::Test { runner_arguments } => test::run(&runner_arguments),
        Command::Ci => ci::run(),
        Command::Templates => templates::run(),
        Command::Workflows => workflows::run(),
        Command::Packaging => packaging::run(),
        Command::Smoke => smoke::run(),
        Command::Deploy(options) => deploy::deploy(&options),
        Command::Restore(options) => deploy::restore(&options),
        Command::Openapi => openapi::run(),
        Command::Bench => bench::run(),
        Command::BenchLambda { dev, record } => bench_lambda::run(dev, record),
        Command::MonthCost => month_cost::run(),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the project. Cargo says where this crate is; the project is one above.
fn project_root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .map_or(own.clone(), std::path::Path::to_path_buf)
}

/// Whether nobody is watching: then a test that cannot run is a failure, not a remark.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
