//! The program itself: what it says of its configuration, and that it serves.

use crate::world::variables;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hybrid-relay");

#[test]
fn it_says_everything_that_is_wrong_and_ends() {
    let outcome = Command::new(PROGRAM)
        .arg("serve")
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    let said = String::from_utf8(outcome.stderr).unwrap();
    for name in ["URL", "IDENTITY", "QUEUE"] {
        assert!(
            said.contains(&format!("HYBRID_RELAY_{name}: is missing")),
            "{said}"
        );
    }
}

#[test]
fn on_lambda_it_says_everything_that_is_wrong_and_ends() {
    let program = env!("CARGO_BIN_EXE_relay");
    let outcome = Command::new(program).env_clear().output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(said.contains("HYBRID_RELAY_IDENTITY: is missing"), "{said}");
}

#[test]
fn it_checks_tool_files() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("a.yaml"),
        "version: 1\ntool: a\nunknown: 1\n",
    )
    .unwrap();
    let check = || {
        Command::new(PROGRAM)
            .arg("check-tools")
            .arg(directory.path())
            .output()
            .unwrap()
    };
    let said = String::from_utf8(check().stderr).unwrap();
    assert!(said.contains("a.yaml:3: "), "{said}");
    let template = include_str!("../../tools/template.yaml");
    std::fs::write(directory.path().join("a.yaml"), template).unwrap();
    let said = String::from_utf8(check().stdout).unwrap();
    assert!(said.contains("template, terraform"), "{said}");
}

/// Ends the program when the test does.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_serves_and_refuses_what_is_not_signed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), "s3cret").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = Command::new(PROGRAM);
    command.arg("serve").envs(variables(directory.path()));
    command
        .env("HYBRID_RELAY_LISTEN", address.to_string())
        .env("HYBRID_RELAY_QUEUE_PROVIDER", "AWS_SQS")
        .env(
            "HYBRID_RELAY_QUEUE",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/events",
        )
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdout(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let health = format!("http://{address}/health");
    while client.get(&health).send().await.is_err() {
        assert!(running.0.try_wait().unwrap().is_none(), "it has ended");
        tokio::task::yield_now().await;
    }
    let url = format!("http://{address}/relay/webhooks/github");
    let answer = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let large = vec![b' '; 30 * 1024 * 1024];
    match client.post(&url).body(large).send().await {
        Ok(answer) => assert_eq!(answer.status(), 413),
        // The answer came before the body was sent, and the connection was closed.
        Err(error) => assert!(error.is_request(), "{error}"),
    }
}
