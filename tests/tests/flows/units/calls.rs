//! The calls of the API that make up most of a month.

use super::rounded;
use super::world::{Agent, Answer, World, job_of};
use crate::harness::Credentials;
use domain::timing::HEARTBEAT_INTERVAL_SECONDS;
use http::Method;
use serde_json::{Map, Value, json};

/// How many calls a mean is taken from.
const CALLS: usize = 20;

pub(crate) struct Calls {
    pub(crate) by_name: Map<String, Value>,
    pub(crate) seconds_between_polls: Value,
}

struct Counting {
    world: World,
    user: Credentials,
    calls: Calls,
}

/// What a kind of call has taken so far.
struct Count {
    dynamodb_calls: u64,
    read_units: f64,
    write_units: f64,
    bytes: usize,
    number: u32,
}

pub(crate) async fn measure() -> Calls {
    let world = World::new().await;
    let user = world.tenant("acme").await;
    // What the first call of a process does more than the others is not counted.
    world.enqueue(&user.api_token).await;
    let (agent, _) = world.register(&user.agent_key).await;
    let mut counting = Counting {
        world,
        user,
        calls: Calls {
            by_name: Map::new(),
            seconds_between_polls: Value::Null,
        },
    };
    counting.agents(&agent).await;
    let jobs = counting.lives(&agent).await;
    counting.looks(&jobs).await;
    counting.calls
}

impl Counting {
    async fn agents(&mut self, agent: &Agent) {
        let mut registrations = Count::new();
        let mut ends = Count::new();
        for _ in 0..CALLS {
            let before = self.world.consumed();
            let (other, answer) = self.world.register(&self.user.agent_key).await;
            registrations.add(&self.world, before, &answer);
            let before = self.world.consumed();
            let path = format!("/api/agents/{}/deregister", other.id);
            let call = (Method::POST, path.as_str());
            let answer = self.world.call(call, &other.token, &Value::Null).await;
            ends.add(&self.world, before, &answer);
        }
        self.note("register", "agents", &registrations);
        self.note("deregister", "agents", &ends);
        self.world.heartbeat(agent).await;
        let mut heartbeats = Count::new();
        for _ in 0..CALLS {
            let clock = &self.world.api.clock;
            clock.advance_seconds(HEARTBEAT_INTERVAL_SECONDS);
            let before = self.world.consumed();
            let answer = self.world.heartbeat(agent).await;
            heartbeats.add(&self.world, before, &answer);
        }
        self.note("heartbeat", "agents", &heartbeats);
    }

    /// Lives of jobs, and polls when there are no more. Which jobs those were.
    async fn lives(&mut self, agent: &Agent) -> Vec<String> {
        let first = job_of(&self.world.claim(agent).await);
        self.world.start(agent, &first).await;
        self.world.complete(agent, &first).await;
        let mut jobs = vec![first];
        let [
            mut enqueues,
            mut claims,
            mut starts,
            mut completes,
            mut polls,
        ] = [(); 5].map(|()| Count::new());
        let world = &self.world;
        for _ in 0..CALLS {
            let before = world.consumed();
            let answer = world.enqueue(&self.user.api_token).await;
            enqueues.add(world, before, &answer);
            // One in the same second as another reads less.
            world.api.clock.advance_seconds(1);
            let before = world.consumed();
            let answer = world.claim(agent).await;
            claims.add(world, before, &answer);
            let job = job_of(&answer);
            let before = world.consumed();
            let answer = world.start(agent, &job).await;
            starts.add(world, before, &answer);
            let before = world.consumed();
            let answer = world.complete(agent, &job).await;
            completes.add(world, before, &answer);
            jobs.push(job);
        }
        // The first that finds nothing sweeps, which the others of the same second do not.
        let nothing = world.claim(agent).await;
        self.calls.seconds_between_polls = nothing.body["retry_after_seconds"].clone();
        for _ in 0..CALLS {
            let before = world.consumed();
            let answer = world.claim(agent).await;
            polls.add(world, before, &answer);
        }
        for (name, count) in [
            ("enqueue", &enqueues),
            ("claim", &claims),
            ("claim, nothing there", &polls),
            ("start", &starts),
            ("complete", &completes),
        ] {
            self.note(name, "queue", count);
        }
        jobs
    }

    async fn looks(&mut self, jobs: &[String]) {
        let token = self.user.api_token.clone();
        let mut shown = Count::new();
        for job in jobs.iter().take(CALLS) {
            let path = format!("/api/queue/jobs/{job}");
            self.look(&mut shown, &path, &token).await;
        }
        self.note("show a job", "queue", &shown);
        for (name, function, path) in [
            ("list 20 jobs", "queue", "/api/queue/jobs?limit=20"),
            ("summary", "dashboard", "/api/dashboard/summary"),
        ] {
            let mut looks = Count::new();
            for _ in 0..CALLS {
                self.look(&mut looks, path, &token).await;
            }
            self.note(name, function, &looks);
        }
    }

    async fn look(&self, count: &mut Count, path: &str, token: &str) {
        let before = self.world.consumed();
        let call = (Method::GET, path);
        let answer = self.world.call(call, token, &Value::Null).await;
        count.add(&self.world, before, &answer);
    }

    fn note(&mut self, name: &str, function: &str, count: &Count) {
        let number = f64::from(count.number);
        let call = json!({
            "function": function,
            "dynamodb_calls": rounded(count.dynamodb_calls as f64 / number),
            "read_units": rounded(count.read_units / number),
            "write_units": rounded(count.write_units / number),
            "answer_bytes": count.bytes / count.number as usize,
        });
        self.calls.by_name.insert(name.to_owned(), call);
    }
}

impl Count {
    fn new() -> Self {
        Self {
            dynamodb_calls: 0,
            read_units: 0.0,
            write_units: 0.0,
            bytes: 0,
            number: 0,
        }
    }

    fn add(&mut self, world: &World, before: telemetry::Usage, answer: &Answer) {
        let now = world.consumed();
        self.dynamodb_calls += now.calls - before.calls;
        self.read_units += now.read_units - before.read_units;
        self.write_units += now.write_units - before.write_units;
        self.bytes += answer.bytes;
        self.number += 1;
    }
}
