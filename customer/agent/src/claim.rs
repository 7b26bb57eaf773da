//! Asks for work while there is room for it.

use crate::agent::Context;
use crate::backoff::{Backoff, jittered, random};
use crate::client::CallError;
use crate::event::Event;
use crate::lease::{Moment, Phase};
use crate::session::{Session, SessionEnd};
use crate::shutdown::Urgency;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use wire::{ClaimRequest, Directive, Job};

/// The most jobs that one call may ask for.
const MAX_JOBS_PER_CALL: usize = 10;
/// How often claims may be refused in a row before the agent believes it.
const MAX_REFUSALS: u32 = 10;
/// An empty answer is never followed by the next call sooner than this, nor later than that.
const WAIT_BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_mins(1));
/// How often to look whether claims are allowed again.
const LOOK: Duration = Duration::from_millis(100);

/// A job that the agent holds from now on.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) job: Job,
    /// When the call was sent: the time to start in runs from then at the earliest.
    pub(crate) sent: Moment,
    /// Its place among the jobs that run at a time.
    pub(crate) place: OwnedSemaphorePermit,
}

/// Claims jobs until the session ends. A place is taken for as long as a call is under way, so that full places mean that
/// nothing is.
pub(crate) async fn claim_jobs(
    context: Arc<Context>,
    session: Arc<Session>,
    places: Arc<Semaphore>,
    jobs: mpsc::UnboundedSender<Claimed>,
) {
    let mut backoff = Backoff::default();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        if !may_claim(&context, &session) {
            drop(place);
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let mut room = vec![place];
        while room.len() < MAX_JOBS_PER_CALL
            && let Ok(place) = places.clone().try_acquire_owned()
        {
            room.push(place);
        }
        let request = ClaimRequest {
            pool_name: None,
            max_jobs: u32::try_from(room.len()).ok(),
        };
        let sent = Moment::now();
        let wait = match context.client.claim(&session.token, &request).await {
            Ok(answer) => {
                backoff.reset();
                let is_empty = answer.jobs.is_empty();
                for (job, place) in answer.jobs.into_iter().zip(room.drain(..)) {
                    if jobs.send(Claimed { job, sent, place }).is_err() {
                        return;
                    }
                }
                wait_after(is_empty, answer.retry_after_seconds)
            }
            Err(error) => after_error(&context, &session, &error, &mut backoff),
        };
        drop(room);
        tokio::time::sleep(wait).await;
    }
}

fn may_claim(context: &Context, session: &Session) -> bool {
    context.shutdown.urgency() == Urgency::Run
        && *session.directive.borrow() == Directive::Run
        && session.end.borrow().is_none()
        && session.holdings.lease().phase(Moment::now()) == Phase::Good
}

fn wait_after(is_empty: bool, retry_after_seconds: f64) -> Duration {
    let asked = Duration::try_from_secs_f64(retry_after_seconds)
        .unwrap_or_default()
        .min(WAIT_BOUNDS.1);
    let wait = jittered(asked, random());
    if is_empty {
        wait.max(WAIT_BOUNDS.0)
    } else {
        wait
    }
}

fn after_error(
    context: &Context,
    session: &Session,
    error: &CallError,
    backoff: &mut Backoff,
) -> Duration {
    let wait = backoff.next(error.retry_after(), random());
    if error.is_transient() || session.check(error) {
        return wait;
    }
    if let CallError::Refused { status, .. } = error {
        if backoff.failures() == 1 {
            context.observe(&Event::Warning {
                message: format!("a claim was refused: {error}"),
            });
        }
        if backoff.failures() >= MAX_REFUSALS {
            session.finish(SessionEnd::Refused("hand out jobs", *status));
        }
    }
    // A refusal does not pass in a moment.
    wait.max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_never_leads_to_a_busy_loop_and_no_answer_to_an_endless_wait() {
        assert_eq!(wait_after(false, 0.0), Duration::ZERO);
        for asked in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(wait_after(true, asked) >= WAIT_BOUNDS.0);
        }
        assert!(wait_after(true, 1e9) <= WAIT_BOUNDS.1.mul_f64(1.2));
        let wait = wait_after(true, 2.0).as_secs_f64();
        assert!((1.6..=2.4).contains(&wait), "{wait}");
    }
}
