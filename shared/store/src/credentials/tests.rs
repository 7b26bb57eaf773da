#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod registration;
mod revocation;
mod tokens;
mod trust_rules;

use super::*;
use crate::testing::{NOW, stores};
use crate::{Store, StoreError, Tables};
use embedded_dynamodb::{Engine, Fault};
use wire::TenantId;

async fn store() -> (Engine, Store) {
    let engine = Engine::memory().unwrap();
    let store = on(&engine);
    store.create_tables().await.unwrap();
    (engine, store)
}

fn on(engine: &Engine) -> Store {
    Store::new(
        engine.client(),
        Tables::default(),
        telemetry::Meter::default(),
    )
}

fn random() -> [u8; 8] {
    [9; 8]
}

fn acme() -> TenantScope {
    TenantScope::new(TenantId::parse("acme").unwrap())
}

fn key_id(text: &str) -> KeyId {
    KeyId::parse(text).unwrap()
}

fn pool() -> PoolName {
    PoolName::parse("linux").unwrap()
}

fn agent(number: u8) -> AgentId {
    AgentId::from_digest([number; 16])
}

fn presented(kind: CredentialKind, id: &str, secret: u8) -> Presented {
    Presented {
        kind,
        key_id: key_id(id),
        secret_sha256: [secret; 32],
    }
}

fn token(id: &str) -> NewApiToken {
    NewApiToken {
        key_id: key_id(id),
        secret_sha256: [1; 32],
        name: "ci".to_owned(),
        scopes: vec!["jobs:read".to_owned()],
        member: None,
        created_by: "local".to_owned(),
        expires_at: Some(NOW.plus_seconds(60)),
    }
}

fn agent_key(id: &str) -> NewAgentKey {
    NewAgentKey {
        key_id: key_id(id),
        secret_sha256: [2; 32],
        name: "linux agents".to_owned(),
        pool: pool(),
        created_by: "local".to_owned(),
        expires_at: None,
    }
}

fn session() -> SessionKey {
    SessionKey {
        parent: key_id("keykeykeykey"),
        secret_sha256: [3; 32],
    }
}

/// A key with a session that ends in an hour.
async fn key_and_session(store: &Store) {
    let scope = acme();
    let tenant = store.tenant(&scope);
    tenant
        .create_agent_key(&agent_key("keykeykeykey"), NOW)
        .await
        .unwrap();
    let made = tenant
        .create_agent_session(&session(), &agent(1), &pool(), NOW.plus_seconds(3600), NOW)
        .await
        .unwrap();
    assert_eq!(made, Creation::Created);
}

const SESSION: CredentialKind = CredentialKind::AgentSession;
const TOKEN: CredentialKind = CredentialKind::ApiToken;
const KEY: CredentialKind = CredentialKind::AgentKey;

