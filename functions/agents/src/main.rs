//! Agents and pools on Lambda.

use auth::Program;
use std::process::ExitCode;
use store::TableKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let program = Program {
        name: "agents",
        version: env!("CARGO_PKG_VERSION"),
        tables: &[TableKind::Jobs, TableKind::Agents],
    };
    auth::lambda::run(program, agents::routes).await
}
