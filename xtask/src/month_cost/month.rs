//! What a month comes to: amounts from the measured units and the assumptions, and their price.

use anyhow::{Context, Result};

use super::assumptions::{self as assumed, Load};
use super::prices::Prices;
use super::units::{Functions, Spent, Units};

const SECONDS_OF_A_DAY: f64 = 86_400.0;
const GB: f64 = 1e9;
const MILLION: f64 = 1e6;

/// What is used in a month.
#[derive(Debug, Default)]
pub(crate) struct Month {
    pub(crate) agents: f64,
    pub(crate) requests: f64,
    pub(crate) heartbeats: f64,
    pub(crate) polls: f64,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    /// How many functions answer at a time, on average.
    pub(crate) at_a_time: f64,
    pub(crate) invocations: f64,
    pub(crate) gb_seconds: f64,
    pub(crate) out_gb: f64,
    pub(crate) log_gb: f64,
    pub(crate) stored_gb: f64,
    pub(crate) metrics: f64,
}

/// What that costs, in US dollars, by service.
#[derive(Debug)]
pub(crate) struct Bill {
    pub(crate) lines: [(&'static str, f64); 9],
}

impl Bill {
    pub(crate) fn total(&self) -> f64 {
        self.lines.iter().map(|(_, price)| price).sum()
    }
}

impl Month {
    /// A month with that load.
    ///
    /// # Errors
    ///
    /// If something that is used was not measured.
    pub(crate) fn of(load: Load, units: &Units, functions: &Functions) -> Result<Self> {
        let mut month = Self {
            metrics: assumed::METRICS_OF_ALL
                + assumed::POOL_NAMES * assumed::METRICS_OF_A_POOL
                + assumed::STORE_OPERATIONS * assumed::METRICS_OF_A_STORE_OPERATION
                + assumed::API_OPERATIONS * assumed::METRICS_OF_AN_API_OPERATION,
            ..Self::default()
        };
        let polls_that_find_nothing = month.calls(load, units, functions)?;
        month.sweeps_of_idle_processes(polls_that_find_nothing, units);
        month.maintenance(load, units, functions)?;
        month.orchestrator(functions)?;
        let jobs_a_day = load.jobs_per_day;
        let kept_days = units.seconds.job_is_kept / SECONDS_OF_A_DAY;
        month.stored_gb = (jobs_a_day * kept_days * units.stored_bytes.job_that_ended
            + jobs_a_day * assumed::AGE_DAYS * units.stored_bytes.records_of_a_job)
            / GB;
        Ok(month)
    }

    /// Adds all calls of the API. How many polls find nothing.
    fn calls(&mut self, load: Load, units: &Units, functions: &Functions) -> Result<f64> {
        let running = load.jobs_per_day * assumed::JOB_SECONDS / SECONDS_OF_A_DAY;
        let places = assumed::PLACES * assumed::BUSY;
        self.agents = (running * assumed::ATTEMPTS / places)
            .ceil()
            .max(assumed::LEAST_AGENTS);
        let agent_seconds = self.agents * assumed::DAYS * SECONDS_OF_A_DAY;
        self.heartbeats = agent_seconds / units.seconds.between_heartbeats;
        self.polls = agent_seconds / units.seconds.between_polls;
        let jobs = load.jobs_per_day * assumed::DAYS;
        let attempts = jobs * assumed::ATTEMPTS;
        let idle = (self.polls - attempts).max(0.0);
        let restarts = self.agents * assumed::DAYS * assumed::RESTARTS_PER_DAY;
        let looks = load.organisations * assumed::LOOKS_OF_AN_ORGANISATION;
        for (name, count) in [
            ("enqueue", jobs),
            ("claim", attempts),
            ("claim, nothing there", idle),
            ("start", attempts),
            ("complete", attempts),
            ("heartbeat", self.heartbeats),
            ("register", restarts),
            ("deregister", restarts),
            ("show a job", jobs * assumed::LOOKS_AT_A_JOB),
            ("list 20 jobs", looks),
            ("summary", looks),
        ] {
            self.call(name, count, units, functions)?;
        }
        Ok(idle)
    }

    fn call(&mut self, name: &str, count: f64, units: &Units, functions: &Functions) -> Result<()> {
        let call = units
            .calls
            .get(name)
            .with_context(|| format!("the units of `{name}` were not measured"))?;
        let function = functions
            .functions
            .get(&call.function)
            .with_context(|| format!("{} was not measured", call.function))?;
        self.requests += count;
        self.invocations += count;
        self.read_units += count * call.read_units;
        self.write_units += count * call.write_units;
        self.out_gb += count * call.answer_bytes / GB;
        self.log_gb += count * (function.log_bytes_of_call + assumed::ACCESS_LOG_BYTES) / GB;
        let processor =
            function.warm_processor_ms * assumed::WHOLE_PROCESSOR_MB / assumed::MEMORY_MB;
        // Lambda rounds each call up to a millisecond.
        let billed_ms = (call.dynamodb_calls * assumed::DYNAMODB_MS + processor).ceil();
        self.work(count * billed_ms / 1000.0);
        Ok(())
    }

    /// Adds seconds in which a function works.
    fn work(&mut self, seconds: f64) {
        self.gb_seconds += seconds * assumed::MEMORY_MB / 1024.0;
        self.at_a_time += seconds / (assumed::DAYS * SECONDS_OF_A_DAY);
    }

    /// A process whose poll finds nothing sweeps one shard, at most once a second.
    fn sweeps_of_idle_processes(&mut self, polls: f64, units: &Units) {
        let most = self.at_a_time.ceil() * assumed::DAYS * SECONDS_OF_A_DAY;
        self.spend(polls.min(most), &units.maintenance.sweep_of_a_shard);
    }

    fn maintenance(&mut self, load: Load, units: &Units, functions: &Functions) -> Result<()> {
        let own = &units.maintenance;
        let invocations = assumed::DAYS * SECONDS_OF_A_DAY / assumed::MAINTENANCE_EVERY_SECONDS;
        self.spend(
            invocations * assumed::SWEEPS * own.shards,
            &own.sweep_of_a_shard,
        );
        let jobs_a_second = load.jobs_per_day / SECONDS_OF_A_DAY;
        let roll_ups = invocations * assumed::ROLL_UPS;
        for (each, spent) in [
            (1.0, &own.roll_up),
            (load.organisations, &own.roll_up_of_an_organisation),
            (self.agents, &own.roll_up_of_an_agent),
            (
                jobs_a_second * assumed::WAIT_SECONDS,
                &own.roll_up_of_a_waiting_job,
            ),
            (
                jobs_a_second * assumed::JOB_SECONDS * assumed::ATTEMPTS,
                &own.roll_up_of_a_live_job,
            ),
            (
                jobs_a_second * assumed::COUNTED_ANEW_SECONDS,
                &own.roll_up_of_a_job_that_ended,
            ),
        ] {
            self.spend(roll_ups * each, spent);
        }
        self.spend(load.jobs_per_day * assumed::DAYS, &own.records_of_a_job);
        let function = functions
            .functions
            .get("maintenance")
            .context("maintenance was not measured")?;
        self.invocations += invocations;
        self.log_gb += invocations * function.log_bytes_of_call / GB;
        self.work(invocations * assumed::MAINTENANCE_SECONDS);
        Ok(())
    }

    /// The orchestrator looks for relays whether there are any or not. What their events take is not counted.
    fn orchestrator(&mut self, functions: &Functions) -> Result<()> {
        let invocations = assumed::DAYS * SECONDS_OF_A_DAY / assumed::ORCHESTRATOR_EVERY_SECONDS;
        self.read_units += invocations * assumed::ROUNDS * assumed::READ_UNITS_OF_A_ROUND;
        let function = functions
            .functions
            .get("orchestrator")
            .context("the orchestrator was not measured")?;
        self.invocations += invocations;
        self.log_gb += invocations * function.log_bytes_of_call / GB;
        self.work(invocations * assumed::ORCHESTRATOR_SECONDS);
        Ok(())
    }

    fn spend(&mut self, times: f64, spent: &Spent) {
        self.read_units += times * spent.read_units;
        self.write_units += times * spent.write_units;
    }

    /// What the month costs.
    pub(crate) fn bill(&self, prices: &Prices) -> Bill {
        let table_gb = prices.dynamodb.storage_per_gb_month
            + prices.dynamodb.point_in_time_recovery_per_gb_month;
        let kept_log_gb = self.log_gb * assumed::LOG_MONTHS * assumed::LOG_COMPRESSED;
        Bill {
            lines: [
                (
                    "DynamoDB, writes",
                    self.write_units / MILLION * prices.dynamodb.write_units_per_million,
                ),
                (
                    "DynamoDB, reads",
                    self.read_units / MILLION * prices.dynamodb.read_units_per_million,
                ),
                ("DynamoDB, storage and recovery", self.stored_gb * table_gb),
                (
                    "Lambda",
                    self.invocations / MILLION * prices.lambda.requests_per_million
                        + prices.lambda.gb_seconds.cost(self.gb_seconds),
                ),
                (
                    "API Gateway",
                    prices
                        .api_gateway
                        .requests_per_million
                        .cost(self.requests / MILLION),
                ),
                (
                    "CloudWatch, logs",
                    prices.cloudwatch.log_gb.cost(self.log_gb)
                        + kept_log_gb * prices.cloudwatch.log_storage_per_gb_month,
                ),
                (
                    "CloudWatch, metrics and alarms",
                    prices.cloudwatch.metrics.cost(self.metrics)
                        + assumed::ALARMS * prices.cloudwatch.alarm
                        + assumed::DASHBOARDS * prices.cloudwatch.dashboard,
                ),
                ("data out", prices.data_transfer.out_gb.cost(self.out_gb)),
                (
                    "secrets and key",
                    assumed::SECRETS * prices.secrets.secret + assumed::KEYS * prices.secrets.key,
                ),
            ],
        }
    }
}
