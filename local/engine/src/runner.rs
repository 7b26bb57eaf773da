//! Where the database's work is done.
//!
//! SQLite blocks, and one connection does one thing at a time. A call that finds the database idle is executed on the
//! spot, which spares it two changes of thread; a call that finds it busy waits for the engine's own thread without
//! blocking anybody. So at most one thread of the caller's runtime is ever inside the database.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use dynoxide::Database;
use tokio::sync::oneshot;
use tokio::task;

use crate::dispatch::{Answer, Token, dispatch};
use crate::open::OpenDatabase;

/// How long a thread of the caller's runtime may be inside the database before the task lets the others have a turn.
/// Not after each call, since a turn costs ten microseconds or more.
const TURN: Duration = Duration::from_millis(1);

thread_local! {
    /// How long this thread was inside the database since it last let others have a turn.
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Executes calls against the database.
#[derive(Debug)]
pub(crate) struct Runner {
    shared: Arc<Shared>,
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    database: OpenDatabase,
    /// Held while a call is executed.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Job {
    operation: String,
    body: Vec<u8>,
    token: Token,
    reply: oneshot::Sender<Answer>,
}

impl Runner {
    pub(crate) fn new(database: OpenDatabase) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            database,
            turn: Mutex::new(()),
        });
        let (queue, jobs) = channel();
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("embedded-dynamodb".to_owned())
            .spawn(move || theirs.execute_all(&jobs))?;
        Ok(Self {
            shared,
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.shared.database.database
    }

    /// Executes a call. If the caller does not wait for the answer, it is executed or not, as on a network.
    pub(crate) async fn run(&self, operation: &str, body: &[u8], token: Token) -> Answer {
        let started = Instant::now();
        let Some(answer) = self.shared.execute_if_idle(operation, body, token) else {
            return self.execute_in_turn(operation, body, token).await;
        };
        let spent = SPENT.get() + started.elapsed();
        if spent < TURN {
            SPENT.set(spent);
            task::coop::consume_budget().await;
        } else {
            SPENT.set(Duration::ZERO);
            task::yield_now().await;
        }
        answer
    }

    async fn execute_in_turn(&self, operation: &str, body: &[u8], token: Token) -> Answer {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            operation: operation.to_owned(),
            body: body.to_owned(),
            token,
            reply,
        };
        let sent = self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.send(job).is_ok());
        match answer.await {
            Ok(answer) if sent => answer,
            _ => Answer::panicked(),
        }
    }
}

impl Drop for Runner {
    /// Waits for the thread, so that the file can be opened again as soon as the engine and its clients are gone.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the embedded database panicked");
        }
    }
}

impl Shared {
    fn execute_if_idle(&self, operation: &str, body: &[u8], token: Token) -> Option<Answer> {
        let _turn: MutexGuard<'_, ()> = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(dispatch(&self.database.database, operation, body, token))
    }

    /// Executes jobs until nobody can send any more. The turn is kept while there are jobs: whoever comes meanwhile
    /// queues behind them.
    fn execute_all(&self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let mut next = Some(first);
            while let Some(job) = next {
                self.execute(job);
                next = jobs.try_recv().ok();
            }
        }
    }

    fn execute(&self, job: Job) {
        let database = &self.database.database;
        // One call that panics must not take those behind it along. The database gives up its own lock as poisoned.
        let answer = catch_unwind(AssertUnwindSafe(|| {
            dispatch(database, &job.operation, &job.body, job.token)
        }));
        // Whoever no longer waits does not miss the answer.
        let _ = job
            .reply
            .send(answer.unwrap_or_else(|_| Answer::panicked()));
    }
}
