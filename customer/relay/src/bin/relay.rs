//! The relay on Lambda. Its configuration is its environment.

use hybrid_relay::{Journal, Settings, lambda, start};
use std::io::Write;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let lookup = |name: &str| std::env::var(name).ok();
    let started = match Settings::read(&lookup, None) {
        Ok(settings) => start(settings, Journal::stdout()).await,
        Err(faults) => Err(faults),
    };
    let why = match started {
        Ok((relay, plane)) => match lambda::serve(relay, plane).await {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error.to_string(),
        },
        Err(faults) => faults.join("\n"),
    };
    // Without an error output there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::FAILURE
}
