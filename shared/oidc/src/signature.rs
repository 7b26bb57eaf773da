//! The one module that calls `jsonwebtoken`: it checks a signature by a key whose algorithm was settled before the token
//! was seen.

use crate::verify::JwtError;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::de::IgnoredAny;
use std::fmt;

/// The signatures that we take. None is symmetric, so a public key can never serve as a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    Es384,
}

impl Algorithm {
    /// By its name in a header; case counts.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            _ => None,
        }
    }

    fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
        }
    }
}

/// RSA moduli that we take, in bits: shorter ones can be broken, longer ones cost too much to use.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key, and the one algorithm it is used with.
#[derive(Clone)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    /// What the key consists of, to tell whether two are the same.
    material: Vec<u8>,
    key: DecodingKey,
}

impl PublicKey {
    /// An RSA key of these big-endian numbers; `None` if it is too weak or too large to be used.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let modulus = without_leading_zeros(modulus);
        let exponent = without_leading_zeros(exponent);
        let top_zeros = modulus.first()?.leading_zeros() as usize;
        let is_odd = exponent.last()? & 1 == 1;
        if !RSA_BITS.contains(&(modulus.len() * 8 - top_zeros))
            || !is_odd
            || exponent == [1]
            || exponent.len() > 4
        {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::Rs256,
            material: [modulus, exponent].concat(),
            key: DecodingKey::from_rsa_raw_components(modulus, exponent),
        })
    }

    /// A key on the curve of that algorithm; `None` if the coordinates have not the length of the curve's.
    pub(crate) fn elliptic(algorithm: Algorithm, x: &[u8], y: &[u8]) -> Option<Self> {
        let length = match algorithm {
            Algorithm::Es256 => 32,
            Algorithm::Es384 => 48,
            Algorithm::Rs256 => return None,
        };
        if x.len() != length || y.len() != length {
            return None;
        }
        let point = [&[4], x, y].concat();
        Some(Self {
            algorithm,
            key: DecodingKey::from_ec_der(&point),
            material: point,
        })
    }

    /// The only algorithm that this key is used with.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks that the token was signed by this key, for this audience, by this issuer. Times are not looked at: the
    /// library would read the system's clock.
    pub(crate) fn check(&self, token: &str, issuer: &str, audience: &str) -> Result<(), JwtError> {
        let mut validation = Validation::new(self.algorithm.of_library());
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place, with the algorithm given"
        )]
        let answer = decode::<IgnoredAny>(token, &self.key, &validation);
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => JwtError::Signature,
                ErrorKind::InvalidAlgorithm => JwtError::Algorithm,
                ErrorKind::InvalidIssuer => JwtError::Issuer,
                ErrorKind::InvalidAudience => JwtError::Audience,
                ErrorKind::MissingRequiredClaim(name) => JwtError::Claim(claim_name(name)),
                _ => JwtError::Malformed("not a JSON Web Token"),
            }),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.material == other.material
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.algorithm)
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The claim's name, as text that is ours.
fn claim_name(name: &str) -> &'static str {
    match name {
        "exp" => "exp",
        "iss" => "iss",
        "sub" => "sub",
        _ => "aud",
    }
}
