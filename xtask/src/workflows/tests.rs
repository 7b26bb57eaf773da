//! The rules that the workflows keep to.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A workflow, a job of it, and what that may do.
type Allowed = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What each job may do, and no more.
const PERMISSIONS: [Allowed; 10] = [
    (
        "deploy.yml",
        "fetch",
        &[("attestations", "read"), ("contents", "read")],
    ),
    (
        "deploy.yml",
        "production",
        &[("contents", "read"), ("id-token", "write")],
    ),
    (
        "deploy.yml",
        "staging",
        &[("contents", "read"), ("id-token", "write")],
    ),
    ("release.yml", "contents", &[("contents", "read")]),
    ("release.yml", "deploy", &[("actions", "write")]),
    ("release.yml", "functions", &[("contents", "read")]),
    ("release.yml", "programs", &[("contents", "read")]),
    (
        "release.yml",
        "publish",
        &[
            ("attestations", "write"),
            ("contents", "write"),
            ("id-token", "write"),
        ],
    ),
    ("test.yml", "everything", &[("contents", "read")]),
    ("test.yml", "tests", &[("contents", "read")]),
];

fn text(name: &str) -> String {
    std::fs::read_to_string(project_root().join(DIRECTORY).join(name)).unwrap()
}

fn workflow(name: &str) -> Value {
    read(&project_root(), name).unwrap()
}

fn words(value: &Value) -> BTreeMap<&str, &str> {
    let entries = value.as_object().unwrap().iter();
    entries
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
        .collect()
}

/// Where an action comes from, if it is named by its digest and the version stands beside it.
fn pinned(line: &str) -> Option<(&str, &str)> {
    let (action, rest) = line.split_once('@')?;
    let (digest, version) = rest.split_once(" # v")?;
    let is_digest = digest.len() == 40
        && digest
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_version = version.split('.').count() == 3
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_action = action.split('/').count() == 2 && !action.starts_with('.');
    (is_digest && is_version && is_action).then_some((action, rest))
}

#[test]
fn these_are_all_workflows() {
    let files = std::fs::read_dir(project_root().join(DIRECTORY)).unwrap();
    let files: BTreeSet<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, WORKFLOWS.map(str::to_owned).into());
}

#[test]
fn every_action_is_pinned_by_its_digest_with_its_version_beside_it_and_the_same_everywhere() {
    let mut known = BTreeMap::new();
    for name in WORKFLOWS {
        let text = text(name);
        let uses: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once("uses:"))
            .collect();
        let count = steps(&workflow(name))
            .filter(|(_, step)| step.get("uses").is_some())
            .count();
        assert_eq!(uses.len(), count, "{name}");
        for (_, line) in uses {
            let (action, pin) = pinned(line.trim()).unwrap_or_else(|| panic!("{name}: {line}"));
            let first = known
                .entry(action.to_owned())
                .or_insert_with(|| pin.to_owned());
            assert_eq!(first, pin, "{action} has two digests");
        }
    }
    for bad in [
        "actions/checkout@v6",
        "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd",
        "actions/checkout@de0fac2e # v6.0.2",
        "actions/checkout@main # v6.0.2",
        "./.github/actions/x@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2",
    ] {
        assert_eq!(pinned(bad), None, "{bad}");
    }
}

#[test]
fn a_workflow_may_do_nothing_and_each_job_what_it_needs() {
    let mut found = Vec::new();
    for name in WORKFLOWS {
        let workflow = workflow(name);
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}");
        for (job, described) in workflow["jobs"].as_object().unwrap() {
            let permissions: Vec<_> = words(&described["permissions"])
                .into_iter()
                .map(own)
                .collect();
            found.push((name.to_owned(), job.clone(), permissions));
        }
    }
    found.sort();
    let allowed = PERMISSIONS.map(|(name, job, permissions)| {
        let permissions: Vec<_> = permissions.iter().copied().map(own).collect();
        (name.to_owned(), job.to_owned(), permissions)
    });
    assert_eq!(found, allowed);
}

fn own((scope, access): (&str, &str)) -> (String, String) {
    (scope.to_owned(), access.to_owned())
}

#[test]
fn every_job_ends_in_time_and_no_workflow_runs_twice_at_once() {
    for name in WORKFLOWS {
        let workflow = workflow(name);
        assert!(workflow["concurrency"]["group"].is_string(), "{name}");
        for (job, described) in workflow["jobs"].as_object().unwrap() {
            let minutes = described["timeout-minutes"].as_u64();
            assert!(
                minutes.is_some_and(|minutes| minutes <= 90),
                "{name}: {job}"
            );
        }
    }
}

