//! What a function reads from its environment at its start.

use crate::Origin;
use domain::Environment;
use store::{FunctionSettings, Store, TableKind};

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
    /// Reads what every function reads, and `PUBLIC_ORIGIN`.
    ///
    /// # Errors
    /// Every fault at once.
    pub(crate) fn read(
        program: &Program,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut used = program.tables.to_vec();
        used.extend(WHO_CALLS);
        let common = FunctionSettings::read(&used, lookup).map_err(|found| faults.extend(found));
        let origin = lookup("PUBLIC_ORIGIN").filter(|text| !text.is_empty());
        let origin = match origin.map(|text| Origin::parse(&text)) {
            None => {
                faults.push("PUBLIC_ORIGIN is missing".to_owned());
                None
            }
            Some(Err(why)) => {
                faults.push(format!("PUBLIC_ORIGIN {why}"));
                None
            }
            Some(Ok(origin)) => Some(origin),
        };
        match (common, origin) {
            (Ok(FunctionSettings { environment, store }), Some(origin)) => Ok(Self {
                environment,
                origin,
                store,
            }),
            _ => Err(faults),
        }
    }
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
