//! The customer's side and ours, each of the programs that a deployment has.

use crate::compat::{Items, export};
use crate::harness::{
    Api, Cloud, Credentials, Function, Gateway, Program, Relay, Repo, SOON, Way, binary, served,
    until,
};
use embedded_dynamodb::Engine;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use store::{Store, Tables};
use telemetry::Meter;
use tempfile::TempDir;
use tokio::sync::Mutex;
use web::{Clock, Entropy};

/// What the functions are called, whatever address they have.
const ORIGIN: &str = "http://ci.example.com";
/// For how long an invocation may go on that is to read every queue once: it ends when it would have no time for another round.
const ROUND: std::time::Duration = std::time::Duration::from_secs(7);

/// What the secret of the webhooks is.
const SECRET: &str = "It's a Secret to Everybody";

pub(super) struct World {
    pub(super) cloud: Cloud,
    pub(super) relay: Relay,
    pub(super) relay_id: String,
    pub(super) repo: Repo,
    /// The URLs of the relay's queues.
    pub(super) events: String,
    decisions: String,
    dead_letters: String,
    engine: Engine,
    gateway: Gateway,
    /// Where the functions find the tables.
    database: String,
    orchestrator: Mutex<Function>,
    _agent: Program,
    api: Api,
    directory: TempDir,
}

impl World {
    pub(super) async fn start(cloud: Cloud) -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let state = auth::Api {
            entropy: Entropy::system(),
            ..auth::Api::testing(store, Clock::system())
        };
        let credentials = Credentials::create(&state, "acme").await;
        let database = served(engine.clone()).await;
        let of_aws = cloud.variables();
        let mut functions = Vec::new();
        for (path, name) in [
            ("/api/relays", "relays"),
            ("/api/queue", "queue"),
            ("/api/agents", "agents"),
            ("/api/dashboard", "dashboard"),
        ] {
            functions.push((path, Function::start_with(name, &database, &of_aws).await));
        }
        let orchestrator = Function::start_with("orchestrator", &database, &of_aws).await;
        let gateway = Gateway::start(functions).await;
        let api = Api::new(&gateway.url, &credentials.api_token);

