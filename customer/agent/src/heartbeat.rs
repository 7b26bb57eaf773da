//! Says that the agent is alive, and watches its lease.
//!
//! On an operating system thread of its own with a runtime of its own: a build that takes every processor, or a task that
//! blocks the agent's other threads, must not make the agent look dead, nor keep it from stopping its jobs in time.

use crate::agent::Context;
use crate::backoff::{jittered, random};
use crate::client::{CallError, Client};
use crate::error::Error;
use crate::event::Event;
use crate::lease::Moment;
use crate::metrics::{Load, Meter};
use crate::session::{Session, SessionEnd};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use wire::{HeartbeatRequest, HeldJob};

/// How often a heartbeat may be refused in a row before the agent believes it.
const MAX_REFUSALS: u32 = 10;
/// How long to wait after a heartbeat that failed.
const RETRY: Duration = Duration::from_millis(750);

/// The heartbeat's thread. Dropping it lets the thread end by itself.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    quit: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Heartbeat {
    /// Starts the thread. Jobs that were given up and are the agent's to report on are sent to `given_up`.
    pub(crate) fn start(
        context: Arc<Context>,
        session: Arc<Session>,
        given_up: mpsc::UnboundedSender<Vec<HeldJob>>,
    ) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Heartbeat(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        // Connections belong to the runtime that they were made on.
        let client = Client::new(&context.config.url, context.config.insecure_http)?;
        let (quit, mut quits) = watch::channel(false);
        let mut pulse = Pulse {
            context,
            session,
            client,
            given_up,
            in_contact: true,
            refusals: 0,
            meter: Arc::default(),
        };
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let session = pulse.session.clone();
                    tokio::select! {
                        () = pulse.beat() => {}
                        () = watch_lease(&session) => {}
                        // An error is the end of the handle, which means the same.
                        _ = quits.wait_for(|quit| *quit) => {}
                    }
                });
                // A measurement that hangs on a dead file system must not keep the agent from ending.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self { quit, thread })
    }

    /// Whether the thread has ended by itself, which it should not.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// No more heartbeats after this.
    pub(crate) async fn stop(self) {
        self.quit.send_replace(true);
        let thread = self.thread;
        // The thread ends at its next await; a panic in it has been printed already.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// Stops the jobs when the lease ends. Looks often, because timers stand still while the machine sleeps.
async fn watch_lease(session: &Session) {
    loop {
        tokio::time::sleep(session.holdings.lease().watch_interval()).await;
        session.holdings.enforce(Moment::now());
    }
}

struct Pulse {
    context: Arc<Context>,
    session: Arc<Session>,
    client: Client,
    given_up: mpsc::UnboundedSender<Vec<HeldJob>>,
    in_contact: bool,
    refusals: u32,
    meter: Arc<Mutex<Meter>>,
}

impl Pulse {
    /// Sends heartbeats until the session ends.
    async fn beat(&mut self) {
        let lease = self.session.holdings.lease().length();
        // Registering counts as the first heartbeat. Three of them fit in a lease whatever the control plane asks for.
        let most = lease / 3;
        let mut wait = self.session.heartbeat_interval.min(most);
        let limit = (lease / 6).clamp(Duration::from_millis(500), Duration::from_secs(10));
        loop {
            tokio::time::sleep(wait).await;
            let load = self.measure().await;
            // Before the call: a job that was frozen past its lease must have been given up by the time that an answer renews it.
            let sent = Moment::now();
            self.session.holdings.enforce(sent);
            let request = self.request(load);
            let answer = self
                .client
                .heartbeat(&self.session.token, &self.session.agent_id, &request, limit)
                .await;
            wait = match answer {
                Ok(answer) => {
                    self.heard(sent, &request.jobs, &answer);
                    Duration::from_secs(u64::from(answer.next_heartbeat_seconds))
                        .clamp(Duration::from_millis(500), most)
                }
                Err(error) => {
                    if self.refused(&error) {
                        // Whoever waits for the end of the session ends this thread.
                        std::future::pending::<()>().await;
                    }
                    // A longer wait than a heartbeat's would cost the jobs that the control plane asks for patience with.
                    error
                        .retry_after()
                        .map_or(jittered(RETRY, random()), |asked| asked.min(most))
                }
            };
        }
    }

    async fn measure(&self) -> Load {
        let (meter, directory) = (self.meter.clone(), self.context.directories.jobs.clone());
        let measured = tokio::task::spawn_blocking(move || lock(&meter).measure(&directory));
        match tokio::time::timeout(Duration::from_millis(300), measured).await {
            Ok(Ok(load)) => load,
            Ok(Err(_)) | Err(_) => Load::default(),
        }
    }

    fn request(&self, load: Load) -> HeartbeatRequest {
        HeartbeatRequest {
            cpu_percent: load.cpu,
            memory_percent: load.memory,
            disk_percent: load.disk,
            uptime_seconds: self.context.started.elapsed().as_secs(),
            jobs: self.session.holdings.list(),
        }
    }

    /// The control plane has answered a heartbeat that was sent at that moment and named those jobs.
    fn heard(&mut self, sent: Moment, named: &[HeldJob], answer: &wire::HeartbeatResponse) {
        let holdings = &self.session.holdings;
        for job in &answer.dropped {
            if holdings.dropped(job) {
                let reason = "it went to another agent while there was no contact".to_owned();
                self.context.observe(&Event::JobAbandoned {
                    job: job.clone(),
                    reason,
                });
            }
        }
        holdings.renew(sent);
        for job in &answer.cancel {
            holdings.cancel(job);
        }
        let given_up = holdings.take_given_up(named, sent);
        if !given_up.is_empty() {
            // The receiver is gone only when the session is.
            let _ = self.given_up.send(given_up);
        }
        self.session.directive.send_if_modified(|known| {
            let changed = *known != answer.directive;
            *known = answer.directive;
            changed
        });
        self.refusals = 0;
        if !self.in_contact {
            self.in_contact = true;
            self.context.observe(&Event::ContactRestored);
            self.context.contact.notify_waiters();
        }
    }

    /// A heartbeat failed. Says whether the session has ended.
    fn refused(&mut self, error: &CallError) -> bool {
        if self.in_contact && error.is_transient() {
            self.in_contact = false;
            self.context.observe(&Event::Outage {
                reason: format!("heartbeat: {error}"),
            });
        }
        match error {
            CallError::Unreachable(_) | CallError::Busy { .. } => false,
            CallError::Unauthorized => self.session.check(error),
            CallError::Refused { status: 404, .. } => {
                self.session.finish(SessionEnd::Over);
                true
            }
            CallError::Refused {
                status: 409 | 410, ..
            } => {
                self.session.finish(SessionEnd::Terminated);
                true
            }
            CallError::Refused { status, .. } => {
                self.refusals += 1;
                if self.refusals >= MAX_REFUSALS {
                    self.session
                        .finish(SessionEnd::Refused("take heartbeats", *status));
                }
                self.refusals >= MAX_REFUSALS
            }
        }
    }
}
