//! Agents register with what they have, each once where it is good once.

use super::{
    SESSION, acme, agent, key_and_session, key_id, pool, presented, random, store, stores,
};
use crate::credentials::*;
use crate::testing::draft;
use crate::{AgentOutcome, Store, StoreError, Tables, WriteId};
use domain::agent::{Agent, Event, Introduction};
use embedded_dynamodb::{Engine, Fault};
use wire::audit::Action;
use wire::{SigningAlgorithm, Tags, TenantId};

const NOW: Timestamp = crate::testing::NOW;
const ENROLMENT: CredentialKind = CredentialKind::Enrolment;

fn registering(number: u8, now: Timestamp) -> Agent {
    let introduction = Introduction {
        pool_name: pool(),
        version: "1.0.0".parse().unwrap(),
        hostname: None,
        os: None,
        arch: None,
        tags: Tags::default(),
        max_concurrent_jobs: 1,
    };
    Agent::register(agent(number), introduction, now)
}

fn session_of(parent: &str, number: u8) -> SessionKey {
    SessionKey {
        parent: key_id(parent),
        secret_sha256: [number; 32],
    }
}

pub(super) async fn register(
    store: &Store,
    (parent, number): (&str, u8),
    proof: &Proof,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let scope = acme();
    let session = session_of(parent, number);
    let write = WriteId::new(crate::testing::random());
    store
        .tenant(&scope)
        .register_agent(
            &Registration {
                agent: &registering(number, now),
                session: &session,
                session_expires_at: now.plus_seconds(3600),
                proof,
                draft: &draft(Action::AgentRegister, "agent:it"),
            },
            &write,
        )
        .await
}

async fn is_registered(store: &Store, number: u8) -> bool {
    let scope = acme();
    let found = store.tenant(&scope).agent(&agent(number)).await;
    found.unwrap().is_some()
}

fn enrolment(id: &str) -> NewEnrolment {
    NewEnrolment {
        key_id: key_id(id),
        secret_sha256: [7; 32],
        name: "one".to_owned(),
        pool: pool(),
        created_by: "test".to_owned(),
        expires_at: NOW.plus_seconds(3600),
    }
}

async fn create_enrolment(store: &Store, id: &str) {
    let scope = acme();
    let made = store
        .tenant(&scope)
        .create_enrolment(&enrolment(id), NOW)
        .await
        .unwrap();
    assert_eq!(made, Creation::Created);
}

fn signing_key(id: &str, material: VerifyingMaterial) -> NewSigningKey {
    NewSigningKey {
        key_id: key_id(id),
        material,
        name: "signer".to_owned(),
        pool: pool(),
        created_by: "test".to_owned(),
        expires_at: None,
    }
}

async fn create_signing_key(store: &Store, id: &str) {
    let scope = acme();
    let new = signing_key(id, VerifyingMaterial::Ed25519([8; 32]));
    let write = WriteId::new([3; 8]);
    let tenant = store.tenant(&scope);
    for _ in 0..2 {
        let made = tenant.create_signing_key(&new, NOW, &write).await.unwrap();
        assert_eq!(made, Creation::Created);
    }
    let other = WriteId::new([4; 8]);
    let made = tenant.create_signing_key(&new, NOW, &other).await.unwrap();
    assert_eq!(made, Creation::KeyIdTaken);
}

