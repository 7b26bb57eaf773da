//! `cargo run`: the whole control plane on this machine, and one job through it.

use clap::Parser;
use hybrid_local::{Options, run};
use std::process::ExitCode;
use telemetry::{LogFormat, start_logs};

/// The embedded database reads and writes JSON, which is many small allocations: a fifth of its time with the system's
/// allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    start_logs(LogFormat::Terminal, "warn");
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
