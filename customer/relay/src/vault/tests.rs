//! Each vault, played by a server of the tests' own on this machine that speaks as its vendor documents.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use ::http::{HeaderMap, Method, StatusCode};
use aws_credential_types::Credentials;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
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

#[tokio::test]
async fn secrets_manager_is_asked_by_name_with_a_signature() {
    let aws = Fake::start(|seen| {
        assert_eq!(seen.header("x-amz-target"), "secretsmanager.GetSecretValue");
        match seen.json()["SecretId"].as_str().unwrap() {
            "ci/github" => answer(200, &json!({ "Name": "ci/github", "SecretString": SECRET })),
            "ci/binary" => answer(200, &json!({ "SecretBinary": "czNjcmV0LWNhbmFyeQ==" })),
            "ci/bytes" => answer(200, &json!({ "SecretBinary": "//4=" })),
            "ci/all" => answer(
                200,
                &json!({ "SecretString": json!({ "github": SECRET, "n": 1 }).to_string() }),
            ),
            _ => answer(
                400,
                &json!({ "__type": "ResourceNotFoundException", "Message": "canary" }),
            ),
        }
    })
    .await;
    let vault = aws_at(&aws.url);
    for reference in [
        "aws-secrets-manager://ci/github",
        "aws-secrets-manager://ci/binary",
        "aws-secrets-manager://ci/all#github",
    ] {
        assert_eq!(
            read(&vault, reference).await.unwrap(),
            SECRET,
            "{reference}"
        );
    }
    for (reference, code) in [
        ("aws-secrets-manager://ci/none", "missing"),
        ("aws-secrets-manager://ci/bytes", "malformed"),
        ("aws-secrets-manager://ci/all#gitlab", "missing"),
        ("aws-secrets-manager://ci/all#n", "malformed"),
        ("aws-secrets-manager://ci/github#github", "malformed"),
    ] {
        assert_eq!(refused(&vault, reference).await, code, "{reference}");
    }
    let seen = &aws.seen()[0];
    assert_eq!((&seen.method, seen.path.as_str()), (&Method::POST, "/"));
    assert_eq!(seen.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(seen.header("x-amz-security-token"), "session");
    let expected = expected_signature(seen, "secretsmanager");
    assert_eq!(seen.header("authorization"), expected);
}

#[tokio::test]
async fn the_parameter_store_decrypts_what_it_is_asked_for() {
    let aws = Fake::start(|seen| {
        assert_eq!(seen.header("x-amz-target"), "AmazonSSM.GetParameter");
        assert_eq!(
            seen.json(),
            json!({ "Name": "/ci/github", "WithDecryption": true })
        );
        let parameter =
            json!({ "Name": "/ci/github", "Type": "SecureString", "Value": SECRET, "Version": 3 });
        answer(200, &json!({ "Parameter": parameter }))
    })
    .await;
    let vault = aws_at(&aws.url);
    assert_eq!(read(&vault, "aws-ssm://ci/github").await.unwrap(), SECRET);
    let seen = &aws.seen()[0];
    assert_eq!(
        seen.header("authorization"),
        expected_signature(seen, "ssm")
    );
}

#[tokio::test]
async fn what_aws_refuses_is_told_apart() {
    for (status, kind, code) in [
        (400, "ParameterNotFound", "missing"),
        (
            400,
            "com.amazonaws.secretsmanager#InvalidRequestException",
            "missing",
        ),
        (400, "AccessDeniedException", "denied"),
        (400, "ExpiredTokenException", "denied"),
        (400, "ThrottlingException", "unreachable"),
        (500, "InternalServiceError", "unreachable"),
        (503, "<canary>", "unreachable"),
        (400, "ValidationException", "malformed"),
    ] {
        let body = json!({ "__type": kind, "message": SECRET });
        let aws = Fake::start(move |_| answer(status, &body)).await;
        let outcome = refused(&aws_at(&aws.url), "aws-ssm://ci/github").await;
        assert_eq!(outcome, code, "{kind}");
    }
    let none = aws_at("http://127.0.0.1:9");
    assert_eq!(refused(&none, "aws-ssm://ci/github").await, "unreachable");
}

/// The signature of a request as AWS computes it (Signature Version 4), written down a second time.
fn expected_signature(seen: &Seen, service: &str) -> String {
    const SIGNED: &str = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    let date = seen.header("x-amz-date");
    let headers = SIGNED.split(';').fold(String::new(), |text, name| {
        format!("{text}{name}:{}\n", seen.header(name))
    });
    let body = HEXLOWER.encode(&Sha256::digest(&seen.body));
    let canonical = format!("POST\n{}\n\n{headers}\n{SIGNED}\n{body}", seen.path);
    let scope = format!("{}/eu-west-1/{service}/aws4_request", &date[..8]);
    let digest = HEXLOWER.encode(&Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    let mac = |key: &[u8], message: &str| -> Vec<u8> {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.chain_update(message).finalize().into_bytes().to_vec()
    };
    let mut key = b"AWS4wJalrXUtnFEMI".to_vec();
    for part in [&date[..8], "eu-west-1", service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = HEXLOWER.encode(&mac(&key, &to_sign));
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
    )
}

fn hashicorp_at(url: &str, login: HashicorpLogin, environment: &[(&str, &str)]) -> Vault {
    let settings = VaultSettings {
        aws_region: None,
        hashicorp: Some(HashicorpSettings {
            address: url.to_owned(),
            namespace: Some("team".to_owned()),
            login,
        }),
    };
    vault(settings, environment, |_| {})
}

/// As Vault answers whoever has the token `hvs.good`.
fn kv(seen: &Seen) -> Response {
    assert_eq!(seen.header("x-vault-request"), "true");
    assert_eq!(seen.header("x-vault-namespace"), "team");
    if seen.header("x-vault-token") != "hvs.good" {
        return answer(403, &json!({ "errors": ["permission denied, canary"] }));
    }
    match seen.path.as_str() {
        "/v1/secret/data/ci/github" => {
            let data = json!({ "value": SECRET, "other": "another", "number": 7 });
            let metadata = json!({ "version": 2, "destroyed": false });
            answer(
                200,
                &json!({ "request_id": "1", "data": { "data": data, "metadata": metadata } }),
            )
        }
        // What is deleted is answered with its metadata.
        "/v1/secret/data/ci/deleted" => {
            let data =
                json!({ "data": null, "metadata": { "deletion_time": "2026-01-01T00:00:00Z" } });
            answer(404, &json!({ "data": data }))
        }
        "/v1/secret/data/ci/sealed" => answer(503, &json!({ "errors": ["Vault is sealed"] })),
        "/v1/secret/data/ci/standby" => Redirect::temporary("http://127.0.0.1:9/").into_response(),
        _ => answer(404, &json!({ "errors": [] })),
    }
}

#[tokio::test]
async fn hashicorp_vault_gives_a_field_of_the_newest_version() {
    let fake = Fake::start(kv).await;
    let vault = hashicorp_at(
        &fake.url,
        HashicorpLogin::Variable,
        &[("VAULT_TOKEN", "hvs.good")],
    );
    let secret = read(&vault, "hashicorp://secret/ci/github").await;
    assert_eq!(secret.unwrap(), SECRET);
    let other = read(&vault, "hashicorp://secret/ci/github#other").await;
    assert_eq!(other.unwrap(), "another");
    for (reference, code) in [
        ("hashicorp://secret/ci/none", "missing"),
        ("hashicorp://secret/ci/github#none", "missing"),
        ("hashicorp://secret/ci/github#number", "malformed"),
        ("hashicorp://secret/ci/deleted", "missing"),
        ("hashicorp://secret/ci/sealed", "unreachable"),
        ("hashicorp://secret/ci/standby", "malformed"),
    ] {
        assert_eq!(refused(&vault, reference).await, code, "{reference}");
    }
    let wrong = hashicorp_at(
        &fake.url,
        HashicorpLogin::Variable,
        &[("VAULT_TOKEN", "hvs.bad")],
    );
    assert_eq!(
        refused(&wrong, "hashicorp://secret/ci/github").await,
        "denied"
    );
    let none = hashicorp_at(&fake.url, HashicorpLogin::Variable, &[]);
    assert_eq!(
        refused(&none, "hashicorp://secret/ci/github").await,
        "denied"
    );
}

#[tokio::test]
async fn the_token_of_a_file_is_read_anew_each_time() {
    let fake = Fake::start(kv).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let vault = hashicorp_at(&fake.url, HashicorpLogin::File(path.clone()), &[]);
    let reference = "hashicorp://secret/ci/github";
    assert_eq!(refused(&vault, reference).await, "missing");
    std::fs::write(&path, "hvs.old\n").unwrap();
    assert_eq!(refused(&vault, reference).await, "denied");
    std::fs::write(&path, "hvs.good\n").unwrap();
    assert_eq!(read(&vault, reference).await.unwrap(), SECRET);
}

/// Vault's Kubernetes method, whose tokens are good until it is told otherwise.
async fn cluster(good: Arc<Mutex<String>>) -> Fake {
    Fake::start(move |seen| {
        let mut good = good.lock().unwrap();
        if seen.path == "/v1/auth/team-cluster/login" {
            if seen.json() != json!({ "role": "relay", "jwt": "a.b.c" }) {
                return answer(400, &json!({ "errors": ["invalid role name \"canary\""] }));
            }
            *good = format!("hvs.{}", good.len());
            let auth = json!({ "client_token": *good, "lease_duration": 3600, "renewable": true });
            return answer(200, &json!({ "auth": auth }));
        }
        if seen.header("x-vault-token") != *good {
            return answer(403, &json!({ "errors": ["permission denied"] }));
        }
        answer(
            200,
            &json!({ "data": { "data": { "value": SECRET }, "metadata": {} } }),
        )
    })
    .await
}

fn kubernetes(token_file: &std::path::Path, role: &str) -> HashicorpLogin {
    HashicorpLogin::Kubernetes {
        role: role.to_owned(),
        mount: "team-cluster".to_owned(),
        token_file: token_file.to_owned(),
    }
}

#[tokio::test]
async fn a_pod_logs_in_once_and_again_when_its_login_is_no_good_any_more() {
    let good = Arc::new(Mutex::new(String::new()));
    let fake = cluster(good.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let jwt = directory.path().join("token");
    std::fs::write(&jwt, "a.b.c\n").unwrap();
    let vault = hashicorp_at(&fake.url, kubernetes(&jwt, "relay"), &[]);
    let reference = "hashicorp://secret/ci/github";
    let logins = || {
        let is_login = |seen: &&Seen| seen.path.ends_with("/login");
        fake.seen().iter().filter(is_login).count()
    };
    for _ in 0..2 {
        assert_eq!(read(&vault, reference).await.unwrap(), SECRET);
    }
    assert_eq!(logins(), 1);
    "hvs.revoked".clone_into(&mut good.lock().unwrap());
    assert_eq!(read(&vault, reference).await.unwrap(), SECRET);
    assert_eq!(logins(), 2);
    let stranger = hashicorp_at(&fake.url, kubernetes(&jwt, "stranger"), &[]);
    assert_eq!(refused(&stranger, reference).await, "denied");
}

#[tokio::test]
async fn google_clouds_secret_is_read_with_the_token_of_the_machine() {
    let google = Fake::start(|seen| {
        if seen.header("authorization") != "Bearer ya29.token" {
            return answer(
                401,
                &json!({ "error": { "code": 401, "status": "UNAUTHENTICATED" } }),
            );
        }
        match seen.path.as_str() {
            "/v1/projects/my-project/secrets/github/versions/latest:access" => answer(
                200,
                &json!({
                    "name": "projects/1/secrets/github/versions/3",
                    "payload": { "data": "czNjcmV0LWNhbmFyeQ==", "dataCrc32c": "1" },
                }),
            ),
            "/v1/projects/my-project/secrets/github/versions/1:access" => answer(
                403,
                &json!({ "error": { "code": 403, "message": "canary" } }),
            ),
            _ => answer(
                404,
                &json!({ "error": { "code": 404, "message": "canary" } }),
            ),
        }
    })
    .await;
    let metadata = Fake::start(|seen| {
        assert_eq!(
            seen.path,
            "/computeMetadata/v1/instance/service-accounts/default/token"
        );
        assert_eq!(seen.header("metadata-flavor"), "Google");
        let token =
            json!({ "access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer" });
        ([("Metadata-Flavor", "Google")], token.to_string()).into_response()
    })
    .await;
    let at = |metadata: String| {
        let address = google.url.clone();
        vault(VaultSettings::default(), &[], |remote| {
            remote.gcp = Gcp { address, metadata };
        })
    };
    let machine = at(metadata.url.clone());
    let secret = read(&machine, "gcp://my-project/github").await;
    assert_eq!(secret.unwrap(), SECRET);
    for (reference, code) in [
        ("gcp://my-project/github/1", "denied"),
        ("gcp://my-project/other", "missing"),
    ] {
        assert_eq!(refused(&machine, reference).await, code, "{reference}");
    }
    // Without the header that only the metadata server sends, it is somebody else.
    let stranger = Fake::start(|_| answer(200, &json!({ "access_token": "x" }))).await;
    let machine = at(stranger.url.clone());
    let reference = "gcp://my-project/github";
    assert_eq!(refused(&machine, reference).await, "unreachable");
}

/// As Key Vault answers whoever has the token `eyJ.token`.
fn key_vault(seen: &Seen) -> Response {
    assert_eq!(seen.query, "api-version=7.4");
    if seen.header("authorization") != "Bearer eyJ.token" {
        return answer(
            401,
            &json!({ "error": { "code": "Unauthorized", "message": "canary" } }),
        );
    }
    match seen.path.as_str() {
        "/secrets/github/" | "/secrets/github/0a1b" => answer(
            200,
            &json!({ "value": SECRET, "id": "https://my-vault.vault.azure.net/secrets/github/0a1b" }),
        ),
        "/secrets/forbidden/" => answer(403, &json!({ "error": { "code": "Forbidden" } })),
        _ => answer(
            404,
            &json!({ "error": { "code": "SecretNotFound", "message": "canary" } }),
        ),
    }
}

/// As whatever hands out tokens answers.
fn token() -> Response {
    answer(
        200,
        &json!({ "access_token": "eyJ.token", "expires_in": "3599", "token_type": "Bearer" }),
    )
}

fn azure_at(vaults: &Fake, tokens: &Fake, environment: &[(&str, &str)]) -> Vault {
    let (vaults, tokens) = (vaults.url.clone(), tokens.url.clone());
    vault(VaultSettings::default(), environment, |remote| {
        remote.azure = Azure {
            address: vaults,
            metadata: tokens.clone(),
            entra: tokens,
        };
    })
}

const RESOURCE: &str = "resource=https%3A%2F%2Fvault.azure.net";

#[tokio::test]
async fn azures_secret_is_read_with_the_token_of_the_machine() {
    let vaults = Fake::start(key_vault).await;
    let tokens = Fake::start(|seen| {
        assert_eq!(seen.path, "/metadata/identity/oauth2/token");
        assert_eq!(seen.header("metadata"), "true");
        token()
    })
    .await;
    let machine = azure_at(&vaults, &tokens, &[("AZURE_CLIENT_ID", "client")]);
    for reference in ["azure://my-vault/github", "azure://my-vault/github/0a1b"] {
        assert_eq!(
            read(&machine, reference).await.unwrap(),
            SECRET,
            "{reference}"
        );
    }
    let expected = format!("{RESOURCE}&client_id=client&api-version=2018-02-01");
    assert_eq!(tokens.seen()[0].query, expected);
    for (reference, code) in [
        ("azure://my-vault/forbidden", "denied"),
        ("azure://my-vault/none", "missing"),
    ] {
        assert_eq!(refused(&machine, reference).await, code, "{reference}");
    }
    let none = Fake::start(|_| answer(400, &json!({ "error": "invalid_request" }))).await;
    let machine = azure_at(&vaults, &none, &[]);
    let reference = "azure://my-vault/github";
    assert_eq!(refused(&machine, reference).await, "malformed");
}

#[tokio::test]
async fn azures_programs_and_pods_have_tokens_of_their_own() {
    let vaults = Fake::start(key_vault).await;
    let reference = "azure://my-vault/github";
    let tokens = Fake::start(|seen| {
        assert_eq!(seen.header("x-identity-header"), "proof");
        token()
    })
    .await;
    let endpoint = format!("{}/msi/token", tokens.url);
    let environment = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "proof"),
    ];
    let program = azure_at(&vaults, &tokens, &environment);
    assert_eq!(read(&program, reference).await.unwrap(), SECRET);
    let seen = &tokens.seen()[0];
    assert_eq!(seen.path, "/msi/token");
    assert_eq!(seen.query, format!("{RESOURCE}&api-version=2019-08-01"));

    let entra = Fake::start(|_| token()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "a.b.c\n").unwrap();
    let mut environment = vec![
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_TENANT_ID", "directory"),
    ];
    let pod = azure_at(&vaults, &entra, &environment);
    assert_eq!(read(&pod, reference).await.unwrap(), SECRET);
    let seen = &entra.seen()[0];
    assert_eq!(seen.path, "/directory/oauth2/v2.0/token");
    assert_eq!(
        seen.body,
        "grant_type=client_credentials&client_id=client&scope=https%3A%2F%2Fvault.azure.net%2F.default&\
         client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"
    );
    environment[2] = ("AZURE_TENANT_ID", "../evil");
    let pod = azure_at(&vaults, &entra, &environment);
    assert_eq!(refused(&pod, reference).await, "malformed");
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
