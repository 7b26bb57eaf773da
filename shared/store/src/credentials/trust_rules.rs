//! Trust rules: which workloads of which issuer may register agents of which pool.
//!
//! A rule is two items: one under its key id, as every credential, which is marked when the rule is revoked and has the
//! sessions beside it; and one under its tenant, where all rules of the tenant are read at once.

use super::agent_credentials::AgentCredential;
use super::{KEY_SORT, KeyId, Subject, Verified, partition};
use crate::call::{from_item, key, number, string, to_item};
use crate::schema::TableKind;
use crate::transaction::Transacted;
use crate::{Store, StoreError, TenantScope, TenantStore, WriteId};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{Delete, Put, ReturnConsumedCapacity, TransactWriteItem, Update};
use domain::trust::ClaimMatches;
use serde::{Deserialize, Serialize};
use wire::{PoolName, ShortText, TenantId, Timestamp};

/// How many rules a tenant may have.
pub const MAX_TRUST_RULES: u16 = 50;

/// How often a change is tried that others got in the way of.
const MAX_CONFLICTS: usize = 8;

/// The sort key of the count of a tenant's rules.
const COUNT_SORT: &str = "COUNT";

fn rule_sort(name: &ShortText) -> String {
    format!("R#{name}")
}

/// A trust rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRule {
    /// Its key id, under which sessions are derived from it.
    pub key_id: KeyId,
    /// Its name, which no other rule of the tenant has.
    pub name: ShortText,
    /// The only pool that its agents may join.
    pub pool: PoolName,
    /// Who signs the tokens, as they name it.
    pub issuer: String,
    /// What a token must claim.
    pub claims: ClaimMatches,
    /// Who created it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends, and with it every session derived from it; never, for `None`.
    pub expires_at: Option<Timestamp>,
}

impl TrustRule {
    /// Whether it is good at that moment, as far as its own end goes.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether the two say the same.
    fn says_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.pool, &self.issuer, &self.claims)
            == (&other.name, &other.pool, &other.issuer, &other.claims)
            && self.expires_at == other.expires_at
    }
}

/// What became of the creation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustRuleCreation {
    /// It is there.
    Created,
    /// It was there before, and says the same.
    Existing(TrustRule),
    /// Another rule has that name.
    NameTaken,
    /// The tenant has as many as it may.
    TooMany,
}

/// The rules of the tenant that somebody claims to belong to. That they do is yet to be seen.
#[derive(Debug, Clone)]
pub struct UnverifiedWorkload {
    scope: TenantScope,
    rules: Vec<TrustRule>,
}

impl UnverifiedWorkload {
    /// The rules that name this issuer, and have not ended.
    pub fn rules_of<'a>(
        &'a self,
        issuer: &'a str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a TrustRule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.issuer == issuer && rule.is_good(now))
    }

    /// Whose workload it is, once its token is verified and is as the rule asks.
    pub fn verified_by(&self, rule: &TrustRule) -> Verified {
        Verified {
            scope: self.scope.clone(),
            key_id: rule.key_id.clone(),
            subject: Subject::AgentKey {
                pool: rule.pool.clone(),
            },
            scopes: Vec::new(),
            expires_at: rule.expires_at,
        }
    }
}

/// The item under the key id.
#[derive(Serialize)]
struct RuleKeyItem<'a> {
    pk: String,
    sk: &'static str,
    kind: &'static str,
    tenant: &'a TenantId,
    name: &'a ShortText,
    pool: &'a PoolName,
    created_by: &'a str,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

/// The item under the tenant.
#[derive(Serialize, Deserialize)]
struct RuleItem {
    pk: String,
    sk: String,
    key_id: KeyId,
    name: ShortText,
    pool: PoolName,
    issuer: String,
    claims: ClaimMatches,
    created_by: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl From<RuleItem> for TrustRule {
    fn from(item: RuleItem) -> Self {
        Self {
            key_id: item.key_id,
            name: item.name,
            pool: item.pool,
            issuer: item.issuer,
            claims: item.claims,
            created_by: item.created_by,
            created_at: Timestamp::from_millis(item.created_at),
            expires_at: item.expires_at.map(Timestamp::from_millis),
        }
    }
}

const CREATE: &str = "create_trust_rule";
const DELETE: &str = "delete_trust_rule";
const READ: &str = "read_trust_rules";

fn unbuilt(error: BuildError) -> StoreError {
    StoreError::unreadable(CREATE, error)
}

impl Store {
    /// The rules of a tenant, for a token whose audience is the tenant's and whose signature nobody has verified yet. One
    /// eventually consistent read of at most 50 rules.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn rules_for_workload(
        &self,
        tenant: TenantId,
    ) -> Result<UnverifiedWorkload, StoreError> {
        let scope = TenantScope::new(tenant);
        let rules = self.tenant(&scope).read_rules(false).await?;
        Ok(UnverifiedWorkload { scope, rules })
    }
}

