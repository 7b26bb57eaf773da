//! DynamoDB inside the process: a database on SQLite and a client of the AWS SDK that calls it directly.
//!
//! [`Engine::client`] gives the SDK's own client, so the code that uses it is the code that runs on AWS. What the SDK
//! would send over the network is handed to the database as a function call instead: there is no socket, no port and
//! no signature.
//!
//! The database does not throttle, its indexes are never stale and a call is never lost on the way, all of which
//! happens on AWS. [`Engine::client_with`] gives a client that meets these faults on purpose.

mod connector;
mod dispatch;
mod fault;
mod integrity;
mod open;
mod record;
mod runner;

use std::path::Path;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;

pub use fault::{Call, Fault};
pub use open::OpenError;
pub use record::{Permission, Recording};

use dispatch::Token;
use fault::Policy;
use runner::Runner;

/// A database, in memory or in a file. Clones are handles to the same database; it is closed with the last handle and
/// the last client.
#[derive(Clone, Debug)]
pub struct Engine {
    runner: Arc<Runner>,
    recording: Option<Recording>,
}

impl Engine {
    /// An empty database that is gone when its last handle is dropped.
    ///
    /// # Errors
    ///
    /// [`OpenError::Engine`] if SQLite cannot start.
    pub fn memory() -> Result<Self, OpenError> {
        Self::on(open::memory()?)
    }

    /// The database in the file at `path`, which is created if there is none. Beside it stand `<path>-wal` and
    /// `<path>-shm`, which belong to it while it is open, and `<path>.lock`, which keeps other processes out.
    ///
    /// Every write is on the disk before it is acknowledged. A file that is damaged is reported and left exactly as it
    /// was found.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]: each variant says what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::on(open::file(path.as_ref())?)
    }

    fn on(database: open::OpenDatabase) -> Result<Self, OpenError> {
        let runner = Runner::new(database).map_err(|error| OpenError::Engine(error.to_string()))?;
        Ok(Self {
            runner: Arc::new(runner),
            recording: None,
        })
    }

    /// A handle to the same database, whose clients' calls are recorded there.
    pub fn recorded_by(&self, recording: &Recording) -> Self {
        Self {
            runner: Arc::clone(&self.runner),
            recording: Some(recording.clone()),
        }
    }

    /// A client of the SDK whose calls are answered by this database, without retries: no answer is lost, and so nothing
    /// is sent again.
    pub fn client(&self) -> Client {
        let config = self.config_of(None, Token::Forgotten);
        Client::from_conf(config.build())
    }

    /// The configuration of such a client, for a caller who wants to change something, such as the retries.
    pub fn config(&self) -> Builder {
        self.config_of(None, Token::Remembered)
    }

    /// A client whose calls meet the faults that `policy` names, without retries.
    pub fn client_with(
        &self,
        policy: impl Fn(&Call<'_>) -> Fault + Send + Sync + 'static,
    ) -> Client {
        Client::from_conf(self.config_with(policy).build())
    }

    /// The configuration of [`Engine::client_with`]. Set `retry_config` on it to see how the SDK's retries meet the
    /// faults: each attempt is a call of its own.
    pub fn config_with(
        &self,
        policy: impl Fn(&Call<'_>) -> Fault + Send + Sync + 'static,
    ) -> Builder {
        self.config_of(Some(Policy::new(policy)), Token::Remembered)
    }

    fn config_of(&self, policy: Option<Policy>, token: Token) -> Builder {
        let (runner, recording) = (Arc::clone(&self.runner), self.recording.clone());
        connector::config(runner, recording, policy, token)
    }

    /// Answers one call, for whoever serves the database to other processes over HTTP: `operation` is the last part of
    /// the header `X-Amz-Target`, `body` and the answer are JSON. Gives the status and the body.
    pub async fn answer(&self, operation: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let answer = self.runner.run(operation, body, Token::Remembered).await;
        (answer.status, answer.body)
    }

    /// Deletes what the tables' time to live says has expired, and says how many items that were. DynamoDB does this
    /// by itself, within days; here nothing is deleted until it is asked for. Blocks the thread.
    ///
    /// # Errors
    ///
    /// The database's own message, if it could not read or write.
    pub fn delete_expired(&self) -> Result<usize, SweepError> {
        self.runner
            .database()
            .sweep_ttl()
            .map_err(|error| SweepError(error.to_string()))
    }
}

/// Deleting expired items failed. It is safe to try again.
#[derive(Debug, thiserror::Error)]
#[error("expired items could not be deleted: {0}")]
pub struct SweepError(String);
