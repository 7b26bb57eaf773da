//! What differs between the events of API Gateway and the requests that `hybrid-local` is sent, as the functions' binaries
//! find it: stages, cookies, Base64, headers with several values, addresses, ids of requests, and paths.

use crate::harness::{Credentials, Function, Guest, project_root, served};
use data_encoding::BASE64;
use embedded_dynamodb::Engine;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Store, Tables};
use telemetry::Meter;
use web::{Clock, Entropy};

/// The id that the runtime API gives every invocation.
const INVOCATION: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// A control plane's data, and somebody who may change it.
struct World {
    url: String,
    api: auth::Api,
    token: String,
}

impl World {
    async fn new() -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let api = auth::Api {
            entropy: Entropy::system(),
            ..auth::Api::testing(store, Clock::system())
        };
        let token = Credentials::create(&api, "acme").await.api_token;
        let url = served(engine).await;
        Self { url, api, token }
    }

    async fn start(&self, function: &str) -> Function {
        Function::start(function, &self.url).await
    }

    /// The sample event of that name, with a good token if it has one.
    fn sample(&self, name: &str) -> Value {
        let path = project_root().join("events").join(format!("{name}.json"));
        let mut event: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        if let Some(header) = event["headers"].get_mut("authorization") {
            *header = json!(format!("Bearer {}", self.token));
        }
        event
    }

    /// The same, with a header.
    fn with(&self, name: &str, header: &str, value: &str) -> Value {
        let mut event = self.sample(name);
        event["headers"][header] = json!(value);
        event
    }
}

/// The problem that was answered with.
fn problem(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_stage_in_front_of_the_path_is_not_part_of_the_route() {
    let world = World::new().await;
    let mut queue = world.start("queue").await;
    let mut event = world.sample("queue-list");
    event["requestContext"]["stage"] = json!("staging");
    // Called by the address of the API, and by a domain that leads to the stage.
    for path in ["/staging/api/queue/jobs", "/api/queue/jobs"] {
        event["rawPath"] = json!(path);
        let answer = queue.answer(&event).await;
        assert_eq!(answer["statusCode"], 200, "{path}: {answer}");
    }
    event["rawPath"] = json!("/stagingapi/queue/jobs");
    let answer = queue.answer(&event).await;
    assert_eq!(problem(&answer)["code"], "unknown_route");
}

#[tokio::test]
async fn cookies_come_as_a_list_and_a_session_in_it_counts_once() {
    let world = World::new().await;
    let guest = Guest::sign_in(&world.api, "guest").await;
    let session = guest.bearer.strip_prefix("Bearer ").unwrap();
    let own = format!("{}={session}", auth::cookie::SESSION);
    let mut auth = world.start("auth").await;
    let mut event = world.sample("auth-sessions-cookie");
    for (cookies, status) in [
        (json!(["theme=dark", own]), 200),
        (json!([own]), 200),
        (json!([own, own]), 401),
        (json!(["theme=dark"]), 401),
        (json!([]), 401),
        (Value::Null, 401),
    ] {
        event["cookies"] = cookies;
        let answer = auth.answer(&event).await;
        assert_eq!(answer["statusCode"], status, "{event}: {answer}");
    }
}

#[tokio::test]
async fn cookies_that_are_set_stand_in_a_list_and_not_among_the_headers() {
    let world = World::new().await;
    let mut auth = world.start("auth").await;
    let answer = auth.answer(&world.sample("auth-login")).await;
    assert_eq!(answer["statusCode"], 302);
    let location = answer["headers"]["location"].as_str().unwrap();
    assert!(location.starts_with("https://github.com/"), "{answer}");
    let [cookie] = &answer["cookies"].as_array().unwrap()[..] else {
        panic!("{answer}");
    };
    let cookie = cookie.as_str().unwrap();
    let name = format!("{}=", auth::cookie::LOGIN);
    assert!(cookie.starts_with(&name), "{cookie}");
    assert!(
        cookie.ends_with("; HttpOnly; Secure; SameSite=Lax"),
        "{cookie}"
    );
    assert_eq!(answer["headers"]["set-cookie"], Value::Null);

    let answer = auth.answer(&world.sample("auth-callback")).await;
    let ended = answer["cookies"][0].as_str().unwrap();
    assert!(ended.starts_with(&format!("{name};")), "{answer}");
}

#[tokio::test]
async fn a_body_in_base64_is_the_body_that_was_sent() {
    let world = World::new().await;
    let mut queue = world.start("queue").await;
    let mut answers = Vec::new();
    for name in ["queue-enqueue", "queue-enqueue-base64"] {
        let answer = queue.answer(&world.sample(name)).await;
        assert_eq!(answer["statusCode"], 201, "{answer}");
        let job = problem(&answer)["job"].clone();
        answers.push([
            job["git_commit_sha"].clone(),
            job["timeout_seconds"].clone(),
        ]);
    }
    assert_eq!(answers[0], answers[1]);

    // Decoded, it is one byte too long.
    let mut event = world.sample("queue-enqueue-base64");
    event["body"] = json!(BASE64.encode(&vec![b' '; web::BODY_LIMIT + 1]));
    event["headers"]
        .as_object_mut()
        .unwrap()
        .remove("content-length");
    let answer = queue.answer(&event).await;
    assert_eq!(answer["statusCode"], 413, "{answer}");
    // Nor can it be what the gateway never sends.
    event["body"] = json!("{}");
    assert!(queue.outcome(&event).await.is_err());
    assert_eq!(
        queue.answer(&world.sample("queue-list")).await["statusCode"],
        200
    );
}

#[tokio::test]
async fn an_answer_that_is_not_known_to_be_text_is_in_base64() {
    let world = World::new().await;
    let mut dashboard = world.start("dashboard").await;
    let created = dashboard
        .answer(&world.sample("dashboard-deployment"))
        .await;
    assert_eq!(
        (&created["statusCode"], &created["isBase64Encoded"]),
        (&json!(201), &json!(false))
    );
    let answer = dashboard.answer(&world.sample("dashboard-export")).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["content-type"], "application/x-ndjson");
    assert_eq!(answer["isBase64Encoded"], true);
    let lines = BASE64.decode(answer["body"].as_str().unwrap().as_bytes());
    let lines = String::from_utf8(lines.unwrap()).unwrap();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["sequence"], 1, "{lines}");
}

