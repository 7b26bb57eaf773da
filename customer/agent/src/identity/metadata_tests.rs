//! The platforms' services, played by servers of the tests' own on this machine.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const AUDIENCE: &str = "https://ci.example.com/agents/acme";
const TOKEN: &str = "eyJh.eyJz.c2ln";

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
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

type Answer = fn(&Seen) -> Response;

/// A server that answers as it is told, and remembers what it was asked.
struct Fake {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone)]
struct Script {
    answer: Answer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    async fn start(answer: Answer) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Script {
            answer,
            seen: seen.clone(),
        };
        let router = Router::new().fallback(serve).with_state(script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

async fn serve(State(script): State<Script>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    let seen = Seen {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let answer = (script.answer)(&seen);
    lock(&script.seen).push(seen);
    answer
}

/// Addresses that nobody answers at.
fn nowhere() -> MetadataAddresses {
    let nobody = || "http://127.0.0.1:9".to_owned();
    MetadataAddresses {
        aws_instance: nobody(),
        aws_container: nobody(),
        aws_sts: Some(nobody()),
        gcp: nobody(),
        azure: nobody(),
    }
}

fn prover(
    source: TokenSource,
    addresses: MetadataAddresses,
    environment: &[(&str, &str)],
) -> Prover {
    Prover::new(Identity::Workload(Workload {
        audience: AUDIENCE.to_owned(),
        source,
        addresses,
        environment: environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    }))
    .unwrap()
}

async fn prove(
    source: TokenSource,
    addresses: MetadataAddresses,
    environment: &[(&str, &str)],
) -> Result<String, String> {
    match prover(source, addresses, environment).proof().await {
        Ok(proof) => Ok(proof.expose_secret().to_owned()),
        Err(NoProof::Yet(reason)) => Err(reason),
        Err(NoProof::Any) => panic!("a workload always has another"),
    }
}

const ENCODED: &str = "https%3A%2F%2Fci.example.com%2Fagents%2Facme";

#[tokio::test]
async fn google_clouds_metadata_server_is_asked_for_a_token_with_the_audience() {
    let google = Fake::start(|seen| {
        if seen.header("metadata-flavor") != "Google" {
            return StatusCode::FORBIDDEN.into_response();
        }
        ([("Metadata-Flavor", "Google")], TOKEN).into_response()
    })
    .await;
    let addresses = MetadataAddresses {
        gcp: google.url.clone(),
        ..nowhere()
    };
    let token = prove(TokenSource::Gcp, addresses, &[]).await;
    assert_eq!(token.as_deref(), Ok(TOKEN));
    let seen = &google.seen()[0];
    assert_eq!(
        seen.path,
        "/computeMetadata/v1/instance/service-accounts/default/identity"
    );
    assert_eq!(seen.query, format!("audience={ENCODED}&format=full"));
}

#[tokio::test]
async fn whoever_answers_in_the_place_of_googles_metadata_server_is_not_believed() {
    let other = Fake::start(|_| TOKEN.into_response()).await;
    let addresses = MetadataAddresses {
        gcp: other.url.clone(),
        ..nowhere()
    };
    let reason = prove(TokenSource::Gcp, addresses, &[]).await.unwrap_err();
    assert!(reason.contains("somebody else"), "{reason}");
}

/// A service that keeps the token that it has, and gets another only if it is told to.
fn keeps_tokens(seen: &Seen) -> Response {
    static MADE: AtomicU32 = AtomicU32::new(1);
    if seen.header("metadata") != "true" {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let is_fresh = seen.query.ends_with("&bypass_cache=true");
    let number = MADE.fetch_add(u32::from(is_fresh), Ordering::SeqCst);
    format!("{{\"access_token\":\"{TOKEN}{number}\",\"expires_in\":\"86399\"}}").into_response()
}

fn azure_at(url: &str) -> MetadataAddresses {
    MetadataAddresses {
        azure: url.to_owned(),
        ..nowhere()
    }
}

#[tokio::test]
async fn azures_metadata_service_is_asked_for_a_fresh_token_of_the_resource() {
    let azure = Fake::start(keeps_tokens).await;
    let addresses = azure_at(&azure.url);
    let token = prove(TokenSource::Azure, addresses.clone(), &[]).await;
    assert!(token.unwrap().starts_with(TOKEN));
    prove(TokenSource::Azure, addresses, &[("AZURE_CLIENT_ID", "c-1")])
        .await
        .unwrap();
    let seen = azure.seen();
    assert_eq!(seen[0].path, "/metadata/identity/oauth2/token");
    let query = format!("api-version=2018-10-01&resource={ENCODED}");
    assert_eq!(seen[0].query, format!("{query}&bypass_cache=true"));
    let of_client = format!("{query}&client_id=c-1&bypass_cache=true");
    assert_eq!(seen[1].query, of_client);
}

#[tokio::test]
async fn a_machine_of_azure_has_another_token_whenever_it_registers_again() {
    let azure = Fake::start(keeps_tokens).await;
    let prover = prover(TokenSource::Azure, azure_at(&azure.url), &[]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let proof = prover.proof().await.unwrap();
        prover.accepted(&proof);
        assert!(!seen.contains(&proof.expose_secret().to_owned()));
        seen.push(proof.expose_secret().to_owned());
    }
}

#[tokio::test]
async fn what_does_not_know_how_to_get_azure_a_fresh_token_is_asked_for_the_one_it_has() {
    let other = Fake::start(|seen| {
        if seen.query.contains("bypass_cache") {
            return (StatusCode::BAD_REQUEST, "unknown parameter").into_response();
        }
        format!("{{\"access_token\":\"{TOKEN}\"}}").into_response()
    })
    .await;
    let prover = prover(TokenSource::Azure, azure_at(&other.url), &[]);
    let proof = prover.proof().await.unwrap();
    assert_eq!(proof.expose_secret(), TOKEN);
    prover.accepted(&proof);
    let Err(NoProof::Yet(reason)) = prover.proof().await else {
        panic!("it is used up");
    };
    assert!(reason.contains("still hands out"), "{reason}");
    let none = Fake::start(|_| StatusCode::BAD_REQUEST.into_response()).await;
    let reason = prove(TokenSource::Azure, azure_at(&none.url), &[]).await;
    assert!(reason.unwrap_err().contains("status 400"));
    assert_eq!(none.seen().len(), 2);
}

#[tokio::test]
async fn github_actions_is_asked_where_and_with_what_the_job_was_told() {
    let github = Fake::start(|_| format!("{{\"value\":\"{TOKEN}\"}}").into_response()).await;
    let url = format!("{}/token?api-version=2.0", github.url);
    let environment = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "run-secret"),
    ];
    let token = prove(TokenSource::GitHub, nowhere(), &environment).await;
    assert_eq!(token.as_deref(), Ok(TOKEN));
    let seen = &github.seen()[0];
    assert_eq!(seen.query, format!("api-version=2.0&audience={ENCODED}"));
    assert_eq!(seen.header("authorization"), "Bearer run-secret");
    let reason = prove(TokenSource::GitHub, nowhere(), &environment[..1]).await;
    assert!(reason.unwrap_err().contains("id-token: write"));
}

/// What STS says.
fn sts(seen: &Seen) -> Response {
    assert_eq!(seen.method, Method::POST);
    format!(
        "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetWebIdentityTokenResult>\
         <WebIdentityToken>{TOKEN}</WebIdentityToken><Expiration>2026-01-31T12:00:00Z</Expiration>\
         </GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
    )
    .into_response()
}

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
    ("AWS_REGION", "eu-west-1"),
];

#[tokio::test]
async fn aws_is_asked_with_a_signature_of_the_credentials_in_the_environment() {
    let aws = Fake::start(sts).await;
    let addresses = MetadataAddresses {
        aws_sts: Some(aws.url.clone()),
        ..nowhere()
    };
    let mut environment = KEYS.to_vec();
    environment.push(("AWS_SESSION_TOKEN", "session"));
    let token = prove(TokenSource::Aws, addresses, &environment).await;
    assert_eq!(token.as_deref(), Ok(TOKEN));
    let seen = &aws.seen()[0];
    assert_eq!(
        seen.body,
        format!(
            "Action=GetWebIdentityToken&Version=2011-06-15&Audience.member.1={ENCODED}&SigningAlgorithm=ES384&\
             DurationSeconds=300"
        )
    );
    assert_eq!(seen.header("x-amz-security-token"), "session");
    assert_eq!(seen.header("authorization"), expected_signature(seen));
}

/// The signature of a request as AWS computes it (Signature Version 4), written down a second time.
fn expected_signature(seen: &Seen) -> String {
    const SIGNED: &str = "content-type;host;x-amz-date;x-amz-security-token";
    let date = seen.header("x-amz-date");
    let headers = SIGNED.split(';').fold(String::new(), |text, name| {
        format!("{text}{name}:{}\n", seen.header(name))
    });
    let body = hex(&Sha256::digest(&seen.body));
    let canonical = format!("POST\n{}\n\n{headers}\n{SIGNED}\n{body}", seen.path);
    let scope = format!("{}/eu-west-1/sts/aws4_request", &date[..8]);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut key = b"AWS4wJalrXUtnFEMI".to_vec();
    for part in [&date[..8], "eu-west-1", "sts", "aws4_request"] {
        key = hmac(&key, part.as_bytes()).to_vec();
    }
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
    )
}

