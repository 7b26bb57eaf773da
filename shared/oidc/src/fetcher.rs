//! The keys of issuers: fetched, remembered, fetched again when they may have changed.

use crate::claims::Claims;
use crate::exchange::{Content, exchange, within};
use crate::json::read_object;
use crate::keys::KeySet;
use crate::network::Network;
use crate::token::Unverified;
use crate::url::{IssuerUrl, Url, UrlFault};
use crate::verify::{Expected, JwtError, Verifier};
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wire::Timestamp;

/// How long both documents of an issuer together may take.
const FETCH_LIMIT: Duration = Duration::from_secs(3);

/// How long keys are used without a look at the issuer, and how long at most while it cannot be reached.
const FRESH_SECONDS: i64 = 600;
const STALE_SECONDS: i64 = 3600;

/// How long a token with an unknown key makes nobody ask the issuer again.
const REFRESH_SECONDS: i64 = 60;

/// Seconds after which a fetch that failed is tried again: what a caller says in `Retry-After`.
pub const RETRY_SECONDS: u32 = 10;

/// Issuers whose keys are remembered; the one used longest ago makes room.
const MAX_ISSUERS: usize = 1000;

/// Why there are no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The issuer gave no usable document just now: try again later. The text is for the log.
    #[error("issuer unavailable: {0}")]
    Unavailable(String),
    /// The issuer's address, or what it says of itself, breaks a rule about where we go and whom we believe. The text is
    /// for the log.
    #[error("issuer refused: {0}")]
    Refused(String),
}

/// Why a token was not verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not good.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// Its issuer's keys could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Brings the keys of issuers. One for each process; clones share what is remembered.
#[derive(Clone)]
pub struct KeyFetcher {
    network: Network,
    issuers: Arc<Mutex<HashMap<String, Remembered>>>,
}

/// An issuer in the cache. Whoever fetches holds its lock, so that all others wait for the same answer.
struct Remembered {
    used_at: Timestamp,
    state: Arc<tokio::sync::Mutex<State>>,
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    failure: Option<(FetchError, Timestamp)>,
}

