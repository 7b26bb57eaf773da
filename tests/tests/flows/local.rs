//! `hybrid-local` as somebody at a terminal meets it.

use crate::harness::{
    Agent, Api, Plane, Program, Repo, SOON, binary, is_alive, moto, project_root, spec, until,
};
use hybrid_local::API_TOKEN_FILE;
use nix::sys::signal::Signal;
use reqwest::Client;
use reqwest::header::IF_MATCH;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use wire::JobStatus;

/// How long a job of one line may take from the start of the program to its end.
const ONE_RUN: Duration = Duration::from_mins(1);

/// The program, started in a directory.
struct Run {
    program: Program,
    /// Where its output goes: not into the repository.
    _output: TempDir,
}

impl Run {
    /// Starts it, with its queue in the process unless the arguments say otherwise.
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::start_with(directory, arguments, |command| {
            if !arguments.contains(&"--sqs") {
                command.args(["--sqs", "none"]);
            }
        })
    }

    fn start_with(directory: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let output = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary("hybrid-local"));
        command.args(arguments).current_dir(directory);
        change(&mut command);
        Self {
            program: Program::start("hybrid-local", &mut command, output.path()),
            _output: output,
        }
    }

    async fn exit_code(&mut self) -> i32 {
        self.program.exit_code(ONE_RUN).await
    }

    /// Waits for it to end because of something that the user has to mend, and gives back what it says.
    async fn complaint(mut self) -> String {
        assert_eq!(self.exit_code().await, 2);
        let said = self.program.stderr();
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// Waits until it has said something.
    async fn says(&self, what: &str) {
        until(what, ONE_RUN, async || {
            self.program.stdout().contains(what).then_some(())
        })
        .await;
    }
}

