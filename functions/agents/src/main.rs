//! Agents and pools on Lambda.

use auth::{Identities, Program};
use std::process::ExitCode;
use store::TableKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let program = Program {
        name: "agents",
        version: env!("CARGO_PKG_VERSION"),
        tables: &[TableKind::Jobs, TableKind::Agents, TableKind::Audit],
    };
    auth::lambda::run_with(program, Identities::from_env, agents::routes).await
}
