//! What the orchestrator reads from its environment at its start.

use queues::Opener;
use store::{FunctionSettings, TableKind};

/// Reads what every function reads, and what opens the customers' queues.
///
/// # Errors
/// Every fault at once, and none twice.
pub fn settings(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(FunctionSettings, Opener), Vec<String>> {
    let used = [
        TableKind::Jobs,
        TableKind::Agents,
        TableKind::Credentials,
        TableKind::Relays,
    ];
    match (
        FunctionSettings::read(&used, lookup),
        Opener::of_function(lookup),
    ) {
        (Ok(settings), Ok(opener)) => Ok((settings, opener)),
        (settings, opener) => {
            let faults = [settings.err(), opener.err()].into_iter().flatten();
            let mut faults: Vec<_> = faults.flatten().collect();
            // Both are of AWS, and need the same of it.
            faults.sort_unstable();
            faults.dedup();
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_reported_once() {
        let faults = settings(&|_| None).err().unwrap_or_default();
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
            let said = faults.iter().filter(|fault| **fault == missing).count();
            assert_eq!(said, 1, "{name}: {faults:?}");
        }
    }
}
