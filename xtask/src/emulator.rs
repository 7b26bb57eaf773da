//! A stand-in for a service, on a port of this machine for as long as the tests run.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{Process, Running, is_interrupted, last_lines};

/// It usually listens after 2 s.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// The port may be taken by another program between our looking and its listening.
const START_ATTEMPTS: u32 = 3;
/// It runs as long as the tests; dropping the handle ends it.
pub(crate) const NO_TIMEOUT: Duration = Duration::MAX;

/// A server that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Emulator {
    _running: Running,
    port: u16,
}

impl Emulator {
    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts what `command` makes of a free port.
    ///
    /// # Errors
    ///
    /// Why it did not start, in its own words.
    pub(crate) fn start(name: &str, log: &Path, command: impl Fn(u16) -> Process) -> Result<Self> {
        for _ in 0..START_ATTEMPTS {
            let port = free_port()?;
            if let Some(started) = Self::try_start(port, command(port), log)? {
                return Ok(started);
            }
        }
        bail!("{name} did not start; {}", last_lines(log, 15))
    }

    /// One attempt; nothing if it ended by itself or did not listen in time.
    fn try_start(port: u16, mut command: Process, log: &Path) -> Result<Option<Self>> {
        let mut running = command.spawn_logged(log)?;
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
}

/// A port that nothing listens on now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
