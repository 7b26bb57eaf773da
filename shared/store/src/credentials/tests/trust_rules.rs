//! Trust rules: few, named, and gone with their sessions.

use super::{SESSION, acme, agent, key_id, pool, presented, random, store, stores};
use crate::credentials::*;
use crate::testing::draft;
use crate::{Store, StoreError, Tables, TenantStore, WriteId};
use domain::agent::{Agent, Introduction};
use embedded_dynamodb::{Engine, Fault};
use std::sync::atomic::{AtomicUsize, Ordering};
use wire::audit::Action;
use wire::{ClaimMatch, ClaimName, ClaimValue, ShortText, Tags, TenantId};

const NOW: Timestamp = crate::testing::NOW;
const ISSUER: &str = "https://issuer.example.com";

fn rule(id: &str, name: &str) -> TrustRule {
    let value = |text: &str| ClaimValue::parse(text).unwrap();
    let claims = [
        ("sub", ClaimMatch::Exact(value("build"))),
        (
            "ref",
            ClaimMatch::Prefix {
                prefix: value("refs/tags/"),
            },
        ),
    ];
    TrustRule {
        key_id: key_id(id),
        name: ShortText::parse(name).unwrap(),
        pool: pool(),
        issuer: ISSUER.to_owned(),
        claims: claims
            .into_iter()
            .map(|(name, wanted)| (ClaimName::parse(name).unwrap(), wanted))
            .collect(),
        created_by: "test".to_owned(),
        created_at: NOW,
        expires_at: None,
    }
}

async fn delete(
    tenant: &TenantStore<'_>,
    id: &KeyId,
    now: Timestamp,
) -> Result<Revocation, StoreError> {
    let rule = (AgentCredential::TrustRule, id);
    tenant.revoke_agent_credential(rule, "x", now, random).await
}

async fn create(store: &Store, new: &TrustRule) -> TrustRuleCreation {
    let scope = acme();
    let write = WriteId::new(crate::testing::random());
    let created = store.tenant(&scope).create_trust_rule(new, &write).await;
    created.unwrap()
}

#[tokio::test]
async fn a_rule_is_read_back_as_it_was_made_and_only_for_its_issuer() {
    for (_, store) in stores().await {
        let mut ending = rule("ruleruleend0", "ending");
        ending.expires_at = Some(NOW.plus_seconds(60));
        for new in [&rule("rulerulerule", "tags"), &ending] {
            assert_eq!(create(&store, new).await, TrustRuleCreation::Created);
        }
        let scope = acme();
        let rules = store.tenant(&scope).trust_rules().await.unwrap();
        assert_eq!(rules, [ending.clone(), rule("rulerulerule", "tags")]);
        let acme = TenantId::parse("acme").unwrap();
        let workload = store.rules_for_workload(acme).await.unwrap();
        let of = |issuer: &str, now| workload.rules_of(issuer, now).count();
        assert_eq!(of(ISSUER, NOW), 2);
        assert_eq!(of(ISSUER, NOW.plus_seconds(60)), 1);
        assert_eq!(of("https://issuer.example.com/", NOW), 0);
        let verified = workload.verified_by(&ending);
        assert_eq!(verified.key_id, ending.key_id);
        assert_eq!(verified.expires_at, ending.expires_at);
        assert_eq!(verified.subject, Subject::AgentKey { pool: pool() });
        let nobody = TenantId::parse("nobody").unwrap();
        let workload = store.rules_for_workload(nobody).await.unwrap();
        assert_eq!(workload.rules_of(ISSUER, NOW).count(), 0);
    }
}

#[tokio::test]
async fn a_name_is_given_once_and_the_same_rule_again_is_no_other() {
    for (_, store) in stores().await {
        let first = rule("rulerulerule", "tags");
        create(&store, &first).await;
        let same = rule("ruleruleothe", "tags");
        let again = create(&store, &same).await;
        assert_eq!(again, TrustRuleCreation::Existing(first.clone()));
        let mut other = same.clone();
        other.issuer = "https://else.example.com".to_owned();
        assert_eq!(create(&store, &other).await, TrustRuleCreation::NameTaken);
        assert_eq!(create(&store, &first).await, TrustRuleCreation::Created);
        let scope = acme();
        assert_eq!(store.tenant(&scope).trust_rules().await.unwrap(), [first]);
    }
}

#[tokio::test]
async fn a_tenant_has_fifty_rules_and_another_when_one_is_gone() {
    let (_engine, store) = store().await;
    for number in 0..50 {
        let new = rule(&format!("rulerulera{number:02}"), &format!("r{number}"));
        assert_eq!(create(&store, &new).await, TrustRuleCreation::Created);
    }
    let more = rule("rulerulemore", "more");
    assert_eq!(create(&store, &more).await, TrustRuleCreation::TooMany);
    let scope = acme();
    let tenant = store.tenant(&scope);
    assert_eq!(tenant.trust_rules().await.unwrap().len(), 50);
    let gone = key_id("rulerulera07");
    let later = NOW.plus_seconds(1);
    for (at, expected) in [
        (NOW, Revocation::Revoked),
        (later, Revocation::AlreadyRevoked),
    ] {
        assert_eq!(delete(&tenant, &gone, at).await.unwrap(), expected);
    }
    assert_eq!(create(&store, &more).await, TrustRuleCreation::Created);
    let again = rule("rulerulemor2", "again");
    assert_eq!(create(&store, &again).await, TrustRuleCreation::TooMany);
}

