//! What agents register with: keys, enrolment tokens, trust rules, signing keys. Each has a key id, and the sessions of the
//! agents that registered with it stand in its partition, so that it ends them all.

use super::{KEY_SORT, KeyId, partition};
use crate::call::{Item, from_item, key, string};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore, keys};
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, Select};
use serde::{Deserialize, Serialize};
use wire::{PoolName, SigningAlgorithm, TenantId, Timestamp};

const OPERATION: &str = "list_agent_credentials";

/// How many a page has at most: DynamoDB gives so many items at a time.
const MAX_PAGE: u32 = 100;

/// What agents register with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentCredential {
    /// A key, for as many agents of one pool as there are.
    Key,
    /// A token, for one agent.
    Enrolment,
    /// A rule by which tokens of a workload's own issuer are accepted.
    TrustRule,
    /// A key that requests are signed with.
    SigningKey,
}

impl AgentCredential {
    const ALL: [Self; 4] = [
        Self::Key,
        Self::Enrolment,
        Self::TrustRule,
        Self::SigningKey,
    ];

    /// The word for it in items.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Key => "AGENT_KEY",
            Self::Enrolment => "ENROLMENT",
            Self::TrustRule => "TRUST_RULE",
            Self::SigningKey => "SIGNING_KEY",
        }
    }
}

/// What every one of them has, whatever else there is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ParentItem {
    pub(super) kind: String,
    pub(super) tenant: TenantId,
    #[serde(default)]
    pub(super) pool: Option<PoolName>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    revoked_at: Option<i64>,
    #[serde(default)]
    revoked_by: Option<String>,
    #[serde(default)]
    pub(super) last_used_at: Option<i64>,
}

impl ParentItem {
    /// Whether it was revoked by them at that moment.
    pub(super) fn is_revoked_by(&self, revoked_by: &str, at: Timestamp) -> bool {
        self.revoked_at == Some(at.as_millis()) && self.revoked_by.as_deref() == Some(revoked_by)
    }

    /// When the sessions derived from it end in any case; `None` if it is nothing that sessions are derived from, or not
    /// good any more. An enrolment token's own end is that of the time to register in.
    pub(super) fn sessions_end(&self, now: Timestamp) -> Option<Timestamp> {
        let kinds = AgentCredential::ALL.into_iter();
        let kind = kinds.clone().find(|kind| kind.word() == self.kind)?;
        let end = match kind {
            AgentCredential::Enrolment => None,
            AgentCredential::Key | AgentCredential::TrustRule | AgentCredential::SigningKey => {
                self.expires_at
            }
        };
        let end = Timestamp::from_millis(end.unwrap_or(i64::MAX));
        (self.revoked_at.is_none() && now < end).then_some(end)
    }
}

/// One of them as people see it, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCredentialEntry {
    /// Its key id.
    pub key_id: KeyId,
    /// The name that its creator gave it.
    pub name: String,
    /// The only pool that its agents may join.
    pub pool: PoolName,
    /// How its requests are signed, if it is a signing key.
    pub algorithm: Option<SigningAlgorithm>,
    /// Who created it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends; never, for `None`.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to five minutes.
    pub last_used_at: Option<Timestamp>,
    /// What took its place.
    pub rotated_to: Option<KeyId>,
}

#[derive(Deserialize)]
struct EntryItem {
    pk: String,
    name: String,
    pool: PoolName,
    #[serde(default)]
    algorithm: Option<SigningAlgorithm>,
    created_by: String,
    created_at: i64,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    last_used_at: Option<i64>,
    #[serde(default)]
    revoked_at: Option<i64>,
    #[serde(default)]
    used_at: Option<i64>,
    #[serde(default)]
    rotated_to: Option<KeyId>,
}

pub(super) fn read_entry(item: Item) -> Result<AgentCredentialEntry, StoreError> {
    let item: EntryItem = from_item(OPERATION, item)?;
    entry(item)
}

