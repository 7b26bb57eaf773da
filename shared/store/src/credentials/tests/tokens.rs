//! The tokens of persons: bounded by what they are, listed, and replaced.

use super::*;
use crate::testing::{bytes, join, sign_in, write_id};
use crate::{Membership, SignedIn};
use wire::Role;

const DAY: i64 = 24 * 3600;

/// A token of a member, and what its bearer presents.
fn new_token(membership: &Membership, name: &str) -> (NewApiToken, Presented) {
    let presented = Presented {
        kind: TOKEN,
        key_id: KeyId::of_member(&membership.handle, bytes()),
        secret_sha256: bytes(),
    };
    let new = NewApiToken {
        key_id: presented.key_id.clone(),
        secret_sha256: presented.secret_sha256,
        name: name.to_owned(),
        scopes: vec!["jobs:read".to_owned(), "jobs:write".to_owned()],
        member: Some(membership.user_id.clone()),
        created_by: format!("user:{}", membership.user_id),
        expires_at: Some(NOW.plus_seconds(90 * DAY)),
    };
    (new, presented)
}

async fn create(store: &Store, membership: &Membership, name: &str) -> (NewApiToken, Presented) {
    let (new, presented) = new_token(membership, name);
    let tenant = store.tenant(&membership.scope);
    let created = tenant.create_api_token(&new, NOW).await.unwrap();
    assert_eq!(created, Creation::Created);
    (new, presented)
}

fn new_secret(membership: &Membership) -> (NewSecret, Presented) {
    let (new, presented) = new_token(membership, "new");
    let secret = NewSecret {
        key_id: new.key_id,
        secret_sha256: new.secret_sha256,
        expires_at: new.expires_at,
    };
    (secret, presented)
}

async fn role_of(store: &Store, presented: &Presented, now: Timestamp) -> Option<Role> {
    let verified = store.authenticate(presented, now).await.unwrap()?;
    let Subject::Token { member, .. } = verified.subject else {
        panic!("{verified:?}");
    };
    Some(member.unwrap().role)
}

/// Ada, and Grace as a developer in Ada's organisation.
async fn two(store: &Store) -> (SignedIn, SignedIn, Membership) {
    let (ada, grace) = (sign_in(store, "ada").await, sign_in(store, "grace").await);
    let scope = ada.memberships[0].scope.clone();
    let membership = join(store, &scope, &grace, Role::Developer).await;
    (ada, grace, membership)
}

#[tokio::test]
async fn a_token_tells_what_its_person_is_now_and_ends_with_the_membership() {
    for (_, store) in stores().await {
        let (_, grace, membership) = two(&store).await;
        let (_, presented) = create(&store, &membership, "ci").await;
        assert_eq!(
            role_of(&store, &presented, NOW).await,
            Some(Role::Developer)
        );
        let usage = store.meter().snapshot()["authenticate"];
        assert_eq!(usage.calls, 1);
        let tenant = store.tenant(&membership.scope);
        let member = async || {
            let user_id = grace.scope.user_id();
            tenant.member(user_id).await.unwrap().unwrap()
        };
        tenant
            .set_role(&member().await, Role::Viewer, None, &write_id())
            .await
            .unwrap();
        assert_eq!(role_of(&store, &presented, NOW).await, Some(Role::Viewer));
        tenant
            .remove_member(&member().await, None, &write_id())
            .await
            .unwrap();
        assert_eq!(role_of(&store, &presented, NOW).await, None);
        join(&store, &membership.scope, &grace, Role::Admin).await;
        assert_eq!(role_of(&store, &presented, NOW).await, None);
    }
}

