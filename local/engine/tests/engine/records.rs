//! Calls are recorded as the permissions that they take.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};
use embedded_dynamodb::{Engine, Fault, Recording};

use crate::{create_table, item, key, put, text};

fn needed(recording: &Recording) -> Vec<String> {
    let needed = recording.permissions();
    needed.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_one_handle_calls_is_recorded_apart_from_what_others_call() {
    let engine = Engine::memory().unwrap();
    create_table(&engine.client()).await;
    let (one, other) = (Recording::default(), Recording::default());
    put(&engine.recorded_by(&one).client(), "job-1").await;
    let query = engine.recorded_by(&other).client().query();
    let query = query
        .table_name("jobs")
        .index_name("list")
        .key_condition_expression("lpk = :acme")
        .expression_attribute_values(":acme", text("acme"));
    // It is one database.
    assert_eq!(query.send().await.unwrap().count, 1);
    assert_eq!(needed(&one), ["dynamodb:PutItem on jobs"]);
    assert_eq!(needed(&other), ["dynamodb:Query on jobs/index/list"]);
}

#[tokio::test]
async fn a_transaction_is_recorded_by_its_parts_whatever_comes_of_it() {
    let engine = Engine::memory().unwrap();
    create_table(&engine.client()).await;
    let recording = Recording::default();
    let recorded = engine.recorded_by(&recording);
    let write = Put::builder().table_name("jobs").set_item(Some(item("a")));
    let gone = Delete::builder().table_name("jobs").set_key(Some(key("b")));
    let check = ConditionCheck::builder()
        .table_name("jobs")
        .set_key(Some(key("c")))
        .condition_expression("attribute_exists(pk)");
    let answer = recorded
        .client_with(|_| Fault::Throttle)
        .transact_write_items()
        .transact_items(
            TransactWriteItem::builder()
                .put(write.build().unwrap())
                .build(),
        )
        .transact_items(
            TransactWriteItem::builder()
                .delete(gone.build().unwrap())
                .build(),
        )
        .transact_items(
            TransactWriteItem::builder()
                .condition_check(check.build().unwrap())
                .build(),
        )
        .send()
        .await;
    assert!(answer.is_err());
    assert_eq!(
        needed(&recording),
        [
            "dynamodb:ConditionCheckItem on jobs",
            "dynamodb:DeleteItem on jobs",
            "dynamodb:PutItem on jobs"
        ]
    );
}
