//! People sign in.

use super::stub::CLIENT_ID;
use super::world::{NOW, ORIGIN, World, text};
use serde_json::json;
use store::{SESSION_IDLE_SECONDS, SESSION_SECONDS};

const LOGIN: &str = auth::cookie::LOGIN;
const SESSION: &str = auth::cookie::SESSION;

#[tokio::test]
async fn a_browser_is_sent_to_its_provider_with_a_challenge_and_a_state_of_its_own() {
    let world = World::new().await;
    let first = world.get("/auth/login/github?return_to=/jobs").send().await;
    let second = world.get("/auth/login/google").send().await;
    for (answer, provider) in [(&first, "github"), (&second, "google")] {
        assert_eq!(answer.status, 302);
        assert_eq!(answer.parameter("client_id"), CLIENT_ID);
        assert_eq!(answer.parameter("code_challenge_method"), "S256");
        assert_eq!(answer.parameter("code_challenge").len(), 43);
        let callback = format!("{ORIGIN}/auth/callback/{provider}");
        assert_eq!(answer.parameter("redirect_uri"), callback);
        let cookie = answer.cookie(LOGIN).unwrap();
        for attribute in [
            "Path=/",
            "Max-Age=600",
            "HttpOnly",
            "Secure",
            "SameSite=Lax",
        ] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!answer.location().contains("secret"));
    }
    assert_ne!(first.parameter("state"), second.parameter("state"));
    assert_eq!(second.parameter("scope"), "openid profile");
    assert_eq!(second.parameter("nonce").len(), 43);
    assert_eq!(world.stub.calls(), 0);
}

