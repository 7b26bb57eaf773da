//! People: by session, by cookie, by token.

use super::*;
use crate::cookie;
use crate::walk::Person;
use http::Method;
use store::Presented;
use wire::Role;

/// What somebody is told of who they are.
#[utoipa::path(get, path = "/api/me", responses((status = 200)))]
async fn me(caller: Caller) -> Json<Value> {
    Json(json!({
        "by": caller.created_by(),
        "credential": caller.credential_id(),
        "role": caller.role,
        "owner": caller.is_owner(),
        "handle": caller.handle().map(|handle| handle.to_string()),
    }))
}

#[utoipa::path(post, path = "/api/leave", responses((status = 200)))]
async fn leave(person: PersonCaller) -> Json<Value> {
    Json(json!({"user_id": person.user_id, "role": person.role, "session_id": person.session_id}))
}

struct Site {
    world: World,
    app: Router,
    developer: Person,
    session: Token,
}

async fn site() -> Site {
    let world = world().await;
    let (router, _) = Routes::new(world.api.clone())
        .route(Access::signed_in().or_any_token(), routes!(me))
        .route(Access::people(Scope::JobsWrite), routes!(create_job))
        .route(Access::signed_in(), routes!(leave))
        .into_parts();
    let developer = Person::join(&world.api, &world.acme, Role::Developer)
        .await
        .unwrap();
    let session = developer.session(&world.api, NOW).await.unwrap();
    Site {
        app: web::app(router),
        world,
        developer,
        session,
    }
}

const OWN: &str = "https://ci.example.com";

