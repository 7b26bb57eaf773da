//! The key that ID tokens are signed with: RS256, as Google's are, made at the first sign-in and gone with the process.

use anyhow::{Context, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// The name of the key in the header of a token.
const KEY_ID: &str = "local-1";

/// The key.
pub(super) struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// A new key. That takes a processor some tenths of a second.
    pub(super) fn generate() -> Result<Self> {
        RsaKeyPair::generate(KeySize::Rsa2048)
            .map(Self)
            .context("no RSA key could be made")
    }

    /// The public half, as a JWK set (RFC 7517).
    pub(super) fn public(&self) -> Value {
        let public = self.0.public_key();
        let encode = |number: &[u8]| BASE64URL_NOPAD.encode(number);
        json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        }] })
    }

    /// The claims as a signed JWT (RFC 7519).
    pub(super) fn sign(&self, claims: &Value) -> Result<String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": KEY_ID });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .context("an ID token could not be signed")?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}
