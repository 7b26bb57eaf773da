#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use crate::testing::{NOW, bytes, join, on, open_session, sign_in, stores, write_id};
use crate::{CredentialKind, MemberOutcome, Presented, SignedIn, Store, Subject, Tables};
use embedded_dynamodb::{Engine, Fault};
use wire::Role;

const HOUR: i64 = 3600;

async fn is_good(store: &Store, presented: &Presented, now: Timestamp) -> bool {
    store.authenticate(presented, now).await.unwrap().is_some()
}

async fn open(store: &Store, person: &SignedIn, now: Timestamp) -> (PersonSession, Presented) {
    open_session(store, person, &person.memberships[0], now).await
}

fn calls(store: &Store, operation: &str) -> u64 {
    let usage = store.meter().snapshot();
    usage.get(operation).map_or(0, |usage| usage.calls)
}

#[tokio::test]
async fn a_session_is_its_person_as_what_they_are_now_for_one_read() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let scope = ada.memberships[0].scope.clone();
        let membership = join(&store, &scope, &grace, Role::Developer).await;
        let (session, presented) = open_session(&store, &grace, &membership, NOW).await;
        assert_eq!(session.expires_at, NOW.plus_seconds(SESSION_IDLE_SECONDS));
        let verified = store.authenticate(&presented, NOW).await.unwrap().unwrap();
        assert_eq!(verified.scope, scope);
        assert_eq!(
            verified.subject,
            Subject::Person {
                person: grace.scope.clone(),
                role: Role::Developer,
                session_id: session.session_id,
            }
        );
        let usage = store.meter().snapshot()["authenticate"];
        assert_eq!(
            (usage.calls, usage.read_units.to_string().as_str()),
            (1, "1")
        );
        assert_eq!(calls(&store, "note_use"), 0);
        let tenant = store.tenant(&scope);
        let seen = tenant.member(grace.scope.user_id()).await.unwrap().unwrap();
        tenant
            .set_role(&seen, Role::Auditor, None, &write_id())
            .await
            .unwrap();
        let verified = store.authenticate(&presented, NOW).await.unwrap().unwrap();
        assert!(matches!(
            verified.subject,
            Subject::Person {
                role: Role::Auditor,
                ..
            }
        ));
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_after_a_day_in_any_case() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let (_, idle) = open(&store, &ada, NOW).await;
        let (_, used) = open(&store, &ada, NOW).await;
        let last = NOW.plus_seconds(SESSION_IDLE_SECONDS).plus_millis(-1);
        assert!(is_good(&store, &used, last).await);
        assert!(!is_good(&store, &idle, last.plus_millis(1)).await);
        let mut now = last;
        while now < NOW.plus_seconds(SESSION_SECONDS) {
            assert!(is_good(&store, &used, now).await, "{now}");
            now = now.plus_seconds(HOUR);
        }
        let end = NOW.plus_seconds(SESSION_SECONDS);
        assert!(is_good(&store, &used, end.plus_millis(-1)).await);
        assert!(!is_good(&store, &used, end).await);
        let page = store.person(&ada.scope).sessions(10, None, end).await;
        assert!(page.unwrap().sessions.is_empty());
    }
}

#[tokio::test]
async fn use_is_noted_every_five_minutes_and_never_fails_a_request() {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    let ada = sign_in(&store, "ada").await;
    let (_, presented) = open(&store, &ada, NOW).await;
    for (seconds, expected) in [(0, 0), (299, 0), (300, 1), (301, 1), (599, 1), (600, 2)] {
        assert!(is_good(&store, &presented, NOW.plus_seconds(seconds)).await);
        assert_eq!(calls(&store, "note_use"), expected, "after {seconds} s");
    }
    let page = store.person(&ada.scope).sessions(10, None, NOW).await;
    let seen = page.unwrap().sessions[0].seen_at;
    assert_eq!(seen, NOW.plus_seconds(600));
    let read_only = engine.client_with(|call| match call.operation {
        "UpdateItem" => Fault::Throttle,
        _ => Fault::None,
    });
    let read_only = on(&read_only, Tables::default());
    assert!(is_good(&read_only, &presented, NOW.plus_seconds(1000)).await);
}

