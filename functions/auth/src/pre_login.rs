//! What a browser keeps while its person is at the provider: the one cookie by which a callback is known to belong to
//! the browser that began.

use crate::providers::ProviderName;
use crate::return_to::ReturnTo;
use auth::cookie::LOGIN_SECONDS;
use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use web::Entropy;
use wire::Timestamp;

/// How many characters the cookie has at most.
const MAX_LENGTH: usize = 1024;

/// By how much the clock of the process that began a sign-in may be ahead.
const MOST_AHEAD_SECONDS: i64 = 60;

/// A sign-in that has begun. It is not signed: whoever can write the cookie of a browser can as well sign in with it, and
/// what counts is that the state comes back to the browser that it was made for. The verifier is kept from the provider
/// until the code is exchanged.
///
/// Another version of the function may have begun it, so a member that is not known here does no harm.
#[derive(Serialize, Deserialize)]
pub(crate) struct PreLogin {
    pub(crate) provider: ProviderName,
    pub(crate) state: String,
    pub(crate) nonce: String,
    verifier: String,
    pub(crate) return_to: ReturnTo,
    begun_ms: i64,
}

impl PreLogin {
    pub(crate) fn begin(
        provider: ProviderName,
        return_to: ReturnTo,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Self {
        let random = || BASE64URL_NOPAD.encode(&entropy.bytes::<32>());
        Self {
            provider,
            state: random(),
            nonce: random(),
            verifier: random(),
            return_to,
            begun_ms: now.as_millis(),
        }
    }

    /// The value of the cookie.
    pub(crate) fn to_cookie(&self) -> String {
        // A struct of text and numbers is always JSON.
        BASE64URL_NOPAD.encode(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the cookie.
    pub(crate) fn from_cookie(value: &str) -> Option<Self> {
        if value.len() > MAX_LENGTH {
            return None;
        }
        let json = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Whether it is this sign-in that comes back now.
    pub(crate) fn is_answered_by(
        &self,
        provider: ProviderName,
        state: &str,
        now: Timestamp,
    ) -> bool {
        let begun = Timestamp::from_millis(self.begun_ms);
        // Another process may have begun it, whose clock is ahead of this one's.
        let in_time = begun <= now.plus_seconds(MOST_AHEAD_SECONDS)
            && now < begun.plus_seconds(LOGIN_SECONDS);
        // An empty state in a cookie must not be equal to an empty one in a query.
        let same =
            !self.state.is_empty() && bool::from(self.state.as_bytes().ct_eq(state.as_bytes()));
        self.provider == provider && in_time && same
    }

    /// What the provider is told at first: the S256 challenge (RFC 7636).
    pub(crate) fn challenge(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.verifier.as_bytes()))
    }

    /// What it is told at last.
    pub(crate) fn verifier(&self) -> SecretString {
        SecretString::from(self.verifier.clone())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn begun() -> PreLogin {
        let longest = ReturnTo::parse(&format!("/{}", "x".repeat(399))).unwrap();
        PreLogin::begin(ProviderName::Google, longest, &Entropy::seeded(1), NOW)
    }

    #[test]
    fn a_cookie_is_read_back_and_small() {
        let begun = begun();
        let cookie = begun.to_cookie();
        assert!(cookie.len() <= MAX_LENGTH, "{}", cookie.len());
        let read = PreLogin::from_cookie(&cookie).unwrap();
        assert!(read.is_answered_by(ProviderName::Google, &begun.state, NOW));
        assert_eq!(read.challenge(), begun.challenge());
        for garbage in ["", "x", "e30", &"A".repeat(2000), &cookie[1..]] {
            assert!(PreLogin::from_cookie(garbage).is_none(), "{garbage}");
        }
    }

    #[test]
    fn a_cookie_of_a_later_version_may_have_more_in_it() {
        let begun = begun();
        let mut json = serde_json::to_value(&begun).unwrap();
        json["of_a_later_version"] = serde_json::json!(1);
        let cookie = BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let read = PreLogin::from_cookie(&cookie).unwrap();
        assert!(read.is_answered_by(ProviderName::Google, &begun.state, NOW));
    }

    #[test]
    fn another_state_or_provider_and_a_late_answer_are_not_its_own() {
        let begun = begun();
        let other = PreLogin::begin(
            ProviderName::Google,
            ReturnTo::default(),
            &Entropy::seeded(2),
            NOW,
        );
        let is = |provider, state: &str, now| begun.is_answered_by(provider, state, now);
        assert!(!is(ProviderName::Google, &other.state, NOW));
        assert!(!is(ProviderName::Google, "", NOW));
        assert!(!is(ProviderName::GitHub, &begun.state, NOW));
        let last = NOW.plus_seconds(LOGIN_SECONDS);
        assert!(!is(ProviderName::Google, &begun.state, last));
        assert!(is(ProviderName::Google, &begun.state, last.plus_millis(-1)));
        let ahead = NOW.plus_seconds(-MOST_AHEAD_SECONDS);
        assert!(is(ProviderName::Google, &begun.state, ahead));
        assert!(!is(
            ProviderName::Google,
            &begun.state,
            ahead.plus_millis(-1)
        ));
    }

    #[test]
    fn an_empty_state_answers_nothing() {
        let emptied = PreLogin {
            state: String::new(),
            ..begun()
        };
        assert!(!emptied.is_answered_by(ProviderName::Google, "", NOW));
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // The example of RFC 7636, appendix B.
        let example = PreLogin {
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
            ..begun()
        };
        assert_eq!(
            example.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
