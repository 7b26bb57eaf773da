//! The job that was submitted, as it goes: its states, and the tail of its log.

use anyhow::{Context, Result, bail};
use hybrid_agent::Event;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use wire::{Job, JobResponse, JobStatus};

/// How often the job is asked for.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// A caller of the plane's own API: what is shown here is what anybody can ask for.
#[derive(Debug)]
pub(crate) struct Caller {
    client: reqwest::Client,
    url: String,
    token: SecretString,
}

impl Caller {
    pub(crate) fn new(url: String, token: SecretString) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { client, url, token })
    }

    pub(crate) async fn enqueue(&self, request: &Value) -> Result<Job> {
        let call = self
            .client
            .post(format!("{}/api/queue/jobs", self.url))
            .json(request);
        self.job(call).await.context("the job was not accepted")
    }

    async fn get(&self, job: &Job) -> Result<Job> {
        self.job(
            self.client
                .get(format!("{}/api/queue/jobs/{}", self.url, job.job_id)),
        )
        .await
    }

    async fn job(&self, call: reqwest::RequestBuilder) -> Result<Job> {
        let answer = call.bearer_auth(self.token.expose_secret()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{status}: {text}");
        }
        Ok(serde_json::from_str::<JobResponse>(&text)?.job)
    }
}

/// Shows the job until it has ended.
pub(crate) async fn watch(
    caller: &Caller,
    submitted: Job,
    events: &mut UnboundedReceiver<Event>,
) -> Result<Job> {
    let begun = Instant::now();
    // The first state is what the answer said: an agent may be faster than the first look.
    show_state(begun, &submitted);
    let mut shown = Some((submitted.status, submitted.attempt));
    let mut poll = tokio::time::interval(POLL_EVERY);
    loop {
        tokio::select! {
            Some(event) = events.recv() => show_event(&event, &submitted),
            _ = poll.tick() => {
                let job = match caller.get(&submitted).await {
                    Ok(job) => job,
                    // The plane may be busy for a moment; the job goes on meanwhile.
                    Err(error) => {
                        tracing::warn!("cannot look at the job: {error:#}");
                        continue;
                    }
                };
                let state = (job.status, job.attempt);
                if shown != Some(state) {
                    // What the agent said before the state changed is shown before it.
                    while let Ok(event) = events.try_recv() {
                        show_event(&event, &submitted);
                    }
                    show_state(begun, &job);
                    shown = Some(state);
                }
                if job.status.is_ended() {
                    return Ok(job);
                }
            }
        }
    }
}

fn show_state(begun: Instant, job: &Job) {
    let seconds = begun.elapsed().as_secs_f64();
    let detail = match (job.status, &job.claimed_by_agent, job.cause) {
        (JobStatus::Claimed | JobStatus::Running, Some(agent), _) => format!("by {agent}"),
        (JobStatus::Queued, _, Some(cause)) => format!("again, after {cause}"),
        (JobStatus::Completed, ..) => {
            format!("in {:.1} s", job.duration_seconds.unwrap_or_default())
        }
        (_, _, Some(cause)) => match job.exit_code {
            Some(code) => format!("{cause}, exit code {code}"),
            None => cause.to_string(),
        },
        _ => String::new(),
    };
    println!("{seconds:7.1} s  {:<13} {detail}", job.status.as_str());
}

/// Shows what the agent says of this job, and what goes wrong with the agent itself.
pub(crate) fn show_event(event: &Event, submitted: &Job) {
    match event {
        Event::LogLine { job, line } if job.job_id == submitted.job_id => {
            println!("           | {}", printable(line));
        }
        Event::JobEnded { job, log, .. } if job.job_id == submitted.job_id => {
            println!("           log: {}", log.display());
        }
        Event::Outage { .. }
        | Event::Warning { .. }
        | Event::Undeliverable { .. }
        | Event::JobAbandoned { .. } => {
            if let Some(line) = event.describe() {
                eprintln!("agent: {line}");
            }
        }
        _ => {}
    }
}

/// Output of a job must not be able to command the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