#[tokio::test]
async fn a_session_or_a_membership_of_this_moment_is_good_at_once() {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    let ada = sign_in(&store, "ada").await;
    let (_, presented) = open(&store, &ada, NOW).await;
    for unseen in ["sessions", "people"] {
        let behind = engine.client_with(move |_| Fault::UnseenIn(unseen));
        let behind = on(&behind, Tables::default());
        assert!(is_good(&behind, &presented, NOW).await, "{unseen}");
        let forged = Presented {
            secret_sha256: bytes(),
            ..presented.clone()
        };
        assert!(!is_good(&behind, &forged, NOW).await, "{unseen}");
    }
}

#[tokio::test]
async fn a_session_that_somebody_made_up_costs_one_read() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let (_, good) = open(&store, &ada, NOW).await;
        let before = calls(&store, "authenticate");
        let junk = Presented {
            key_id: KeyId::new(bytes()),
            secret_sha256: bytes(),
            ..good.clone()
        };
        assert!(!is_good(&store, &junk, NOW).await);
        assert_eq!(calls(&store, "authenticate"), before + 1);
        let under_a_known_handle = Presented {
            secret_sha256: bytes(),
            ..good
        };
        assert!(!is_good(&store, &under_a_known_handle, NOW).await);
        assert_eq!(calls(&store, "authenticate"), before + 3);
    }
}

#[tokio::test]
async fn whoever_signs_in_has_a_session_though_others_were_ended_by_a_clock_that_is_ahead() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let (_, old) = open(&store, &ada, NOW).await;
        let ahead = NOW.plus_millis(40);
        let own = store.person(&ada.scope);
        own.end_sessions(None, ahead).await.unwrap();
        assert!(!is_good(&store, &old, ahead).await);
        let again = sign_in(&store, "ada").await;
        let (session, presented) = open(&store, &again, NOW.plus_millis(1)).await;
        assert_eq!(session.created_at, ahead);
        assert!(is_good(&store, &presented, NOW.plus_millis(2)).await);
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_session_the_answer_is_the_same() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let (_, good) = open(&store, &ada, NOW).await;
        let (_, of_grace) = open(&store, &grace, NOW).await;
        let ended = open(&store, &ada, NOW).await.1;
        for _ in 0..2 {
            store.end_presented_session(&ended).await.unwrap();
        }
        let bad = [
            ("ended", ended),
            (
                "of a wrong secret",
                Presented {
                    secret_sha256: bytes(),
                    ..good.clone()
                },
            ),
            (
                "under another's membership",
                Presented {
                    key_id: of_grace.key_id,
                    ..good.clone()
                },
            ),
            (
                "of another key id under the same membership",
                Presented {
                    key_id: KeyId::of_member(&good.key_id.member(), bytes()),
                    ..good.clone()
                },
            ),
            (
                "as a token",
                Presented {
                    kind: CredentialKind::ApiToken,
                    ..good.clone()
                },
            ),
            (
                "as an agent's",
                Presented {
                    kind: CredentialKind::AgentSession,
                    ..good.clone()
                },
            ),
        ];
        for (what, presented) in bad {
            assert!(!is_good(&store, &presented, NOW).await, "{what}");
        }
        assert!(is_good(&store, &good, NOW).await);
    }
}

#[tokio::test]
async fn a_person_ends_one_session_the_others_or_all() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let own = store.person(&ada.scope);
        let mut opened = Vec::new();
        for second in 0..4 {
            opened.push(open(&store, &ada, NOW.plus_seconds(second)).await);
        }
        let now = NOW.plus_seconds(10);
        let listed = |page: PersonSessionPage| -> Vec<_> {
            let sessions = page.sessions.into_iter();
            sessions.map(|session| session.session_id).collect()
        };
        let all: Vec<_> = opened
            .iter()
            .rev()
            .map(|(it, _)| it.session_id.clone())
            .collect();
        let first = own.sessions(3, None, now).await.unwrap();
        let next = first.next.clone();
        assert_eq!(listed(first), all[..3]);
        let rest = own.sessions(3, next.as_ref(), now).await.unwrap();
        assert_eq!((listed(rest), next.is_some()), (all[3..].to_vec(), true));

        let other = store.person(&grace.scope);
        assert!(!other.end_session(&opened[0].0.session_id).await.unwrap());
        assert!(is_good(&store, &opened[0].1, now).await);
        assert!(own.end_session(&opened[0].0.session_id).await.unwrap());
        assert!(!own.end_session(&opened[0].0.session_id).await.unwrap());
        assert!(!is_good(&store, &opened[0].1, now).await);

        own.end_sessions(Some(&opened[1].0.session_id), now)
            .await
            .unwrap();
        assert!(is_good(&store, &opened[1].1, now).await);
        assert!(!is_good(&store, &opened[2].1, now).await);
        assert!(!is_good(&store, &opened[3].1, now).await);
        let (_, later) = open(&store, &ada, now).await;
        assert!(is_good(&store, &later, now).await);

        own.end_sessions(None, now.plus_millis(1)).await.unwrap();
        let left = own.sessions(10, None, now).await.unwrap();
        assert!(left.sessions.is_empty());
        for presented in [&opened[1].1, &later] {
            assert!(!is_good(&store, presented, now).await);
        }
    }
}

