//! Agents and pools on Lambda.

use auth::Identities;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    auth::lambda::run_with(agents::PROGRAM, Identities::from_env, agents::routes).await
}
