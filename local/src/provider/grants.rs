//! What the fake provider has granted: codes that wait to be exchanged, and access tokens.

use super::Protocol;
use super::people::Person;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use web::Entropy;
use wire::Timestamp;

/// How long a code waits.
const CODE_SECONDS: i64 = 600;
/// How long an access token is good.
pub(super) const TOKEN_SECONDS: i64 = 3600;
/// How many codes and how many tokens are remembered; the oldest are forgotten.
const REMEMBERED: usize = 1000;

/// A code, and what it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) protocol: Protocol,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) person: Person,
    pub(super) at: Timestamp,
}

/// An access token, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issued {
    pub(super) protocol: Protocol,
    pub(super) client_id: String,
    pub(super) person: Person,
    pub(super) at: Timestamp,
}

/// What somebody shows who exchanges a code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) protocol: Protocol,
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) code: &'a str,
    pub(super) verifier: &'a str,
}

#[derive(Debug, Default)]
struct Remembered {
    codes: VecDeque<(String, Grant)>,
    tokens: VecDeque<(String, Issued)>,
}

/// Everything that was granted.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<Remembered>);

impl Grants {
    /// A new code.
    pub(super) fn grant(&self, entropy: &Entropy, grant: Grant) -> String {
        let code = random(entropy);
        remember(&mut self.lock().codes, code.clone(), grant);
        code
    }

    /// What a code was made for, and a new access token. A code is gone with its first use, good or not.
    pub(super) fn exchange(
        &self,
        entropy: &Entropy,
        shown: Exchange<'_>,
        now: Timestamp,
    ) -> Option<(Grant, String)> {
        let mut remembered = self.lock();
        let place = remembered
            .codes
            .iter()
            .position(|(code, _)| code == shown.code)?;
        let (_, grant) = remembered.codes.remove(place)?;
        let fits = grant.protocol == shown.protocol
            && grant.client_id == shown.client_id
            && grant.redirect_uri == shown.redirect_uri
            && grant.challenge == challenge(shown.verifier)
            && now < grant.at.plus_seconds(CODE_SECONDS);
        if !fits {
            return None;
        }
        let token = access_token(entropy, grant.protocol);
        let issued = Issued {
            protocol: grant.protocol,
            client_id: grant.client_id.clone(),
            person: grant.person,
            at: now,
        };
        remember(&mut remembered.tokens, token.clone(), issued);
        Some((grant, token))
    }

    /// Whose access token it is.
    pub(super) fn token(&self, protocol: Protocol, token: &str, now: Timestamp) -> Option<Issued> {
        let remembered = self.lock();
        let (_, issued) = remembered.tokens.iter().find(|(known, _)| known == token)?;
        let good = issued.protocol == protocol && now < issued.at.plus_seconds(TOKEN_SECONDS);
        good.then(|| issued.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        // No code in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember<T>(all: &mut VecDeque<(String, T)>, name: String, thing: T) {
    if all.len() >= REMEMBERED {
        all.pop_front();
    }
    all.push_back((name, thing));
}

/// Something that nobody can guess.
pub(super) fn random(entropy: &Entropy) -> String {
    BASE64URL_NOPAD.encode(&entropy.bytes::<32>())
}

/// An access token, in the form that the provider's have.
fn access_token(entropy: &Entropy, protocol: Protocol) -> String {
    let kind = match protocol {
        Protocol::GitHub => "gho_",
        Protocol::Google => "ya29.",
    };
    format!("{kind}{}", random(entropy))
}

/// The S256 challenge of a PKCE verifier (RFC 7636).
pub(super) fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::people::PEOPLE;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn granted(entropy: &Entropy) -> (Grants, String) {
        let grants = Grants::default();
        let grant = Grant {
            protocol: Protocol::Google,
            client_id: "app".to_owned(),
            redirect_uri: "http://127.0.0.1:1/auth/callback/google".to_owned(),
            challenge: challenge("verifier"),
            nonce: None,
            person: PEOPLE[0],
            at: NOW,
        };
        let code = grants.grant(entropy, grant);
        (grants, code)
    }

    fn shown(code: &str) -> Exchange<'_> {
        Exchange {
            protocol: Protocol::Google,
            client_id: "app",
            redirect_uri: "http://127.0.0.1:1/auth/callback/google",
            code,
            verifier: "verifier",
        }
    }

    #[test]
    fn a_code_is_exchanged_once() {
        let entropy = Entropy::seeded(1);
        let (grants, code) = granted(&entropy);
        let (grant, token) = grants.exchange(&entropy, shown(&code), NOW).unzip();
        assert_eq!(grant.map(|grant| grant.person), Some(PEOPLE[0]));
        assert_eq!(grants.exchange(&entropy, shown(&code), NOW), None);
        let token = token.unwrap_or_default();
        assert!(grants.token(Protocol::Google, &token, NOW).is_some());
        assert!(grants.token(Protocol::GitHub, &token, NOW).is_none());
        let later = NOW.plus_seconds(TOKEN_SECONDS);
        assert!(grants.token(Protocol::Google, &token, later).is_none());
    }

    #[test]
    fn a_code_is_gone_after_a_try_that_did_not_fit() {
        let entropy = Entropy::seeded(1);
        let tries: [fn(&mut Exchange<'_>); 4] = [
            |shown| shown.verifier = "another",
            |shown| shown.client_id = "another",
            |shown| shown.redirect_uri = "http://127.0.0.1:2/auth/callback/google",
            |shown| shown.protocol = Protocol::GitHub,
        ];
        for spoil in tries {
            let (grants, code) = granted(&entropy);
            let mut wrong = shown(&code);
            spoil(&mut wrong);
            assert_eq!(grants.exchange(&entropy, wrong, NOW), None);
            assert_eq!(grants.exchange(&entropy, shown(&code), NOW), None);
        }
        let (grants, code) = granted(&entropy);
        let late = NOW.plus_seconds(CODE_SECONDS);
        assert_eq!(grants.exchange(&entropy, shown(&code), late), None);
    }
}