#[tokio::test]
async fn a_header_that_was_sent_twice_has_both_values_and_is_no_credential() {
    let world = World::new().await;
    let mut queue = world.start("queue").await;
    let token = &world.token;
    for (name, header, value, status) in [
        (
            "queue-list",
            "authorization",
            format!("Bearer {token},Bearer {token}"),
            401,
        ),
        (
            "queue-list",
            "authorization",
            format!("Bearer {token}, Bearer {token}"),
            401,
        ),
        (
            "queue-enqueue",
            "content-type",
            "application/json,application/json".to_owned(),
            415,
        ),
        (
            "queue-enqueue",
            "idempotency-key",
            "one,two".to_owned(),
            201,
        ),
    ] {
        let answer = queue.answer(&world.with(name, header, &value)).await;
        assert_eq!(answer["statusCode"], status, "{header}: {answer}");
    }
    let mut agents = world.start("agents").await;
    let mut event = world.sample("agents-register");
    let headers = event["headers"].as_object_mut().unwrap();
    headers.remove("authorization");
    for (name, value) in [
        ("x-hcp-key-id", "signsignsign,signsignsign"),
        ("x-hcp-timestamp", "1,1"),
        ("x-hcp-nonce", "0123456789abcdef,0123456789abcdef"),
        ("x-hcp-signature", "AA==,AA=="),
    ] {
        headers.insert(name.to_owned(), json!(value));
    }
    assert_eq!(agents.answer(&event).await["statusCode"], 401);
}

#[tokio::test]
async fn a_query_is_read_as_it_was_sent_and_not_as_the_gateway_joins_it() {
    let world = World::new().await;
    let mut queue = world.start("queue").await;
    let answer = queue.answer(&world.sample("queue-list-repeated")).await;
    let found = problem(&answer);
    assert_eq!(
        (&found["code"], &found["errors"][0]["pointer"]),
        (&json!("invalid_request"), &json!("/query/status"))
    );
    let mut event = world.sample("queue-list");
    event["rawQueryString"] = json!("status=QUEUED&pool_name=a%2Bb");
    event["queryStringParameters"] = json!({"status": "QUEUED", "limit": "0"});
    let answer = queue.answer(&event).await;
    // Of both, only the first is looked at; and a plus in it is one, encoded.
    let found = problem(&answer);
    assert_eq!(
        found["errors"][0]["pointer"], "/query/pool_name",
        "{answer}"
    );
}

