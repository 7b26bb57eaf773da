//! Invitations: who may come in, as what, and until when. Only hashes of their secrets are kept.

use super::item::{INVITATION, InvitationItem, ORGANISATION, OrganisationItem};
use super::{MAX_TRIES, MemberHandle};
use crate::call::{Item, from_item, key, number, string};
use crate::credentials::Creation;
use crate::schema::{PK, SK, TTL, TableKind};
use crate::transaction::Transacted;
use crate::{CredentialKind, KeyId, Presented, Store, StoreError, TenantScope};
use crate::{TenantStore, WriteId, keys};
use aws_sdk_dynamodb::types::{Delete, ReturnConsumedCapacity, TransactWriteItem};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use subtle::ConstantTimeEq;
use wire::{Role, ShortText, Timestamp};

/// How many invitations a page has at most.
const MAX_PAGE: u32 = 100;

/// How long after its end an invitation may still be looked at.
const KEPT_SECONDS: i64 = 24 * 3600;

/// A new invitation.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Its key id.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// What whoever accepts it becomes.
    pub role: Role,
    /// Who made it.
    pub created_by: String,
    /// The membership of whoever made it. It is good only while that is an owner's, or for another role than that an
    /// administrator's. Without one nothing is looked at.
    pub creator: Option<MemberHandle>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An invitation that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its key id.
    pub key_id: KeyId,
    /// The right to the data of the tenant that invites: whoever brings the invitation may be put on its record.
    pub scope: TenantScope,
    /// What the organisation is called.
    pub organisation: ShortText,
    /// What whoever accepts it becomes.
    pub role: Role,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Where a page of invitations ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvitationPosition(String);

/// A page of invitations.
#[derive(Debug, Clone, Default)]
pub struct InvitationPage {
    /// Those that are open, newest first.
    pub invitations: Vec<Invitation>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<InvitationPosition>,
}

/// What became of the end of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationEnd {
    /// It is revoked, now or since an earlier call.
    Revoked,
    /// Somebody has accepted it.
    Used,
    /// The tenant has no such invitation.
    Unknown,
}

pub(super) fn invitation_key(key_id: &KeyId) -> Item {
    key(keys::invitation(key_id), INVITATION)
}

impl InvitationItem {
    /// Whether nobody has used or revoked it, and it has not ended.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.used_by.is_none() && self.revoked_ms.is_none() && now.as_millis() < self.expires_ms
    }

    fn sort(&self, key_id: &KeyId) -> String {
        let created = Timestamp::from_millis(self.created_ms);
        keys::dated(created, key_id.as_str())
    }
}

impl Store {
    /// The open invitation that somebody brings, to be shown before it is accepted. `None`, whatever is wrong with it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn invitation(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<Invitation>, StoreError> {
        const OPERATION: &str = "read_invitation";
        let Some(item) = self.presented_invitation(OPERATION, presented).await? else {
            return Ok(None);
        };
        if !item.is_open(now) {
            return Ok(None);
        }
        let scope = TenantScope::new(item.tenant.clone());
        let title = self.tenant(&scope).title(OPERATION).await?;
        Ok(title.map(|title| open_invitation(&presented.key_id, item, &title)))
    }

    /// The invitation whose secret somebody knows, open or not.
    pub(super) async fn presented_invitation(
        &self,
        operation: &'static str,
        presented: &Presented,
    ) -> Result<Option<InvitationItem>, StoreError> {
        if presented.kind != CredentialKind::Invitation {
            return Ok(None);
        }
        let partition = keys::invitation(&presented.key_id);
        let item = self.read_people(operation, partition, INVITATION).await?;
        let item: Option<InvitationItem> =
            item.map(|item| from_item(operation, item)).transpose()?;
        Ok(item.filter(|item| bool::from(item.secret_sha256.ct_eq(&presented.secret_sha256))))
    }
}

fn open_invitation(key_id: &KeyId, item: InvitationItem, organisation: &ShortText) -> Invitation {
    Invitation {
        key_id: key_id.clone(),
        scope: TenantScope::new(item.tenant),
        organisation: organisation.clone(),
        role: item.role,
        created_by: item.created_by,
        created_at: Timestamp::from_millis(item.created_ms),
        expires_at: Timestamp::from_millis(item.expires_ms),
    }
}

