//! Faults a test asks for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::Value;

/// A call that the SDK is about to make.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The operation, such as `UpdateItem`.
    pub operation: &'a str,
    /// The table it is about; for a batch or a transaction the first one named. `ListTables` has none.
    pub table: Option<&'a str>,
    /// The number of calls this client made before this one, retries included.
    pub sequence: u64,
}

/// What befalls a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the call is answered.
    None,
    /// It is refused with `ProvisionedThroughputExceededException` and has no effect.
    Throttle,
    /// The connection breaks before the call arrives: it has no effect.
    DropBefore,
    /// The call is executed and the connection breaks before the answer arrives.
    DropAfter,
    /// A read that need not be consistent sees nothing, as if what it asks for had just been written. Any other call is
    /// answered.
    Unseen,
    /// The same for a read of several tables, which sees nothing of this one.
    UnseenIn(&'static str),
}

type Decide = dyn Fn(&Call<'_>) -> Fault + Send + Sync;

/// Decides the fault of each call of one client.
pub(crate) struct Policy {
    decide: Box<Decide>,
    calls: AtomicU64,
}

impl Policy {
    pub(crate) fn new(decide: impl Fn(&Call<'_>) -> Fault + Send + Sync + 'static) -> Self {
        Self {
            decide: Box::new(decide),
            calls: AtomicU64::new(0),
        }
    }

    pub(crate) fn decide(&self, operation: &str, body: &[u8]) -> Fault {
        let table = table_named_in(body);
        (self.decide)(&Call {
            operation,
            table: table.as_deref(),
            sequence: self.calls.fetch_add(1, Ordering::Relaxed),
        })
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    request_items: Option<BTreeMap<String, Value>>,
    #[serde(borrow)]
    transact_items: Option<Vec<BTreeMap<Cow<'a, str>, Member<'a>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
}

/// Whether a read asks to see every write that was acknowledged before.
pub(crate) fn is_consistent(body: &[u8]) -> bool {
    let asks = |read: &Value| read["ConsistentRead"] == Value::Bool(true);
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let tables = read["RequestItems"].as_object().into_iter().flatten();
    asks(&read) || tables.map(|(_, table)| table).any(asks)
}

fn table_named_in(body: &[u8]) -> Option<Cow<'_, str>> {
    let named: Named<'_> = serde_json::from_slice(body).ok()?;
    let of_batch = || named.request_items?.into_keys().next().map(Cow::Owned);
    let of_transaction = || {
        let first = named.transact_items?.into_iter().next()?;
        first.into_values().next()?.table_name
    };
    named.table_name.or_else(of_batch).or_else(of_transaction)
}

#[cfg(test)]
mod tests {
    use super::{is_consistent, table_named_in};

    #[test]
    fn the_table_is_found_in_plain_batch_and_transaction_bodies() {
        let bodies = [
            r#"{"Key":{"pk":{"S":"a"}},"TableName":"jobs"}"#,
            r#"{"RequestItems":{"jobs":{"Keys":[]}}}"#,
            r#"{"TransactItems":[{"Put":{"Item":{},"TableName":"jobs"}}]}"#,
        ];
        for body in bodies {
            assert_eq!(
                table_named_in(body.as_bytes()).as_deref(),
                Some("jobs"),
                "{body}"
            );
        }
        assert_eq!(table_named_in(b"{}"), None);
    }

    #[test]
    fn a_read_of_one_item_and_of_a_batch_may_ask_for_consistency() {
        for (body, expected) in [
            (r#"{"Key":{},"ConsistentRead":true}"#, true),
            (r#"{"Key":{},"ConsistentRead":false}"#, false),
            (r#"{"Key":{}}"#, false),
            (
                r#"{"RequestItems":{"jobs":{"Keys":[],"ConsistentRead":true}}}"#,
                true,
            ),
            (r#"{"RequestItems":{"jobs":{"Keys":[]}}}"#, false),
        ] {
            assert_eq!(is_consistent(body.as_bytes()), expected, "{body}");
        }
    }
}
