//! Runs jobs through a control plane, as its users and agents do, and says whether it works.
//!
//! It is made for a control plane that others use: it works in a pool of its own with an agent of its own, takes no
//! job of anybody else, and removes what it made.

mod clean_up;
mod client;
mod options;
mod pool;
mod report;
mod run;
mod steps;
mod story;

use clap::Parser;
use options::{Options, TOKEN_VARIABLE};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let token = std::env::var_os(TOKEN_VARIABLE);
    match run::run(&Options::parse(), token).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::from(2)
        }
    }
}