/// HMAC-SHA-256 (RFC 2104) for keys of up to 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

const GIVEN: &str = "{\"Code\":\"Success\",\"AccessKeyId\":\"AKIDGIVEN\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}";

/// The metadata service of an instance with the role `ci`.
fn instance(seen: &Seen) -> Response {
    if seen.method == Method::PUT {
        assert_eq!(seen.path, "/latest/api/token");
        return "imds-session".into_response();
    }
    if seen.header("x-aws-ec2-metadata-token") != "imds-session" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match seen.path.as_str() {
        "/latest/meta-data/iam/security-credentials/" => "ci\n".into_response(),
        "/latest/meta-data/iam/security-credentials/ci" => GIVEN.into_response(),
        "/latest/meta-data/placement/region" => "eu-west-1".into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn an_aws_instance_signs_with_its_role_in_its_own_region() {
    let (aws, imds) = (Fake::start(sts).await, Fake::start(instance).await);
    let addresses = MetadataAddresses {
        aws_sts: Some(aws.url.clone()),
        aws_instance: imds.url.clone(),
        ..nowhere()
    };
    let token = prove(TokenSource::Aws, addresses, &[]).await;
    assert_eq!(token.as_deref(), Ok(TOKEN));
    let seen = &aws.seen()[0];
    let authorization = seen.header("authorization");
    assert!(authorization.contains("AKIDGIVEN/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/sts/"), "{authorization}");
    assert_eq!(seen.header("x-amz-security-token"), "t");
}

#[tokio::test]
async fn an_aws_container_signs_with_the_role_of_its_task() {
    let aws = Fake::start(sts).await;
    let container = Fake::start(|seen| {
        let allowed = seen.path == "/v2/credentials/x" || seen.header("authorization") == "pod";
        if allowed {
            GIVEN.into_response()
        } else {
            StatusCode::FORBIDDEN.into_response()
        }
    })
    .await;
    let addresses = MetadataAddresses {
        aws_sts: Some(aws.url.clone()),
        aws_container: container.url.clone(),
        ..nowhere()
    };
    let relative = [
        (
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "/v2/credentials/x",
        ),
        ("AWS_REGION", "eu-west-1"),
    ];
    let token = prove(TokenSource::Aws, addresses.clone(), &relative).await;
    assert_eq!(token.as_deref(), Ok(TOKEN));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "pod\n").unwrap();
    let full = format!("{}/v1/credentials", container.url);
    let full = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str()),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            file.to_str().unwrap(),
        ),
        ("AWS_REGION", "eu-west-1"),
    ];
    let token = prove(TokenSource::Aws, addresses.clone(), &full).await;
    assert_eq!(token.as_deref(), Ok(TOKEN));
    let elsewhere = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/x"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let reason = prove(TokenSource::Aws, addresses, &elsewhere).await;
    assert!(reason.unwrap_err().contains("another machine"));
}

