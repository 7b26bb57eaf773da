//! One registration of the agent, from its token to its end.

use crate::agent::Context;
use crate::backoff::{Backoff, random};
use crate::client::{CallError, Client};
use crate::error::Error;
use crate::event::Event;
use crate::holdings::Holdings;
use crate::identity::{NoProof, Refusal};
use crate::lease::{Lease, Moment};
use crate::shutdown::Urgency;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use wire::{AgentId, Directive, RegisterRequest, ShortText};

/// Right after a registration a replica of the control plane may not know the token yet: a refusal is not believed.
const YOUNG: Duration = Duration::from_secs(5);

/// Why a session ended without the agent's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// The control plane does not know it any more: register anew.
    Over,
    /// Somebody deregistered the agent.
    Terminated,
    /// Heartbeats or claims are refused again and again for another reason.
    Refused(&'static str, u16),
}

/// One registration of the agent.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) agent_id: AgentId,
    pub(crate) token: SecretString,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) start_within: Duration,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) directive: watch::Sender<Directive>,
    pub(crate) end: watch::Sender<Option<SessionEnd>>,
    registered: Moment,
}

impl Session {
    /// Ends the session if the answer to a call says that it has ended. Says whether it did.
    pub(crate) fn check(&self, error: &CallError) -> bool {
        if *error == CallError::Unauthorized && self.registered.until(Moment::now()) >= YOUNG {
            self.finish(SessionEnd::Over);
            return true;
        }
        false
    }

    /// Waits for the end of the session.
    pub(crate) async fn ended(&self) -> SessionEnd {
        let mut end = self.end.subscribe();
        // Copied out at once: what `wait_for` returns is a lock.
        let ended = end.wait_for(Option::is_some).await.map(|end| *end);
        match ended {
            Ok(Some(end)) => end,
            // The sender is this value's own.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Ends the session, for the first reason that somebody finds.
    pub(crate) fn finish(&self, end: SessionEnd) {
        self.end.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(end);
            first
        });
    }
}

/// Registers, however long it takes to reach the control plane. `None` if the agent is asked to end before.
pub(crate) async fn register(context: &Context) -> Result<Option<Session>, Error> {
    tokio::select! {
        session = register_for_ever(context) => session.map(Some),
        () = context.shutdown.reached(Urgency::Drain) => Ok(None),
    }
}

async fn register_for_ever(context: &Context) -> Result<Session, Error> {
    let config = &context.config;
    let text = |text: &str| ShortText::parse(text).ok();
    let version = ShortText::parse(env!("CARGO_PKG_VERSION"))
        .map_err(|fault| Error::Config(vec![format!("version: {fault}")]))?;
    let request = RegisterRequest {
        pool_name: config.pool.clone(),
        version,
        hostname: config.hostname.clone(),
        os: text(std::env::consts::OS),
        arch: text(std::env::consts::ARCH),
        tags: config.tags.clone(),
        max_concurrent_jobs: config.jobs,
    };
    let mut backoff = Backoff::default();
    let mut outage = false;
    loop {
        let proof = proof(context).await?;
        let sent = Moment::now();
        let error = match context.client.register(&proof, &request).await {
            Ok(answer) => {
                context.prover.accepted(&proof);
                if outage {
                    context.observe(&Event::ContactRestored);
                }
                return Ok(begin(&context.client, answer, sent).await);
            }
            Err(error) => error,
        };
        if error.is_transient() {
            context.prover.unanswered(&proof);
            if !outage {
                outage = true;
                context.observe(&Event::Outage {
                    reason: error.to_string(),
                });
            }
        } else {
            check_refusal(context, &proof, &error)?;
        }
        tokio::time::sleep(backoff.next(error.retry_after(), random())).await;
    }
}

/// A proof of who the agent is, however long it takes to get one.
async fn proof(context: &Context) -> Result<SecretString, Error> {
    let mut backoff = Backoff::default();
    let mut told = String::new();
    loop {
        let reason = match context.prover.proof().await {
            Ok(proof) => return Ok(proof),
            Err(NoProof::Any) => return Err(Error::Enrolment),
            Err(NoProof::Yet(reason)) => reason,
        };
        if reason != told {
            context.warn(format!(
                "there is no proof of this agent's identity yet: {reason}; trying again"
            ));
            told = reason;
        }
        tokio::time::sleep(backoff.next(None, random())).await;
    }
}

/// Ends the agent if its registration is refused for good.
fn check_refusal(context: &Context, proof: &SecretString, error: &CallError) -> Result<(), Error> {
    let is_unauthorized = *error == CallError::Unauthorized;
    if is_unauthorized && context.prover.refused(proof) == Refusal::TryAnother {
        context.warn("the control plane does not take this token; getting another one".to_owned());
        return Ok(());
    }
    if is_unauthorized && context.prover.is_single_use() {
        return Err(Error::Enrolment);
    }
    Err(Error::Refused {
        what: "register the agent",
        reason: error.to_string(),
    })
}

async fn begin(client: &Client, answer: wire::RegisterResponse, sent: Moment) -> Session {
    let token = SecretString::from(answer.session_token);
    let lease = Duration::from_secs(u64::from(answer.lease_seconds.max(1)));
    // Only the time to start in comes from here; it is not worth failing for.
    let start_within = client
        .agent_config(&token, &answer.agent_id)
        .await
        .map_or(Duration::from_secs(30), |config| {
            Duration::from_secs(u64::from(config.start_within_seconds))
        });
    Session {
        agent_id: answer.agent_id,
        token,
        heartbeat_interval: Duration::from_secs(u64::from(answer.heartbeat_interval_seconds)),
        start_within,
        holdings: Arc::new(Holdings::new(Lease::new(lease, sent))),
        directive: watch::channel(Directive::Run).0,
        end: watch::channel(None).0,
        registered: sent,
    }
}
