//! The routing rules of a relay: a document with a version.

use super::{MAX_TRIES, RELAY, busy, unbuilt};
use crate::call::{from_item, key, number, to_item};
use crate::schema::TableKind;
use crate::transaction::Transacted;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use wire::RelayId;
use wire::relay::RoutingDocument;

/// The sort key of a relay's routing rules.
pub(super) const ROUTING: &str = "ROUTING";

/// The routing rules of a relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// The rules.
    pub document: RoutingDocument,
    /// Their version: 1, 2, 3, …; 0 before there are any.
    pub version: u64,
}

/// What became of rules that were to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingOutcome {
    /// They are there, as that version.
    Written(u64),
    /// They were of another version; nothing is written.
    Stale,
    /// There is no such relay.
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct RoutingItem {
    /// JSON: what people wrote is kept as they wrote it.
    document: String,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    write_id: Option<String>,
}

impl TenantStore<'_> {
    /// The relay's routing rules, as they are now; none of version 0 if there are none, or no such relay.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit for every 4 KiB of them.
    pub async fn routing(&self, relay: &RelayId) -> Result<Routing, StoreError> {
        const OPERATION: &str = "get_routing";
        Ok(match self.routing_item(OPERATION, relay).await? {
            None => Routing::default(),
            Some(item) => Routing {
                document: serde_json::from_str(&item.document)
                    .map_err(|error| StoreError::unreadable(OPERATION, error))?,
                version: item.version,
            },
        })
    }

    async fn routing_item(
        &self,
        operation: &'static str,
        relay: &RelayId,
    ) -> Result<Option<RoutingItem>, StoreError> {
        let item_key = key(self.scope.relay(relay), ROUTING);
        let item = self
            .store
            .get_consistent(operation, TableKind::Relays, item_key)
            .await?;
        item.map(|item| from_item(operation, item)).transpose()
    }

    /// Writes the rules if they are still of version `seen`.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn put_routing(
        &self,
        relay: &RelayId,
        document: &RoutingDocument,
        seen: u64,
        write_id: &WriteId,
    ) -> Result<RoutingOutcome, StoreError> {
        const OPERATION: &str = "put_routing";
        let document = serde_json::to_string(document)
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let version = seen + 1;
        let item = RoutingItem {
            document,
            version,
            write_id: None,
        };
        let mut item = to_item(OPERATION, &item)?;
        item.extend(key(self.scope.relay(relay), ROUTING));
        let put = Put::builder()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_item(Some(item));
        let put = if seen == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#version = :seen")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":seen", number(seen))
        };
        let is_there = ConditionCheck::builder()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_key(Some(key(self.scope.relay(relay), RELAY)))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(unbuilt(OPERATION))?;
        let writes = vec![
            TransactWriteItem::builder()
                .condition_check(is_there)
                .build(),
            TransactWriteItem::builder()
                .put(put.build().map_err(unbuilt(OPERATION))?)
                .build(),
        ];
        for _ in 0..MAX_TRIES {
            let writes = writes.clone();
            match self.store.transact(OPERATION, writes, write_id).await? {
                Transacted::Done => return Ok(RoutingOutcome::Written(version)),
                Transacted::Conflict => {}
                Transacted::Stale => {
                    if self.relay(relay).await?.is_none() {
                        return Ok(RoutingOutcome::Unknown);
                    }
                    let there = self.routing_item(OPERATION, relay).await?;
                    let is_ours = |item: &RoutingItem| {
                        item.version == version
                            && item.write_id.as_deref() == Some(write_id.as_str())
                    };
                    return Ok(if there.as_ref().is_some_and(is_ours) {
                        RoutingOutcome::Written(version)
                    } else {
                        RoutingOutcome::Stale
                    });
                }
            }
        }
        Err(busy(OPERATION))
    }
}
