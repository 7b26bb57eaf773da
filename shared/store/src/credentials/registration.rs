//! An agent registers: it, its session, and the use of what it proved itself by, all at once or not at all.

use super::agent_credentials::AgentCredential;
use super::item::SessionItem;
use super::{KEY_SORT, KeyId, SessionKey, partition, session_sort};
use crate::call::{Item, from_item, key, number, string, to_item};
use crate::keys;
use crate::schema::{TTL, TableKind};
use crate::transaction::Transacted;
use crate::{Store, StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem, Update};
use domain::agent::Agent;
use sha2::{Digest, Sha256};
use wire::Timestamp;
use wire::audit::Draft;

const OPERATION: &str = "register_agent";

/// How often a registration is tried that others got in the way of.
const MAX_CONFLICTS: usize = 8;

/// The sort key of what is used once.
const USED_SORT: &str = "X";

/// An agent that is about to join.
#[derive(Debug)]
pub struct Registration<'a> {
    /// It.
    pub agent: &'a Agent,
    /// The session that it gets.
    pub session: &'a SessionKey,
    /// When that session ends unless it is renewed.
    pub session_expires_at: Timestamp,
    /// What it is proven by.
    pub proof: &'a Proof,
    /// What is to be recorded of it, as done: it is kept if the rest is, and maintenance writes the record.
    pub draft: &'a Draft,
}

/// What a registration is proven by, besides a credential that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The bearer of an agent key, who may register as often as it is good.
    Key,
    /// The bearer of an enrolment token: registering uses it up.
    Enrolment,
    /// Something that is good once, such as a workload's token or a signed request.
    Once(UsedOnce),
}

/// Something that is good once: remembered until it could not be good any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedOnce {
    sha256: [u8; 32],
    until: Timestamp,
}

impl UsedOnce {
    /// A token of an issuer, by the digest of what is signed of it.
    pub fn token(issuer: &str, signed_sha256: &[u8; 32], until: Timestamp) -> Self {
        Self::new("token", issuer, signed_sha256, until)
    }

    /// The nonce of a request that was signed with a key.
    pub fn nonce(key_id: &KeyId, nonce: &str, until: Timestamp) -> Self {
        Self::new("nonce", key_id.as_str(), nonce.as_bytes(), until)
    }

    /// By what it is known again.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    fn item(&self) -> Item {
        let mut item = key(keys::used_once(&self.sha256), USED_SORT);
        let ttl = self.until.as_millis() / 1000 + 1;
        item.insert(TTL.to_owned(), number(ttl));
        item
    }

    fn new(what: &str, of: &str, id: &[u8], until: Timestamp) -> Self {
        // Neither an issuer nor a key id has a newline in it.
        let sha256 = Sha256::new()
            .chain_update(format!("{what}\n{of}\n"))
            .chain_update(id)
            .finalize()
            .into();
        Self { sha256, until }
    }
}

fn unbuilt(error: BuildError) -> StoreError {
    StoreError::unreadable(OPERATION, error)
}

impl Store {
    /// Whether somebody has registered with it. That nobody had may be untrue a moment later: a registration is on the
    /// condition that nobody has. Costs one strongly consistent read of a small item.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn was_used(&self, used: &UsedOnce) -> Result<bool, StoreError> {
        let item_key = key(keys::used_once(&used.sha256), USED_SORT);
        let item = self
            .get_consistent("authenticate", TableKind::Credentials, item_key)
            .await?;
        Ok(item.is_some())
    }

    /// Uses it up. `false` if somebody has done that before. Of two at the same moment one wins.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Writes 1 unit.
    pub async fn use_up(&self, used: &UsedOnce, write_id: &WriteId) -> Result<bool, StoreError> {
        let item = used.item();
        let there = self
            .put_new_item("use_up", TableKind::Credentials, item, write_id)
            .await?;
        Ok(there.is_none())
    }
}

