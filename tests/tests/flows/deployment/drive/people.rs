//! People: signed in with a provider, in organisations, with tokens and invitations.

use super::caller::{Answer, Caller};
use crate::deployment::functions::Functions;
use crate::harness::{Browser, access_token};
use auth::cookie::{LOGIN, SESSION};
use axum::Router;
use hybrid_local::CLIENT_ID;
use serde_json::{Value, json};

/// The origin of our own pages.
const ORIGIN: &str = "https://ci.example.com";

/// Somebody who has signed in with a browser.
pub(super) struct Person {
    session: String,
    pub(super) itself: Caller,
    pub(super) user_id: String,
    organisation: String,
}

/// The value of a cookie that an answer sets.
fn cookie(answer: &Answer, name: &str) -> String {
    let all = answer.headers.get_all("set-cookie").iter();
    let mut all = all.map(|value| value.to_str().unwrap());
    let found = all.find_map(|cookie| cookie.strip_prefix(&format!("{name}=")));
    let found = found.unwrap_or_else(|| panic!("no cookie {name}"));
    found.split(';').next().unwrap().to_owned()
}

fn location(answer: &Answer) -> &str {
    answer.headers["location"].to_str().unwrap()
}

impl Person {
    /// Signs in, with the session that the browser has already, if it has one.
    pub(super) async fn sign_in(
        functions: &Functions,
        app: &Router,
        (provider, name): (&str, &str),
        before: Option<&Self>,
    ) -> Self {
        let nobody = Caller::nobody(app);
        let begun = nobody
            .expect(302, &format!("GET /auth/login/{provider}"), Value::Null)
            .await;
        let browser = Browser::new(ORIGIN);
        let callback = browser.pick(location(&begun), name).await;
        let callback = callback
            .strip_prefix(functions.api.origin.as_str())
            .unwrap();
        let mut cookies = format!("{LOGIN}={}", cookie(&begun, LOGIN));
        if let Some(before) = before {
            cookies = format!("{cookies}; {SESSION}={}", before.session);
        }
        let back = nobody
            .with("cookie", &cookies)
            .expect(303, &format!("GET {callback}"), Value::Null)
            .await;
        let session = cookie(&back, SESSION);
        let itself = nobody
            .with("cookie", &format!("{SESSION}={session}"))
            .with("origin", ORIGIN)
            .with("x-hcp-csrf", "1");
        let who = itself.post(200, "/auth/validate", Value::Null).await;
        Self {
            session,
            itself,
            user_id: who.text("/user_id"),
            organisation: who.text("/organisation_id"),
        }
    }
}

/// Everything that people do among themselves.
pub(super) async fn lives(functions: &Functions, app: &Router) {
    let ada = Person::sign_in(functions, app, ("github", "ada"), None).await;
    let again = Person::sign_in(functions, app, ("github", "ada"), Some(&ada)).await;
    let ada = Person::sign_in(functions, app, ("google", "ada"), None).await;
    let grace = Person::sign_in(functions, app, ("google", "grace"), None).await;
    for provider in ["github", "google"] {
        with_tool(functions, app, provider).await;
    }
    again.itself.get("/auth/sessions").await;
    tokens(&ada.itself).await;
    let grace = members(&ada, grace).await;
    sessions(functions, app, &grace).await;
    for list in [
        "/auth/members",
        "/auth/invitations",
        "/auth/tokens",
        "/auth/sessions",
    ] {
        ada.itself.pages(list).await;
    }
    ada.itself.post(204, "/auth/logout", Value::Null).await;
    again.itself.delete("/auth/sessions").await;
}

/// Alan signs in with a tool that has an access token of our application.
async fn with_tool(functions: &Functions, app: &Router, provider: &str) {
    let secret = functions.provider.client_secret();
    let origin = functions.api.origin.as_str();
    let application = (provider, CLIENT_ID, secret.as_str());
    let token = access_token(&functions.provider, origin, application).await;
    let shown = json!({ "provider": provider, "access_token": token });
    Caller::nobody(app).post(201, "/auth/session", shown).await;
}

async fn tokens(person: &Caller) {
    let new = json!({ "name": "ci", "scopes": ["jobs:read"] });
    let path = "/auth/tokens";
    let made = person.post(201, path, new).await;
    let old = format!("{path}/{}", made.text("/token/key_id"));
    let rotated = person.post(201, &format!("{old}/rotate"), json!({})).await;
    let token = person.without_headers();
    let token = token.with(
        "authorization",
        &format!("Bearer {}", rotated.text("/api_token")),
    );
    token.post(200, "/auth/validate", Value::Null).await;
    person.pages(path).await;
    let made = format!("{path}/{}", rotated.text("/token/key_id"));
    for _ in 0..2 {
        person.delete(&made).await;
    }
}

/// Somebody is invited, made something else, sent away, invited again, and leaves.
async fn members(owner: &Person, guest: Person) -> Person {
    let (path, viewer) = ("/auth/invitations", json!({ "role": "VIEWER" }));
    let revoked = owner.itself.post(201, path, viewer.clone()).await;
    let id = revoked.text("/invitation/invitation_id");
    owner.itself.delete(&format!("{path}/{id}")).await;
    owner.itself.pages(path).await;
    let member = format!("/auth/members/{}", guest.user_id);
    let join = async || {
        let invited = owner.itself.post(201, path, viewer.clone()).await;
        let accept = json!({ "token": invited.text("/invitation_token") });
        let accepted = format!("{path}/accept");
        guest.itself.post(201, &accepted, accept).await;
    };
    join().await;
    guest.itself.get("/auth/organisations").await;
    for role in ["ADMIN", "OWNER", "VIEWER"] {
        let role = json!({ "role": role });
        owner
            .itself
            .expect(200, &format!("PUT {member}"), role)
            .await;
    }
    owner.itself.pages("/auth/members").await;
    owner.itself.delete(&member).await;
    join().await;
    let there = format!("/auth/organisations/{}", owner.organisation);
    let switched = guest
        .itself
        .post(201, &format!("{there}/switch"), Value::Null)
        .await;
    let session = cookie(&switched, SESSION);
    let itself = guest.itself.without_headers();
    let itself = itself
        .with("cookie", &format!("{SESSION}={session}"))
        .with("origin", ORIGIN)
        .with("x-hcp-csrf", "1");
    itself
        .post(204, &format!("{there}/leave"), Value::Null)
        .await;
    Person {
        session,
        itself,
        ..guest
    }
}

/// Somebody ends sessions of theirs: one, all others, and all.
async fn sessions(functions: &Functions, app: &Router, person: &Person) {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(Person::sign_in(functions, app, ("google", "grace"), None).await);
    }
    assert!(all.iter().all(|other| other.user_id == person.user_id));
    let [first, second, third] = all.as_slice() else {
        unreachable!("there are three");
    };
    let listed = first.itself.get("/auth/sessions").await;
    let listed = listed.json["sessions"].as_array().unwrap();
    let other = listed.iter().find(|one| one["current"] == json!(false));
    let id = other.unwrap()["session_id"].as_str().unwrap();
    first.itself.delete(&format!("/auth/sessions/{id}")).await;
    let rest = "/auth/sessions?keep_current=true";
    first.itself.delete(rest).await;
    for gone in [second, third] {
        gone.itself.post(401, "/auth/validate", Value::Null).await;
    }
    first.itself.delete("/auth/sessions").await;
}
