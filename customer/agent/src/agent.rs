//! The agent as a whole: one session after the other until it is asked to end.

use crate::checkout::MirrorLocks;
use crate::claim::{Claimed, claim_jobs};
use crate::client::{Client, base_of};
use crate::config::{Config, check_url};
use crate::delivery::Delivery;
use crate::directories::Directories;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::heartbeat::Heartbeat;
use crate::holdings::Stop;
use crate::identity::Prover;
use crate::job::{entry, given_up, run_job};
use crate::outbox::Outbox;
use crate::session::{Session, SessionEnd, register};
use crate::shutdown::{Shutdown, Urgency};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use wire::{Directive, HeldJob};

/// How long an agent that ends waits for its last results to be delivered.
const SETTLE: Duration = Duration::from_secs(15);
/// The same for one that was told to stop at once.
const SETTLE_AT_ONCE: Duration = Duration::from_secs(3);
/// How long killed jobs may take to end.
const KILLED: Duration = Duration::from_secs(15);
/// How often in a row a new session may be over before one heartbeat of it was answered.
const MAX_SHORT_SESSIONS: u32 = 5;
/// A session that lasted this long was a good one.
const GOOD_SESSION: Duration = Duration::from_mins(1);

/// How an agent that was asked to end has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Exit {
    /// After its jobs.
    Drained,
    /// At once.
    Stopped,
}

impl Exit {
    /// The exit code of the process: 0 or 130.
    pub const fn code(self) -> u8 {
        match self {
            Self::Drained => 0,
            Self::Stopped => 130,
        }
    }
}

/// What all parts of a running agent share.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) base_url: String,
    pub(crate) client: Client,
    pub(crate) prover: Prover,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) directories: Directories,
    pub(crate) delivery: Delivery,
    pub(crate) mirrors: MirrorLocks,
    pub(crate) shutdown: Shutdown,
    /// Notified when the control plane answers again after an outage.
    pub(crate) contact: Arc<Notify>,
    pub(crate) started: Instant,
}

impl Context {
    pub(crate) fn observe(&self, event: &Event) {
        self.observer.observe(event);
    }

    pub(crate) fn warn(&self, message: String) {
        self.observe(&Event::Warning { message });
    }
}

/// Runs an agent until `shutdown` asks it to end, on the caller's runtime, which must have time and I/O enabled.
///
/// While the control plane cannot be reached it keeps trying, so the two may be started in any order. Should the returned
/// future be dropped, running jobs are left to the process's end.
///
/// # Errors
/// [`Error`], when the configuration or a directory cannot be used, or when the control plane refuses the agent for good.
pub async fn run(
    config: Config,
    shutdown: Shutdown,
    observer: impl Observer,
) -> Result<Exit, Error> {
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(Error::Config(faults));
    }
    let url =
        check_url(&config.url, config.insecure_http).map_err(|fault| Error::Config(vec![fault]))?;
    let client = Client::new(&config.url, config.insecure_http)?;
    let prover = Prover::new(config.identity.clone()).map_err(Error::Client)?;
    let directories = Directories::prepare(&config)?;
    let observer: Arc<dyn Observer> = Arc::new(observer);
    let contact = Arc::new(Notify::new());
    let outbox = Outbox::new(directories.outbox.clone());
    let delivery = Delivery::new(outbox, client.clone(), observer.clone(), contact.clone());
    let base_url = base_of(&url);
    delivery
        .resume(&base_url)
        .map_err(|source| Error::Directory {
            path: directories.outbox.clone(),
            source,
        })?;
    let context = Context {
        config,
        base_url,
        client,
        prover,
        observer,
        directories,
        delivery,
        mirrors: MirrorLocks::default(),
        shutdown,
        contact,
        started: Instant::now(),
    };
    live(Arc::new(context)).await
}

/// One session after the other.
async fn live(context: Arc<Context>) -> Result<Exit, Error> {
    let mut short_sessions = 0;
    loop {
        let Some(session) = register(&context).await? else {
            context.delivery.settle(SETTLE_AT_ONCE).await;
            return Ok(exit(&context));
        };
        let began = Instant::now();
        let session = Arc::new(session);
        context.observe(&Event::Registered {
            agent_id: session.agent_id.clone(),
            pool: context.config.pool.clone(),
        });
        match serve(&context, &session).await? {
            None => return Ok(exit(&context)),
            Some(SessionEnd::Over) => {}
            Some(SessionEnd::Terminated) => return Err(Error::Terminated),
            Some(SessionEnd::Refused(what, status)) => {
                return Err(Error::Refused {
                    what,
                    reason: format!("status {status}"),
                });
            }
        }
        context.observe(&Event::SessionOver);
        short_sessions = if began.elapsed() < GOOD_SESSION {
            short_sessions + 1
        } else {
            0
        };
        if short_sessions >= MAX_SHORT_SESSIONS {
            let reason = format!("{short_sessions} sessions in a row were over at once");
            return Err(Error::Refused {
                what: "keep a session",
                reason,
            });
        }
        let pause = Duration::from_secs(1) * short_sessions;
        let ends = context.shutdown.reached(Urgency::Drain);
        let _ = tokio::time::timeout(pause, ends).await;
    }
}

