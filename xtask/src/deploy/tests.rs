//! Deployments, with a stand-in for AWS's command line.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

const PLANE: &str = r#"{
    "tables": { "jobs": { "variable": "DYNAMODB_TABLE_JOBS" } },
    "functions": {
        "agents": { "tables": ["jobs"], "environment": { "required": ["ENVIRONMENT"] } },
        "auth": { "tables": [], "environment": { "required": ["ENVIRONMENT"] } },
        "queue": { "tables": ["jobs"], "environment": { "required": ["ENVIRONMENT"] } }
    }
}"#;

const FUNCTIONS: [&str; 3] = ["agents", "auth", "queue"];

/// An account in which version 3 of each function is live and its next version is 4.
struct Account {
    directory: TempDir,
    aws: Aws,
}

impl Account {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("aws");
        fs::write(&program, include_str!("fake_aws.sh")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let account = Self {
            aws: Aws::new(program),
            directory,
        };
        for function in FUNCTIONS {
            let name = format!("hybrid-ci-staging-{function}");
            account.put(&format!("{function}.zip"), "code");
            account.put(&format!("live-{name}"), "3");
            account.put(&format!("published-{name}"), "4");
            account.put(
                &format!("variables-{name}"),
                r#"["DYNAMODB_TABLE_JOBS","ENVIRONMENT"]"#,
            );
        }
        account
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.directory.path().join(file), text).unwrap();
    }

    fn record(&self) -> PathBuf {
        self.directory.path().join("record.json")
    }

    fn deploy(&self, at_once: bool) -> Result<()> {
        let options = Deploy {
            environment: Environment::Staging,
            artifacts: self.directory.path().to_owned(),
            record: self.record(),
            at_once,
        };
        deploy_with(
            &self.aws,
            &Plan::parse(PLANE).unwrap(),
            &options,
            Duration::ZERO,
        )
    }

    fn live(&self) -> [String; 3] {
        FUNCTIONS.map(|function| {
            let file = format!("live-hybrid-ci-staging-{function}");
            fs::read_to_string(self.directory.path().join(file))
                .unwrap()
                .trim()
                .to_owned()
        })
    }

    /// What AWS was asked that has this in it.
    fn calls(&self, what: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.path().join("calls")).unwrap_or_default();
        calls
            .lines()
            .filter(|call| call.contains(what))
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn a_release_is_published_and_moved_by_codedeploy_function_by_function() {
    let account = Account::new();
    account.deploy(false).unwrap();
    assert_eq!(account.live(), ["4", "4", "4"]);
    let moved = account.calls("create-deployment");
    assert_eq!(moved.len(), 3);
    for part in [
        "--application-name hybrid-ci-staging --deployment-group-name hybrid-ci-staging-agents",
        r#"\"Alias\":\"live\",\"CurrentVersion\":\"3\",\"Name\":\"hybrid-ci-staging-agents\",\"TargetVersion\":\"4\""#,
    ] {
        assert!(moved[0].contains(part), "{}", moved[0]);
    }
    assert!(
        !moved[0].contains("AllAtOnce"),
        "the group says in which steps"
    );
    assert_eq!(
        account
            .calls("publish-version --function-name hybrid-ci-staging-queue --code-sha256 abc=")
            .len(),
        1
    );
    // Whoever deploys does not have to write down what was live before.
    let record: Record =
        serde_json::from_str(&fs::read_to_string(account.record()).unwrap()).unwrap();
    assert_eq!(
        serde_json::to_value(&record.versions).unwrap(),
        serde_json::json!({"agents": "3", "auth": "3", "queue": "3"})
    );
}

#[test]
fn what_has_not_changed_is_not_moved() {
    let account = Account::new();
    for function in ["agents", "auth"] {
        account.put(&format!("published-hybrid-ci-staging-{function}"), "3");
    }
    account.deploy(true).unwrap();
    assert_eq!(account.live(), ["3", "3", "4"]);
    assert_eq!(account.calls("create-deployment").len(), 1);
    assert_eq!(account.calls("LambdaAllAtOnce").len(), 1);
    // Once more, as after an answer that was lost: nothing is left to do.
    account.deploy(true).unwrap();
    assert_eq!(account.calls("create-deployment").len(), 1);
}

#[test]
fn if_an_alarm_turns_one_function_back_all_go_back() {
    let account = Account::new();
    account.put("fails-hybrid-ci-staging-auth", "4");
    account.put("slow-hybrid-ci-staging-queue", "4");
    let error = format!("{:#}", account.deploy(false).unwrap_err());
    assert!(
        error.contains("auth: deployment") && error.contains("an alarm is on"),
        "{error}"
    );
    assert_eq!(account.live(), ["3", "3", "3"]);
    // The one that was under way is stopped; the one that had arrived is moved back, though the alarm is still on.
    assert_eq!(account.calls("stop-deployment").len(), 1);
    let back = account.calls("--override-alarm-configuration enabled=false");
    assert_eq!(back.len(), 1);
    assert!(back[0].contains("hybrid-ci-staging-agents"), "{}", back[0]);
    assert!(back[0].contains("LambdaAllAtOnce"), "{}", back[0]);
}

#[test]
fn a_release_that_turns_out_bad_afterwards_is_restored_from_its_record() {
    let account = Account::new();
    account.deploy(false).unwrap();
    restore_with(
        &account.aws,
        &Restore {
            record: account.record(),
        },
        Duration::ZERO,
    )
    .unwrap();
    assert_eq!(account.live(), ["3", "3", "3"]);
    // Restoring twice moves nothing.
    let moves = account.calls("create-deployment").len();
    restore_with(
        &account.aws,
        &Restore {
            record: account.record(),
        },
        Duration::ZERO,
    )
    .unwrap();
    assert_eq!(account.calls("create-deployment").len(), moves);
}

#[test]
fn nothing_is_touched_if_something_does_not_fit() {
    type Spoil = fn(&Account);
    let cases: [(Spoil, &str); 4] = [
        (
            |account| fs::remove_file(account.directory.path().join("queue.zip")).unwrap(),
            "queue.zip",
        ),
        (
            |account| account.put("variables-hybrid-ci-staging-queue", r#"["ENVIRONMENT"]"#),
            r#"hybrid-ci-staging-queue lacks ["DYNAMODB_TABLE_JOBS"]"#,
        ),
        (
            |account| {
                account.put(
                    "weights-hybrid-ci-staging-auth",
                    r#"{"AdditionalVersionWeights":{"4":0.1}}"#,
                );
            },
            "hybrid-ci-staging-auth is between two versions",
        ),
        (
            |account| account.put("live-hybrid-ci-staging-auth", "$LATEST"),
            "`$LATEST` is no published version",
        ),
    ];
    for (spoil, says) in cases {
        let account = Account::new();
        spoil(&account);
        let error = format!("{:#}", account.deploy(false).unwrap_err());
        assert!(error.contains(says), "{error}");
        for change in [
            "update-function-code",
            "publish-version",
            "create-deployment",
        ] {
            assert_eq!(account.calls(change), Vec::<String>::new(), "{says}");
        }
    }
}

#[test]
fn the_plan_of_this_very_release_can_be_read() {
    let plan = Plan::read(&project_root().join("terraform/plane.json")).unwrap();
    assert!(plan.functions["queue"].contains("DYNAMODB_TABLE_JOBS"));
    assert!(plan.functions["maintenance"].contains("ENVIRONMENT"));
}
