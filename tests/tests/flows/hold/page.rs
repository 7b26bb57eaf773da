//! The page for people, made of the kinds.

use super::kinds::{EVERYWHERE, Kind, all};
use std::fmt::Write;

const BEGIN: &str = "# What we hold

Every field that the control plane stores, where, what for, and for how long. Source code, secrets, webhooks, commands,
environments and logs are not in this list because they are not stored, and do not reach the control plane: agents and relays in the
customer's own account keep them.

This page is made from the code, by `UPDATE_SNAPSHOTS=1 cargo test -p flows --test flows hold`, and a test compares it. It fails if
an item of any table, of this version or of one before, has an attribute that is not here; if the source can write one that is not
here; and if the page names one that nothing writes. Another one plants random text in everything that a webhook, a repository, an
agent and a person say, and searches all that the control plane has written for it.

All of it is in DynamoDB, encrypted at rest with a KMS key, in the tables below. [Data model](data-model.md) says how they are used.

";

const END: &str = "## Elsewhere

| where | what | how long |
|---|---|---|
| log, in CloudWatch Logs | ids (request, tenant, job, relay, event), the route, the status and the reason code of a request, durations, counts, errors in words of ours ([fields](operations.md#logs)): no header, query or body | 30 days, or as `LogRetentionDays` says |
| access log of the gateway, in CloudWatch Logs | time, ids, method, route, status, durations, sizes, and the caller's address | the same |
| traces, if they are on | the same as the log | as the collector keeps them |
| metrics, in CloudWatch | numbers, by environment, pool and operation; no tenant | 15 months, as CloudWatch keeps them |
| Secrets Manager | what the functions themselves need: the sign-in providers' client secrets, the data key of HMAC keys. Nothing of a customer's | until they are replaced |
| dead letters of the schedule, in SQS | the schedule's own event, which says nothing | 14 days |
| backups of the tables | all of the above, as it was at any second | 35 days: what was deleted is gone from them then |
| the customer's queues | the metadata of events and the decisions, signed: in the customer's account, where we read and delete, or send | as the customer says |

In the memory of a function: a credential for as long as its request takes, credentials of customers' roles for up to an hour, and what was read of
the tables for seconds or minutes.
";

/// The page.
pub(super) fn page() -> String {
    let mut page = String::from(BEGIN);
    page.push_str("Any item may have, besides what is below:\n\n| attribute | what it is, and what for |\n|---|---|\n");
    for (names, meaning) in EVERYWHERE {
        let names: Vec<_> = names.split(", ").map(|name| format!("`{name}`")).collect();
        writeln!(page, "| {} | {meaning} |", names.join(", ")).unwrap();
    }
    let mut table = "";
    for kind in all() {
        if kind.table != table {
            table = kind.table;
            write!(page, "\n## Table `{table}`\n").unwrap();
        }
        write_kind(&mut page, kind);
    }
    page.push('\n');
    page.push_str(END);
    page
}

fn write_kind(page: &mut String, kind: &Kind) {
    let Kind {
        name, pk, sk, kept, ..
    } = kind;
    let mut name = (*name).to_owned();
    name[..1].make_ascii_uppercase();
    write!(page, "\n### {name}\n\nKey `{pk}`, `{sk}`. Kept: {kept}.\n").unwrap();
    if kind.entries.is_empty() {
        page.push_str("\nIt has nothing but its key.\n");
        return;
    }
    page.push_str("\n| attribute | what it is, and what for |\n|---|---|\n");
    for (path, meaning) in kind.entries {
        writeln!(page, "| `{path}` | {meaning} |").unwrap();
    }
}
