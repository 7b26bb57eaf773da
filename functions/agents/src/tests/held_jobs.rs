//! What a heartbeat tells the agent of the jobs that it holds.

use super::{NOW, World, call, heartbeat};
use domain::job::{Holder, Job, JobSpec};
use embedded_dynamodb::Fault;
use http::Method;
use serde_json::{Value, json};
use store::{ClaimOrder, ClaimWish, Enqueued, NewJob, Store, Tables};
use telemetry::Meter;
use wire::{AgentId, JobId, PoolName, Priority};

/// Has the agent claim a new job.
async fn claimed(world: &World, agent: &str) -> Job {
    let (api, tenant) = (&world.api, world.api.store.tenant(&world.scope));
    let pool: PoolName = "linux".parse().unwrap();
    let spec = JobSpec {
        job_type: "build".parse().unwrap(),
        pool_name: pool.clone(),
        git_repo: "https://git.example.com/shop.git".parse().unwrap(),
        git_ref: None,
        git_commit_sha: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().unwrap(),
        git_author: None,
        tags: wire::Tags::new(),
        spec_ref: None,
        spec_sha256: None,
        timeout_seconds: 60,
        max_attempts: 3,
    };
    let id = JobId::new(NOW, api.entropy.bytes());
    let new = NewJob {
        job: Job::enqueue(id, spec, Priority::Normal, "test".to_owned(), NOW),
        ready_shards: 1,
        request_sha256: None,
        origin: None,
    };
    let enqueued = tenant.enqueue_job(new, NOW, &api.write_id()).await.unwrap();
    assert!(matches!(enqueued, Enqueued::Created(_)));
    let wish = ClaimWish {
        pool: &pool,
        ready_shards: 1,
        holder: &Holder {
            agent_id: AgentId::parse(agent).unwrap(),
            epoch: 1,
        },
        max_jobs: 1,
        order: &ClaimOrder::default(),
    };
    let claimed = tenant
        .claim_jobs(&wish, NOW, || api.entropy.bytes())
        .await
        .unwrap();
    claimed.jobs.into_iter().next().unwrap()
}

fn holding(jobs: &[(&JobId, u32)]) -> Value {
    let jobs: Vec<_> = jobs
        .iter()
        .map(|(job_id, attempt)| json!({ "job_id": job_id, "attempt": attempt }))
        .collect();
    let mut body = heartbeat(1.0);
    body["jobs"] = json!(jobs);
    body
}

#[tokio::test]
async fn a_job_that_is_too_new_to_be_seen_is_not_taken_from_its_agent() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    let job = claimed(&world, &id).await;
    let never = JobId::new(NOW, world.api.entropy.bytes());
    let client = world.engine.client_with(|call| match call.table {
        Some("jobs") => Fault::Unseen,
        _ => Fault::None,
    });
    let behind = auth::Api {
        store: Store::new(client, Tables::default(), Meter::default()),
        ..world.api.clone()
    };
    let tenant = behind.store.tenant(&world.scope);
    let seen = tenant.jobs_by_ids(std::slice::from_ref(&job.job_id)).await;
    assert_eq!(seen.unwrap(), []);
    let app = web::app(
        crate::routes(behind.clone(), super::nobody())
            .into_parts()
            .0,
    );
    let path = format!("/api/agents/{id}/heartbeat");
    let body = holding(&[(&job.job_id, 1), (&never, 1)]);
    let (status, answer) = call(&app, Method::POST, &path, &bearer, body).await;
    assert_eq!(status, 200, "{answer}");
    let dropped = json!([{ "job_id": never, "attempt": 1 }]);
    assert_eq!(
        (&answer["drop"], &answer["cancel"]),
        (&dropped, &json!([])),
        "{answer}"
    );
}
