//! The queue on Lambda.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    auth::lambda::run(queue::PROGRAM, queue::routes).await
}
