//! The table `deployments`.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[DEPLOYMENT, SERVICE, COUNTS, DAY];

const DEPLOYMENT: Kind = Kind {
    table: "deployments",
    name: "deployment",
    pk: "T#<tenant>#D#<deployment>",
    sk: "D",
    words: &[],
    kept: "always",
    structs: &[
        "deployments/item.rs#DeploymentItem",
        "deployments/item.rs#StepItem",
        "deployments/item.rs#RollbackItem",
        "deployments/item.rs#FailureItem",
        "deployments/item.rs#HistoryItem",
    ],
    json: &[],
    entries: &[
        ("deployment_id", "its id"),
        ("service", "which service"),
        ("version", "which version of it"),
        ("commit", "of which commit"),
        ("author", "who the caller says made the commit"),
        ("build_job", "the job that built it"),
        ("test_job", "the job that tested it"),
        ("created_by", "who deploys: a public id"),
        ("created_ms", "since when"),
        ("status", "how it stands"),
        ("staging.ms", "when it came to staging"),
        ("staging.job", "by which job"),
        ("production.ms", "when it went live"),
        ("production.job", "by which job"),
        ("rollback.ms", "when it was rolled back"),
        ("rollback.to", "to which version"),
        (
            "rollback.reason",
            "why, in a person's words: one line of at most 200 characters",
        ),
        ("failure.ms", "when it failed"),
        (
            "failure.reason",
            "why, in a person's words: one line of at most 200 characters",
        ),
        ("history.ms", "a change: when"),
        ("history.status", "to what"),
        ("history.by", "by whom"),
        ("history.job", "by which job"),
        ("history.other", "in favour of which version"),
        ("history.reason", "why, in a person's words"),
    ],
};

const SERVICE: Kind = Kind {
    table: "deployments",
    name: "service",
    pk: "T#<tenant>#V#<service>",
    sk: "V",
    words: &[],
    kept: "always",
    structs: &[
        "deployments/item.rs#ServiceItem",
        "deployments/item.rs#WasLiveItem",
    ],
    json: &[],
    entries: &[
        ("service", "its name"),
        ("live.deployment_id", "which deployment is live"),
        ("live.version", "which version that is"),
        ("live.ms", "since when"),
        (
            "was_live.deployment_id",
            "one that was live before, to go back to",
        ),
        ("was_live.version", "which version that was"),
        ("was_live.ms", "since when it was"),
        ("deployments", "how many deployments it has had"),
    ],
};

const COUNTS: Kind = Kind {
    table: "deployments",
    name: "count of deployments of all time",
    pk: "T#<tenant>#DC",
    sk: "C",
    words: &[],
    kept: "always",
    structs: &[],
    json: &[],
    entries: &[
        ("total", "how many there were"),
        ("staging", "how many are in staging"),
        ("active", "how many are live"),
        ("failed", "how many failed"),
    ],
};

const DAY: Kind = Kind {
    table: "deployments",
    name: "count of deployments of a day",
    pk: "T#<tenant>#DC",
    sk: "<days since 1970>",
    words: &[],
    kept: "8 days",
    structs: &[],
    json: &[],
    entries: &[("created", "how many were made on it")],
};
