//! Tenants: a register that maintenance walks through.

use crate::call::{Item, key, string};
use crate::keys::{DEADLINE_SHARDS, shard_of, tenants_shard};
use crate::schema::TableKind;
use crate::{Store, StoreError, TenantScope, WriteId};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use wire::TenantId;

/// The sort key of every tenant item.
const TENANT: &str = "TENANT";

impl Store {
    /// Creates a tenant, unless it exists.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_tenant(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<TenantScope, StoreError> {
        const OPERATION: &str = "create_tenant";
        let scope = TenantScope::new(tenant.clone());
        let shard = shard_of(tenant.as_str(), DEADLINE_SHARDS);
        let mut item = key(scope.tenant_item(), TENANT);
        item.insert("tenant".to_owned(), string(tenant.as_str()));
        item.insert(
            "created_ms".to_owned(),
            crate::call::number(now.as_millis()),
        );
        item.insert("dpk".to_owned(), string(tenants_shard(shard)));
        item.insert("dsk".to_owned(), string(tenant.as_str()));
        // Whoever created it: the item says the same.
        let write_id = WriteId::new([0; 8]);
        self.put_new_item(OPERATION, TableKind::Agents, item, &write_id)
            .await?;
        Ok(scope)
    }

    /// Tenants of one shard of the register, by name, after the given one. Fewer than `limit` mean that there are no more.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn tenants(
        &self,
        shard: u32,
        after: Option<&TenantScope>,
        limit: u32,
    ) -> Result<Vec<TenantScope>, StoreError> {
        const OPERATION: &str = "list_tenants";
        let from = after.map_or("", |scope| scope.tenant().as_str());
        let answer = self
            .client
            .query()
            .table_name(self.tables.name(TableKind::Agents))
            .index_name("deadline")
            .key_condition_expression("dpk = :shard AND dsk > :from")
            .expression_attribute_values(":shard", string(tenants_shard(shard)))
            // A sort key cannot be compared with an empty string; no tenant's name begins with a space.
            .expression_attribute_values(":from", string(if from.is_empty() { " " } else { from }))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.count_read(OPERATION, answer.consumed_capacity());
        let scope = |item: &Item| {
            let tenant = TenantId::parse(item.get("dsk")?.as_s().ok()?).ok()?;
            Some(TenantScope::new(tenant))
        };
        Ok(answer.items().iter().filter_map(scope).collect())
    }
}
