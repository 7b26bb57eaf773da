//! The page about who may do what, from the same values that are enforced.

use crate::Scope;
use crate::access::{Access, AgentAccess, RelayAccess};
use crate::openapi::{PUBLIC, REGISTERING, access_of, operations};
use crate::role::{allows, scopes};
use std::fmt::Write;
use utoipa::openapi::OpenApi;
use wire::Role;

/// A table of which role may do what: scope by scope.
pub fn roles_table() -> String {
    let mut table = heading("scope");
    for scope in Scope::ALL {
        let cells = Role::ALL.iter().map(|role| {
            let may = !scope.is_of_machines_alone() && allows(scopes(*role), *scope);
            mark(may)
        });
        row(&mut table, &format!("`{scope}`"), cells);
    }
    table
}

/// A table of every route and who may call it: people by role, tokens by scope, agents and relays, and whoever brings one in.
pub fn routes_table(document: &OpenApi) -> String {
    let mut table = heading("route");
    // The columns that are not roles.
    for (line, more) in [
        " API token | agent | who registers one | relay | who enrols one |",
        "---|---|---|---|---|",
    ]
    .iter()
    .enumerate()
    {
        let end = table
            .match_indices('\n')
            .nth(line)
            .map_or(table.len(), |(place, _)| place);
        table.insert_str(end, more);
    }
    let mut document = document.clone();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let declared = access_of(operation);
            let public = declared.as_ref().is_some_and(|declared| declared == PUBLIC);
            let access = declared.and_then(|declared| Access::from_extension(&declared));
            let (note, cells) = match access {
                _ if public => (", public", vec![mark(true); Role::ALL.len() + 5]),
                Some(access) => ("", cells(access)),
                None => ("", Vec::new()),
            };
            let route = format!("`{method} {path}`{note}");
            row(&mut table, &route, cells.into_iter());
        }
    }
    table
}

fn cells(access: Access) -> Vec<String> {
    let roles = Role::ALL
        .iter()
        .map(|role| mark(access.lets_in_role(*role)));
    let scope = |scope: Option<Scope>| match scope {
        Some(scope) => format!("`{scope}`"),
        None => mark(false),
    };
    let token = if access.token {
        "any".to_owned()
    } else {
        scope(access.people)
    };
    let agent = match access.agent {
        Some(AgentAccess { own: true, .. }) => "itself".to_owned(),
        Some(AgentAccess { own: false, .. }) => "✓".to_owned(),
        None => mark(false),
    };
    let registering = access.agent_key.map_or_else(
        || mark(false),
        |_| REGISTERING.map(|(_, name)| name).join(", "),
    );
    let relay = match access.relay {
        Some(RelayAccess { own: true, .. }) => "itself".to_owned(),
        Some(RelayAccess { own: false, .. }) => "✓".to_owned(),
        None => mark(false),
    };
    let enrolling = access
        .relay_enrolment
        .map_or_else(|| mark(false), |_| "enrolment token".to_owned());
    let machines = [token, agent, registering, relay, enrolling];
    roles.chain(machines).collect()
}

fn mark(may: bool) -> String {
    if may { "✓" } else { "" }.to_owned()
}

fn heading(first: &str) -> String {
    let roles: Vec<_> = Role::ALL.iter().map(|role| format!(" {role} |")).collect();
    let underline = "---|".repeat(roles.len() + 1);
    format!("| {first} |{}\n|{underline}\n", roles.concat())
}

fn row(table: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    // Writing into a string does not fail.
    let _ = write!(table, "| {first} |");
    for cell in cells {
        let _ = write!(table, " {cell} |");
    }
    table.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_roles_has_a_line_for_each_scope() {
        let table = roles_table();
        assert!(
            table.starts_with("| scope | OWNER | ADMIN | DEVELOPER | VIEWER | AUDITOR |\n|---|")
        );
        assert!(table.contains("| `audit:read` | ✓ | ✓ |  |  | ✓ |\n"));
        assert!(table.contains("| `queue:claim` |  |  |  |  |  |\n"));
        assert_eq!(table.lines().count(), Scope::ALL.len() + 2);
    }
}