        let number = u64::from_le_bytes(Entropy::system().bytes());
        let role = Cloud::role(&format!("hybrid-ci-{number:x}"));
        let events = cloud.queue(&format!("events-{number:x}")).await;
        let decisions = cloud.queue(&format!("decisions-{number:x}")).await;
        let dead_letters = cloud.queue(&format!("dead-letters-{number:x}")).await;
        let queue = |address: &str| json!({ "provider": "AWS_SQS", "address": address });
        let body = json!({
            "name": "eu", "inbound_queue": queue(&events), "decision_queue": queue(&decisions),
            "dead_letter_queue": queue(&dead_letters), "role_arn": role,
        });
        let registered = api.post("/api/relays/register", &body).await.expect(201);
        let text = |pointer: &str| registered.pointer(pointer).and_then(Value::as_str).unwrap();
        cloud.trust(&role, text("/relay/external_id"));
        let directory = tempfile::tempdir().unwrap();
        let way = Way {
            plane: ORIGIN,
            proxy: Some(&gateway.url),
        };
        let token = text("/enrolment_token");
        let relay = Relay::start(directory.path(), way, token, (&cloud, &events), SECRET).await;
        let mut agent = Command::new(binary("hybrid-agent"));
        agent
            .args([
                "run",
                "--url",
                &gateway.url,
                "--pool",
                "default",
                "--directory",
            ])
            .arg(directory.path().join("agent"))
            .env("HYBRID_AGENT_KEY", &credentials.agent_key);
        Self {
            relay_id: text("/relay/relay_id").to_owned(),
            _agent: Program::start("agent", &mut agent, directory.path()),
            orchestrator: Mutex::new(orchestrator),
            repo: Repo::with_script("echo built $(git rev-parse HEAD)"),
            cloud,
            relay,
            events,
            decisions,
            dead_letters,
            engine,
            database,
            gateway,
            api,
            directory,
        }
    }

    pub(super) fn way(&self) -> Way<'_> {
        Way {
            plane: ORIGIN,
            proxy: Some(&self.gateway.url),
        }
    }

    /// Where an agent clones the repository from.
    pub(super) fn repository(&self) -> String {
        format!("file://{}", self.repo.path().display())
    }

    /// A minute has passed: the orchestrator reads every queue.
    pub(super) async fn poll(&self) {
        let event = json!({
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "123456789012", "time": "2025-10-08T16:53:06Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/orchestrator"], "detail": {},
        });
        let mut orchestrator = self.orchestrator.lock().await;
        orchestrator.outcome_within(&event, ROUND).await.unwrap();
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/relays/{}{rest}", self.relay_id)
    }

    /// Puts rules in the place of those of a version. The status.
    pub(super) async fn try_route(&self, seen: u64, rules: &Value) -> u16 {
        let client = Client::builder().no_proxy().build().unwrap();
        let call = client.request(
            Method::PUT,
            format!("{}{}", self.gateway.url, self.path("/routing")),
        );
        let call = call.bearer_auth(self.api.token());
        let call = call.header("if-match", format!("\"{seen}\"")).json(rules);
        call.send().await.unwrap().status().as_u16()
    }

    /// The same, for an orchestrator that begins anew: one that runs goes by what it has read for up to half a minute.
    pub(super) async fn route(&self, seen: u64, rules: &Value) {
        assert_eq!(self.try_route(seen, rules).await, 200);
        let of_aws = self.cloud.variables();
        let again = Function::start_with("orchestrator", &self.database, &of_aws).await;
        *self.orchestrator.lock().await = again;
    }

    /// Waits until the relay stands like that.
    pub(super) async fn hear_of(&self, health: &str) {
        until(&format!("the relay to be {health}"), SOON, async || {
            let seen = self.api.get(&self.path("")).await.expect(200);
            (seen["relay"]["health"] == health).then_some(())
        })
        .await;
    }

    /// Reads queues until what was delivered has been acted on. The event.
    pub(super) async fn event(&self, answer: &Value, outcome: &str) -> Value {
        let found = until("the event", 2 * SOON, async || {
            let listed = self.api.get(&self.path("/events")).await.expect(200);
            let mut events = listed["events"].as_array().unwrap().iter();
            let found = events.find(|event| {
                event
                    .to_string()
                    .contains(answer["event_id"].as_str().unwrap())
            });
            if found.is_none() {
                self.poll().await;
            }
            found.cloned()
        })
        .await;
        assert_eq!(found["outcome"], outcome, "{found}");
        found
    }

    /// The job that became of what was delivered.
    pub(super) async fn job_of(&self, answer: &Value) -> String {
        let event = self.event(answer, "ENQUEUED").await;
        event["job_id"].as_str().unwrap().to_owned()
    }

    /// Waits until a job has ended like that.
    pub(super) async fn ends(&self, job: &str, status: &str) -> Value {
        let path = format!("/api/queue/jobs/{job}");
        until(&format!("{job} to be {status}"), 2 * SOON, async || {
            let seen = self.api.get(&path).await.expect(200);
            (seen["job"]["status"] == status).then(|| seen["job"].clone())
        })
        .await
    }

    /// What its agent has kept of it.
    pub(super) fn log(&self, job: &Value) -> String {
        let name = format!("agent/logs/{}-1.log", job["job_id"].as_str().unwrap());
        fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    /// How many jobs there are.
    pub(super) async fn jobs(&self) -> usize {
        self.api.list("").await.len()
    }

    /// The next message that the customer is sent back, and why.
    pub(super) async fn dead_letter(&self) -> (String, String) {
        until("a dead letter", 2 * SOON, async || {
            let taken = self.cloud.take_with_subject(&self.dead_letters).await;
            if taken.is_none() {
                self.poll().await;
            }
            taken
        })
        .await
    }

    /// The next decision that the customer is sent.
    pub(super) async fn decision(&self) -> Value {
        let text = until("a decision", 2 * SOON, async || {
            let taken = self.cloud.take(&self.decisions).await;
            if taken.is_none() {
                self.poll().await;
            }
            taken
        })
        .await;
        serde_json::from_str(&text).unwrap()
    }

    pub(super) async fn items(&self) -> Items {
        export(&self.engine.client()).await
    }

    /// All that the functions have written to their logs.
    pub(super) async fn stdout(&self) -> String {
        self.gateway.stdout().await + &self.orchestrator.lock().await.stdout()
    }

    /// Ends the relay, and starts it with what its files say now.
    pub(super) async fn start_relay_again(&mut self) {
        self.relay.start_again((&self.cloud, &self.events)).await;
    }

    /// A person ends the relay's keys at once.
    pub(super) async fn revoke_keys(&self) {
        let now = json!({ "overlap_seconds": 0 });
        self.api
            .post(&self.path("/rotate-key"), &now)
            .await
            .expect(200);
    }

    /// Three minutes pass in which the relay was not heard of.
    pub(super) async fn silence(&self) {
        let scope = self.engine.client();
        let scanned = scope.scan().table_name("relays").send().await.unwrap();
        let mut items = scanned.items.unwrap().into_iter();
        let mut relay = items.find(|item| item.contains_key("heard")).unwrap();
        let heard = relay.get_mut("heard").unwrap();
        let aws_sdk_dynamodb::types::AttributeValue::M(heard) = heard else {
            panic!("{heard:?}");
        };
        let long_ago = Clock::system().now().plus_seconds(-181).as_millis();
        let long_ago = aws_sdk_dynamodb::types::AttributeValue::N(long_ago.to_string());
        heard.insert("at".to_owned(), long_ago);
        let put = scope.put_item().table_name("relays").set_item(Some(relay));
        put.send().await.unwrap();
    }
}
