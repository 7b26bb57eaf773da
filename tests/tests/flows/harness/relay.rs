//! A relay: the real `hybrid-relay`, enrolled and serving, and the webhooks that a tool sends it.

use crate::harness::{Cloud, Program, SOON, binary, free_port, project_root, until};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use nix::sys::signal::Signal;
use reqwest::Client;
use serde_json::Value;
use sha2::Sha256;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running relay.
pub(crate) struct Relay {
    program: Program,
    client: Client,
    url: String,
    secret: String,
    directory: PathBuf,
    plane: String,
    proxy: Option<String>,
    port: u16,
}

/// How a relay reaches the control plane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    /// Its address.
    pub(crate) plane: &'a str,
    /// Through which proxy, if it has a name that only that one knows.
    pub(crate) proxy: Option<&'a str>,
}

/// `hybrid-relay`, on its way to a control plane.
fn command(way: Way<'_>) -> Command {
    let mut command = Command::new(binary("hybrid-relay"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HYBRID_RELAY_URL", way.plane);
    if let Some(proxy) = way.proxy {
        command
            .env("HYBRID_RELAY_INSECURE_HTTP", "true")
            .env("HTTP_PROXY", proxy)
            .env("http_proxy", proxy)
            .env("NO_PROXY", "127.0.0.1");
    }
    command
}

/// Writes what only its owner may read.
fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn serve(directory: &Path, way: Way<'_>, (cloud, queue): (&Cloud, &str), port: u16) -> Program {
    let reference = |name: &str| format!("file://{}", directory.join(name).display());
    let mut serve = command(way);
    serve
        .arg("serve")
        .env("HYBRID_RELAY_IDENTITY", reference("identity.json"))
        .env("HYBRID_RELAY_QUEUE", queue)
        .env(
            "HYBRID_RELAY_SECRETS",
            format!("github={}", reference("github-secret")),
        )
        .env("HYBRID_RELAY_LISTEN", format!("127.0.0.1:{port}"))
        .envs(cloud.of_customer());
    Program::start("relay", &mut serve, directory)
}

impl Relay {
    /// Brings a key with an enrolment token, and starts serving GitHub's webhooks onto that queue.
    pub(crate) async fn start(
        directory: &Path,
        way: Way<'_>,
        token: &str,
        (cloud, queue): (&Cloud, &str),
        secret: &str,
    ) -> Self {
        let file = |name: &str| directory.join(name);
        write_secret(&file("enrolment-token"), token);
        write_secret(&file("github-secret"), secret);
        let mut enrol = command(way);
        enrol
            .args(["enrol", "--token-file"])
            .arg(file("enrolment-token"));
        enrol.arg("--identity-file").arg(file("identity.json"));
        if way.proxy.is_some() {
            enrol.arg("--insecure-http");
        }
        let mut enrol = Program::start("enrol", &mut enrol, directory);
        assert_eq!(enrol.exit_code(SOON).await, 0, "{}", enrol.stderr());

        let port = free_port();
        let relay = Self {
            program: serve(directory, way, (cloud, queue), port),
            client: Client::builder().no_proxy().build().unwrap(),
            url: format!("http://127.0.0.1:{port}"),
            secret: secret.to_owned(),
            directory: directory.to_owned(),
            plane: way.plane.to_owned(),
            proxy: way.proxy.map(str::to_owned),
            port,
        };
        relay.listens().await;
        relay
    }

    async fn listens(&self) {
        until("the relay to listen", SOON, async || {
            let health = self.client.get(format!("{}/health", self.url)).send();
            health.await.ok().filter(|answer| answer.status() == 200)
        })
        .await;
    }

    /// Ends it, and starts it with what its files say now.
    pub(crate) async fn start_again(&mut self, onto: (&Cloud, &str)) {
        self.stop().await;
        let way = Way {
            plane: &self.plane,
            proxy: self.proxy.as_deref(),
        };
        self.program = serve(&self.directory, way, onto, self.port);
        self.listens().await;
    }

    /// Has it change its key, signed with the one before. It goes on with the old one until it is started again.
    pub(crate) async fn rotate_key(&self, way: Way<'_>) {
        assert_eq!(way.plane, self.plane);
        let mut rotate = command(way);
        rotate
            .args(["rotate-key", "--identity-file"])
            .arg(self.directory.join("identity.json"));
        if way.proxy.is_some() {
            rotate.arg("--insecure-http");
        }
        let mut rotate = Program::start("rotate", &mut rotate, &self.directory);
        assert_eq!(rotate.exit_code(SOON).await, 0, "{}", rotate.stderr());
    }

    /// What it has said of itself.
    pub(crate) fn journal(&self) -> String {
        self.program.stdout() + &self.program.stderr()
    }

    /// The signature of a body, as GitHub makes it.
    pub(crate) fn signature(&self, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        let mac = mac.chain_update(body).finalize().into_bytes();
        format!("sha256={}", HEXLOWER.encode(&mac))
    }

    /// Delivers a body with those headers. The status, and what was answered.
    pub(crate) async fn post(&self, headers: &[(&str, String)], body: String) -> (u16, Value) {
        let mut request = self
            .client
            .post(format!("{}/relay/webhooks/github", self.url));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Delivers an event of GitHub's, signed.
    pub(crate) async fn deliver(&self, event: &str, delivery: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-github-delivery", delivery.to_owned()),
            ("x-hub-signature-256", self.signature(&body)),
        ];
        self.post(&headers, body).await
    }

    /// Ends it, as a machine that is switched off.
    pub(crate) async fn stop(&mut self) {
        self.program.signal(Signal::SIGTERM);
        self.program.end(SOON).await;
    }
}

/// A webhook as GitHub documents it.
pub(crate) fn github(name: &str) -> Value {
    let path = project_root().join(format!("customer/relay/tests/fixtures/github/{name}.json"));
    let mut webhook: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    webhook["body"].take()
}
