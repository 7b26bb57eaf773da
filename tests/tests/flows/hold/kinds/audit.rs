//! The table `audit`.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[PAGE, INTENT];

const PAGE: Kind = Kind {
    table: "audit",
    name: "page of the record of who did what",
    pk: "T#<tenant>#A",
    sk: "<number of its first record>",
    words: &[],
    kept: "always: a chain that loses its begin cannot be verified",
    structs: &[
        "audit/item.rs#PageItem",
        "audit/item.rs#Through",
        "wire:audit.rs#Record",
    ],
    json: &["records"],
    entries: &[
        ("records.sequence", "a record: its number"),
        ("records.tenant_id", "whose it is"),
        ("records.at", "when it happened"),
        ("records.actor", "who did it: a public id"),
        (
            "records.credential_id",
            "with which credential: its public id",
        ),
        ("records.action", "what, a word of a closed set"),
        ("records.resource", "to what: its kind and its id or name"),
        ("records.outcome", "whether it was made, or nobody knows"),
        ("records.before_sha256", "the hash of what was there before"),
        (
            "records.after_sha256",
            "the hash of what was there afterwards",
        ),
        ("records.request_id", "which request asked for it"),
        ("records.address", "from which address"),
        (
            "records.detail.*",
            "facts about it, such as a pool, a role, a status",
        ),
        (
            "records.previous_hash",
            "the hash of the record before: nothing can be changed without it being seen",
        ),
        ("records.hash", "its own hash"),
        (
            "through.enqueued",
            "up to where new jobs are recorded: a time and the id of a job",
        ),
        ("through.completed", "the same of completed ones"),
        ("through.failed", "the same of failed ones"),
        (
            "through.dead_lettered",
            "the same of those in the dead-letter queue",
        ),
        ("through.cancelled", "the same of cancelled ones"),
        ("recorded_ms", "when the page was written"),
    ],
};

const INTENT: Kind = Kind {
    table: "audit",
    name: "intent: what is about to be recorded",
    pk: "T#<tenant>#I",
    sk: "<ms>#<write id>",
    words: &[],
    kept: "until its record is written: seconds",
    structs: &["wire:audit.rs#Draft"],
    json: &["draft"],
    entries: &[
        ("draft.at", "as in the record"),
        ("draft.actor", "as in the record"),
        ("draft.credential_id", "as in the record"),
        ("draft.action", "as in the record"),
        ("draft.resource", "as in the record"),
        ("draft.outcome", "as in the record"),
        ("draft.before_sha256", "as in the record"),
        ("draft.after_sha256", "as in the record"),
        ("draft.request_id", "as in the record"),
        ("draft.address", "as in the record"),
        ("draft.detail.*", "as in the record"),
    ],
};
