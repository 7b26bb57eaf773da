use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Get, KeysAndAttributes, Put, PutRequest,
    ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TimeToLiveSpecification, TimeToLiveStatus, TransactGetItem, TransactWriteItem, WriteRequest,
};
use embedded_dynamodb::Engine;

use crate::{attempt_of, create_table, item, key, put, text};

async fn client() -> Client {
    let client = Engine::memory().unwrap().client();
    create_table(&client).await;
    client
}

fn claim(client: &Client, job: &str) -> UpdateItemFluentBuilder {
    client
        .update_item()
        .table_name("jobs")
        .set_key(Some(key(job)))
        .condition_expression("#status = :queued")
        .update_expression("SET #status = :claimed, attempt = attempt + :one REMOVE lpk")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":queued", text("QUEUED"))
        .expression_attribute_values(":claimed", text("CLAIMED"))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

#[tokio::test]
async fn a_client_keeps_its_database_alive() {
    let client = client().await;
    put(&client, "job-1").await;
    assert_eq!(attempt_of(&client, "job-1").await, "0");
}

#[tokio::test]
async fn two_memory_databases_share_nothing() {
    let (one, other) = (client().await, client().await);
    put(&one, "job-1").await;
    let get = other
        .get_item()
        .table_name("jobs")
        .set_key(Some(key("job-1")));
    assert_eq!(get.send().await.unwrap().item, None);
}

#[tokio::test]
async fn a_conditional_update_returns_the_new_item() {
    let client = client().await;
    put(&client, "job-1").await;
    let new = claim(&client, "job-1")
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap();
    assert_eq!(new["status"], text("CLAIMED"));
    assert_eq!(new["attempt"], AttributeValue::N("1".to_owned()));
    assert_eq!(new.get("lpk"), None);
}

#[tokio::test]
async fn a_failed_condition_returns_the_old_item() {
    let client = client().await;
    put(&client, "job-1").await;
    claim(&client, "job-1").send().await.unwrap();
    let error = claim(&client, "job-1")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    let aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
        failed,
    ) = error
    else {
        panic!("the condition failed otherwise");
    };
    assert_eq!(failed.item.unwrap()["status"], text("CLAIMED"));
}

#[tokio::test]
async fn a_failed_put_condition_returns_the_old_item_too() {
    let client = client().await;
    put(&client, "job-1").await;
    let again = client
        .put_item()
        .table_name("jobs")
        .set_item(Some(item("job-1")));
    let again = again
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
        failed,
    ) = again.send().await.unwrap_err().into_service_error()
    else {
        panic!("the condition failed otherwise");
    };
    assert_eq!(failed.item.unwrap(), item("job-1"));
}

#[tokio::test]
async fn an_index_is_sparse_ordered_paged_and_projects_what_it_includes() {
    let client = client().await;
    for job in ["job-1", "job-2", "job-3"] {
        put(&client, job).await;
    }
    claim(&client, "job-2").send().await.unwrap();
    let query = client
        .query()
        .table_name("jobs")
        .index_name("list")
        .key_condition_expression("lpk = :tenant AND lsk < :end")
        .expression_attribute_values(":tenant", text("acme"))
        .expression_attribute_values(":end", text("job-9"))
        .scan_index_forward(false)
        .limit(1);
    let first = query.clone().send().await.unwrap();
    assert_eq!(first.items()[0]["pk"], text("job-3"));
    assert_eq!(first.items()[0]["pool"], text("default"));
    assert_eq!(first.items()[0].get("status"), None);
    let second = query
        .set_exclusive_start_key(first.last_evaluated_key)
        .send()
        .await
        .unwrap();
    assert_eq!(second.items()[0]["pk"], text("job-1"));
}

#[tokio::test]
async fn consumed_capacity_is_reported_by_index() {
    let client = client().await;
    let put = client
        .put_item()
        .table_name("jobs")
        .set_item(Some(item("job-1")));
    let answer = put
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
        .send()
        .await
        .unwrap();
    let capacity = answer.consumed_capacity.unwrap();
    assert_eq!(capacity.capacity_units, Some(2.0));
    assert_eq!(
        capacity.global_secondary_indexes.unwrap()["list"].capacity_units,
        Some(1.0)
    );
}

#[tokio::test]
async fn a_delete_returns_what_it_deleted() {
    let client = client().await;
    put(&client, "job-1").await;
    let delete = client
        .delete_item()
        .table_name("jobs")
        .set_key(Some(key("job-1")));
    let answer = delete
        .return_values(ReturnValue::AllOld)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.attributes.unwrap(), item("job-1"));
}

