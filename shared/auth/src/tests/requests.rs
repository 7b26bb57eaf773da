//! What a caller meets, and what is logged of it.

use super::*;

#[tokio::test]
async fn a_caller_is_who_the_credential_says_until_it_ends() {
    let world = world().await;
    let (app, _) = world.app();
    let token = world
        .token(&[Scope::JobsRead], Some(NOW.plus_seconds(60)))
        .await;
    let path = format!("/api/jobs/{}", the_job());
    let response = get_as(&app, &token.bearer().replace("Bearer", "bearer"), &path).await;
    assert_eq!(response.status(), 200);
    let seen = json_of(response).await;
    let expected = format!("token:{}", token.presented.key_id);
    assert_eq!(seen["seen_by"], expected.as_str());
    world.api.clock.advance_seconds(60);
    assert_eq!(get_as(&app, &token.bearer(), &path).await.status(), 401);
}

#[tokio::test]
async fn a_credential_is_looked_for_in_one_authorization_header_only() {
    let world = world().await;
    let (app, _) = world.app();
    let token = world.token(&[Scope::Admin], None).await;
    let path = format!("/api/jobs/{}?access_token={}", the_job(), token.expose());
    let twice = Request::get(&path)
        .header("authorization", token.bearer())
        .header("authorization", token.bearer())
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.clone().oneshot(twice).await.unwrap().status(), 401);
    let cookie = Request::get(&path)
        .header("cookie", format!("token={}", token.expose()))
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.clone().oneshot(cookie).await.unwrap().status(), 401);
}

#[tokio::test]
async fn agents_alone_have_the_scopes_of_agents() {
    let world = world().await;
    let token = world.token(&[Scope::QueueClaim, Scope::Admin], None).await;
    let (app, _) = world.app();
    let request = Request::post("/api/claim")
        .header("authorization", token.bearer())
        .body(Body::empty())
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(json_of(response).await["code"], "wrong_principal");
}

#[tokio::test]
async fn a_store_out_of_reach_is_503_and_not_401() {
    let mut world = world().await;
    let token = world.token(&[Scope::Admin], None).await;
    let client = world.engine.client_with(|_| Fault::Throttle);
    world.api.store = Store::new(client, Tables::default(), Meter::default());
    let (app, _) = world.app();
    let response = get_as(&app, &token.bearer(), &format!("/api/jobs/{}", the_job())).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn junk_costs_no_read() {
    let world = world().await;
    let (app, _) = world.app();
    let before = world.api.store.meter().total().calls;
    for junk in ["Bearer junk", "Bearer ", "Basic eDp5"] {
        assert_eq!(get_as(&app, junk, "/api/jobs/x").await.status(), 401);
    }
    assert_eq!(world.api.store.meter().total().calls, before);
}

/// Everything that is logged, to look for what must not be there.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_lines_name_request_and_tenant_and_never_a_credential() {
    let world = world().await;
    let (app, _) = world.app();
    let token = world.token(&[Scope::JobsWrite], None).await;
    let logged = Logged::default();
    let sink = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_current_span(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || sink.clone())
        .finish();
    // For all threads: with one of its own, each test that runs meanwhile would decide anew what is logged at all.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for body in [r#"{"what":"canary-body"}"#, r#"{"what":"CANARY-body"}"#] {
        let request = Request::post("/api/jobs?canary-query=1")
            .header("authorization", token.bearer())
            .header("content-type", "application/json")
            .header("x-canary", "canary-header")
            .header("x-request-id", "log-1")
            .body(Body::from(body))
            .unwrap();
        app.clone().oneshot(request).await.unwrap();
    }
    let forged = format!("{}0", &token.bearer()[..80]);
    get_as(&app, &forged, "/api/jobs/canary-path").await;
    let text = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    let served: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| {
            line["fields"]["message"] == "served" && line["span"]["request_id"] == "log-1"
        })
        .collect();
    assert_eq!(served.len(), 2, "{text}");
    assert_eq!(served[0]["span"]["request_id"], "log-1");
    assert_eq!(served[0]["span"]["tenant_id"], "acme");
    assert_eq!(served[0]["fields"]["route"], "/api/jobs");
    assert_eq!(served[0]["fields"]["status"], 200);
    assert_eq!(served[1]["fields"]["code"], "invalid_request");
    for secret in ["canary", "CANARY", &token.expose()[24..67]] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
