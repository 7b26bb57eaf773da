//! What happens without a request: what it takes by itself, and what more with each thing that it looks at.

use super::rounded;
use super::world::{Agent, World, job_of};
use aws_sdk_dynamodb::types::AttributeValue;
use maintenance::Maintenance;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use store::{DEADLINE_SHARDS, IndexSchema, Projection, TABLES, TableKind, TableSchema};
use telemetry::{MetricSink, Usage};

/// How many agents there are, each with two jobs.
const AGENTS: u32 = 100;
const JOBS: u32 = 2 * AGENTS;

/// An event is recorded when it is this old, in seconds.
const SETTLED_SECONDS: i64 = 200;

/// What DynamoDB adds to the size of an item and of an entry of an index.
const OVERHEAD_BYTES: usize = 100;

type Item = HashMap<String, AttributeValue>;

struct Counting {
    world: World,
    maintenance: Maintenance,
}

/// What is counted.
pub(crate) struct Counted {
    pub(crate) maintenance: Value,
    /// What stays in the tables.
    pub(crate) stored_bytes: Value,
    /// For how long a job is kept that has ended, in seconds.
    pub(crate) job_is_kept: i64,
}

pub(crate) async fn measure() -> Counted {
    let world = World::new().await;
    let clock = world.api.clock.clone();
    let sink = MetricSink::to("test", Arc::new(Mutex::new(Vec::new())));
    let maintenance = Maintenance::new(
        world.api.store.clone(),
        Arc::new(move || clock.now()),
        Arc::new(random),
    )
    .with_metrics(sink);
    let counting = Counting { world, maintenance };
    counting.measure().await
}

fn random() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .to_le_bytes()
}

impl Counting {
    async fn measure(&self) -> Counted {
        let before = self.world.consumed();
        assert_eq!(self.maintenance.sweep_pass().await.errors, 0);
        let sweep = since(self.world.consumed(), before);
        let empty = self.roll_up().await;
        let user = self.world.tenant("acme").await;
        self.world.enqueue(&user.api_token).await;
        self.roll_up().await;
        let with_organisation = self.roll_up().await;
        let mut agents = Vec::new();
        for _ in 0..AGENTS {
            agents.push(self.world.register(&user.agent_key).await.0);
        }
        let with_agents = self.roll_up().await;
        for _ in 0..JOBS {
            self.world.enqueue(&user.api_token).await;
        }
        let with_waiting = self.roll_up().await;
        let jobs = self.claim_all(&agents).await;
        let with_live = self.roll_up().await;
        for (agent, job) in &jobs {
            self.world.start(agent, job).await;
            self.world.complete(agent, job).await;
        }
        let with_ended = self.roll_up().await;
        let stored_jobs = self.stored_bytes(TableKind::Jobs).await;
        let job_is_kept = self.kept_seconds().await;
        self.world.api.clock.advance_seconds(SETTLED_SECONDS);
        let recording = self.roll_up().await;
        let stored_records = self.stored_bytes(TableKind::Audit).await;

        let shards = f64::from(DEADLINE_SHARDS);
        let number = f64::from(JOBS);
        let maintenance = json!({
            "shards": DEADLINE_SHARDS,
            "sweep_of_a_shard": spent(sweep, Usage::default(), shards),
            "roll_up": spent(empty, Usage::default(), 1.0),
            "roll_up_of_an_organisation": spent(with_organisation, empty, 1.0),
            "roll_up_of_an_agent": spent(with_agents, with_organisation, f64::from(AGENTS)),
            "roll_up_of_a_waiting_job": spent(with_waiting, with_agents, number),
            "roll_up_of_a_live_job": spent(with_live, with_agents, number),
            "roll_up_of_a_job_that_ended": spent(with_ended, with_agents, number),
            "records_of_a_job": spent(recording, with_ended, number),
        });
        let stored_bytes = json!({
            "job_that_ended": stored_jobs / JOBS as usize,
            "records_of_a_job": stored_records / JOBS as usize,
        });
        Counted {
            maintenance,
            stored_bytes,
            job_is_kept,
        }
    }

    /// Each agent claims two jobs; the one that was there before them is left.
    async fn claim_all<'a>(&self, agents: &'a [Agent]) -> Vec<(&'a Agent, String)> {
        let mut jobs = Vec::new();
        for agent in agents.iter().chain(agents) {
            self.world.heartbeat(agent).await;
            jobs.push((agent, job_of(&self.world.claim(agent).await)));
        }
        jobs
    }

    async fn roll_up(&self) -> Usage {
        let before = self.world.consumed();
        assert_eq!(self.maintenance.roll_up_pass().await.errors, 0);
        since(self.world.consumed(), before)
    }

    async fn items(&self, table: &TableSchema) -> Vec<Item> {
        let scan = self.world.engine.client().scan();
        let scan = scan.table_name(table.default_name).into_paginator();
        scan.items().send().try_collect().await.unwrap()
    }

    /// How long the jobs that have just ended are kept.
    async fn kept_seconds(&self) -> i64 {
        let now = self.world.api.now().as_millis() / 1000;
        let jobs = table(TableKind::Jobs);
        let items = self.items(jobs).await;
        let ends = items.iter().filter_map(|item| {
            let end = item.get(jobs.ttl_attribute)?.as_n().ok()?;
            Some(end.parse::<i64>().unwrap() - now)
        });
        ends.max().unwrap()
    }

    /// The bytes that a table and its indexes have.
    async fn stored_bytes(&self, kind: TableKind) -> usize {
        let table = table(kind);
        let mut bytes = 0;
        for item in self.items(table).await {
            bytes += size(&item, |_| true);
            bytes += table
                .indexes
                .iter()
                .filter(|index| item.contains_key(index.sort_key))
                .map(|index| size(&item, |name| is_projected(index, name)))
                .sum::<usize>();
        }
        bytes
    }
}

fn table(kind: TableKind) -> &'static TableSchema {
    TABLES.iter().find(|table| table.kind == kind).unwrap()
}

fn is_projected(index: &IndexSchema, name: &str) -> bool {
    let is_included = match index.projection {
        Projection::KeysOnly => false,
        Projection::Include(names) => names.contains(&name),
    };
    is_included || ["pk", "sk", index.partition_key, index.sort_key].contains(&name)
}

/// The size of an item, of those attributes.
fn size(item: &Item, counts: impl Fn(&str) -> bool) -> usize {
    let attributes = item.iter().filter(|(name, _)| counts(name));
    let bytes: usize = attributes
        .map(|(name, value)| name.len() + size_of(value))
        .sum();
    bytes + OVERHEAD_BYTES
}

fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        // Two digits a byte, and one more.
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        AttributeValue::M(map) => {
            let members = map.iter();
            3 + members
                .map(|(name, value)| 1 + name.len() + size_of(value))
                .sum::<usize>()
        }
        _ => 1,
    }
}

fn since(now: Usage, before: Usage) -> Usage {
    Usage {
        calls: now.calls - before.calls,
        read_units: now.read_units - before.read_units,
        write_units: now.write_units - before.write_units,
        lost_races: now.lost_races - before.lost_races,
    }
}

/// What one of so many things takes more than none.
fn spent(with: Usage, without: Usage, number: f64) -> Value {
    json!({
        "read_units": rounded((with.read_units - without.read_units) / number),
        "write_units": rounded((with.write_units - without.write_units) / number),
    })
}