#[tokio::test]
async fn batches_write_and_read() {
    let client = client().await;
    let writes = ["job-1", "job-2"].map(|job| {
        let put = PutRequest::builder()
            .set_item(Some(item(job)))
            .build()
            .unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    client
        .batch_write_item()
        .request_items("jobs", writes.into())
        .send()
        .await
        .unwrap();
    let keys = KeysAndAttributes::builder()
        .keys(key("job-1"))
        .keys(key("job-2"))
        .keys(key("gone"));
    let answer = client
        .batch_get_item()
        .request_items("jobs", keys.build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.responses.unwrap()["jobs"].len(), 2);
    let all = client.scan().table_name("jobs").send().await.unwrap();
    assert_eq!(all.count, 2);
}

#[tokio::test]
async fn a_transaction_happens_wholly_or_not_at_all() {
    let client = client().await;
    put(&client, "job-1").await;
    let put = Put::builder()
        .table_name("jobs")
        .set_item(Some(item("job-2")))
        .build()
        .unwrap();
    let check = |status: &str| {
        ConditionCheck::builder()
            .table_name("jobs")
            .set_key(Some(key("job-1")))
            .condition_expression("#status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", text(status))
            .build()
            .unwrap()
    };
    let write = |status: &str| {
        client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put.clone()).build())
            .transact_items(
                TransactWriteItem::builder()
                    .condition_check(check(status))
                    .build(),
            )
            .send()
    };
    let read = || {
        let get = |job: &str| {
            let get = Get::builder()
                .table_name("jobs")
                .set_key(Some(key(job)))
                .build()
                .unwrap();
            TransactGetItem::builder().get(get).build()
        };
        client
            .transact_get_items()
            .transact_items(get("job-2"))
            .send()
    };
    let error = write("RUNNING").await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        cancelled,
    ) = error
    else {
        panic!("the transaction failed otherwise: {error:?}");
    };
    let codes: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code())
        .collect();
    assert_eq!(codes, [Some("None"), Some("ConditionalCheckFailed")]);
    assert_eq!(read().await.unwrap().responses()[0].item, None);
    write("QUEUED").await.unwrap();
    assert_eq!(
        read().await.unwrap().responses()[0].item,
        Some(item("job-2"))
    );
}

#[tokio::test]
async fn tables_are_listed_described_and_deleted() {
    let client = client().await;
    assert_eq!(
        client.list_tables().send().await.unwrap().table_names(),
        ["jobs"]
    );
    let described = client
        .describe_table()
        .table_name("jobs")
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    assert_eq!(described.global_secondary_indexes().len(), 1);
    client
        .delete_table()
        .table_name("jobs")
        .send()
        .await
        .unwrap();
    let gone = client
        .describe_table()
        .table_name("jobs")
        .send()
        .await
        .unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn what_has_expired_is_deleted_when_asked_for() {
    let engine = Engine::memory().unwrap();
    let client = engine.client();
    create_table(&client).await;
    let specification = TimeToLiveSpecification::builder()
        .attribute_name("expires")
        .enabled(true);
    let update = client.update_time_to_live().table_name("jobs");
    update
        .time_to_live_specification(specification.build().unwrap())
        .send()
        .await
        .unwrap();
    let described = client
        .describe_time_to_live()
        .table_name("jobs")
        .send()
        .await
        .unwrap();
    let status = described
        .time_to_live_description
        .unwrap()
        .time_to_live_status
        .unwrap();
    assert_eq!(status, TimeToLiveStatus::Enabled);
    let last_year = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        - 365 * 24 * 3600;
    let mut old = item("job-1");
    old.insert(
        "expires".to_owned(),
        AttributeValue::N(last_year.to_string()),
    );
    client
        .put_item()
        .table_name("jobs")
        .set_item(Some(old))
        .send()
        .await
        .unwrap();
    put(&client, "job-2").await;
    assert_eq!(engine.delete_expired().unwrap(), 1);
    assert_eq!(
        client.scan().table_name("jobs").send().await.unwrap().count,
        1
    );
}

#[tokio::test]
async fn what_the_service_refuses_is_a_validation_error() {
    let client = client().await;
    let put = client
        .put_item()
        .table_name("jobs")
        .item("pk", text("job-1"));
    let error = put.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"));
    assert!(
        error
            .meta()
            .message()
            .unwrap()
            .contains("Missing the key sk"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_value_the_service_cannot_read_is_a_validation_error() {
    let client = client().await;
    let put = client
        .put_item()
        .table_name("jobs")
        .set_item(Some(item("job-1")));
    let error = put
        .item("n", AttributeValue::N("no number".to_owned()))
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        error.into_service_error().meta().code(),
        Some("ValidationException")
    );
}

#[tokio::test]
async fn an_operation_the_engine_does_not_have_says_so() {
    let client = client().await;
    let error = client
        .describe_limits()
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(
        error.meta().message().unwrap().contains("DescribeLimits"),
        "{error:?}"
    );
}