#[tokio::test]
async fn a_token_does_not_stand_under_the_membership_of_somebody_else() {
    for (_, store) in stores().await {
        let (ada, _, membership) = two(&store).await;
        let tenant = store.tenant(&membership.scope);
        let (mut new, presented) = new_token(&ada.memberships[0], "under Ada's handle");
        new.member = Some(membership.user_id.clone());
        tenant.create_api_token(&new, NOW).await.unwrap();
        assert_eq!(store.authenticate(&presented, NOW).await.unwrap(), None);
        let (mut new, mut presented) = new_token(&membership, "under no handle");
        presented.key_id = KeyId::new(bytes());
        new.key_id = presented.key_id.clone();
        tenant.create_api_token(&new, NOW).await.unwrap();
        assert_eq!(store.authenticate(&presented, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn tokens_are_listed_until_they_are_revoked() {
    for (_, store) in stores().await {
        let (ada, _, membership) = two(&store).await;
        let tenant = store.tenant(&membership.scope);
        let mut of_grace = Vec::new();
        for number in 0..5 {
            let (mut new, _) = new_token(&membership, &format!("grace-{number}"));
            if number == 0 {
                new.expires_at = Some(NOW.plus_seconds(1));
            }
            let at = NOW.plus_seconds(number);
            tenant.create_api_token(&new, at).await.unwrap();
            of_grace.insert(0, new.key_id);
        }
        let (of_ada, _) = new_token(&ada.memberships[0], "ada");
        let at = NOW.plus_seconds(10);
        tenant.create_api_token(&of_ada, at).await.unwrap();
        tenant
            .create_agent_key(&agent_key("keykeykeykey"), at)
            .await
            .unwrap();

        let list = async |member: Option<&UserId>, limit| {
            let (mut ids, mut after) = (Vec::new(), None);
            for _ in 0..10 {
                let page = tenant
                    .api_tokens(member, limit, after.as_ref())
                    .await
                    .unwrap();
                assert!(page.tokens.len() <= limit as usize);
                ids.extend(page.tokens.into_iter().map(|token| token.key_id));
                after = page.next;
                if after.is_none() {
                    return ids;
                }
            }
            panic!("no end");
        };
        let user = Some(&membership.user_id);
        let everybodys: Vec<_> = [of_ada.key_id.clone()]
            .into_iter()
            .chain(of_grace.clone())
            .collect();
        for limit in [1, 2, 5, 100] {
            assert_eq!(list(user, limit).await, of_grace);
            assert_eq!(list(None, limit).await, everybodys);
        }
        let counts = tenant
            .token_counts(user, NOW.plus_seconds(60))
            .await
            .unwrap();
        assert_eq!((counts.of_person, counts.of_tenant), (4, 5));

        let revoked = of_grace.remove(2);
        tenant
            .revoke_credential(&revoked, "test", NOW, random)
            .await
            .unwrap();
        assert_eq!(list(user, 100).await, of_grace);
        let there = tenant.api_token(&revoked).await.unwrap().unwrap();
        assert_eq!(there.revoked_at, Some(NOW));
        let other = TenantScope::new(TenantId::parse("other").unwrap());
        let other = store.tenant(&other);
        assert_eq!(other.api_token(&of_ada.key_id).await.unwrap(), None);
        assert!(
            other
                .api_tokens(None, 10, None)
                .await
                .unwrap()
                .tokens
                .is_empty()
        );
        assert_eq!(
            tenant.api_token(&key_id("keykeykeykey")).await.unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn noting_the_use_of_a_listed_token_costs_one_unit() {
    for (_, store) in stores().await {
        let (_, _, membership) = two(&store).await;
        let (_, presented) = create(&store, &membership, "ci").await;
        role_of(&store, &presented, NOW).await.unwrap();
        let usage = store.meter().snapshot()["note_use"];
        assert_eq!(usage.write_units.to_string(), "1");
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_stays_good_for_the_overlap() {
    for (_, store) in stores().await {
        let (_, _, membership) = two(&store).await;
        let tenant = store.tenant(&membership.scope);
        let (old, of_old) = create(&store, &membership, "ci").await;
        let seen = tenant.api_token(&old.key_id).await.unwrap().unwrap();
        let (secret, of_new) = new_secret(&membership);
        let rotate = async |seen: &ApiToken, secret: &NewSecret, overlap| {
            tenant
                .rotate_api_token(&seen.key_id, secret, overlap, NOW, &write_id())
                .await
                .unwrap()
        };
        let Rotation::Rotated(made) = rotate(&seen, &secret, 30 * DAY).await else {
            panic!("not rotated");
        };
        assert_eq!(
            (made.name, made.scopes, made.member),
            (old.name, old.scopes, old.member)
        );
        for (seconds, old_is_good) in [(0, true), (DAY - 1, true), (DAY, false)] {
            let now = NOW.plus_seconds(seconds);
            assert_eq!(role_of(&store, &of_old, now).await.is_some(), old_is_good);
            assert!(role_of(&store, &of_new, now).await.is_some());
        }
        // The same once more is the same; another secret must replace the successor.
        let again = rotate(&seen, &secret, 0).await;
        assert!(matches!(again, Rotation::Rotated(ref it) if it.key_id == secret.key_id));
        let (third, of_third) = new_secret(&membership);
        let before = rotate(&seen, &third, 0).await;
        assert_eq!(before, Rotation::RotatedBefore(secret.key_id.clone()));

        let seen = tenant.api_token(&secret.key_id).await.unwrap().unwrap();
        let taken = NewSecret {
            key_id: old.key_id.clone(),
            ..third.clone()
        };
        assert_eq!(rotate(&seen, &taken, 0).await, Rotation::KeyIdTaken);
        assert!(role_of(&store, &of_new, NOW).await.is_some());
        let rotated = rotate(&seen, &third, 0).await;
        assert!(matches!(rotated, Rotation::Rotated(_)), "{rotated:?}");
        assert_eq!(role_of(&store, &of_new, NOW).await, None);
        assert!(role_of(&store, &of_third, NOW).await.is_some());

        let seen = tenant.api_token(&third.key_id).await.unwrap().unwrap();
        tenant
            .revoke_credential(&third.key_id, "test", NOW, random)
            .await
            .unwrap();
        let (fourth, of_fourth) = new_secret(&membership);
        assert_eq!(rotate(&seen, &fourth, 0).await, Rotation::NotGood);
        assert_eq!(role_of(&store, &of_fourth, NOW).await, None);
    }
}

#[tokio::test]
async fn replacing_never_lets_the_old_token_live_longer() {
    for (_, store) in stores().await {
        let (_, _, membership) = two(&store).await;
        let tenant = store.tenant(&membership.scope);
        let (mut new, presented) = new_token(&membership, "short");
        new.expires_at = Some(NOW.plus_seconds(60));
        tenant.create_api_token(&new, NOW).await.unwrap();
        let seen = tenant.api_token(&new.key_id).await.unwrap().unwrap();
        let (secret, _) = new_secret(&membership);
        tenant
            .rotate_api_token(&seen.key_id, &secret, DAY, NOW, &write_id())
            .await
            .unwrap();
        assert_eq!(
            role_of(&store, &presented, NOW.plus_seconds(60)).await,
            None
        );
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_one_replaces_the_token() {
    for (_, store) in stores().await {
        let (_, _, membership) = two(&store).await;
        let tenant = store.tenant(&membership.scope);
        for round in 0..5 {
            let (old, _) = create(&store, &membership, &format!("ci-{round}")).await;
            let seen = tenant.api_token(&old.key_id).await.unwrap().unwrap();
            let ((one, of_one), (other, of_other)) =
                (new_secret(&membership), new_secret(&membership));
            let (first, second) = (write_id(), write_id());
            let (left, right) = tokio::join!(
                tenant.rotate_api_token(&seen.key_id, &one, 0, NOW, &first),
                tenant.rotate_api_token(&seen.key_id, &other, 0, NOW, &second),
            );
            let outcomes = [left.unwrap(), right.unwrap()];
            let rotated = |it: &&Rotation<ApiToken>| matches!(it, Rotation::Rotated(_));
            let before = |it: &&Rotation<ApiToken>| matches!(it, Rotation::RotatedBefore(_));
            assert_eq!(outcomes.iter().filter(rotated).count(), 1, "{outcomes:?}");
            assert_eq!(outcomes.iter().filter(before).count(), 1, "{outcomes:?}");
            let good = [
                role_of(&store, &of_one, NOW).await,
                role_of(&store, &of_other, NOW).await,
            ];
            assert_eq!(good.iter().flatten().count(), 1);
        }
    }
}

#[tokio::test]
async fn a_rotation_whose_answer_was_lost_has_happened_once() {
    let (engine, store) = store().await;
    let (_, _, membership) = two(&store).await;
    let tenant = store.tenant(&membership.scope);
    let (old, of_old) = create(&store, &membership, "ci").await;
    let seen = tenant.api_token(&old.key_id).await.unwrap().unwrap();
    let (secret, of_new) = new_secret(&membership);
    let lossy = engine.client_with(|call| match call.operation {
        "TransactWriteItems" => Fault::DropAfter,
        _ => Fault::None,
    });
    let lossy = crate::testing::on(&lossy, Tables::default());
    let lost = lossy
        .tenant(&membership.scope)
        .rotate_api_token(&seen.key_id, &secret, 0, NOW, &write_id())
        .await;
    assert!(lost.is_err());
    assert_eq!(role_of(&store, &of_old, NOW).await, None);
    let again = tenant
        .rotate_api_token(&seen.key_id, &secret, 0, NOW, &write_id())
        .await
        .unwrap();
    assert!(matches!(again, Rotation::Rotated(_)), "{again:?}");
    assert!(role_of(&store, &of_new, NOW).await.is_some());
}

#[tokio::test]
async fn a_token_that_is_replaced_at_once_leaves_the_list() {
    for (_, store) in stores().await {
        let (_, _, membership) = two(&store).await;
        let tenant = store.tenant(&membership.scope);
        let (mut last, _) = create(&store, &membership, "ci").await;
        for overlap in [0, 0, 60, 0] {
            let seen = tenant.api_token(&last.key_id).await.unwrap().unwrap();
            let (secret, _) = new_secret(&membership);
            let rotated = tenant
                .rotate_api_token(&seen.key_id, &secret, overlap, NOW, &write_id())
                .await;
            assert!(matches!(rotated.unwrap(), Rotation::Rotated(_)));
            last.key_id = secret.key_id;
        }
        let user = Some(&membership.user_id);
        let later = NOW.plus_seconds(60);
        let counts = tenant.token_counts(user, later).await.unwrap();
        assert_eq!((counts.of_person, counts.listed_of_person), (1, 2));
        assert!(!counts.may_be_more);
    }
}

#[tokio::test]
async fn a_list_that_is_too_long_to_be_looked_at_is_not_taken_for_one_that_ends() {
    let store = on(&Engine::memory().unwrap());
    store.create_tables().await.unwrap();
    let (_, _, membership) = two(&store).await;
    let tenant = store.tenant(&membership.scope);
    let user = Some(&membership.user_id);
    for number in 0..=2_500 {
        let (mut new, _) = new_token(&membership, "ci");
        // The good ones are older than all that have ended.
        let good = number < 100;
        new.expires_at = (!good).then(|| NOW.plus_seconds(1));
        let at = NOW.plus_millis(number);
        tenant.create_api_token(&new, at).await.unwrap();
        // A page that is full says that there may be more.
        if number == 2_498 {
            let counts = tenant.token_counts(user, NOW.plus_seconds(60)).await;
            let counts = counts.unwrap();
            assert_eq!((counts.of_person, counts.may_be_more), (100, false));
        }
    }
    let counts = tenant.token_counts(user, NOW.plus_seconds(60)).await;
    let counts = counts.unwrap();
    assert_eq!((counts.of_person, counts.may_be_more), (99, true));
}
