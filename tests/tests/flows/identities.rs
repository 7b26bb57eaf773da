//! Agents that prove who they are by something else than a key: the real program, from its proof to its session's end.

use crate::harness::{Api, Credentials, Plane, Program, Repo, SOON, binary, until};
use auth::{Identities, KeyEncryption};
use embedded_dynamodb::Engine;
use nix::sys::signal::Signal;
use oidc::testing::{FakeIssuer, SigningKey};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use store::{Store, Tables};
use telemetry::Meter;
use web::Clock;
use wire::JobStatus;

const ISSUER: &str = "https://issuer.example.com";

/// The program `hybrid-agent` of the pool `default`, without any key in its environment.
fn agent(url: &str, directory: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(binary("hybrid-agent"));
    command
        .args(["run", "--url", url, "--pool", "default", "--directory"])
        .arg(directory.join("agent"))
        .args(flags)
        .env_remove("HYBRID_AGENT_KEY");
    command
}

/// The agents that have a session.
async fn live(api: &Api) -> Vec<Value> {
    let listed = api.get("/api/agents?limit=100").await.expect(200);
    let agents = listed["agents"].as_array().unwrap().iter();
    agents
        .filter(|agent| agent["status"] != "TERMINATED")
        .cloned()
        .collect()
}

#[tokio::test]
async fn an_agent_enrols_once_works_and_says_what_to_do_when_it_is_started_again() {
    let plane = Plane::start().await;
    let api = plane.api();
    let body = json!({ "name": "a machine", "pool_name": "default" });
    let made = api.post("/api/agents/enrolment-tokens", &body).await;
    let token = made.expect(201)["enrolment_token"].clone();
    let mut command = agent(
        &plane.url(),
        plane.directory(),
        &["--identity", "enrolment"],
    );
    command.env("HYBRID_AGENT_ENROLMENT_TOKEN", token.as_str().unwrap());
    let mut first = Program::start("first", &mut command, plane.directory());
    let repo = Repo::with_script("env | grep -c ENROLMENT || true");
    let job = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&job, JobStatus::Completed, SOON).await;
    assert_eq!(live(&api).await.len(), 1);
    first.signal(Signal::SIGTERM);
    assert_eq!(first.exit_code(SOON).await, 0);

    let mut again = Program::start("again", &mut command, plane.directory());
    assert_eq!(again.exit_code(SOON).await, 1);
    let message = again.stderr();
    for part in ["enrolment token is refused", "/api/agents/enrolment-tokens"] {
        assert!(message.contains(part), "{message}");
    }
    for program in [&first, &again] {
        let output = format!("{}{}", program.stdout(), program.stderr());
        assert!(!output.contains(token.as_str().unwrap()));
    }
}

/// A control plane in this process, with an issuer of its own.
struct World {
    api: Api,
    url: String,
    key: SigningKey,
    directory: tempfile::TempDir,
    _issuer: FakeIssuer,
}

impl World {
    async fn start() -> Self {
        let key = SigningKey::es256("k");
        let issuer = FakeIssuer::start(ISSUER, &[&key]).await;
        let client = Engine::memory().unwrap().client();
        let store = Store::new(client, Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let api = auth::Api {
            entropy: web::Entropy::system(),
            ..auth::Api::testing(store, Clock::system())
        };
        let credentials = Credentials::create(&api, "acme").await;
        let identities = Identities::new(issuer.network(), KeyEncryption::Off);
        let routes = queue::routes(api.clone()).merge(agents::routes(api, identities));
        let app = web::app(routes.into_parts().0);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            api: Api::new(&url, &credentials.api_token),
            url,
            key,
            directory: tempfile::tempdir().unwrap(),
            _issuer: issuer,
        }
    }

    /// Makes the rule. Its id and the audience that tokens must have.
    async fn trust(&self) -> (String, String) {
        let rule = json!({
            "name": "build", "pool_name": "default", "issuer": ISSUER, "claims": { "sub": "build" }
        });
        let made = self.api.post("/api/agents/trust-rules", &rule).await;
        let rule = made.expect(201)["trust_rule"].clone();
        let text = |name: &str| rule[name].as_str().unwrap().to_owned();
        (text("key_id"), text("audience"))
    }

    /// Puts a fresh token where the agent looks for it.
    fn hand_out(&self, audience: &str) {
        let now = Clock::system().now().as_millis() / 1000;
        let token = self.key.token(&json!({
            "iss": ISSUER, "aud": audience, "sub": "build", "iat": now, "exp": now + 300,
            "jti": now.to_string()
        }));
        let fresh = self.directory.path().join("fresh");
        std::fs::write(&fresh, token).unwrap();
        std::fs::rename(fresh, self.token_file()).unwrap();
    }

    fn token_file(&self) -> std::path::PathBuf {
        self.directory.path().join("token")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_registers_with_its_workloads_token_and_waits_for_another_when_its_session_is_over()
 {
    let world = World::start().await;
    let (rule, audience) = world.trust().await;
    let token_file = world.token_file();
    let flags = [
        "--identity",
        "file",
        "--token-file",
        token_file.to_str().unwrap(),
        "--audience",
        &audience,
    ];
    let mut command = agent(&world.url, world.directory.path(), &flags);
    let mut program = Program::start("agent", &mut command, world.directory.path());
    until("the agent to look for its token", SOON, async || {
        program
            .stdout()
            .contains("no proof of this agent's identity")
            .then_some(())
    })
    .await;
    world.hand_out(&audience);
    let first = until("the agent to register", SOON, async || {
        live(&world.api).await.pop()
    })
    .await;

    let path = format!("/api/agents/trust-rules/{rule}");
    assert_eq!(world.api.delete(&path).await.status, 204);
    until("the agent to ask for another token", SOON, async || {
        program
            .stdout()
            .contains("used before or refused")
            .then_some(())
    })
    .await;
    let (_, same) = world.trust().await;
    assert_eq!(same, audience);
    world.hand_out(&audience);
    let second = until("the agent to register anew", SOON * 2, async || {
        live(&world.api).await.pop()
    })
    .await;
    assert_ne!(first["agent_id"], second["agent_id"]);
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(SOON).await, 0);
}
