//! What was measured: `docs/units.json`, which a flow test writes and compares, and `docs/bench-lambda.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What calls and passes take, counted by the embedded DynamoDB.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Units {
    /// By what is called.
    pub(crate) calls: BTreeMap<String, Call>,
    pub(crate) maintenance: Maintenance,
    pub(crate) stored_bytes: StoredBytes,
    pub(crate) seconds: Seconds,
}

/// One call of the API by a caller that the process knows already.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) dynamodb_calls: f64,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    /// The answer with its headers.
    pub(crate) answer_bytes: f64,
}

/// Read and write units.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spent {
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
}

/// What maintenance takes: each part that grows with something, for one of these.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Maintenance {
    /// One shard of a sweep in which nothing is due.
    pub(crate) sweep_of_a_shard: Spent,
    pub(crate) shards: f64,
    /// One roll-up without organisations.
    pub(crate) roll_up: Spent,
    pub(crate) roll_up_of_an_organisation: Spent,
    pub(crate) roll_up_of_a_waiting_job: Spent,
    pub(crate) roll_up_of_a_live_job: Spent,
    pub(crate) roll_up_of_a_job_that_ended: Spent,
    pub(crate) roll_up_of_an_agent: Spent,
    /// The records of one job that was enqueued and ended.
    pub(crate) records_of_a_job: Spent,
}

/// What stays in the tables and their indexes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredBytes {
    pub(crate) job_that_ended: f64,
    pub(crate) records_of_a_job: f64,
}

/// How often what happens, and how long what lasts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seconds {
    pub(crate) between_heartbeats: f64,
    pub(crate) between_polls: f64,
    pub(crate) job_is_kept: f64,
}

/// What `cargo xtask bench-lambda` measured.
#[derive(Debug, Deserialize)]
pub(crate) struct Functions {
    pub(crate) functions: BTreeMap<String, Function>,
}

/// One function.
#[derive(Debug, Deserialize)]
pub(crate) struct Function {
    pub(crate) first_dynamodb_answer_processor_ms: f64,
    pub(crate) warm_processor_ms: f64,
    pub(crate) log_bytes_of_call: f64,
}
