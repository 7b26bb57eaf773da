//! The table `relays`.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[RELAY, ROUTING, EVENT, ROLE, QUEUE];

const RELAY: Kind = Kind {
    table: "relays",
    name: "relay",
    pk: "T#<tenant>#RL#<relay>",
    sk: "R",
    words: &[],
    kept: "until it is deleted",
    structs: &[
        "relays/item.rs#RelayItem",
        "relays/item.rs#HeardItem",
        "relays/item.rs#PolledItem",
        "wire:relay/api.rs#QueueReference",
    ],
    json: &[],
    entries: &[
        ("relay_id", "its id"),
        ("name", "what people call it"),
        ("inbound_queue.provider", "whose queue it puts events on"),
        (
            "inbound_queue.address",
            "where that queue is, in the customer's account",
        ),
        (
            "decision_queue.provider",
            "whose queue decisions are sent to",
        ),
        (
            "decision_queue.address",
            "where that queue is, in the customer's account",
        ),
        (
            "dead_letter_queue.provider",
            "whose queue messages go to that are not believed",
        ),
        (
            "dead_letter_queue.address",
            "where that queue is, in the customer's account",
        ),
        (
            "role_arn",
            "the role that the customer lets us assume, to read and write these queues and nothing else",
        ),
        (
            "federation.kind",
            "in which other cloud we are somebody, so that no key of the customer's is kept",
        ),
        (
            "federation.directory_id",
            "of Azure: the customer's directory",
        ),
        (
            "federation.client_id",
            "of Azure: which application there believes our tokens",
        ),
        (
            "federation.workload_provider",
            "of Google Cloud: what believes our tokens",
        ),
        (
            "federation.service_account",
            "of Google Cloud: what we act as",
        ),
        (
            "external_id",
            "what that role asks us for: 128 random bits of ours, which keep others from having us use it",
        ),
        (
            "vault",
            "where the relay finds the secrets of webhooks: a reference that only the customer can follow",
        ),
        ("created_by", "who set it up: a public id"),
        ("created_at", "when"),
        ("current_key", "the id of the key that it signs with"),
        ("previous_key", "the id of the key before"),
        ("previous_until", "until when that is still good"),
        (
            "enrolment",
            "the id of the token that its next key may be brought with",
        ),
        (
            "heard_at",
            "when it was last heard of: it is offline after three minutes",
        ),
        ("heard.at", "the same, with what it said"),
        ("heard.version", "the version of its program"),
        ("heard.queue_reachable", "whether its queue takes messages"),
        ("heard.vault_reachable", "whether its vault gives secrets"),
        ("heard.sent", "how many messages it has sent"),
        ("heard.refused", "how many webhooks it has refused"),
        ("heard.duplicates", "how many it had seen before"),
        ("heard.queue_depth", "how many messages wait on its queue"),
        ("polled.at", "when its queue was last read"),
        ("polled.failure", "why it could not be, a word of ours"),
    ],
};

const ROUTING: Kind = Kind {
    table: "relays",
    name: "routing rules of a relay",
    pk: "T#<tenant>#RL#<relay>",
    sk: "ROUTING",
    words: &[],
    kept: "until the relay is deleted",
    structs: &["relays/routing.rs#RoutingItem"],
    json: &[],
    entries: &[
        (
            "document",
            "the rules as people wrote them: patterns of repositories, branches and the like, and the names of jobs, pools and targets",
        ),
        (
            "version",
            "how often they were changed: a change names the version that it changes",
        ),
    ],
};

const EVENT: Kind = Kind {
    table: "relays",
    name: "event: what is known of a webhook",
    pk: "T#<tenant>#RL#<relay>#EV#<event>",
    sk: "E",
    words: &[],
    kept: "7 days",
    structs: &[
        "relays/events.rs#EventItem",
        "wire:relay/event.rs#EventMetadata",
        "wire:relay/event.rs#Commitment",
    ],
    json: &["event", "action"],
    entries: &[
        ("relay_id", "the relay that sent it"),
        ("event.event_id", "its id, by which it is acted on once"),
        ("event.tool", "which tool sent the webhook"),
        (
            "event.event",
            "what kind of thing happened, a word of a closed set",
        ),
        (
            "event.action",
            "what exactly, in one word of the tool's, such as `opened`",
        ),
        (
            "event.repository",
            "in which repository; a pseudonym if the customer wants",
        ),
        (
            "event.git_repo",
            "the address that an agent can clone it from, without a credential",
        ),
        (
            "event.branch",
            "on which branch; a pseudonym if the customer wants",
        ),
        ("event.tag", "the tag that was made"),
        ("event.commit_sha", "the commit that it happened to"),
        (
            "event.author",
            "the account of whoever caused it, as the tool calls it",
        ),
        (
            "event.number",
            "the number of the pull request, build or run",
        ),
        (
            "event.status",
            "how a build, run or alert stands, in one word",
        ),
        ("event.severity", "how grave an alert is, in one word"),
        (
            "event.environment",
            "which environment it is about, in one word such as `staging`: never a variable",
        ),
        (
            "event.path_classes",
            "which classes of paths were changed, in the customer's own words: never the paths",
        ),
        ("event.received_at", "when the webhook arrived at the relay"),
        ("event.body_bytes", "how many bytes its body had"),
        ("event.commitment.algorithm", "how the commitment was made"),
        (
            "event.commitment.digest",
            "a digest of the body: the customer can show later what it was, and we cannot read it",
        ),
        (
            "instance",
            "which process of the relay numbered it, 128 random bits",
        ),
        (
            "sequence",
            "its number there: a gap is a message that did not arrive",
        ),
        ("outcome", "what became of it"),
        ("reason", "why it was refused, a word of ours"),
        ("rule", "the number of the rule that applied"),
        ("action.action", "what the rule said is to be done"),
        ("action.job_type", "which job to run"),
        ("action.pool_name", "in which pool"),
        ("action.priority", "how urgently"),
        (
            "action.target",
            "or whom to tell, in the customer's own word",
        ),
        ("pending", "that it is not done yet"),
        ("routing_version", "of which version of the rules"),
        ("job_id", "the job that it became"),
        ("acted_at", "when"),
    ],
};

const ROLE: Kind = Kind {
    table: "relays",
    name: "whose a customer's role is",
    pk: "ROLE#<role arn>",
    sk: "CLAIM",
    words: &[],
    kept: "always: a role is never another tenant's",
    structs: &[],
    json: &[],
    entries: &[("tenant", "the tenant that named it first")],
};

const QUEUE: Kind = Kind {
    table: "relays",
    name: "whose a customer's queue is that lets us in without a role",
    pk: "QUEUE#<address>",
    sk: "CLAIM",
    words: &[],
    kept: "until its relay is deleted",
    structs: &[],
    json: &[],
    entries: &[(
        "tenant",
        "the tenant that named it first: no other gets at it",
    )],
};
