//! What makes somebody a member: the membership, and what leads to it from the tenant and from the person.

use super::item::{MEMBERSHIP, MembershipItem, ORGANISATION, PERSON, PointerItem, membership_sort};
use super::writes::step;
use super::{MAX_ORGANISATIONS, MemberHandle};
use crate::call::{Item, key, number, string};
use crate::{Store, StoreError, TenantScope, keys};
use aws_sdk_dynamodb::types::TransactWriteItem;
use wire::{Role, Timestamp, UserId};

/// Who joins what, and as what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joining<'a> {
    pub(super) tenant: &'a TenantScope,
    pub(super) user_id: &'a UserId,
    pub(super) handle: &'a MemberHandle,
    pub(super) role: Role,
    pub(super) now: Timestamp,
}

/// The key of a membership.
pub(super) fn membership_key(handle: &MemberHandle) -> Item {
    key(keys::membership(handle), MEMBERSHIP)
}

/// The key of what leads from the tenant to a membership.
pub(super) fn register_key(tenant: &TenantScope, user_id: &UserId) -> Item {
    key(tenant.members(), user_id.as_str())
}

/// The key of what leads from the person to a membership.
pub(super) fn pointer_key(tenant: &TenantScope, user_id: &UserId) -> Item {
    key(keys::person(user_id), &membership_sort(tenant.tenant()))
}

impl Store {
    /// The new items of a membership. None of them may be there: nobody is a member twice.
    pub(super) fn new_membership(
        &self,
        operation: &'static str,
        joining: Joining<'_>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Joining {
            tenant,
            user_id,
            handle,
            role,
            now,
        } = joining;
        let membership = MembershipItem {
            handle: handle.clone(),
            tenant: tenant.tenant().clone(),
            user_id: user_id.clone(),
            role,
            joined_ms: now.as_millis(),
            revision: 1,
            sessions_from_ms: None,
            session_kept: None,
            write_id: None,
        };
        let pointer = PointerItem {
            handle: handle.clone(),
            joined_ms: now.as_millis(),
        };
        Ok(vec![
            self.put_new_of_people(operation, membership_key(handle), &membership)?,
            self.put_new_of_people(operation, register_key(tenant, user_id), &pointer)?,
            self.put_new_of_people(operation, pointer_key(tenant, user_id), &pointer)?,
        ])
    }

    /// Counts somebody with that role in, or out. The last owner is not counted out.
    pub(super) fn count_in_organisation(
        &self,
        tenant: &TenantScope,
        (members, owners): (i64, i64),
    ) -> Result<TransactWriteItem, StoreError> {
        let condition = if owners < 0 {
            "owners > :one"
        } else {
            "attribute_exists(pk)"
        };
        let mut values = vec![(":one", step(1))];
        let mut counts = vec!["revision :one"];
        if members != 0 {
            counts.push("members :members");
            values.push((":members", step(members)));
        }
        if owners != 0 {
            counts.push("owners :owners");
            values.push((":owners", step(owners)));
        }
        let expression = format!("ADD {}", counts.join(", "));
        let organisation = key(tenant.organisation(), ORGANISATION);
        self.update_of_people(organisation, &expression, condition, &values)
    }

    /// Counts one more organisation of a person who is in fewer than `below`.
    pub(super) fn count_organisation(
        &self,
        user_id: &UserId,
        below: usize,
    ) -> Result<TransactWriteItem, StoreError> {
        let below = i64::try_from(below.min(MAX_ORGANISATIONS)).unwrap_or_default();
        self.update_of_people(
            key(keys::person(user_id), PERSON),
            "ADD organisations :one",
            "organisations < :below",
            &[(":one", step(1)), (":below", step(below))],
        )
    }

    /// Takes a membership and what leads to it away.
    pub(super) fn without_membership(
        &self,
        tenant: &TenantScope,
        user_id: &UserId,
        handle: &MemberHandle,
        revision: u64,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let known = [(":handle", string(handle.as_str()))];
        let person = key(keys::person(user_id), PERSON);
        Ok(vec![
            self.delete_of_people(
                membership_key(handle),
                "tenant = :tenant AND user_id = :user AND revision = :seen",
                &[
                    (":tenant", string(tenant.tenant().as_str())),
                    (":user", string(user_id.as_str())),
                    (":seen", number(revision)),
                ],
            )?,
            self.delete_of_people(register_key(tenant, user_id), "handle = :handle", &known)?,
            self.delete_of_people(pointer_key(tenant, user_id), "handle = :handle", &known)?,
            self.update_of_people(
                person,
                "ADD organisations :less",
                "organisations > :none",
                &[(":less", step(-1)), (":none", step(0))],
            )?,
        ])
    }
}
