//! How an agent is asked to end.

use tokio::sync::watch;

/// How urgently the agent is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Not at all.
    Run,
    /// After the jobs in hand.
    Drain,
    /// At once.
    Stop,
}

/// Asks an agent to end. Dropping it asks for nothing.
#[derive(Debug, Clone)]
pub struct ShutdownHandle(watch::Sender<Urgency>);

/// The agent's side of a [`ShutdownHandle`].
#[derive(Debug, Clone)]
pub struct Shutdown {
    receiver: watch::Receiver<Urgency>,
    // Keeps the channel open when every handle has been dropped.
    _sender: watch::Sender<Urgency>,
}

/// A way to ask an agent to end, and the agent's side of it.
pub fn shutdown() -> (ShutdownHandle, Shutdown) {
    let (sender, receiver) = watch::channel(Urgency::Run);
    let shutdown = Shutdown {
        receiver,
        _sender: sender.clone(),
    };
    (ShutdownHandle(sender), shutdown)
}

impl ShutdownHandle {
    /// Finish the jobs in hand, claim no more, deregister, end.
    pub fn drain(&self) {
        self.raise(Urgency::Drain);
    }

    /// Kill the jobs in hand, deregister so that they go to others at once, end.
    pub fn stop(&self) {
        self.raise(Urgency::Stop);
    }

    fn raise(&self, to: Urgency) {
        self.0.send_if_modified(|urgency| {
            let raised = *urgency < to;
            *urgency = to.max(*urgency);
            raised
        });
    }
}

impl Shutdown {
    pub(crate) fn urgency(&self) -> Urgency {
        *self.receiver.borrow()
    }

    /// Waits until the agent is asked to end at least that urgently.
    pub(crate) async fn reached(&self, least: Urgency) {
        let mut receiver = self.receiver.clone();
        if receiver
            .wait_for(|urgency| *urgency >= least)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_does_not_take_back_a_stop() {
        let (handle, shutdown) = shutdown();
        assert_eq!(shutdown.urgency(), Urgency::Run);
        handle.stop();
        handle.drain();
        assert_eq!(shutdown.urgency(), Urgency::Stop);
    }
}
