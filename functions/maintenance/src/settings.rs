//! What maintenance reads from its environment at its start.

use store::{Store, TableKind, Tables, client_from_env};
use telemetry::{LAMBDA_VARIABLES, LOG_LEVEL, Meter, check_log_level};

/// Everything that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct SettingsFault(Vec<String>);

/// The store that the environment names: `DYNAMODB_TABLE_JOBS`, `DYNAMODB_TABLE_AGENTS`, and what Lambda sets itself.
///
/// # Errors
/// Every fault at once.
pub fn store_from_env() -> Result<Store, SettingsFault> {
    let missing = |name: &str| format!("{name} is missing");
    let mut faults = Vec::new();
    if let Ok(level) = std::env::var(LOG_LEVEL)
        && let Err(why) = check_log_level(&level)
    {
        faults.push(format!("{LOG_LEVEL}: {why}"));
    }
    let tables = Tables::from_env(&[TableKind::Jobs, TableKind::Agents])
        .map_err(|names| faults.extend(names.into_iter().map(missing)));
    let client = client_from_env().map_err(|fault| faults.extend(fault.0.into_iter().map(missing)));
    let absent = |name: &&str| {
        std::env::var(name)
            .ok()
            .is_none_or(|value| value.is_empty())
    };
    faults.extend(LAMBDA_VARIABLES.into_iter().filter(absent).map(missing));
    match (tables, client) {
        (Ok(tables), Ok(client)) if faults.is_empty() => {
            Ok(Store::new(client, tables, Meter::default()))
        }
        _ => Err(SettingsFault(faults)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_reported_at_once() {
        let fault = store_from_env()
            .map(drop)
            .map_err(|fault| fault.to_string());
        let said = fault.err().unwrap_or_default();
        for name in [
            "DYNAMODB_TABLE_JOBS",
            "DYNAMODB_TABLE_AGENTS",
            "AWS_LAMBDA_RUNTIME_API",
        ] {
            assert!(said.contains(&format!("{name} is missing")), "{said}");
        }
    }
}
