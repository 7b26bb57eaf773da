//! The table `sessions`.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[SESSION, SIGN_INS];

const SESSION: Kind = Kind {
    table: "sessions",
    name: "session of a person",
    pk: "S#<SHA-256 of its secret>",
    sk: "S",
    words: &[],
    kept: "an hour after its end, which is 24 h after its begin at most",
    structs: &["sessions.rs#SessionItem"],
    json: &[],
    entries: &[
        ("session_id", "its public id"),
        (
            "key_id",
            "the key id of its secret, which begins with the membership",
        ),
        ("user_id", "the person"),
        ("tenant", "the organisation that they work in"),
        ("created_ms", "when it began"),
        (
            "seen_ms",
            "when it was last used, to five minutes: it ends after 8 h of silence",
        ),
        ("expires_ms", "when it ends in any case"),
        (
            "user_agent",
            "what their browser calls itself, so that they recognise their own sessions",
        ),
        (
            "address",
            "the address that they signed in from, for the same",
        ),
    ],
};

const SIGN_INS: Kind = Kind {
    table: "sessions",
    name: "count of sign-ins that were tried from an address in 10 s",
    pk: "SI#<address, of IPv6 the /64>",
    sk: "tried#<number of the window>",
    words: &[],
    kept: "an hour",
    structs: &[],
    json: &[],
    entries: &[("served", "how many there were: nobody can try for long")],
};