fn exit(context: &Context) -> Exit {
    if context.shutdown.urgency() == Urgency::Stop {
        Exit::Stopped
    } else {
        Exit::Drained
    }
}

/// Serves one session to its end; `None` if the agent itself ended it.
async fn serve(
    context: &Arc<Context>,
    session: &Arc<Session>,
) -> Result<Option<SessionEnd>, Error> {
    let (given_up_sender, mut given_up_jobs) = mpsc::unbounded_channel();
    let heartbeat = Heartbeat::start(context.clone(), session.clone(), given_up_sender)?;
    let total = usize::try_from(context.config.jobs).unwrap_or(1);
    let places = Arc::new(Semaphore::new(total));
    let (claimed_sender, mut claimed) = mpsc::unbounded_channel();
    let claims = tokio::spawn(claim_jobs(
        context.clone(),
        session.clone(),
        places.clone(),
        claimed_sender,
    ));
    let mut jobs = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut is_draining = false;
    let ended = loop {
        tokio::select! {
            Some(work) = claimed.recv() => accept(context, session, work, &mut jobs),
            Some(lost) = given_up_jobs.recv() => report_given_up(context, session, lost).await,
            Some(_) = jobs.join_next() => {}
            end = session.ended() => break Some(end),
            () = context.shutdown.reached(Urgency::Stop) => {
                session.holdings.stop_all(Stop::Shutdown);
                break None;
            }
            _ = tick.tick() => {
                if heartbeat.has_ended() {
                    session.holdings.stop_all(Stop::SessionOver);
                    return Err(Error::Heartbeat("it ended by itself".to_owned()));
                }
            }
        }
        let drains = drain_reason(context, session);
        if let (Some(reason), false) = (drains, is_draining) {
            context.observe(&Event::Draining { reason });
        }
        is_draining = drains.is_some();
        let idle = jobs.is_empty() && claimed.is_empty() && places.available_permits() == total;
        if is_draining && idle {
            break None;
        }
    };
    claims.abort();
    wind_up(context, session, ended, jobs, heartbeat).await;
    Ok(ended)
}

/// Who wants the agent to end after its jobs, if somebody does.
fn drain_reason(context: &Context, session: &Session) -> Option<&'static str> {
    if context.shutdown.urgency() >= Urgency::Drain {
        Some("this agent was asked to end")
    } else if *session.directive.borrow() == Directive::Drain {
        Some("the control plane asks for it")
    } else {
        None
    }
}

/// Takes up a job that was claimed.
fn accept(context: &Arc<Context>, session: &Arc<Session>, work: Claimed, jobs: &mut JoinSet<()>) {
    let Claimed { job, sent, place } = work;
    let held = HeldJob {
        job_id: job.job_id.clone(),
        attempt: job.attempt,
    };
    let control = session.holdings.add(held.clone());
    context.observe(&Event::JobClaimed {
        job: held,
        job_type: job.job_type.clone(),
        git_repo: job.git_repo.clone(),
        git_commit_sha: job.git_commit_sha.clone(),
    });
    let (context, session) = (context.clone(), session.clone());
    jobs.spawn(async move {
        run_job(context, session, job, control, sent).await;
        drop(place);
    });
}

async fn report_given_up(context: &Context, session: &Session, lost: Vec<HeldJob>) {
    for job in lost {
        let result = given_up(job.attempt);
        context
            .delivery
            .submit(entry(context, session, job.job_id, result))
            .await;
    }
}

/// Ends what is left of a session: jobs, results, heartbeats, and the registration if the agent leaves by itself.
async fn wind_up(
    context: &Arc<Context>,
    session: &Arc<Session>,
    ended: Option<SessionEnd>,
    mut jobs: JoinSet<()>,
    heartbeat: Heartbeat,
) {
    if ended.is_some() {
        session.holdings.stop_all(Stop::SessionOver);
    }
    let killed =
        tokio::time::timeout(KILLED, async { while jobs.join_next().await.is_some() {} }).await;
    if killed.is_err() {
        context.warn("some jobs do not end although they were killed".to_owned());
    }
    if ended.is_some() {
        return heartbeat.stop().await;
    }
    let at_once = context.shutdown.urgency() == Urgency::Stop;
    let settle = context
        .delivery
        .settle(if at_once { SETTLE_AT_ONCE } else { SETTLE });
    let undelivered = tokio::select! {
        undelivered = settle => undelivered,
        () = context.shutdown.reached(Urgency::Stop), if !at_once => context.delivery.settle(SETTLE_AT_ONCE).await,
    };
    heartbeat.stop().await;
    if undelivered > 0 {
        // Deregistering would end the session, and with it the right to report them.
        return context.warn(format!(
            "{undelivered} results could not be delivered; they are in the outbox and go out at the next start"
        ));
    }
    match context.client.deregister(&session.token, &session.agent_id).await {
        Ok(_) => context.observe(&Event::Deregistered),
        Err(error) => context.warn(format!(
            "could not deregister ({error}); the control plane notices within a lease that the agent is gone"
        )),
    }
}