#[tokio::test]
async fn a_place_in_the_container_cannot_name_another_host() {
    let other = Fake::start(|_| GIVEN.into_response()).await;
    let host = other.url.trim_start_matches("http://");
    for path in [format!("@{host}/x"), ".example.com/x".to_owned()] {
        let relative = [
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path.as_str()),
            ("AWS_REGION", "eu-west-1"),
        ];
        let addresses = MetadataAddresses {
            aws_container: "http://container.invalid".to_owned(),
            ..nowhere()
        };
        let reason = prove(TokenSource::Aws, addresses, &relative).await;
        assert!(reason.unwrap_err().contains("begin with a slash"), "{path}");
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn what_a_platform_refuses_is_told_without_what_was_sent_and_answered() {
    let aws = Fake::start(|_| {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>OutboundWebIdentityFederationDisabled</Code>\
                    <Message>canary</Message></Error></ErrorResponse>";
        (StatusCode::FORBIDDEN, body).into_response()
    })
    .await;
    let other = Fake::start(|_| (StatusCode::BAD_GATEWAY, "canary").into_response()).await;
    let huge = Fake::start(|_| "x".repeat(100_000).into_response()).await;
    let sts_at = |url: &str| MetadataAddresses {
        aws_sts: Some(url.to_owned()),
        ..nowhere()
    };
    for (source, addresses, part) in [
        (
            TokenSource::Aws,
            sts_at(&aws.url),
            "OutboundWebIdentityFederationDisabled",
        ),
        (TokenSource::Aws, sts_at(&other.url), "status 502"),
        (TokenSource::Azure, azure_at(&other.url), "status 502"),
        (
            TokenSource::Azure,
            azure_at(&huge.url),
            "more than 65536 bytes",
        ),
        (TokenSource::Azure, azure_at(&aws.url), "status 403"),
        (TokenSource::Gcp, nowhere(), "onnect"),
    ] {
        let reason = prove(source.clone(), addresses, &KEYS).await.unwrap_err();
        assert!(reason.contains(part), "{source:?}: {reason}");
        for secret in ["canary", "wJalrXUtnFEMI", "agents/acme"] {
            assert!(!reason.contains(secret), "{source:?}: {reason}");
        }
    }
    let bad = [KEYS[0], KEYS[1], ("AWS_REGION", "evil.example/")];
    let reason = prove(TokenSource::Aws, nowhere(), &bad).await.unwrap_err();
    assert!(reason.contains("AWS_REGION"), "{reason}");
}
