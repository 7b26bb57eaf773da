//! The project's own commands: `cargo xtask test`, `cargo xtask ci`, `cargo xtask openapi`,
//! `cargo xtask bench`.
//!
//! `test` does all the set-up that a machine with Rust and git lacks. Whatever it installs goes under `target/tools`,
//! never anywhere else.
//!
//! Most of the project's rules about itself are tests of this crate: see [`architecture`], [`manifests`] and [`tree`].

#[cfg(test)]
mod architecture;
mod bench;
mod ci;
mod dynamodb_local;
#[cfg(test)]
mod manifests;
mod openapi;
mod process;
mod test;
mod tools;
#[cfg(test)]
mod tree;

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
    /// Install what the tests need under target/tools, start DynamoDB Local, run every test.
    Test {
        /// Passed on to `cargo nextest run`, for instance `-- -E 'package(store)'`.
        #[arg(last = true)]
        runner_arguments: Vec<String>,
    },
    /// Everything that must hold before a change is merged: format, lints, tests, dependencies.
    Ci,
    /// Write docs/openapi.json anew from the code.
    Openapi,
    /// Measure the release build: latencies, rates, consumed capacity, memory, sizes; also to target/bench.json.
    Bench,
}

fn main() -> ExitCode {
    let outcome = process::watch_for_interrupts().and_then(|()| match Arguments::parse().command {
        Command::Test { runner_arguments } => test::run(&runner_arguments),
        Command::Ci => ci::run(),
        Command::Openapi => openapi::run(),
        Command::Bench => bench::run(),
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
