//! Events of relays, as the orchestrator reads them from queues.

use crate::deployment::functions::Functions;
use crate::sender::Sender;
use orchestrator::Orchestrator;
use queues::{LocalQueues, Outgoing, Queue};
use serde_json::{Value, json};
use wire::QueueProvider;
use wire::relay::QueueReference;

const BRANCHES: [&str; 5] = ["push", "told", "decided", "nothing", "unknown"];

fn queue(name: &str) -> QueueReference {
    QueueReference {
        provider: QueueProvider::Local,
        address: name.to_owned(),
    }
}

/// Everything that may become of an event, and queues that cannot be read.
pub(super) async fn rounds(functions: &Functions) {
    let queues = LocalQueues::default();
    let orchestrator = functions.orchestrator(&queues);
    let (api, inbound) = (&functions.api, queue("events-in"));
    let decisions = Some(queue("events-out"));
    let sender = Sender::set_up(api, "of-a-relay", (inbound, decisions), rules()).await;
    for (place, branch) in BRANCHES.into_iter().enumerate() {
        let message = sender.message(api.now(), place, branch);
        // Each twice: the second one is found to be done with.
        for _ in 0..2 {
            put(&queues, &message).await;
        }
    }
    put(&queues, "junk").await;
    let report = orchestrator.poll_once().await;
    let messages = report.messages;
    assert_eq!(messages.enqueued + messages.notified + messages.decided, 3);
    assert_eq!((messages.ignored, messages.unmatched), (1, 1), "{report:?}");
    assert_eq!((messages.disbelieved, report.errors), (1, 0), "{report:?}");
    later(functions, &orchestrator).await;
    // A process in which there are no such queues.
    let report = functions.orchestrator_without_queues().poll_once().await;
    assert_eq!((report.failed > 0, report.errors), (true, 0), "{report:?}");
}

/// Much later the same process reads everything anew that it had remembered, and says again how the queue is.
async fn later(functions: &Functions, orchestrator: &Orchestrator) {
    functions.api.clock.advance_seconds(600);
    assert_eq!(orchestrator.poll_once().await.errors, 0);
}

async fn put(queues: &LocalQueues, body: &str) {
    let message = Outgoing {
        body,
        deduplication_id: "",
        subject: "hybrid-ci.event",
    };
    let queue = Queue::Local(queues.queue("events-in"));
    queue.send(message).await.unwrap();
}

fn rules() -> Value {
    json!({ "tools": { "github": [
        { "when": { "branch": "push" }, "then": { "action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "of-a-relay" } },
        { "when": { "branch": "told" }, "then": { "action": "NOTIFY", "target": "releases" } },
        { "when": { "branch": "decided" }, "then": { "action": "DECIDE", "target": "deploy" } },
        { "when": { "branch": "nothing" }, "then": { "action": "IGNORE" } },
    ] } })
}