impl KeyFetcher {
    /// A fetcher on a network, that remembers nothing yet.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            issuers: Arc::default(),
        }
    }

    /// Reads an issuer by the rules of this fetcher's network.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn issuer(&self, text: &str) -> Result<IssuerUrl, UrlFault> {
        self.network.issuer(text)
    }

    /// The issuer's keys: at most ten minutes old, or an hour while it cannot be reached.
    ///
    /// # Errors
    /// If it has none that we take, or cannot be reached.
    pub async fn keys(
        &self,
        issuer: &IssuerUrl,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, FetchError> {
        let state = self.state(issuer, now);
        let mut state = state.lock().await;
        if let Some(keys) = state.keys_younger_than(FRESH_SECONDS, now) {
            return Ok(keys);
        }
        let failed = match state.failure_within(i64::from(RETRY_SECONDS), now) {
            Some(failed) => failed,
            None => match self.fetch_into(&mut state, issuer, now).await {
                Ok(keys) => return Ok(keys),
                Err(failed) => failed,
            },
        };
        // Only an issuer that is down is given the time: one that breaks a rule has changed.
        match (&failed, state.keys_younger_than(STALE_SECONDS, now)) {
            (FetchError::Unavailable(_), Some(keys)) => Ok(keys),
            _ => Err(failed),
        }
    }

    /// Verifies a token by its issuer's keys. If it names a key that the issuer did not have, they are fetched again, once
    /// a minute at most.
    ///
    /// # Errors
    /// If it is not good, or the keys cannot be had.
    pub async fn verify(
        &self,
        token: &str,
        expected: &Expected,
        now: Timestamp,
    ) -> Result<Claims, TokenError> {
        // What is evidently not meant for us makes nobody connect to anything.
        let said = Unverified::read(token)?;
        if said.issuer() != expected.issuer.as_str() {
            return Err(JwtError::Issuer.into());
        }
        if !said.audiences().contains(&expected.audience) {
            return Err(JwtError::Audience.into());
        }
        let keys = self.keys(&expected.issuer, now).await?;
        match Verifier.verify(token, expected, &keys, now) {
            Err(JwtError::UnknownKey) => {
                let newer = self.newer_keys(&expected.issuer, &keys, now).await?;
                let newer = newer.ok_or(JwtError::UnknownKey)?;
                Ok(Verifier.verify(token, expected, &newer, now)?)
            }
            answer => Ok(answer?),
        }
    }

    /// Other keys than these, unless the issuer was asked within the last minute.
    async fn newer_keys(
        &self,
        issuer: &IssuerUrl,
        known: &Arc<KeySet>,
        now: Timestamp,
    ) -> Result<Option<Arc<KeySet>>, FetchError> {
        let state = self.state(issuer, now);
        let mut state = state.lock().await;
        if let Some(keys) = state.keys_younger_than(REFRESH_SECONDS, now) {
            return Ok((!Arc::ptr_eq(&keys, known)).then_some(keys));
        }
        if let Some(failed) = state.failure_within(REFRESH_SECONDS, now) {
            return Err(failed);
        }
        self.fetch_into(&mut state, issuer, now).await.map(Some)
    }

    /// What is remembered of an issuer; room is made for one that is new.
    fn state(&self, issuer: &IssuerUrl, now: Timestamp) -> Arc<tokio::sync::Mutex<State>> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if !issuers.contains_key(issuer.as_str()) && issuers.len() >= MAX_ISSUERS {
            let oldest = issuers
                .iter()
                .min_by_key(|(_, remembered)| remembered.used_at)
                .map(|(name, _)| name.clone());
            if let Some(name) = oldest {
                issuers.remove(&name);
            }
        }
        let remembered = issuers
            .entry(issuer.as_str().to_owned())
            .or_insert_with(|| Remembered {
                used_at: now,
                state: Arc::default(),
            });
        remembered.used_at = remembered.used_at.max(now);
        Arc::clone(&remembered.state)
    }

    /// How many issuers are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        let issuers = self.issuers.lock();
        issuers.unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Fetches the keys and remembers them, or that it failed.
    async fn fetch_into(
        &self,
        state: &mut State,
        issuer: &IssuerUrl,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, FetchError> {
        match within(FETCH_LIMIT, self.fetch(issuer)).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                state.keys = Some((Arc::clone(&keys), now));
                state.failure = None;
                Ok(keys)
            }
            Err(error) => {
                state.failure = Some((error.clone(), now));
                Err(error)
            }
        }
    }

    async fn fetch(&self, issuer: &IssuerUrl) -> Result<KeySet, FetchError> {
        let description = self.document(&issuer.discovery()).await?;
        let keys = self.keys_url(issuer, &description)?;
        let document = self.document(&keys).await?;
        KeySet::parse(&document).map_err(|fault| FetchError::Unavailable(fault.to_string()))
    }

    /// Where the keys are, by the issuer's description of itself.
    fn keys_url(&self, issuer: &IssuerUrl, description: &[u8]) -> Result<Url, FetchError> {
        let members = read_object(description)
            .map_err(|_| FetchError::Unavailable("its description is no JSON object".to_owned()))?;
        let text = |name: &str| members.get(name).and_then(|value| value.as_str());
        if text("issuer") != Some(issuer.as_str()) {
            return Err(FetchError::Refused("it says to be another".to_owned()));
        }
        let address = text("jwks_uri")
            .ok_or_else(|| FetchError::Refused("it names no place of its keys".to_owned()))?;
        let url = self
            .network
            .url(address)
            .map_err(|fault| FetchError::Refused(format!("the place of its keys {fault}")))?;
        if !issuer.may_keep_keys_at(&url) {
            let why = format!("its keys are at {}", url.host);
            return Err(FetchError::Refused(why));
        }
        Ok(url)
    }

    async fn document(&self, url: &Url) -> Result<Bytes, FetchError> {
        let answer = exchange(&self.network, url, Content::Nothing).await?;
        if answer.status == http::StatusCode::OK {
            Ok(answer.body)
        } else {
            let status = answer.status.as_u16();
            Err(FetchError::Unavailable(format!("status {status}")))
        }
    }
}

impl fmt::Debug for KeyFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFetcher")
    }
}

impl State {
    fn keys_younger_than(&self, seconds: i64, now: Timestamp) -> Option<Arc<KeySet>> {
        let (keys, fetched_at) = self.keys.as_ref()?;
        is_within(*fetched_at, seconds, now).then(|| Arc::clone(keys))
    }

    fn failure_within(&self, seconds: i64, now: Timestamp) -> Option<FetchError> {
        let (error, at) = self.failure.as_ref()?;
        is_within(*at, seconds, now).then(|| error.clone())
    }
}

/// Whether `then` lies less than so many seconds back. Calls that overlap may see each other's times in any order; what
/// lies further ahead comes from a clock that was set back, and its age is not known.
fn is_within(then: Timestamp, seconds: i64, now: Timestamp) -> bool {
    now < then.plus_seconds(seconds) && then < now.plus_seconds(seconds)
}
