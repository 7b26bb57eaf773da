//! Relays on Lambda.

use relays::RoleGuard;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    auth::lambda::run_with(relays::PROGRAM, RoleGuard::from_env, relays::routes).await
}
