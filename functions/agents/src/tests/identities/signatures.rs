//! Signed requests.

mod hostile;
mod kept_key;

use super::*;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signer, SigningKey as Ed25519};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wire::SignedParts;

const KEYS: &str = "/api/agents/signing-keys";
const NONCE: &str = "0123456789abcdef";

/// Something that signs as its owner would.
#[derive(Clone)]
struct Signing {
    key_id: String,
    secret: [u8; 32],
    is_hmac: bool,
}

/// A request that is to be signed; what is sent may differ from what is signed.
#[derive(Clone)]
struct Draft {
    timestamp: String,
    nonce: String,
    method: &'static str,
    host: &'static str,
    path: &'static str,
    query: &'static str,
    body: Value,
}

fn draft(nonce: &str) -> Draft {
    Draft {
        timestamp: now_seconds().to_string(),
        nonce: nonce.to_owned(),
        method: "POST",
        host: "ci.example.com",
        path: REGISTER,
        query: "",
        body: registration(),
    }
}

impl Signing {
    fn sign(&self, draft: &Draft) -> Vec<u8> {
        let body = Sha256::digest(draft.body.to_string());
        let parts = SignedParts {
            timestamp: &draft.timestamp,
            nonce: &draft.nonce,
            method: draft.method,
            host: draft.host,
            path: draft.path,
            query: draft.query,
            body_sha256: &HEXLOWER.encode(&body),
        };
        let message = parts.string_to_sign();
        if self.is_hmac {
            let hmac = Hmac::<Sha256>::new_from_slice(&self.secret).unwrap();
            hmac.chain_update(message).finalize().into_bytes().to_vec()
        } else {
            let key = Ed25519::from_bytes(&self.secret);
            key.sign(message.as_bytes()).to_bytes().to_vec()
        }
    }
}

type Headers = Vec<(&'static str, String)>;

/// The headers of a request with this signature.
fn headers(key_id: &str, draft: &Draft, signature: &[u8]) -> Headers {
    vec![
        ("host", "ci.example.com".to_owned()),
        ("x-hcp-key-id", key_id.to_owned()),
        ("x-hcp-timestamp", draft.timestamp.clone()),
        ("x-hcp-nonce", draft.nonce.clone()),
        ("x-hcp-signature", BASE64.encode(signature)),
    ]
}

async fn send(world: &World, headers: &Headers, body: &Value) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    world.send(&headers, body).await
}

async fn register(world: &World, key: &Signing, draft: &Draft) -> Answer {
    let headers = headers(&key.key_id, draft, &key.sign(draft));
    send(world, &headers, &draft.body).await
}

async fn signing_key(world: &World, is_hmac: bool, seed: u8) -> Signing {
    let own = Ed25519::from_bytes(&[seed; 32]);
    let body = if is_hmac {
        json!({ "name": "h", "pool_name": "linux", "algorithm": "hmac_sha256" })
    } else {
        let public = BASE64.encode(own.verifying_key().as_bytes());
        json!({ "name": "e", "pool_name": "linux", "algorithm": "ED25519", "public_key": public })
    };
    let made = world.create(KEYS, body).await;
    let secret = made["secret_key"].as_str().map(|text| {
        let bytes = BASE64.decode(text.as_bytes()).unwrap();
        bytes.try_into().unwrap()
    });
    assert_eq!(secret.is_some(), is_hmac);
    Signing {
        key_id: made["signing_key"]["key_id"].as_str().unwrap().to_owned(),
        secret: secret.unwrap_or([seed; 32]),
        is_hmac,
    }
}

async fn world() -> World {
    World::with(identities(Network::public())).await
}

#[tokio::test]
async fn a_signed_request_registers_an_agent_once_until_its_key_is_revoked() {
    let world = world().await;
    let refusal = world.refusal().await;
    for is_hmac in [false, true] {
        let key = signing_key(&world, is_hmac, 5).await;
        let agent = register(&world, &key, &draft(NONCE)).await;
        let bearer = agent.bearer();
        assert_eq!(world.beat(agent.agent(), &bearer, 1.0).await.0, 200);
        let before = world.dump().await;
        let again = register(&world, &key, &draft(NONCE)).await;
        assert_eq!(again, refusal, "the same nonce again");
        assert_eq!(world.dump().await, before);
        let next = register(&world, &key, &draft("another-nonce-001")).await;
        assert_eq!(next.status, 201);
        let path = format!("{KEYS}/{}", key.key_id);
        assert_eq!(world.delete(&path).await, 204);
        assert_eq!(world.status(agent.agent()).await, "TERMINATED");
        assert_eq!(world.beat(agent.agent(), &bearer, 1.0).await.0, 401);
        let late = register(&world, &key, &draft("another-nonce-002")).await;
        assert_eq!(late, refusal);
    }
}

