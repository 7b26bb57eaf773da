//! What every route says to input that is not what it takes.

use super::world::{JOBS, World, job};
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

const UNKNOWN: &str = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";

#[tokio::test]
async fn every_fault_of_a_new_job_is_answered_with_its_pointer() {
    let world = World::new().await;
    let long = "x".repeat(257);
    let many: serde_json::Map<_, _> = (0..17).map(|n| (format!("k{n}"), json!("v"))).collect();
    let cases: [(Value, &str); 27] = [
        (json!({"job_type": null}), "/job_type"),
        (json!({"job_type": ""}), "/job_type"),
        (json!({"job_type": 7}), "/job_type"),
        (json!({"pool_name": null}), "/pool_name"),
        (json!({"pool_name": "Upper"}), "/pool_name"),
        (json!({"pool_name": "x".repeat(65)}), "/pool_name"),
        (json!({"priority": "URGENT"}), "/priority"),
        (json!({"git_repo": null}), "/git_repo"),
        (
            json!({"git_repo": "https://u:p@git.example.com/a"}),
            "/git_repo",
        ),
        (json!({"git_repo": "--upload-pack=x"}), "/git_repo"),
        (json!({"git_ref": "a..b"}), "/git_ref"),
        (json!({"git_commit_sha": "main"}), "/git_commit_sha"),
        (
            json!({"git_commit_sha": "4B825DC642CB6EB9A060E54BF8D69288FBEE4904"}),
            "/git_commit_sha",
        ),
        (json!({"git_author": "a\nb"}), "/git_author"),
        (json!({"tags": many}), "/tags"),
        (json!({"tags": {"Key": "v"}}), "/tags"),
        (json!({"tags": {"k": 1}}), "/tags/k"),
        (json!({"tags": []}), "/tags"),
        (json!({"spec_ref": long}), "/spec_ref"),
        (
            json!({"spec_ref": "s3://x/AKIAIOSFODNN7EXAMPLE"}),
            "/spec_ref",
        ),
        (json!({"spec_sha256": "00"}), "/spec_sha256"),
        (json!({"timeout_seconds": 0}), "/timeout_seconds"),
        (json!({"timeout_seconds": 86_401}), "/timeout_seconds"),
        (json!({"timeout_seconds": 1.5}), "/timeout_seconds"),
        (json!({"max_attempts": 0}), "/max_attempts"),
        (json!({"max_attempts": 11}), "/max_attempts"),
        (json!({"tenant_id": "globex"}), "/tenant_id"),
    ];
    for (changes, pointer) in cases {
        let answer = world.post(JOBS, job(changes.clone())).await;
        assert_eq!(answer.problem(), (400, "invalid_request"), "{changes}");
        assert_eq!(answer.pointers(), [pointer], "{changes}: {}", answer.json);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    assert_eq!(world.get(JOBS).await.json["jobs"], json!([]));
}

#[tokio::test]
async fn every_query_is_answered_with_the_name_of_what_is_wrong() {
    let world = World::new().await;
    for (query, pointer) in [
        ("jobs?status=NOPE", "/query/status"),
        ("jobs?pool_name=A", "/query/pool_name"),
        ("jobs?agent_id=x", "/query/agent_id"),
        ("jobs?limit=101", "/query/limit"),
        ("jobs?limit=0", "/query/limit"),
        ("jobs?cursor=x", "/query/cursor"),
        ("jobs?page=2", "/query/page"),
        ("jobs?status=QUEUED&status=QUEUED", "/query/status"),
        ("stats?pool_name=A", "/query/pool_name"),
        ("stats?pool=a", "/query/pool"),
    ] {
        let answer = world.get(&format!("/api/queue/{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.json);
        assert_eq!(answer.pointers(), [pointer], "{query}: {}", answer.json);
    }
}

#[tokio::test]
async fn every_other_body_of_a_person_is_answered_with_pointers() {
    let world = World::new().await;
    let (batch, priority) = (
        format!("{JOBS}/batch"),
        format!("{JOBS}/{UNKNOWN}/priority"),
    );
    for (method, path, body, pointer) in [
        (Method::POST, &batch, json!({}), "/jobs"),
        (Method::POST, &batch, json!({"jobs": [], "x": 1}), "/x"),
        (Method::POST, &batch, json!({"jobs": {}}), "/jobs"),
        (
            Method::PATCH,
            &priority,
            json!({"priority": "now"}),
            "/priority",
        ),
        (Method::PATCH, &priority, json!({}), "/priority"),
    ] {
        let answer = world
            .call(method, path, &world.token, Some(body.clone()))
            .await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.json);
        assert_eq!(
            answer.pointers(),
            [pointer],
            "{path} {body}: {}",
            answer.json
        );
    }
}

#[tokio::test]
async fn every_body_of_an_agent_is_answered_with_pointers() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let refused = async |method: Method, path: &str, body: Value, pointer: &str| {
        let answer = world
            .call(method, path, &agent.bearer, Some(body.clone()))
            .await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.json);
        assert_eq!(
            answer.pointers(),
            [pointer],
            "{path} {body}: {}",
            answer.json
        );
    };
    for (body, pointer) in [
        (json!({"max_jobs": 0}), "/max_jobs"),
        (json!({"max_jobs": 11}), "/max_jobs"),
        (json!({"pool_name": "other"}), "/pool_name"),
        (json!({"jobs": 1}), "/jobs"),
    ] {
        refused(Method::POST, "/api/queue/claim", body, pointer).await;
    }
    let start = format!("{JOBS}/{UNKNOWN}/start");
    for body in [json!({}), json!({"attempt": -1}), json!({"attempt": "1"})] {
        refused(Method::PATCH, &start, body, "/attempt").await;
    }
    let complete = format!("{JOBS}/{UNKNOWN}/complete");
    for (field, value) in [
        ("attempt", json!(-1)),
        ("exit_code", json!(999)),
        ("exit_code", json!("0")),
        ("duration_seconds", json!(-1)),
        ("cause", json!("TIMEOUT")),
        ("cause", json!("BOREDOM")),
        ("logs_url", json!("https://a/b?token=x")),
        ("log", json!("line")),
    ] {
        let mut body = json!({"attempt": 1, "exit_code": 0, "duration_seconds": 1});
        body[field] = value;
        refused(Method::PATCH, &complete, body, &format!("/{field}")).await;
    }
}

