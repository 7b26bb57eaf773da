//! A moto of this program's own, which answers as SQS does, where it is installed.

use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// What `pip install 'moto[server]'` puts on the path.
const PROGRAM: &str = "moto_server";

/// How long it may take to listen. A second or two is what it takes.
const START_WITHIN: Duration = Duration::from_secs(20);

/// How much it may say before it says where it listens.
const MAX_PREAMBLE_BYTES: u64 = 64 * 1024;

/// What it says before the address.
const LISTENS: &str = "Running on ";

/// It runs for as long as this lives.
#[derive(Debug)]
pub(crate) struct Moto {
    url: String,
    _process: Child,
}

/// One that was started and may not listen yet. It ends if this is dropped.
#[derive(Debug)]
pub(crate) struct Starting(Child);

impl Starting {
    /// Starts it on a free port; `None` where it is not installed.
    ///
    /// # Errors
    /// Why it did not start.
    pub(crate) fn begin() -> Result<Option<Self>> {
        let spawned = Command::new(PROGRAM)
            .args(["-H", "127.0.0.1", "-p", "0"])
            // What it would ask the machine that it runs on.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        match spawned {
            Ok(process) => Ok(Some(Self(process))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(PROGRAM),
        }
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn listens(self) -> Result<Moto> {
        let Self(mut process) = self;
        let mut said = BufReader::new(process.stderr.take().context("it has no output")?);
        let url = timeout(START_WITHIN, address(&mut said))
            .await
            .with_context(|| format!("{PROGRAM} does not listen"))??;
        // It says a line for every request, and would wait for somebody to read them.
        tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
        Ok(Moto {
            url,
            _process: process,
        })
    }
}

impl Moto {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Where it says that it listens.
async fn address(said: &mut (impl AsyncBufRead + Unpin)) -> Result<String> {
    let mut lines = said.take(MAX_PREAMBLE_BYTES).lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, url)) = line.split_once(LISTENS) {
            return Ok(url.trim().to_owned());
        }
        last = line;
    }
    bail!("{PROGRAM} did not start: {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_says_where_it_listens_or_why_not() {
        let mut said = &b"WARNING: a server for development\n * Running on http://127.0.0.1:5000\nPress CTRL+C\n"[..];
        assert_eq!(
            address(&mut said).await.ok().as_deref(),
            Some("http://127.0.0.1:5000")
        );
        let mut said = &b"Traceback\nModuleNotFoundError: No module named 'flask'\n"[..];
        let why = address(&mut said)
            .await
            .err()
            .map(|error| error.to_string());
        assert!(why.is_some_and(|why| why.ends_with("No module named 'flask'")));
        let mut endless = tokio::io::repeat(b'.');
        let mut endless = BufReader::new(&mut endless);
        assert!(address(&mut endless).await.is_err());
    }
}
