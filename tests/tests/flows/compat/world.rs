//! A control plane in this process, with nothing in it or with what another one has left.

use super::call::{Answer, Call, Known, MAINTAIN};
use super::items::{Items, export, import};
use super::providers::Providers;
use auth::{Api, Identities, KeyEncryption};
use axum::Router;
use axum::body::Body;
use embedded_dynamodb::Engine;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use maintenance::Maintenance;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Store, Tables};
use telemetry::Meter;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;
use web::{Clock, Entropy};
use wire::Timestamp;
use wire::audit::Record;

/// What the keys of HMAC signatures are encrypted with.
const DATA_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

pub(super) struct World {
    engine: Engine,
    api: Api,
    app: Router,
    maintenance: Maintenance,
    /// How many requests there were: their ids are numbers.
    requests: u32,
    pub(super) known: Known,
    /// What was asked, as method and path.
    pub(super) performed: BTreeSet<(String, String)>,
    document: OpenApi,
    _providers: Providers,
}

impl World {
    /// A control plane at a time, with other random numbers for each seed.
    pub(super) async fn start(now: Timestamp, seed: u64, keys: &str) -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let api = Api {
            entropy: Entropy::seeded(seed),
            name: "hybrid-ci",
            ..Api::testing(store, Clock::manual(now))
        };
        let providers = Providers::start(keys).await;
        let encryption = KeyEncryption::parse(DATA_KEY).unwrap();
        let identities = Identities::new(providers.network.clone(), encryption);
        let routes = queue::routes(api.clone())
            .merge(agents::routes(api.clone(), identities))
            .merge(auth_function::routes(api.clone(), providers.sign_in()))
            .merge(dashboard::routes(api.clone()));
        let (served, document) = routes.into_parts();
        let (clock, entropy) = (api.clock.clone(), api.entropy.clone());
        let now = Arc::new(move || clock.now());
        let random = Arc::new(move || entropy.bytes());
        Self {
            engine,
            app: web::app(served),
            maintenance: Maintenance::new(api.store.clone(), now, random),
            api,
            requests: 0,
            known: Known::new(),
            performed: BTreeSet::new(),
            document,
            _providers: providers,
        }
    }

    /// The same, with these items in its tables.
    pub(super) async fn with(items: &Items, now: Timestamp, seed: u64, keys: &str) -> Self {
        let world = Self::start(now, seed, keys).await;
        import(&world.engine.client(), items).await;
        world
    }

    pub(super) fn now(&self) -> Timestamp {
        self.api.now()
    }

    pub(super) async fn items(&self) -> Items {
        export(&self.engine.client()).await
    }

    /// What is known by that name.
    pub(super) fn text(&self, name: &str) -> &str {
        let known = self.known.get(name);
        known.unwrap_or_else(|| panic!("nothing is known as {name}"))
    }

    /// Makes a request, or a pass of maintenance, and remembers of the answer what the request says.
    pub(super) async fn perform(&mut self, call: &Call) -> Answer {
        self.api.clock.advance_seconds(call.after_seconds);
        if call.method == MAINTAIN {
            return self.maintain().await;
        }
        let call = call.with(&self.known);
        self.requests += 1;
        let (path, _) = call.path.split_once('?').unwrap_or((&call.path, ""));
        self.performed
            .insert((call.method.clone(), path.to_owned()));
        let mut request = Request::builder()
            .method(call.method.as_str())
            .uri(&call.path)
            .header("x-request-id", format!("request-{}", self.requests));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let body = call.body.clone().map_or_else(Body::empty, Body::from);
        let request = request.body(body).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = read(&parts.headers, std::str::from_utf8(&bytes).unwrap());
        let cookies = cookies(&parts.headers);
        for (name, place) in &call.save {
            let found = match place.split_once(':') {
                Some(("cookie", cookie)) => cookies[cookie].clone(),
                Some(("location", parameter)) => parameter_of(&parts.headers, parameter),
                _ => text_at(&body, place),
            };
            self.known.insert(name.clone(), found);
        }
        Answer {
            status: parts.status.as_u16(),
            cookies: cookies.into_keys().collect(),
            body,
        }
    }

    /// A request of a story: it succeeds.
    pub(super) async fn succeed(&mut self, call: Call) -> Value {
        let answer = self.perform(&call).await;
        let is_good = (200..400).contains(&answer.status);
        assert!(is_good, "{call:?}: {answer:?}");
        answer.body
    }

    /// The whole record of who did what in Ada's organisation.
    pub(super) async fn records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        loop {
            let next = records.len() + 1;
            let path = format!("/api/dashboard/audit/export?from_sequence={next}&limit=100");
            let page = self.succeed(Call::new("GET", &path).by("ada")).await;
            let page: Vec<Record> = serde_json::from_value(page).unwrap();
            if page.is_empty() {
                return records;
            }
            records.extend(page);
        }
    }

    /// The routes that nobody has asked for anything, but for what is the same whatever the tables hold.
    pub(super) fn untold(&self) -> Vec<String> {
        const SAME: [&str; 3] = ["/api/docs", "/api/openapi.json", "/info"];
        let document = serde_json::to_value(&self.document).unwrap();
        let paths = document["paths"].as_object().unwrap().iter();
        let told = paths.filter(|(path, _)| !SAME.contains(&path.as_str()));
        let operations = told.flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.as_str()))
        });
        let untold = operations.filter(|(method, template)| {
            let mut performed = self.performed.iter();
            !performed.any(|(done, path)| done == method && is_of(template, path))
        });
        untold
            .map(|(method, path)| format!("{method} {path}"))
            .collect()
    }

    async fn maintain(&self) -> Answer {
        let summary = self.maintenance.run_once().await;
        Answer {
            status: 200,
            cookies: BTreeSet::new(),
            body: json!({ "sweep_errors": summary.sweeps.errors, "roll_up_errors": summary.roll_ups.errors }),
        }
    }
}

/// Whether it is a path of the route with that template.
fn is_of(template: &str, path: &str) -> bool {
    let (mut parts, mut names) = (path.split('/'), template.split('/'));
    loop {
        match (names.next(), parts.next()) {
            (None, None) => return true,
            (Some(name), Some(part)) if name.starts_with('{') || name == part => {}
            _ => return false,
        }
    }
}

fn read(headers: &HeaderMap, text: &str) -> Value {
    let kind = headers.get("content-type");
    let kind = kind.map_or("", |kind| kind.to_str().unwrap());
    if kind.contains("ndjson") {
        let lines = text.lines();
        return lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .collect();
    }
    serde_json::from_str(text).unwrap_or_default()
}

fn cookies(headers: &HeaderMap) -> BTreeMap<String, String> {
    let cookies = headers.get_all("set-cookie").iter();
    cookies
        .map(|cookie| {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let (value, _) = rest.split_once(';').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// A parameter of the address that an answer leads to.
fn parameter_of(headers: &HeaderMap, name: &str) -> String {
    let location = headers["location"].to_str().unwrap();
    let (_, query) = location.split_once('?').unwrap();
    let mut fields = query.split('&').filter_map(|field| field.split_once('='));
    let found = fields.find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {location}"))
        .1
        .to_owned()
}

fn text_at(body: &Value, pointer: &str) -> String {
    match body.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        other => panic!("{pointer} is {other:?} in {body}"),
    }
}
