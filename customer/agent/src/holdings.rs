//! The jobs that a session holds, and why they are to stop.

use crate::lease::{Lease, Moment, Phase};
use crate::process::ProcessSlot;
use crate::sync::lock;
use nix::sys::signal::Signal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use wire::{HeldJob, JobId};

/// Why a job is to stop, in order of urgency: a later reason replaces an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Somebody asked for it. Report `CANCELLED`.
    Cancelled,
    /// The agent was told to stop at once. Report nothing: deregistering gives the job back.
    Shutdown,
    /// The lease ends. Report `AGENT_LOST` when there is contact again.
    LeaseOver,
    /// The control plane says that the attempt is no longer the agent's. Report nothing.
    Dropped,
    /// The session is not good any more. Report nothing: nobody would listen.
    SessionOver,
}

/// What to do about a job that has ended on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the agent's: report how it ended.
    Report,
    /// It has to be given up.
    Stopped(Stop),
}

/// The jobs that a session holds.
#[derive(Debug)]
pub(crate) struct Holdings {
    lease: Lease,
    jobs: Mutex<HashMap<HeldJob, Entry>>,
}

#[derive(Debug)]
struct Entry {
    stop: watch::Sender<Option<Stop>>,
    slot: Arc<ProcessSlot>,
    /// When it was given up because the lease ended; it waits for contact to be reported.
    given_up: Option<Moment>,
}

impl Entry {
    fn stop(&self, reason: Stop) {
        self.stop.send_if_modified(|known| {
            let more_urgent = known.is_none_or(|known| known < reason);
            if more_urgent {
                *known = Some(reason);
            }
            more_urgent
        });
    }
}

/// One job's own view of the holdings.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) job: HeldJob,
    pub(crate) stop: watch::Receiver<Option<Stop>>,
    pub(crate) slot: Arc<ProcessSlot>,
    pub(crate) holdings: Arc<Holdings>,
}

impl Holdings {
    pub(crate) fn new(lease: Lease) -> Self {
        Self {
            lease,
            jobs: Mutex::default(),
        }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Enters a job that was just claimed.
    pub(crate) fn add(self: &Arc<Self>, job: HeldJob) -> Control {
        let (stop, receiver) = watch::channel(None);
        let slot = Arc::new(ProcessSlot::default());
        let entry = Entry {
            stop,
            slot: slot.clone(),
            given_up: None,
        };
        lock(&self.jobs).insert(job.clone(), entry);
        Control {
            job,
            stop: receiver,
            slot,
            holdings: self.clone(),
        }
    }

    /// What a heartbeat says that the agent holds.
    pub(crate) fn list(&self) -> Vec<HeldJob> {
        // A heartbeat may name 100; the agent runs no more, but those given up come on top.
        lock(&self.jobs).keys().take(100).cloned().collect()
    }

    /// Somebody wants the job cancelled.
    pub(crate) fn cancel(&self, job_id: &JobId) {
        for (job, entry) in lock(&self.jobs).iter() {
            if job.job_id == *job_id {
                entry.stop(Stop::Cancelled);
            }
        }
    }

    /// The attempt is no longer the agent's. Its processes are killed here and now.
    pub(crate) fn dropped(&self, job: &HeldJob) -> bool {
        let mut jobs = lock(&self.jobs);
        let Some(entry) = jobs.get(job) else {
            return false;
        };
        let given_up = entry.given_up.is_some();
        entry.stop(Stop::Dropped);
        entry.slot.signal(Signal::SIGKILL);
        if given_up {
            jobs.remove(job);
        }
        given_up
    }

    /// Stops everything.
    pub(crate) fn stop_all(&self, reason: Stop) {
        for entry in lock(&self.jobs).values() {
            entry.stop(reason);
        }
    }

    /// Acts on the lease: asks jobs to stop as it ends, and kills what is left of them when it is over.
    pub(crate) fn enforce(&self, now: Moment) {
        let phase = self.lease.phase(now);
        if phase == Phase::Good {
            return;
        }
        for entry in lock(&self.jobs).values() {
            entry.stop(Stop::LeaseOver);
            if phase == Phase::Over {
                entry.slot.signal(Signal::SIGKILL);
            }
        }
    }

    /// A heartbeat that was sent at that moment has been answered.
    pub(crate) fn renew(&self, sent: Moment) {
        self.lease.renew(sent);
        for entry in lock(&self.jobs).values() {
            entry.slot.renew(&self.lease);
        }
    }

    /// The jobs that had been given up when a heartbeat was sent that named them and was answered: they are still the
    /// agent's to report on. An earlier one may have been answered before the agent was frozen, and says nothing of that.
    pub(crate) fn take_given_up(&self, named: &[HeldJob], sent: Moment) -> Vec<HeldJob> {
        let mut jobs = lock(&self.jobs);
        let before = |entry: &Entry| entry.given_up.is_some_and(|at| at <= sent);
        let given_up = |job: &&HeldJob| jobs.get(*job).is_some_and(before);
        let found: Vec<_> = named.iter().filter(given_up).cloned().collect();
        for job in &found {
            jobs.remove(job);
        }
        found
    }
}

impl Control {
    /// Why the job is to stop, if it is. Asks the lease as well: after a freeze this may be the first to notice.
    pub(crate) fn must_stop(&self) -> Option<Stop> {
        self.holdings.enforce(Moment::now());
        *self.stop.borrow()
    }

