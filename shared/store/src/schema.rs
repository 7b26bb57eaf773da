//! The tables: the one definition of keys and indexes, from which everything that creates tables starts.

mod create;

/// The tables of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableKind {
    /// Jobs, roll-ups of statistics.
    Jobs,
    /// Deployments and services.
    Deployments,
    /// Agents, their leases, pools, tenants.
    Agents,
    /// API tokens, agent keys, and the sessions derived from them.
    Credentials,
    /// Persons, identities, organisations, memberships, invitations.
    People,
    /// The sessions of persons.
    Sessions,
    /// The record of who did what.
    Audit,
    /// Relays, their routing rules, their events.
    Relays,
}

/// What an index holds besides keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// Nothing.
    KeysOnly,
    /// These attributes. Each changes with the index's key or seldom, so that it costs next to no writes of its own.
    Include(&'static [&'static str]),
}

/// A global secondary index. It is sparse: an item without the keys is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexSchema {
    /// Its name.
    pub name: &'static str,
    /// The attribute that is its partition key, a string.
    pub partition_key: &'static str,
    /// The attribute that is its sort key, a string.
    pub sort_key: &'static str,
    /// What it holds besides keys.
    pub projection: Projection,
}

/// A table with the partition key `pk` and the sort key `sk`, both strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSchema {
    /// Which one.
    pub kind: TableKind,
    /// The environment variable with its name.
    pub variable: &'static str,
    /// Its name where nothing else is configured, in `local` and in tests.
    pub default_name: &'static str,
    /// Its indexes.
    pub indexes: &'static [IndexSchema],
    /// The attribute, in seconds since 1970, after which DynamoDB may delete an item. It may do so days late.
    pub ttl_attribute: &'static str,
}

const fn keys_only(
    name: &'static str,
    partition_key: &'static str,
    sort_key: &'static str,
) -> IndexSchema {
    IndexSchema {
        name,
        partition_key,
        sort_key,
        projection: Projection::KeysOnly,
    }
}

/// Every table's partition key.
pub(crate) const PK: &str = "pk";
/// Every table's sort key.
pub(crate) const SK: &str = "sk";
/// Every table's time to live.
pub(crate) const TTL: &str = "expires_at_seconds";

/// All tables.
pub const TABLES: [TableSchema; 8] = [
    TableSchema {
        kind: TableKind::Jobs,
        variable: "DYNAMODB_TABLE_JOBS",
        default_name: "jobs",
        indexes: &[
            keys_only("ready", "rpk", "rsk"),
            keys_only("deadline", "dpk", "dsk"),
            keys_only("list", "lpk", "lsk"),
            IndexSchema {
                name: "state",
                partition_key: "spk",
                sort_key: "ssk",
                projection: Projection::Include(&["pool", "wait_ms", "exec_ms"]),
            },
        ],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Deployments,
        variable: "DYNAMODB_TABLE_DEPLOYMENTS",
        default_name: "deployments",
        indexes: &[
            keys_only("list", "lpk", "lsk"),
            keys_only("service", "vpk", "vsk"),
        ],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Agents,
        variable: "DYNAMODB_TABLE_AGENTS",
        default_name: "agents",
        indexes: &[
            keys_only("deadline", "dpk", "dsk"),
            IndexSchema {
                name: "list",
                partition_key: "lpk",
                sort_key: "lsk",
                // They change seldom: with what somebody asks of an agent, how busy it is, and whether it is gone.
                projection: Projection::Include(&[
                    "pool",
                    "directive",
                    "degraded",
                    "max_jobs",
                    TTL,
                ]),
            },
        ],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Credentials,
        variable: "DYNAMODB_TABLE_CREDENTIALS",
        default_name: "credentials",
        indexes: &[IndexSchema {
            name: "list",
            partition_key: "lpk",
            sort_key: "lsk",
            // Written once, so that they cost nothing when the use of a credential is noted.
            projection: Projection::Include(&["member", "expires_at"]),
        }],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::People,
        variable: "DYNAMODB_TABLE_PEOPLE",
        default_name: "people",
        indexes: &[],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Sessions,
        variable: "DYNAMODB_TABLE_SESSIONS",
        default_name: "sessions",
        indexes: &[keys_only("user", "upk", "usk")],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Audit,
        variable: "DYNAMODB_TABLE_AUDIT",
        default_name: "audit",
        indexes: &[],
        ttl_attribute: TTL,
    },
    TableSchema {
        kind: TableKind::Relays,
        variable: "DYNAMODB_TABLE_RELAYS",
        default_name: "relays",
        indexes: &[
            keys_only("list", "lpk", "lsk"),
            keys_only("poll", "ppk", "psk"),
        ],
        ttl_attribute: TTL,
    },
];

/// The names of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables([String; 8]);

impl Default for Tables {
    fn default() -> Self {
        Self(TABLES.map(|table| table.default_name.to_owned()))
    }
}

impl Tables {
    /// The default names with a prefix, so that tests can share one engine.
    pub fn with_prefix(prefix: &str) -> Self {
        Self(TABLES.map(|table| format!("{prefix}{}", table.default_name)))
    }

    /// The names of the tables that a program uses, from the variables that `lookup` finds.
    ///
    /// # Errors
    /// Every fault at once, each with the name of its variable.
    pub fn read(
        used: &[TableKind],
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<String>> {
        let mut names = Self::default();
        let mut faults = Vec::new();
        for table in TABLES.iter().filter(|table| used.contains(&table.kind)) {
            let variable = table.variable;
            match lookup(variable).filter(|name| !name.is_empty()) {
                Some(name) if is_table_name(&name) => names.0[table.kind as usize] = name,
                Some(_) => faults.push(format!(
                    "{variable} must be 3 to 255 letters, digits, `_`, `-` and `.`"
                )),
                None => faults.push(format!("{variable} is missing")),
            }
        }
        if faults.is_empty() {
            Ok(names)
        } else {
            Err(faults)
        }
    }

    /// The name of one table.
    pub fn name(&self, kind: TableKind) -> &str {
        &self.0[kind as usize]
    }
}

/// Whether DynamoDB could have a table of that name.
fn is_table_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (3..=255).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_table_can_have_is_a_fault_like_one_that_is_missing() {
        let used = [TableKind::Jobs, TableKind::Agents, TableKind::Audit];
        let read = Tables::read(&used, &|name| match name {
            "DYNAMODB_TABLE_JOBS" => Some("${Jobs}".to_owned()),
            "DYNAMODB_TABLE_AGENTS" => Some("hybrid-ci-test-agents".to_owned()),
            _ => None,
        });
        assert_eq!(
            read.err().unwrap_or_default(),
            [
                "DYNAMODB_TABLE_JOBS must be 3 to 255 letters, digits, `_`, `-` and `.`",
                "DYNAMODB_TABLE_AUDIT is missing",
            ]
        );
    }

    #[test]
    fn tables_stand_in_the_order_of_their_kinds() {
        for (place, table) in TABLES.iter().enumerate() {
            assert_eq!(table.kind as usize, place);
        }
    }
}