fn says_all(said: &str, wanted: &[&str]) {
    for one in wanted {
        assert!(said.contains(one), "{one:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn one_run_shows_the_job_and_ends_with_its_exit_code() {
    let repo = Repo::with_scripts(&[
        ("build", "echo \"said by the $HYBRID_CI_ATTEMPT. attempt\""),
        ("broken", "echo no good; exit 7"),
    ]);
    let mut good = Run::start(repo.path(), &["--once", "--port", "0"]);
    assert_eq!(good.exit_code().await, 0, "{}", good.program.stderr());
    says_all(
        &good.program.stdout(),
        &[
            "Hybrid CI/CD on http://127.0.0.1:",
            "QUEUED",
            "COMPLETED",
            "said by the 1. attempt",
        ],
    );
    // What it has left behind is no change of the repository.
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
    assert!(repo.path().join(".hybrid-ci").is_dir());

    let mut bad = Run::start(
        repo.path(),
        &["--once", "--port", "0", "--job-type", "broken"],
    );
    assert_eq!(bad.exit_code().await, 7);
    says_all(&bad.program.stdout(), &["FAILED", "EXIT_CODE", "no good"]);
}

#[tokio::test]
async fn after_its_job_it_stays_up_says_how_to_call_it_and_ends_when_asked() {
    let repo = Repo::with_script("echo hello");
    let mut run = Run::start(repo.path(), &["--port", "0"]);
    run.says("Ctrl-C stops it").await;
    let said = run.program.stdout();
    says_all(&said, &["COMPLETED", "hello", "curl", "/api/docs"]);
    let url = said
        .split_whitespace()
        .find(|word| word.starts_with("http://127.0.0.1"))
        .unwrap();
    let health = reqwest::Client::builder().no_proxy().build().unwrap();
    let health = health.get(format!("{url}/health")).timeout(SOON).send();
    assert!(health.await.unwrap().status().is_success());
    run.program.signal(Signal::SIGINT);
    assert_eq!(run.exit_code().await, 0);
}

#[tokio::test]
async fn without_a_repository_or_a_commit_or_a_job_it_says_what_to_do() {
    let nowhere = tempfile::tempdir().unwrap();
    let said = Run::start(nowhere.path(), &["--port", "0"])
        .complaint()
        .await;
    says_all(
        &said,
        &["not in a git repository", "--repository", "--serve"],
    );

    let empty = Repo::empty();
    let said = Run::start(empty.path(), &["--port", "0"]).complaint().await;
    says_all(&said, &["no commit yet"]);

    empty.commit(&[("README.md", "nothing to run\n")]);
    let said = Run::start(empty.path(), &["--port", "0"]).complaint().await;
    says_all(&said, &[".hybrid-ci.yml", "version: 1", "--serve"]);

    empty.commit(&[(
        ".hybrid-ci.yml",
        "version: 1\njobs:\n  build:\n    stepz: []\n",
    )]);
    let said = Run::start(empty.path(), &["--port", "0"]).complaint().await;
    says_all(&said, &[".hybrid-ci.yml", "stepz"]);

    empty.commit(&[(".hybrid-ci.yml", &spec(&[("build", "true")]))]);
    let arguments = ["--port", "0", "--job-type", "deploy"];
    let said = Run::start(empty.path(), &arguments).complaint().await;
    says_all(&said, &["deploy", "build"]);
    assert!(
        !empty.path().join(".hybrid-ci").exists(),
        "nothing was begun"
    );
}

#[tokio::test]
async fn without_git_it_says_so_and_serves_all_the_same_if_asked() {
    let repo = Repo::with_script("true");
    let no_programs = tempfile::tempdir().unwrap();
    let without_git = |command: &mut Command| {
        command.env("PATH", no_programs.path());
    };
    let run = Run::start_with(repo.path(), &["--port", "0"], without_git);
    says_all(&run.complaint().await, &["git is not installed", "--serve"]);

    let arguments = ["--serve", "--no-agent", "--port", "0"];
    let mut run = Run::start_with(repo.path(), &arguments, without_git);
    run.says("Hybrid CI/CD on http://").await;
    run.program.signal(Signal::SIGTERM);
    assert_eq!(run.exit_code().await, 0);
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--serve", "--no-agent", "--port", &port];
    let said = Run::start(directory.path(), &arguments).complaint().await;
    says_all(&said, &[&format!("port {port} is in use"), "--port"]);
}

#[tokio::test]
async fn a_second_plane_on_the_same_data_is_refused() {
    let plane = Plane::start().await;
    let data = plane.data();
    let arguments = [
        "--serve",
        "--no-agent",
        "--port",
        "0",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let said = Run::start(plane.directory(), &arguments).complaint().await;
    says_all(&said, &["plane.db", "in use"]);
    plane.api().get("/health").await.expect(200);
}

/// Every file of the database, with its bytes.
fn database(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("plane.db"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_damaged_database_is_named_and_left_as_it_was() {
    let mut plane = Plane::start().await;
    let repo = Repo::with_script("true");
    let api = plane.api();
    for _ in 0..20 {
        api.enqueue(&repo.request()).await;
    }
    plane.stop().await;
    let path = plane.data().join("plane.db");
    let good = fs::read(&path).unwrap();
    let half = good.len() / 2;
    let mut torn = good.clone();
    torn[half..half + 8192].fill(0x5a);
    let mut headless = good.clone();
    headless[..64].fill(0);
    let damages: [(&str, &[u8]); 4] = [
        ("torn", &torn),
        ("cut off", &good[..half]),
        ("headless", &headless),
        ("another file", b"These are my notes, and not a database.\n"),
    ];
    for (name, bytes) in damages {
        fs::write(&path, bytes).unwrap();
        let before = database(&plane.data());
        let data = plane.data();
        let arguments = [
            "--serve",
            "--no-agent",
            "--port",
            "0",
            "--data-dir",
            data.to_str().unwrap(),
        ];
        let said = Run::start(plane.directory(), &arguments).complaint().await;
        says_all(&said, &[path.to_str().unwrap(), "move"]);
        assert!(database(&plane.data()) == before, "{name}: left as it was");
    }

    // Moved aside, as the message says, it is out of the way; the credentials are the same.
    let token = plane.api_token();
    fs::rename(&path, plane.data().join("plane.db.damaged")).unwrap();
    plane.start_again().await;
    assert_eq!(plane.api_token(), token);
    assert!(plane.api().list("").await.is_empty());
    // And put back whole, it is as it was.
    plane.stop().await;
    fs::write(&path, good).unwrap();
    plane.start_again().await;
    assert_eq!(plane.api().list("status=QUEUED").await.len(), 20);
}

#[tokio::test]
async fn its_own_repository_says_what_to_run() {
    let spec = fs::read_to_string(project_root().join(".hybrid-ci.yml")).unwrap();
    let spec = hybrid_agent::Spec::parse(&spec).unwrap();
    assert!(!spec.jobs.is_empty());
}

#[tokio::test]
async fn a_plane_in_memory_takes_the_credentials_of_its_directory_and_forgets_jobs() {
    let mut plane = Plane::in_memory().await;
    let repo = Repo::with_script("true");
    let id = plane.api().enqueue(&repo.request()).await.job_id;
    let agent = Agent::start(&plane, "agent").await;
    plane.api().wait_for(&id, JobStatus::Completed, SOON).await;
    agent.drain().await;
    let token = plane.api_token();
    plane.stop().await;
    plane.start_again().await;
    assert_eq!(plane.api_token(), token);
    assert!(plane.api().list("").await.is_empty());
}

/// What README has somebody type to deliver a push.
fn readme_push(url: &str) -> String {
    let readme = fs::read_to_string(project_root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("$ body=").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let typed = format!("body={block}").replace("\n$ ", "\n");
    assert!(typed.contains("curl http://127.0.0.1:8642"), "{typed}");
    typed.replace("http://127.0.0.1:8642", url)
}

/// Delivers it as README says, to a plane that was started with these arguments too. The agent has checked out its commit.
async fn a_push_becomes_a_green_job(more: &[&str]) {
    let repo = Repo::with_script("echo built $(git rev-parse HEAD)");
    let arguments = [&["--serve", "--port", "0"], more].concat();
    let mut run = Run::start(repo.path(), &arguments);
    run.says("Ctrl-C stops it").await;
    let said = run.program.stdout();
    says_all(&said, &["/relay/webhooks/github", "webhook-secret"]);
    let mut words = said.split_whitespace();
    let url = words
        .find(|word| word.starts_with("http://127.0.0.1"))
        .unwrap();
    let deliver = || {
        let mut shell = Command::new("sh");
        shell
            .arg("-ec")
            .arg(readme_push(url))
            .current_dir(repo.path());
        let output = shell.env("NO_PROXY", "*").output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let answer = deliver();
    assert!(answer.contains("evt-"), "{answer}");
    let data = repo.path().join(".hybrid-ci");
    let api = Api::new(url, &fs::read_to_string(data.join(API_TOKEN_FILE)).unwrap());
    let job = until("a green job", ONE_RUN, async || {
        api.list("status=COMPLETED").await.pop()
    })
    .await;
    assert_eq!(job.git_commit_sha.as_str(), repo.head());
    assert!(job.created_by.starts_with("relay:"), "{job:?}");
    let log = data.join(format!("agent/logs/{}-1.log", job.job_id));
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains(&format!("built {}", repo.head())), "{log}");
    // The same once more is the same event.
    assert_eq!(deliver(), answer);
    assert_eq!(api.list("").await.len(), 1);
    run.program.signal(Signal::SIGINT);
    assert_eq!(run.exit_code().await, 0);
    // Started again, it is the same relay, and takes the same secret.
    let mut again = Run::start(repo.path(), &arguments);
    again.says("Ctrl-C stops it").await;
    let said = again.program.stdout();
    let mut words = said.split_whitespace();
    let url = words
        .find(|word| word.starts_with("http://127.0.0.1"))
        .unwrap();
    let api = Api::new(url, api.token());
    let relays = api.get("/api/relays").await.expect(200);
    assert_eq!(relays["relays"].as_array().unwrap().len(), 1, "{relays}");
    again.program.signal(Signal::SIGINT);
    assert_eq!(again.exit_code().await, 0);
}

#[tokio::test]
async fn a_push_that_is_delivered_as_the_readme_says_becomes_a_green_job_of_its_commit() {
    a_push_becomes_a_green_job(&[]).await;
}

#[tokio::test]
async fn the_same_goes_for_a_queue_of_moto() {
    if let Some(moto) = moto() {
        a_push_becomes_a_green_job(&["--sqs", &moto]).await;
    }
}

/// Starts it in that directory with that path, and waits until it has one relay, with its queue there and a first rule of that
/// name. In the end the rule is called otherwise.
async fn has_one_relay(directory: &Path, path: &OsStr, (queue, rule): (&str, &str), new: &str) {
    let mut run = Run::start_with(directory, &["--serve", "--port", "0"], |command| {
        command.env("PATH", path);
    });
    run.says("Ctrl-C stops it").await;
    let said = run.program.stdout();
    let mut words = said.split_whitespace();
    let url = words.find(|word| word.starts_with("http://")).unwrap();
    let token = fs::read_to_string(directory.join(".hybrid-ci").join(API_TOKEN_FILE)).unwrap();
    let api = Api::new(url, &token);
    let (path, mut routing) = until("the relay", SOON, async || {
        let answer = api.get("/api/relays").await.expect(200);
        let [relay] = answer["relays"].as_array().unwrap().as_slice() else {
            return None;
        };
        let is_there = relay["inbound_queue"]["provider"] == queue;
        let path = format!("/api/relays/{}/routing", relay["relay_id"].as_str()?);
        let routing = api.get(&path).await.expect(200);
        let is_called = routing["routing"]["tools"]["github"][0]["name"] == rule;
        (is_there && is_called).then_some((path, routing))
    })
    .await;
    routing["routing"]["tools"]["github"][0]["name"] = new.into();
    let version = format!("\"{}\"", routing["version"]);
    let put = Client::builder().no_proxy().build().unwrap();
    let put = put.put(format!("{url}{path}")).bearer_auth(&token);
    let put = put.header(IF_MATCH, version).json(&routing["routing"]);
    assert_eq!(put.send().await.unwrap().status(), 200);
    run.program.signal(Signal::SIGINT);
    assert_eq!(run.exit_code().await, 0);
}

#[tokio::test]
async fn a_moto_that_is_installed_has_the_queue_and_ends_with_the_plane() {
    let Some(moto) = moto() else { return };
    let repo = Repo::with_script("true");
    let programs = tempfile::tempdir().unwrap();
    let installed = programs.path().join("moto_server");
    let id = programs.path().join("id");
    let path = env::var_os("PATH").unwrap();
    let with_moto = env::split_paths(&path);
    let with_moto = [programs.path().to_owned()].into_iter().chain(with_moto);
    let with_moto = env::join_paths(with_moto).unwrap();

    let script = format!(
        "#!/bin/sh\necho $$ > '{}'\necho ' * Running on {moto}' >&2\nexec sleep 600\n",
        id.display()
    );
    fs::write(&installed, script).unwrap();
    fs::set_permissions(&installed, Permissions::from_mode(0o755)).unwrap();
    let first = ("AWS_SQS", "a push is built");
    has_one_relay(repo.path(), &with_moto, first, "mine").await;
    let id: u32 = fs::read_to_string(&id).unwrap().trim().parse().unwrap();
    until("moto to end", SOON, async || (!is_alive(id)).then_some(())).await;

    // One that does not work is as none; the relay has another queue from then on, is the only one, and has the rules it had.
    fs::write(&installed, "#!/bin/sh\nexit 1\n").unwrap();
    let then = ("LOCAL", "mine");
    has_one_relay(repo.path(), &with_moto, then, "mine").await;
    has_one_relay(repo.path(), &with_moto, then, "mine").await;
}
