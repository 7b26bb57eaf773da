//! What each role may do: the one table.

use crate::Scope;
use wire::Role;

/// What an owner may do: everything.
const OWNER: &[Scope] = &[Scope::Admin];

/// What an administrator may do. What concerns owners alone is looked at by role, where it is done.
const ADMIN: &[Scope] = &[Scope::Admin];

const DEVELOPER: &[Scope] = &[
    Scope::JobsRead,
    Scope::JobsWrite,
    Scope::AgentsRead,
    Scope::DeploymentsRead,
    Scope::RelaysRead,
    Scope::DeploymentsWrite,
    Scope::TokensRead,
    Scope::TokensWrite,
    Scope::MembersRead,
];

const VIEWER: &[Scope] = &[
    Scope::JobsRead,
    Scope::AgentsRead,
    Scope::DeploymentsRead,
    Scope::RelaysRead,
    Scope::TokensRead,
    Scope::TokensWrite,
    Scope::MembersRead,
];

const AUDITOR: &[Scope] = &[
    Scope::JobsRead,
    Scope::AgentsRead,
    Scope::DeploymentsRead,
    Scope::RelaysRead,
    Scope::TokensRead,
    Scope::MembersRead,
    Scope::AuditRead,
];

/// What a person of that role may do.
pub const fn scopes(role: Role) -> &'static [Scope] {
    match role {
        Role::Owner => OWNER,
        Role::Admin => ADMIN,
        Role::Developer => DEVELOPER,
        Role::Viewer => VIEWER,
        Role::Auditor => AUDITOR,
    }
}

/// Whether one who has these scopes may do what needs that one.
pub(crate) fn allows(scopes: &[Scope], needed: Scope) -> bool {
    scopes.contains(&needed) || (scopes.contains(&Scope::Admin) && !needed.is_of_machines_alone())
}

/// What both allow: a token's scopes as far as the role of the person whose it is has them.
pub(crate) fn both(token: Vec<Scope>, role: Role) -> Vec<Scope> {
    let ceiling = scopes(role);
    if token.contains(&Scope::Admin) {
        return ceiling.to_vec();
    }
    let within = token.into_iter().filter(|scope| allows(ceiling, *scope));
    within.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_has_what_machines_alone_may() {
        for role in Role::ALL {
            for scope in scopes(*role) {
                assert!(!scope.is_of_machines_alone(), "{role}: {scope}");
            }
        }
    }

    #[test]
    fn a_token_never_does_more_than_the_person_whose_it_is() {
        let all: Vec<_> = Scope::ALL
            .iter()
            .copied()
            .filter(|scope| !scope.is_of_machines_alone())
            .collect();
        for role in Role::ALL {
            for granted in all.iter().map(|scope| vec![*scope]).chain([all.clone()]) {
                let left = both(granted.clone(), *role);
                for needed in &all {
                    let may = allows(&left, *needed);
                    assert_eq!(
                        may,
                        allows(&granted, *needed) && allows(scopes(*role), *needed),
                        "{role}: {granted:?}: {needed}"
                    );
                }
            }
        }
    }

    #[test]
    fn only_owners_and_administrators_do_everything() {
        for role in Role::ALL {
            let everything = matches!(role, Role::Owner | Role::Admin);
            assert_eq!(allows(scopes(*role), Scope::Admin), everything, "{role}");
            assert_eq!(
                allows(scopes(*role), Scope::MembersWrite),
                everything,
                "{role}"
            );
            assert_eq!(
                allows(scopes(*role), Scope::AgentsEnrol),
                everything,
                "{role}"
            );
        }
    }
}
