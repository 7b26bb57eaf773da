//! AWS's own DynamoDB Local: the second opinion on every suite of the store.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{Process, Running, is_interrupted, last_lines};
use crate::tools::{self, Tools};

/// It usually listens after 2 s.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// The port may be taken by another program between our looking and its listening.
const START_ATTEMPTS: u32 = 3;
/// It runs as long as the tests; dropping the handle ends it.
const NO_TIMEOUT: Duration = Duration::MAX;

/// A running DynamoDB Local with nothing in it. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct DynamoDbLocal {
    _running: Running,
    port: u16,
}

impl DynamoDbLocal {
    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Installs it if need be, and starts it on a free port.
    ///
    /// # Errors
    ///
    /// What is missing, or why it did not start.
    pub(crate) fn start(tools: &Tools) -> Result<Self> {
        let java = tools::java(tools)?;
        let directory = tools::dynamodb_local(tools)?;
        let log = tools.log("dynamodb-local");
        for _ in 0..START_ATTEMPTS {
            if let Some(started) = Self::try_start(&java, &directory, &log)? {
                return Ok(started);
            }
        }
        bail!("DynamoDB Local did not start; {}", last_lines(&log, 15))
    }

    /// One attempt; nothing if it ended by itself or did not listen in time.
    fn try_start(java: &Path, directory: &Path, log: &Path) -> Result<Option<Self>> {
        let port = free_port()?;
        let mut running = Process::new(java, NO_TIMEOUT)
            .args([
                "-Djava.library.path=./DynamoDBLocal_lib",
                "-jar",
                "DynamoDBLocal.jar",
                "-inMemory",
                "-sharedDb",
            ])
            .args(["-port", &port.to_string()])
            .current_dir(directory)
            .env("DDB_LOCAL_TELEMETRY", "0")
            .spawn_logged(log)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            if is_interrupted() {
                bail!("interrupted");
            }
            if running.try_wait()?.is_some() {
                return Ok(None);
            }
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return Ok(Some(Self {
                    _running: running,
                    port,
                }));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(None)
    }

    /// Whether its native libraries exist for this platform.
    pub(crate) fn is_supported() -> bool {
        matches!(
            (std::env::consts::OS, std::env::consts::ARCH),
            ("linux" | "macos", "x86_64" | "aarch64")
                | ("linux", "x86")
                | ("windows", "x86_64" | "x86")
        )
    }
}

/// A port that nothing listens on now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
