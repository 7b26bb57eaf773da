//! How many requests of a tenant all processes together have served.

use crate::call::{key, number};
use crate::schema::{TTL, TableKind};
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use domain::limits::{RequestClass, WINDOW_SECONDS};

/// For how long the count of a window is kept, in seconds.
const KEPT_SECONDS: i64 = 3600;

impl TenantStore<'_> {
    /// Adds requests to those of that window, and says how many they are now.
    ///
    /// If the answer is lost and the SDK asks again, they are counted twice: the limit is reached a little early.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Writes 1 unit.
    pub async fn share_requests(
        &self,
        class: RequestClass,
        window: i64,
        served: u64,
    ) -> Result<u64, StoreError> {
        const OPERATION: &str = "share_requests";
        let sort = format!("{}#{window:012}", class.as_str());
        let expires = (window + 1) * WINDOW_SECONDS + KEPT_SECONDS;
        let answer = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Agents))
            .set_key(Some(key(self.scope.requests(), &sort)))
            .update_expression("ADD served :served SET #ttl = :expires")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":served", number(served))
            .expression_attribute_values(":expires", number(expires))
            .return_values(ReturnValue::UpdatedNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store
            .count_write(OPERATION, answer.consumed_capacity());
        let total = answer.attributes().and_then(|item| item.get("served"));
        total
            .and_then(|value| value.as_n().ok()?.parse().ok())
            .ok_or_else(|| StoreError::unreadable(OPERATION, "there is no count"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::TenantScope;
    use crate::testing::stores;
    use wire::TenantId;

    #[tokio::test]
    async fn requests_add_up_by_tenant_class_and_window() {
        for (_, store) in stores().await {
            let acme = TenantScope::new(TenantId::parse("acme").unwrap());
            let other = TenantScope::new(TenantId::parse("other").unwrap());
            let share = async |scope: &TenantScope, class, window, served| {
                let tenant = store.tenant(scope);
                tenant.share_requests(class, window, served).await.unwrap()
            };
            assert_eq!(share(&acme, RequestClass::People, 7, 50).await, 50);
            assert_eq!(share(&acme, RequestClass::People, 7, 60).await, 110);
            assert_eq!(share(&acme, RequestClass::Agents, 7, 1).await, 1);
            assert_eq!(share(&acme, RequestClass::People, 8, 2).await, 2);
            assert_eq!(share(&other, RequestClass::People, 7, 3).await, 3);
        }
    }
}
