//! People's identity on Lambda.

use auth_function::SignIn;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    auth::lambda::run_with(
        auth_function::PROGRAM,
        SignIn::from_env,
        auth_function::routes,
    )
    .await
}
