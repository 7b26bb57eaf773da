//! From a webhook to a deployment, with something that nobody else says in each place where somebody can say something.

use super::provider::random;
use super::said::{HEADERS, word};
use super::search::{Canary, Place, Search};
use super::stage::{Found, Headers, NOTHING, Stage, bearer};
use super::story::REGISTER;
use crate::harness::{Cloud, Program, Relay, Repo, SOON, Way, binary, github, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const ROLE: &str = "hybrid-ci";

/// What was said: what must be nowhere, and what the contract allows in tables and answers, but not in logs.
#[derive(Default)]
struct Said {
    nowhere: Vec<Canary>,
    allowed: Vec<Canary>,
}

impl Said {
    /// Something that must be nowhere.
    fn secret(&mut self, what: &str) -> String {
        let secret = random();
        self.nowhere.push(Canary::new(what, &secret));
        secret
    }

    /// Something that the contract has a field for.
    fn word(&mut self, what: &str) -> String {
        let word = word();
        self.allowed.push(Canary::new(what, &word));
        word
    }

    /// Puts something else in the place of every text of a webhook's body.
    fn fill(&mut self, path: &str, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.secret(&format!("the webhook's {path}")),
            Value::Object(members) => {
                for (name, value) in members {
                    self.fill(&format!("{path}/{name}"), value);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.fill(path, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The customer's side: a repository, a relay, an agent.
struct Customer {
    repo: Repo,
    relay: Relay,
    relay_id: String,
    agent: Program,
    decisions: String,
    /// What its agents register with.
    key: String,
    _directory: TempDir,
}

/// A repository whose job says things, fails, and succeeds when it is tried again.
fn repository(said: &mut Said, directory: &Path) -> Repo {
    let repo = Repo::empty();
    let been_here = directory.join("been-here").display().to_string();
    let script = format!(
        "# {}\necho {} $SAID $DEPLOY\necho {} >&2\nif [ -e {been_here} ]; then exit 0; fi\ntouch {been_here}\nexit 3",
        said.secret("a command"),
        said.secret("a line of the log"),
        said.secret("the text of an error"),
    );
    let spec = json!({ "version": 1, "jobs": {
        "build": {
            "env": { "SAID": said.secret("a variable") },
            "secrets": { "DEPLOY": "env://CANARY_DEPLOY" },
            "steps": [{ "name": "only", "run": script }],
        },
        "broken": { "steps": [{ "name": "only", "run": format!("echo {}; exit 7", said.secret("another line")) }] },
    } });
    let source = said.secret("a file of the source");
    repo.commit(&[(".hybrid-ci.yml", &spec.to_string()), ("main.rs", &source)]);
    let message = said.secret("the message of the commit");
    let author = format!(
        "{} <ada@example.com>",
        said.secret("the author of the commit")
    );
    repo.git(&[
        "commit",
        "--amend",
        "--quiet",
        "--message",
        &message,
        "--author",
        &author,
    ]);
    repo
}

fn agent(said: &mut Said, directory: &Path, url: &str, key: &str) -> Program {
    let mut command = Command::new(binary("hybrid-agent"));
    let tags = format!("team={}", said.word("a tag of the agent"));
    command
        .args(["run", "--url", url, "--pool", "default", "--tags", &tags])
        .args(["--hostname", &said.word("the name of the agent's machine")])
        .arg("--directory")
        .arg(directory.join("agent"))
        .env("HYBRID_AGENT_KEY", key)
        .env("CANARY_DEPLOY", said.secret("a secret of the job"));
    Program::start("agent", &mut command, directory)
}

impl Customer {
    /// Everything of a customer's, started and known to the control plane.
    async fn start(stage: &mut Stage, said: &mut Said, ada: &Headers) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (events, decisions) = (
            stage.cloud.queue("events").await,
            stage.cloud.queue("decisions").await,
        );
        let queue = |address: &str| json!({ "provider": "AWS_SQS", "address": address });
        let body = json!({
            "name": "eu", "inbound_queue": queue(&events), "decision_queue": queue(&decisions),
            "role_arn": Cloud::role(ROLE), "vault": format!("aws-secrets-manager://{}", said.word("the vault")),
        });
        let register = "POST /api/relays/register";
        let registered = stage.expect(201, register, ada, &body).await;
        let token = stage.keep(
            "an enrolment token of a relay",
            registered.text("/enrolment_token"),
            &registered,
        );
        stage
            .cloud
            .trust(&Cloud::role(ROLE), registered.text("/relay/external_id"));
        let relay_id = registered.text("/relay/relay_id").to_owned();
        let way = Way {
            plane: &stage.plane.url,
            proxy: None,
        };
        let secret = said.secret("the secret of the webhook");
        let relay = Relay::start(
            directory.path(),
            way,
            &token,
            (&stage.cloud, &events),
            &secret,
        )
        .await;
        let identity = std::fs::read_to_string(directory.path().join("identity.json")).unwrap();
        let identity: Value = serde_json::from_str(&identity).unwrap();
        let key = identity["private_key"].as_str().unwrap();
        said.nowhere.push(Canary::new("the relay's key", key));

        let named = json!({ "name": "a", "pool_name": "default" });
        let made = ("POST /api/agents/keys", "/agent_key");
        let key = stage.make("an agent key", made, ada, &named).await;
        let repo = repository(said, directory.path());
        let agent = agent(said, directory.path(), &stage.plane.url, &key);
        Self {
            repo,
            relay,
            relay_id,
            agent,
            decisions,
            key,
            _directory: directory,
        }
    }

    /// A webhook of GitHub's in which nothing is as it was, but for what a field of the contract is made of.
    fn webhook(&self, said: &mut Said, name: &str) -> Value {
        let mut body = github(name);
        said.fill("", &mut body);
        let (owner, author) = (said.word("the repository"), said.word("the author"));
        body["repository"]["full_name"] = json!(format!("{owner}/shop"));
        body["repository"]["clone_url"] = json!(format!("file://{}", self.repo.path().display()));
        body["sender"]["login"] = json!(author);
        let branch = said.word("the branch");
        if name == "push" {
            body["ref"] = json!(format!("refs/heads/{branch}"));
            body["after"] = json!(self.repo.head());
        } else {
            body["action"] = json!("opened");
            body["pull_request"]["base"]["ref"] = json!(branch);
            body["pull_request"]["head"]["sha"] = json!(self.repo.head());
        }
        body
    }

    /// Delivers a body as GitHub would, with something in every header. The status.
    async fn deliver(&self, said: &mut Said, event: &str, body: &str, signature: &str) -> u16 {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-github-delivery", said.secret("the id of the delivery")),
            ("x-hub-signature-256", signature.to_owned()),
        ];
        for name in HEADERS
            .into_iter()
            .filter(|name| *name != "accept-encoding")
        {
            headers.push((name, said.secret(&format!("the webhook's header {name}"))));
        }
        self.relay.post(&headers, body.to_owned()).await.0
    }

    /// What is refused: none of it gets any further.
    async fn refused(&self, said: &mut Said) {
        let body = json!({ "said": said.secret("an unsigned webhook") }).to_string();
        let unsigned = self.relay.signature("something else");
        assert_eq!(self.deliver(said, "push", &body, &unsigned).await, 401);
        let not_json = said.secret("a webhook that is not JSON");
        let signature = self.relay.signature(&not_json);
        assert_eq!(self.deliver(said, "push", &not_json, &signature).await, 400);
        let event = said.secret("an event that nobody knows");
        let signature = self.relay.signature(&body);
        let status = self.deliver(said, &event, &body, &signature).await;
        assert!([202, 204, 400].contains(&status), "{status}");
    }
}

/// Waits for a job in that state. Its id.
async fn job(stage: &mut Stage, ada: &Headers, status: &str, job_type: &str) -> String {
    let path = format!("/api/queue/jobs?status={status}");
    until(&format!("a job that is {status}"), 2 * SOON, async || {
        let listed = stage.look(&path, ada).await;
        let jobs = listed["jobs"].as_array()?.iter();
        let mut found = jobs.filter(|job| job["job_type"] == job_type);
        found
            .next()
            .map(|job| job["job_id"].as_str().unwrap().to_owned())
    })
    .await
}

/// A job that a person has put in line, which fails, is retried, and fails again.
async fn fail_and_retry(stage: &mut Stage, said: &mut Said, ada: &Headers, repo: &Repo) {
    let request = json!({
        "job_type": "broken", "pool_name": "default", "max_attempts": 1,
        "git_repo": format!("file://{}", repo.path().display()), "git_commit_sha": repo.head(),
        "git_ref": said.word("the job's branch"), "git_author": said.word("the job's author"),
        "tags": { said.word("the name of a job's tag"): said.word("a job's tag") },
    });
    stage
        .expect(201, "POST /api/queue/jobs", ada, &request)
        .await;
    let broken = job(stage, ada, "FAILED", "broken").await;
    let retry = format!("POST /api/queue/jobs/{broken}/retry");
    stage.expect(200, &retry, ada, &NOTHING).await;
    // It may be running before it is looked at; what counts is that it fails once more.
    until("the second failure", 2 * SOON, async || {
        let seen = stage
            .look(&format!("/api/dashboard/jobs/{broken}"), ada)
            .await;
        let attempts = seen["attempts"].as_array()?;
        (attempts.len() == 2 && seen["job"]["status"] == "FAILED").then_some(())
    })
    .await;
    // What has no field is refused, and not repeated.
    for (field, value) in [
        ("error", json!(said.secret("a field that there is not"))),
        ("command", json!(said.secret("a command in a request"))),
        (
            "environment",
            json!({ "A": said.secret("a variable in a request") }),
        ),
    ] {
        let mut wrong = request.clone();
        wrong[field] = value;
        stage.expect(400, "POST /api/queue/jobs", ada, &wrong).await;
    }
    // A word that is not one of a closed set is repeated to whoever said it, and to nobody else.
    let (mut wrong, unknown) = (request, random());
    wrong["priority"] = json!(unknown);
    let told = stage.expect(400, "POST /api/queue/jobs", ada, &wrong).await;
    let canary = Canary::new("a priority that there is not", &unknown);
    said.nowhere.push(canary.shown_by(&told.place));
}

/// What a job has built is deployed, and taken back.
async fn deploy(stage: &mut Stage, said: &mut Said, ada: &Headers, (job, sha): (&str, &str)) {
    let mut versions = Vec::new();
    for version in ["1.0.0", "1.1.0"] {
        let body = json!({
            "service_name": "shop", "service_version": version, "git_commit_sha": sha,
            "git_author": said.word("the deployment's author"), "build_job_id": job,
        });
        let created = stage
            .expect(201, "POST /api/dashboard/deployments", ada, &body)
            .await;
        let id = created.text("/deployment/deployment_id").to_owned();
        for step in ["staging", "production"] {
            let operation = format!("POST /api/dashboard/deployments/{id}/{step}");
            stage
                .expect(200, &operation, ada, &json!({ "job_id": job }))
                .await;
        }
        versions.push(id);
    }
    let back = format!("POST /api/dashboard/deployments/{}/rollback", versions[1]);
    let reason = json!({ "to_version": "1.0.0", "reason": said.word("why it was taken back") });
    stage.expect(200, &back, ada, &reason).await;
}

#[tokio::test]
async fn of_a_webhook_and_what_comes_of_it_there_is_nothing_but_what_the_contract_names() {
    let mut stage = Stage::start().await;
    let mut said = Said::default();
    stage.sign_in("github").await;
    let ada = bearer(&stage.sign_in_tool("github").await);
    let mut customer = Customer::start(&mut stage, &mut said, &ada).await;
    let relay = format!("/api/relays/{}", customer.relay_id);
    let rules = json!({ "tools": { "github": [
        { "name": said.word("the name of a rule"), "when": { "event": "PUSH" },
          "then": { "action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "default" } },
        { "when": { "event": "PULL_REQUEST" }, "then": { "action": "DECIDE", "target": "review" } },
    ] } });
    let route = format!("PUT {relay}/routing");
    let mut as_first = ada.clone();
    as_first.push(("if-match", "\"0\"".to_owned()));
    stage.expect(200, &route, &as_first, &rules).await;

    customer.refused(&mut said).await;
    assert_eq!(stage.cloud.sent(), [""; 0], "nothing was forwarded");
    for (event, name) in [("push", "push"), ("pull_request", "pull_request_opened")] {
        let body = customer.webhook(&mut said, name).to_string();
        let signature = customer.relay.signature(&body);
        let status = customer.deliver(&mut said, event, &body, &signature).await;
        assert_eq!(status, 202, "{}", customer.relay.journal());
    }
    let built = job(&mut stage, &ada, "COMPLETED", "build").await;
    let seen = stage
        .expect(
            200,
            &format!("GET /api/dashboard/jobs/{built}"),
            &ada,
            &NOTHING,
        )
        .await;
    assert_eq!(
        seen.json["attempts"].as_array().unwrap().len(),
        2,
        "{seen:?}"
    );
    let decision = until("the decision", SOON, async || {
        stage.cloud.take(&customer.decisions).await
    })
    .await;
    assert!(decision.contains("review"), "{decision}");
    fail_and_retry(&mut stage, &mut said, &ada, &customer.repo).await;
    let head = customer.repo.head();
    deploy(&mut stage, &mut said, &ada, (&built, &head)).await;
    let wrong = json!({ "pool_name": "default", "version": "0.1.0", "environment": said.secret("what an agent adds") });
    stage
        .expect(400, REGISTER, &bearer(&customer.key), &wrong)
        .await;
    stage.read(&ada).await;
    for path in [
        "/api/relays",
        &relay,
        &format!("{relay}/events"),
        &format!("{relay}/routing"),
    ] {
        stage
            .expect(200, &format!("GET {path}"), &ada, &NOTHING)
            .await;
    }
    customer.agent.signal(Signal::SIGTERM);
    assert_eq!(customer.agent.exit_code(SOON).await, 0);

    let journal = customer.relay.journal();
    stage.canaries.append(&mut said.nowhere);
    let Found {
        leaks,
        places,
        unsaid,
    } = stage.leaks().await;
    assert_eq!(leaks, []);
    assert_eq!(unsaid, [""; 0]);
    // What the contract allows was said where it is allowed, so that it was worth looking, and in no log, metric or trace.
    let allowed = Search::new(&said.allowed);
    let seen = allowed.leaks(&places);
    for canary in &said.allowed {
        let is_it = |name: &str| {
            seen.iter()
                .any(|leak| leak.canary == canary.name() && leak.place.starts_with(name))
        };
        assert!(is_it("the table "), "{} is in no table", canary.name());
    }
    let answers = places
        .iter()
        .find(|place| place.name == "answers to programs");
    assert!(answers.unwrap().bytes.len() > 1000);
    let is_told = |place: &Place| place.name.starts_with("its ");
    let mut told: Vec<_> = places.into_iter().filter(is_told).collect();
    assert_eq!(told.len(), 3);
    told.push(Place::new("the relay's journal", journal));
    assert_eq!(allowed.leaks(&told), []);
}
