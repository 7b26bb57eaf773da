//! What a round publishes, and what an invocation consumed.

use super::*;
use domain::agent;
use domain::deployment::{Deployment, DeploymentSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{DeploymentAction, NewDeployment};
use wire::DeploymentId;

/// What was published. Clones share it.
#[derive(Clone, Default)]
struct Published(Arc<std::sync::Mutex<Vec<u8>>>);

impl Published {
    fn sink(&self) -> MetricSink {
        MetricSink::to("test", self.0.clone())
    }

    fn take_text(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap()
    }

    fn take(&self) -> Vec<Value> {
        let text = self.take_text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The values of a line's metrics, after a look at whether the line says of itself what is in it.
fn values(line: &Value) -> BTreeMap<String, f64> {
    let about = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(about["Namespace"], "HybridCiCd");
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let dimensions = texts(&about["Dimensions"][0]);
    assert!(dimensions.iter().all(|name| line[name].is_string()));
    let metrics = about["Metrics"].as_array().unwrap();
    let members = line.as_object().unwrap().len();
    assert_eq!(members, 1 + dimensions.len() + metrics.len(), "{line}");
    metrics
        .iter()
        .map(|metric| metric["Name"].as_str().unwrap().to_owned())
        .map(|name| (name.clone(), line[&name].as_f64().unwrap()))
        .collect()
}

impl World {
    /// Another tenant of the same store.
    async fn neighbour(&self, name: &str) -> Self {
        let tenant = TenantId::parse(name).unwrap();
        let scope = self.store.create_tenant(&tenant, NOW).await.unwrap();
        let world = Self {
            engine: self.engine.clone(),
            store: self.store.clone(),
            scope,
            clock: Arc::clone(&self.clock),
        };
        world.pool(&pool()).await;
        world
    }

    async fn pool(&self, name: &PoolName) {
        let tenant = self.store.tenant(&self.scope);
        let write_id = WriteId::new(random());
        tenant.ensure_pool(name, NOW, &write_id).await.unwrap();
    }

    async fn overload(&self, agent: &AgentId) {
        let event = agent::Event::Heartbeat(agent::Metrics {
            cpu_percent: 100.0,
            memory_percent: 1.0,
            disk_percent: 1.0,
            uptime_seconds: 1,
        });
        let tenant = self.store.tenant(&self.scope);
        let write_id = WriteId::new(random());
        tenant
            .change_agent("test", agent, &event, self.now(), &write_id)
            .await
            .unwrap();
    }

    async fn deploy(&self) {
        let spec = DeploymentSpec {
            service_name: "shop".parse().unwrap(),
            service_version: "1.0".parse().unwrap(),
            git_commit_sha: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().unwrap(),
            git_author: None,
            build_job_id: None,
            test_job_id: None,
        };
        let id = DeploymentId::new(self.now(), id_bytes());
        let new = NewDeployment {
            deployment: Deployment::create(id.clone(), spec, "test".to_owned(), self.now()),
            request_sha256: None,
        };
        let tenant = self.store.tenant(&self.scope);
        let write_id = WriteId::new(random());
        tenant.create_deployment(&new, &write_id).await.unwrap();
        let job_id = JobId::new(self.now(), id_bytes());
        for action in [
            DeploymentAction::Stage {
                job_id: job_id.clone(),
            },
            DeploymentAction::Promote { job_id },
        ] {
            tenant
                .change_deployment(
                    "test",
                    &id,
                    &action,
                    ("test", self.now()),
                    &WriteId::new(random()),
                )
                .await
                .unwrap();
        }
    }
}

fn completed(agent_id: AgentId) -> JobEvent {
    JobEvent::Complete {
        agent_id,
        attempt: 1,
        exit_code: 0,
        duration_seconds: 1.0,
        cause: None,
        logs_url: None,
    }
}

#[tokio::test]
async fn a_round_publishes_the_sums_over_all_tenants_and_names_none() {
    let (published, acme) = (Published::default(), World::new().await);
    let globex = acme.neighbour("globex").await;
    let maintenance = acme.maintenance().with_metrics(published.sink());
    globex.pool(&"gpu".parse().unwrap()).await;
    acme.agent().await;
    acme.advance(30);
    assert_eq!(maintenance.sweep_pass().await.lost_agents, 1);
    globex.enqueue().await;
    let unwanted = globex.enqueue().await;
    acme.advance(15);
    let (busy, short) = (acme.agent().await, acme.agent().await);
    acme.overload(&short).await;
    globex.agent().await;
    for _ in 0..4 {
        acme.enqueue().await;
    }
    acme.advance(2);
    let first = acme.hold(&busy, 1).await.remove(0);
    maintenance.roll_up_pass().await;
    published.take();
    // One succeeds and one fails; another begins.
    acme.change(&first, &completed(busy.clone())).await;
    let failed = JobEvent::CloseByHand { succeeded: false };
    globex.change(&unwanted, &failed).await;
    acme.hold(&busy, 1).await;
    acme.deploy().await;
    globex.deploy().await;
    acme.advance(8);
    assert_eq!(maintenance.roll_up_pass().await.errors, 0);

    let text = published.take_text();
    assert!(!text.contains("acme") && !text.contains("globex"), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in &lines {
        assert_eq!(line["environment"], "test");
        assert_eq!(line["_aws"]["Timestamp"], acme.now().as_millis());
    }
    let mut environment = values(&lines[0]);
    let p95 = environment.remove("queue/p95_wait_ms").unwrap();
    assert!((2000.0..2400.0).contains(&p95), "{p95}");
    let expected = json!({
        "queue/avg_wait_ms": 2000.0, "queue/failure_rate": 0.5,
        "jobs/throughput": 2.0, "deployments/active": 2.0,
    });
    assert_eq!(json!(environment), expected);
    assert_eq!(lines[1]["pool"], "default");
    // Four and two agents were asked for by the round before, and a pool does not shrink at once.
    let expected = json!({
        "queue/depth": 3.0, "queue/running": 1.0, "queue/oldest_wait_seconds": 25.0,
        "pool/capacity": 3.0, "pool/idle": 2.0, "pool/desired_agents": 6.0,
        "agents/healthy": 2.0, "agents/degraded": 1.0, "agents/offline": 1.0,
    });
    assert_eq!(json!(values(&lines[1])), expected);
    assert_eq!(lines[2]["pool"], "gpu");
    assert!(values(&lines[2]).values().all(|value| *value == 0.0));

    // What ended is counted once.
    maintenance.roll_up_pass().await;
    assert_eq!(published.take()[0]["jobs/throughput"], 0.0);
}

#[tokio::test]
async fn an_invocation_publishes_what_it_consumed() {
    let (published, world) = (Published::default(), World::new().await);
    let maintenance = world.maintenance().with_metrics(published.sink());
    let event: Event = serde_json::from_str(include_str!(
        "../../../../events/maintenance-scheduled.json"
    ))
    .unwrap();
    let mut sums = [0.0, 0.0];
    for _ in 0..2 {
        // Its deadline has passed, so there is time for one pass of each.
        handle_one(event.clone(), &maintenance, NOW).await;
        for line in published.take() {
            if line["operation"].is_string() {
                let values = values(&line);
                sums[0] += values["capacity/read_units"];
                sums[1] += values["capacity/write_units"];
            }
        }
    }
    let total = world.store.meter().total();
    assert!(total.write_units > 0.0);
    assert!(
        (total.read_units - sums[0]).abs() < 1e-9,
        "{sums:?} {total:?}"
    );
    assert!(
        (total.write_units - sums[1]).abs() < 1e-9,
        "{sums:?} {total:?}"
    );
}

#[tokio::test]
async fn a_round_with_a_gap_publishes_nothing_that_would_pass_for_the_whole() {
    let published = Published::default();
    let world = World::new().await;
    let engine = Engine::memory().unwrap();
    // A store without tables: no part of the register can be read.
    let store = Store::new(
        engine.client(),
        Tables::default(),
        telemetry::Meter::default(),
    );
    let broken = Maintenance::new(store, Arc::new(|| NOW), Arc::new(random));
    let report = broken.with_metrics(published.sink()).roll_up_pass().await;
    assert_eq!(report.errors, store::DEADLINE_SHARDS as usize);
    assert_eq!(published.take(), Vec::<Value>::new());
    let whole = world.maintenance().with_metrics(published.sink());
    whole.roll_up_pass().await;
    assert_eq!(published.take().len(), 2);
}
