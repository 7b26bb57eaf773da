//! The queue on Lambda.

use auth::Program;
use std::process::ExitCode;
use store::TableKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let program = Program {
        name: "queue",
        version: env!("CARGO_PKG_VERSION"),
        tables: &[TableKind::Jobs, TableKind::Agents, TableKind::Audit],
    };
    auth::lambda::run(program, queue::routes).await
}
