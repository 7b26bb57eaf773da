//! What people sign in with, a code or a token, only its provider can judge, and nobody has to prove anything before. So that
//! strangers cannot make us ask the providers without end, what they try is limited: from one address over all processes, which
//! tell each other of it every few times, and from everywhere in each process for itself. That the limit from everywhere is not
//! shared is on purpose: strangers who have many addresses could use it up for everybody.

use crate::providers::{Known, Provider, SignIn, SignInError};
use auth::Api;
use domain::limits::{Admission, RequestWindow, SHARE_SIGN_INS_EVERY};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use web::Problem;
use wire::Timestamp;

/// How often a provider is asked about what came from one address in one window of 10 seconds.
const OF_ADDRESS: u64 = 20;

/// How often about what came from everywhere, by one process.
const IN_ALL: u64 = 200;

/// For how long it is remembered that a provider has refused a token, in seconds.
const REFUSED_SECONDS: i64 = 30;

/// How many addresses and how many tokens are remembered. When there are more, all are forgotten: that costs the limit of
/// each address one window, and the limit of all of them holds.
const MAX_REMEMBERED: usize = 10_000;

/// What was tried of late. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Attempts(Arc<Mutex<Tried>>);

#[derive(Default)]
struct Tried {
    in_all: RequestWindow,
    addresses: HashMap<IpAddr, RequestWindow>,
    /// Until when each token counts as refused, by its hash.
    refused: HashMap<[u8; 32], Timestamp>,
}

impl Attempts {
    fn lock(&self) -> MutexGuard<'_, Tried> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one question to a provider.
    ///
    /// # Errors
    /// 429 if there were too many. If the count cannot be shared the request goes on: the limit holds for each process by
    /// itself meanwhile.
    pub(crate) async fn count(&self, api: &Api, address: Option<IpAddr>) -> Result<(), Problem> {
        let now = api.now();
        let Some((from, tried)) = self.count_here(address, now)? else {
            return Ok(());
        };
        let window = RequestWindow::number_at(now);
        match api.store.share_sign_ins(from, window, tried).await {
            Ok(total) => {
                if let Some(known) = self.lock().addresses.get_mut(&from) {
                    known.learn(window, total);
                }
            }
            Err(error) => tracing::warn!(%error, "the count of sign-ins was not shared"),
        }
        Ok(())
    }

    /// Counts it in this process: of which address the others are to be told how much. An address that has used up its own
    /// share takes nothing of the others'.
    fn count_here(
        &self,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<(IpAddr, u64)>, Problem> {
        let tried = &mut *self.lock();
        let from = address.map(network);
        if let Some(from) = from {
            bound(&mut tried.addresses);
            let window = tried.addresses.entry(from).or_default();
            admitted(window.count(OF_ADDRESS, now))?;
        }
        admitted(tried.in_all.count(IN_ALL, now))?;
        let to_share = from.and_then(|from| {
            let window = tried.addresses.get_mut(&from)?;
            Some((from, window.take_unshared(SHARE_SIGN_INS_EVERY)?))
        });
        Ok(to_share)
    }

    fn is_refused(&self, token: &[u8; 32], now: Timestamp) -> bool {
        let tried = self.lock();
        tried.refused.get(token).is_some_and(|until| now < *until)
    }

    fn note_refused(&self, token: [u8; 32], now: Timestamp) {
        let mut tried = self.lock();
        bound(&mut tried.refused);
        tried
            .refused
            .insert(token, now.plus_seconds(REFUSED_SECONDS));
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempts")
    }
}

fn admitted(admission: Admission) -> Result<(), Problem> {
    if admission.admitted {
        return Ok(());
    }
    Err(Problem::too_many(admission.reset_seconds))
}

/// Makes room in a map that must stay small.
fn bound<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.len() >= MAX_REMEMBERED {
        map.clear();
    }
}

/// What one caller has to themselves: of IPv6 it is not an address but 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// The hash that a token is remembered by.
fn digest(provider: Provider<'_>, token: &SecretString) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(provider.name().as_str());
    digest.update(":");
    digest.update(token.expose_secret());
    digest.finalize().into()
}

impl SignIn {
    /// Whose token it is that a tool has brought. Its provider is asked only if it may have issued such a token, has not
    /// just refused it, and was not asked too often.
    ///
    /// # Errors
    /// 401 if it is not good, 429 after too many questions, 503 if the provider cannot be asked.
    pub(crate) async fn whose_token(
        &self,
        api: &Api,
        provider: Provider<'_>,
        token: &SecretString,
        address: Option<IpAddr>,
    ) -> Result<Known, Problem> {
        let now = api.now();
        if !provider.may_have_issued(token) {
            return Err(SignInError::refused("no token of that provider looks like that").into());
        }
        let hash = digest(provider, token);
        if self.attempts.is_refused(&hash, now) {
            return Err(SignInError::refused("the provider has just refused it").into());
        }
        self.attempts.count(api, address).await?;
        let whose = provider.whose_token(token, now).await;
        if let Err(SignInError::Refused(_)) = &whose {
            self.attempts.note_refused(hash, now);
        }
        Ok(whose?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn an_address_that_tries_too_often_takes_nothing_from_the_others() {
        let attempts = Attempts::default();
        let of = |host: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, host, 0, 0, 0, 1]));
        for _ in 0..2 * IN_ALL {
            // The interface is whatever its owner likes.
            let _ = attempts.count_here(of(0), NOW);
            let _ = attempts.count_here(of(0).map(next), NOW);
        }
        assert_eq!(attempts.lock().addresses.len(), 1);
        for host in 1..=9 {
            for _ in 0..OF_ADDRESS {
                assert!(attempts.count_here(of(host), NOW).is_ok());
            }
        }
        let late = attempts.count_here(of(10), NOW).err();
        assert_eq!(late.map(|problem| problem.status().as_u16()), Some(429));
        assert!(attempts.count_here(None, NOW).is_err());
        assert!(attempts.count_here(of(0), NOW.plus_seconds(10)).is_ok());
    }

    fn next(address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() + 1).into(),
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = Attempts::default();
        for number in 0..30_000_u32 {
            let _ = attempts.count_here(Some(number.to_be_bytes().into()), NOW);
            let mut token = [0; 32];
            token[..4].copy_from_slice(&number.to_be_bytes());
            attempts.note_refused(token, NOW);
            assert!(attempts.is_refused(&token, NOW));
            assert!(!attempts.is_refused(&token, NOW.plus_seconds(REFUSED_SECONDS)));
        }
        let tried = attempts.lock();
        assert!(tried.addresses.len() <= MAX_REMEMBERED);
        assert!(tried.refused.len() <= MAX_REMEMBERED);
    }
}
