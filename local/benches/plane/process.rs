//! `hybrid-local` as a process of its own, with its database on disk.

use crate::client::Client;
use crate::requests;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) struct Plane {
    child: Child,
    address: String,
    directory: TempDir,
}

impl Plane {
    pub(crate) fn start() -> Self {
        // Under `target`, because a temporary directory may be in memory and the database is meant to be on disk.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (child, address) = spawn(directory.path());
        Self {
            child,
            address,
            directory,
        }
    }

    /// Kills it and starts it on the same data. How long it took from the start until it listened.
    pub(crate) fn restart(&mut self) -> Duration {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let begun = Instant::now();
        (self.child, self.address) = spawn(self.directory.path());
        begun.elapsed()
    }

    fn token(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name))
            .unwrap()
            .trim()
            .to_owned()
    }

    pub(crate) async fn user(&self) -> Client {
        Client::connect(&self.address, &self.token(hybrid_local::API_TOKEN_FILE)).await
    }

    pub(crate) async fn keyholder(&self) -> Client {
        Client::connect(&self.address, &self.token(hybrid_local::AGENT_KEY_FILE)).await
    }

    /// A registered agent that has said it is well, and its id.
    pub(crate) async fn agent(&self) -> (Client, String) {
        let mut keyholder = self.keyholder().await;
        let answer = keyholder
            .ok("POST", "/api/agents/register", Some(requests::register()))
            .await;
        let id = answer["agent_id"].as_str().unwrap().to_owned();
        let mut agent =
            Client::connect(&self.address, answer["session_token"].as_str().unwrap()).await;
        agent
            .ok(
                "POST",
                &format!("/api/agents/{id}/heartbeat"),
                Some(requests::heartbeat()),
            )
            .await;
        (agent, id)
    }

    /// The resident set, as the kernel counts it.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }
}

fn spawn(directory: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hybrid-local"))
        .args(["--serve", "--no-agent", "--sqs", "none"])
        .args(["--port", "0", "--data-dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let address = address.to_owned();
    // Whatever else it says is of no interest, but must not fill the pipe.
    std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    (child, address)
}

impl Drop for Plane {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
