//! People sign in: the whole dance between a browser, the control plane and the fake provider, and what attackers make of
//! it. Whatever they try, they are refused and nothing is written.

use crate::harness::{Browser, Dance, From, Plane};
use hybrid_local::{CLIENT_ID, INVITATION_FILE, OTHER_CLIENT_ID, OTHER_CLIENT_SECRET};
use serde_json::{Value, json};

const SESSION: &str = auth::cookie::SESSION;
const LOGIN: &str = auth::cookie::LOGIN;

/// Somebody's way through the provider, up to the address that it sends them back to.
async fn to_callback(browser: &mut Browser, provider: &str, person: &str) -> String {
    let begun = browser.get(&format!("/auth/login/{provider}")).await;
    assert_eq!(begun.status, 302);
    browser.pick(&begun.location(), person).await
}

#[tokio::test]
async fn people_sign_in_with_either_provider_and_are_the_same_the_next_time() {
    let dance = Dance::start().await;
    let mut known = Vec::new();
    for (provider, name) in [("github", "Ada Lovelace"), ("google", "Ada Lovelace")] {
        for _ in 0..2 {
            let mut browser = dance.browser();
            let begun = browser
                .get(&format!("/auth/login/{provider}?return_to=/jobs%3Fa%3D1"))
                .await;
            let question = browser.get_elsewhere(&begun.location()).await;
            assert!(question.text.contains("Grace Hopper"), "{}", question.text);
            let policy = question.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            let callback = browser.pick(&begun.location(), "ada").await;
            let back = browser.follow(&callback, From::AnotherSite).await;
            assert_eq!((back.status, back.location().as_str()), (303, "/jobs?a=1"));
            assert!(browser.has(SESSION) && !browser.has(LOGIN));
            let who = browser.change("POST", "/auth/validate", None).await;
            assert_eq!(who.status, 200, "{}", who.text);
            assert_eq!(who.json["organisation_name"], name);
            assert_eq!(who.json["role"], "OWNER");
            known.push(who.json["user_id"].clone());
        }
    }
    assert_eq!((&known[0], &known[2]), (&known[1], &known[3]));
    assert_ne!(known[0], known[2], "two providers, two identities");
}

