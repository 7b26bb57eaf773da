//! The dashboard on Lambda.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    auth::lambda::run(dashboard::PROGRAM, dashboard::routes).await
}
