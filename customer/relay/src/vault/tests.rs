//! Each vault, played by a server of the tests' own on this machine that speaks as its vendor documents.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod aws;
mod azure;
mod google;
mod hashicorp;

use super::*;
use ::http::{HeaderMap, Method, StatusCode};
use aws_credential_types::Credentials;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};
use std::sync::Mutex;

const SECRET: &str = "s3cret-canary";

/// A request as it arrived.
#[derive(Clone)]
struct Seen {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

/// A server that answers as it is told, and remembers what it was asked.
struct Fake {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let state: (Answer, _) = (Arc::new(answer), seen.clone());
        let router = Router::new().fallback(serve).with_state(state);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    State((answer, all)): State<(Answer, Arc<Mutex<Vec<Seen>>>)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    let seen = Seen {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let response = answer(&seen);
    all.lock().unwrap().push(seen);
    response
}

fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, body.to_string()).into_response()
}

/// A vault whose every service is at an address that nobody answers at, until a test says otherwise.
fn vault(
    settings: VaultSettings,
    environment: &[(&str, &str)],
    place: impl FnOnce(&mut Remote),
) -> Vault {
    let nobody = || "http://127.0.0.1:9".to_owned();
    let mut remote = Remote {
        http: Http::new().unwrap(),
        aws: Some(Aws::at(nobody(), credentials())),
        hashicorp: settings.hashicorp.clone().map(Hashicorp::new),
        gcp: Gcp {
            address: nobody(),
            metadata: nobody(),
        },
        azure: Azure {
            address: nobody(),
            metadata: nobody(),
            entra: nobody(),
        },
    };
    place(&mut remote);
    let variables: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let lookup = move |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    Vault {
        settings: Arc::new(settings),
        environment: Environment(Arc::new(lookup)),
        remote: Some(Arc::new(remote)),
    }
}

async fn read(vault: &Vault, reference: &str) -> Result<String, VaultError> {
    let reference = VaultReference::parse(reference).unwrap();
    let secret = vault.read(&reference).await?;
    Ok(secret.expose_secret().to_owned())
}

/// That a vault refuses, and says nothing of what it was asked and told.
async fn refused(vault: &Vault, reference: &str) -> &'static str {
    let error = read(vault, reference).await.unwrap_err();
    let text = format!("{error} {error:?}");
    for secret in [SECRET, "canary", "wJalrXUtnFEMI", "hvs.", "127.0.0.1"] {
        assert!(!text.contains(secret), "{text}");
    }
    error.code()
}

fn credentials() -> Credentials {
    let session = Some("session".to_owned());
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", session, None, "test")
}

fn aws_at(url: &str) -> Vault {
    let settings = VaultSettings {
        aws_region: Some("eu-west-1".to_owned()),
        hashicorp: None,
    };
    let url = url.to_owned();
    vault(settings, &[], |remote| {
        remote.aws = Some(Aws::at(url, credentials()));
    })
}

/// Whoever answers for a vault can neither flood the relay nor lead it elsewhere, and what it says is no message of ours.
#[tokio::test]
async fn no_answer_is_too_large_or_leads_elsewhere() {
    let other = Fake::start(|_| answer(200, &json!({ "SecretString": SECRET }))).await;
    let to = other.url.clone();
    let redirects = Fake::start(move |_| Redirect::temporary(&to).into_response()).await;
    let huge = Fake::start(|_| SECRET.repeat(10_000).into_response()).await;
    let wrong = Fake::start(|_| answer(200, &json!([SECRET]))).await;
    for fake in [&redirects, &huge, &wrong] {
        let vault = aws_at(&fake.url);
        let code = refused(&vault, "aws-secrets-manager://ci/github").await;
        assert_eq!(code, "malformed");
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_vault_that_does_not_answer_is_given_up() {
    // It takes connections, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let vault = aws_at(&silent);
    let code = refused(&vault, "aws-secrets-manager://ci/github").await;
    assert_eq!(code, "unreachable");
}

#[tokio::test]
async fn variables_and_files_are_read_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display().to_string();
    std::fs::write(directory.path().join("secret"), "two\nlines\n").unwrap();
    std::fs::write(directory.path().join("json"), r#"{"github":"s3cret"}"#).unwrap();
    std::fs::write(directory.path().join("large"), "x".repeat(64 * 1024 + 1)).unwrap();
    std::fs::write(directory.path().join("bytes"), [0xff, 0xfe]).unwrap();
    let environment = [("SECRET", SECRET), ("EMPTY", " ")];
    let vault = vault(VaultSettings::default(), &environment, |_| {});
    for (reference, secret) in [
        ("env://SECRET".to_owned(), SECRET),
        (format!("file://{at}/secret"), "two\nlines\n"),
        (format!("file://{at}/json#github"), "s3cret"),
    ] {
        assert_eq!(
            read(&vault, &reference).await.unwrap(),
            secret,
            "{reference}"
        );
    }
    for (reference, code) in [
        ("env://NONE".to_owned(), "missing"),
        ("env://EMPTY".to_owned(), "missing"),
        (format!("file://{at}/none"), "missing"),
        (format!("file://{at}/secret/none"), "missing"),
        (format!("file://{at}"), "malformed"),
        (format!("file://{at}/large"), "malformed"),
        (format!("file://{at}/bytes"), "malformed"),
        ("file:///dev/zero".to_owned(), "malformed"),
    ] {
        assert_eq!(refused(&vault, &reference).await, code, "{reference}");
    }
}

#[test]
fn a_file_that_others_can_read_is_noticed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, SECRET).unwrap();
    let reference = VaultReference::parse(&format!("file://{}#field", path.display())).unwrap();
    let is_open = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let found = open_files(std::slice::from_ref(&reference));
        !found.is_empty()
    };
    for mode in [0o400, 0o600, 0o700] {
        assert!(!is_open(mode), "{mode:o}");
    }
    for mode in [0o604, 0o644, 0o660, 0o606] {
        assert!(is_open(mode), "{mode:o}");
    }
    let variable = VaultReference::parse("env://SECRET").unwrap();
    assert!(open_files(&[variable]).is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_references_is_said_at_the_start() {
    let references: Vec<_> = [
        "env://SECRET",
        "file://relative",
        "azure://a.b/c",
        "hashicorp://secret/x",
    ]
    .iter()
    .map(|text| VaultReference::parse(text).unwrap())
    .collect();
    let faults = Vault::new(&VaultSettings::default(), &references).await;
    let faults = faults.unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(
        faults[0].starts_with("file://relative: must be"),
        "{faults:?}"
    );
    let good = &references[..1];
    let vault = Vault::new(&VaultSettings::default(), good).await.unwrap();
    assert!(vault.remote.is_none());
}

/// With the credentials of the environment, whatever there is, nothing is asked before a secret is.
#[tokio::test]
async fn a_vault_over_the_network_is_set_up_without_a_call() {
    let settings = VaultSettings {
        aws_region: Some("eu-central-1".to_owned()),
        hashicorp: None,
    };
    let reference = VaultReference::parse("aws-ssm://ci/github").unwrap();
    let vault = Vault::new(&settings, &[reference]).await.unwrap();
    let remote = vault.remote.unwrap();
    assert!(remote.aws.is_some() && remote.hashicorp.is_none());
}
