//! What every function reads from its environment at its start.

use crate::{Store, TableKind, Tables, client_from};
use domain::Environment;
use telemetry::{LAMBDA_VARIABLES, LOG_LEVEL, Meter, Traces, check_log_level};

/// The part of a function's configuration that is the same for all of them.
#[derive(Debug)]
pub struct FunctionSettings {
    /// Whose credentials are good, and what metrics are told apart by.
    pub environment: Environment,
    /// The control plane's state.
    pub store: Store,
}

impl FunctionSettings {
    /// Reads what `lookup` finds in the environment: `ENVIRONMENT` (`live` or `test`), `LOG_LEVEL` (optional), where traces go
    /// (optional), the `DYNAMODB_TABLE_*` of the tables that are used, and what Lambda sets itself. There are no defaults for
    /// what decides whose data is read.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(
        used: &[TableKind],
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<String>> {
        let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let missing = |name: &str| format!("{name} is missing");
        let mut faults = Vec::new();
        let environment = variable("ENVIRONMENT");
        let known = environment.as_deref().and_then(Environment::parse);
        if environment.is_none() {
            faults.push(missing("ENVIRONMENT"));
        } else if known.is_none() {
            faults.push("ENVIRONMENT must be live or test".to_owned());
        }
        if let Some(Err(why)) = variable(LOG_LEVEL).map(|level| check_log_level(&level)) {
            faults.push(format!("{LOG_LEVEL}: {why}"));
        }
        faults.extend(Traces::read(lookup).err());
        let tables = Tables::read(used, lookup).map_err(|found| faults.extend(found));
        let client = client_from(lookup).map_err(|found| faults.extend(found));
        let absent = |name: &&str| variable(name).is_none();
        faults.extend(LAMBDA_VARIABLES.into_iter().filter(absent).map(missing));
        match (known, tables, client) {
            (Some(environment), Ok(tables), Ok(client)) if faults.is_empty() => Ok(Self {
                environment,
                store: Store::new(client, tables, Meter::default()),
            }),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_or_wrong_is_reported_at_once() {
        let used = [TableKind::Jobs, TableKind::Agents];
        let nothing = FunctionSettings::read(&used, &|_| None);
        let faults = nothing.err().unwrap_or_default();
        for name in [
            "ENVIRONMENT",
            "DYNAMODB_TABLE_JOBS",
            "DYNAMODB_TABLE_AGENTS",
            "AWS_REGION",
            "AWS_LAMBDA_RUNTIME_API",
        ] {
            assert!(faults.contains(&format!("{name} is missing")), "{faults:?}");
        }
        assert!(!faults.iter().any(|fault| fault.contains("DEPLOYMENTS")));
        let wrong =
            |name: &str| matches!(name, "ENVIRONMENT" | LOG_LEVEL).then(|| "queue=loud".to_owned());
        let faults = FunctionSettings::read(&used, &wrong).err();
        let faults = faults.unwrap_or_default().join("; ");
        assert!(
            faults.contains("ENVIRONMENT must be live or test"),
            "{faults}"
        );
        assert!(faults.contains("LOG_LEVEL: "), "{faults}");
    }
}
