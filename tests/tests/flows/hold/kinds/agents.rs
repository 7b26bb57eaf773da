//! The table `agents`.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[AGENT, POOL, TENANT, REQUESTS];

const AGENT: Kind = Kind {
    table: "agents",
    name: "agent",
    pk: "T#<tenant>#A#<agent>",
    sk: "A",
    words: &[],
    kept: "24 h after it is gone",
    structs: &["agents/item.rs#AgentItem"],
    json: &[],
    entries: &[
        ("agent_id", "its id"),
        ("pool", "its pool"),
        ("version", "the version of its program"),
        ("hostname", "what it says its machine is called, for people"),
        ("os", "what it says its system is, for people"),
        ("arch", "what it says its processor is, for people"),
        ("tags.*", "what its owner wants to find it by"),
        ("max_jobs", "how many jobs it runs at a time"),
        ("registered_ms", "when it registered"),
        (
            "heard_ms",
            "when it was last heard of: 30 s later it is lost",
        ),
        (
            "cpu",
            "how busy its processor is, in percent: whether it is short of something",
        ),
        ("memory", "how full its memory is, in percent"),
        ("disk", "how full its disk is, in percent"),
        ("uptime", "for how long its machine is up, in seconds"),
        (
            "directive",
            "what people have asked of it: run, drain, pause",
        ),
        ("degraded", "whether it is short of something"),
        (
            "epoch",
            "which of its lives this is: it rises with every loss",
        ),
        ("lost_ms", "when it was declared lost"),
        ("ended_ms", "when it deregistered"),
        ("look_ms", "when to look at its lease again"),
        (
            "reclaim_ms",
            "until when jobs of its earlier life are looked for",
        ),
    ],
};

const POOL: Kind = Kind {
    table: "agents",
    name: "pool",
    pk: "T#<tenant>#P#<pool>",
    sk: "P",
    words: &[],
    kept: "until it is deleted",
    structs: &["pools.rs#PoolItem"],
    json: &[],
    entries: &[
        ("pool_name", "its name"),
        ("region", "where it is, in its owner's words"),
        ("zone", "where there, in its owner's words"),
        ("min_agents", "how many agents it should have at least"),
        ("max_agents", "how many at most"),
        ("desired_agents", "how many now"),
        ("enabled", "whether it takes jobs"),
        ("draining", "whether it is to run empty"),
        (
            "ready_shards",
            "over how many partitions its line is spread",
        ),
        ("created_ms", "when it was made"),
        (
            "scaled_ms",
            "when its size was last changed: not again at once",
        ),
    ],
};

const TENANT: Kind = Kind {
    table: "agents",
    name: "tenant",
    pk: "T#<tenant>#TENANT",
    sk: "TENANT",
    words: &[],
    kept: "always",
    structs: &[],
    json: &[],
    entries: &[
        ("tenant", "its id: maintenance walks through all tenants"),
        ("created_ms", "when it came"),
    ],
};

const REQUESTS: Kind = Kind {
    table: "agents",
    name: "count of requests in 10 s",
    pk: "T#<tenant>#RL",
    sk: "<class of requests>#<number of the window>",
    words: &[],
    kept: "an hour",
    structs: &[],
    json: &[],
    entries: &[(
        "served",
        "how many there were: one tenant does not take what is for all",
    )],
};