#[tokio::test]
async fn a_nonce_is_remembered_for_as_long_as_its_time_is_taken() {
    let world = world().await;
    let key = signing_key(&world, false, 5).await;
    let mut early = draft(NONCE);
    early.timestamp = (now_seconds() + 300).to_string();
    register(&world, &key, &early).await.bearer();
    let refusal = world.refusal().await;
    for seconds in [299, 300, 1] {
        world.api.clock.advance_seconds(seconds);
        assert_eq!(register(&world, &key, &early).await, refusal, "{seconds}");
    }
    world.api.clock.advance_seconds(1);
    let late = register(&world, &key, &early).await;
    assert!(late.body["detail"].as_str().unwrap().contains("too far"));
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_off_is_told_the_time_and_one_a_minute_off_is_served() {
    let world = world().await;
    let key = signing_key(&world, false, 5).await;
    let refusal = world.refusal().await;
    let at = |offset: i64| {
        let mut draft = draft(&format!("nonce-for-offset{offset:+}").replace('+', "p"));
        draft.timestamp = (now_seconds() + offset).to_string();
        draft
    };
    for offset in [-60, 60, -300, 300] {
        assert_eq!(
            register(&world, &key, &at(offset)).await.status,
            201,
            "{offset}"
        );
    }
    let before = world.dump().await;
    for offset in [-600, 600, -301, 301, 86_400, -86_400] {
        let answer = register(&world, &key, &at(offset)).await;
        assert_eq!(answer.status, 401, "{offset}");
        assert_eq!(answer.body["code"], refusal.body["code"]);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("2023-11-14T22:13:20.000Z"), "{detail}");
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_signing_key_is_bound_to_its_pool_and_to_its_end() {
    let world = world().await;
    let own = Ed25519::from_bytes(&[5; 32]);
    let public = BASE64.encode(own.verifying_key().as_bytes());
    let body = json!({
        "name": "e", "pool_name": "linux", "algorithm": "ED25519", "public_key": public, "expires_in_seconds": 60
    });
    let made = world.create(KEYS, body).await;
    let key = Signing {
        key_id: made["signing_key"]["key_id"].as_str().unwrap().to_owned(),
        secret: [5; 32],
        is_hmac: false,
    };
    let mut elsewhere = draft(NONCE);
    elsewhere.body = pool("other");
    let answer = register(&world, &key, &elsewhere).await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (403, &json!("wrong_principal"))
    );
    world.api.clock.advance_seconds(60);
    let refusal = world.refusal().await;
    assert_eq!(register(&world, &key, &draft(NONCE)).await, refusal);
}

#[tokio::test]
async fn a_key_that_verifies_what_nobody_signed_cannot_be_made() {
    let world = world().await;
    let user = world.enroller().await;
    let mut identity = [0; 32];
    identity[0] = 1;
    let before = world.dump().await;
    for public in [
        Some(BASE64.encode(&identity)),
        Some(BASE64.encode(&[0; 32])),
        Some(BASE64.encode(&[1; 31])),
        Some("not base64".to_owned()),
        None,
    ] {
        let body = json!({ "name": "e", "pool_name": "linux", "algorithm": "ED25519", "public_key": public });
        let (status, answer) = world.call(Method::POST, KEYS, &user, body).await;
        let pointers = super::super::pointers(&answer);
        assert_eq!((status, pointers), (400, vec!["/public_key"]), "{public:?}");
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn without_a_key_to_encrypt_with_there_are_no_hmac_keys_and_ed25519_works() {
    let world = World::new().await;
    let user = world.enroller().await;
    let body = json!({ "name": "h", "pool_name": "linux", "algorithm": "HMAC_SHA256" });
    let (status, answer) = world.call(Method::POST, KEYS, &user, body).await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (409, Some("not_configured"))
    );
    let key = signing_key(&world, false, 5).await;
    register(&world, &key, &draft(NONCE)).await.bearer();
}
