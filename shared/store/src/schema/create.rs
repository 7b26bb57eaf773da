//! Tables and indexes are made, for `local` and for tests; on AWS the templates do it.

use super::{IndexSchema, PK, Projection, SK, TABLES, TableSchema};
use crate::{Store, StoreError};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types as dynamo;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
};

const OPERATION: &str = "create_tables";

impl Store {
    /// Creates the tables that do not exist yet, and the indexes that an existing one has not got: a database on a laptop may
    /// be older than the program.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_tables(&self) -> Result<(), StoreError> {
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
                self.create_missing_indexes(table, name).await?;
            } else {
                self.create_table(table, name).await?;
            }
        }
        Ok(())
    }

    async fn create_table(&self, table: &TableSchema, name: &str) -> Result<(), StoreError> {
        let mut request = self
            .client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(key_schema(PK, SK)?));
        for attribute in [PK, SK] {
            request = request.attribute_definitions(definition(attribute)?);
        }
        for index in table.indexes {
            let built = GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(key_schema(index.partition_key, index.sort_key)?))
                .projection(projection(index))
                .build()
                .map_err(|error| broken(&error))?;
            request = request.global_secondary_indexes(built);
            for attribute in [index.partition_key, index.sort_key] {
                request = request.attribute_definitions(definition(attribute)?);
            }
        }
        match request.send().await {
            Ok(_) => Ok(()),
            // Somebody else was faster: the table is there.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(CreateTableError::is_resource_in_use_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::from_sdk(OPERATION, &error)),
        }
    }

    async fn create_missing_indexes(
        &self,
        table: &TableSchema,
        name: &str,
    ) -> Result<(), StoreError> {
        let described = self
            .client
            .describe_table()
            .table_name(name)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        for index in table.indexes {
            let there = described
                .table()
                .map(TableDescription::global_secondary_indexes);
            let mut there = there.unwrap_or_default().iter();
            if there.any(|there| there.index_name() == Some(index.name)) {
                continue;
            }
            let action = CreateGlobalSecondaryIndexAction::builder()
                .index_name(index.name)
                .set_key_schema(Some(key_schema(index.partition_key, index.sort_key)?))
                .projection(projection(index))
                .build()
                .map_err(|error| broken(&error))?;
            let mut request = self.client.update_table().table_name(name);
            for attribute in [index.partition_key, index.sort_key] {
                request = request.attribute_definitions(definition(attribute)?);
            }
            request
                .global_secondary_index_updates(
                    GlobalSecondaryIndexUpdate::builder().create(action).build(),
                )
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        }
        Ok(())
    }
}

fn broken(error: &BuildError) -> StoreError {
    StoreError::unreadable(OPERATION, error)
}

fn projection(index: &IndexSchema) -> dynamo::Projection {
    match index.projection {
        Projection::KeysOnly => {
            dynamo::Projection::builder().projection_type(dynamo::ProjectionType::KeysOnly)
        }
        Projection::Include(included) => included.iter().fold(
            dynamo::Projection::builder().projection_type(dynamo::ProjectionType::Include),
            |projection, attribute| projection.non_key_attributes(*attribute),
        ),
    }
    .build()
}

fn definition(attribute: &str) -> Result<AttributeDefinition, StoreError> {
    AttributeDefinition::builder()
        .attribute_name(attribute)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .map_err(|error| broken(&error))
}

fn key_schema(partition_key: &str, sort_key: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    [(partition_key, KeyType::Hash), (sort_key, KeyType::Range)]
        .into_iter()
        .map(|(attribute, kind)| {
            KeySchemaElement::builder()
                .attribute_name(attribute)
                .key_type(kind)
                .build()
                .map_err(|error| broken(&error))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::testing::on;
    use crate::{TableKind, Tables};
    use embedded_dynamodb::Engine;

    #[tokio::test]
    async fn an_older_database_gets_the_indexes_that_it_lacks() {
        let engine = Engine::memory().unwrap();
        let store = on(&engine.client(), Tables::default());
        let current = TABLES[TableKind::Credentials as usize];
        let older = TableSchema {
            indexes: &[],
            ..current
        };
        store.create_table(&older, "credentials").await.unwrap();
        for _ in 0..2 {
            store.create_tables().await.unwrap();
        }
        let described = engine.client().describe_table().table_name("credentials");
        let described = described.send().await.unwrap().table.unwrap();
        let names: Vec<_> = described
            .global_secondary_indexes()
            .iter()
            .filter_map(|index| index.index_name())
            .collect();
        assert_eq!(names, ["list"]);
        let scope = crate::testing::tenant("acme");
        let page = store
            .tenant(&scope)
            .api_tokens(None, 10, None)
            .await
            .unwrap();
        assert!(page.tokens.is_empty());
    }
}
