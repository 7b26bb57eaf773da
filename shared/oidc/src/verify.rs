//! Whether a token is good: by whom, for whom, when.

use crate::claims::Claims;
use crate::keys::KeySet;
use crate::token::Parts;
use crate::url::IssuerUrl;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wire::Timestamp;

/// How far an issuer's clock and ours may lie apart, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;

/// How old the token of a workload may be, in seconds: it is made for the call that brings it.
const WORKLOAD_MAX_AGE_SECONDS: u32 = 600;

/// What a token must say to be good.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Who issued it.
    pub issuer: IssuerUrl,
    /// Whom it is for; compared as it is.
    pub audience: String,
    /// Seconds that may have passed since it was issued, beyond the leeway; `None` leaves that to its own end.
    pub max_age_seconds: Option<u32>,
    /// OpenID Connect's rule: `azp` must be the audience if it is there, and there if there are other audiences.
    pub authorized_party: bool,
    /// What `nonce` must be.
    pub nonce: Option<String>,
}

impl Expected {
    /// A token by which a workload proves who it is: issued ten minutes ago at most.
    pub fn workload(issuer: IssuerUrl, audience: &str) -> Self {
        Self {
            issuer,
            audience: audience.to_owned(),
            max_age_seconds: Some(WORKLOAD_MAX_AGE_SECONDS),
            authorized_party: false,
            nonce: None,
        }
    }

    /// The identity token of a person who signs in, in answer to the request that carried this nonce.
    pub fn sign_in(issuer: IssuerUrl, client_id: &str, nonce: &str) -> Self {
        Self {
            issuer,
            audience: client_id.to_owned(),
            max_age_seconds: None,
            authorized_party: true,
            nonce: Some(nonce.to_owned()),
        }
    }
}

/// Why a token is not good. All are the caller's 401; which it was is for the log, but for the times: a machine whose
/// clock is wrong is told so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is no token that any key could verify.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Its header has a parameter that is not taken.
    #[error("header parameter `{0}` is not taken")]
    Header(&'static str),
    /// It is signed by a method that is not taken, or by none.
    #[error("algorithm is not taken")]
    Algorithm,
    /// The issuer has no such key, or none that fits the algorithm. The keys may have changed since they were fetched.
    #[error("no such key")]
    UnknownKey,
    /// The key did not sign this.
    #[error("wrong signature")]
    Signature,
    /// A claim is missing, or is not what such a claim is.
    #[error("claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// Somebody else issued it.
    #[error("wrong issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("wrong audience")]
    Audience,
    /// It was given to somebody else.
    #[error("wrong authorized party")]
    AuthorizedParty,
    /// It answers another request.
    #[error("wrong nonce")]
    Nonce,
    /// By our clock it is valid, or was issued, only that many seconds from now.
    #[error("not valid for another {seconds} s")]
    NotYetValid {
        /// Seconds from our time to the token's.
        seconds: i64,
    },
    /// By our clock it ended that many seconds ago.
    #[error("expired {seconds} s ago")]
    Expired {
        /// Seconds from its end to our time.
        seconds: i64,
    },
    /// By our clock it was issued that many seconds ago, longer than is allowed.
    #[error("issued {seconds} s ago")]
    TooOld {
        /// Seconds from its issue to our time.
        seconds: i64,
    },
}

impl JwtError {
    /// Whether only the times are wrong. The signature was good then, so the caller may be told our time.
    pub fn is_about_time(&self) -> bool {
        matches!(
            self,
            Self::NotYetValid { .. } | Self::Expired { .. } | Self::TooOld { .. }
        )
    }
}

/// Verifies tokens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Verifier;

impl Verifier {
    /// Verifies a token by the keys of its issuer, at this time.
    ///
    /// # Errors
    /// The first thing that is wrong with it. Nothing of its payload is looked at before its signature has been checked.
    pub fn verify(
        &self,
        token: &str,
        expected: &Expected,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Claims, JwtError> {
        let parts = Parts::of(token)?;
        let header = parts.header()?;
        let key = keys.find(&header).ok_or(JwtError::UnknownKey)?;
        key.check(token, expected.issuer.as_str(), &expected.audience)?;
        let mut claims = Claims::of(parts.payload()?)?;
        check_parties(&claims, expected)?;
        check_times(&claims, expected, now)?;
        claims.usable_until = usable_until(&claims, expected);
        claims.fingerprint = Sha256::digest(parts.signed.as_bytes()).into();
        Ok(claims)
    }
}

fn check_parties(claims: &Claims, expected: &Expected) -> Result<(), JwtError> {
    if claims.issuer != expected.issuer.as_str() {
        return Err(JwtError::Issuer);
    }
    if !claims.audiences.contains(&expected.audience) {
        return Err(JwtError::Audience);
    }
    if expected.authorized_party {
        let is_given_to_us = match claims.text("azp") {
            Some(party) => party == expected.audience,
            None => claims.audiences.len() == 1,
        };
        if !is_given_to_us {
            return Err(JwtError::AuthorizedParty);
        }
    }
    if let Some(nonce) = &expected.nonce {
        let given = claims.text("nonce").unwrap_or_default();
        if nonce.is_empty() || !bool::from(given.as_bytes().ct_eq(nonce.as_bytes())) {
            return Err(JwtError::Nonce);
        }
    }
    Ok(())
}

fn check_times(claims: &Claims, expected: &Expected, now: Timestamp) -> Result<(), JwtError> {
    if claims.expires_at < claims.issued_at {
        return Err(JwtError::Claim("exp"));
    }
    let begins = claims
        .not_before
        .map_or(claims.issued_at, |start| start.max(claims.issued_at));
    if begins > now.plus_seconds(LEEWAY_SECONDS) {
        let seconds = begins.millis_since(now) / 1000;
        return Err(JwtError::NotYetValid { seconds });
    }
    if claims.expires_at.plus_seconds(LEEWAY_SECONDS) <= now {
        let seconds = now.millis_since(claims.expires_at) / 1000;
        return Err(JwtError::Expired { seconds });
    }
    if usable_until(claims, expected) <= now {
        let seconds = now.millis_since(claims.issued_at) / 1000;
        return Err(JwtError::TooOld { seconds });
    }
    Ok(())
}

/// The first moment at which it is too late for the token.
fn usable_until(claims: &Claims, expected: &Expected) -> Timestamp {
    let by_age = expected.max_age_seconds.map_or(claims.expires_at, |age| {
        claims.issued_at.plus_seconds(i64::from(age))
    });
    by_age.min(claims.expires_at).plus_seconds(LEEWAY_SECONDS)
}
