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
        (json!({"git_repo": "https://u:p@git.example.com/a"}), "/git_repo"),
        (json!({"git_repo": "--upload-pack=x"}), "/git_repo"),
        (json!({"git_ref": "a..b"}), "/git_ref"),
        (json!({"git_commit_sha": "main"}), "/git_commit_sha"),
        (json!({"git_commit_sha": "4B825DC642CB6EB9A060E54BF8D69288FBEE4904"}), "/git_commit_sha"),
        (json!({"git_author": "a\nb"}), "/git_author"),
        (json!({"tags": many}), "/tags"),
        (json!({"tags": {"Key": "v"}}), "/tags"),
        (json!({"tags": {"k": 1}}), "/tags/k"),
        (json!({"tags": []}), "/tags"),
        (json!({"spec_ref": long}), "/spec_ref"),
        (json!({"spec_ref": "s3://x/AKIAIOSFODNN7EXAMPLE"}), "/spec_ref"),
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
async fn every_other_route_points_at_what_is_wrong() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let (token, session) = (world.token.clone(), agent.bearer.clone());
    let path = |rest: &str| format!("{JOBS}/{UNKNOWN}{rest}");
    let complete = |changes: Value| {
        let mut body = json!({"attempt": 1, "exit_code": 0, "duration_seconds": 1});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
    let claim = "/api/queue/claim".to_owned();
    let cases: Vec<(&Method, String, &str, Option<Value>, &str)> = vec![
        (&post, format!("{JOBS}/batch"), &token, Some(json!({})), "/jobs"),
        (&post, format!("{JOBS}/batch"), &token, Some(json!({"jobs": [], "x": 1})), "/x"),
        (&post, format!("{JOBS}/batch"), &token, Some(json!({"jobs": {}})), "/jobs"),
        (&get, format!("{JOBS}?status=NOPE"), &token, None, "/query/status"),
        (&get, format!("{JOBS}?pool_name=A"), &token, None, "/query/pool_name"),
        (&get, format!("{JOBS}?agent_id=x"), &token, None, "/query/agent_id"),
        (&get, format!("{JOBS}?limit=101"), &token, None, "/query/limit"),
        (&get, format!("{JOBS}?limit=0"), &token, None, "/query/limit"),
        (&get, format!("{JOBS}?cursor=x"), &token, None, "/query/cursor"),
        (&get, format!("{JOBS}?page=2"), &token, None, "/query/page"),
        (&post, claim.clone(), &session, Some(json!({"max_jobs": 0})), "/max_jobs"),
        (&post, claim.clone(), &session, Some(json!({"max_jobs": 11})), "/max_jobs"),
        (&post, claim.clone(), &session, Some(json!({"pool_name": "other"})), "/pool_name"),
        (&post, claim.clone(), &session, Some(json!({"jobs": 1})), "/jobs"),
        (&patch, path("/start"), &session, Some(json!({})), "/attempt"),
        (&patch, path("/start"), &session, Some(json!({"attempt": -1})), "/attempt"),
        (&patch, path("/complete"), &session, Some(complete(json!({"exit_code": 999}))), "/exit_code"),
        (&patch, path("/complete"), &session, Some(complete(json!({"exit_code": "0"}))), "/exit_code"),
        (&patch, path("/complete"), &session, Some(complete(json!({"duration_seconds": -1}))), "/duration_seconds"),
        (&patch, path("/complete"), &session, Some(complete(json!({"cause": "TIMEOUT"}))), "/cause"),
        (&patch, path("/complete"), &session, Some(complete(json!({"logs_url": "https://a/b?token=x"}))), "/logs_url"),
        (&patch, path("/complete"), &session, Some(complete(json!({"log": "line"}))), "/log"),
        (&patch, path("/priority"), &token, Some(json!({"priority": "now"})), "/priority"),
        (&patch, path("/priority"), &token, Some(json!({})), "/priority"),
        (&get, "/api/queue/stats?pool_name=A".to_owned(), &token, None, "/query/pool_name"),
        (&get, "/api/queue/stats?pool=a".to_owned(), &token, None, "/query/pool"),
    ];
    for (method, path, bearer, body, pointer) in cases {
        let answer = world.call(method.clone(), &path, bearer, body.clone()).await;
        assert_eq!(answer.status, 400, "{method} {path} {body:?}: {}", answer.json);
        assert_eq!(answer.pointers(), [pointer], "{method} {path} {body:?}: {}", answer.json);
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
    assert_eq!(send(json, "{".to_owned()).await.problem(), (400, "malformed_json"));
    assert_eq!(send(json, String::new()).await.problem(), (400, "malformed_json"));
    let deep = format!("{{\"tags\":{}", "[".repeat(5000));
    assert_eq!(send(json, deep).await.status, 400);
    let large = job(json!({"git_author": "x".repeat(65_536)})).to_string();
    assert_eq!(send(json, large).await.problem(), (413, "payload_too_large"));
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
        (Method::PATCH, "/priority", &world.token, Some(json!({"priority": "LOW"}))),
        (Method::PATCH, "/start", &agent.bearer, Some(json!({"attempt": 1}))),
        (Method::PATCH, "/complete", &agent.bearer, Some(result)),
    ];
    for (method, rest, bearer, body) in cases {
        for id in [UNKNOWN, "job-1", "..%2f..", "%00"] {
            let path = format!("{JOBS}/{id}{rest}");
            let answer = world.call(method.clone(), &path, bearer, body.clone()).await;
            assert_eq!(answer.problem(), (404, "not_found"), "{method} {path}");
        }
    }
}