#[tokio::test]
async fn a_browser_comes_back_with_a_code_and_has_a_session() {
    let world = World::new().await;
    for (provider, name) in [("github", "User 7"), ("google", "Person 7")] {
        let path = format!("/auth/login/{provider}?return_to=/jobs%3Fq%3D1");
        let begun = world.get(&path).send().await;
        let state = begun.parameter("state");
        let code = match provider {
            "github" => "github-7".to_owned(),
            _ => format!("google-7.{}", begun.parameter("nonce")),
        };
        let path =
            format!("/auth/callback/{provider}?code={code}&state={state}&scope=x&authuser=0");
        let back = world
            .get(&path)
            .cookie(LOGIN, &begun.cookie_value(LOGIN))
            .send()
            .await;
        assert_eq!(back.status, 303, "{}", back.json);
        assert_eq!(back.location(), "/jobs?q=1");
        assert!(
            back.cookie(LOGIN)
                .unwrap()
                .starts_with("; Path=/; Max-Age=0")
        );
        let cookie = back.cookie(SESSION).unwrap();
        let age = format!("Max-Age={SESSION_SECONDS}");
        for attribute in ["Path=/", &age, "HttpOnly", "Secure", "SameSite=Strict"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let session = back.cookie_value(SESSION);
        let listed = world
            .get("/auth/organisations")
            .cookie(SESSION, &session)
            .send()
            .await;
        let listed = listed.expect(200);
        assert_eq!(listed["organisations"][0]["organisation"]["name"], name);
        assert_eq!(listed["organisations"][0]["role"], "OWNER");
    }
}

#[tokio::test]
async fn who_signs_in_again_is_the_same_person_and_another_provider_is_another() {
    let world = World::new().await;
    let first = world.sign_in("github-7").await;
    let again = world.sign_in("github-7").await;
    assert_eq!(
        (&first.user_id, &first.organisation),
        (&again.user_id, &again.organisation)
    );
    assert_ne!(first.token, again.token);
    let begun = world.get("/auth/login/github").send().await;
    let path = format!(
        "/auth/callback/github?code=github-7&state={}",
        begun.parameter("state")
    );
    let back = world
        .get(&path)
        .cookie(LOGIN, &begun.cookie_value(LOGIN))
        .send()
        .await;
    let session = back.cookie_value(SESSION);
    let validated = world
        .post("/auth/validate")
        .cookie(SESSION, &session)
        .header("origin", ORIGIN)
        .header("x-hcp-csrf", "1")
        .send()
        .await
        .expect(200);
    assert_eq!(text(&validated["user_id"]), first.user_id);
    assert_ne!(world.sign_in("google-7").await.user_id, first.user_id);
    assert_ne!(
        world.sign_in("github-8").await.organisation,
        first.organisation
    );
}

#[tokio::test]
async fn a_tool_signs_in_with_a_token_and_learns_who_it_is() {
    let world = World::new().await;
    for (provider, token) in [("github", "gho_github-3"), ("GOOGLE", "google-3")] {
        let body = json!({ "provider": provider, "access_token": token });
        let created = world
            .post("/auth/session")
            .json(&body)
            .send()
            .await
            .expect(201);
        assert_eq!(created["role"], "OWNER");
        let end = NOW.plus_seconds(SESSION_IDLE_SECONDS).to_string();
        assert_eq!(text(&created["expires_at"]), end);
        let session = text(&created["session_token"]);
        assert!(session.starts_with("hcp_test_w_"));
        let validated = world.validate(&session).await.expect(200);
        assert_eq!(validated["credential"], "SESSION");
        assert_eq!(validated["user_id"], created["user"]["user_id"]);
        assert_eq!(
            validated["organisation_id"],
            created["organisation"]["organisation_id"]
        );
        assert_eq!(validated["scopes"], json!(["admin"]));
    }
}

#[tokio::test]
async fn what_a_provider_gives_is_kept_nowhere() {
    let world = World::new().await;
    world.sign_in("github-31337").await;
    let begun = world.get("/auth/login/google").send().await;
    let code = format!("google-31337.{}", begun.parameter("nonce"));
    let path = format!(
        "/auth/callback/google?code={code}&state={}",
        begun.parameter("state")
    );
    let back = world
        .get(&path)
        .cookie(LOGIN, &begun.cookie_value(LOGIN))
        .send()
        .await;
    assert_eq!(back.status, 303);
    let stored = world.everything().await;
    let login = begun.cookie_value(LOGIN);
    for secret in [
        "github-31337",
        "google-31337",
        "eyJ",
        "a@example.com",
        &begun.parameter("state"),
        &begun.parameter("nonce"),
        &login,
        &back.cookie_value(SESSION),
    ] {
        assert!(!stored.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_session_of_the_browser_from_before_is_not_kept() {
    let world = World::new().await;
    let planted = world.sign_in("github-666").await;
    let begun = world.get("/auth/login/github").send().await;
    let path = format!(
        "/auth/callback/github?code=github-7&state={}",
        begun.parameter("state")
    );
    let cookies = format!(
        "{LOGIN}={}; {SESSION}={}",
        begun.cookie_value(LOGIN),
        planted.token
    );
    let back = world.get(&path).header("cookie", &cookies).send().await;
    assert_eq!(back.status, 303);
    assert_ne!(back.cookie_value(SESSION), planted.token);
    assert_eq!(world.validate(&planted.token).await.status, 401);
    let recorded = world.everything().await;
    assert!(recorded.contains("session.end"), "{recorded}");
}

#[tokio::test]
async fn a_provider_that_is_down_leaves_nobody_behind() {
    let world = World::new().await;
    let begun = world.get("/auth/login/google").send().await;
    let before = world.items().await;
    world.stub.set_down(true);
    let code = format!("google-7.{}", begun.parameter("nonce"));
    let path = format!(
        "/auth/callback/google?code={code}&state={}",
        begun.parameter("state")
    );
    let back = world
        .get(&path)
        .cookie(LOGIN, &begun.cookie_value(LOGIN))
        .send()
        .await;
    let mut answers = vec![back];
    for (provider, token) in [("github", "gho_github-7"), ("google", "google-7")] {
        let body = json!({ "provider": provider, "access_token": token });
        answers.push(world.post("/auth/session").json(&body).send().await);
    }
    for answer in answers {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (503, "provider_unavailable")
        );
        assert_eq!(answer.headers["retry-after"], "10");
        assert_eq!(answer.cookie(SESSION), None);
    }
    assert_eq!(world.items().await, before);
    world.stub.set_down(false);
    world.sign_in("google-7").await;
}

#[tokio::test]
async fn a_wrong_configuration_of_ours_is_not_the_callers_fault() {
    let world = World::new().await;
    let begun = world.get("/auth/login/github").send().await;
    let path = format!(
        "/auth/callback/github?code=our-fault&state={}",
        begun.parameter("state")
    );
    let back = world
        .get(&path)
        .cookie(LOGIN, &begun.cookie_value(LOGIN))
        .send()
        .await;
    assert_eq!(
        (back.status.as_u16(), back.code()),
        (503, "provider_unavailable")
    );
}

#[tokio::test]
async fn a_provider_that_is_asked_too_often_has_refused_nobody() {
    let world = World::new().await;
    let begun = world.get("/auth/login/github").send().await;
    let path = format!(
        "/auth/callback/github?code=github-too-often&state={}",
        begun.parameter("state")
    );
    let back = world
        .get(&path)
        .cookie(LOGIN, &begun.cookie_value(LOGIN))
        .send()
        .await;
    assert_eq!(
        (back.status.as_u16(), back.code()),
        (503, "provider_unavailable")
    );
    assert_eq!(back.headers["retry-after"], "10");
}