#[tokio::test]
async fn an_enrolment_token_registers_one_agent_and_its_session_outlives_the_token() {
    for (_, store) in stores().await {
        create_enrolment(&store, "enrolenrolen").await;
        let token = presented(ENROLMENT, "enrolenrolen", 7);
        let good = store.enrolment(&token, NOW).await.unwrap().unwrap();
        assert_eq!(good.subject, Subject::AgentKey { pool: pool() });
        assert_eq!(good.scope, acme());
        assert!(
            register(&store, ("enrolenrolen", 1), &Proof::Enrolment, NOW)
                .await
                .unwrap()
        );
        assert_eq!(store.enrolment(&token, NOW).await.unwrap(), None);
        assert!(
            !register(&store, ("enrolenrolen", 2), &Proof::Enrolment, NOW)
                .await
                .unwrap()
        );
        assert!(!is_registered(&store, 2).await);

        let scope = acme();
        let late = NOW.plus_seconds(2 * 3600);
        let session = session_of("enrolenrolen", 1);
        let renewed = store
            .tenant(&scope)
            .renew_agent_session(&session, late.plus_seconds(3600))
            .await;
        assert!(renewed.unwrap());
        let bearer = presented(SESSION, "enrolenrolen", 1);
        let verified = store.authenticate(&bearer, late).await.unwrap().unwrap();
        assert_eq!(verified.expires_at, Some(late.plus_seconds(3600)));
        let revoked = store
            .tenant(&scope)
            .revoke_agent_credential(
                (AgentCredential::Enrolment, &key_id("enrolenrolen")),
                "test",
                late,
                random,
            )
            .await;
        assert_eq!(revoked.unwrap(), Revocation::Revoked);
        assert_eq!(store.authenticate(&bearer, late).await.unwrap(), None);
    }
}

