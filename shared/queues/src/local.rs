//! Queues in this process, for one machine and for tests. They behave as SQS does where it is hard on its readers: what is
//! received comes back unless it is deleted in time.

use crate::{Attributes, Message, Outgoing, QueueError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// For how long what is received is hidden.
const VISIBILITY: Duration = Duration::from_secs(30);

/// How many messages a queue holds.
const MAX_MESSAGES: usize = 100_000;

/// The queues of a process, by name. A queue is there once somebody has named it.
#[derive(Debug, Clone, Default)]
pub struct LocalQueues {
    queues: Arc<Mutex<BTreeMap<String, LocalQueue>>>,
}

impl LocalQueues {
    /// The queue of that name.
    pub fn queue(&self, name: &str) -> LocalQueue {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(name.to_owned()).or_default().clone()
    }
}

/// A queue in this process.
#[derive(Debug, Clone, Default)]
pub struct LocalQueue {
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    messages: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    id: u64,
    body: String,
    subject: String,
    receive_count: u32,
    hidden_until: Option<Instant>,
}

impl LocalQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn receive(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let deadline = Instant::now() + wait;
        loop {
            let arrived = self.arrived.notified();
            let messages = self.take(max);
            if !messages.is_empty() || timeout_at(deadline, arrived).await.is_err() {
                return Ok(messages);
            }
        }
    }

    fn take(&self, max: usize) -> Vec<Message> {
        let now = Instant::now();
        let mut state = self.state();
        let visible = state
            .messages
            .iter_mut()
            .filter(|held| held.hidden_until.is_none_or(|until| until <= now));
        let taken = visible.take(max).map(|held| {
            held.receive_count += 1;
            held.hidden_until = Some(now + VISIBILITY);
            Message {
                id: held.id.to_string(),
                // As with SQS, a receipt is of one time that the message was received.
                receipt: format!("{}:{}", held.id, held.receive_count),
                body: held.body.clone(),
                subject: held.subject.clone(),
                receive_count: held.receive_count,
            }
        });
        taken.collect()
    }

    pub(crate) fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        let id = receipt.split_once(':').and_then(|(id, _)| id.parse().ok());
        let Some(id) = id else {
            return Err(QueueError::Refused("no receipt".to_owned()));
        };
        let id: u64 = id;
        self.state().messages.retain(|held| held.id != id);
        Ok(())
    }

    pub(crate) fn send(&self, message: Outgoing<'_>) -> Result<(), QueueError> {
        let mut state = self.state();
        if state.messages.len() >= MAX_MESSAGES {
            return Err(QueueError::Unreachable("the queue is full".to_owned()));
        }
        state.last_id += 1;
        let id = state.last_id;
        state.messages.push_back(Held {
            id,
            body: message.body.to_owned(),
            subject: message.subject.to_owned(),
            receive_count: 0,
            hidden_until: None,
        });
        drop(state);
        self.arrived.notify_waiters();
        Ok(())
    }

    /// The kinds of the messages that are there, oldest first.
    pub fn subjects(&self) -> Vec<String> {
        let state = self.state();
        let subjects = state.messages.iter().map(|held| held.subject.clone());
        subjects.collect()
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let now = Instant::now();
        let state = self.state();
        let is_hidden = |held: &&Held| held.hidden_until.is_some_and(|until| until > now);
        let hidden = state.messages.iter().filter(is_hidden).count();
        Attributes {
            waiting: Some((state.messages.len() - hidden) as u64),
            in_flight: Some(hidden as u64),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::Queue;

    const MESSAGE: Outgoing<'static> = Outgoing {
        body: "hello",
        deduplication_id: "1",
        subject: "test",
    };

    #[tokio::test(start_paused = true)]
    async fn what_is_not_deleted_comes_back() {
        let queues = LocalQueues::default();
        let queue = Queue::Local(queues.queue("a"));
        queue.send(MESSAGE).await.unwrap();
        let first = queue.receive(10, Duration::ZERO).await.unwrap();
        assert_eq!(first[0].body, "hello");
        assert_eq!(queue.receive(10, Duration::ZERO).await.unwrap(), []);
        tokio::time::advance(VISIBILITY).await;
        let again = queue.receive(10, Duration::ZERO).await.unwrap();
        assert_eq!((&again[0].id, again[0].receive_count), (&first[0].id, 2));
        queue.delete(&again[0].receipt).await.unwrap();
        tokio::time::advance(VISIBILITY).await;
        assert_eq!(queue.receive(10, Duration::ZERO).await.unwrap(), []);
        assert_eq!(queue.attributes().await.unwrap().waiting, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_given_what_arrives() {
        let queue = Queue::Local(LocalQueues::default().queue("a"));
        let waiting = queue.clone();
        let received =
            tokio::spawn(async move { waiting.receive(1, Duration::from_secs(20)).await });
        tokio::task::yield_now().await;
        queue.send(MESSAGE).await.unwrap();
        assert_eq!(received.await.unwrap().unwrap().len(), 1);
    }
}
