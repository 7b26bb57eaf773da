//! What a function reads from its environment at its start.

use crate::Origin;
use domain::Environment;
use store::{Store, TableKind, Tables, client_from};
use telemetry::{LOG_LEVEL, Meter, Traces, check_log_level};

/// A program that serves HTTP on Lambda.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The tables it uses besides those that say who calls.
    pub tables: &'static [TableKind],
}

/// The tables that say who calls.
const WHO_CALLS: [TableKind; 3] = [
    TableKind::Credentials,
    TableKind::People,
    TableKind::Sessions,
];

/// The configuration of a function.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) environment: Environment,
    pub(crate) origin: Origin,
    pub(crate) store: Store,
}

impl Settings {
    /// Reads what `lookup` finds in the environment: `ENVIRONMENT` (`live` or `test`), `PUBLIC_ORIGIN`, `LOG_LEVEL` (optional), the
    /// `DYNAMODB_TABLE_*` of the program, and what Lambda sets itself. There are no defaults for what decides whose data is read.
    ///
    /// # Errors
    /// Every fault at once.
    pub(crate) fn read(
        program: &Program,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<String>> {
        let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut faults = Vec::new();
        let environment = match variable("ENVIRONMENT") {
            None => {
                faults.push(missing("ENVIRONMENT"));
                None
            }
            Some(name) => {
                let known = Environment::parse(&name);
                if known.is_none() {
                    faults.push("ENVIRONMENT must be live or test".to_owned());
                }
                known
            }
        };
        let origin = variable("PUBLIC_ORIGIN").map(|text| Origin::parse(&text));
        let origin = match origin {
            None => {
                faults.push(missing("PUBLIC_ORIGIN"));
                None
            }
            Some(Err(why)) => {
                faults.push(format!("PUBLIC_ORIGIN {why}"));
                None
            }
            Some(Ok(origin)) => Some(origin),
        };
        if let Some(Err(why)) = variable(LOG_LEVEL).map(|level| check_log_level(&level)) {
            faults.push(format!("{LOG_LEVEL}: {why}"));
        }
        faults.extend(Traces::read(lookup).err());
        let mut used = program.tables.to_vec();
        used.extend(WHO_CALLS);
        let tables = Tables::read(&used, lookup).map_err(|found| faults.extend(found));
        let client = client_from(lookup).map_err(|found| faults.extend(found));
        faults.extend(
            telemetry::LAMBDA_VARIABLES
                .into_iter()
                .filter(|name| variable(name).is_none())
                .map(missing),
        );
        match (environment, origin, tables, client) {
            (Some(environment), Some(origin), Ok(tables), Ok(client)) if faults.is_empty() => {
                Ok(Self {
                    environment,
                    origin,
                    store: Store::new(client, tables, Meter::default()),
                })
            }
            _ => Err(faults),
        }
    }
}

fn missing(name: &str) -> String {
    format!("{name} is missing")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn everything_that_is_missing_is_reported_at_once() {
        let program = Program {
            name: "queue",
            version: "0",
            tables: &[TableKind::Jobs, TableKind::Agents],
        };
        let faults = Settings::read(&program, &|_| None).unwrap_err();
        for name in [
            "ENVIRONMENT",
            "PUBLIC_ORIGIN",
            "DYNAMODB_TABLE_JOBS",
            "DYNAMODB_TABLE_AGENTS",
            "DYNAMODB_TABLE_CREDENTIALS",
            "DYNAMODB_TABLE_PEOPLE",
            "DYNAMODB_TABLE_SESSIONS",
            "AWS_LAMBDA_RUNTIME_API",
        ] {
            assert!(
                faults.contains(&format!("{name} is missing")),
                "{name}: {faults:?}"
            );
        }
        assert!(!faults.iter().any(|fault| fault.contains("DEPLOYMENTS")));
    }
}
