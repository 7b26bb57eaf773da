//! Faults that calls of queues meet.

use queues::QueueError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueFault {
    /// Nothing.
    None,
    /// The connection breaks before the call arrives.
    Before,
    /// The call is executed and its answer is lost.
    After,
    /// It is never answered.
    Hang,
    /// It is executed after so much time.
    Slow(Duration),
}

type Policy = dyn Fn(&str, &str) -> QueueFault + Send + Sync;

/// Decides the fault of each call by the queue's address and what is called.
#[derive(Clone, Default)]
pub(crate) struct QueueFaults(Arc<Mutex<Option<Arc<Policy>>>>);

impl fmt::Debug for QueueFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueFaults").finish_non_exhaustive()
    }
}

impl QueueFaults {
    pub(crate) fn set(&self, policy: impl Fn(&str, &str) -> QueueFault + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(policy));
    }

    /// The fault before a call, and what is to be answered after it.
    pub(crate) async fn meet(
        &self,
        queue: &str,
        call: &str,
    ) -> Result<Result<(), QueueError>, QueueError> {
        let policy = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let fault = policy.map_or(QueueFault::None, |policy| policy(queue, call));
        let lost = || QueueError::Unreachable("a test".to_owned());
        match fault {
            QueueFault::None => Ok(Ok(())),
            QueueFault::Before => Err(lost()),
            QueueFault::After => Ok(Err(lost())),
            QueueFault::Hang => std::future::pending().await,
            QueueFault::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(Ok(()))
            }
        }
    }
}
