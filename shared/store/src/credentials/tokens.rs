//! API tokens as people see them.

use super::item::KeyItem;
use super::{KEY_SORT, KeyId, partition};
use crate::call::{Item, from_item, key, string};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore, keys};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use serde::{Deserialize, Serialize};
use wire::{Timestamp, UserId};

const OPERATION: &str = "list_tokens";

/// The word for an API token in items.
pub(super) const API_TOKEN: &str = "API_TOKEN";

/// How many tokens a page has at most: DynamoDB gives so many items at a time.
const MAX_PAGE: u32 = 100;

/// How many entries are read at a time, and how many pages of them are looked at by one call.
const ENTRIES: i32 = 500;
const MAX_PAGES: usize = 5;

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its key id.
    pub key_id: KeyId,
    /// The name that its creator gave it.
    pub name: String,
    /// What it may do, as far as the person whose it is may.
    pub scopes: Vec<String>,
    /// The person whose it is; none for a token that no person made.
    pub member: Option<UserId>,
    /// Who created it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends; never, for `None`.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to five minutes.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// What took its place.
    pub rotated_to: Option<KeyId>,
}

/// Where a page of tokens ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenPosition(String);

/// A page of tokens.
#[derive(Debug, Clone, Default)]
pub struct ApiTokenPage {
    /// The tokens that are not revoked, newest first.
    pub tokens: Vec<ApiToken>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<TokenPosition>,
}

/// How many tokens are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenCounts {
    /// Those of the person who was asked for.
    pub of_person: u32,
    /// All of the tenant's.
    pub of_tenant: u32,
    /// Those of the person that stand in the list: also those that have ended within 30 days.
    pub listed_of_person: u32,
    /// Whether the tenant's list is longer than what was looked at, so that there may be more of each.
    pub may_be_more: bool,
}

/// What the index tells of a token.
#[derive(Debug, Deserialize)]
struct Entry {
    lsk: String,
    #[serde(default)]
    member: Option<UserId>,
    #[serde(default)]
    expires_at: Option<i64>,
}

pub(super) fn read_token(item: Item) -> Result<Option<ApiToken>, StoreError> {
    // Credentials of other kinds may have other attributes.
    if item.get("kind") != Some(&string(API_TOKEN)) {
        return Ok(None);
    }
    let item: KeyItem = from_item(OPERATION, item)?;
    let key_id = item
        .key_id()
        .ok_or_else(|| StoreError::unreadable(OPERATION, format_args!("the key {}", item.pk)))?;
    Ok(Some(ApiToken {
        key_id,
        name: item.name,
        scopes: item.scopes,
        member: item.member,
        created_by: item.created_by,
        created_at: Timestamp::from_millis(item.created_at),
        expires_at: item.expires_at.map(Timestamp::from_millis),
        last_used_at: item.last_used_at.map(Timestamp::from_millis),
        revoked_at: item.revoked_at.map(Timestamp::from_millis),
        rotated_to: item.rotated_to,
    }))
}

impl TenantStore<'_> {
    /// The API token, also a revoked one.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn api_token(&self, key_id: &KeyId) -> Result<Option<ApiToken>, StoreError> {
        let item = self.key_item(OPERATION, key_id).await?;
        item.map_or(Ok(None), read_token)
    }

    /// The key or token of this tenant, as it is now.
    pub(super) async fn key_item(
        &self,
        operation: &'static str,
        key_id: &KeyId,
    ) -> Result<Option<Item>, StoreError> {
        let item_key = key(partition(key_id), KEY_SORT);
        let item = self
            .store
            .get_consistent(operation, TableKind::Credentials, item_key)
            .await?;
        let own = string(self.scope.tenant().as_str());
        Ok(item.filter(|item| item.get("tenant") == Some(&own)))
    }

    /// A page of the API tokens that are not revoked, of all or of one person, of 100 at most. One that was made within the
    /// last second may be missing. Looks at no more than 2,500 tokens for it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn api_tokens(
        &self,
        member: Option<&UserId>,
        limit: u32,
        after: Option<&TokenPosition>,
    ) -> Result<ApiTokenPage, StoreError> {
        let limit = usize::try_from(limit.clamp(1, MAX_PAGE)).unwrap_or(1);
        let mut position = after.map(|after| after.0.clone());
        let (mut wanted, mut next) = (Vec::new(), None);
        'pages: for page in 1..=MAX_PAGES {
            let (entries, more) = self.token_entries(position.as_deref()).await?;
            for entry in entries {
                if wanted.len() == limit {
                    next.clone_from(&position);
                    break 'pages;
                }
                if member.is_none_or(|member| entry.member.as_ref() == Some(member)) {
                    let id = entry.lsk.split_once('#').map(|(_, id)| id);
                    wanted.extend(id.and_then(|id| KeyId::parse(id).ok()));
                }
                position = Some(entry.lsk);
            }
            if !more {
                break;
            }
            if page == MAX_PAGES {
                next.clone_from(&position);
            }
        }
        Ok(ApiTokenPage {
            tokens: self.tokens_by_id(&wanted).await?,
            next: next.map(TokenPosition),
        })
    }

    async fn tokens_by_id(&self, ids: &[KeyId]) -> Result<Vec<ApiToken>, StoreError> {
        let wanted = ids.iter().map(|id| key(partition(id), KEY_SORT)).collect();
        let items = self
            .store
            .batch_get_consistent(OPERATION, TableKind::Credentials, wanted)
            .await?;
        let mut tokens = Vec::with_capacity(items.len());
        for item in items {
            tokens.extend(read_token(item)?.filter(|token| token.revoked_at.is_none()));
        }
        tokens.sort_by_key(|token| {
            std::cmp::Reverse(keys::dated(token.created_at, token.key_id.as_str()))
        });
        Ok(tokens)
    }

    /// A page of the index, newest first, and whether there are more.
    async fn token_entries(&self, after: Option<&str>) -> Result<(Vec<Entry>, bool), StoreError> {
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .index_name("list")
            .key_condition_expression("lpk = :tokens AND lsk < :from")
            .expression_attribute_values(":tokens", string(self.scope.api_tokens()))
            // `~` comes after every time.
            .expression_attribute_values(":from", string(after.unwrap_or("~")))
            .scan_index_forward(false)
            .limit(ENTRIES)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let more = answer.last_evaluated_key().is_some();
        let items = answer.items.unwrap_or_default().into_iter();
        let entries = items.map(|item| from_item(OPERATION, item));
        Ok((entries.collect::<Result<_, _>>()?, more))
    }

    /// How many API tokens are good: of the tenant, and of one person. Looks at the 2,500 newest at most, and says if there
    /// are more. Those that were made within the last second may be missing, so that a limit by these counts is one to within
    /// a few.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn token_counts(
        &self,
        member: Option<&UserId>,
        now: Timestamp,
    ) -> Result<TokenCounts, StoreError> {
        let mut counts = TokenCounts::default();
        let mut position: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let (entries, more) = self.token_entries(position.as_deref()).await?;
            for entry in entries {
                let own = u32::from(member.is_some() && entry.member.as_ref() == member);
                counts.listed_of_person += own;
                if entry.expires_at.is_none_or(|end| now.as_millis() < end) {
                    counts.of_tenant += 1;
                    counts.of_person += own;
                }
                position = Some(entry.lsk);
            }
            counts.may_be_more = more;
            if !more {
                break;
            }
        }
        Ok(counts)
    }
}
