//! A value that is read when it is needed, and read again when it may have changed.

use crate::manager::Reader;
use secrecy::ExposeSecret;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;
use wire::Timestamp;

/// How long a value is used without a look at what is there now.
pub const FRESH_SECONDS: i64 = 300;

/// Seconds after which a read that failed is tried again: what a caller says in `Retry-After`.
pub const RETRY_SECONDS: u32 = 10;

/// The same while an older value goes on: nobody waits for it, and every try may keep a caller waiting.
const KEPT_RETRY_SECONDS: i64 = 60;

/// How a secret's text becomes what it is used as; else the rule that it breaks, as `must be …`. It never quotes the text.
pub type Parse<T> = fn(&str) -> Result<T, &'static str>;

/// The secret cannot be read now: try again after [`RETRY_SECONDS`]. Why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret for {0} cannot be read")]
pub struct Unavailable(
    /// The variable that it stands for.
    pub &'static str,
);

/// A secret of the function: given with its configuration, or kept in Secrets Manager. Clones share what was read.
pub struct Secret<T>(Arc<Kind<T>>);

enum Kind<T> {
    Given(Arc<T>),
    Kept(Box<Kept<T>>),
}

struct Kept<T> {
    name: &'static str,
    parse: Parse<T>,
    reader: Reader,
    /// Whoever reads holds it, so that all others wait for the same answer.
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<(Arc<T>, Timestamp)>,
    failed_at: Option<Timestamp>,
}

impl<T> From<T> for Secret<T> {
    /// One that is given with the configuration and does not change.
    fn from(value: T) -> Self {
        Self(Arc::new(Kind::Given(Arc::new(value))))
    }
}

impl<T> Secret<T> {
    pub(crate) fn kept(name: &'static str, parse: Parse<T>, reader: Reader) -> Self {
        Self(Arc::new(Kind::Kept(Box::new(Kept {
            name,
            parse,
            reader,
            state: Mutex::new(State {
                value: None,
                failed_at: None,
            }),
        }))))
    }

    /// The value: what was read within [`FRESH_SECONDS`], or what is there now, or, while that cannot be read, what was read
    /// before.
    ///
    /// # Errors
    /// It cannot be read, and never was.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<T>, Unavailable> {
        match &*self.0 {
            Kind::Given(value) => Ok(Arc::clone(value)),
            Kind::Kept(kept) => kept.get(now).await,
        }
    }

    /// Another value than that one, if there is another now: for whoever has found that it does not fit. The secret is read
    /// for that at most every [`RETRY_SECONDS`].
    ///
    /// # Errors
    /// It cannot be read, so that nobody knows.
    pub async fn newer(
        &self,
        known: &Arc<T>,
        now: Timestamp,
    ) -> Result<Option<Arc<T>>, Unavailable> {
        match &*self.0 {
            Kind::Given(_) => Ok(None),
            Kind::Kept(kept) => kept.newer(known, now).await,
        }
    }
}

impl<T> Kept<T> {
    async fn get(&self, now: Timestamp) -> Result<Arc<T>, Unavailable> {
        let mut state = self.state.lock().await;
        if let Some(value) = state.younger_than(FRESH_SECONDS, now) {
            return Ok(value);
        }
        let pause = match &state.value {
            Some(_) => KEPT_RETRY_SECONDS,
            None => i64::from(RETRY_SECONDS),
        };
        if !state.has_failed_within(pause, now) {
            self.read_into(&mut state, now).await;
        }
        let value = state.value.as_ref().map(|(value, _)| Arc::clone(value));
        value.ok_or(Unavailable(self.name))
    }

    async fn newer(&self, known: &Arc<T>, now: Timestamp) -> Result<Option<Arc<T>>, Unavailable> {
        const PAUSE: i64 = RETRY_SECONDS as i64;
        let mut state = self.state.lock().await;
        if state.younger_than(PAUSE, now).is_none() {
            if !state.has_failed_within(PAUSE, now) {
                self.read_into(&mut state, now).await;
            }
            if state.failed_at.is_some() {
                return Err(Unavailable(self.name));
            }
        }
        let value = state.value.as_ref().map(|(value, _)| Arc::clone(value));
        Ok(value.filter(|value| !Arc::ptr_eq(value, known)))
    }

    /// Reads the secret, and remembers it or that it failed. A value that cannot be used has failed as well: what is there
    /// before it goes on.
    async fn read_into(&self, state: &mut State<T>, now: Timestamp) {
        let read = self.reader.read().await.and_then(|version| {
            let text = version.value.expose_secret();
            // A file or an editor may have ended the value with a line break.
            let text = text.trim_end_matches(['\r', '\n']);
            let value = (self.parse)(text).map_err(|rule| format!("its value {rule}"))?;
            Ok((value, version.id))
        });
        match read {
            Ok((value, version)) => {
                tracing::info!(secret = self.name, version, "a secret was read");
                state.value = Some((Arc::new(value), now));
                state.failed_at = None;
            }
            Err(why) => {
                let arn = self.reader.arn().as_str();
                let goes_on = state.value.is_some();
                tracing::error!(
                    secret = self.name,
                    arn,
                    why,
                    goes_on,
                    "a secret cannot be read"
                );
                state.failed_at = Some(now);
            }
        }
    }
}

impl<T> State<T> {
    fn younger_than(&self, seconds: i64, now: Timestamp) -> Option<Arc<T>> {
        let (value, read_at) = self.value.as_ref()?;
        is_within(*read_at, seconds, now).then(|| Arc::clone(value))
    }

    fn has_failed_within(&self, seconds: i64, now: Timestamp) -> bool {
        self.failed_at.is_some_and(|at| is_within(at, seconds, now))
    }
}

/// Whether `then` lies less than so many seconds back. Calls that overlap may see each other's times in any order; what
/// lies further ahead comes from a clock that was set back, and its age is not known.
fn is_within(then: Timestamp, seconds: i64, now: Timestamp) -> bool {
    now < then.plus_seconds(seconds) && then < now.plus_seconds(seconds)
}

impl<T> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Given(_) => f.write_str("Secret"),
            Kind::Kept(kept) => write!(f, "Secret({})", kept.reader.arn().as_str()),
        }
    }
}
