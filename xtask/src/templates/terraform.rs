//! `terraform/` and the customers' module for the relay are formatted, valid, and plan what their tests say.
//!
//! Two things can check it. With the provider from its registry, `terraform` itself does. Where no registry can be
//! reached, the variable `TERRAFORM_CHECK` names a program that is given the directories: it has the provider's schema
//! alone, which is enough, since the tests ask nobody (`mock_provider`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::or_skip;
use crate::process::{Process, is_interrupted};
use crate::tools::{Tools, terraform};

/// Names a program that checks Terraform's directories without a registry.
const CHECK: &str = "TERRAFORM_CHECK";

/// All plans of all tests: each starts the provider anew.
const TEST_TIMEOUT: Duration = Duration::from_mins(15);
/// The provider is 150 MB to download.
const INIT_TIMEOUT: Duration = Duration::from_mins(10);

/// What stands in the answer of `terraform init` when it could not ask for the provider, as opposed to a fault of ours.
const UNREACHABLE: [&str; 3] = [
    "could not connect to registry",
    "Failed to query available provider packages",
    "Failed to install provider",
];

/// The module for a customer's relay.
const RELAY: &str = "customer/relay/deploy/terraform";

/// Checks every module and every environment; the first fault ends it.
///
/// # Errors
///
/// What does not hold, or (with `CI=true`) that there is no Terraform to check it with.
pub(super) fn check(root: &Path, tools: &Tools) -> Result<()> {
    let directories = directories(root)?;
    if let Some(check) = std::env::var_os(CHECK).filter(|value| !value.is_empty()) {
        return Process::new(check, TEST_TIMEOUT)
            .args(&directories)
            .current_dir(root)
            .run();
    }
    let Some(program) = or_skip("terraform/", terraform())? else {
        return Ok(());
    };
    Process::new(&program, TEST_TIMEOUT)
        .args(["fmt", "-check", "-recursive", "-diff", "terraform", RELAY])
        .current_dir(root)
        .run()?;
    for directory in &directories {
        if let Err(error) = initialise(&program, tools, directory)? {
            return skip(&error);
        }
        for command in ["validate", "test"] {
            quietly(&program, TEST_TIMEOUT)
                .args([command])
                .current_dir(directory)
                .run()
                .with_context(|| directory.display().to_string())?;
        }
    }
    Ok(())
}

/// Where Terraform's registry cannot be reached, its provider cannot be had: this is the one skip that is no failure with
/// `CI=true` either. That Terraform itself is missing is one.
fn skip(error: &anyhow::Error) -> Result<()> {
    if is_interrupted() {
        anyhow::bail!("interrupted");
    }
    eprintln!("xtask: SKIPPED the plans of terraform/: {error:#}");
    Ok(())
}

