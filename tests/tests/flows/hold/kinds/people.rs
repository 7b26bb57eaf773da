//! The table `people`.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[
    PERSON,
    POINTER,
    IDENTITY,
    ORGANISATION,
    MEMBER,
    MEMBERSHIP,
    INVITATION,
    OPEN,
];

const PERSON: Kind = Kind {
    table: "people",
    name: "person",
    pk: "U#<user>",
    sk: "P",
    words: &[],
    kept: "always",
    structs: &["people/item.rs#PersonItem"],
    json: &[],
    entries: &[
        ("user_id", "their id"),
        (
            "display_name",
            "what their provider says they are called, for others of their organisation",
        ),
        ("created_ms", "when they first signed in"),
        (
            "organisations",
            "in how many organisations they are: there is a limit",
        ),
    ],
};

const POINTER: Kind = Kind {
    table: "people",
    name: "which membership a person has in an organisation",
    pk: "U#<user>",
    sk: "M#<tenant>",
    words: &[],
    kept: "while it lasts",
    structs: &["people/item.rs#PointerItem"],
    json: &[],
    entries: &[("handle", "the membership"), ("joined_ms", "since when")],
};

const IDENTITY: Kind = Kind {
    table: "people",
    name: "identity: which person a provider's subject is",
    pk: "I#<SHA-256 of issuer and subject>",
    sk: "I",
    words: &[],
    kept: "always",
    structs: &["people/item.rs#IdentityItem"],
    json: &[],
    entries: &[
        ("issuer", "who vouches for them"),
        (
            "subject",
            "what the provider calls them, a number: never an e-mail address, a password or a token of the provider's",
        ),
        ("user_id", "who they are here"),
    ],
};

const ORGANISATION: Kind = Kind {
    table: "people",
    name: "organisation",
    pk: "T#<tenant>#O",
    sk: "O",
    words: &[],
    kept: "always",
    structs: &["people/item.rs#OrganisationItem"],
    json: &[],
    entries: &[
        ("title", "what it is called"),
        ("created_ms", "when it came to be"),
        ("owners", "how many owners it has: one stays"),
        ("members", "how many members it has: there is a limit"),
    ],
};

const MEMBER: Kind = Kind {
    table: "people",
    name: "who is in an organisation",
    pk: "T#<tenant>#M",
    sk: "<user>",
    words: &[],
    kept: "while it lasts",
    structs: &["people/item.rs#PointerItem"],
    json: &[],
    entries: &[("handle", "the membership"), ("joined_ms", "since when")],
};

const MEMBERSHIP: Kind = Kind {
    table: "people",
    name: "membership",
    pk: "M#<handle>",
    sk: "M",
    words: &[],
    kept: "while it lasts",
    structs: &["people/item.rs#MembershipItem"],
    json: &[],
    entries: &[
        (
            "handle",
            "its id, with which the key ids of the member's tokens begin",
        ),
        ("tenant", "the organisation"),
        ("user_id", "the person"),
        ("role", "what they may do there"),
        ("joined_ms", "since when"),
        (
            "sessions_from_ms",
            "when all their sessions were ended: those from before are over",
        ),
        ("session_kept", "the one that was not ended with them"),
    ],
};

const INVITATION: Kind = Kind {
    table: "people",
    name: "invitation",
    pk: "V#<key id>",
    sk: "V",
    words: &[],
    kept: "a day after its end",
    structs: &["people/item.rs#InvitationItem"],
    json: &[],
    entries: &[
        ("tenant", "into which organisation"),
        ("role", "as what"),
        (
            "secret_sha256",
            "the SHA-256 of its secret. Whom it is for is not known: whoever invites passes it on",
        ),
        ("created_by", "who invites: a public id"),
        (
            "creator",
            "the membership that must still be allowed to invite when it is accepted",
        ),
        ("created_ms", "when it was made"),
        ("expires_ms", "when it ends"),
        ("used_by", "who accepted it"),
        ("used_ms", "when"),
        ("revoked_ms", "when it was revoked"),
    ],
};

const OPEN: Kind = Kind {
    table: "people",
    name: "which invitations are open",
    pk: "T#<tenant>#V",
    sk: "<created ms>#<key id>",
    words: &[],
    kept: "until it is used, revoked or over",
    structs: &[],
    json: &[],
    entries: &[],
};