#[tokio::test]
async fn a_browser_works_with_its_session_until_it_signs_out() {
    let dance = Dance::start().await;
    let mut browser = dance.signed_in("github", "grace").await;
    let body = json!({ "name": "ci", "scopes": ["jobs:read"] });
    let made = browser.change("POST", "/auth/tokens", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let listed = browser.get("/auth/sessions").await;
    assert_eq!(listed.json["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(
        listed.header("strict-transport-security"),
        "max-age=63072000; includeSubDomains"
    );
    let session = browser.cookie(SESSION).unwrap();
    let out = browser.change("POST", "/auth/logout", None).await;
    assert_eq!(out.status, 204);
    assert!(!browser.has(SESSION));
    browser.set(SESSION, &session);
    assert_eq!(browser.get("/auth/sessions").await.status, 401);
}

#[tokio::test]
async fn a_tool_signs_in_with_a_token_of_our_application_and_with_no_other() {
    let dance = Dance::start().await;
    for provider in ["github", "google"] {
        let ours = dance
            .token(provider, CLIENT_ID, &dance.client_secret())
            .await;
        let other = dance
            .token(provider, OTHER_CLIENT_ID, OTHER_CLIENT_SECRET)
            .await;
        let before = dance.everything().await;
        for bad in [other.as_str(), "junk"] {
            let answer = dance.create_session(provider, bad).await;
            assert_eq!(answer.status, 401, "{}", answer.text);
        }
        assert_eq!(dance.everything().await, before);
        let created = dance.create_session(provider, &ours).await;
        assert_eq!(created.status, 201, "{}", created.text);
        assert_eq!(created.json["user"]["display_name"], "Alan Turing");
    }
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let dance = Dance::start().await;
    let (mut victim, mut attacker) = (dance.browser(), dance.browser());
    for provider in ["github", "google"] {
        // The state again, in the same browser: the cookie is gone.
        let callback = to_callback(&mut victim, provider, "ada").await;
        let kept = victim.cookie(LOGIN).unwrap();
        let back = victim.follow(&callback, From::AnotherSite).await;
        assert_eq!(back.status, 303, "{}", back.text);
        dance
            .refused(&mut victim, &callback, "the state again")
            .await;
        // And with the cookie: the code is gone.
        victim.set(LOGIN, &kept);
        dance
            .refused(&mut victim, &callback, "the code again")
            .await;
        // The attacker's answer in the victim's browser, with and without a sign-in under way there.
        let callback = to_callback(&mut attacker, provider, "alan").await;
        dance.refused(&mut victim, &callback, "no cookie").await;
        to_callback(&mut victim, provider, "ada").await;
        dance
            .refused(&mut victim, &callback, "another's state")
            .await;
        // Two cookies of that name, one of them planted.
        let callback = to_callback(&mut victim, provider, "ada").await;
        let twice = format!("{}; {LOGIN}=planted", victim.cookie(LOGIN).unwrap());
        victim.set(LOGIN, &twice);
        dance.refused(&mut victim, &callback, "two cookies").await;
    }
}

#[tokio::test]
async fn an_answer_of_one_provider_is_none_of_the_other() {
    let dance = Dance::start().await;
    let mut browser = dance.browser();
    let callback = to_callback(&mut browser, "github", "ada").await;
    let mixed = callback.replace("/callback/github", "/callback/google");
    dance
        .refused(&mut browser, &mixed, "the whole answer")
        .await;
    let github = to_callback(&mut browser, "github", "ada").await;
    let code = parameter(&github, "code");
    let google = to_callback(&mut browser, "google", "ada").await;
    let mixed = google.replace(&parameter(&google, "code"), &code);
    dance.refused(&mut browser, &mixed, "its code").await;
}

#[tokio::test]
async fn a_code_that_was_made_for_another_sign_in_is_refused() {
    let dance = Dance::start().await;
    for provider in ["github", "google"] {
        let (mut victim, mut attacker) = (dance.browser(), dance.browser());
        // Injected: the challenge is the attacker's, the verifier the victim's.
        let theirs = to_callback(&mut attacker, provider, "alan").await;
        let own = to_callback(&mut victim, provider, "ada").await;
        let code = parameter(&theirs, "code");
        let injected = own.replace(&parameter(&own, "code"), &code);
        dance
            .refused(&mut victim, &injected, "another challenge")
            .await;
    }
}

#[tokio::test]
async fn an_id_token_that_was_made_for_another_sign_in_is_refused() {
    let dance = Dance::start().await;
    let (mut victim, mut attacker) = (dance.browser(), dance.browser());
    let first = attacker.get("/auth/login/google").await.location();
    let second = victim.get("/auth/login/google").await.location();
    // Everything is the victim's own but for the nonce, which is that of a sign-in before.
    let replayed = second.replace(&parameter(&second, "nonce"), &parameter(&first, "nonce"));
    let callback = victim.pick(&replayed, "ada").await;
    dance.refused(&mut victim, &callback, "another nonce").await;
    // Nor without one.
    let second = victim.get("/auth/login/google").await.location();
    let without = second.replace(&format!("&nonce={}", parameter(&second, "nonce")), "");
    let callback = victim.pick(&without, "ada").await;
    dance.refused(&mut victim, &callback, "no nonce").await;
}

#[tokio::test]
async fn a_sign_in_leads_to_our_own_paths_alone() {
    let dance = Dance::start().await;
    let mut browser = dance.browser();
    let before = dance.everything().await;
    for return_to in [
        "//evil.example",
        "///evil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/a%0d%0aSet-Cookie:%20a=b",
        "/%09/evil.example",
        "evil.example",
        "",
    ] {
        let path = format!("/auth/login/github?return_to={return_to}");
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, 400, "{return_to}: {}", answer.text);
        assert!(!browser.has(LOGIN), "{return_to}");
    }
    // Planted in the cookie, it is not believed either.
    let callback = to_callback(&mut browser, "github", "ada").await;
    let planted = browser.change_login("return_to", json!("//evil.example"));
    browser.set(LOGIN, &planted);
    let answer = browser.follow(&callback, From::AnotherSite).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(dance.everything().await, before);
}

#[tokio::test]
async fn a_session_that_was_planted_before_the_sign_in_is_not_kept() {
    let dance = Dance::start().await;
    let attacker = dance.signed_in("github", "alan").await;
    let planted = attacker.cookie(SESSION).unwrap();
    let mut victim = dance.browser();
    victim.set(SESSION, &planted);
    let callback = to_callback(&mut victim, "github", "ada").await;
    let back = victim.follow(&callback, From::OurOwn).await;
    assert_eq!(back.status, 303);
    assert_ne!(victim.cookie(SESSION).unwrap(), planted);
    let who = victim.change("POST", "/auth/validate", None).await;
    assert_eq!(who.json["organisation_name"], "Ada Lovelace");
    // What was planted opens nothing any more.
    victim.set(SESSION, &planted);
    assert_eq!(victim.get("/auth/sessions").await.status, 401);
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_with_a_persons_cookie() {
    let dance = Dance::start().await;
    let browser = dance.signed_in("github", "ada").await;
    let own = dance.url();
    let json = Some("application/json");
    let form = Some("application/x-www-form-urlencoded");
    let before = dance.everything().await;
    for (what, origin, kind) in [
        ("another origin", Some("https://evil.example"), json),
        ("no origin", None, json),
        ("the origin null", Some("null"), json),
        ("another port", Some("http://127.0.0.1:1"), json),
        ("a form", Some(own), form),
        ("plain text", Some(own), Some("text/plain")),
        ("no content type", Some(own), None),
    ] {
        for (method, path) in [
            ("POST", "/auth/logout"),
            ("POST", "/auth/tokens"),
            ("DELETE", "/auth/sessions"),
            ("POST", "/auth/invitations"),
        ] {
            // As if the browser sent the cookie along, which `SameSite=Strict` keeps it from.
            let answer = browser.forged(method, path, (origin, kind)).await;
            let told = (answer.status, answer.json["code"].as_str());
            assert_eq!(told, (403, Some("cross_site")), "{what}: {method} {path}");
        }
    }
    assert_eq!(dance.everything().await, before);
}

#[tokio::test]
async fn the_plane_of_cargo_run_says_where_to_sign_in_and_lets_people_in() {
    let mut plane = Plane::start().await;
    let mut browser = Browser::new(&plane.url());
    let callback = to_callback(&mut browser, "google", "grace").await;
    let back = browser.follow(&callback, From::AnotherSite).await;
    assert_eq!(back.status, 303, "{}", back.text);
    let said = plane.says("/auth/login/github").await;
    assert!(said.contains(&plane.url()), "{said}");
    // The invitation beside its token leads into the plane's own organisation.
    let invitation = plane.data().join(INVITATION_FILE);
    let body = json!({ "token": std::fs::read_to_string(&invitation).unwrap() });
    let joined = browser
        .change("POST", "/auth/invitations/accept", Some(&body))
        .await;
    assert_eq!(joined.status, 201, "{}", joined.text);
    assert_eq!(joined.json["role"], "OWNER");
    let organisation = joined.json["organisation"]["organisation_id"].clone();
    let path = format!(
        "/auth/organisations/{}/switch",
        organisation.as_str().unwrap()
    );
    let switched = browser.change("POST", &path, None).await;
    assert_eq!(
        (switched.status, &switched.json["session_token"]),
        (201, &Value::Null)
    );
    let jobs = browser.get("/api/dashboard/jobs").await;
    assert_eq!(jobs.status, 200, "{}", jobs.text);
    // There is an owner, who invites the others.
    plane.stop().await;
    plane.start_again().await;
    assert!(!invitation.exists());
}

/// A parameter of an address.
fn parameter(address: &str, name: &str) -> String {
    let (_, query) = address.split_once('?').unwrap();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {address}"))
        .1
        .to_owned()
}
