//! A function as Lambda starts it: its binary, with nothing in its environment but what Lambda and a deployment set.

use crate::harness::{Program, RuntimeApi, SOON, binary};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use store::{TABLES, Tables};
use tempfile::TempDir;

/// What the functions call DynamoDB with. Neither the embedded one nor DynamoDB Local looks at it.
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const KEY: &str = "local";

/// A function that waits for events.
pub(crate) struct Function {
    /// Dropped first, so that it does not outlive its runtime API.
    program: Program,
    runtime: RuntimeApi,
    _directory: TempDir,
}

impl Function {
    /// Starts the function of that name.
    pub(crate) async fn start(name: &str, dynamodb_url: &str) -> Self {
        Self::start_with(name, dynamodb_url, &[]).await
    }

    /// The same, with more in its environment.
    pub(crate) async fn start_with(name: &str, dynamodb_url: &str, more: &[(&str, &str)]) -> Self {
        let runtime = RuntimeApi::start().await;
        let directory = tempfile::tempdir().unwrap();
        let mut command = bare(name);
        command
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address())
            .envs(configuration(dynamodb_url, &Tables::default()))
            .envs(more.iter().copied());
        let program = Program::start(name, &mut command, directory.path());
        Self {
            program,
            runtime,
            _directory: directory,
        }
    }

    /// What it answers to an event.
    pub(crate) async fn answer(&mut self, event: &Value) -> Value {
        match self.outcome(event).await {
            Ok(answer) => answer,
            Err(failure) => panic!("{failure}: {}", self.program.stdout()),
        }
    }

    /// What it has written to its standard output.
    pub(crate) fn stdout(&self) -> String {
        self.program.stdout()
    }

    /// What it answers to an event, or how it fails.
    pub(crate) async fn outcome(&mut self, event: &Value) -> Result<Value, Value> {
        self.outcome_within(event, SOON).await
    }

    /// The same, if Lambda gives it that much time.
    pub(crate) async fn outcome_within(
        &mut self,
        event: &Value,
        time: Duration,
    ) -> Result<Value, Value> {
        self.runtime.give(event.to_string(), time);
        let outcome = tokio::time::timeout(SOON, self.runtime.outcome()).await;
        let said = || self.program.stdout() + &self.program.stderr();
        outcome
            .unwrap_or_else(|_| panic!("no answer: {}", said()))
            .result
    }
}

/// What a deployment gives a function besides the runtime's own variables.
pub(crate) fn configuration(dynamodb_url: &str, tables: &Tables) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("ENVIRONMENT", "test".to_owned()),
        ("PUBLIC_ORIGIN", "https://ci.example.com".to_owned()),
        ("GITHUB_CLIENT_ID", "flows".to_owned()),
        ("GITHUB_CLIENT_SECRET", "flows".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url.to_owned()),
    ];
    for table in TABLES {
        variables.push((table.variable, tables.name(table.kind).to_owned()));
    }
    variables
}

/// A function with nothing in its environment but what Lambda's runtime sets.
pub(crate) fn bare(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    command
        .env_clear()
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    command
}
