//! `hybrid-smoke` against a control plane that works, and against some that do not.

mod way;

use crate::harness::{Api, Browser, From, Plane, Program, SOON, binary, project_root, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use way::{Way, Wayward};

/// How long one run may take: most of it is the back-off of the job that fails once.
const ONE_RUN: Duration = Duration::from_mins(2);

/// What the token must be allowed, as the documentation has it.
const SCOPES: [&str; 5] = [
    "jobs:read",
    "jobs:write",
    "agents:read",
    "agents:write",
    "agents:enrol",
];

/// A run of the program.
struct Smoke {
    program: Program,
    token: String,
}

impl Smoke {
    fn start(name: &str, (url, token): (&str, &str), directory: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(binary("hybrid-smoke"));
        command
            .args(["--url", url])
            .args(flags)
            .env("HYBRID_SMOKE_TOKEN", token);
        Self {
            program: Program::start(name, &mut command, directory),
            token: token.to_owned(),
        }
    }

    /// Waits for its end, and gives back its exit code and everything that it said. The token is never part of that.
    async fn end(mut self) -> (i32, String) {
        let code = self.program.exit_code(ONE_RUN).await;
        let said = format!("{}{}", self.program.stdout(), self.program.stderr());
        assert!(
            !said.contains(&self.token) && !said.contains("panicked"),
            "{said}"
        );
        (code, said)
    }
}

async fn run(name: &str, plane: (&str, &str), directory: &Path, flags: &[&str]) -> (i32, String) {
    Smoke::start(name, plane, directory, flags).end().await
}

/// That nothing is left of any run but ended jobs.
async fn nothing_is_left(api: &Api) {
    let list = |path: &'static str, name: &'static str| async move {
        api.get(path).await.expect(200)[name]
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(
        list("/api/agents/pools", "pools").await,
        Vec::<Value>::new()
    );
    let tokens = list("/api/agents/enrolment-tokens", "enrolment_tokens").await;
    assert_eq!(tokens, Vec::<Value>::new());
    for agent in list("/api/agents", "agents").await {
        assert_eq!(agent["status"], "TERMINATED", "{agent}");
    }
    for job in api.list("").await {
        assert!(job.status.is_ended(), "{job:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plane_that_works_passes_with_the_documented_scopes_and_keeps_nothing() {
    let plane = Plane::in_memory().await;
    let (mut owner, directory) = (Browser::new(&plane.url()), plane.directory());
    let begun = owner.get("/auth/login/github").await;
    let callback = owner.pick(&begun.location(), "ada").await;
    assert_eq!(owner.follow(&callback, From::AnotherSite).await.status, 303);
    let url = plane.url();
    let mut tokens = Vec::new();
    for lacking in [None].into_iter().chain(SCOPES.map(Some)) {
        let scopes: Vec<_> = SCOPES
            .into_iter()
            .filter(|scope| Some(*scope) != lacking)
            .collect();
        let body = json!({ "name": "smoke", "scopes": scopes });
        let made = owner.change("POST", "/auth/tokens", Some(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        tokens.push((lacking, made.json["api_token"].as_str().unwrap().to_owned()));
    }

    // One run was killed long ago; a pool of the organisation's own has nearly the same name.
    let api = Api::new(&url, &tokens[0].1);
    for pool in [
        "smoke-1000000000000-0001ab0304ff",
        "smoke-1000000000000-linux",
    ] {
        let body = json!({ "job_type": "smoke", "pool_name": pool, "git_repo": "https://example.com/a.git",
                           "git_commit_sha": "0".repeat(40) });
        api.enqueue(&body).await;
    }
    let flags = [
        "--format",
        "json",
        "--expect-version",
        env!("CARGO_PKG_VERSION"),
    ];
    let (code, said) = run("whole", (&url, &tokens[0].1), directory, &flags).await;
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["ok"], true);
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<_> = steps
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    let expected =
        "health token enrol register enqueue claim start heartbeat complete result fail retry";
    assert_eq!(names[..12].join(" "), expected);
    assert_eq!(names[12..], ["clean up", "leftovers"]);
    assert_eq!(steps[13]["detail"], "1 of 1 abandoned pools removed");
    let jobs = api.list("").await;
    let waits: Vec<_> = jobs.iter().filter(|job| !job.status.is_ended()).collect();
    assert_eq!(waits.len(), 1, "the organisation's own: {waits:?}");
    api.cancel(&waits[0].job_id).await;
    api.delete("/api/agents/pools/smoke-1000000000000-linux")
        .await
        .expect(204);
    nothing_is_left(&api).await;

    for (lacking, token) in tokens {
        let Some(lacking) = lacking else { continue };
        let (code, said) = run(&lacking.replace(':', "-"), (&url, &token), directory, &[]).await;
        let step = format!("the token lacks {lacking}; it needs");
        assert!(code == 1 && said.contains(&step), "{code} {said}");
    }
    let document = fs::read_to_string(project_root().join("docs/release.md")).unwrap();
    assert!(SCOPES.iter().all(|scope| document.contains(scope)));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_once_are_no_failure_and_leave_nothing_behind() {
    let plane = Plane::in_memory().await;
    for (name, wayward) in [
        ("busy", Wayward::BusyOnce),
        ("lossy", Wayward::LosesAnswersOnce),
    ] {
        let way = Way::to(&plane, wayward).await;
        let (code, said) = run(
            name,
            (way.url(), &plane.api_token()),
            plane.directory(),
            &[],
        )
        .await;
        assert_eq!(code, 0, "{name}: {said}");
        assert!(way.passed() > 10, "{name}");
        nothing_is_left(&plane.api()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_another_agent_takes_is_named_with_the_agent() {
    let plane = Plane::in_memory().await;
    let way = Way::to(&plane, Wayward::ThiefOfJobs).await;
    let (code, said) = run(
        "stolen",
        (way.url(), &plane.api_token()),
        plane.directory(),
        &[],
    )
    .await;
    assert_eq!(code, 1, "{said}");
    let thief = way.thief().unwrap();
    for part in [
        "FAILED claim",
        "was taken from this run",
        thief.as_str(),
        "ok     clean up",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    nothing_is_left(&plane.api()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plane_that_does_not_work_is_found_out_in_time() {
    let plane = Plane::in_memory().await;
    let token = plane.api_token();
    let cases = [
        (
            Wayward::Busy,
            ["FAILED health", "took longer than 2 s", "status 503"],
        ),
        (
            Wayward::Echoes,
            ["FAILED token", "status 400", "Bearer ***"],
        ),
        (
            Wayward::Website,
            ["FAILED health", "not a control plane's", "check the URL"],
        ),
        (
            Wayward::Elsewhere,
            ["FAILED health", "status 302", "a redirection"],
        ),
    ];
    for (wayward, parts) in cases {
        let way = Way::to(&plane, wayward).await;
        let flags = ["--step-timeout-seconds", "2"];
        let (code, said) = run("broken", (way.url(), &token), plane.directory(), &flags).await;
        assert_eq!(code, 1, "{said}");
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(said.contains("does NOT work as it should"), "{said}");
    }
    let wrong = [&token[..token.len() - 60], &"A".repeat(60)].concat();
    let wrong_version = ["--expect-version", "9.9.9"];
    let (url, directory) = (plane.url(), plane.directory());
    let (code, said) = run("wrong", (&url, &wrong), directory, &[]).await;
    assert!(
        code == 1 && said.contains("the token is refused"),
        "{code} {said}"
    );
    let (code, said) = run("old", (&url, &token), directory, &wrong_version).await;
    assert!(
        code == 1 && said.contains("and 9.9.9 is expected"),
        "{code} {said}"
    );
    nothing_is_left(&plane.api()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_off_is_cleaned_up() {
    let plane = Plane::in_memory().await;
    let (url, token) = (plane.url(), plane.api_token());
    let smoke = Smoke::start("interrupted", (&url, &token), plane.directory(), &[]);
    until("a job to be in its back-off", SOON, async || {
        smoke
            .program
            .stdout()
            .contains("ok     fail ")
            .then_some(())
    })
    .await;
    smoke.program.signal(Signal::SIGTERM);
    let (code, said) = smoke.end().await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("FAILED retry") && said.contains("asked to end"),
        "{said}"
    );
    nothing_is_left(&plane.api()).await;

    let flags = ["--timeout-seconds", "3"];
    let (code, said) = run("late", (&url, &token), plane.directory(), &flags).await;
    assert!(
        code == 1 && said.contains("all steps together took longer than 3 s"),
        "{said}"
    );
    nothing_is_left(&plane.api()).await;
}

#[tokio::test]
async fn a_configuration_with_faults_ends_it_before_any_call() {
    let directory = tempfile::tempdir().unwrap();
    let cases: [(&str, &str, &[&str], &str); 4] = [
        ("http://10.1.2.3", "t", &[], "--insecure-http"),
        ("ci.example.com", "t", &[], "https://ci.example.com"),
        ("https://ci.example.com", "", &[], "holds no token"),
        (
            "https://ci.example.com",
            "t",
            &["--token-file", "no/such"],
            "no/such",
        ),
    ];
    for (url, token, flags, part) in cases {
        let mut command = Command::new(binary("hybrid-smoke"));
        command
            .args(["--url", url])
            .args(flags)
            .env("HYBRID_SMOKE_TOKEN", token);
        let mut program = Program::start("faults", &mut command, directory.path());
        assert_eq!(program.exit_code(SOON).await, 2);
        assert!(program.stderr().contains(part), "{}", program.stderr());
    }
}
