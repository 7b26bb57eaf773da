//! The table `credentials`.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[
    KEY,
    SIGNING_KEY,
    RULE_KEY,
    RULE,
    RULES,
    SESSION,
    ENROLMENT,
    RELAY_KEY,
    USED,
];

const KEPT: &str = "30 days after its end or revocation";

const KEY: Kind = Kind {
    table: "credentials",
    name: "API token, agent key, enrolment token",
    pk: "K#<key id>",
    sk: "K",
    words: &["API_TOKEN", "AGENT_KEY", "ENROLMENT"],
    kept: "30 days after its end or revocation; a used enrolment token as long as its agent's sessions may need it",
    structs: &["credentials/item.rs#KeyItem"],
    json: &[],
    entries: &[
        ("kind", "which of them it is"),
        ("tenant", "whose it is"),
        (
            "secret_sha256",
            "the SHA-256 of its secret, which is 32 random bytes: it verifies the secret and does not yield it",
        ),
        ("name", "what its owner calls it"),
        ("scopes", "what it may do"),
        ("pool", "the only pool that its agents may join"),
        ("created_by", "who made it: a public id"),
        ("created_at", "when"),
        ("expires_at", "when it ends"),
        (
            "last_used_at",
            "when it was last used, to five minutes: whether somebody still needs it",
        ),
        ("revoked_at", "when it was revoked"),
        ("revoked_by", "who did that: a public id"),
        ("member", "the person who may always do what it may"),
        ("rotated_to", "the key id of what took its place"),
        (
            "used_at",
            "when an enrolment token was used: it is good once",
        ),
        ("used_by", "the agent that used it"),
    ],
};

const SIGNING_KEY: Kind = Kind {
    table: "credentials",
    name: "signing key of agents",
    pk: "K#<key id>",
    sk: "K",
    words: &["SIGNING_KEY"],
    kept: KEPT,
    structs: &["credentials/signing_keys.rs#SigningKeyItem"],
    json: &[],
    entries: &[
        ("kind", "what it is"),
        ("tenant", "whose it is"),
        ("name", "what its owner calls it"),
        ("pool", "the only pool that its agents may join"),
        ("algorithm", "how it signs"),
        (
            "material",
            "the public key; or, of an HMAC, the key encrypted with AES-256-GCM under a data key that no table holds",
        ),
        ("created_by", "who made it: a public id"),
        ("created_at", "when"),
        ("expires_at", "when it ends"),
        ("last_used_at", "when it was last used, to five minutes"),
        ("revoked_at", "when it was revoked"),
        ("revoked_by", "who did that: a public id"),
    ],
};

const RULE_KEY: Kind = Kind {
    table: "credentials",
    name: "trust rule, as what agents register with",
    pk: "K#<key id>",
    sk: "K",
    words: &["TRUST_RULE"],
    kept: "30 days after its deletion",
    structs: &["credentials/trust_rules.rs#RuleKeyItem"],
    json: &[],
    entries: &[
        ("kind", "what it is"),
        ("tenant", "whose it is"),
        ("name", "what its owner calls it"),
        ("pool", "the only pool that its agents may join"),
        ("created_by", "who made it: a public id"),
        ("created_at", "when"),
        ("expires_at", "when it ends"),
        ("last_used_at", "when it was last used, to five minutes"),
        ("revoked_at", "when it was deleted"),
        ("revoked_by", "who did that: a public id"),
    ],
};

const RULE: Kind = Kind {
    table: "credentials",
    name: "trust rule",
    pk: "T#<tenant>#TR",
    sk: "R#<name>",
    words: &[],
    kept: "until it is deleted",
    structs: &["credentials/trust_rules.rs#RuleItem"],
    json: &[],
    entries: &[
        ("key_id", "its id"),
        ("name", "what its owner calls it"),
        ("pool", "the only pool that its agents may join"),
        ("issuer", "whose tokens it takes"),
        ("claims.*", "what a claim of such a token must be"),
        ("claims.*.prefix", "what a claim must begin with"),
        ("created_by", "who made it: a public id"),
        ("created_at", "when"),
        ("expires_at", "when it ends"),
    ],
};

const RULES: Kind = Kind {
    table: "credentials",
    name: "how many trust rules a tenant has",
    pk: "T#<tenant>#TR",
    sk: "COUNT",
    words: &[],
    kept: "always",
    structs: &[],
    json: &[],
    entries: &[("held", "the number: there is a limit")],
};

const SESSION: Kind = Kind {
    table: "credentials",
    name: "session of an agent",
    pk: "K#<key id of what it registered with>",
    sk: "S#<SHA-256 of its secret>",
    words: &[],
    kept: "until an hour after its end",
    structs: &["credentials/item.rs#SessionItem"],
    json: &[],
    entries: &[
        ("tenant", "whose it is"),
        ("secret_sha256", "the SHA-256 of its secret"),
        ("agent_id", "the agent"),
        ("pool", "its pool"),
        ("created_at", "when it began"),
        ("expires_at", "when it ends"),
    ],
};

const ENROLMENT: Kind = Kind {
    table: "credentials",
    name: "enrolment token of a relay",
    pk: "K#<key id>",
    sk: "K",
    words: &["RELAY_ENROLMENT"],
    kept: "30 days after its end",
    structs: &["relays/keys.rs#EnrolmentItem"],
    json: &[],
    entries: &[
        ("kind", "what it is"),
        ("tenant", "whose it is"),
        ("relay_id", "the relay that may bring a key with it"),
        ("secret_sha256", "the SHA-256 of its secret"),
        ("overlap_seconds", "for how long the key before stays good"),
        ("created_at", "when it was made"),
        ("expires_at", "when it ends"),
        ("used_at", "when it was used: it is good once"),
        ("used_by", "the key that was brought with it"),
    ],
};

const RELAY_KEY: Kind = Kind {
    table: "credentials",
    name: "key of a relay",
    pk: "K#<key id>",
    sk: "K",
    words: &["RELAY_KEY"],
    kept: "30 days after its end",
    structs: &["relays/keys.rs#KeyItem"],
    json: &[],
    entries: &[
        ("kind", "what it is"),
        ("tenant", "whose it is"),
        ("relay_id", "the relay that signs with it"),
        (
            "public_key",
            "its public half; the relay keeps the other one",
        ),
        ("created_at", "when it was brought"),
        ("expires_at", "when it ends"),
    ],
};

const USED: Kind = Kind {
    table: "credentials",
    name: "what was good once and is used: a workload's token, a nonce",
    pk: "X#<SHA-256>",
    sk: "X",
    words: &[],
    kept: "until it could not be good any more: minutes",
    structs: &[],
    json: &[],
    entries: &[],
};
