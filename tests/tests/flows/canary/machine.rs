//! The programs that run on somebody's own machine: `hybrid-local` and agents, with all that they print and leave in files.

use super::plane::items;
use super::provider::random;
use super::search::{Canary, Place, Search};
use crate::harness::{Api, Browser, From, Program, Repo, SOON, binary, until};
use auth::{Environment, Token};
use data_encoding::BASE64;
use hybrid_local::{
    AGENT_KEY_FILE, API_TOKEN_FILE, INVITATION_FILE, RELAY_IDENTITY_FILE, WEBHOOK_SECRET_FILE,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use web::Entropy;
use wire::JobStatus;

/// How many files are read. There are some dozens.
const MOST_FILES: usize = 2_000;

/// Every file below a directory, under its path there.
fn files(directory: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            } else if path.is_file() {
                places.push(Place::new(name, fs::read(path).unwrap()));
                assert!(places.len() < MOST_FILES, "too many files");
            }
        }
    }
    places
}

/// Whether there is a whole token of ours, whoever made it.
fn has_token(bytes: &[u8]) -> bool {
    bytes.windows(74).any(|text| {
        text.starts_with(b"hcp_")
            && str::from_utf8(text).is_ok_and(|text| Token::parse(Environment::Test, text).is_ok())
    })
}

fn plane(directory: &Path, data_key: &str) -> Program {
    let mut command = Command::new(binary("hybrid-local"));
    command
        .args(["--serve", "--no-agent", "--sqs", "none"])
        .args(["--port", "0", "--data-dir"])
        .arg(directory.join("data"))
        .env("HMAC_KEY_ENCRYPTION_KEY", data_key)
        .env(telemetry::LOG_LEVEL, "trace");
    Program::start("hybrid-local", &mut command, directory)
}

fn agent(directory: &Path, url: &str, (name, variable, secret): (&str, &str, &str)) -> Program {
    let mut command = Command::new(binary("hybrid-agent"));
    command
        .args(["run", "--url", url, "--pool", "default", "--identity", name])
        .arg("--directory")
        .arg(directory.join(format!("agent-{name}")))
        .env_remove("HYBRID_AGENT_KEY")
        .env(variable, secret);
    Program::start(name, &mut command, directory)
}

/// Signs in, and gives back what only the browser and the provider may know.
async fn sign_in(url: &str) -> Vec<Canary> {
    let mut browser = Browser::new(url);
    let begun = browser.get("/auth/login/google").await;
    let under_way = super::stage::login(&browser.cookie(auth::cookie::LOGIN).unwrap());
    let callback = browser.pick(&begun.location(), "ada").await;
    let back = browser.follow(&callback, From::AnotherSite).await;
    assert_eq!(back.status, 303, "{}", back.text);
    let (_, code) = callback.split_once("code=").unwrap();
    let secret = |name: &str| under_way[name].as_str().unwrap();
    let session = browser.cookie(auth::cookie::SESSION).unwrap();
    vec![
        Canary::new("the state", secret("state")),
        Canary::new("the nonce", secret("nonce")),
        Canary::new("the verifier", secret("verifier")),
        Canary::new("the code", code.split('&').next().unwrap()),
        Canary::token("the session of a browser", &session),
    ]
}

#[tokio::test]
async fn a_secret_on_ones_own_machine_is_in_the_file_that_is_for_it_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let data_key = BASE64.encode(&Entropy::system().bytes::<32>());
    let mut plane = plane(directory.path(), &data_key);
    let url = until("the plane to listen", SOON, async || {
        let said = plane.stdout();
        let (_, rest) = said.split_once("Hybrid CI/CD on ")?;
        rest.split_once(' ').map(|(url, _)| url.to_owned())
    })
    .await;
    let data = directory.path().join("data");
    let file = |name: &str| fs::read_to_string(data.join(name)).unwrap();
    let (token, key) = (file(API_TOKEN_FILE), file(AGENT_KEY_FILE));
    let invitation = file(INVITATION_FILE);
    let mut canaries = sign_in(&url).await;
    canaries.push(Canary::new("the data key", &data_key));
    let identity: Value = serde_json::from_str(&file(RELAY_IDENTITY_FILE)).unwrap();
    for (name, secret) in [
        (
            RELAY_IDENTITY_FILE,
            identity["private_key"].as_str().unwrap(),
        ),
        (WEBHOOK_SECRET_FILE, &file(WEBHOOK_SECRET_FILE)),
    ] {
        let canary = Canary::new(name, secret);
        canaries.push(canary.shown_by(&format!("data/{name}")));
    }
    for (name, secret) in [
        (API_TOKEN_FILE, &token),
        (AGENT_KEY_FILE, &key),
        (INVITATION_FILE, &invitation),
    ] {
        canaries.push(Canary::token(name, secret).shown_by(&format!("data/{name}")));
    }

    let api = Api::new(&url, &token);
    let named = json!({ "name": "a", "pool_name": "default" });
    let enrolment = api
        .post("/api/agents/enrolment-tokens", &named)
        .await
        .expect(201);
    let enrolment = enrolment["enrolment_token"].as_str().unwrap();
    canaries.push(Canary::token("an enrolment token", enrolment));
    let hmac = json!({ "name": "h", "pool_name": "default", "algorithm": "HMAC_SHA256" });
    let hmac = api
        .post("/api/agents/signing-keys", &hmac)
        .await
        .expect(201);
    let hmac = hmac["secret_key"].as_str().unwrap();
    canaries.push(Canary::new("the key of an HMAC", hmac));
    let wrong = api.with_token(&random()).get("/api/queue/jobs").await;
    assert_eq!(wrong.status, 401);

    // A job that prints what it can get at, on an agent by key and on one by enrolment.
    let repo = Repo::with_script("env; set; cat /proc/$PPID/environ || true");
    for way in [
        ("key", "HYBRID_AGENT_KEY", key.as_str()),
        ("enrolment", "HYBRID_AGENT_ENROLMENT_TOKEN", enrolment),
    ] {
        let mut agent = agent(directory.path(), &url, way);
        let job = api.enqueue(&repo.request()).await.job_id;
        api.wait_for(&job, JobStatus::Completed, SOON).await;
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.exit_code(SOON).await, 0);
    }
    plane.signal(Signal::SIGTERM);
    assert_eq!(plane.exit_code(SOON).await, 0);

    let mut places = files(directory.path());
    places.extend(items(&data.join("plane.db")).await);
    assert_eq!(Search::new(&canaries).leaks(&places), []);
    let with_token = places.iter().filter(|place| has_token(&place.bytes));
    let mut with_token: Vec<_> = with_token.map(|place| place.name.as_str()).collect();
    with_token.sort_unstable();
    assert_eq!(
        with_token,
        ["data/agent-key", "data/api-token", "data/invitation"]
    );
    for name in [
        "hybrid-local.stderr",
        "key.stdout",
        "data/plane.db",
        "agent-key/logs/",
    ] {
        let named = places.iter().filter(|place| place.name.starts_with(name));
        let bytes: usize = named.map(|place| place.bytes.len()).sum();
        assert!(bytes > 100, "{name} has next to nothing");
    }
}
