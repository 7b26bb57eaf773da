//! `hybrid-relay`: the relay as a server, and the commands that set it up.

use std::io::Write;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match hybrid_relay::cli::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without an error output there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}
