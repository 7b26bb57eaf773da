//! What becomes of an event. It is decided once and written down before anything is done: whoever is given the event again, after
//! a crash or because a message came twice, does what is written, and nothing twice.

use crate::Orchestrator;
use crate::batch::Verdict;
use crate::message::Believed;
use crate::reason::{Closed, Postponement, Refusal};
use domain::job::{Job, JobSpec};
use queues::Outgoing;
use store::{JobOrigin, NewJob, RecordedEvent, Routing, TenantStore};
use wire::relay::{DECISION_SUBJECT, Decision, EventMetadata, Label, Login, RoutingAction};
use wire::{
    DecisionKind, EventKind, EventOutcome, GitAuthor, GitRef, JobId, Priority, Tags, Timestamp,
};

/// An event that arrived longer ago than this is refused, in seconds. It is shorter than what is recorded of an event is kept,
/// so that no event is forgotten while it may still come again.
const MAX_AGE_SECONDS: i64 = 6 * 24 * 3600;

/// How far ahead of ours a relay's clock may be, in seconds.
const MAX_AHEAD_SECONDS: i64 = 600;

/// For how long whoever has decided on an event is left alone with it, in seconds. A decision that two send is received twice.
const LEFT_ALONE_SECONDS: i64 = 20;

/// What a job has whose request does not say otherwise.
const TIMEOUT_SECONDS: u32 = 3600;
const MAX_ATTEMPTS: u32 = 3;

/// An event that is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handled {
    /// What became of it.
    pub outcome: EventOutcome,
    /// Whether that was done now; else it had been before.
    pub is_new: bool,
}

impl Orchestrator {
    /// Does what is to be done for an event.
    pub(crate) async fn act_on(&self, believed: &Believed) -> Verdict {
        let (event_id, relay_id) = (&believed.signed.event.event_id, &believed.relay.relay_id);
        match self.settle(believed).await {
            Ok(handled) => {
                let Handled { outcome, is_new } = handled;
                tracing::debug!(%event_id, %relay_id, %outcome, is_new, "an event is done with");
                Verdict::Done(handled)
            }
            Err(why) => {
                let reason = why.code();
                tracing::warn!(%event_id, %relay_id, reason, "an event is put off");
                Verdict::Postponed(why)
            }
        }
    }

    async fn settle(&self, believed: &Believed) -> Result<Handled, Postponement> {
        let (relay_id, event) = (&believed.relay.relay_id, &believed.signed.event);
        let tenant = self.store.tenant(&believed.scope);
        let (recorded, is_own) = self.recorded(&tenant, believed).await?;
        let outcome = recorded.outcome;
        if recorded.is_done {
            let is_new = is_own;
            return Ok(Handled { outcome, is_new });
        }
        if outcome == EventOutcome::Enqueued {
            self.enqueue(&tenant, believed, &recorded).await?;
        } else {
            let age = self.now().millis_since(recorded.acted_at);
            if !is_own && age < LEFT_ALONE_SECONDS * 1000 {
                return Err(Postponement::UnderWay);
            }
            self.send_decision(believed, &recorded).await?;
        }
        tenant.finish_event(relay_id, &event.event_id).await?;
        Ok(Handled {
            outcome,
            is_new: true,
        })
    }

    /// What was decided on an event, by whoever came first, and whether that is decided by us and just now.
    async fn recorded(
        &self,
        tenant: &TenantStore<'_>,
        believed: &Believed,
    ) -> Result<(RecordedEvent, bool), Postponement> {
        let (relay_id, event) = (&believed.relay.relay_id, &believed.signed.event);
        if let Some(there) = tenant.event(relay_id, &event.event_id).await? {
            return Ok((there, false));
        }
        let new = self.decide(tenant, believed).await?;
        let there = tenant.record_event(&new, &self.write_id()).await?;
        let is_own = there.is_none();
        Ok((there.unwrap_or(new), is_own))
    }

