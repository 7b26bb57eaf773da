//! Answers that are lost.

use super::*;
use crate::testing::on;
use crate::{Creation, Presented};

/// A store, and one on the same tables on which the answer to every transaction is lost.
async fn with_losses() -> (Store, Store) {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    let lossy = engine.client_with(|call| match call.operation {
        "TransactWriteItems" => Fault::DropAfter,
        _ => Fault::None,
    });
    (store, on(&lossy, Tables::default()))
}

#[tokio::test]
async fn a_first_sign_in_whose_answer_was_lost_has_made_one_person() {
    let (store, lossy) = with_losses().await;
    let (identity, new) = new_person("ada");
    let lost = lossy.sign_in(&identity, &new, NOW, &write_id()).await;
    assert!(matches!(lost, Err(StoreError::Busy { .. })), "{lost:?}");
    // The same attempt goes on, and a browser that begins anew brings other ids.
    for (attempt, is_new) in [(new.clone(), true), (new_person("ada").1, false)] {
        let found = store
            .sign_in(&identity, &attempt, NOW, &write_id())
            .await
            .unwrap();
        assert_eq!(found.scope.user_id(), &new.user_id);
        assert_eq!(found.made.is_some(), is_new);
        assert_eq!(found.memberships.len(), 1);
        assert_sound(&store, &own(&found), std::slice::from_ref(&found)).await;
    }
}

#[tokio::test]
async fn a_provider_out_of_reach_of_the_store_leaves_nothing_half_made() {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    let cut_off = engine.client_with(|call| match call.operation {
        "TransactWriteItems" => Fault::DropBefore,
        _ => Fault::None,
    });
    let cut_off = on(&cut_off, Tables::default());
    let (identity, new) = new_person("ada");
    assert!(
        cut_off
            .sign_in(&identity, &new, NOW, &write_id())
            .await
            .is_err()
    );
    let scope = PersonScope::new(new.user_id.clone());
    assert_eq!(store.person(&scope).person().await.unwrap(), None);
    assert!(store.person(&scope).memberships().await.unwrap().is_empty());
    let organisation = TenantScope::new(new.organisation.tenant.clone());
    assert_eq!(
        store.tenant(&organisation).organisation().await.unwrap(),
        None
    );
    assert!(sign_in(&store, "ada").await.made.is_some());
}

#[tokio::test]
async fn an_acceptance_whose_answer_was_lost_is_answered_the_second_time() {
    let (store, lossy) = with_losses().await;
    let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
    let scope = own(&ada);
    let (new, presented) = new_invitation(Role::Admin);
    let create = async |store: &Store, new: &NewInvitation| {
        let tenant = store.tenant(&scope);
        tenant.create_invitation(new, NOW, &write_id()).await
    };
    assert!(create(&lossy, &new).await.is_err());
    assert_eq!(create(&store, &new).await.unwrap(), Creation::Created);
    let mut taken = new.clone();
    taken.secret_sha256 = bytes();
    assert_eq!(create(&store, &taken).await.unwrap(), Creation::KeyIdTaken);

    let accept = async |store: &Store, presented: &Presented| {
        let handle = MemberHandle::new(bytes());
        let own = store.person(&grace.scope);
        own.accept_invitation(presented, &handle, NOW, &write_id())
            .await
    };
    assert!(accept(&lossy, &presented).await.is_err());
    let found = accept(&store, &presented).await.unwrap();
    let Acceptance::Joined(membership) = found else {
        panic!("{found:?}");
    };
    assert_eq!(membership.role, Role::Admin);
    assert_sound(&store, &scope, &[ada, grace.clone()]).await;
}

#[tokio::test]
async fn a_change_of_a_member_whose_answer_was_lost_can_be_asked_for_again() {
    let (store, lossy) = with_losses().await;
    let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
    let scope = own(&ada);
    join(&store, &scope, &grace, Role::Owner).await;
    let seen = member(&store, &scope, &grace).await.unwrap();
    let this = write_id();
    let lost = lossy
        .tenant(&scope)
        .set_role(&seen, Role::Viewer, None, &this)
        .await;
    assert!(lost.is_err());
    // The same write finds itself, and a request that begins anew finds the role that it asks for.
    let tenant = store.tenant(&scope);
    let again = tenant
        .set_role(&seen, Role::Viewer, None, &this)
        .await
        .unwrap();
    assert!(matches!(again, MemberOutcome::Changed(ref it) if it.role == Role::Viewer));
    let there = member(&store, &scope, &grace).await.unwrap();
    let anew = tenant
        .set_role(&there, Role::Viewer, None, &write_id())
        .await
        .unwrap();
    assert_eq!(anew, MemberOutcome::Changed(there.clone()));
    assert_eq!(organisation(&store, &scope).await.owners, 1);

    let lost = lossy
        .tenant(&scope)
        .remove_member(&there, None, &write_id())
        .await;
    assert!(lost.is_err());
    let again = tenant
        .remove_member(&there, None, &write_id())
        .await
        .unwrap();
    assert_eq!(again, MemberOutcome::Changed(there));
    assert_sound(&store, &scope, &[ada, grace]).await;
}

#[tokio::test]
async fn a_revocation_of_an_invitation_whose_answer_was_lost_can_be_asked_for_again() {
    let (store, lossy) = with_losses().await;
    let ada = sign_in(&store, "ada").await;
    let scope = own(&ada);
    let (new, presented) = new_invitation(Role::Viewer);
    let tenant = store.tenant(&scope);
    tenant
        .create_invitation(&new, NOW, &write_id())
        .await
        .unwrap();
    let lost = lossy
        .tenant(&scope)
        .revoke_invitation(&new.key_id, NOW, &write_id())
        .await;
    assert!(lost.is_err());
    let again = tenant
        .revoke_invitation(&new.key_id, NOW, &write_id())
        .await;
    assert_eq!(again.unwrap(), InvitationEnd::Revoked);
    assert_eq!(store.invitation(&presented, NOW).await.unwrap(), None);
}