#[tokio::test]
async fn of_two_agents_with_one_enrolment_token_one_registers() {
    for (_, store) in stores().await {
        create_enrolment(&store, "enrolenrolen").await;
        let (one, other) = tokio::join!(
            register(&store, ("enrolenrolen", 1), &Proof::Enrolment, NOW),
            register(&store, ("enrolenrolen", 2), &Proof::Enrolment, NOW),
        );
        assert_ne!(one.unwrap(), other.unwrap());
        assert_ne!(
            is_registered(&store, 1).await,
            is_registered(&store, 2).await
        );
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_an_enrolment_token_nobody_registers_with_it() {
    for (_, store) in stores().await {
        for id in ["enrolenrolen", "revokedtoken"] {
            create_enrolment(&store, id).await;
        }
        key_and_session(&store).await;
        let scope = acme();
        store
            .tenant(&scope)
            .revoke_credential(&key_id("revokedtoken"), "test", NOW, random)
            .await
            .unwrap();
        let late = NOW.plus_seconds(3600);
        for (what, token, now) in [
            ("unknown", presented(ENROLMENT, "nobodyknowsx", 7), NOW),
            ("wrong secret", presented(ENROLMENT, "enrolenrolen", 9), NOW),
            ("expired", presented(ENROLMENT, "enrolenrolen", 7), late),
            ("revoked", presented(ENROLMENT, "revokedtoken", 7), NOW),
            ("a key", presented(ENROLMENT, "keykeykeykey", 2), NOW),
        ] {
            assert_eq!(store.enrolment(&token, now).await.unwrap(), None, "{what}");
            if what != "wrong secret" {
                let id = token.key_id.as_str();
                let done = register(&store, (id, 3), &Proof::Enrolment, now).await;
                assert!(!done.unwrap(), "{what}");
            }
        }
        // On every other route it is nobody's.
        let token = presented(ENROLMENT, "enrolenrolen", 7);
        assert_eq!(store.authenticate(&token, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_proof_that_is_good_once_registers_once() {
    for (_, store) in stores().await {
        create_signing_key(&store, "signsignsign").await;
        let until = NOW.plus_seconds(600);
        let key = key_id("signsignsign");
        let proof = Proof::Once(UsedOnce::nonce(&key, "n-1", until));
        let again = Proof::Once(UsedOnce::nonce(&key, "n-2", until));
        let token = Proof::Once(UsedOnce::token("https://x.example", &[1; 32], until));
        let other = Proof::Once(UsedOnce::token("https://y.example", &[1; 32], until));
        for (number, proof, expected) in [
            (1, &proof, true),
            (2, &proof, false),
            (3, &again, true),
            (4, &token, true),
            (5, &token, false),
            (6, &other, true),
        ] {
            let done = register(&store, ("signsignsign", number), proof, NOW).await;
            assert_eq!(done.unwrap(), expected, "{number}");
            assert_eq!(is_registered(&store, number).await, expected, "{number}");
        }
        let scope = acme();
        let page = store
            .tenant(&scope)
            .agent_credentials(AgentCredential::SigningKey, 10, None)
            .await
            .unwrap();
        assert_eq!(page.entries[0].last_used_at, Some(NOW));
        assert_eq!(page.entries[0].algorithm, Some(SigningAlgorithm::Ed25519));
    }
}

#[tokio::test]
async fn what_is_revoked_registers_nobody_and_ends_who_had_registered() {
    for (_, store) in stores().await {
        create_signing_key(&store, "signsignsign").await;
        let once = |nonce: &str| {
            let until = NOW.plus_seconds(600);
            Proof::Once(UsedOnce::nonce(&key_id("signsignsign"), nonce, until))
        };
        let done = register(&store, ("signsignsign", 1), &once("a"), NOW).await;
        assert!(done.unwrap());
        let bearer = presented(SESSION, "signsignsign", 1);
        assert!(store.authenticate(&bearer, NOW).await.unwrap().is_some());
        let scope = acme();
        let tenant = store.tenant(&scope);
        let as_kind = async |kind| {
            let id = key_id("signsignsign");
            let revoked = tenant.revoke_agent_credential((kind, &id), "test", NOW, random);
            revoked.await.unwrap()
        };
        for other in [
            AgentCredential::Key,
            AgentCredential::Enrolment,
            AgentCredential::TrustRule,
        ] {
            assert_eq!(as_kind(other).await, Revocation::Unknown);
        }
        assert!(store.authenticate(&bearer, NOW).await.unwrap().is_some());
        for _ in 0..2 {
            let revoked = as_kind(AgentCredential::SigningKey).await;
            assert_eq!(revoked, Revocation::Revoked);
        }
        let (kind, id) = (AgentCredential::SigningKey, key_id("signsignsign"));
        let later = NOW.plus_seconds(1);
        let again = tenant.revoke_agent_credential((kind, &id), "test", later, random);
        assert_eq!(again.await.unwrap(), Revocation::AlreadyRevoked);
        assert_eq!(store.authenticate(&bearer, NOW).await.unwrap(), None);
        let found = store.signing_key(&key_id("signsignsign"), NOW).await;
        assert!(found.unwrap().is_none());
        let done = register(&store, ("signsignsign", 2), &once("b"), NOW).await;
        assert!(!done.unwrap());
        let ended = tenant
            .change_agent(
                "test",
                &agent(1),
                &Event::Deregister,
                NOW,
                &WriteId::new([5; 8]),
            )
            .await;
        assert!(matches!(ended.unwrap(), AgentOutcome::AlreadyDone(_)));
    }
}

#[tokio::test]
async fn a_registration_is_recognised_when_its_answer_was_lost() {
    let (engine, store) = store().await;
    create_enrolment(&store, "enrolenrolen").await;
    let flaky = Store::new(
        engine.client_with(|call| match call.operation {
            "TransactWriteItems" => Fault::DropAfter,
            _ => Fault::None,
        }),
        Tables::default(),
        telemetry::Meter::default(),
    );
    let lost = register(&flaky, ("enrolenrolen", 1), &Proof::Enrolment, NOW).await;
    assert!(matches!(lost, Err(StoreError::Busy { .. })), "{lost:?}");
    let again = register(&store, ("enrolenrolen", 1), &Proof::Enrolment, NOW).await;
    assert!(again.unwrap());
    let other = register(&store, ("enrolenrolen", 2), &Proof::Enrolment, NOW).await;
    assert!(!other.unwrap());
}

#[tokio::test]
async fn a_list_has_what_is_good_newest_first_and_goes_on_where_it_ended() {
    for (_, store) in stores().await {
        let scope = acme();
        let tenant = store.tenant(&scope);
        for number in 0..5 {
            let new = enrolment(&format!("enrolenrole{number}"));
            let at = NOW.plus_seconds(number);
            tenant.create_enrolment(&new, at).await.unwrap();
        }
        create_signing_key(&store, "signsignsign").await;
        register(&store, ("enrolenrole1", 1), &Proof::Enrolment, NOW)
            .await
            .unwrap();
        let gone = key_id("enrolenrole3");
        tenant
            .revoke_credential(&gone, "test", NOW, random)
            .await
            .unwrap();
        let kind = AgentCredential::Enrolment;
        let (mut found, mut position) = (Vec::new(), None);
        loop {
            let page = tenant.agent_credentials(kind, 1, position.as_ref()).await;
            let page = page.unwrap();
            found.extend(page.entries.iter().map(|entry| entry.key_id.to_string()));
            position = page.next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(found, ["enrolenrole4", "enrolenrole2", "enrolenrole0"]);
        for (many, expected) in [(3, true), (4, false)] {
            let found = tenant.has_many_agent_credentials(kind, many).await;
            assert_eq!(found.unwrap(), expected, "{many}");
        }
        let other = TenantScope::new(TenantId::parse("other").unwrap());
        let page = store.tenant(&other).agent_credentials(kind, 10, None).await;
        assert!(page.unwrap().entries.is_empty());
    }
}

#[tokio::test]
async fn an_agent_key_is_replaced_and_the_old_one_stays_good_for_a_while() {
    for (_, store) in stores().await {
        key_and_session(&store).await;
        let scope = acme();
        let tenant = store.tenant(&scope);
        let new = NewSecret {
            key_id: key_id("newkeynewkey"),
            secret_sha256: [9; 32],
            expires_at: None,
        };
        let old = key_id("keykeykeykey");
        let write = WriteId::new([6; 8]);
        for _ in 0..2 {
            let rotated = tenant.rotate_agent_key(&old, &new, 3600, NOW, &write).await;
            let Rotation::Rotated(entry) = rotated.unwrap() else {
                panic!("not rotated");
            };
            assert_eq!((entry.key_id, entry.pool), (new.key_id.clone(), pool()));
        }
        let key = CredentialKind::AgentKey;
        let (before, after) = (NOW.plus_seconds(3599), NOW.plus_seconds(3600));
        for (id, secret, at, good) in [
            ("keykeykeykey", 2, before, true),
            ("keykeykeykey", 2, after, false),
            ("newkeynewkey", 9, after, true),
        ] {
            let found = store.authenticate(&presented(key, id, secret), at).await;
            assert_eq!(found.unwrap().is_some(), good, "{id}");
        }
        let session = presented(SESSION, "keykeykeykey", 3);
        let found = store.authenticate(&session, NOW).await.unwrap().unwrap();
        assert_eq!(found.expires_at, Some(after), "it ends with its key");
        let another = NewSecret {
            key_id: key_id("thirdkeykeyx"),
            ..new.clone()
        };
        let rotated = tenant
            .rotate_agent_key(&old, &another, 0, NOW, &write)
            .await;
        let expected = Rotation::RotatedBefore(new.key_id.clone());
        assert_eq!(rotated.unwrap(), expected);
        create_enrolment(&store, "enrolenrolen").await;
        for id in ["enrolenrolen", "nobodyknowsx"] {
            let rotated = tenant
                .rotate_agent_key(&key_id(id), &another, 0, NOW, &write)
                .await;
            assert_eq!(rotated.unwrap(), Rotation::Unknown, "{id}");
        }
        let other = TenantScope::new(TenantId::parse("other").unwrap());
        let rotated = store
            .tenant(&other)
            .rotate_agent_key(&new.key_id, &another, 0, NOW, &write)
            .await;
        assert_eq!(rotated.unwrap(), Rotation::Unknown);
    }
}

#[tokio::test]
async fn a_signing_key_gives_its_tenant_to_whom_it_verifies() {
    let engine = Engine::memory().unwrap();
    let store = super::on(&engine);
    store.create_tables().await.unwrap();
    create_signing_key(&store, "signsignsign").await;
    let found = async || {
        let id = key_id("signsignsign");
        store.signing_key(&id, NOW).await.unwrap().unwrap()
    };
    let verified = found().await.verify(|material, tenant| {
        *material == VerifyingMaterial::Ed25519([8; 32]) && tenant.as_str() == "acme"
    });
    assert_eq!(verified.unwrap().scope, acme());
    assert!(found().await.verify(|_, _| false).is_none());
    key_and_session(&store).await;
    let key = store.signing_key(&key_id("keykeykeykey"), NOW).await;
    assert!(key.unwrap().is_none(), "an agent key is none");
}
