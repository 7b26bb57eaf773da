#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod faults;
mod invitations;
mod members;
mod races;
mod sign_in;

use super::*;
use crate::testing::{
    NOW, bytes, join, new_invitation, new_person, open_session, sign_in, stores, tenant, write_id,
};
use crate::{StoreError, Tables, TenantScope};
use embedded_dynamodb::{Engine, Fault};
use wire::{Role, TenantId};

/// The organisation that somebody came with.
fn own(person: &SignedIn) -> TenantScope {
    person.memberships[0].scope.clone()
}

async fn member(store: &Store, tenant: &TenantScope, person: &SignedIn) -> Option<Member> {
    let user_id = person.scope.user_id();
    store.tenant(tenant).member(user_id).await.unwrap()
}

async fn organisation(store: &Store, tenant: &TenantScope) -> Organisation {
    store.tenant(tenant).organisation().await.unwrap().unwrap()
}

/// What is written down in three places says the same in each.
async fn assert_sound(store: &Store, tenant: &TenantScope, people: &[SignedIn]) {
    let page = store.tenant(tenant).members(100, None).await.unwrap();
    let owners = page.members.iter().filter(|it| it.role == Role::Owner);
    let counted = organisation(store, tenant).await;
    assert_eq!(counted.members, page.members.len() as u64);
    assert_eq!(counted.owners, owners.count() as u64);
    assert!(counted.owners > 0);
    for person in people {
        let listed = page
            .members
            .iter()
            .find(|member| &member.user_id == person.scope.user_id());
        let own = store.person(&person.scope);
        let membership = own.membership(tenant.tenant()).await.unwrap();
        assert_eq!(
            membership.as_ref().map(|it| (it.role, &it.handle)),
            listed.map(|it| (it.role, &it.handle))
        );
        let all = own.memberships().await.unwrap();
        assert_eq!(
            all.iter().any(|it| &it.scope == tenant),
            membership.is_some()
        );
    }
}
