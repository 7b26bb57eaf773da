//! One run of the program: start, submit, watch, serve, stop.

use crate::plane::{Plane, PlaneOptions};
use crate::repository::Head;
use crate::watch::{Caller, show_event, watch};
use crate::webhooks::WEBHOOKS;
use crate::{API_TOKEN_FILE, INVITATION_FILE, Options, WEBHOOK_SECRET_FILE};
use anyhow::{Context, Result};
use hybrid_agent::{Event, Exit, ShutdownHandle};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use wire::{Job, JobStatus};

/// Runs the program to its end.
///
/// # Errors
/// What the user has to mend before it can run.
pub async fn run(options: Options) -> Result<ExitCode> {
    let begun = Instant::now();
    // Looked at first: what is wrong with the repository is said before anything is started.
    let head = if options.serve {
        None
    } else {
        Some(find_head(&options)?)
    };
    let mut signals = Signals::new()?;
    let plane = Plane::start(PlaneOptions {
        port: options.port,
        data_dir: options.data_dir.clone(),
        memory: options.memory,
        pool: options.pool.clone(),
        sqs: options.sqs.clone(),
    })
    .await?;
    let ready = begun.elapsed();
    let data = if options.memory {
        "memory".to_owned()
    } else {
        options.data_dir.display().to_string()
    };
    println!(
        "Hybrid CI/CD on {}  (data in {data}, ready in {} ms)",
        plane.url(),
        ready.as_millis()
    );
    let (mut agent, mut events) = start_agent(&options, &plane)?;
    let mut ended = None;
    if let Some(head) = head {
        let outcome = tokio::select! {
            outcome = submit(&options, &plane, &head, &mut events) => Some(outcome),
            () = signals.next() => None,
        };
        let job = match outcome {
            Some(Ok(job)) => job,
            Some(Err(error)) => {
                stop(agent, plane, &mut signals).await;
                return Err(error);
            }
            None => {
                stop(agent, plane, &mut signals).await;
                return Ok(ExitCode::from(130));
            }
        };
        if options.once {
            stop(agent, plane, &mut signals).await;
            return Ok(exit_code(&job));
        }
        ended = Some(job);
    }
    print_how_to(&options, &plane, ended.as_ref());
    tokio::select! {
        () = signals.next() => println!("Stopping. Jobs that run are finished first; once more stops them."),
        () = drain(&mut events, ended.as_ref()) => {}
        () = agent.failed() => eprintln!("The agent has ended; the control plane goes on without it. Ctrl-C stops it."),
    }
    if agent.has_failed() {
        signals.next().await;
    }
    stop(agent, plane, &mut signals).await;
    Ok(ExitCode::SUCCESS)
}

fn find_head(options: &Options) -> Result<Head> {
    let here = PathBuf::from(".");
    Head::find(
        options.repository.as_deref().unwrap_or(&here),
        options.job_type.as_ref(),
    )
}

/// The agent in this process, if there is one.
struct LocalAgent {
    handle: ShutdownHandle,
    task: Option<JoinHandle<Result<Exit, hybrid_agent::Error>>>,
    failed: bool,
}

impl LocalAgent {
    /// Comes back if the agent ends by itself.
    async fn failed(&mut self) {
        match &mut self.task {
            Some(task) => {
                let outcome = task.await;
                self.task = None;
                self.failed = true;
                match outcome {
                    Ok(Err(error)) => eprintln!("agent: {error}"),
                    Err(error) => eprintln!("agent: {error}"),
                    Ok(Ok(_)) => {}
                }
            }
            None => std::future::pending().await,
        }
    }

    fn has_failed(&self) -> bool {
        self.failed
    }
}