    /// What is to be done for an event that nobody has decided on.
    async fn decide(
        &self,
        tenant: &TenantStore<'_>,
        believed: &Believed,
    ) -> Result<RecordedEvent, Postponement> {
        let now = self.now();
        let event = &believed.signed.event;
        let mut recorded = RecordedEvent {
            relay_id: believed.relay.relay_id.clone(),
            event: event.clone(),
            instance: believed.signed.instance.clone(),
            sequence: believed.signed.sequence,
            outcome: EventOutcome::Unmatched,
            reason: None,
            rule: None,
            routing_version: 0,
            action: None,
            job_id: None,
            acted_at: now,
            is_done: true,
        };
        if let Some(refusal) = out_of_time(event, now) {
            return Ok(refused(recorded, refusal));
        }
        let routing = self.routing.of(tenant, &recorded.relay_id, now).await?;
        let Routing { document, version } = &*routing;
        recorded.routing_version = *version;
        let Some(matched) = domain::routing::decide(document, event) else {
            return Ok(recorded);
        };
        recorded.rule = u32::try_from(matched.rule).ok();
        recorded.action = Some(matched.action.clone());
        let has_decision_queue = believed.relay.decision_queue.is_some();
        recorded.outcome = match matched.action {
            RoutingAction::Ignore {} => return Ok(ignored(recorded)),
            RoutingAction::EnqueueJob { .. } => {
                if event.git_repo.is_none() || event.commit_sha.is_none() {
                    return Ok(refused(recorded, Refusal::NoCommit));
                }
                recorded.job_id = Some(job_id(believed));
                EventOutcome::Enqueued
            }
            _ if !has_decision_queue => return Ok(refused(recorded, Refusal::NoDecisionQueue)),
            RoutingAction::Notify { .. } => EventOutcome::Notified,
            RoutingAction::Decide { .. } => EventOutcome::Decided,
        };
        recorded.is_done = false;
        Ok(recorded)
    }

    /// Puts the job in line, unless it is there.
    async fn enqueue(
        &self,
        tenant: &TenantStore<'_>,
        believed: &Believed,
        recorded: &RecordedEvent,
    ) -> Result<(), Postponement> {
        let Some((job_id, spec, priority)) = job_of(recorded) else {
            // What this version writes always has them.
            return Err(Postponement::Store);
        };
        let now = self.now();
        self.rooms.take(tenant, &believed.scope, now).await?;
        let write_id = self.write_id();
        let pool = tenant.ensure_pool(&spec.pool_name, now, &write_id).await?;
        let author = format!("relay:{}", recorded.relay_id);
        let new = NewJob {
            job: Job::enqueue(job_id, spec, priority, author, now),
            ready_shards: pool.ready_shards,
            // The id belongs to the event, and what the job is to be is written with the event: a job of that id is the one.
            request_sha256: None,
            origin: Some(JobOrigin {
                request_id: Some(recorded.event.event_id.to_string()),
                address: None,
                credential_id: Some(believed.key_id.to_string()),
            }),
        };
        tenant.enqueue_job(new, now, &write_id).await?;
        Ok(())
    }

    async fn send_decision(
        &self,
        believed: &Believed,
        recorded: &RecordedEvent,
    ) -> Result<(), Postponement> {
        let gone = Postponement::DecisionQueue("queue_missing");
        let Some((queue, (kind, target))) = believed
            .relay
            .decision_queue
            .as_ref()
            .zip(decision_of(recorded))
        else {
            return Err(gone);
        };
        let event_id = &recorded.event.event_id;
        let decision = Decision {
            version: 1,
            event_id: event_id.clone(),
            relay_id: recorded.relay_id.clone(),
            kind,
            target,
            rule: recorded.rule.unwrap_or_default(),
            routing_version: recorded.routing_version,
            decided_at: recorded.acted_at,
        };
        let body = serde_json::to_string(&decision).map_err(|_| gone)?;
        let message = Outgoing {
            body: &body,
            deduplication_id: event_id.as_str(),
            subject: DECISION_SUBJECT,
        };
        let closed = |closed: Closed| Postponement::DecisionQueue(closed.code());
        let opening = (self.now(), self.external_id_bytes());
        let door = self.doors.open(&believed.relay, queue, opening).await;
        let sent = door.map_err(closed)?.send(message).await;
        sent.map_err(|error| closed(error.into()))
    }
}

