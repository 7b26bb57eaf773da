//! Signs registrations as agents do.

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wire::SignedParts;

const HOST: &str = "ci.example.com";

/// What the Ed25519 key of the story is made from.
pub(super) const ED25519_SEED: [u8; 32] = [5; 32];

pub(super) fn ed25519_public(seed: [u8; 32]) -> String {
    BASE64.encode(SigningKey::from_bytes(&seed).verifying_key().as_bytes())
}

/// The headers of a signed `POST`: by the HMAC key that the secret is, or by the Ed25519 key of the story.
pub(super) fn signed(
    (key_id, secret): (&str, Option<&str>),
    (path, body): (&str, &str),
    (nonce, at_seconds): (&str, i64),
) -> Vec<(&'static str, String)> {
    let timestamp = at_seconds.to_string();
    let parts = SignedParts {
        timestamp: &timestamp,
        nonce,
        method: "POST",
        host: HOST,
        path,
        query: "",
        body_sha256: &HEXLOWER.encode(&Sha256::digest(body)),
    };
    let message = parts.string_to_sign();
    let signature = if let Some(secret) = secret {
        let secret = BASE64.decode(secret.as_bytes()).unwrap();
        let hmac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        hmac.chain_update(message).finalize().into_bytes().to_vec()
    } else {
        let key = SigningKey::from_bytes(&ED25519_SEED);
        key.sign(message.as_bytes()).to_bytes().to_vec()
    };
    vec![
        ("host", HOST.to_owned()),
        ("x-hcp-key-id", key_id.to_owned()),
        ("x-hcp-timestamp", timestamp),
        ("x-hcp-nonce", nonce.to_owned()),
        ("x-hcp-signature", BASE64.encode(&signature)),
    ]
}