#[tokio::test]
async fn a_deleted_rule_ends_its_agents_and_registers_no_more() {
    for (_, store) in stores().await {
        create(&store, &rule("rulerulerule", "tags")).await;
        let scope = acme();
        let tenant = store.tenant(&scope);
        let register = async |number: u8| {
            let introduction = Introduction {
                pool_name: pool(),
                version: "1".parse().unwrap(),
                hostname: None,
                os: None,
                arch: None,
                tags: Tags::default(),
                max_concurrent_jobs: 1,
            };
            let session = SessionKey {
                parent: key_id("rulerulerule"),
                secret_sha256: [number; 32],
            };
            let until = NOW.plus_seconds(600);
            tenant
                .register_agent(
                    &Registration {
                        agent: &Agent::register(agent(number), introduction, NOW),
                        session: &session,
                        session_expires_at: NOW.plus_seconds(3600),
                        proof: &Proof::Once(UsedOnce::token(ISSUER, &[number; 32], until)),
                        draft: &draft(Action::AgentRegister, "agent:it"),
                    },
                    &WriteId::new([number; 8]),
                )
                .await
                .unwrap()
        };
        assert!(register(1).await);
        let bearer = presented(SESSION, "rulerulerule", 1);
        assert!(store.authenticate(&bearer, NOW).await.unwrap().is_some());
        let id = key_id("rulerulerule");
        let other = TenantScope::new(TenantId::parse("other").unwrap());
        let deleted = delete(&store.tenant(&other), &id, NOW).await;
        assert_eq!(deleted.unwrap(), Revocation::Unknown);
        let deleted = delete(&tenant, &id, NOW).await;
        assert_eq!(deleted.unwrap(), Revocation::Revoked);
        assert_eq!(store.authenticate(&bearer, NOW).await.unwrap(), None);
        assert!(!register(2).await);
        assert!(tenant.trust_rules().await.unwrap().is_empty());
        assert!(tenant.api_token(&id).await.unwrap().is_none());
    }
}

/// A rule whose deletion was cut off by the first call that the fault is for.
async fn cut_off(store: &Store, engine: &Engine, operation: &'static str) -> KeyId {
    create(store, &rule("rulerulerule", "tags")).await;
    let calls = AtomicUsize::new(0);
    let client = engine.client_with(move |call| {
        // The first update is the mark.
        let nth = usize::from(operation == "UpdateItem");
        if call.operation == operation && calls.fetch_add(1, Ordering::SeqCst) >= nth {
            Fault::DropBefore
        } else {
            Fault::None
        }
    });
    let flaky = Store::new(client, Tables::default(), telemetry::Meter::default());
    let (scope, id) = (acme(), key_id("rulerulerule"));
    let half = delete(&flaky.tenant(&scope), &id, NOW).await;
    assert!(matches!(half, Err(StoreError::Busy { .. })), "{half:?}");
    id
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_goes_on_where_it_stopped() {
    let (engine, store) = store().await;
    let id = cut_off(&store, &engine, "TransactWriteItems").await;
    let scope = acme();
    let tenant = store.tenant(&scope);
    assert_eq!(tenant.trust_rules().await.unwrap().len(), 1);
    let deleted = delete(&tenant, &id, NOW.plus_seconds(1)).await;
    assert_eq!(deleted.unwrap(), Revocation::Revoked);
    assert!(tenant.trust_rules().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_is_finished_by_maintenance_wherever_it_stopped() {
    // Before the agents are looked for, before the rule leaves the list, and before the rule counts as done.
    for operation in ["Query", "TransactWriteItems", "UpdateItem"] {
        let (engine, store) = store().await;
        cut_off(&store, &engine, operation).await;
        let scope = acme();
        let tenant = store.tenant(&scope);
        assert_eq!(tenant.finish_revocations(NOW, random).await.unwrap(), 1);
        assert!(
            tenant.trust_rules().await.unwrap().is_empty(),
            "{operation}"
        );
        assert_eq!(tenant.finish_revocations(NOW, random).await.unwrap(), 0);
        // Its name and its place are free.
        let again = rule("ruleruleagai", "tags");
        assert_eq!(create(&store, &again).await, TrustRuleCreation::Created);
        for number in 1..50 {
            let more = rule(&format!("rulerulera{number:02}"), &format!("r{number}"));
            assert_eq!(create(&store, &more).await, TrustRuleCreation::Created);
        }
        let more = rule("rulerulemore", "more");
        assert_eq!(create(&store, &more).await, TrustRuleCreation::TooMany);
    }
}

#[tokio::test]
async fn whoever_revokes_a_rule_as_any_credential_deletes_it() {
    let (_engine, store) = store().await;
    create(&store, &rule("rulerulerule", "tags")).await;
    let scope = acme();
    let tenant = store.tenant(&scope);
    let id = key_id("rulerulerule");
    let revoked = tenant.revoke_credential(&id, "x", NOW, random).await;
    assert_eq!(revoked.unwrap(), Revocation::Revoked);
    assert!(tenant.trust_rules().await.unwrap().is_empty());
}