#[test]
fn nothing_that_somebody_else_wrote_gets_into_a_script_or_starts_a_workflow_that_may_do_something()
{
    let triggers = [
        ("deploy.yml", "workflow_dispatch"),
        ("release.yml", "push"),
        ("test.yml", "pull_request push"),
    ];
    for (name, expected) in triggers {
        let workflow = workflow(name);
        let on: Vec<_> = workflow["on"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut on = on;
        on.sort_unstable();
        assert_eq!(on.join(" "), expected, "{name}");
        for (job, step) in steps(&workflow) {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: {job}: {script}");
            if step["uses"]
                .as_str()
                .is_some_and(|uses| uses.starts_with("actions/checkout@"))
            {
                assert_eq!(step["with"]["persist-credentials"], false, "{name}: {job}");
            }
        }
    }
}

#[test]
fn no_credential_of_aws_is_kept_at_github() {
    let mut secrets = BTreeSet::new();
    for name in WORKFLOWS {
        let text = text(name);
        for rest in text.split("secrets.").skip(1) {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            secrets.insert(rest[..end.unwrap()].to_owned());
        }
    }
    assert_eq!(secrets, ["HYBRID_SMOKE_TOKEN".to_owned()].into());
    for (_, step) in steps(&workflow("deploy.yml")) {
        if step["uses"]
            .as_str()
            .is_some_and(|uses| uses.starts_with("aws-actions/"))
        {
            assert_eq!(
                words(&step["with"]).into_keys().collect::<Vec<_>>(),
                ["aws-region", "role-to-assume"]
            );
        }
    }
}

#[test]
fn production_is_deployed_as_staging_was_and_after_it() {
    let deploy = workflow("deploy.yml");
    let jobs = &deploy["jobs"];
    let as_production = jobs["staging"].to_string().replace("staging", "production");
    let production = jobs["production"]
        .to_string()
        .replace(r#""needs":"staging""#, r#""needs":"fetch""#);
    assert_eq!(as_production, production);
    assert_eq!(
        (&jobs["staging"]["needs"], &jobs["production"]["needs"]),
        (&"fetch".into(), &"staging".into())
    );
}

#[test]
fn a_release_has_every_function_and_every_program() {
    let plane = std::fs::read_to_string(project_root().join("terraform/plane.json")).unwrap();
    let plane: Value = serde_json::from_str(&plane).unwrap();
    let release = workflow("release.yml");
    let script = |job: &str, step: &str| -> String {
        let steps = release["jobs"][job]["steps"].as_array().unwrap();
        let found = steps.iter().find(|found| found["name"] == step).unwrap();
        found["run"].as_str().unwrap().to_owned()
    };
    let (build, collect) = (script("functions", "build"), script("functions", "collect"));
    let contents = script("contents", "collect");
    let functions = plane["functions"].as_object().unwrap();
    assert_eq!(build.matches("--package").count(), functions.len());
    for (name, function) in functions {
        let package = function["package"].as_str().unwrap();
        assert!(build.contains(&format!("--package {package}")), "{package}");
        assert_eq!(
            function["binary"],
            name.as_str(),
            "the archive is called after both"
        );
        for script in [&collect, &contents] {
            assert!(
                script.contains(&format!(" {name} ")) || script.contains(&format!(" {name};")),
                "{name}"
            );
        }
    }
    let (build, collect) = (script("programs", "build"), script("programs", "collect"));
    for program in [
        "hybrid-agent",
        "hybrid-relay",
        "hybrid-smoke",
        "verify-audit",
    ] {
        for script in [&build, &collect, &contents] {
            assert!(script.contains(program), "{program}");
        }
    }
    // The relay's other form is for customers' accounts, and no function of the plane.
    let relay = script("functions", "build the customers' relay");
    assert!(relay.contains("--package hybrid-relay --bin relay"));
    assert!(script("functions", "collect").contains(" dist/relay.zip"));
}

#[test]
fn one_version_of_rust_builds_everything() {
    let versions: BTreeSet<String> = WORKFLOWS
        .iter()
        .map(|name| {
            workflow(name)["env"]["RUST_VERSION"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
    let version = versions.first().unwrap();
    let (short, _) = version.rsplit_once('.').unwrap();
    for file in [
        "customer/agent/Containerfile",
        "customer/relay/Containerfile",
        "local/Containerfile",
    ] {
        let text = std::fs::read_to_string(project_root().join(file)).unwrap();
        assert!(
            text.contains(&format!("docker.io/library/rust:{short}-bookworm@sha256:")),
            "{file}"
        );
    }
}