fn entry(item: EntryItem) -> Result<AgentCredentialEntry, StoreError> {
    let id = item.pk.strip_prefix("K#").map(KeyId::parse);
    let Some(Ok(key_id)) = id else {
        let what = format_args!("the key {}", item.pk);
        return Err(StoreError::unreadable(OPERATION, what));
    };
    Ok(AgentCredentialEntry {
        key_id,
        name: item.name,
        pool: item.pool,
        algorithm: item.algorithm,
        created_by: item.created_by,
        created_at: Timestamp::from_millis(item.created_at),
        expires_at: item.expires_at.map(Timestamp::from_millis),
        last_used_at: item.last_used_at.map(Timestamp::from_millis),
        rotated_to: item.rotated_to,
    })
}

/// Where a page of them ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentCredentialPosition(String);

/// A page of them.
#[derive(Debug, Clone, Default)]
pub struct AgentCredentialPage {
    /// Those that are neither revoked nor, if they are good for one agent, used: newest first.
    pub entries: Vec<AgentCredentialEntry>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<AgentCredentialPosition>,
}

/// What the index tells.
#[derive(Deserialize)]
struct Listed {
    lsk: String,
}

impl TenantStore<'_> {
    fn listed_under(&self, kind: AgentCredential) -> String {
        match kind {
            AgentCredential::Key => self.scope.agent_keys(),
            AgentCredential::Enrolment => self.scope.enrolments(),
            // Rules are listed where they are read from: `trust_rules`.
            AgentCredential::TrustRule => self.scope.trust_rules(),
            AgentCredential::SigningKey => self.scope.signing_keys(),
        }
    }

    /// A page of what agents of the tenant register with, 100 at most. One that was made within the last second may be
    /// missing. Trust rules have a list of their own.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn agent_credentials(
        &self,
        kind: AgentCredential,
        limit: u32,
        after: Option<&AgentCredentialPosition>,
    ) -> Result<AgentCredentialPage, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .index_name("list")
            .key_condition_expression("lpk = :list AND lsk < :from")
            .expression_attribute_values(":list", string(self.listed_under(kind)))
            // `~` comes after every time.
            .expression_attribute_values(":from", string(after.map_or("~", |after| &after.0)))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(1))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let more = answer.last_evaluated_key().is_some();
        let items = answer.items.unwrap_or_default().into_iter();
        let listed: Vec<Listed> = items
            .map(|item| from_item(OPERATION, item))
            .collect::<Result<_, _>>()?;
        let next = listed.last().filter(|_| more);
        let next = next.map(|last| AgentCredentialPosition(last.lsk.clone()));
        let ids = listed.iter().filter_map(|listed| {
            let (_, id) = listed.lsk.split_once('#')?;
            KeyId::parse(id).ok()
        });
        let wanted = ids.map(|id| key(partition(&id), KEY_SORT)).collect();
        let items = self
            .store
            .batch_get_consistent(OPERATION, TableKind::Credentials, wanted)
            .await?;
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            let item: EntryItem = from_item(OPERATION, item)?;
            if item.revoked_at.is_none() && item.used_at.is_none() {
                entries.push(entry(item)?);
            }
        }
        entries.sort_by_key(|entry| {
            std::cmp::Reverse(keys::dated(entry.created_at, entry.key_id.as_str()))
        });
        Ok(AgentCredentialPage { entries, next })
    }

    /// Whether the tenant has that many of them, give or take those that were made within the last second.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. `many` is at most a few thousand: it is how many index entries are read.
    pub async fn has_many_agent_credentials(
        &self,
        kind: AgentCredential,
        many: u16,
    ) -> Result<bool, StoreError> {
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .index_name("list")
            .key_condition_expression("lpk = :list")
            .expression_attribute_values(":list", string(self.listed_under(kind)))
            .select(Select::Count)
            .limit(i32::from(many))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        Ok(answer.count() >= i32::from(many))
    }
}
