//! Keys that sign tokens of tests. They are made when the test runs; none is kept.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_SHA256,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// A key pair of an issuer.
pub struct SigningKey {
    id: String,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// A key on P-256, of this `kid`.
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self {
            id: kid.to_owned(),
            pair: Pair::P256(pair),
        }
    }

    /// A key on P-384, of this `kid`.
    pub fn es384(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
        Self {
            id: kid.to_owned(),
            pair: Pair::P384(pair),
        }
    }

    /// An RSA key of 2048 bits, of this `kid`. Making one takes a moment.
    pub fn rs256(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        Self {
            id: kid.to_owned(),
            pair: Pair::Rsa(Box::new(pair)),
        }
    }

    /// The name of its algorithm.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::P256(_) => "ES256",
            Pair::P384(_) => "ES384",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// The public half, as an issuer publishes it.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => {
                // The first byte says that both coordinates follow.
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({
                    "kid": self.id, "kty": "EC", "crv": curve, "use": "sig",
                    "alg": self.algorithm(), "x": text(x), "y": text(y),
                })
            }
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                json!({
                    "kid": self.id, "kty": "RSA", "use": "sig", "alg": self.algorithm(),
                    "n": text(key.modulus().big_endian_without_leading_zero()),
                    "e": text(key.exponent().big_endian_without_leading_zero()),
                })
            }
        }
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"});
        self.token_with(&header, claims)
    }

    /// A token with a header of one's own.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token of texts that need not be JSON.
    pub(crate) fn token_of(&self, header: &str, claims: &str) -> String {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let signed = format!("{}.{}", text(header.as_bytes()), text(claims.as_bytes()));
        let signature = text(&self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The signature of a message, as it stands in a token before it is encoded.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => {
                let signature = pair.sign(&random, message).expect("a signature");
                signature.as_ref().to_vec()
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("a signature");
                signature
            }
        }
    }
}

/// The document by which an issuer publishes these keys.
pub fn key_document(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}
