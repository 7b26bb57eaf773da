//! What every handler is given.

use crate::{Environment, Origin, Usage};
use domain::limits::Limits;
use store::{Store, StoreError, WriteId};
use web::{Clock, Entropy, Problem};
use wire::Timestamp;

/// The state of every HTTP function: the store, and the sources of everything that is not a function of a request.
#[derive(Debug, Clone)]
pub struct Api {
    /// The control plane's state.
    pub store: Store,
    /// The clock. A handler reads it once.
    pub clock: Clock,
    /// Where ids and secrets come from.
    pub entropy: Entropy,
    /// What each tenant may use.
    pub limits: Limits,
    /// What this process knows of how much its tenants use.
    pub usage: Usage,
    /// Which credentials are taken and issued.
    pub environment: Environment,
    /// Where browsers reach the control plane.
    pub origin: Origin,
    /// The name of the program that serves.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Api {
    /// What a handler is given in a test: the same ids and secrets each time, no limits on requests, since the clock stands
    /// still, and `https://ci.example.com` for an origin.
    #[cfg(any(test, feature = "testing"))]
    pub fn testing(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            entropy: Entropy::seeded(1),
            limits: Limits::of_a_laptop(),
            usage: Usage::default(),
            environment: Environment::Test,
            origin: Origin::testing(),
            name: "test",
            version: "1.2.3",
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An id for one write.
    pub fn write_id(&self) -> WriteId {
        WriteId::new(self.entropy.bytes())
    }
}

/// The one map from failures of the store to problems.
pub trait OrProblem<T> {
    /// What the caller is told if the store failed: 503 if it is worth trying again, 500 if not. The reason goes to
    /// the log.
    ///
    /// # Errors
    /// The problem.
    fn or_problem(self) -> Result<T, Problem>;
}

impl<T> OrProblem<T> for Result<T, secrets::Unavailable> {
    /// 503: what the function needs for this, and nobody may read in its configuration, cannot be read now.
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(|error| {
            tracing::warn!(%error, "a secret is needed");
            Problem::busy(secrets::RETRY_SECONDS)
        })
    }
}

impl<T> OrProblem<T> for Result<T, StoreError> {
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(|error| match error {
            StoreError::Busy { .. } => {
                tracing::warn!(%error, "the store is busy");
                Problem::busy(1)
            }
            StoreError::Refused { .. } | StoreError::Unreadable { .. } => {
                tracing::error!(%error, "the store failed");
                Problem::internal()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_busy_store_is_worth_another_try_and_a_broken_one_is_not() {
        let busy: Result<(), _> = Err(StoreError::Busy {
            operation: "claim",
            reason: "secret reason".to_owned(),
        });
        let problem = busy.or_problem().unwrap_err();
        assert_eq!(problem.status(), 503);
        assert!(!problem.detail().contains("secret"));
        let broken: Result<(), _> = Err(StoreError::Unreadable {
            operation: "claim",
            reason: "secret reason".to_owned(),
        });
        let problem = broken.or_problem().unwrap_err();
        assert_eq!(problem.status(), 500);
        assert!(!problem.detail().contains("secret"));
    }
}