impl TenantStore<'_> {
    async fn title(&self, operation: &'static str) -> Result<Option<ShortText>, StoreError> {
        let partition = self.scope.organisation();
        let item = self
            .store
            .read_people(operation, partition, ORGANISATION)
            .await?;
        let item: Option<OrganisationItem> =
            item.map(|item| from_item(operation, item)).transpose()?;
        Ok(item.map(|item| item.title))
    }

    /// Creates an invitation. Doing the same once more gives the same answer.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_invitation(
        &self,
        new: &NewInvitation,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Creation, StoreError> {
        const OPERATION: &str = "create_invitation";
        let ttl = new.expires_at.plus_seconds(KEPT_SECONDS).as_millis() / 1000;
        let item = InvitationItem {
            tenant: self.scope.tenant().clone(),
            role: new.role,
            secret_sha256: new.secret_sha256,
            created_by: new.created_by.clone(),
            creator: new.creator.clone(),
            created_ms: now.as_millis(),
            expires_ms: new.expires_at.as_millis(),
            used_by: None,
            used_ms: None,
            revoked_ms: None,
            expires_at_seconds: ttl,
        };
        let entry = key(self.scope.invitations(), &item.sort(&new.key_id));
        let kept = HashMap::from([(TTL, ttl)]);
        let writes = vec![
            self.store
                .put_new_of_people(OPERATION, invitation_key(&new.key_id), &item)?,
            self.store.put_new_of_people(OPERATION, entry, &kept)?,
        ];
        for _ in 0..MAX_TRIES {
            match self
                .store
                .transact(OPERATION, writes.clone(), write_id)
                .await?
            {
                Transacted::Done => return Ok(Creation::Created),
                Transacted::Conflict => {}
                Transacted::Stale => {
                    let there = self.own_invitation(OPERATION, &new.key_id).await?;
                    // No two secrets are the same, so this is what an earlier try of this call has written.
                    let same = there.is_some_and(|it| it.secret_sha256 == new.secret_sha256);
                    return Ok(if same {
                        Creation::Created
                    } else {
                        Creation::KeyIdTaken
                    });
                }
            }
        }
        Err(contended(OPERATION))
    }

    /// The invitation of this tenant by that key id.
    async fn own_invitation(
        &self,
        operation: &'static str,
        key_id: &KeyId,
    ) -> Result<Option<InvitationItem>, StoreError> {
        let partition = keys::invitation(key_id);
        let item = self
            .store
            .read_people(operation, partition, INVITATION)
            .await?;
        let item: Option<InvitationItem> =
            item.map(|item| from_item(operation, item)).transpose()?;
        Ok(item.filter(|item| &item.tenant == self.scope.tenant()))
    }

    /// What takes an invitation out of the list of open ones.
    pub(super) fn unlist_invitation(
        &self,
        key_id: &KeyId,
        item: &InvitationItem,
    ) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(self.store.tables.name(TableKind::People))
            .set_key(Some(key(self.scope.invitations(), &item.sort(key_id))))
            .build()
            .map_err(|error| StoreError::unreadable("end_invitation", error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// A page of the invitations that are open: 100 at most, fewer if some have just ended.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn invitations(
        &self,
        limit: u32,
        after: Option<&InvitationPosition>,
        now: Timestamp,
    ) -> Result<InvitationPage, StoreError> {
        const OPERATION: &str = "list_invitations";
        let Some(title) = self.title(OPERATION).await? else {
            return Ok(InvitationPage::default());
        };
        let from = after.map_or("~", |position| position.0.as_str());
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::People))
            .key_condition_expression("pk = :invitations AND sk < :from")
            .expression_attribute_values(":invitations", string(self.scope.invitations()))
            .expression_attribute_values(":from", string(from))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit.clamp(1, MAX_PAGE)).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let sorts: Vec<&str> = answer
            .items()
            .iter()
            .filter_map(|item| Some(item.get(SK)?.as_s().ok()?.as_str()))
            .collect();
        let more = answer.last_evaluated_key().is_some();
        let last = sorts.last().map(|sort| (*sort).to_owned());
        let ids = sorts.iter().filter_map(|sort| sort.split_once('#'));
        let ids = ids.filter_map(|(_, id)| KeyId::parse(id).ok());
        let wanted = ids.map(|id| invitation_key(&id)).collect();
        let items = self
            .store
            .batch_get_consistent(OPERATION, TableKind::People, wanted)
            .await?;
        let mut invitations = Vec::with_capacity(items.len());
        for attributes in items {
            let Some(key_id) = key_id_of(&attributes) else {
                continue;
            };
            let item: InvitationItem = from_item(OPERATION, attributes)?;
            if item.is_open(now) {
                invitations.push(open_invitation(&key_id, item, &title));
            }
        }
        invitations.sort_by(|left, right| {
            let (left, right) = (
                (left.created_at, &left.key_id),
                (right.created_at, &right.key_id),
            );
            right.cmp(&left)
        });
        Ok(InvitationPage {
            invitations,
            next: last.filter(|_| more).map(InvitationPosition),
        })
    }

    /// Revokes an invitation that nobody has accepted.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn revoke_invitation(
        &self,
        key_id: &KeyId,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<InvitationEnd, StoreError> {
        const OPERATION: &str = "revoke_invitation";
        for _ in 0..MAX_TRIES {
            let Some(item) = self.own_invitation(OPERATION, key_id).await? else {
                return Ok(InvitationEnd::Unknown);
            };
            if item.used_by.is_some() {
                return Ok(InvitationEnd::Used);
            }
            if item.revoked_ms.is_some() {
                return Ok(InvitationEnd::Revoked);
            }
            let writes = vec![
                self.store.update_of_people(
                    invitation_key(key_id),
                    "SET revoked_ms = :now",
                    "tenant = :tenant AND attribute_not_exists(used_by) AND attribute_not_exists(revoked_ms)",
                    &[
                        (":now", number(now.as_millis())),
                        (":tenant", string(self.scope.tenant().as_str())),
                    ],
                )?,
                self.unlist_invitation(key_id, &item)?,
            ];
            match self.store.transact(OPERATION, writes, write_id).await? {
                Transacted::Done => return Ok(InvitationEnd::Revoked),
                Transacted::Stale | Transacted::Conflict => {}
            }
        }
        Err(contended(OPERATION))
    }
}

fn key_id_of(item: &Item) -> Option<KeyId> {
    keys::parse_invitation(item.get(PK)?.as_s().ok()?)
}

pub(super) fn contended(operation: &'static str) -> StoreError {
    StoreError::Busy {
        operation,
        reason: "others kept changing the invitation".to_owned(),
    }
}
