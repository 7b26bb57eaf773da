//! What an agent and its user do, once through.

use crate::client::{Call, CallError, Client, Repeat};
use crate::steps::{Found, Steps, Stopped};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use wire::{
    AgentId, AgentStatus, Cause, ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse,
    Directive, HeartbeatRequest, HeartbeatResponse, HeldJob, Job, JobId, JobResponse, JobStatus,
    PoolName, RegisterResponse, StartRequest,
};

/// What the token must be allowed.
const SCOPES: [&str; 5] = [
    "agents:enrol",
    "agents:read",
    "agents:write",
    "jobs:read",
    "jobs:write",
];
/// The scope that has all others in it.
const EVERYTHING: &str = "admin";
/// How long an enrolment token is good that nobody used and nobody revoked.
const ENROLMENT_SECONDS: u32 = 300;
/// How often registering is tried: each time takes another token.
const REGISTRATIONS: u32 = 3;
/// How much longer a step may take that waits for the control plane's own clock: a back-off of 5 s, and up to 30 s
/// until the job is in line again.
const PATIENCE: u32 = 4;
/// How long a claim waits at least, and at most, before the next.
const CLAIM_WAIT: (f64, f64) = (0.2, 2.0);

/// Where it happens.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) token: SecretString,
    pub(crate) pool: PoolName,
    pub(crate) expect_version: Option<String>,
    /// How long a step may take.
    pub(crate) limit: Duration,
}

#[derive(Debug, Deserialize)]
struct Health {
    status: String,
    version: String,
}

