//! What the tables hold: each kind of item, each attribute, what it is there for, and how long it is kept.

mod agents;
mod audit;
mod credentials;
mod deployments;
mod jobs;
mod people;
mod relays;
mod sessions;

/// A kind of item.
pub(super) struct Kind {
    pub(super) table: &'static str,
    /// What people call it.
    pub(super) name: &'static str,
    /// Its partition key. What is in angle brackets differs from item to item.
    pub(super) pk: &'static str,
    /// Its sort key.
    pub(super) sk: &'static str,
    /// The values of its attribute `kind`, where that tells it from others of the same keys.
    pub(super) words: &'static [&'static str],
    /// How long it is kept.
    pub(super) kept: &'static str,
    /// The structs of the source that are written into it, as `<file>#<name>`.
    pub(super) structs: &'static [&'static str],
    /// The attributes whose text is JSON, of which each member is an entry.
    pub(super) json: &'static [&'static str],
    /// Attributes, and what each is and is there for. A dot leads to what is within, `*` stands for any name.
    pub(super) entries: &'static [(&'static str, &'static str)],
}

/// What an item of any kind may have.
pub(super) const EVERYWHERE: [(&str, &str); 6] = [
    ("pk, sk", "the item's key, as it stands above its table"),
    (
        "lpk, lsk, rpk, rsk, dpk, dsk, spk, ssk, vpk, vsk, upk, usk, ppk, psk",
        "the item's places in indexes, made of the same ids, names and times: to list and to find it",
    ),
    (
        "write_id",
        "eight random bytes: to know one's own write again when its answer was lost",
    ),
    (
        "revision",
        "how often it was changed: two changes at once do not undo each other",
    ),
    (
        "request_sha256",
        "the SHA-256 of the request, where an idempotency key came with it: to tell a repeated request from another one",
    ),
    ("expires_at_seconds", "from when on DynamoDB may delete it"),
];

/// All kinds.
pub(super) fn all() -> Vec<&'static Kind> {
    let all = [
        jobs::KINDS,
        agents::KINDS,
        credentials::KINDS,
        people::KINDS,
        sessions::KINDS,
        deployments::KINDS,
        relays::KINDS,
        audit::KINDS,
    ];
    all.into_iter().flatten().collect()
}

/// Whether any item may have that attribute.
pub(super) fn is_everywhere(name: &str) -> bool {
    let mut names = EVERYWHERE.iter().flat_map(|(names, _)| names.split(", "));
    names.any(|one| one == name)
}

impl Kind {
    /// The entry of an attribute.
    pub(super) fn entry(&self, path: &str) -> Option<&'static str> {
        let mut entries = self.entries.iter();
        entries
            .find(|(known, _)| *known == path)
            .map(|(known, _)| *known)
    }

    /// Whether there is an entry of something within an attribute.
    pub(super) fn has_within(&self, path: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|(known, _)| {
            known
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }
}