    /// The job was ended because its lease was over, whoever has noticed.
    pub(crate) fn lease_was_over(&self) {
        if let Some(entry) = lock(&self.holdings.jobs).get(&self.job) {
            entry.stop(Stop::LeaseOver);
        }
    }

    /// The job has ended on this machine: says what to do about it. Unless it was given up because of the lease, it is
    /// no longer held.
    ///
    /// The lease is asked here, and the heartbeat asks it before each call it sends; so a job that ended while the agent
    /// was frozen past its lease is never taken for one that ended in time.
    pub(crate) fn finish(&self) -> Verdict {
        self.holdings.enforce(Moment::now());
        let mut jobs = lock(&self.holdings.jobs);
        let verdict = match *self.stop.borrow() {
            None | Some(Stop::Cancelled) => Verdict::Report,
            Some(reason) => Verdict::Stopped(reason),
        };
        match (verdict, jobs.get_mut(&self.job)) {
            (Verdict::Stopped(Stop::LeaseOver), Some(entry)) => {
                entry.given_up = Some(Moment::now());
            }
            (_, _) => {
                jobs.remove(&self.job);
            }
        }
        verdict
    }

    /// The job was never begun, or is nobody's business any more.
    pub(crate) fn forget(&self) {
        lock(&self.holdings.jobs).remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use std::time::Duration;

    fn job(last: char) -> HeldJob {
        let job_id = JobId::parse(&format!("job-01JAB3Z5K8Q4V6W7X9Y0ZABCD{last}")).unwrap();
        HeldJob { job_id, attempt: 1 }
    }

    fn holdings(lease: Duration) -> Arc<Holdings> {
        Arc::new(Holdings::new(Lease::new(lease, Moment::now())))
    }

    #[test]
    fn a_job_that_ends_after_its_lease_is_given_up_and_not_reported() {
        let holdings = holdings(Duration::ZERO);
        let control = holdings.add(job('A'));
        assert_eq!(control.finish(), Verdict::Stopped(Stop::LeaseOver));
        assert_eq!(
            holdings.list(),
            [job('A')],
            "it is named until there is contact"
        );
        assert_eq!(
            holdings.take_given_up(&[job('A')], Moment::now()),
            [job('A')]
        );
        assert!(holdings.list().is_empty());
    }

    #[test]
    fn the_answer_to_a_heartbeat_of_before_says_nothing_about_a_job_given_up_since() {
        let holdings = holdings(Duration::ZERO);
        let control = holdings.add(job('A'));
        let sent = Moment::now();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(control.finish(), Verdict::Stopped(Stop::LeaseOver));
        assert!(holdings.take_given_up(&[job('A')], sent).is_empty());
        assert_eq!(holdings.list(), [job('A')], "the next heartbeat names it");
    }

    #[test]
    fn a_job_given_up_that_is_dropped_is_not_reported_at_all() {
        let holdings = holdings(Duration::ZERO);
        assert_eq!(
            holdings.add(job('A')).finish(),
            Verdict::Stopped(Stop::LeaseOver)
        );
        assert!(holdings.dropped(&job('A')));
        assert!(
            holdings
                .take_given_up(&[job('A')], Moment::now())
                .is_empty()
        );
    }

    #[test]
    fn a_renewal_after_the_lease_was_over_does_not_bring_jobs_back() {
        let holdings = holdings(Duration::from_secs(30));
        let control = holdings.add(job('A'));
        let later = Moment::now().plus(Duration::from_secs(40));
        holdings.enforce(later);
        holdings.renew(later);
        assert_eq!(control.must_stop(), Some(Stop::LeaseOver));
        assert_eq!(control.finish(), Verdict::Stopped(Stop::LeaseOver));
    }

    #[test]
    fn the_most_urgent_reason_counts() {
        let holdings = holdings(Duration::from_secs(30));
        let control = holdings.add(job('A'));
        let other = holdings.add(job('B'));
        holdings.cancel(&job('A').job_id);
        assert_eq!(control.must_stop(), Some(Stop::Cancelled));
        assert_eq!(other.must_stop(), None);
        holdings.dropped(&job('A'));
        holdings.cancel(&job('A').job_id);
        assert_eq!(control.finish(), Verdict::Stopped(Stop::Dropped));
        assert_eq!(other.finish(), Verdict::Report);
        assert!(holdings.list().is_empty());
    }
}