impl TenantStore<'_> {
    /// Every rule of the tenant, by name.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn trust_rules(&self) -> Result<Vec<TrustRule>, StoreError> {
        self.read_rules(true).await
    }

    async fn read_rules(&self, consistent: bool) -> Result<Vec<TrustRule>, StoreError> {
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .key_condition_expression("pk = :rules AND begins_with(sk, :rule)")
            .expression_attribute_values(":rules", string(self.scope.trust_rules()))
            .expression_attribute_values(":rule", string("R#"))
            .consistent_read(consistent)
            .limit(i32::from(MAX_TRUST_RULES))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(READ, &error))?;
        self.store.count_read(READ, answer.consumed_capacity());
        let items = answer.items.unwrap_or_default().into_iter();
        items
            .map(|item| from_item::<RuleItem>(READ, item).map(TrustRule::from))
            .collect()
    }

    /// Creates a rule. Asking for the same once more gives the one that is there.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_trust_rule(
        &self,
        new: &TrustRule,
        write_id: &WriteId,
    ) -> Result<TrustRuleCreation, StoreError> {
        let writes = self.creating(new)?;
        for _ in 0..MAX_CONFLICTS {
            let became = self
                .store
                .transact(CREATE, writes.clone(), write_id)
                .await?;
            match became {
                Transacted::Done => return Ok(TrustRuleCreation::Created),
                Transacted::Conflict => {}
                Transacted::Stale => {
                    if let Some(why) = self.why_not_created(new).await? {
                        return Ok(why);
                    }
                }
            }
        }
        Err(StoreError::Busy {
            operation: CREATE,
            reason: "others kept changing the rules".to_owned(),
        })
    }

    /// Why the conditions of a creation do not hold; `None` if they would by now.
    async fn why_not_created(
        &self,
        new: &TrustRule,
    ) -> Result<Option<TrustRuleCreation>, StoreError> {
        let rules = self.trust_rules().await?;
        if let Some(there) = rules.iter().find(|rule| rule.name == new.name) {
            return Ok(Some(if there.key_id == new.key_id {
                TrustRuleCreation::Created
            } else if there.says_the_same(new) {
                TrustRuleCreation::Existing(there.clone())
            } else {
                TrustRuleCreation::NameTaken
            }));
        }
        let is_full = rules.len() >= usize::from(MAX_TRUST_RULES);
        Ok(is_full.then_some(TrustRuleCreation::TooMany))
    }

    fn creating(&self, new: &TrustRule) -> Result<Vec<TransactWriteItem>, StoreError> {
        let table = self.store.tables.name(TableKind::Credentials);
        let expires_at = new.expires_at.map(Timestamp::as_millis);
        let key_item = RuleKeyItem {
            pk: partition(&new.key_id),
            sk: KEY_SORT,
            kind: AgentCredential::TrustRule.word(),
            tenant: self.scope.tenant(),
            name: &new.name,
            pool: &new.pool,
            created_by: &new.created_by,
            created_at: new.created_at.as_millis(),
            expires_at,
        };
        let rule_item = RuleItem {
            pk: self.scope.trust_rules(),
            sk: rule_sort(&new.name),
            key_id: new.key_id.clone(),
            name: new.name.clone(),
            pool: new.pool.clone(),
            issuer: new.issuer.clone(),
            claims: new.claims.clone(),
            created_by: new.created_by.clone(),
            created_at: new.created_at.as_millis(),
            expires_at,
        };
        let mut writes = Vec::new();
        for item in [to_item(CREATE, &key_item)?, to_item(CREATE, &rule_item)?] {
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(unbuilt)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        let count = self
            .count_update(1)
            .condition_expression("attribute_not_exists(held) OR held < :most")
            .expression_attribute_values(":most", number(MAX_TRUST_RULES))
            .build()
            .map_err(unbuilt)?;
        writes.push(TransactWriteItem::builder().update(count).build());
        Ok(writes)
    }

    fn count_update(&self, change: i8) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(self.scope.trust_rules(), COUNT_SORT)))
            .update_expression("ADD held :change")
            .expression_attribute_values(":change", number(change))
    }

    /// Takes a rule off the list: whether it stood there.
    pub(super) async fn unlist_rule(
        &self,
        key_id: &KeyId,
        write_id: &WriteId,
    ) -> Result<bool, StoreError> {
        let rules = self.trust_rules().await?;
        let Some(rule) = rules.iter().find(|rule| rule.key_id == *key_id) else {
            return Ok(false);
        };
        let delete = Delete::builder()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(self.scope.trust_rules(), &rule_sort(&rule.name))))
            .condition_expression("key_id = :key")
            .expression_attribute_values(":key", string(key_id.as_str()))
            .build()
            .map_err(unbuilt)?;
        let count = self
            .count_update(-1)
            .condition_expression("held > :none")
            .expression_attribute_values(":none", number(0))
            .build()
            .map_err(unbuilt)?;
        let writes = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        for _ in 0..MAX_CONFLICTS {
            match self
                .store
                .transact(DELETE, writes.clone(), write_id)
                .await?
            {
                Transacted::Done => return Ok(true),
                // Not as it was seen: somebody else deleted it at the same moment.
                Transacted::Stale => return Ok(false),
                Transacted::Conflict => {}
            }
        }
        Err(StoreError::Busy {
            operation: DELETE,
            reason: "others kept changing the rules".to_owned(),
        })
    }
}
