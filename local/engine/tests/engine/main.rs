//! The engine as its callers meet it: through the SDK's client, and through the file it keeps.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod answers;
mod faults;
mod files;
mod records;
mod runtime;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType,
};

/// A table `jobs` with an index `list` on `lpk`, `lsk` that includes `pool`.
async fn create_table(client: &Client) {
    let mut create = client
        .create_table()
        .table_name("jobs")
        .billing_mode(BillingMode::PayPerRequest);
    for name in ["pk", "sk", "lpk", "lsk"] {
        let definition = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        create = create.attribute_definitions(definition.build().unwrap());
    }
    let projection = Projection::builder()
        .projection_type(ProjectionType::Include)
        .non_key_attributes("pool");
    let index = GlobalSecondaryIndex::builder()
        .index_name("list")
        .set_key_schema(Some(schema("lpk", "lsk")))
        .projection(projection.build());
    create
        .set_key_schema(Some(schema("pk", "sk")))
        .global_secondary_indexes(index.build().unwrap())
        .send()
        .await
        .unwrap();
}

fn schema(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .map(|(name, kind)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
                .unwrap()
        })
        .into()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn key(job: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("pk".to_owned(), text(job)), ("sk".to_owned(), text("J"))])
}

fn item(job: &str) -> HashMap<String, AttributeValue> {
    let mut item = key(job);
    for (name, value) in [
        ("lpk", "acme"),
        ("lsk", job),
        ("pool", "default"),
        ("status", "QUEUED"),
    ] {
        item.insert(name.to_owned(), text(value));
    }
    item.insert("attempt".to_owned(), AttributeValue::N("0".to_owned()));
    item
}

async fn put(client: &Client, job: &str) {
    client
        .put_item()
        .table_name("jobs")
        .set_item(Some(item(job)))
        .send()
        .await
        .unwrap();
}

async fn attempt_of(client: &Client, job: &str) -> String {
    let get = client.get_item().table_name("jobs").set_key(Some(key(job)));
    let item = get.send().await.unwrap().item.unwrap();
    item["attempt"].as_n().unwrap().clone()
}
