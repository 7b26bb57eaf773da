//! Sign-ins that come to nothing: one answer to all of them, and nothing written.

use super::world::{Answer, World};
use embedded_dynamodb::Fault;
use serde_json::{Value, json};

const LOGIN: &str = auth::cookie::LOGIN;
const SESSION: &str = auth::cookie::SESSION;

/// What the caller can tell, without the id of the request.
fn told(answer: &Answer) -> (u16, Value) {
    let mut json = answer.json.clone();
    json["instance"] = Value::Null;
    (answer.status.as_u16(), json)
}

/// Calls each of the paths with each of the cookies: all of them are told the same, and nothing is written.
async fn refused(world: &World, cases: &[(&str, String, Option<&str>)]) {
    let before = world.items().await;
    let mut first = None;
    for (what, path, cookie) in cases {
        let mut call = world.get(path);
        if let Some(value) = cookie {
            call = call.cookie(LOGIN, value);
        }
        let answer = call.send().await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.json);
        let ended = answer.cookie(LOGIN).unwrap();
        assert!(ended.contains("Max-Age=0"), "{what}");
        assert_eq!(answer.cookie(SESSION), None, "{what}");
        let told = told(&answer);
        assert_eq!(first.get_or_insert_with(|| told.clone()), &told, "{what}");
    }
    assert_eq!(world.items().await, before);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_callback_the_answer_is_the_same_and_nothing_is_written() {
    let world = World::new().await;
    let github = world.get("/auth/login/github").send().await;
    let google = world.get("/auth/login/google").send().await;
    let (state, other) = (github.parameter("state"), google.parameter("state"));
    let (cookie, foreign) = (github.cookie_value(LOGIN), google.cookie_value(LOGIN));
    let of = |query: &str| format!("/auth/callback/github?{query}");
    let right = of(&format!("code=github-1&state={state}"));
    let twice = format!("{cookie}; {LOGIN}={cookie}");
    let at_google = format!("/auth/callback/google?code=github-1&state={state}");
    let own = Some(cookie.as_str());
    let cases = [
        ("no cookie", right.clone(), None),
        ("junk in the cookie", right.clone(), Some("junk")),
        ("the cookie twice", right, Some(twice.as_str())),
        (
            "the state of another browser",
            of(&format!("code=github-1&state={other}")),
            own,
        ),
        ("an empty state", of("code=github-1&state="), own),
        ("no state", of("code=github-1"), own),
        (
            "two states",
            of(&format!("code=github-1&state={state}&state={other}")),
            own,
        ),
        ("no code", of(&format!("state={state}")), own),
        ("an error", of(&format!("state={state}&error=denied")), own),
        (
            "an error and a code",
            of(&format!("state={state}&error=x&code=github-1")),
            own,
        ),
        ("a bad code", of(&format!("code=junk&state={state}")), own),
        (
            "a code of nobody",
            of(&format!("code=github-nobody&state={state}")),
            own,
        ),
        ("no query", of(""), own),
        (
            "one provider's answer at the other",
            of(&format!("code=github-1&state={other}")),
            Some(foreign.as_str()),
        ),
        ("the other way round", at_google, own),
    ];
    refused(&world, &cases).await;
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_sign_in_is_refused() {
    let world = World::new().await;
    let begun = world.get("/auth/login/google").send().await;
    let (state, nonce) = (begun.parameter("state"), begun.parameter("nonce"));
    let cookie = begun.cookie_value(LOGIN);
    let cases = [
        ("another nonce", "google-7.another".to_owned()),
        ("expired", format!("google-late.{nonce}")),
        ("for others", format!("google-elsewhere.{nonce}")),
        ("of others", format!("google-foreign.{nonce}")),
        ("forged", format!("google-forged.{nonce}")),
    ]
    .map(|(what, code)| {
        let path = format!("/auth/callback/google?code={code}&state={state}");
        (what, path, Some(cookie.as_str()))
    });
    refused(&world, &cases).await;
}

#[tokio::test]
async fn an_answer_that_comes_after_ten_minutes_is_too_late() {
    let world = World::new().await;
    let begun = world.get("/auth/login/github").send().await;
    let path = format!(
        "/auth/callback/github?code=github-1&state={}",
        begun.parameter("state")
    );
    let cookie = begun.cookie_value(LOGIN);
    world.api.clock.advance_seconds(600);
    assert_eq!(
        world.get(&path).cookie(LOGIN, &cookie).send().await.status,
        401
    );
    world.api.clock.advance_seconds(-1);
    assert_eq!(
        world.get(&path).cookie(LOGIN, &cookie).send().await.status,
        303
    );
}

#[tokio::test]
async fn a_tools_token_that_is_not_for_us_is_refused_with_one_answer() {
    let world = World::new().await;
    let before = world.items().await;
    let mut first = None;
    for (provider, token) in [
        ("github", "unknown"),
        ("github", "gho_unknown"),
        ("github", "gho_github-of-another-app"),
        ("github", "gho_github-of-nobody"),
        ("google", "unknown"),
        ("google", "google-of-another-app"),
        ("google", "google-expired"),
        ("google", "google-without-openid"),
    ] {
        let body = json!({ "provider": provider, "access_token": token });
        let answer = world.post("/auth/session").json(&body).send().await;
        assert_eq!(answer.status, 401, "{token}: {}", answer.json);
        let told = told(&answer);
        assert_eq!(first.get_or_insert_with(|| told.clone()), &told, "{token}");
    }
    assert_eq!(world.items().await, before);
}

async fn try_token(world: &World, address: &str, token: &str) -> Answer {
    let body = json!({ "provider": "github", "access_token": token });
    let call = world.post("/auth/session").from(address).json(&body);
    call.send().await
}

#[tokio::test]
async fn what_cannot_be_good_is_not_shown_to_a_provider() {
    let world = World::new().await;
    for token in ["unknown", "ghp_abc", "gho_", "gho_a/b"] {
        assert_eq!(try_token(&world, "192.0.2.1", token).await.status, 401);
    }
    assert_eq!(world.stub.calls(), 0);
    for _ in 0..50 {
        let answer = try_token(&world, "192.0.2.1", "gho_unknown").await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(world.stub.calls(), 1);
}

#[tokio::test]
async fn strangers_do_not_make_us_ask_a_provider_without_end() {
    let world = World::new().await;
    for number in 0..20 {
        let token = format!("gho_unknown{number}");
        let answer = try_token(&world, "192.0.2.1", &token).await;
        assert_eq!(answer.status, 401, "{number}");
    }
    let before = world.stub.calls();
    let late = try_token(&world, "192.0.2.1", "gho_github-1").await;
    assert_eq!(
        (late.status.as_u16(), late.code()),
        (429, "too_many_requests")
    );
    assert_eq!(late.headers["retry-after"], "10");
    assert_eq!(world.stub.calls(), before);
    let other = try_token(&world, "192.0.2.2", "gho_github-1").await;
    assert_eq!(other.status, 201);
    world.api.clock.advance_seconds(10);
    let again = try_token(&world, "192.0.2.1", "gho_github-1").await;
    assert_eq!(again.status, 201);
}

#[tokio::test]
async fn an_address_has_one_limit_over_all_processes() {
    let mut world = World::new().await;
    let mut other = world.another_process();
    let mut served = 0;
    for number in 0..60 {
        let token = format!("gho_unknown{number}");
        // All of the addresses that one network has are one.
        let address = format!("2001:db8::{number:x}");
        let answer = try_token(&world, &address, &token).await;
        served += u32::from(answer.status == 401);
        std::mem::swap(&mut world.app, &mut other);
    }
    // Each tells the other every 5 times.
    assert!((20..30).contains(&served), "{served}");
    for _ in 0..2 {
        let late = try_token(&world, "2001:db8::1", "gho_github-1").await;
        assert_eq!(late.status, 429);
        let elsewhere = try_token(&world, "2001:db8:0:1::1", "gho_github-1").await;
        assert_eq!(elsewhere.status, 201);
        std::mem::swap(&mut world.app, &mut other);
    }
    // Whoever goes on costs nothing.
    let before = world.api.store.meter().total();
    for _ in 0..20 {
        try_token(&world, "2001:db8::1", "gho_unknown").await;
    }
    assert_eq!(world.api.store.meter().total(), before);
    world.api.clock.advance_seconds(10);
    let again = try_token(&world, "2001:db8::1", "gho_github-1").await;
    assert_eq!(again.status, 201);
}

#[tokio::test]
async fn the_limit_of_an_address_holds_in_each_process_while_it_cannot_be_shared() {
    let mut world = World::new().await;
    world.with_faults(|call| match (call.operation, call.table) {
        ("UpdateItem", Some("sessions")) => Fault::Throttle,
        _ => Fault::None,
    });
    let mut statuses = Vec::new();
    for number in 0..25 {
        let token = format!("gho_unknown{number}");
        statuses.push(try_token(&world, "192.0.2.1", &token).await.status.as_u16());
    }
    assert_eq!(statuses[..20], [401; 20]);
    assert_eq!(statuses[20..], [429; 5]);
}

#[tokio::test]
async fn a_browser_that_comes_back_is_counted_as_a_tool_is() {
    let world = World::new().await;
    let come_back = async |address: &str, code: &str| {
        let begun = world.get("/auth/login/github").from(address).send().await;
        let state = begun.parameter("state");
        let path = format!("/auth/callback/github?code={code}&state={state}");
        let back = world.get(&path).from(address);
        let back = back.cookie(LOGIN, &begun.cookie_value(LOGIN));
        back.send().await
    };
    for _ in 0..10 {
        let made_up = come_back("192.0.2.1", "unknown").await;
        assert_eq!(made_up.status, 401);
    }
    for number in 0..10 {
        let token = format!("gho_unknown{number}");
        assert_eq!(try_token(&world, "192.0.2.1", &token).await.status, 401);
    }
    let before = world.stub.calls();
    let late = come_back("192.0.2.1", "github-1").await;
    assert_eq!(
        (late.status.as_u16(), late.code()),
        (429, "too_many_requests")
    );
    assert_eq!(late.headers["retry-after"], "10");
    // An answer that is not for this browser is asked nobody about, and not counted.
    for _ in 0..30 {
        let path = "/auth/callback/github?code=a&state=b";
        assert_eq!(world.get(path).from("192.0.2.2").send().await.status, 401);
    }
    assert_eq!(world.stub.calls(), before);
    assert_eq!(come_back("192.0.2.2", "github-1").await.status, 303);
}

#[tokio::test]
async fn a_provider_that_there_is_not_is_not_found() {
    let world = World::new().await;
    for path in ["/auth/login/gitlab", "/auth/callback/gitlab?code=a&state=b"] {
        assert_eq!(world.get(path).send().await.status, 404, "{path}");
    }
    let body = json!({ "provider": "gitlab", "access_token": "a" });
    let answer = world.post("/auth/session").json(&body).send().await;
    assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found"));
    assert_eq!(world.stub.calls(), 0);
}

#[tokio::test]
async fn a_request_that_is_not_understood_names_the_place() {
    let world = World::new().await;
    for (body, pointer) in [
        (json!({ "provider": "github" }), "/access_token"),
        (
            json!({ "provider": "github", "access_token": "" }),
            "/access_token",
        ),
        (
            json!({ "provider": "github", "access_token": "a b" }),
            "/access_token",
        ),
        (
            json!({ "provider": "github", "access_token": "x".repeat(2049) }),
            "/access_token",
        ),
        (
            json!({ "provider": "github", "access_token": "a", "role": "OWNER" }),
            "/role",
        ),
    ] {
        let answer = world.post("/auth/session").json(&body).send().await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{body}");
    }
    for return_to in [
        "//evil.example",
        "/%5Cevil.example",
        "https:evil.example",
        "%0d%0aa",
        "a",
    ] {
        let path = format!("/auth/login/github?return_to={return_to}");
        let answer = world.get(&path).send().await;
        assert_eq!(answer.status, 400, "{return_to}");
        assert_eq!(
            answer.json["errors"][0]["pointer"], "/query/return_to",
            "{return_to}"
        );
        assert_eq!(answer.cookie(LOGIN), None);
    }
    assert_eq!(world.stub.calls(), 0);
}
