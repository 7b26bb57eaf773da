//! An agent: the real `hybrid-agent`, which can be frozen, drained and killed.

use crate::harness::{Plane, Program, SOON, binary, until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use wire::{AgentId, JobId};

/// A running agent of the pool `default`.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) program: Program,
    name: String,
    directory: PathBuf,
}

impl Agent {
    /// Starts an agent of that name and waits until it has registered. Its directory is left from the last agent of
    /// that name, if there was one.
    pub(crate) async fn start(plane: &Plane, name: &str) -> Self {
        Self::start_with(plane, name, &[]).await
    }

    /// The same with further flags.
    pub(crate) async fn start_with(plane: &Plane, name: &str, flags: &[&str]) -> Self {
        let directory = plane.directory().join(name);
        let mut command = Command::new(binary("hybrid-agent"));
        command
            .args([
                "run",
                "--url",
                &plane.url(),
                "--pool",
                "default",
                "--directory",
            ])
            .arg(&directory)
            .args(["--hostname", name])
            .args(flags)
            .env("HYBRID_AGENT_KEY", plane.agent_key());
        let agents = ids(plane, name).await;
        let agent = Self {
            program: Program::start(name, &mut command, plane.directory()),
            name: name.to_owned(),
            directory,
        };
        until("the agent to register", SOON, async || {
            (ids(plane, name).await.len() > agents.len()).then_some(())
        })
        .await;
        agent
    }

    /// The id under which the control plane knows it. It has a new one after each session that was lost.
    pub(crate) async fn id(&self, plane: &Plane) -> AgentId {
        // Newest first.
        let id = ids(plane, &self.name).await.remove(0);
        AgentId::parse(&id).unwrap()
    }

    /// The log of an attempt; empty if there is none.
    pub(crate) fn log(&self, job: &JobId, attempt: u32) -> String {
        let path = self.directory.join(format!("logs/{job}-{attempt}.log"));
        fs::read_to_string(path).unwrap_or_default()
    }

    /// Results that it has not delivered.
    pub(crate) fn outbox(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.directory.join("state/outbox")) else {
            return Vec::new();
        };
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .collect()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Stops its process, as a frozen machine would; what its steps started goes on.
    pub(crate) fn freeze(&self) {
        self.program.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.program.signal(Signal::SIGCONT);
    }

    /// Asks it to finish what it has and end; waits until it has done so.
    pub(crate) async fn drain(mut self) {
        self.program.signal(Signal::SIGTERM);
        assert_eq!(self.program.exit_code(SOON).await, 0);
    }
}

/// The ids of all agents of that host name, newest first.
async fn ids(plane: &Plane, hostname: &str) -> Vec<String> {
    let body = plane.api().get("/api/agents?limit=100").await.expect(200);
    let agents = body["agents"].as_array().unwrap();
    agents
        .iter()
        .filter(|agent| agent["hostname"] == hostname)
        .map(|agent| agent["agent_id"].as_str().unwrap().to_owned())
        .collect()
}
