//! How many requests of a tenant, and how many sign-ins from an address, all processes together have served.

use crate::call::{Item, key, number};
use crate::schema::{TTL, TableKind};
use crate::{Store, StoreError, TenantStore, keys};
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use domain::limits::{RequestClass, WINDOW_SECONDS};
use std::net::IpAddr;

/// For how long the count of a window is kept, in seconds.
const KEPT_SECONDS: i64 = 3600;

fn sort(prefix: &str, window: i64) -> String {
    format!("{prefix}#{window:012}")
}

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
        let count = key(self.scope.requests(), &sort(class.as_str(), window));
        let count = ("share_requests", TableKind::Agents, count);
        self.store.add_to_count(count, window, served).await
    }
}

impl Store {
    /// The same of sign-ins from an address, who nobody knows yet. It stands with the sessions, and is nobody's.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Writes 1 unit.
    pub async fn share_sign_ins(
        &self,
        from: IpAddr,
        window: i64,
        tried: u64,
    ) -> Result<u64, StoreError> {
        let count = key(keys::sign_ins(from), &sort("tried", window));
        let count = ("share_sign_ins", TableKind::Sessions, count);
        self.add_to_count(count, window, tried).await
    }

    async fn add_to_count(
        &self,
        (operation, table, count): (&'static str, TableKind, Item),
        window: i64,
        more: u64,
    ) -> Result<u64, StoreError> {
        let expires = (window + 1) * WINDOW_SECONDS + KEPT_SECONDS;
        let answer = self
            .client
            .update_item()
            .table_name(self.tables.name(table))
            .set_key(Some(count))
            .update_expression("ADD served :more SET #ttl = :expires")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":more", number(more))
            .expression_attribute_values(":expires", number(expires))
            .return_values(ReturnValue::UpdatedNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(operation, &error))?;
        self.count_write(operation, answer.consumed_capacity());
        let total = answer.attributes().and_then(|item| item.get("served"));
        total
            .and_then(|value| value.as_n().ok()?.parse().ok())
            .ok_or_else(|| StoreError::unreadable(operation, "there is no count"))
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

    #[tokio::test]
    async fn sign_ins_add_up_by_address_and_window() {
        for (_, store) in stores().await {
            let one: IpAddr = "203.0.113.7".parse().unwrap();
            let other: IpAddr = "2001:db8::".parse().unwrap();
            let share = async |from, window, tried| {
                let shared = store.share_sign_ins(from, window, tried).await;
                shared.unwrap()
            };
            assert_eq!(share(one, 7, 5).await, 5);
            assert_eq!(share(one, 7, 5).await, 10);
            assert_eq!(share(other, 7, 5).await, 5);
            assert_eq!(share(one, 8, 5).await, 5);
        }
    }
}