fn start_agent(options: &Options, plane: &Plane) -> Result<(LocalAgent, UnboundedReceiver<Event>)> {
    let (sender, events) = unbounded_channel();
    let (handle, shutdown) = hybrid_agent::shutdown();
    if options.no_agent {
        return Ok((
            LocalAgent {
                handle,
                task: None,
                failed: false,
            },
            events,
        ));
    }
    let directory = std::path::absolute(&options.data_dir)
        .context("the data directory has no absolute path")?
        .join("agent");
    let key = plane.credentials().agent_key.clone();
    let mut config = hybrid_agent::Config::new(plane.url(), options.pool.clone(), key, &directory);
    config.jobs = options.jobs;
    // Somebody who has stopped reading does not stop the agent.
    let observer = move |event: &Event| drop(sender.send(event.clone()));
    let task = Some(tokio::spawn(hybrid_agent::run(config, shutdown, observer)));
    Ok((
        LocalAgent {
            handle,
            task,
            failed: false,
        },
        events,
    ))
}

async fn submit(
    options: &Options,
    plane: &Plane,
    head: &Head,
    events: &mut UnboundedReceiver<Event>,
) -> Result<Job> {
    let caller = Caller::new(plane.url(), plane.credentials().api_token.clone())?;
    let job = caller.enqueue(&head.request(&options.pool)).await?;
    println!(
        "\nJob {}: `{}` of {} at {}",
        job.job_id,
        head.job_type,
        head.name,
        &head.sha.as_str()[..10]
    );
    if head.dirty {
        println!("           The job is of the commit: what is not committed is not in it.");
    }
    if options.no_agent {
        println!(
            "           It waits for an agent of the pool `{}`.",
            options.pool
        );
    }
    watch(&caller, job, events).await
}

fn print_how_to(options: &Options, plane: &Plane, job: Option<&Job>) {
    let url = plane.url();
    let token = options.data_dir.join(API_TOKEN_FILE);
    let token = token.display();
    println!("\nCall the API with the token in {token}:");
    println!("  curl -H \"Authorization: Bearer $(cat {token})\" {url}/api/queue/jobs");
    if let Some(job) = job {
        println!(
            "  curl -H \"Authorization: Bearer $(cat {token})\" {url}/api/dashboard/jobs/{}",
            job.job_id
        );
    }
    println!("Sign in as one of three made-up people, with a browser:");
    println!("  {url}/auth/login/github");
    let invitation = options.data_dir.join(INVITATION_FILE);
    if invitation.exists() {
        let invitation = invitation.display();
        println!("Who accepts the invitation in {invitation} owns what the token is for.");
    }
    let secret = options.data_dir.join(WEBHOOK_SECRET_FILE);
    println!(
        "Webhooks of GitHub, signed with the secret in {}:",
        secret.display()
    );
    println!("  {url}{WEBHOOKS}");
    println!("{url}/api/docs describes every call.");
    println!("Ctrl-C stops it.");
}

/// Reads on what the agent says after the job that was watched, so that it does not pile up.
async fn drain(events: &mut UnboundedReceiver<Event>, job: Option<&Job>) {
    loop {
        match (events.recv().await, job) {
            (Some(event), Some(job)) => show_event(&event, job),
            (Some(_), None) => {}
            (None, _) => std::future::pending().await,
        }
    }
}

/// Ends the agent, then the plane that it reports to.
async fn stop(mut agent: LocalAgent, plane: Plane, signals: &mut Signals) {
    agent.handle.drain();
    if let Some(task) = &mut agent.task {
        let drained = tokio::select! {
            outcome = &mut *task => Some(outcome),
            () = signals.next() => None,
        };
        if drained.is_none() {
            agent.handle.stop();
            drop(task.await);
        }
    }
    plane.stop().await;
}

/// The exit code that stands for how the job ended.
fn exit_code(job: &Job) -> ExitCode {
    if job.status == JobStatus::Completed {
        return ExitCode::SUCCESS;
    }
    let code = job
        .exit_code
        .and_then(|code| u8::try_from(code).ok())
        .filter(|code| *code != 0);
    ExitCode::from(code.unwrap_or(1))
}

/// The signals that ask the program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
