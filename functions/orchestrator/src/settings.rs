//! What the orchestrator reads from its environment at its start.

use domain::Environment;
use queues::Opener;
use store::{Store, TableKind, Tables, client_from};
use telemetry::{LAMBDA_VARIABLES, LOG_LEVEL, Meter, Traces, check_log_level};

/// Everything that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct SettingsFault(Vec<String>);

/// The configuration of the orchestrator.
#[derive(Debug)]
pub struct Settings {
    /// What metrics are told apart by.
    pub environment: Environment,
    /// The control plane's state.
    pub store: Store,
    /// What opens the customers' queues.
    pub opener: Opener,
}

impl Settings {
    /// Reads the environment: `ENVIRONMENT` (`live` or `test`), `LOG_LEVEL` (optional), the `DYNAMODB_TABLE_*` of the tables
    /// that it uses, and what Lambda sets itself.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn from_env() -> Result<Self, SettingsFault> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// The same, from elsewhere than the environment.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsFault> {
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
        let used = [
            TableKind::Jobs,
            TableKind::Agents,
            TableKind::Credentials,
            TableKind::Relays,
        ];
        let tables = Tables::read(&used, lookup).map_err(|found| faults.extend(found));
        let client = client_from(lookup).map_err(|found| faults.extend(found));
        let opener = Opener::of_function(lookup).map_err(|found| faults.extend(found));
        let absent = |name: &&str| variable(name).is_none();
        faults.extend(LAMBDA_VARIABLES.into_iter().filter(absent).map(missing));
        // Both clients are of AWS.
        faults.sort_unstable();
        faults.dedup();
        match (known, tables, client, opener) {
            (Some(environment), Ok(tables), Ok(client), Ok(opener)) if faults.is_empty() => {
                Ok(Self {
                    environment,
                    store: Store::new(client, tables, Meter::default()),
                    opener,
                })
            }
            _ => Err(SettingsFault(faults)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_reported_at_once() {
        let fault = Settings::read(&|_| None)
            .map(drop)
            .map_err(|fault| fault.to_string());
        let said = fault.err().unwrap_or_default();
        for name in [
            "ENVIRONMENT",
            "DYNAMODB_TABLE_JOBS",
            "DYNAMODB_TABLE_AGENTS",
            "DYNAMODB_TABLE_CREDENTIALS",
            "DYNAMODB_TABLE_RELAYS",
            "AWS_REGION",
            "AWS_LAMBDA_RUNTIME_API",
        ] {
            let missing = format!("{name} is missing");
            assert_eq!(said.matches(&missing).count(), 1, "{name}: {said}");
        }
    }
}