impl Site {
    /// A request with the session as a cookie and these headers.
    async fn browse(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let cookie = format!("theme=dark; {}={}", cookie::SESSION, self.session.expose());
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("cookie", cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(r#"{"what":"linux"}"#);
        let request = request.body(body).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn me(&self, bearer: &str) -> Value {
        let response = get_as(&self.app, bearer, "/api/me").await;
        assert_eq!(response.status(), 200);
        json_of(response).await
    }
}

#[tokio::test]
async fn a_person_is_who_the_session_says_and_what_they_are_now() {
    let site = site().await;
    let member = &site.developer.membership;
    let seen = site.me(&site.session.bearer()).await;
    assert_eq!(seen["by"], format!("user:{}", member.user_id));
    assert_eq!(seen["handle"], member.handle.as_str());
    assert_eq!(
        (&seen["role"], &seen["owner"]),
        (&json!("DEVELOPER"), &json!(false))
    );
    assert!(seen["credential"].as_str().unwrap().starts_with("session-"));
    let path = "/api/jobs";
    let headers = [("origin", OWN), ("content-type", "application/json")];
    let created = site.browse(Method::POST, path, &headers).await;
    assert_eq!(created.status(), 200);

    let World { api, acme, .. } = &site.world;
    site.developer
        .become_another(api, acme, Role::Auditor)
        .await
        .unwrap();
    let refused = site.browse(Method::POST, path, &headers).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(json_of(refused).await["code"], "missing_scope");
    site.developer
        .become_another(api, acme, Role::Owner)
        .await
        .unwrap();
    let seen = site.me(&site.session.bearer()).await;
    assert_eq!(
        (&seen["role"], &seen["owner"]),
        (&json!("OWNER"), &json!(true))
    );
    site.developer
        .become_another(api, acme, Role::Viewer)
        .await
        .unwrap_err();

    Person::join(api, acme, Role::Owner).await.unwrap();
    site.developer.leave(api, acme).await.unwrap();
    let gone = get_as(&site.app, &site.session.bearer(), "/api/me").await;
    assert_eq!(gone.status(), 401);
}

#[tokio::test]
async fn a_session_is_good_until_its_time_is_over() {
    let site = site().await;
    let bearer = site.session.bearer();
    let clock = &site.world.api.clock;
    clock.advance_seconds(store::SESSION_IDLE_SECONDS - 1);
    site.me(&bearer).await;
    clock.advance_seconds(store::SESSION_IDLE_SECONDS - 1);
    site.me(&bearer).await;
    clock.advance_seconds(store::SESSION_IDLE_SECONDS);
    let ended = get_as(&site.app, &bearer, "/api/me").await;
    assert_eq!(ended.status(), 401);
}

#[tokio::test]
async fn a_browser_reads_with_its_cookie_alone_and_changes_things_from_our_own_pages() {
    let site = site().await;
    let read = site.browse(Method::GET, "/api/me", &[]).await;
    assert_eq!(read.status(), 200);
    let read = site
        .browse(
            Method::HEAD,
            "/api/me",
            &[("origin", "https://evil.example")],
        )
        .await;
    assert_eq!(read.status(), 200);
    for good in [
        [("origin", OWN), ("content-type", "application/json")],
        [
            ("origin", OWN),
            ("content-type", "Application/JSON; charset=utf-8"),
        ],
        [("origin", OWN), ("x-hcp-csrf", "1")],
    ] {
        let changed = site.browse(Method::POST, "/api/leave", &good).await;
        assert_eq!(changed.status(), 200, "{good:?}");
    }
}

#[tokio::test]
async fn what_another_site_makes_a_browser_send_is_refused_before_anything_is_read() {
    let site = site().await;
    let json = ("content-type", "application/json");
    let before = site.world.api.store.meter().total().calls;
    let bad: [&[(&str, &str)]; 12] = [
        &[],
        &[json],
        &[("x-hcp-csrf", "1")],
        &[("referer", "https://ci.example.com/"), json],
        &[("origin", "null"), json],
        &[("origin", ""), json],
        &[
            ("origin", "https://evil.example"),
            json,
            ("x-hcp-csrf", "1"),
        ],
        &[("origin", "https://ci.example.com.evil.example"), json],
        &[("origin", "http://ci.example.com"), json],
        &[("origin", OWN), ("origin", "https://evil.example"), json],
        &[
            ("origin", OWN),
            ("content-type", "text/plain; application/json"),
        ],
        &[("origin", OWN), ("x-hcp-csrf", "true")],
    ];
    for headers in bad {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            // Other methods have no route, but for the one that has a change.
            let expected = if method == Method::POST { 403 } else { 405 };
            let response = site.browse(method, "/api/leave", headers).await;
            assert_eq!(response.status(), expected, "{headers:?}");
            if expected == 403 {
                assert_eq!(json_of(response).await["code"], "cross_site");
            }
        }
    }
    assert_eq!(site.world.api.store.meter().total().calls, before);
}

#[tokio::test]
async fn a_bearer_needs_no_origin_and_a_cookie_is_for_sessions_alone() {
    let site = site().await;
    let post = Request::post("/api/leave")
        .header("authorization", site.session.bearer())
        .header("origin", "https://evil.example")
        .body(Body::empty())
        .unwrap();
    assert_eq!(site.app.clone().oneshot(post).await.unwrap().status(), 200);
    let token = site.world.token(&[Scope::Admin], None).await;
    let session = site.session.expose();
    for cookies in [
        vec![format!("{}={}", cookie::SESSION, token.expose())],
        vec![format!("{}=", cookie::SESSION)],
        vec![format!("{}={session}; {0}={session}", cookie::SESSION)],
        vec![format!("{}={session}", cookie::SESSION); 2],
        vec![format!("hcp_session={session}")],
        vec![format!("{}={session}", cookie::LOGIN)],
    ] {
        let mut request = Request::get("/api/me");
        for cookie in &cookies {
            request = request.header("cookie", cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = site.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 401, "{cookies:?}");
    }
    let both = [("authorization", token.bearer())];
    let both = both.each_ref().map(|(name, value)| (*name, value.as_str()));
    let response = site.browse(Method::GET, "/api/me", &both).await;
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn a_token_of_a_person_does_what_both_may() {
    let site = site().await;
    let World { api, acme, .. } = &site.world;
    let token = site.developer.token(api, acme, Scope::Admin).await.unwrap();
    let seen = site.me(&token.bearer()).await;
    assert_eq!(seen["by"], format!("token:{}", token.presented.key_id));
    assert_eq!(
        (&seen["role"], &seen["owner"]),
        (&json!("DEVELOPER"), &json!(false))
    );
    let create = async |token: &Token| {
        let request = Request::post("/api/jobs")
            .header("authorization", token.bearer())
            .header("content-type", "application/json")
            .body(Body::from(r#"{"what":"linux"}"#))
            .unwrap();
        site.app.clone().oneshot(request).await.unwrap().status()
    };
    let reading = site
        .developer
        .token(api, acme, Scope::JobsRead)
        .await
        .unwrap();
    assert_eq!(
        (create(&token).await, create(&reading).await.as_u16()),
        (200.try_into().unwrap(), 403)
    );
    site.developer
        .become_another(api, acme, Role::Viewer)
        .await
        .unwrap();
    assert_eq!(create(&token).await, 403);
    site.developer
        .become_another(api, acme, Role::Owner)
        .await
        .unwrap();
    // What concerns owners is for sessions.
    assert_eq!(site.me(&token.bearer()).await["owner"], false);
    // What is a person's own is not for tokens.
    let request = Request::post("/api/leave").header("authorization", token.bearer());
    let request = request.body(Body::empty()).unwrap();
    let response = site.app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(json_of(response).await["code"], "wrong_principal");
}

#[tokio::test]
async fn nobody_hands_on_what_they_may_not_do() {
    let site = site().await;
    let World { api, acme, .. } = &site.world;
    let caller = async |presented: &Presented| {
        let verified = api.store.authenticate(presented, NOW).await.unwrap();
        Caller::new(verified.unwrap(), presented.clone())
    };
    let developer = caller(&site.session.presented).await;
    assert_eq!(
        developer.missing_scope(&[Scope::JobsRead, Scope::JobsWrite]),
        None
    );
    for refused in [Scope::Admin, Scope::AuditRead, Scope::QueueClaim] {
        let wanted = [Scope::JobsRead, refused];
        assert_eq!(developer.missing_scope(&wanted), Some(refused));
    }
    let owner = Person::join(api, acme, Role::Owner).await.unwrap();
    let session = owner.session(api, NOW).await.unwrap();
    let owner = caller(&session.presented).await;
    for scope in Scope::ALL {
        let refused = owner.missing_scope(&[*scope]);
        assert_eq!(refused.is_some(), scope.is_of_machines_alone(), "{scope}");
    }
    let token = site.world.token(&[Scope::JobsRead], None).await;
    let token = caller(&token.presented).await;
    assert_eq!(
        token.missing_scope(&[Scope::JobsWrite]),
        Some(Scope::JobsWrite)
    );
    assert_eq!(
        (token.is_owner(), token.handle(), token.user_id()),
        (false, None, None)
    );
}

#[tokio::test]
async fn invitations_and_enrolment_tokens_are_no_credentials_for_routes() {
    let site = site().await;
    for kind in [CredentialKind::Invitation, CredentialKind::Enrolment] {
        let token = Token::issue(Environment::Test, kind, &site.world.api.entropy);
        let response = get_as(&site.app, &token.bearer(), "/api/me").await;
        assert_eq!(response.status(), 401);
    }
}