/// The modules and environments: each can be planned by itself.
fn directories(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.join(RELAY)];
    for group in ["terraform/modules", "terraform/environments"] {
        let group = root.join(group);
        for entry in std::fs::read_dir(&group).with_context(|| group.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Has Terraform install the provider for a directory. That its registry cannot be reached is no fault of the directory.
fn initialise(program: &Path, tools: &Tools, directory: &Path) -> Result<Result<()>> {
    // One copy of the provider for all directories.
    let cache = tools.path("terraform-plugins");
    std::fs::create_dir_all(&cache)?;
    let log = tools.log("terraform-init");
    let outcome = quietly(program, INIT_TIMEOUT)
        .args(["init", "-backend=false", "-input=false", "-no-color"])
        .env("TF_PLUGIN_CACHE_DIR", &cache)
        .env("TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "true")
        .current_dir(directory)
        .run_logged(&log);
    let Err(error) = outcome else {
        return Ok(Ok(()));
    };
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    if !is_unreachable(&said) {
        return Err(error);
    }
    Ok(Err(error.context(format!(
        "the provider cannot be had from its registry, and {CHECK} names no other check"
    ))))
}

fn is_unreachable(said: &str) -> bool {
    UNREACHABLE.iter().any(|text| said.contains(text))
}

/// Terraform that asks nobody whether there is a newer one.
fn quietly(program: &Path, timeout: Duration) -> Process {
    Process::new(program, timeout)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_IN_AUTOMATION", "1")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::collections::BTreeSet;

    use super::*;
    use crate::project_root;
    use crate::tree::project_files;

    /// Types that take no tags; every other one has them.
    const WITHOUT_TAGS: [&str; 13] = [
        "aws_apigatewayv2_api_mapping",
        "aws_apigatewayv2_integration",
        "aws_apigatewayv2_route",
        "aws_cloudwatch_dashboard",
        "aws_cloudwatch_event_target",
        "aws_iam_role_policy",
        "aws_lambda_alias",
        "aws_lambda_function_event_invoke_config",
        "aws_lambda_permission",
        "aws_lambda_provisioned_concurrency_config",
        "aws_route53_record",
        "aws_sqs_queue_policy",
        "aws_sqs_queue_redrive_allow_policy",
    ];

    /// What would bring a secret into the state: what makes one, what writes one, what reads one.
    const SECRETS: [&str; 8] = [
        "aws_iam_access_key",
        "aws_secretsmanager_random_password",
        "aws_secretsmanager_secret_version",
        "aws_ssm_parameter",
        "random_bytes",
        "random_password",
        "random_string",
        "tls_private_key",
    ];

    /// The configuration: file and text. Tests are not part of it.
    fn configuration() -> Vec<(String, String)> {
        let files = project_files().into_iter().filter(|file| {
            let ours = ["terraform/", RELAY];
            let inside =
                ours.iter().any(|start| file.starts_with(start)) && !file.contains("/tests/");
            inside && Path::new(file).extension().is_some_and(|end| end == "tf")
        });
        files
            .map(|file| {
                let text = std::fs::read_to_string(project_root().join(&file)).unwrap();
                (file, text)
            })
            .collect()
    }

    /// The resources and data sources of a text: kind, type, and everything up to the brace in the first column.
    fn blocks(text: &str) -> Vec<(&str, &str, &str)> {
        text.split("\n}")
            .filter_map(|block| {
                let head = block.lines().find(|line| {
                    ["resource \"", "data \"", "ephemeral \""]
                        .iter()
                        .any(|start| line.starts_with(start))
                })?;
                let mut words = head.split_whitespace();
                Some((words.next()?, words.next()?.trim_matches('"'), block))
            })
            .collect()
    }

    #[test]
    fn everything_that_takes_tags_has_them() {
        let mut types = BTreeSet::new();
        for (file, text) in configuration() {
            for (kind, name, block) in blocks(&text) {
                if kind == "resource" && !WITHOUT_TAGS.contains(&name) {
                    assert!(
                        block.lines().any(|line| line.starts_with("  tags ")),
                        "{file}: {name} has no tags"
                    );
                    types.insert(name.to_owned());
                }
            }
        }
        assert!(types.contains("aws_dynamodb_table"), "{types:?}");
    }

    #[test]
    fn no_secret_comes_into_the_state() {
        for (file, text) in configuration() {
            for (_, name, _) in blocks(&text) {
                assert!(!SECRETS.contains(&name), "{file}: {name}");
            }
        }
    }

    #[test]
    fn the_environments_differ_in_a_handful_of_lines() {
        let configuration = configuration();
        let of = |environment: &str| -> Vec<(String, Vec<String>)> {
            let prefix = format!("terraform/environments/{environment}/");
            let files = configuration
                .iter()
                .filter_map(|(file, text)| Some((file.strip_prefix(&prefix)?, text)));
            files
                .map(|(file, text)| (file.to_owned(), text.lines().map(str::to_owned).collect()))
                .collect()
        };
        let (staging, production) = (of("staging"), of("production"));
        assert_eq!(staging.len(), production.len());
        let mut different = Vec::new();
        for ((file, ours), (other, theirs)) in staging.iter().zip(&production) {
            assert_eq!(file, other);
            assert_eq!(ours.len(), theirs.len(), "{file}");
            let lines = ours
                .iter()
                .zip(theirs)
                .filter(|(ours, theirs)| ours != theirs);
            different.extend(lines.map(|(ours, _)| format!("{file}: {}", ours.trim())));
        }
        assert!(
            (1..=10).contains(&different.len())
                && different.iter().all(|line| line.starts_with("main.tf: ")),
            "{}",
            different.join("\n")
        );
    }

    #[test]
    fn the_provider_has_one_version_everywhere() {
        let mut versions = BTreeSet::new();
        for (file, text) in configuration() {
            if file.ends_with("/versions.tf") {
                let line = text
                    .lines()
                    .find(|line| line.trim().starts_with("version "));
                versions.insert(line.unwrap().trim().to_owned());
            }
        }
        assert_eq!(versions.len(), 1, "{versions:?}");
        let version = versions.first().unwrap();
        assert!(
            version
                .split('"')
                .nth(1)
                .unwrap()
                .split('.')
                .all(|part| part.parse::<u32>().is_ok()),
            "{version} leaves a choice"
        );
    }

    #[test]
    fn a_registry_that_cannot_be_reached_is_told_from_a_fault_of_ours() {
        assert!(is_unreachable(
            "Error: Failed to query available provider packages\n\ncould not connect to registry.terraform.io"
        ));
        assert!(!is_unreachable("Error: Unsupported argument"));
    }
}
