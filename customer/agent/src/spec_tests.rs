#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;

fn fault(text: &str) -> String {
    Spec::parse(text).unwrap_err().to_string()
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let text = r#"
version: 1
jobs:
  build:
    env: { RUST_BACKTRACE: "1" }
    secrets: { DEPLOY_KEY: "env://DEPLOY_KEY", TOKEN: file:///run/secrets/token }
    steps:
      - name: format
        run: cargo fmt --check
        timeout_seconds: 600
      - run: |
          cargo build
          cargo test
"#;
    let spec = Spec::parse(text).unwrap();
    let job = spec.job(&JobType::parse("build").unwrap()).unwrap();
    assert_eq!(job.env["RUST_BACKTRACE"], "1");
    assert_eq!(
        job.secrets["DEPLOY_KEY"],
        SecretRef::Env("DEPLOY_KEY".into())
    );
    assert_eq!(
        job.secrets["TOKEN"],
        SecretRef::File("/run/secrets/token".into())
    );
    assert_eq!(job.steps[0].timeout_seconds, Some(600));
    assert_eq!(job.steps[1].name, "step 2");
    assert_eq!(job.steps[1].run, "cargo build\ncargo test\n");
}

#[test]
fn numbers_and_booleans_are_text_in_the_environment() {
    let text = "version: 1\njobs: {a: {env: {N: 1, B: true, F: 1.50}, steps: [{run: x}]}}";
    let spec = Spec::parse(text).unwrap();
    let env = &spec.jobs.values().next().unwrap().env;
    assert_eq!((&*env["N"], &*env["B"], &*env["F"]), ("1", "true", "1.50"));
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let text = "version: 1\njobs:\n  build:\n    steps:\n      - runs: x\n";
    let message = fault(text);
    assert!(message.contains("line 5"), "{message}");
    assert!(message.contains("runs"), "{message}");
}

#[test]
fn every_fault_of_content_is_reported_at_once() {
    let text = "version: 2\njobs:\n  Build:\n    steps: [{run: x}]\n  test:\n    env:\n      1A: x\n      HYBRID_CI_X: x\n    \
                secrets:\n      KEY: hunter2\n    steps:\n      - run: ' '\n        timeout_seconds: 0\n";
    let message = fault(text);
    for part in [
        "line 1: version: must be 1, not 2",
        "jobs.Build: the job's name",
        "line 7: jobs.test.env.1A: a variable's name",
        "line 8: jobs.test.env.HYBRID_CI_X: names that begin",
        "line 10: jobs.test.secrets.KEY: must be a reference",
        "line 12: jobs.test.steps[0].run: is empty",
        "line 13: jobs.test.steps[0].timeout_seconds: must be from 1 to 86400, not 0",
    ] {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }
    assert!(
        !message.contains("hunter2"),
        "a secret stays out of messages"
    );
}

#[test]
fn files_that_are_no_specification_are_refused_without_a_panic() {
    for text in [
        "",
        "[]",
        "version: 1",
        "version: one\njobs: {}",
        "version: 1\njobs: {}",
        "version: 1\njobs: {a: {steps: []}}",
        "version: 1\njobs: {a: {steps: [{}]}}",
        "\t- x",
        "version: 1\njobs: {a: {steps: [{run: x}]}, a: {steps: [{run: y}]}}",
        "version: 1\nversion: 1\njobs: {a: {steps: [{run: x}]}}",
        "a: &a [*a]",
        "{{{{{{",
    ] {
        assert!(!fault(text).is_empty(), "{text}");
    }
    assert!(fault(&"#".repeat(MAX_SPEC_BYTES + 1)).contains("65537 bytes"));
}

#[test]
fn the_agents_own_key_is_no_secret_for_a_job() {
    let text = "version: 1\njobs: {a: {secrets: {K: env://HYBRID_AGENT_KEY}, steps: [{run: x}]}}";
    assert!(fault(text).contains("the agent's own key"));
}

#[test]
fn this_projects_own_file_is_read() {
    let spec = Spec::parse(include_str!("../../../.hybrid-ci.yml")).unwrap();
    for job_type in ["build", "test"] {
        assert!(spec.job(&JobType::parse(job_type).unwrap()).is_some());
    }
}

#[test]
fn a_colon_in_a_command_is_explained() {
    let text = "version: 1\njobs:\n  build:\n    steps:\n      - run: echo 'a: b'\n";
    assert_eq!(
        fault(text),
        "line 5: mapping values are not allowed in this context; put a text with `: ` in it in quotes, or in a block after `|`"
    );
}