#[derive(Debug, Deserialize)]
struct Validated {
    scopes: BTreeSet<String>,
    organisation_id: String,
    expires_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct EnrolmentCreated {
    enrolment_token: String,
}

/// This run's agent.
#[derive(Debug)]
struct Agent {
    id: AgentId,
    session: SecretString,
}

/// What can be found out without changing anything.
pub(crate) async fn look(world: &World, steps: &mut Steps<'_>) -> Result<(), Stopped> {
    steps.run("health", world.limit, health(world)).await?;
    steps.run("token", world.limit, token(world)).await
}

/// Two jobs: one that succeeds, and one that fails once.
pub(crate) async fn work(world: &World, steps: &mut Steps<'_>) -> Result<(), Stopped> {
    let limit = world.limit;
    let enrolment = steps.run("enrol", limit, enrol(world)).await?;
    steps.hide(&enrolment);
    let agent = steps
        .run("register", limit, register(world, enrolment))
        .await?;
    steps.hide(&agent.session);

    let job = steps
        .run("enqueue", limit, enqueue(world, "succeeds", 1))
        .await?;
    let job = steps
        .run("claim", limit, claim(world, &agent, &job, 1))
        .await?;
    steps
        .run("start", limit, start(world, &agent, &job))
        .await?;
    steps
        .run("heartbeat", limit, heartbeat(world, &agent, &job))
        .await?;
    steps
        .run("complete", limit, succeed(world, &agent, &job))
        .await?;
    steps
        .run("result", limit, result(world, &agent, &job.job_id))
        .await?;

    let job = steps.run("fail", limit, fail(world, &agent)).await?;
    steps
        .run("retry", limit * PATIENCE, retry(world, &agent, &job))
        .await
}

async fn health(world: &World) -> Found<()> {
    let health: Health = world.client.send(Call::get("/health")).await?;
    if health.status != "healthy" {
        return Err(format!(
            "/health answers `{}`, not `healthy`",
            health.status
        ));
    }
    match &world.expect_version {
        Some(expected) if *expected != health.version => Err(format!(
            "version {} answers, and {expected} is expected",
            health.version
        )),
        Some(_) | None => Ok(((), format!("version {}", health.version))),
    }
}

async fn token(world: &World) -> Found<()> {
    let call = Call::post("/auth/validate", Repeat::Harmless).by(&world.token);
    let validated: Validated = match world.client.send(call).await {
        Err(error) if error.is(401) => {
            return Err(format!(
                "the token is refused: it is wrong, has ended or was revoked, or is for another environment ({error})"
            ));
        }
        answer => answer?,
    };
    let missing: Vec<_> = SCOPES
        .into_iter()
        .filter(|scope| !validated.scopes.contains(*scope))
        .collect();
    if !missing.is_empty() && !validated.scopes.contains(EVERYTHING) {
        return Err(format!(
            "the token lacks {}; it needs {}",
            missing.join(", "),
            SCOPES.join(", ")
        ));
    }
    let ends = validated
        .expires_at
        .map_or("never".to_owned(), |at| format!("at {at}"));
    Ok((
        (),
        format!(
            "of the organisation {}, ends {ends}",
            validated.organisation_id
        ),
    ))
}

async fn enrol(world: &World) -> Found<SecretString> {
    let request = json!({
        "name": "hybrid-smoke", "pool_name": world.pool, "expires_in_seconds": ENROLMENT_SECONDS,
    });
    // One that is made twice is revoked at the end.
    let call = Call::post("/api/agents/enrolment-tokens", Repeat::Harmless)
        .by(&world.token)
        .json(&request);
    let created: EnrolmentCreated = world.client.send(call).await?;
    let token = SecretString::from(created.enrolment_token);
    Ok((
        token,
        format!("a single-use token for the pool {}", world.pool),
    ))
}

async fn register(world: &World, enrolment: SecretString) -> Found<Agent> {
    let request = json!({
        "pool_name": world.pool, "version": env!("CARGO_PKG_VERSION"), "hostname": "hybrid-smoke",
        "max_concurrent_jobs": 1,
    });
    let mut enrolment = enrolment;
    for tried in 1.. {
        let call = Call::post("/api/agents/register", Repeat::Never)
            .by(&enrolment)
            .json(&request);
        match world.client.send::<RegisterResponse>(call).await {
            // The token may be used up although the answer was lost.
            Err(CallError::Later(error, _)) if tried < REGISTRATIONS => {
                world.client.note(error);
                (enrolment, _) = enrol(world).await?;
            }
            answer => {
                let registered = answer?;
                let detail = format!(
                    "{}, a lease of {} s",
                    registered.agent_id, registered.lease_seconds
                );
                let session = SecretString::from(registered.session_token);
                return Ok((
                    Agent {
                        id: registered.agent_id,
                        session,
                    },
                    detail,
                ));
            }
        }
    }
    Err("not reached".to_owned())
}

async fn enqueue(world: &World, name: &str, max_attempts: u32) -> Found<Job> {
    let request = json!({
        "job_type": "smoke", "pool_name": world.pool, "max_attempts": max_attempts, "timeout_seconds": 300,
        // Nobody fetches it: this run's agent has nothing to run.
        "git_repo": "https://example.com/smoke.git", "git_commit_sha": "0".repeat(40),
        "tags": { "smoke": name },
    });
    let call = Call::post("/api/queue/jobs", Repeat::Harmless)
        .by(&world.token)
        .key(format!("{}-{name}", world.pool))
        .json(&request);
    let job = world.client.send::<JobResponse>(call).await?.job;
    expect("status", job.status, JobStatus::Queued)?;
    let detail = job.job_id.to_string();
    Ok((job, detail))
}

async fn job(world: &World, id: &JobId) -> Result<Job, CallError> {
    let call = Call::get(format!("/api/queue/jobs/{id}")).by(&world.token);
    Ok(world.client.send::<JobResponse>(call).await?.job)
}

/// Asks for work until it is given the job.
async fn claim(world: &World, agent: &Agent, wanted: &Job, attempt: u32) -> Found<Job> {
    let request = ClaimRequest {
        pool_name: Some(world.pool.clone()),
        max_jobs: Some(1),
    };
    loop {
        let call = Call::post("/api/queue/claim", Repeat::Never)
            .by(&agent.session)
            .json(&request);
        let wait = match world.client.send::<ClaimResponse>(call).await {
            Ok(ClaimResponse { job: Some(job), .. }) if job.job_id == wanted.job_id => {
                return claimed(job, attempt);
            }
            Ok(ClaimResponse { job: Some(job), .. }) => {
                return Err(format!(
                    "the agent was given {}, which this run did not enqueue",
                    job.job_id
                ));
            }
            Ok(nothing) => nothing.retry_after_seconds,
            Err(CallError::Later(error, asked)) => {
                world.client.note(error);
                asked.map_or(CLAIM_WAIT.0, |asked| asked.as_secs_f64())
            }
            Err(error) => return Err(error.into()),
        };
        let job = job(world, &wanted.job_id).await?;
        match (job.status, &job.claimed_by_agent) {
            (JobStatus::Queued, _) => {}
            // It was given to this agent, and the answer was lost.
            (JobStatus::Claimed, Some(holder)) if *holder == agent.id => {
                return claimed(job, attempt);
            }
            (status, holder) => {
                let whose = holder
                    .as_ref()
                    .map_or("nobody".to_owned(), AgentId::to_string);
                return Err(format!(
                    "{} was taken from this run: it is {status}, of {whose}; another agent works for the pool {}",
                    job.job_id, world.pool
                ));
            }
        }
        world.client.note(format!(
            "{} waits, and the agent is not given it",
            job.job_id
        ));
        tokio::time::sleep(Duration::from_secs_f64(
            wait.clamp(CLAIM_WAIT.0, CLAIM_WAIT.1),
        ))
        .await;
        beat(world, agent, Vec::new()).await?;
    }
}

fn claimed(job: Job, attempt: u32) -> Found<Job> {
    expect("attempt", job.attempt, attempt)?;
    let detail = format!("{}, attempt {attempt}", job.job_id);
    Ok((job, detail))
}

async fn start(world: &World, agent: &Agent, job: &Job) -> Found<()> {
    let request = StartRequest {
        attempt: job.attempt,
    };
    let call = Call::patch(format!("/api/queue/jobs/{}/start", job.job_id))
        .by(&agent.session)
        .json(&request);
    let started = world.client.send::<JobResponse>(call).await?.job;
    expect("status", started.status, JobStatus::Running)?;
    Ok(((), "RUNNING".to_owned()))
}

async fn beat(
    world: &World,
    agent: &Agent,
    jobs: Vec<HeldJob>,
) -> Result<HeartbeatResponse, CallError> {
    let request = HeartbeatRequest {
        cpu_percent: 1.0,
        memory_percent: 1.0,
        disk_percent: 1.0,
        uptime_seconds: 1,
        jobs,
    };
    let path = format!("/api/agents/{}/heartbeat", agent.id);
    let call = Call::post(path, Repeat::Harmless)
        .by(&agent.session)
        .json(&request);
    world.client.send(call).await
}

async fn heartbeat(world: &World, agent: &Agent, job: &Job) -> Found<()> {
    let held = HeldJob {
        job_id: job.job_id.clone(),
        attempt: job.attempt,
    };
    let answer = beat(world, agent, vec![held]).await?;
    expect("status", answer.status, AgentStatus::Healthy)?;
    expect("directive", answer.directive, Directive::Run)?;
    if !(answer.cancel.is_empty() && answer.dropped.is_empty()) {
        return Err("the agent is told to give up the job that it runs".to_owned());
    }
    Ok((
        (),
        format!("HEALTHY, session until {}", answer.session_expires_at),
    ))
}

async fn report(
    world: &World,
    agent: &Agent,
    job: &Job,
    exit_code: i32,
) -> Result<CompleteResponse, CallError> {
    let request = CompleteRequest {
        attempt: job.attempt,
        exit_code,
        duration_seconds: 0.1,
        cause: None,
        logs_url: None,
    };
    let path = format!("/api/queue/jobs/{}/complete", job.job_id);
    world
        .client
        .send(Call::patch(path).by(&agent.session).json(&request))
        .await
}

async fn succeed(world: &World, agent: &Agent, job: &Job) -> Found<()> {
    let completed = report(world, agent, job, 0).await?;
    expect("status", completed.job.status, JobStatus::Completed)?;
    expect("retried", completed.retried, false)?;
    Ok(((), "exit code 0".to_owned()))
}

/// The job as its user sees it.
async fn result(world: &World, agent: &Agent, id: &JobId) -> Found<()> {
    let job = job(world, id).await?;
    expect("status", job.status, JobStatus::Completed)?;
    expect("exit_code", job.exit_code, Some(0))?;
    if job.claimed_by_agent.as_ref() != Some(&agent.id) {
        return Err("the job is another agent's".to_owned());
    }
    Ok(((), "COMPLETED".to_owned()))
}

/// A job whose first attempt fails.
async fn fail(world: &World, agent: &Agent) -> Found<Job> {
    let (job, _) = enqueue(world, "fails-once", 2).await?;
    let (job, _) = claim(world, agent, &job, 1).await?;
    start(world, agent, &job).await?;
    let failed = report(world, agent, &job, 1).await?;
    expect("retried", failed.retried, true)?;
    expect("status", failed.job.status, JobStatus::Queued)?;
    expect("cause", failed.job.cause, Some(Cause::ExitCode))?;
    expect("failures", failed.job.failures, 1)?;
    let detail = format!("exit code 1: {} is in line again", job.job_id);
    Ok((failed.job, detail))
}

/// It comes again by itself, and ends well.
async fn retry(world: &World, agent: &Agent, job: &Job) -> Found<()> {
    let (job, _) = claim(world, agent, job, 2).await?;
    start(world, agent, &job).await?;
    succeed(world, agent, &job).await?;
    Ok(((), "COMPLETED by its second attempt".to_owned()))
}

fn expect<T: PartialEq + serde::Serialize>(what: &str, found: T, wanted: T) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    let shown = |value: T| serde_json::to_value(value).unwrap_or(Value::Null);
    Err(format!("{what} is {}, not {}", shown(found), shown(wanted)))
}