#[tokio::test]
async fn a_token_gives_its_tenant_and_scopes_for_one_read() {
    for (_, store) in stores().await {
        let scope = acme();
        store
            .tenant(&scope)
            .create_api_token(&token("tokentokento"), NOW)
            .await
            .unwrap();
        let verified = store
            .authenticate(&presented(TOKEN, "tokentokento", 1), NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(verified.scope, scope);
        assert_eq!(verified.scopes, ["jobs:read"]);
        assert_eq!(
            verified.subject,
            Subject::Token {
                name: "ci".to_owned(),
                member: None
            }
        );
        let usage = store.meter().snapshot()["authenticate"];
        assert_eq!(usage.calls, 1);
        // Half a unit for the token, and half for the membership that it might have stood under, which DynamoDB Local does
        // not count because it is not there.
        let expected = [0.5, 1.0];
        assert!(expected.contains(&usage.read_units), "{usage:?}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_credential_the_answer_is_the_same() {
    for (_, store) in stores().await {
        let scope = acme();
        let tenant = store.tenant(&scope);
        for id in ["tokentokento", "revokedtoken"] {
            tenant.create_api_token(&token(id), NOW).await.unwrap();
        }
        tenant
            .revoke_credential(&key_id("revokedtoken"), "local", NOW, random)
            .await
            .unwrap();
        key_and_session(&store).await;
        let good = [
            presented(TOKEN, "tokentokento", 1),
            presented(KEY, "keykeykeykey", 2),
            presented(SESSION, "keykeykeykey", 3),
        ];
        for credential in good {
            assert!(
                store
                    .authenticate(&credential, NOW)
                    .await
                    .unwrap()
                    .is_some(),
                "{credential:?}"
            );
        }
        let bad = [
            ("unknown id", presented(TOKEN, "nobodyknowsx", 1), NOW),
            ("wrong secret", presented(TOKEN, "tokentokento", 9), NOW),
            ("wrong kind", presented(KEY, "tokentokento", 1), NOW),
            ("a key as a token", presented(TOKEN, "keykeykeykey", 2), NOW),
            (
                "a key as a session",
                presented(SESSION, "keykeykeykey", 2),
                NOW,
            ),
            ("a session as a key", presented(KEY, "keykeykeykey", 3), NOW),
            (
                "a session of a token",
                presented(SESSION, "tokentokento", 1),
                NOW,
            ),
            ("revoked", presented(TOKEN, "revokedtoken", 1), NOW),
            (
                "expired to the millisecond",
                presented(TOKEN, "tokentokento", 1),
                NOW.plus_seconds(60),
            ),
            (
                "unknown session",
                presented(SESSION, "keykeykeykey", 9),
                NOW,
            ),
            (
                "expired session",
                presented(SESSION, "keykeykeykey", 3),
                NOW.plus_seconds(3600),
            ),
        ];
        for (what, credential, now) in bad {
            assert_eq!(
                store.authenticate(&credential, now).await.unwrap(),
                None,
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_is_its_agent_until_its_key_is_revoked() {
    for (_, store) in stores().await {
        key_and_session(&store).await;
        let credential = presented(SESSION, "keykeykeykey", 3);
        let verified = store.authenticate(&credential, NOW).await.unwrap().unwrap();
        assert_eq!(
            verified.subject,
            Subject::AgentSession {
                agent_id: agent(1),
                pool: pool()
            }
        );
        let usage = store.meter().snapshot()["authenticate"];
        assert_eq!(
            (usage.calls, usage.read_units.to_string().as_str()),
            (1, "1")
        );
        let scope = acme();
        let revoked = store
            .tenant(&scope)
            .revoke_credential(&key_id("keykeykeykey"), "local", NOW, random)
            .await
            .unwrap();
        assert_eq!(revoked, Revocation::Revoked);
        assert_eq!(store.authenticate(&credential, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_session_lives_until_its_end_its_renewals_or_its_ending() {
    for (_, store) in stores().await {
        key_and_session(&store).await;
        let scope = acme();
        let tenant = store.tenant(&scope);
        let credential = presented(SESSION, "keykeykeykey", 3);
        let later = NOW.plus_seconds(5000);
        assert!(
            tenant
                .renew_agent_session(&session(), NOW.plus_seconds(7200))
                .await
                .unwrap()
        );
        let verified = store
            .authenticate(&credential, later)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(verified.expires_at, Some(NOW.plus_seconds(7200)));
        // A late repeat of an older renewal shortens nothing.
        assert!(
            tenant
                .renew_agent_session(&session(), NOW.plus_seconds(7000))
                .await
                .unwrap()
        );
        let verified = store
            .authenticate(&credential, later)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(verified.expires_at, Some(NOW.plus_seconds(7200)));
        tenant.end_agent_session(&session()).await.unwrap();
        tenant.end_agent_session(&session()).await.unwrap();
        assert_eq!(store.authenticate(&credential, later).await.unwrap(), None);
        assert!(
            !tenant
                .renew_agent_session(&session(), NOW.plus_seconds(9000))
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_creation_is_recognised_when_its_answer_was_lost() {
    let (engine, store) = store().await;
    let flaky = Store::new(
        engine.client_with(|_| Fault::DropAfter),
        Tables::default(),
        telemetry::Meter::default(),
    );
    let scope = acme();
    let lost = flaky
        .tenant(&scope)
        .create_api_token(&token("tokentokento"), NOW)
        .await;
    assert!(matches!(lost, Err(StoreError::Busy { .. })));
    let tenant = store.tenant(&scope);
    let again = tenant
        .create_api_token(&token("tokentokento"), NOW)
        .await
        .unwrap();
    assert_eq!(again, Creation::Created);
    let mut other = token("tokentokento");
    other.secret_sha256 = [9; 32];
    assert_eq!(
        tenant.create_api_token(&other, NOW).await.unwrap(),
        Creation::KeyIdTaken
    );
    key_and_session(&store).await;
    let again = tenant
        .create_agent_session(&session(), &agent(1), &pool(), NOW.plus_seconds(3600), NOW)
        .await;
    assert_eq!(again.unwrap(), Creation::Created);
    let revoked = flaky
        .tenant(&scope)
        .revoke_credential(&key_id("tokentokento"), "local", NOW, random)
        .await;
    assert!(revoked.is_err());
    let again = tenant
        .revoke_credential(&key_id("tokentokento"), "local", NOW, random)
        .await;
    assert_eq!(again.unwrap(), Revocation::Revoked);
}

#[tokio::test]
async fn another_tenant_can_neither_revoke_nor_renew_nor_end() {
    for (_, store) in stores().await {
        key_and_session(&store).await;
        let other = TenantScope::new(TenantId::parse("other").unwrap());
        let tenant = store.tenant(&other);
        let credential = presented(SESSION, "keykeykeykey", 3);
        assert_eq!(
            tenant
                .revoke_credential(&key_id("keykeykeykey"), "x", NOW, random)
                .await
                .unwrap(),
            Revocation::Unknown
        );
        assert_eq!(
            tenant
                .revoke_credential(&key_id("nobodyknowsx"), "x", NOW, random)
                .await
                .unwrap(),
            Revocation::Unknown
        );
        assert!(
            !tenant
                .renew_agent_session(&session(), NOW.plus_seconds(7200))
                .await
                .unwrap()
        );
        tenant.end_agent_session(&session()).await.unwrap();
        let verified = store.authenticate(&credential, NOW).await.unwrap().unwrap();
        assert_eq!(verified.expires_at, Some(NOW.plus_seconds(3600)));
    }
}

#[tokio::test]
async fn use_is_noted_every_five_minutes_and_never_fails_a_request() {
    let (engine, store) = store().await;
    key_and_session(&store).await;
    let credential = presented(KEY, "keykeykeykey", 2);
    let writes = |store: &Store| {
        store
            .meter()
            .snapshot()
            .get("note_use")
            .map_or(0, |usage| usage.calls)
    };
    for (seconds, expected) in [(0, 1), (1, 1), (299, 1), (300, 2), (301, 2)] {
        let verified = store
            .authenticate(&credential, NOW.plus_seconds(seconds))
            .await
            .unwrap();
        assert!(verified.is_some());
        assert_eq!(writes(&store), expected, "after {seconds} s");
    }
    let read_only = Store::new(
        engine.client_with(|call| {
            if call.operation == "UpdateItem" {
                Fault::Throttle
            } else {
                Fault::None
            }
        }),
        Tables::default(),
        telemetry::Meter::default(),
    );
    let late = NOW.plus_seconds(900);
    assert!(
        read_only
            .authenticate(&credential, late)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_store_out_of_reach_is_an_error_and_not_a_refusal() {
    let (engine, store) = store().await;
    key_and_session(&store).await;
    let cut_off = Store::new(
        engine.client_with(|_| Fault::DropBefore),
        Tables::default(),
        telemetry::Meter::default(),
    );
    for credential in [
        presented(KEY, "keykeykeykey", 2),
        presented(SESSION, "keykeykeykey", 3),
    ] {
        let answer = cut_off.authenticate(&credential, NOW).await;
        assert!(matches!(answer, Err(StoreError::Busy { .. })), "{answer:?}");
    }
}

#[test]
fn a_key_id_is_twelve_letters_and_digits() {
    assert_eq!(KeyId::new([35; 12]).as_str(), "999999999999");
    for bad in ["", "short", "UPPERCASEID1", "with-dashes1", "thirteenchars"] {
        assert!(KeyId::parse(bad).is_err(), "{bad}");
    }
}
