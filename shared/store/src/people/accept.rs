//! An invitation makes somebody a member, once.

use super::invitations::{contended, invitation_key};
use super::item::{InvitationItem, MembershipItem};
use super::register::{Joining, membership_key};
use super::{MAX_ORGANISATIONS, MAX_TRIES, MemberHandle, Membership, PersonStore};
use crate::call::{from_item, number, string};
use crate::schema::TableKind;
use crate::transaction::Transacted;
use crate::{Presented, StoreError, TenantScope, WriteId};
use aws_sdk_dynamodb::types::TransactWriteItem;
use wire::{Role, Timestamp};

const OPERATION: &str = "accept_invitation";

/// What became of the acceptance of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// The person is a member, by this invitation. Accepting it once more gives the same answer.
    Joined(Membership),
    /// The person was one before, and stays what they are. The invitation is still open.
    AlreadyMember(Membership),
    /// Nothing is told of why: unknown, used, revoked, ended, or made by somebody who may not invite any more.
    NotGood,
    /// The person is in as many organisations as one may be in.
    TooMany,
}

impl PersonStore<'_> {
    /// Accepts an invitation, with `handle` for the membership.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. [`StoreError::Busy`] also if the random handle is taken: then take another.
    pub async fn accept_invitation(
        &self,
        presented: &Presented,
        handle: &MemberHandle,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Acceptance, StoreError> {
        for _ in 0..MAX_TRIES {
            let item = self
                .store
                .presented_invitation(OPERATION, presented)
                .await?;
            let Some(item) = item else {
                return Ok(Acceptance::NotGood);
            };
            let used_here = item.used_by.as_ref() == Some(self.scope.user_id());
            if !used_here && !item.is_open(now) {
                return Ok(Acceptance::NotGood);
            }
            if let Some(there) = self.membership(&item.tenant).await? {
                return Ok(if used_here {
                    Acceptance::Joined(there)
                } else {
                    Acceptance::AlreadyMember(there)
                });
            }
            // Used by this person, who was taken out since.
            if used_here || !self.creator_may_invite(&item).await? {
                return Ok(Acceptance::NotGood);
            }
            if self.memberships().await?.len() >= MAX_ORGANISATIONS {
                return Ok(Acceptance::TooMany);
            }
            let writes = self.joining(presented, &item, handle, now)?;
            match self.store.transact(OPERATION, writes, write_id).await? {
                // Whatever became of it, the next turn finds it.
                Transacted::Done | Transacted::Stale | Transacted::Conflict => {}
            }
        }
        Err(contended(OPERATION))
    }

    fn joining(
        &self,
        presented: &Presented,
        item: &InvitationItem,
        handle: &MemberHandle,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let (store, user_id) = (self.store, self.scope.user_id());
        let tenant = TenantScope::new(item.tenant.clone());
        let joining = Joining {
            tenant: &tenant,
            user_id,
            handle,
            role: item.role,
            now,
        };
        let mut writes = store.new_membership(OPERATION, joining)?;
        writes.push(store.update_of_people(
            invitation_key(&presented.key_id),
            "SET used_by = :user, used_ms = :now",
            "attribute_not_exists(used_by) AND attribute_not_exists(revoked_ms) AND expires_ms > :now",
            &[
                (":user", string(user_id.as_str())),
                (":now", number(now.as_millis())),
            ],
        )?);
        let owners = i64::from(item.role == Role::Owner);
        writes.push(
            store
                .tenant(&tenant)
                .unlist_invitation(&presented.key_id, item)?,
        );
        writes.push(store.count_in_organisation(&tenant, (1, owners))?);
        writes.push(store.count_organisation(user_id, MAX_ORGANISATIONS)?);
        if let Some(creator) = &item.creator {
            let roles = may_decide_on(item.role);
            writes.push(store.check_role(membership_key(creator), item.tenant.as_str(), roles)?);
        }
        Ok(writes)
    }

    /// Whether whoever made the invitation may still do so.
    async fn creator_may_invite(&self, item: &InvitationItem) -> Result<bool, StoreError> {
        let Some(creator) = &item.creator else {
            return Ok(true);
        };
        let membership = self
            .store
            .get_consistent(OPERATION, TableKind::People, membership_key(creator))
            .await?;
        let Some(membership) = membership else {
            return Ok(false);
        };
        let membership: MembershipItem = from_item(OPERATION, membership)?;
        Ok(membership.tenant == item.tenant && may_decide_on(item.role).contains(&membership.role))
    }
}

/// Who may decide that somebody is that, or is it no more.
pub(super) fn may_decide_on(role: Role) -> [Role; 2] {
    match role {
        Role::Owner => [Role::Owner; 2],
        Role::Admin | Role::Developer | Role::Viewer | Role::Auditor => [Role::Owner, Role::Admin],
    }
}
