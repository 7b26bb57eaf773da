use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, Put, TransactWriteItem};
use embedded_dynamodb::{Call, Engine, Fault};

use crate::{attempt_of, create_table, item, key, put};

async fn engine() -> Engine {
    let engine = Engine::memory().unwrap();
    create_table(&engine.client()).await;
    engine
}

async fn try_put(
    client: &Client,
) -> Option<SdkError<aws_sdk_dynamodb::operation::put_item::PutItemError>> {
    client
        .put_item()
        .table_name("jobs")
        .set_item(Some(item("job-1")))
        .send()
        .await
        .err()
}

async fn count(engine: &Engine) -> i32 {
    engine
        .client()
        .scan()
        .table_name("jobs")
        .send()
        .await
        .unwrap()
        .count
}

#[tokio::test]
async fn a_throttled_call_has_no_effect() {
    let engine = engine().await;
    let error = try_put(&engine.client_with(|_| Fault::Throttle))
        .await
        .unwrap()
        .into_service_error();
    assert!(
        error.is_provisioned_throughput_exceeded_exception(),
        "{error:?}"
    );
    assert_eq!(count(&engine).await, 0);
}

#[tokio::test]
async fn a_call_dropped_before_it_arrives_has_no_effect() {
    let engine = engine().await;
    let error = try_put(&engine.client_with(|_| Fault::DropBefore))
        .await
        .unwrap();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
    assert_eq!(count(&engine).await, 0);
}

#[tokio::test]
async fn a_call_whose_answer_is_dropped_has_its_effect() {
    let engine = engine().await;
    let error = try_put(&engine.client_with(|_| Fault::DropAfter))
        .await
        .unwrap();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
    assert_eq!(count(&engine).await, 1);
}

#[tokio::test]
async fn a_read_that_need_not_be_consistent_may_not_see_what_is_there() {
    let engine = engine().await;
    let client = engine.client_with(|_| Fault::Unseen);
    put(&client, "job-1").await;
    let get = client
        .get_item()
        .table_name("jobs")
        .set_key(Some(key("job-1")));
    let seen = get.clone().send().await.unwrap();
    assert_eq!(seen.item, None);
    let seen = get.consistent_read(true).send().await.unwrap();
    assert!(seen.item.is_some());
    let query = client
        .query()
        .table_name("jobs")
        .key_condition_expression("pk = :key")
        .expression_attribute_values(":key", key("job-1")["pk"].clone());
    let seen = query.clone().send().await.unwrap();
    assert_eq!((seen.count, seen.items().len()), (0, 0));
    assert_eq!(query.consistent_read(true).send().await.unwrap().count, 1);
    let keys = KeysAndAttributes::builder().keys(key("job-1"));
    let batch = async |keys: KeysAndAttributes| {
        let batch = client.batch_get_item().request_items("jobs", keys);
        let seen = batch.send().await.unwrap();
        assert!(seen.unprocessed_keys.unwrap_or_default().is_empty());
        seen.responses
            .unwrap()
            .remove("jobs")
            .map_or(0, |seen| seen.len())
    };
    assert_eq!(batch(keys.clone().build().unwrap()).await, 0);
    assert_eq!(batch(keys.consistent_read(true).build().unwrap()).await, 1);
}

#[tokio::test]
async fn the_policy_sees_each_call_and_other_clients_are_spared() {
    let engine = engine().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let client = engine.client_with(move |call| {
        let table = call.table.unwrap_or_default();
        log.lock()
            .unwrap()
            .push(format!("{} {} {table}", call.sequence, call.operation));
        Fault::None
    });
    put(&client, "job-1").await;
    attempt_of(&client, "job-1").await;
    client.list_tables().send().await.unwrap();
    put(&engine.client(), "job-2").await;
    assert_eq!(
        *seen.lock().unwrap(),
        ["0 PutItem jobs", "1 GetItem jobs", "2 ListTables "]
    );
}

#[tokio::test(start_paused = true)]
async fn retries_of_the_sdk_get_past_passing_faults() {
    let engine = engine().await;
    for fault in [Fault::Throttle, Fault::DropBefore, Fault::DropAfter] {
        let config = engine.config_with(move |call| {
            if call.sequence < 2 {
                fault
            } else {
                Fault::None
            }
        });
        let retries = RetryConfig::standard().with_max_attempts(3);
        let client = Client::from_conf(config.retry_config(retries).build());
        assert!(try_put(&client).await.is_none(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_known_again_by_its_token_unless_the_client_never_sends_one_again() {
    let engine = engine().await;
    let new = Put::builder()
        .table_name("jobs")
        .set_item(Some(item("job-1")))
        .condition_expression("attribute_not_exists(pk)");
    let new = TransactWriteItem::builder().put(new.build().unwrap());
    let write = |client: &Client| {
        client
            .transact_write_items()
            .client_request_token("the same one")
            .transact_items(new.clone().build())
            .send()
    };
    let policy = |call: &Call<'_>| match call.sequence {
        0 => Fault::DropAfter,
        _ => Fault::None,
    };
    let retries = RetryConfig::standard().with_max_attempts(2);
    let config = engine.config_with(policy).retry_config(retries);
    write(&Client::from_conf(config.build())).await.unwrap();
    write(&Client::from_conf(engine.config().build()))
        .await
        .unwrap();
    let error = write(&engine.client()).await.unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_transaction_canceled_exception()
    );
}
