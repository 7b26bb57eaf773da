//! What a person is in.

use super::item::{
    MEMBERSHIPS, MembershipItem, ORGANISATION, OrganisationItem, PERSON, PersonItem, PointerItem,
};
use super::register::{membership_key, pointer_key};
use super::{MAX_ORGANISATIONS, MemberHandle, Person, PersonStore};
use crate::call::{Item, from_item, key, string};
use crate::schema::{PK, TableKind};
use crate::{Store, StoreError, TenantScope, keys};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use std::collections::HashMap;
use wire::{Role, ShortText, TenantId, Timestamp, UserId};

const OPERATION: &str = "read_memberships";

/// A person's membership of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Membership {
    /// The right to the organisation's data.
    pub scope: TenantScope,
    /// What the organisation is called.
    pub organisation: ShortText,
    /// The person.
    pub user_id: UserId,
    /// What the key ids of their sessions and tokens there begin with.
    pub handle: MemberHandle,
    /// What they are.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
    /// Sessions there that began before then have ended.
    pub(crate) sessions_from: Option<Timestamp>,
}

impl PersonStore<'_> {
    /// The person.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn person(&self) -> Result<Option<Person>, StoreError> {
        const OPERATION: &str = "read_person";
        let partition = keys::person(self.scope.user_id());
        let item = self.store.read_people(OPERATION, partition, PERSON).await?;
        let item: Option<PersonItem> = item.map(|item| from_item(OPERATION, item)).transpose()?;
        Ok(item.map(|item| Person {
            user_id: item.user_id,
            display_name: item.display_name,
            created_at: Timestamp::from_millis(item.created_ms),
        }))
    }

    /// What the person is in, oldest first, 50 at most.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn memberships(&self) -> Result<Vec<Membership>, StoreError> {
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::People))
            .key_condition_expression("pk = :person AND begins_with(sk, :memberships)")
            .expression_attribute_values(":person", string(keys::person(self.scope.user_id())))
            .expression_attribute_values(":memberships", string(MEMBERSHIPS))
            .consistent_read(true)
            .limit(i32::try_from(MAX_ORGANISATIONS).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let pointers = answer.items.unwrap_or_default();
        self.store.memberships_of(pointers).await
    }

    /// The person's membership of that tenant.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn membership(&self, tenant: &TenantId) -> Result<Option<Membership>, StoreError> {
        // As a part of a key alone: what it opens is only opened if the person is a member.
        let tenant = TenantScope::new(tenant.clone());
        let pointer = pointer_key(&tenant, self.scope.user_id());
        let pointer = self
            .store
            .get_consistent(OPERATION, TableKind::People, pointer)
            .await?;
        let pointers = pointer.into_iter().collect();
        let mut found = self.store.memberships_of(pointers).await?;
        Ok(found.pop().filter(|membership| membership.scope == tenant))
    }
}

impl Store {
    /// The memberships that these lead to, oldest first. One that ended a moment ago is not among them.
    async fn memberships_of(&self, pointers: Vec<Item>) -> Result<Vec<Membership>, StoreError> {
        let pointers = pointers
            .into_iter()
            .map(|item| from_item::<PointerItem>(OPERATION, item))
            .collect::<Result<Vec<_>, _>>()?;
        let keys = pointers
            .iter()
            .map(|pointer| membership_key(&pointer.handle))
            .collect();
        let items = self
            .batch_get_consistent(OPERATION, TableKind::People, keys)
            .await?;
        let memberships = items
            .into_iter()
            .map(|item| from_item::<MembershipItem>(OPERATION, item))
            .collect::<Result<Vec<_>, _>>()?;
        let scopes: Vec<_> = memberships
            .iter()
            .map(|membership| TenantScope::new(membership.tenant.clone()))
            .collect();
        let titles = self.organisation_names(&scopes).await?;
        let mut found: Vec<_> = memberships
            .into_iter()
            .zip(scopes)
            .filter_map(|(item, scope)| {
                Some(Membership {
                    organisation: titles.get(&scope.organisation())?.clone(),
                    scope,
                    user_id: item.user_id,
                    handle: item.handle,
                    role: item.role,
                    joined_at: Timestamp::from_millis(item.joined_ms),
                    sessions_from: item.sessions_from_ms.map(Timestamp::from_millis),
                })
            })
            .collect();
        found.sort_by(|left, right| {
            let (left, right) = (
                (left.joined_at, &left.handle),
                (right.joined_at, &right.handle),
            );
            left.cmp(&right)
        });
        Ok(found)
    }

    /// What organisations are called, by the partition of each, 100 at most.
    async fn organisation_names(
        &self,
        scopes: &[TenantScope],
    ) -> Result<HashMap<String, ShortText>, StoreError> {
        let keys = scopes
            .iter()
            .map(|scope| key(scope.organisation(), ORGANISATION))
            .collect();
        let items = self
            .batch_get_consistent(OPERATION, TableKind::People, keys)
            .await?;
        let mut titles = HashMap::new();
        for item in items {
            let partition = item.get(PK).and_then(|partition| partition.as_s().ok());
            let partition = partition.cloned().unwrap_or_default();
            let organisation: OrganisationItem = from_item(OPERATION, item)?;
            titles.insert(partition, organisation.title);
        }
        Ok(titles)
    }
}
