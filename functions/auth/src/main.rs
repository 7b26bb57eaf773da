//! People's identity on Lambda.

use auth::Program;
use auth_function::SignIn;
use std::process::ExitCode;
use store::TableKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let program = Program {
        name: "auth",
        version: env!("CARGO_PKG_VERSION"),
        // Organisations are among the tenants that maintenance goes through, and these stand with the agents.
        tables: &[TableKind::Agents, TableKind::Audit],
    };
    auth::lambda::run_with(program, SignIn::from_env, auth_function::routes).await
}
