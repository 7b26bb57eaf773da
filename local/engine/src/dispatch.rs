//! One operation of DynamoDB: JSON in, JSON out.

use crate::fault::is_consistent;
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What goes back to the SDK.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The refusal of DynamoDB when a table gets more than it is provisioned for.
    pub(crate) fn throttled() -> Self {
        Self::of_error(&DynoxideError::ProvisionedThroughputExceededException(
            "The level of configured provisioned throughput for the table was exceeded.".to_owned(),
        ))
    }

    /// What a read that need not be consistent answers if it sees nothing; none for any other call.
    pub(crate) fn unseen(operation: &str, body: &[u8]) -> Option<Self> {
        let nothing: &[u8] = match operation {
            "GetItem" => br"{}",
            "BatchGetItem" => br#"{"Responses":{},"UnprocessedKeys":{}}"#,
            "Query" => br#"{"Items":[],"Count":0,"ScannedCount":0}"#,
            _ => return None,
        };
        (!is_consistent(body)).then(|| Self {
            status: 200,
            body: nothing.to_vec(),
        })
    }

    /// The answer to a read of several tables that need not be consistent, without what was found in that one.
    pub(crate) fn without_table(mut self, table: &str, request: &[u8]) -> Self {
        if is_consistent(request) {
            return self;
        }
        let Ok(mut answer) = serde_json::from_slice::<serde_json::Value>(&self.body) else {
            return self;
        };
        if let Some(tables) = answer["Responses"].as_object_mut() {
            tables.remove(table);
            self.body = answer.to_string().into_bytes();
        }
        self
    }

    /// What is left to say when the database broke off.
    pub(crate) fn panicked() -> Self {
        Self::of_error(&DynoxideError::InternalServerError(
            "the embedded database panicked".to_owned(),
        ))
    }

    fn of_error(error: &DynoxideError) -> Self {
        Self {
            status: error.status_code(),
            body: error.to_json().into_bytes(),
        }
    }
}

/// What becomes of a transaction's token, by which DynamoDB knows one that is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// It is remembered for ten minutes, as on AWS.
    Remembered,
    /// It is forgotten, for callers who never send a transaction again: the database looks through all that it remembers
    /// at every transaction, which takes the longer the more there are.
    Forgotten,
}

/// Executes `operation`, the last part of the SDK's `X-Amz-Target` header.
pub(crate) fn dispatch(database: &Database, operation: &str, body: &[u8], token: Token) -> Answer {
    let result = match operation {
        "GetItem" => call(body, |request| database.get_item(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "UpdateItem" => call(body, |request| database.update_item(request)),
        "DeleteItem" => call(body, |request| database.delete_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
        "TransactGetItems" => call(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => call(body, |mut request: TransactWriteItemsRequest| {
            if token == Token::Forgotten {
                request.client_request_token = None;
            }
            database.transact_write_items(request)
        }),
        "CreateTable" => call(body, |request| database.create_table(request)),
        "UpdateTable" => call(body, |request| database.update_table(request)),
        "DescribeTable" => call(body, |request| database.describe_table(request)),
        "ListTables" => call(body, |request| database.list_tables(request)),
        "DeleteTable" => call(body, |request| database.delete_table(request)),
        "UpdateTimeToLive" => call(body, |request| database.update_time_to_live(request)),
        "DescribeTimeToLive" => call(body, |request| database.describe_time_to_live(request)),
        unknown => Err(DynoxideError::UnsupportedCapability(unknown.to_owned())),
    };
    match result {
        Ok(body) => Answer { status: 200, body },
        Err(error) => {
            tracing::debug!(operation, status = error.status_code(), %error, "DynamoDB refused a call");
            Answer::of_error(&error)
        }
    }
}

fn call<Request, Response>(
    body: &[u8],
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<Vec<u8>, DynoxideError>
where
    Request: DeserializeOwned,
    Response: Serialize,
{
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let response = run(request)?;
    serde_json::to_vec(&response)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// A body the SDK wrote is always JSON of the right shape, so what cannot be read is a value that DynamoDB refuses: the
/// database marks these in the message, as `VALIDATION:` or `VALIDATION_REQUEST:` and the text.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(text, _)| text);
    match message
        .split_once("VALIDATION:")
        .or_else(|| message.split_once("VALIDATION_REQUEST:"))
    {
        Some((_, text)) => DynoxideError::ValidationException(text.to_owned()),
        None => DynoxideError::SerializationException(message.to_owned()),
    }
}
