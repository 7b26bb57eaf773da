//! The control plane: the real `hybrid-local`, which can be stopped, killed and started again.

use crate::harness::{Api, Program, binary, until};
use hybrid_local::{AGENT_KEY_FILE, API_TOKEN_FILE};
use nix::sys::signal::Signal;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a plane may take until it listens, on a machine that is busy with other tests.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// How often another port is tried.
const PORTS_TRIED: u32 = 20;

/// A running control plane, with a directory for everything that belongs to its test.
#[derive(Debug)]
pub(crate) struct Plane {
    program: Program,
    flags: &'static [&'static str],
    port: u16,
    directory: TempDir,
}

impl Plane {
    /// A plane with its data on disk, without an agent.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A plane with its data in memory, without an agent.
    pub(crate) async fn in_memory() -> Self {
        Self::start_with(&["--memory"]).await
    }

    async fn start_with(flags: &'static [&'static str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..PORTS_TRIED {
            let port = free_port();
            let mut program = launch(directory.path(), port, flags);
            if is_listening(&mut program).await {
                return Self {
                    program,
                    flags,
                    port,
                    directory,
                };
            }
            // Another test was faster to take the port.
            let said = program.stderr();
            assert!(
                said.contains("is in use"),
                "the plane did not start: {said}"
            );
        }
        panic!("no free port");
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A caller with the API token.
    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url(), &self.api_token())
    }

    pub(crate) fn api_token(&self) -> String {
        fs::read_to_string(self.data().join(API_TOKEN_FILE)).unwrap()
    }

    pub(crate) fn agent_key(&self) -> String {
        fs::read_to_string(self.data().join(AGENT_KEY_FILE)).unwrap()
    }

    /// Waits until it has printed something with this in it. Everything that it has printed.
    pub(crate) async fn says(&self, what: &str) -> String {
        until("the plane to speak", START_WITHIN, async || {
            let said = self.program.stdout();
            said.contains(what).then_some(said)
        })
        .await
    }

    /// The directory of the test: whatever is put there is gone at its end.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The plane's own data.
    pub(crate) fn data(&self) -> PathBuf {
        data(self.directory())
    }

    /// Stops it as Ctrl-C would.
    pub(crate) async fn stop(&mut self) {
        self.program.signal(Signal::SIGTERM);
        assert_eq!(self.program.exit_code(STOP_WITHIN).await, 0);
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it again, on the same port and data.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.program.has_ended().is_some(), "it runs still");
        self.program = launch(self.directory(), self.port, self.flags);
        assert!(is_listening(&mut self.program).await);
    }
}

fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn launch(directory: &Path, port: u16, flags: &[&str]) -> Program {
    let mut command = Command::new(binary("hybrid-local"));
    command
        .args(["--serve", "--no-agent", "--sqs", "none"])
        .args(["--port", &port.to_string()])
        .args(flags)
        .arg("--data-dir")
        .arg(data(directory));
    Program::start("hybrid-local", &mut command, directory)
}

/// Waits until it says that it listens; false if it ends instead.
async fn is_listening(program: &mut Program) -> bool {
    until("the plane to listen", START_WITHIN, async || {
        if program.stdout().contains("Hybrid CI/CD on http://") {
            return Some(true);
        }
        program.has_ended().map(|_| false)
    })
    .await
}

/// A port that nothing listens on now, and that the system gives nobody by itself: while a server is down, no
/// connection can come to stand in its place, not even that of a caller who tries whether it is there.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    let entropy = web::Entropy::system();
    loop {
        let random = u16::from_le_bytes(entropy.bytes());
        let port = FIRST + random % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