impl TenantStore<'_> {
    /// Adds an agent that has just registered, its session, and what is to be recorded of it: all, or nothing if what the
    /// session is derived from is not good any more, or its proof was used before, and then `false`. Of two registrations
    /// with the same proof at the same moment one wins. The transaction costs twice the units of plain writes, once in an
    /// agent's life.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn register_agent(
        &self,
        registration: &Registration<'_>,
        write_id: &WriteId,
    ) -> Result<bool, StoreError> {
        let writes = self.registering(registration, write_id)?;
        for _ in 0..MAX_CONFLICTS {
            let became = self
                .store
                .transact(OPERATION, writes.clone(), write_id)
                .await?;
            match became {
                Transacted::Done => return Ok(true),
                Transacted::Stale => return self.has_registered(registration).await,
                // Agents that register with the same credential at the same moment get in each other's way.
                Transacted::Conflict => {}
            }
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others registered with the same credential at the same time".to_owned(),
        })
    }

    /// Whether it was this very registration that was there before: the agent's id and its session's secret are made for one
    /// request.
    async fn has_registered(&self, registration: &Registration<'_>) -> Result<bool, StoreError> {
        let (agent, session) = (registration.agent, registration.session);
        let sort = session_sort(&session.secret_sha256);
        let item_key = key(partition(&session.parent), &sort);
        let there = self
            .store
            .get_consistent(OPERATION, TableKind::Credentials, item_key)
            .await?;
        let there: Option<SessionItem> =
            there.map(|item| from_item(OPERATION, item)).transpose()?;
        Ok(there.is_some_and(|there| {
            there.agent_id == agent.agent_id && &there.tenant == self.scope.tenant()
        }))
    }

    fn registering(
        &self,
        registration: &Registration<'_>,
        write_id: &WriteId,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Registration { agent, proof, .. } = registration;
        let (id, pool, now) = (&agent.agent_id, &agent.pool_name, agent.registered_at);
        let parent = &registration.session.parent;
        let expires_at = registration.session_expires_at;
        let session = self.new_session(registration.session, id, pool, expires_at, now);
        let mut items = vec![
            (TableKind::Agents, self.new_agent_item(agent)?),
            (TableKind::Credentials, to_item(OPERATION, &session)?),
            (
                TableKind::Audit,
                self.new_intent(OPERATION, registration.draft, write_id)?.1,
            ),
        ];
        let first = match proof {
            Proof::Key => self.key_is_good(parent, now)?,
            Proof::Enrolment => self.uses_up(parent, agent)?,
            Proof::Once(used) => {
                items.push((TableKind::Credentials, used.item()));
                self.notes_use(parent, now)?
            }
        };
        let mut writes = vec![first];
        for (table, item) in items {
            let put = Put::builder()
                .table_name(self.store.tables.name(table))
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(unbuilt)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        Ok(writes)
    }

    /// The condition that a credential of this tenant is good.
    fn key_is_good(&self, key_id: &KeyId, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .condition_expression(GOOD)
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .expression_attribute_values(":now", number(now.as_millis()))
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// The same, and that it was used now, which costs no more.
    fn notes_use(&self, key_id: &KeyId, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .update_expression("SET last_used_at = :now")
            .condition_expression(GOOD)
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .expression_attribute_values(":now", number(now.as_millis()))
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// An enrolment token serves its one agent. It stays for as long as that agent's sessions may need it.
    fn uses_up(&self, key_id: &KeyId, agent: &Agent) -> Result<TransactWriteItem, StoreError> {
        let now = number(agent.registered_at.as_millis());
        let update = Update::builder()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .update_expression(
                "SET used_at = :now, used_by = :agent, last_used_at = :now REMOVE lpk, lsk, #ttl",
            )
            .condition_expression(format!(
                "{GOOD} AND kind = :kind AND attribute_not_exists(used_at)"
            ))
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .expression_attribute_values(":now", now)
            .expression_attribute_values(":agent", string(agent.agent_id.as_str()))
            .expression_attribute_values(":kind", string(AgentCredential::Enrolment.word()))
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

const GOOD: &str = "tenant = :tenant AND attribute_not_exists(revoked_at) \
                    AND (attribute_not_exists(expires_at) OR expires_at > :now)";