fn out_of_time(event: &EventMetadata, now: Timestamp) -> Option<Refusal> {
    let received_at = event.received_at;
    if now.millis_since(received_at) > MAX_AGE_SECONDS * 1000 {
        Some(Refusal::Stale)
    } else if received_at.millis_since(now) > MAX_AHEAD_SECONDS * 1000 {
        Some(Refusal::FromTheFuture)
    } else {
        None
    }
}

fn refused(recorded: RecordedEvent, refusal: Refusal) -> RecordedEvent {
    RecordedEvent {
        outcome: EventOutcome::Refused,
        reason: Some(refusal.code().to_owned()),
        ..recorded
    }
}

fn ignored(recorded: RecordedEvent) -> RecordedEvent {
    RecordedEvent {
        outcome: EventOutcome::Ignored,
        ..recorded
    }
}

/// The id of the event's job. What it is made from has a space, which no idempotency key of a request has: nobody else can
/// take the id first.
fn job_id(believed: &Believed) -> JobId {
    let (relay, event) = (&believed.relay.relay_id, &believed.signed.event.event_id);
    NewJob::id_for_key(believed.scope.tenant(), &format!("{relay} {event}"))
}

/// The job that is written with an event.
fn job_of(recorded: &RecordedEvent) -> Option<(JobId, JobSpec, Priority)> {
    let Some(RoutingAction::EnqueueJob {
        job_type,
        pool_name,
        priority,
    }) = &recorded.action
    else {
        return None;
    };
    let event = &recorded.event;
    let author = event.author.as_ref().map(Login::as_str);
    let spec = JobSpec {
        job_type: job_type.clone(),
        pool_name: pool_name.clone(),
        git_repo: event.git_repo.clone()?,
        git_ref: git_ref(event),
        git_commit_sha: event.commit_sha.clone()?,
        git_author: author.and_then(|login| GitAuthor::parse(login).ok()),
        tags: Tags::new(),
        spec_ref: None,
        spec_sha256: None,
        timeout_seconds: TIMEOUT_SECONDS,
        max_attempts: MAX_ATTEMPTS,
    };
    let priority = priority.unwrap_or(Priority::Normal);
    Some((recorded.job_id.clone()?, spec, priority))
}

/// The branch or tag that the commit was taken from. Of a pull request the contract has only the branch that it is to be
/// merged into, which has not got the commit.
fn git_ref(event: &EventMetadata) -> Option<GitRef> {
    if event.event == EventKind::PullRequest {
        return None;
    }
    let name = event.tag.as_ref().or(event.branch.as_ref())?;
    GitRef::parse(name.as_str()).ok()
}

fn decision_of(recorded: &RecordedEvent) -> Option<(DecisionKind, Label)> {
    match recorded.action.as_ref()? {
        RoutingAction::Notify { target } => Some((DecisionKind::Notify, target.clone())),
        RoutingAction::Decide { target } => Some((DecisionKind::Decide, target.clone())),
        RoutingAction::EnqueueJob { .. } | RoutingAction::Ignore {} => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_job_has_what_a_request_has_that_says_nothing() {
        let least = r#"{"job_type":"build","pool_name":"default","git_repo":"https://git.example.com/a",
            "git_commit_sha":"4b825dc642cb6eb9a060e54bf8d69288fbee4904"}"#;
        let request: wire::EnqueueRequest = serde_json::from_str(least).unwrap();
        assert_eq!(
            (request.timeout_seconds, request.max_attempts),
            (TIMEOUT_SECONDS, MAX_ATTEMPTS)
        );
        assert_eq!(request.priority, Priority::Normal);
    }
}
