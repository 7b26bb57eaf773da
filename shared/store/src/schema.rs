//! The tables: the one definition of keys and indexes, from which everything that creates tables starts.

use crate::{Store, StoreError};
use aws_sdk_dynamodb::types as dynamo;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    ScalarAttributeType,
};

/// The tables of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableKind {
    /// Jobs, roll-ups of statistics.
    Jobs,
    /// Deployments and services.
    Deployments,
    /// Agents, their leases, pools, tenants.
    Agents,
    /// API tokens, agent keys, and the sessions derived from them.
    Credentials,
}

/// What an index holds besides keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// Nothing.
    KeysOnly,
    /// These attributes. Each changes with the index's key or seldom, so that it costs next to no writes of its own.
    Include(&'static [&'static str]),
}

/// A global secondary index. It is sparse: an item without the keys is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexSchema {
    /// Its name.
    pub name: &'static str,
    /// The attribute that is its partition key, a string.
    pub partition_key: &'static str,
    /// The attribute that is its sort key, a string.
    pub sort_key: &'static str,
    /// What it holds besides keys.
    pub projection: Projection,
}

/// A table with the partition key `pk` and the sort key `sk`, both strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSchema {
    /// Which one.
    pub kind: TableKind,
    /// The environment variable with its name.
    pub variable: &'static str,
    /// Its name where nothing else is configured, in `local` and in tests.
    pub default_name: &'static str,
    /// Its indexes.
    pub indexes: &'static [IndexSchema],
    /// The attribute, in seconds since 1970, after which DynamoDB may delete an item. It may do so days late.
    pub ttl_attribute: &'static str,
}

const fn keys_only(
    name: &'static str,
    partition_key: &'static str,
    sort_key: &'static str,
) -> IndexSchema {
    IndexSchema {
        name,
        partition_key,
        sort_key,
        projection: Projection::KeysOnly,
    }
}

/// Every table's partition key.
pub(crate) const PK: &str = "pk";
/// Every table's sort key.
pub(crate) const SK: &str = "sk";
/// Every table's time to live.
pub(crate) const TTL: &str = "expires_at_seconds";

/// All tables.
pub const TABLES: [TableSchema; 4] = [
    TableSchema {
        kind: TableKind::Jobs,
        variable: "DYNAMODB_TABLE_JOBS",
        default_name: "jobs",
        indexes: &[
            keys_only("ready", "rpk", "rsk"),
            keys_only("deadline", "dpk", "dsk"),
            keys_only("list", "lpk", "lsk"),
            IndexSchema {
                name: "state",
                partition_key: "spk",
                sort_key: "ssk",
                projection: Projection::Include(&["pool", "wait_ms", "exec_ms"]),
            },
        ],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Deployments,
        variable: "DYNAMODB_TABLE_DEPLOYMENTS",
        default_name: "deployments",
        indexes: &[
            keys_only("list", "lpk", "lsk"),
            keys_only("service", "vpk", "vsk"),
        ],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Agents,
        variable: "DYNAMODB_TABLE_AGENTS",
        default_name: "agents",
        indexes: &[
            keys_only("deadline", "dpk", "dsk"),
            IndexSchema {
                name: "list",
                partition_key: "lpk",
                sort_key: "lsk",
                // They change seldom: with what somebody asks of an agent, how busy it is, and whether it is gone.
                projection: Projection::Include(&[
                    "pool",
                    "directive",
                    "degraded",
                    "max_jobs",
                    TTL,
                ]),
            },
        ],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Credentials,
        variable: "DYNAMODB_TABLE_CREDENTIALS",
        default_name: "credentials",
        indexes: &[],
        ttl_attribute: TTL,
    },
];

/// The names of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables([String; 4]);

impl Default for Tables {
    fn default() -> Self {
        Self(TABLES.map(|table| table.default_name.to_owned()))
    }
}

impl Tables {
    /// The default names with a prefix, so that tests can share one engine.
    pub fn with_prefix(prefix: &str) -> Self {
        Self(TABLES.map(|table| format!("{prefix}{}", table.default_name)))
    }

    /// The names from the environment, of the tables that a program uses.
    ///
    /// # Errors
    /// The names of all variables that are missing.
    pub fn from_env(used: &[TableKind]) -> Result<Self, Vec<&'static str>> {
        let mut names = Self::default();
        let mut missing = Vec::new();
        for table in TABLES.iter().filter(|table| used.contains(&table.kind)) {
            match std::env::var(table.variable) {
                Ok(name) if !name.is_empty() => names.0[table.kind as usize] = name,
                Ok(_) | Err(_) => missing.push(table.variable),
            }
        }
        if missing.is_empty() {
            Ok(names)
        } else {
            Err(missing)
        }
    }

    /// The name of one table.
    pub fn name(&self, kind: TableKind) -> &str {
        &self.0[kind as usize]
    }
}

impl Store {
    /// Creates the tables that do not exist yet, for `local` and for tests; on AWS the templates do it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_tables(&self) -> Result<(), StoreError> {
        const OPERATION: &str = "create_tables";
        let existing = self
            .client
            .list_tables()
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        for table in &TABLES {
            let name = self.tables.name(table.kind);
            if existing
                .table_names()
                .iter()
                .any(|existing| existing == name)
            {
                continue;
            }
            self.create_table(table, name).await?;
        }
        Ok(())
    }

    async fn create_table(&self, table: &TableSchema, name: &str) -> Result<(), StoreError> {
        const OPERATION: &str = "create_tables";
        let mut attributes = vec![PK, SK];
        let mut request = self
            .client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest);
        for element in key_schema(PK, SK)? {
            request = request.key_schema(element);
        }
        for index in table.indexes {
            attributes.extend([index.partition_key, index.sort_key]);
            let projection = match index.projection {
                Projection::KeysOnly => {
                    dynamo::Projection::builder().projection_type(dynamo::ProjectionType::KeysOnly)
                }
                Projection::Include(included) => included.iter().fold(
                    dynamo::Projection::builder().projection_type(dynamo::ProjectionType::Include),
                    |projection, attribute| projection.non_key_attributes(*attribute),
                ),
            };
            let built = GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(key_schema(index.partition_key, index.sort_key)?))
                .projection(projection.build())
                .build()
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            request = request.global_secondary_indexes(built);
        }
        for attribute in attributes {
            let definition = AttributeDefinition::builder()
                .attribute_name(attribute)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            request = request.attribute_definitions(definition);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            // Somebody else was faster: the table is there.
            Err(error) if error.as_service_error().is_some_and(aws_sdk_dynamodb::operation::create_table::CreateTableError::is_resource_in_use_exception) => Ok(()),
            Err(error) => Err(StoreError::from_sdk(OPERATION, &error)),
        }
    }
}

fn key_schema(partition_key: &str, sort_key: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    [(partition_key, KeyType::Hash), (sort_key, KeyType::Range)]
        .into_iter()
        .map(|(attribute, kind)| {
            KeySchemaElement::builder()
                .attribute_name(attribute)
                .key_type(kind)
                .build()
                .map_err(|error| StoreError::unreadable("create_tables", error))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_in_the_order_of_their_kinds() {
        for (place, table) in TABLES.iter().enumerate() {
            assert_eq!(table.kind as usize, place);
        }
    }
}