#[tokio::test]
async fn the_address_of_a_client_is_that_which_called_the_gateway() {
    let world = World::new().await;
    let mut agents = world.start("agents").await;
    let mut dashboard = world.start("dashboard").await;
    for (pool, address) in [("metal", "192.0.2.77"), ("wood", "2001:db8::7")] {
        let mut event = world.sample("agents-register");
        event["headers"]["x-forwarded-for"] = json!("203.0.113.9");
        event["routeKey"] = json!("POST /api/agents/pools");
        event["rawPath"] = json!("/api/agents/pools");
        event["requestContext"]["http"]["sourceIp"] = json!(address);
        event["body"] = json!(json!({"pool_name": pool}).to_string());
        event["headers"]
            .as_object_mut()
            .unwrap()
            .remove("content-length");
        assert_eq!(agents.answer(&event).await["statusCode"], 201);

        let mut event = world.sample("dashboard-summary");
        event["rawPath"] = json!("/api/dashboard/audit");
        let list = problem(&dashboard.answer(&event).await);
        let records = list["records"].as_array().unwrap();
        let wanted = format!("pool:{pool}");
        let record = records.iter().find(|it| it["resource"] == wanted.as_str());
        let record = record.unwrap();
        assert_eq!(
            (&record["address"], &record["request_id"]),
            (&json!(address), &json!(INVOCATION))
        );
    }
}

#[tokio::test]
async fn the_id_of_a_request_is_that_of_its_invocation_whatever_the_client_says() {
    let world = World::new().await;
    let mut queue = world.start("queue").await;
    let answer = queue
        .answer(&world.with("queue-list", "x-request-id", "mine"))
        .await;
    assert_eq!(answer["headers"]["x-request-id"], INVOCATION);
    let answer = queue
        .answer(&world.with("queue-list", "authorization", "x"))
        .await;
    assert_eq!(problem(&answer)["instance"], INVOCATION);
}

#[tokio::test]
async fn a_path_with_anything_in_it_is_a_path_and_ends_no_process() {
    let world = World::new().await;
    let mut queue = world.start("queue").await;
    let mut event = world.sample("queue-list");
    // The gateway hands over what stands behind the percent signs.
    for path in [
        "",
        "/",
        "//",
        "/api/queue/jobs/",
        "/api/queue//jobs",
        "/api/queue/jobs/a b",
        "/api/queue/jobs/\u{fc}",
        "/api/queue/jobs/%",
        "/api/queue/jobs/%zz",
        "/api/queue/jobs/?status=x",
        "/api/queue/jobs/#x",
        "/api/queue/jobs/\"<>`",
        "/api/queue/jobs/a/b",
        "/api/queue/jobs/\n",
        "/api/queue/jobs/\u{0}",
        "/api/queue/jobs/..\\..",
        "x",
    ] {
        event["rawPath"] = json!(path);
        event["rawQueryString"] = json!("");
        let answer = queue.outcome(&event).await;
        let answer = answer.unwrap_or_else(|failure| panic!("{path:?}: {failure}"));
        assert!(
            [400, 404].contains(&answer["statusCode"].as_u64().unwrap()),
            "{path:?}: {answer}"
        );
    }
    assert_eq!(
        queue.answer(&world.sample("queue-list")).await["statusCode"],
        200
    );
}

#[test]
fn routes_with_the_same_beginning_name_what_follows_alike() {
    let document = std::fs::read(project_root().join("docs/openapi.json")).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    // API Gateway refuses a route that calls a part of the path otherwise than another one does.
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for path in document["paths"].as_object().unwrap().keys() {
        let mut before = String::new();
        for part in path.split('/') {
            let is_name = part.starts_with('{');
            if is_name {
                assert_eq!(*names.entry(before.clone()).or_insert(part), part, "{path}");
            }
            before.push('/');
            before.push_str(if is_name { "{}" } else { part });
        }
    }
    assert!(names.len() >= 10, "{names:?}");
}
