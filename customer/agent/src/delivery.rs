//! Brings results from the outbox to the control plane, however long that takes.

use crate::backoff::{Backoff, random};
use crate::client::{CallError, Client};
use crate::event::{Event, Observer};
use crate::outbox::{Entry, Outbox};
use crate::sync::lock;
use secrecy::SecretString;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

/// How many results are on their way at a time.
const MAX_CALLS: usize = 4;
/// How often a refused credential is tried: right after a registration a replica may not know it yet.
const MAX_UNAUTHORIZED: u32 = 3;

/// Delivers results. Ends with this value; what is not delivered by then stays in the outbox.
#[derive(Debug)]
pub(crate) struct Delivery {
    inner: Arc<Inner>,
    tasks: Mutex<JoinSet<()>>,
}

struct Inner {
    outbox: Outbox,
    client: Client,
    observer: Arc<dyn Observer>,
    calls: Semaphore,
    undelivered: watch::Sender<usize>,
    contact: Arc<Notify>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("outbox", &self.outbox)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// Delivers from that outbox; `contact` is notified when the control plane answers again after an outage.
    pub(crate) fn new(
        outbox: Outbox,
        client: Client,
        observer: Arc<dyn Observer>,
        contact: Arc<Notify>,
    ) -> Self {
        let inner = Inner {
            outbox,
            client,
            observer,
            calls: Semaphore::new(MAX_CALLS),
            undelivered: watch::channel(0).0,
            contact,
        };
        Self {
            inner: Arc::new(inner),
            tasks: Mutex::default(),
        }
    }

    /// Takes up what an earlier run left.
    pub(crate) fn resume(&self, url: &str) -> io::Result<()> {
        let (entries, warnings) = self.inner.outbox.load()?;
        for message in warnings {
            self.inner.warn(message);
        }
        for entry in entries {
            if entry.url == url {
                self.send(entry);
            } else {
                let message = format!(
                    "the result of {} is for the control plane at {}; it waits in the outbox until an agent runs with that URL",
                    entry.job_id, entry.url
                );
                self.inner.warn(message);
            }
        }
        Ok(())
    }

    /// Writes the result to disk, then delivers it.
    pub(crate) async fn submit(&self, entry: Entry) {
        let (inner, copy) = (self.inner.clone(), entry.clone());
        let written = tokio::task::spawn_blocking(move || inner.outbox.put(&copy)).await;
        let fault = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(fault) = fault {
            // It can still be delivered as long as this process lives.
            let message = format!(
                "the result of {} cannot be written to the outbox: {fault}",
                entry.job_id
            );
            self.inner.warn(message);
        }
        self.send(entry);
    }

    /// Waits until everything is delivered; says how much is not when the time is up.
    pub(crate) async fn settle(&self, limit: Duration) -> usize {
        let mut undelivered = self.inner.undelivered.subscribe();
        let _ = tokio::time::timeout(limit, undelivered.wait_for(|count| *count == 0)).await;
        *self.inner.undelivered.borrow()
    }

    fn send(&self, entry: Entry) {
        let inner = self.inner.clone();
        inner.undelivered.send_modify(|count| *count += 1);
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            inner.deliver(&entry).await;
            let (kept, job_id) = (inner.clone(), entry.job_id.clone());
            let removed = tokio::task::spawn_blocking(move || kept.outbox.remove(&entry)).await;
            if let Ok(Err(error)) = removed {
                inner.warn(format!(
                    "the delivered result of {job_id} cannot be removed from the outbox: {error}"
                ));
            }
            inner.undelivered.send_modify(|count| *count -= 1);
        });
    }
}

impl Inner {
    /// Tries until there is a final answer.
    async fn deliver(&self, entry: &Entry) {
        let token = SecretString::from(entry.session_token.clone());
        let mut backoff = Backoff::default();
        let mut unauthorized = 0;
        loop {
            let answer = {
                // The semaphore is never closed.
                let _call = self.calls.acquire().await;
                self.client
                    .complete(&token, &entry.job_id, &entry.result)
                    .await
            };
            let error = match answer {
                Ok(answer) => {
                    let (job, status) = (entry.job(), answer.job.status);
                    return self.observer.observe(&Event::Delivered { job, status });
                }
                Err(error) => error,
            };
            if error == CallError::Unauthorized {
                unauthorized += 1;
            }
            if !error.is_transient()
                && (error != CallError::Unauthorized || unauthorized >= MAX_UNAUTHORIZED)
            {
                let (job, reason) = (entry.job(), error.to_string());
                return self.observer.observe(&Event::Undeliverable { job, reason });
            }
            let contact = self.contact.notified();
            let wait = backoff.next(error.retry_after(), random());
            if error.retry_after().is_some() {
                tokio::time::sleep(wait).await;
            } else {
                // A late result counts only until somebody else claims the job: there is no time to lose after an outage.
                let _ = tokio::time::timeout(wait, contact).await;
            }
        }
    }

    fn warn(&self, message: String) {
        self.observer.observe(&Event::Warning { message });
    }
}
