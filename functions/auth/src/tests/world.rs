//! A function with its providers, and callers of it.

use super::stub::{Stub, access_token};
use crate::SignIn;
use auth::Api;
use axum::Router;
use axum::body::Body;
use embedded_dynamodb::{Engine, Fault};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{Store, TABLES, Tables};
use tower::ServiceExt;
use web::{ClientAddress, Clock};
use wire::Timestamp;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(super) const ORIGIN: &str = "https://ci.example.com";

pub(super) struct World {
    pub(super) api: Api,
    pub(super) stub: Stub,
    pub(super) app: Router,
    engine: Engine,
}

/// The function, started anew.
fn process(api: Api, stub: &Stub) -> Router {
    let sign_in = SignIn::read(&stub.network, &Stub::variable).unwrap();
    web::app(crate::routes(api, sign_in).into_parts().0)
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) json: Value,
}

impl Answer {
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.json);
        self.json
    }

    pub(super) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// What the answer sets the cookie to, with its attributes.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        let all = self.headers.get_all("set-cookie").iter();
        let mut all = all.map(|value| value.to_str().unwrap());
        all.find_map(|cookie| cookie.strip_prefix(&format!("{name}=")))
            .map(ToOwned::to_owned)
    }

    /// The value of a cookie that the answer sets.
    pub(super) fn cookie_value(&self, name: &str) -> String {
        let whole = self
            .cookie(name)
            .unwrap_or_else(|| panic!("no cookie {name}"));
        whole.split(';').next().unwrap().to_owned()
    }

    pub(super) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    /// A parameter of the address that the answer leads to.
    pub(super) fn parameter(&self, name: &str) -> String {
        let (_, query) = self.location().split_once('?').unwrap();
        let all: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
        let found = all.into_iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name} in {query}")).1
    }
}

/// A request that is being made.
pub(super) struct Call<'a> {
    world: &'a World,
    request: http::request::Builder,
    body: Body,
}

impl Call<'_> {
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// From that address.
    pub(super) fn from(mut self, address: &str) -> Self {
        let address = ClientAddress::new(address.parse().unwrap());
        self.request = self.request.extension(address);
        self
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(super) fn cookie(self, name: &str, value: &str) -> Self {
        self.header("cookie", &format!("{name}={value}"))
    }

    pub(super) fn json(mut self, body: &Value) -> Self {
        self.body = Body::from(body.to_string());
        self.header("content-type", "application/json")
    }

    pub(super) async fn send(self) -> Answer {
        let request = self.request.body(self.body).unwrap();
        let response = self.world.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(
            engine.client(),
            Tables::default(),
            telemetry::Meter::default(),
        );
        store.create_tables().await.unwrap();
        let api = Api::testing(store, Clock::manual(NOW));
        let stub = Stub::start(&api.clock).await;
        Self {
            app: process(api.clone(), &stub),
            api,
            stub,
            engine,
        }
    }

    /// Another process of the function, which knows nothing of what this one has seen.
    pub(super) fn another_process(&self) -> Router {
        process(self.api.clone(), &self.stub)
    }

    /// The same function, on a store with faults.
    pub(super) fn with_faults(
        &mut self,
        fault: impl Fn(&embedded_dynamodb::Call<'_>) -> Fault + Send + Sync + 'static,
    ) {
        let client = self.engine.client_with(fault);
        let store = Store::new(client, Tables::default(), telemetry::Meter::default());
        let api = Api {
            store,
            ..self.api.clone()
        };
        self.app = process(api, &self.stub);
    }

    /// The same function with another configuration.
    pub(super) fn configure(&mut self, lookup: &dyn Fn(&str) -> Option<String>) {
        let sign_in = SignIn::read(&self.stub.network, lookup).unwrap();
        let routes = crate::routes(self.api.clone(), sign_in);
        self.app = web::app(routes.into_parts().0);
    }

    pub(super) fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call {
            world: self,
            request: Request::builder()
                .method(method)
                .uri(path)
                .header("user-agent", "test/1"),
            body: Body::empty(),
        }
    }

    pub(super) fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub(super) fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub(super) fn put(&self, path: &str) -> Call<'_> {
        self.call(Method::PUT, path)
    }

    pub(super) fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    /// Signs in with a tool.
    pub(super) async fn sign_in(&self, token: &str) -> Session {
        let provider = token.split('-').next().unwrap();
        let body = json!({ "provider": provider, "access_token": access_token(token) });
        let created = self
            .post("/auth/session")
            .json(&body)
            .send()
            .await
            .expect(201);
        Session {
            token: text(&created["session_token"]),
            user_id: text(&created["user"]["user_id"]),
            organisation: text(&created["organisation"]["organisation_id"]),
        }
    }

    /// Signs in, and joins another's organisation in a role. The session is in that organisation.
    pub(super) async fn join(&self, host: &Session, role: &str, token: &str) -> Session {
        let guest = self.sign_in(token).await;
        let invited = self
            .post("/auth/invitations")
            .bearer(&host.token)
            .json(&json!({ "role": role }))
            .send()
            .await
            .expect(201);
        self.post("/auth/invitations/accept")
            .bearer(&guest.token)
            .json(&json!({ "token": invited["invitation_token"] }))
            .send()
            .await
            .expect(201);
        self.switch(&guest, &host.organisation).await
    }

    pub(super) async fn switch(&self, session: &Session, organisation: &str) -> Session {
        let path = format!("/auth/organisations/{organisation}/switch");
        let switched = self
            .post(&path)
            .bearer(&session.token)
            .send()
            .await
            .expect(201);
        Session {
            token: text(&switched["session_token"]),
            user_id: session.user_id.clone(),
            organisation: organisation.to_owned(),
        }
    }

    /// Whether the credential is good, and what it may do.
    pub(super) async fn validate(&self, token: &str) -> Answer {
        self.post("/auth/validate").bearer(token).send().await
    }

    /// How many items there are in each table.
    pub(super) async fn items(&self) -> Vec<i32> {
        let client = self.engine.client();
        let mut counts = Vec::new();
        for table in TABLES {
            let scanned = client.scan().table_name(table.default_name).send().await;
            counts.push(scanned.unwrap().count());
        }
        counts
    }

    /// Everything that is stored, as text.
    pub(super) async fn everything(&self) -> String {
        let client = self.engine.client();
        let mut all = String::new();
        for table in TABLES {
            let scanned = client.scan().table_name(table.default_name).send().await;
            all.extend([format!("{:?}", scanned.unwrap().items())]);
        }
        all
    }
}

/// Somebody who has signed in with a tool.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) token: String,
    pub(super) user_id: String,
    pub(super) organisation: String,
}

pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}
