//! Calls that were made, as the permissions that each takes on AWS.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value;

/// What a call needs a permission for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Permission {
    /// The table. Empty if the call is about none.
    pub table: String,
    /// The index, if it was asked.
    pub index: Option<String>,
    /// The action as IAM names it, such as `dynamodb:GetItem`.
    pub action: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            index,
            action,
        } = self;
        match index {
            Some(index) => write!(f, "{action} on {table}/index/{index}"),
            None => write!(f, "{action} on {table}"),
        }
    }
}

/// Which permissions the calls of some clients have needed, whatever came of the calls. Clones share it.
///
/// IAM knows no action for a transaction: each of its parts needs that of the call which would do the same alone, and a
/// check of a condition one of its own.
#[derive(Debug, Clone, Default)]
pub struct Recording(Arc<Mutex<BTreeSet<Permission>>>);

impl Recording {
    /// What was needed so far.
    pub fn permissions(&self) -> BTreeSet<Permission> {
        self.lock().clone()
    }

    pub(crate) fn add(&self, operation: &str, body: &[u8]) {
        self.lock().extend(needed(operation, body));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Permission>> {
        // What was added stays true whatever happened to another thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Named<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    index_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_items: BTreeMap<Cow<'a, str>, Value>,
    #[serde(borrow)]
    transact_items: Vec<BTreeMap<Cow<'a, str>, Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
}

/// A body that cannot be read names no table: what is recorded then is a permission that nobody can have been given, and
/// not nothing.
fn needed(operation: &str, body: &[u8]) -> Vec<Permission> {
    let named: Named<'_> = serde_json::from_slice(body).unwrap_or_default();
    let permission = |action: &str, table: &str| Permission {
        table: table.to_owned(),
        index: named.index_name.as_deref().map(str::to_owned),
        action: format!("dynamodb:{action}"),
    };
    let of_parts = named.transact_items.iter().flatten().map(|(kind, part)| {
        let action = match kind.as_ref() {
            "ConditionCheck" => "ConditionCheckItem".to_owned(),
            kind => format!("{kind}Item"),
        };
        permission(&action, &part.table_name)
    });
    let of_batch = named.request_items.keys();
    let several: Vec<_> = of_batch
        .map(|table| permission(operation, table))
        .chain(of_parts)
        .collect();
    if several.is_empty() {
        vec![permission(
            operation,
            named.table_name.as_deref().unwrap_or_default(),
        )]
    } else {
        several
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(operation: &str, body: &str) -> Vec<String> {
        let needed = needed(operation, body.as_bytes());
        needed.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_call_needs_the_action_of_its_name_on_its_table_or_index() {
        let get = said("GetItem", r#"{"TableName":"jobs","Key":{"pk":{"S":"a"}}}"#);
        assert_eq!(get, ["dynamodb:GetItem on jobs"]);
        let query = said("Query", r#"{"TableName":"jobs","IndexName":"ready"}"#);
        assert_eq!(query, ["dynamodb:Query on jobs/index/ready"]);
        assert_eq!(said("ListTables", "{}"), ["dynamodb:ListTables on "]);
    }

    #[test]
    fn a_batch_needs_its_action_on_each_table() {
        let body = r#"{"RequestItems":{"jobs":{"Keys":[]},"agents":{"Keys":[]}}}"#;
        assert_eq!(
            said("BatchGetItem", body),
            [
                "dynamodb:BatchGetItem on agents",
                "dynamodb:BatchGetItem on jobs"
            ]
        );
    }

    #[test]
    fn a_transaction_needs_what_its_parts_would_need_alone() {
        let body = r#"{"TransactItems":[
            {"Put":{"TableName":"a","Item":{"pk":{"S":"\n"}}}}, {"Update":{"TableName":"b"}},
            {"Delete":{"TableName":"c"}}, {"ConditionCheck":{"TableName":"d"}}]}"#;
        assert_eq!(
            said("TransactWriteItems", body),
            [
                "dynamodb:PutItem on a",
                "dynamodb:UpdateItem on b",
                "dynamodb:DeleteItem on c",
                "dynamodb:ConditionCheckItem on d"
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_over() {
        assert_eq!(
            said("TransactWriteItems", "{"),
            ["dynamodb:TransactWriteItems on "]
        );
    }
}
