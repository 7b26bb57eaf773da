//! Calls to a sign-in provider.

use crate::testing::{Reply, Server};
use crate::{CallError, Endpoint, Form, HttpsClient, Network, Speaks};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, Deserialize)]
struct Tokens {
    access_token: SecretString,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct User {
    id: u64,
}

async fn provider(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Server, HttpsClient) {
    let server = Server::start(None, answer).await;
    let network = Network::with_hosts(&[("provider.example.com", server.address)], Speaks::Plain);
    (server, HttpsClient::new(network))
}

fn endpoint(path: &str) -> Endpoint {
    Endpoint::parse(&format!("https://provider.example.com{path}")).unwrap()
}

fn form() -> Form {
    let code = SecretString::from("c&d=e f");
    Form::new()
        .text("grant_type", "authorization_code")
        .secret("code", &code)
}

#[tokio::test]
async fn a_code_is_exchanged_for_tokens() {
    let (server, client) = provider(|_| Reply::json(200, r#"{"access_token":"t-1"}"#)).await;
    let tokens: Tokens = client.post_form(&endpoint("/token"), form()).await.unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "t-1");
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /token HTTP/1.1\r\n"), "{request}");
    for header in [
        "host: provider.example.com\r\n",
        "accept: application/json\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
    ] {
        assert!(request.contains(header), "{header}: {request}");
    }
    let body = "\r\n\r\ngrant_type=authorization_code&code=c%26d%3De+f";
    assert!(request.ends_with(body), "{request}");
}

#[tokio::test]
async fn a_user_is_asked_for_as_the_bearer_of_a_token() {
    let (server, client) = provider(|_| Reply::json(200, r#"{"id":7,"more":[]}"#)).await;
    let bearer = SecretString::from("t-1");
    let user: User = client.get_json(&endpoint("/user"), &bearer).await.unwrap();
    assert_eq!(user, User { id: 7 });
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /user HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("authorization: Bearer t-1\r\n"),
        "{request}"
    );
    let split = SecretString::from("t\r\nx: y");
    let answer = client.get_json::<User>(&endpoint("/user"), &split).await;
    assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_a_provider_answers_is_told_apart_by_what_to_do() {
    let rejected = |status: u16, error: Option<&str>| CallError::Rejected {
        status,
        error: error.map(str::to_owned),
    };
    let later = |why: &str| CallError::Unavailable(why.to_owned());
    for (status, body, expected) in [
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            rejected(400, Some("invalid_grant")),
        ),
        (401, r#"{"error":"<script>"}"#, rejected(401, None)),
        (403, "no", rejected(403, None)),
        (404, r#"{"error":{"a":1}}"#, rejected(404, None)),
        (408, "{}", later("status 408")),
        (429, "{}", later("status 429")),
        (500, r#"{"error":"invalid_grant"}"#, later("status 500")),
        (
            200,
            r#"{"access_token":7}"#,
            later("an answer of another shape"),
        ),
        (
            200,
            r#"{"access_token":"a","access_token":"b"}"#,
            later("an answer of another shape"),
        ),
        (200, "access_token=t-1", later("an answer of another shape")),
    ] {
        let (server, client) = provider(move |_| Reply::json(status, body)).await;
        let answer = client
            .post_form::<Tokens>(&endpoint("/token"), form())
            .await;
        assert_eq!(answer.unwrap_err(), expected, "{status} {body}");
        assert_eq!(server.requests().len(), 1, "nothing is sent twice");
    }
    let redirect =
        "HTTP/1.1 302 X\r\nlocation: https://evil.example.com\r\ncontent-length: 0\r\n\r\n";
    let (_server, client) = provider(|_| Reply::Bytes(redirect.as_bytes().to_vec())).await;
    let answer = client
        .post_form::<Tokens>(&endpoint("/token"), form())
        .await;
    assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_or_keeps_silent_is_unavailable() {
    let (server, client) = provider(|_| Reply::json(200, "{}")).await;
    drop(server);
    let answer = client
        .post_form::<Tokens>(&endpoint("/token"), form())
        .await;
    assert!(
        matches!(answer, Err(CallError::Unavailable(_))),
        "{answer:?}"
    );

    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let (_server, client) = provider(move |_| {
        sender.send(()).unwrap();
        Reply::Stalled(Vec::new())
    })
    .await;
    let post = tokio::spawn({
        let client = client.clone();
        async move {
            client
                .post_form::<Tokens>(&endpoint("/token"), form())
                .await
        }
    });
    asked.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    assert!(!post.is_finished());
    tokio::time::advance(Duration::from_millis(2100)).await;
    let why = "no answer within 5 s".to_owned();
    assert_eq!(
        post.await.unwrap().unwrap_err(),
        CallError::Unavailable(why)
    );
}

#[tokio::test]
async fn secrets_stay_out_of_what_is_logged() {
    let shown = format!("{:?}", form());
    assert_eq!(shown, r#"["grant_type", "code"]"#);
    let body = r#"{"access_token":"t-secret","error":"t-secret"}"#;
    for status in [200, 400, 500] {
        let (_server, client) = provider(move |_| Reply::json(status, body)).await;
        let answer = client.post_form::<User>(&endpoint("/token"), form()).await;
        let logged = format!("{answer:?}");
        assert!(answer.is_err() && !logged.contains("secret"), "{logged}");
    }
}

#[test]
fn endpoints_follow_the_rules_of_the_network() {
    let client = HttpsClient::new(Network::public());
    let url = "https://oauth2.googleapis.com/token";
    assert_eq!(client.endpoint(url).unwrap().as_str(), url);
    assert!(client.endpoint("http://127.0.0.1:9000/token").is_err());
    let client = HttpsClient::new(Network::local("http://127.0.0.1:9000").unwrap());
    assert!(client.endpoint("http://127.0.0.1:9000/token").is_ok());
}

#[tokio::test]
async fn a_provider_on_a_persons_machine_is_called_over_plain_http() {
    let server = Server::start(None, |_| Reply::json(200, r#"{"id":7}"#)).await;
    let origin = format!("http://{}", server.address);
    let client = HttpsClient::new(Network::local(&origin).unwrap());
    let endpoint = client.endpoint(&format!("{origin}/user")).unwrap();
    let bearer = SecretString::from("t");
    let user: User = client.get_json(&endpoint, &bearer).await.unwrap();
    assert_eq!(user, User { id: 7 });
    let host = format!("host: {}\r\n", server.address);
    assert!(server.requests()[0].contains(&host));
}
