//! The dashboard on Lambda.

use auth::Program;
use std::process::ExitCode;
use store::TableKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let program = Program {
        name: "dashboard",
        version: env!("CARGO_PKG_VERSION"),
        tables: &[
            TableKind::Jobs,
            TableKind::Agents,
            TableKind::Deployments,
            TableKind::Audit,
        ],
    };
    auth::lambda::run(program, dashboard::routes).await
}