#[tokio::test]
async fn malformed_and_oversized_bodies_are_told_apart() {
    let world = World::new().await;
    let send = async |kind: &str, body: String| {
        let request = Request::post(JOBS)
            .header("authorization", &world.token)
            .header("content-type", kind)
            .body(Body::from(body));
        world.send(request.unwrap()).await
    };
    let json = "application/json";
    assert_eq!(
        send(json, "{".to_owned()).await.problem(),
        (400, "malformed_json")
    );
    assert_eq!(
        send(json, String::new()).await.problem(),
        (400, "malformed_json")
    );
    let deep = format!("{{\"tags\":{}", "[".repeat(5000));
    assert_eq!(send(json, deep).await.status, 400);
    let large = job(json!({"git_author": "x".repeat(65_536)})).to_string();
    assert_eq!(
        send(json, large).await.problem(),
        (413, "payload_too_large")
    );
    let plain = send("text/plain", job(json!({})).to_string()).await;
    assert_eq!(plain.problem(), (415, "unsupported_media_type"));
}

#[tokio::test]
async fn what_does_not_exist_is_404_on_every_route_that_names_a_job() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let result = json!({"attempt": 1, "exit_code": 0, "duration_seconds": 1});
    let cases: [(Method, &str, &str, Option<Value>); 6] = [
        (Method::GET, "", &world.token, None),
        (Method::DELETE, "", &world.token, None),
        (Method::POST, "/retry", &world.token, None),
        (
            Method::PATCH,
            "/priority",
            &world.token,
            Some(json!({"priority": "LOW"})),
        ),
        (
            Method::PATCH,
            "/start",
            &agent.bearer,
            Some(json!({"attempt": 1})),
        ),
        (Method::PATCH, "/complete", &agent.bearer, Some(result)),
    ];
    for (method, rest, bearer, body) in cases {
        for id in [UNKNOWN, "job-1", "..%2f..", "%00"] {
            let path = format!("{JOBS}/{id}{rest}");
            let answer = world
                .call(method.clone(), &path, bearer, body.clone())
                .await;
            assert_eq!(answer.problem(), (404, "not_found"), "{method} {path}");
        }
    }
}
