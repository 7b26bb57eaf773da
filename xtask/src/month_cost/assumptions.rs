//! What nobody can measure: how the control plane is used. Each is said in the report.

/// How much is used at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) jobs_per_day: f64,
    pub(crate) organisations: f64,
}

/// The loads that are reported.
pub(crate) const LOADS: [Load; 3] = [
    Load {
        jobs_per_day: 1e3,
        organisations: 1.0,
    },
    Load {
        jobs_per_day: 1e5,
        organisations: 20.0,
    },
    Load {
        jobs_per_day: 1e7,
        organisations: 500.0,
    },
];

/// The days of a month.
pub(crate) const DAYS: f64 = 30.0;

/// How long a job runs.
pub(crate) const JOB_SECONDS: f64 = 180.0;
/// How long it waits in line.
pub(crate) const WAIT_SECONDS: f64 = 30.0;
/// How often it is claimed, started and completed.
pub(crate) const ATTEMPTS: f64 = 1.05;

/// How many jobs an agent runs at a time at most.
pub(crate) const PLACES: f64 = 4.0;
/// How much of that is in use on average.
pub(crate) const BUSY: f64 = 0.5;
/// The least number of agents.
pub(crate) const LEAST_AGENTS: f64 = 2.0;
/// How often a day an agent is started anew.
pub(crate) const RESTARTS_PER_DAY: f64 = 1.0;

/// How often each job is looked at by itself.
pub(crate) const LOOKS_AT_A_JOB: f64 = 5.0;
/// How often each organisation lists jobs and looks at the summary in a month: once a minute for ten hours of 22 days.
pub(crate) const LOOKS_OF_AN_ORGANISATION: f64 = 60.0 * 10.0 * 22.0;

/// The names of pools that have metrics of their own.
pub(crate) const POOL_NAMES: f64 = 5.0;
/// Metrics by name of a pool, and those of everything together.
pub(crate) const METRICS_OF_A_POOL: f64 = 9.0;
pub(crate) const METRICS_OF_ALL: f64 = 5.0;
/// Operations of the store whose capacity is published, and metrics of each.
pub(crate) const STORE_OPERATIONS: f64 = 50.0;
pub(crate) const METRICS_OF_A_STORE_OPERATION: f64 = 3.0;
/// Operations of the API that are called, and metrics of each.
pub(crate) const API_OPERATIONS: f64 = 30.0;
pub(crate) const METRICS_OF_AN_API_OPERATION: f64 = 3.0;
/// Alarms, dashboards, secrets and keys.
pub(crate) const ALARMS: f64 = 36.0;
pub(crate) const DASHBOARDS: f64 = 1.0;
pub(crate) const SECRETS: f64 = 3.0;
pub(crate) const KEYS: f64 = 1.0;

/// How long a call of DynamoDB takes from Lambda.
pub(crate) const DYNAMODB_MS: f64 = 5.0;
/// The memory of a function, and that at which it has a whole processor; its part of one is the ratio.
pub(crate) const MEMORY_MB: f64 = 256.0;
pub(crate) const WHOLE_PROCESSOR_MB: f64 = 1769.0;
/// How often maintenance is started and how long it goes on; how often in that time it sweeps and rolls up.
pub(crate) const MAINTENANCE_EVERY_SECONDS: f64 = 60.0;
pub(crate) const MAINTENANCE_SECONDS: f64 = 65.0;
pub(crate) const SWEEPS: f64 = 33.0;
pub(crate) const ROLL_UPS: f64 = 3.0;
/// For how long a job that ended is counted anew by each roll-up, on average: half a slot of ten minutes, and the two
/// after it.
pub(crate) const COUNTED_ANEW_SECONDS: f64 = 7.0 * 60.0;

/// How often the orchestrator is started and how long it goes on, how many rounds it makes in that time, and what each reads
/// where no relay is polled: one query, half a unit, for each of four shards.
pub(crate) const ORCHESTRATOR_EVERY_SECONDS: f64 = 60.0;
pub(crate) const ORCHESTRATOR_SECONDS: f64 = 58.0;
pub(crate) const ROUNDS: f64 = 12.0;
pub(crate) const READ_UNITS_OF_A_ROUND: f64 = 2.0;

/// A line of API Gateway's access log.
pub(crate) const ACCESS_LOG_BYTES: f64 = 400.0;
/// How long logs are kept, in months, and what is left of them when they are compressed.
pub(crate) const LOG_MONTHS: f64 = 12.0;
pub(crate) const LOG_COMPRESSED: f64 = 0.15;
/// How old the plane is, in days: records are kept for ever.
pub(crate) const AGE_DAYS: f64 = 365.0;

/// The assumptions, in words.
pub(crate) fn in_words() -> Vec<String> {
    let organisations = LOADS.map(|load| load.organisations.to_string()).join(", ");
    vec![
        format!(
            "{organisations} organisations. A job waits {WAIT_SECONDS} s, runs {JOB_SECONDS} s and takes {ATTEMPTS} attempts."
        ),
        format!(
            "An agent runs {PLACES} jobs at a time and is {:.0} % busy, so that it always asks for more; there are at least \
             {LEAST_AGENTS}, and starts of each a day: {RESTARTS_PER_DAY}.",
            BUSY * 100.0
        ),
        format!(
            "Each job is looked at {LOOKS_AT_A_JOB} times; each organisation lists jobs and looks at the summary {} times a \
             month.",
            crate::table::number(LOOKS_OF_AN_ORGANISATION)
        ),
        format!(
            "A call of DynamoDB takes {DYNAMODB_MS} ms. A function with {MEMORY_MB} MB has {:.0} % of a processor as fast as \
             the one that was measured. Cold starts are not counted.",
            MEMORY_MB / WHOLE_PROCESSOR_MB * 100.0
        ),
        format!(
            "Maintenance starts every {MAINTENANCE_EVERY_SECONDS} s, goes on for {MAINTENANCE_SECONDS} s, sweeps {SWEEPS} times \
             and rolls up {ROLL_UPS} times."
        ),
        format!(
            "The orchestrator starts every {ORCHESTRATOR_EVERY_SECONDS} s, goes on for {ORCHESTRATOR_SECONDS} s and makes {ROUNDS} rounds. \
             No relay has sent anything: all jobs come over the API."
        ),
        format!(
            "A line of the access log has {ACCESS_LOG_BYTES} bytes, logs are kept {LOG_MONTHS} months, and Lambda's own lines \
             are off. The plane is {AGE_DAYS} days old. All answers leave AWS."
        ),
        format!(
            "{POOL_NAMES} names of pools, {STORE_OPERATIONS} operations of the store and {API_OPERATIONS} of the API have \
             metrics; {ALARMS} alarms, {DASHBOARDS} dashboard, {SECRETS} secrets, {KEYS} key."
        ),
    ]
}
