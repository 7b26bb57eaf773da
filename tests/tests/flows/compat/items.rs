//! The items of every table as DynamoDB's own JSON, one a line.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::TABLES;

/// Items by table, each table's in the order of its keys.
pub(crate) type Items = BTreeMap<String, Vec<Value>>;

/// Everything that is stored.
pub(crate) async fn export(client: &Client) -> Items {
    let mut tables = Items::new();
    for table in TABLES {
        let name = table.default_name;
        let scanned = client.scan().table_name(name).into_paginator().items();
        let items: Vec<_> = scanned.send().try_collect().await.unwrap();
        let mut items: Vec<_> = items.iter().map(item_to_json).collect();
        items.sort_by_cached_key(|item| (item["pk"].to_string(), item["sk"].to_string()));
        tables.insert(name.to_owned(), items);
    }
    tables
}

/// Puts items where there are none.
pub(super) async fn import(client: &Client, tables: &Items) {
    for (table, items) in tables {
        for item in items {
            let put = client.put_item().table_name(table);
            let put = put.set_item(Some(item_from_json(item)));
            put.condition_expression("attribute_not_exists(pk)")
                .send()
                .await
                .unwrap_or_else(|error| panic!("{table} {item}: {error:?}"));
        }
    }
}

/// What a later version may have put into every item.
const LATER: &str = "of_a_later_version";

/// The same items, as a later version might have left them.
pub(super) fn with_more(tables: &Items) -> Items {
    let mut tables = tables.clone();
    for item in tables.values_mut().flatten() {
        item[LATER] = json!({ "S": "x" });
    }
    tables
}

/// What is made anew, as a whole, with every roll-up: the statistics of pools.
const MADE_ANEW: &str = "#ST#";

/// The items that lost what a later version had put into them.
pub(super) fn without_more(before: &Items, after: &Items) -> Vec<String> {
    let key = |item: &Value| format!("{} {}", item["pk"], item["sk"]);
    let mut found = Vec::new();
    for (table, items) in before {
        let kept: BTreeSet<_> = items.iter().map(key).collect();
        let lost = after[table]
            .iter()
            .filter(|item| kept.contains(&key(item)) && item.get(LATER).is_none())
            .map(|item| format!("{table} {}", key(item)));
        found.extend(lost.filter(|key| !key.contains(MADE_ANEW)));
    }
    found
}

fn item_to_json(item: &HashMap<String, AttributeValue>) -> Value {
    let members = item.iter();
    Value::Object(
        members
            .map(|(name, value)| (name.clone(), to_json(value)))
            .collect(),
    )
}

fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::B(bytes) => json!({ "B": BASE64.encode(bytes.as_ref()) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::L(values) => {
            json!({ "L": values.iter().map(to_json).collect::<Vec<_>>() })
        }
        AttributeValue::M(members) => json!({ "M": item_to_json(members) }),
        other => panic!("an attribute of a type that is not stored: {other:?}"),
    }
}

fn item_from_json(item: &Value) -> HashMap<String, AttributeValue> {
    let members = item.as_object().unwrap().iter();
    members
        .map(|(name, value)| (name.clone(), from_json(value)))
        .collect()
}

fn from_json(value: &Value) -> AttributeValue {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tagged: &Map<_, _> = value.as_object().unwrap();
    assert_eq!(tagged.len(), 1, "{value}");
    let (tag, value) = tagged.iter().next().unwrap();
    match tag.as_str() {
        "S" => AttributeValue::S(text(value)),
        "N" => AttributeValue::N(text(value)),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(true),
        "B" => AttributeValue::B(Blob::new(BASE64.decode(text(value).as_bytes()).unwrap())),
        "SS" => AttributeValue::Ss(value.as_array().unwrap().iter().map(text).collect()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(from_json).collect()),
        "M" => AttributeValue::M(item_from_json(value)),
        other => panic!("no type of DynamoDB: {other}"),
    }
}
