//! Jobs from the claim to the result: what runs, in what, and what the log says of it.

use crate::repo::Repo;
use crate::world::{World, ended, until};
use hybrid_agent::Event;
use std::path::Path;
use wire::{Cause, CommitSha, GitRepo};

const MISSING: &str = "0123456789abcdef0123456789abcdef01234567";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_its_steps_in_the_commit_and_passes() {
    let (repo, first) = Repo::with_spec(
        "version: 1\njobs:\n  build:\n    steps:\n      - {name: one, run: 'cat file; git rev-parse HEAD'}\n      - run: ls -A\n",
    );
    let sha = repo.commit("file", "the text\n");
    repo.commit("file", "a later text\n");
    assert_ne!(first, sha);
    let world = World::new().await;
    let (result, log) = world.run_one(&repo.url(), &sha, "build").await;
    assert!(ended(0, None)(&result), "{result:?}\n{log}");
    assert!(result.duration_seconds > 0.0);
    assert!(result.logs_url.is_none());
    for line in [
        "Z the text\n",
        &format!("Z {sha}\n"),
        "step 2 of 2: step 2",
        "Z .hybrid-ci.yml\n",
        "passed",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    assert!(!log.contains("a later text"));
    let left = std::fs::read_dir(world.directory.path().join("work/jobs"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "the working directory is removed");
    assert!(world.outbox().is_empty());
    assert_eq!(world.plane().deregistered.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_step_that_fails_ends_the_job_with_its_exit_code() {
    let steps = "[{run: 'false | true; echo never'}, {run: echo neither}]";
    for (steps, code) in [
        (steps, 1),
        ("[{run: 'echo $NOT_SET'}]", 1),
        ("[{run: exit 42}]", 42),
    ] {
        let (repo, sha) =
            Repo::with_spec(&format!("version: 1\njobs: {{build: {{steps: {steps}}}}}"));
        let (result, log) = World::new().await.run_one(&repo.url(), &sha, "build").await;
        assert!(
            ended(code, Some(Cause::ExitCode))(&result),
            "{result:?}\n{log}"
        );
        assert!(!log.contains("never") && !log.contains("neither"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_too_long_is_ended_with_all_its_children() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let script = format!(
        "trap '' TERM; (sleep 1000 & echo $! > {}; wait)",
        pid.display()
    );
    let (repo, sha) = Repo::with_script(&script);
    let world = World::new().await;
    let id = world.enqueue_with(&repo.url(), &sha, |job| job.timeout_seconds = 5);
    let agent = world.agent();
    let result = world.result(&id).await;
    assert!(ended(124, Some(Cause::Timeout))(&result), "{result:?}");
    gone(&pid).await;
    let _ = agent.drain().await;
    assert!(
        world.log(&id).contains("timed out after"),
        "{}",
        world.log(&id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_has_a_time_limit_of_its_own() {
    let (repo, sha) = Repo::with_spec(
        "version: 1\njobs: {build: {steps: [{name: slow, run: sleep 1000, timeout_seconds: 1}]}}",
    );
    let (result, log) = World::new().await.run_one(&repo.url(), &sha, "build").await;
    assert!(ended(124, Some(Cause::Timeout))(&result), "{result:?}");
    assert!(
        log.contains("in step `slow`, which may run for 1 s"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_leaves_in_the_background_ends_with_it() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let (repo, sha) = Repo::with_script(&format!("sleep 1000 & echo $! > {}", pid.display()));
    let (result, _) = World::new().await.run_one(&repo.url(), &sha, "build").await;
    assert!(ended(0, None)(&result));
    gone(&pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_cancelled() {
    let (repo, sha) = Repo::with_script(
        "trap 'echo cleaned up; exit 0' TERM; echo up; while :; do sleep 0.01; done",
    );
    let world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    agent
        .sees("the first line", |event| {
            matches!(event, Event::LogLine { line, .. } if line == "up").then_some(())
        })
        .await;
    world.plane().cancel.push(id.clone());
    let result = world.result(&id).await;
    assert!(ended(143, Some(Cause::Cancelled))(&result), "{result:?}");
    let _ = agent.drain().await;
    assert!(world.log(&id).contains("cleaned up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_cancelled_before_its_start_does_not_run() {
    let (repo, sha) = Repo::with_script("echo ran");
    let world = World::new().await;
    world.plane().cancel_requested = true;
    let (result, log) = world.run_one(&repo.url(), &sha, "build").await;
    assert!(ended(143, Some(Cause::Cancelled))(&result), "{result:?}");
    assert!(!log.contains("ran\n"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_says_in_the_log_what_to_mend() {
    let (good, sha) = Repo::with_script("true");
    let (malformed, malformed_sha) = Repo::with_spec("version: 1\njobs:\n  build:\n    step: []\n");
    let bare = Repo::empty();
    let bare_sha = bare.commit("file", "x");
    let linked = Repo::empty();
    std::os::unix::fs::symlink("/etc/passwd", linked.path().join(".hybrid-ci.yml")).unwrap();
    let linked_sha = linked.commit("file", "x");
    let missing = CommitSha::parse(MISSING).unwrap();
    let nowhere = GitRepo::parse("file:///no/such/repository").unwrap();
    let cases = [
        (
            good.url(),
            &sha,
            "deploy",
            "has no job `deploy`; it has: build",
        ),
        (
            good.url(),
            &missing,
            "build",
            "there is no commit 0123456789abcdef",
        ),
        (
            nowhere,
            &sha,
            "build",
            "cannot read the repository file:///no/such/repository",
        ),
        (malformed.url(), &malformed_sha, "build", "line 4: "),
        (bare.url(), &bare_sha, "build", "there is no .hybrid-ci.yml"),
        (
            linked.url(),
            &linked_sha,
            "build",
            "symbolic links are not followed",
        ),
    ];
    for (repo, sha, job_type, message) in cases {
        let (result, log) = World::new().await.run_one(&repo, sha, job_type).await;
        assert!(
            ended(125, Some(Cause::AgentError))(&result),
            "{message}: {result:?}\n{log}"
        );
        assert!(log.contains(message), "{message} is not in\n{log}");
        assert!(
            !log.contains("root:"),
            "nothing outside of the repository is read"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steps_environment_has_nothing_that_nobody_named() {
    let spec = "version: 1\njobs: {build: {env: {FROM_FILE: 'a b'}, steps: [{run: env}]}}";
    let (repo, sha) = Repo::with_spec(spec);
    let world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let mut config = world.config();
    for (name, value) in [
        ("NOT_NAMED", "x"),
        ("HYBRID_AGENT_KEY", "x"),
        ("NAMED", "y"),
        ("HYBRID_AGENT_URL", "x"),
    ] {
        config.environment.insert(name.into(), value.into());
    }
    config.env_allow = vec!["NAMED".to_owned()];
    let agent = crate::world::Agent::start(config);
    world.result(&id).await;
    let _ = agent.drain().await;
    let log = world.log(&id);
    for line in [
        "CI=true",
        "FROM_FILE=a b",
        "NAMED=y",
        "HYBRID_CI_ATTEMPT=1",
        &format!("HYBRID_CI_JOB_ID={id}"),
    ] {
        assert!(
            log.contains(&format!("Z {line}\n")),
            "{line} is not in\n{log}"
        );
    }
    for name in ["NOT_NAMED", "HYBRID_AGENT", "GIT_", "CARGO_PKG"] {
        assert!(!log.contains(name), "{name} is in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_steps_and_not_the_log() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("secret");
    std::fs::write(&file, "first-half\nsecond-half\n").unwrap();
    let spec = format!(
        "version: 1\njobs:\n  build:\n    secrets: {{A: 'env://VAULT_A', B: 'file://{}'}}\n    steps:\n      - run: |\n          \
         test \"$A\" = hunter2-hunter2\n          printf 'A=hunter2-'; sleep 0.1; printf 'hunter2.\\n'\n          echo \"$B\"\n          \
         echo second-half >&2\n",
        file.display()
    );
    let (repo, sha) = Repo::with_spec(&spec);
    let world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let mut config = world.config();
    config
        .environment
        .insert("VAULT_A".into(), "hunter2-hunter2".into());
    let agent = crate::world::Agent::start(config);
    let result = world.result(&id).await;
    let events = agent.events.clone();
    let _ = agent.drain().await;
    let log = world.log(&id);
    assert!(ended(0, None)(&result), "{log}");
    assert!(log.contains("A=***."), "{log}");
    let events = format!("{:?}", events.lock().unwrap());
    for part in ["hunter2", "first-half", "second-half"] {
        assert!(!log.contains(part), "{part} is in\n{log}");
        assert!(!events.contains(part), "{part} is in an event");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_is_the_agents_error() {
    let spec =
        "version: 1\njobs: {build: {secrets: {A: 'env://NO_SUCH'}, steps: [{run: echo ran}]}}";
    let (repo, sha) = Repo::with_spec(spec);
    let (result, log) = World::new().await.run_one(&repo.url(), &sha, "build").await;
    assert!(ended(125, Some(Cause::AgentError))(&result));
    assert!(
        log.contains("secret A (env://NO_SUCH): there is no such variable"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_on_no_branch_is_found_and_a_damaged_mirror_is_made_anew() {
    let (repo, sha) = Repo::with_script("echo ran");
    repo.git(&["checkout", "--quiet", "--detach"]);
    let loose = repo.commit("file", "on no branch");
    repo.git(&["checkout", "--quiet", "main"]);
    let world = World::new().await;
    let (result, log) = world.run_one(&repo.url(), &loose, "build").await;
    assert!(ended(0, None)(&result), "{log}");
    let mirrors = world.directory.path().join("work/mirrors");
    let mirror = std::fs::read_dir(&mirrors)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::remove_dir_all(mirror.join("objects")).unwrap();
    let (result, log) = world.run_one(&repo.url(), &sha, "build").await;
    assert!(ended(0, None)(&result), "{log}");
    assert!(log.contains("seems to be damaged"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_one_repository_run_side_by_side() {
    let (repo, sha) = Repo::with_script("sleep 0.3");
    let world = World::new().await;
    let ids: Vec<_> = (0..4).map(|_| world.enqueue(&repo.url(), &sha)).collect();
    let mut config = world.config();
    config.jobs = 4;
    config.logs_url_prefix = Some("s3://logs/ci/".to_owned());
    let agent = crate::world::Agent::start(config);
    for id in &ids {
        let result = world.result(id).await;
        assert!(ended(0, None)(&result), "{}", world.log(id));
        assert_eq!(
            result.logs_url.unwrap().as_str(),
            format!("s3://logs/ci/{id}-1.log")
        );
    }
    let most = world
        .plane()
        .heartbeats
        .iter()
        .map(|heartbeat| heartbeat.jobs.len())
        .max();
    assert!(most <= Some(4));
    let _ = agent.drain().await;
}

async fn gone(pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    until("the end of a process", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.map_or(true, |stat| stat.contains(") Z "))
            .then_some(())
    })
    .await;
}