#[tokio::test]
async fn ending_all_sessions_ends_those_too_that_no_index_knows_of() {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    let ada = sign_in(&store, "ada").await;
    let (kept, of_kept) = open(&store, &ada, NOW).await;
    let (_, fresh) = open(&store, &ada, NOW).await;
    let behind = engine.client_with(|call| match (call.operation, call.table) {
        ("Query", Some("sessions")) => Fault::Unseen,
        _ => Fault::None,
    });
    let behind = on(&behind, Tables::default());
    let now = NOW.plus_seconds(1);
    let own = behind.person(&ada.scope);
    own.end_sessions(Some(&kept.session_id), now).await.unwrap();
    assert!(!is_good(&store, &fresh, now).await);
    assert!(is_good(&store, &of_kept, now).await);
    own.end_sessions(None, now.plus_seconds(1)).await.unwrap();
    assert!(!is_good(&store, &of_kept, now).await);
    let page = store.person(&ada.scope).sessions(10, None, now).await;
    assert!(page.unwrap().sessions.is_empty());
    assert!(sign_in_again(&store, &ada, now.plus_seconds(1)).await);
}

async fn sign_in_again(store: &Store, person: &SignedIn, now: Timestamp) -> bool {
    let (_, presented) = open(store, person, now).await;
    is_good(store, &presented, now).await
}

#[tokio::test]
async fn who_is_removed_loses_the_sessions_of_that_organisation_for_good_and_keeps_those_of_others()
{
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let scope = ada.memberships[0].scope.clone();
        let guest = join(&store, &scope, &grace, Role::Admin).await;
        let (_, here) = open_session(&store, &grace, &guest, NOW).await;
        let (_, at_home) = open(&store, &grace, NOW).await;
        let tenant = store.tenant(&scope);
        let member = tenant.member(grace.scope.user_id()).await.unwrap().unwrap();
        let now = NOW.plus_seconds(1);
        let removed = tenant.remove_member(&member, None, &write_id()).await;
        assert!(matches!(removed.unwrap(), MemberOutcome::Changed(_)));
        // Whoever comes back has another membership.
        for is_back in [false, true] {
            if is_back {
                join(&store, &scope, &grace, Role::Admin).await;
            }
            assert!(!is_good(&store, &here, now).await, "{is_back}");
            assert!(is_good(&store, &at_home, now).await);
            let own = store.person(&grace.scope).sessions(10, None, now).await;
            assert_eq!(own.unwrap().sessions.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_session_whose_answer_was_lost_is_made_once() {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    let ada = sign_in(&store, "ada").await;
    let lossy = on(&engine.client_with(|_| Fault::DropAfter), Tables::default());
    let membership = &ada.memberships[0];
    let new = NewPersonSession {
        session_id: SessionId::new(NOW, bytes()),
        key_id: KeyId::of_member(&membership.handle, bytes()),
        secret_sha256: bytes(),
        user_agent: Some(ShortText::parse("curl/8").unwrap()),
        address: Some("2001:db8::1".parse().unwrap()),
    };
    let own = lossy.person(&ada.scope);
    assert!(own.create_session(membership, &new, NOW).await.is_err());
    let own = store.person(&ada.scope);
    let made = own.create_session(membership, &new, NOW).await.unwrap();
    let page = own.sessions(10, None, NOW).await.unwrap();
    assert_eq!(page.sessions, [made]);
    assert_eq!(page.sessions[0].address, new.address);
    let ended = lossy.person(&ada.scope).end_sessions(None, NOW).await;
    assert!(ended.is_err());
    own.end_sessions(None, NOW).await.unwrap();
    assert!(
        own.sessions(10, None, NOW)
            .await
            .unwrap()
            .sessions
            .is_empty()
    );
}
