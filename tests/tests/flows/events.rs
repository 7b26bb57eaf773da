//! Every sample event is one that the functions understand, and that AWS would send: it reaches the handler that it is
//! meant for.

use crate::plane;
use auth::{Api, Scope, Token};
use data_encoding::BASE64;
use lambda_http::request::LambdaRequest;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use store::{CredentialKind, NewAgentKey, NewApiToken};
use tower::ServiceExt;
use wire::TenantId;

/// The sample events by name.
fn samples() -> BTreeMap<String, Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let all: BTreeMap<_, _> = paths
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let event = serde_json::from_slice(&std::fs::read(&path).unwrap());
            (name, event.unwrap())
        })
        .collect();
    assert!(all.len() >= 18, "{all:?}");
    all
}

/// A token for everything, and the key of a pool's agents.
async fn credentials(api: &Api) -> [String; 2] {
    let tenant = TenantId::parse("acme").unwrap();
    let scope = api.store.create_tenant(&tenant, api.now()).await.unwrap();
    let tenant = api.store.tenant(&scope);
    let issue = |kind| Token::issue(api.environment, kind, &api.entropy);
    let (token, key) = (
        issue(CredentialKind::ApiToken),
        issue(CredentialKind::AgentKey),
    );
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "events".to_owned(),
        scopes: vec![Scope::Admin.to_string()],
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    tenant.create_api_token(&new, api.now()).await.unwrap();
    let new = NewAgentKey {
        key_id: key.presented.key_id.clone(),
        secret_sha256: key.presented.secret_sha256,
        name: "events".to_owned(),
        pool: wire::PoolName::default_pool(),
        created_by: "test".to_owned(),
        expires_at: None,
    };
    tenant.create_agent_key(&new, api.now()).await.unwrap();
    [token.bearer(), key.bearer()]
}

#[tokio::test]
async fn every_sample_event_is_understood() {
    let api = plane::api().await;
    let app = web::app(plane::routes(&api).into_parts().0);
    let [token, key] = credentials(&api).await;
    for (name, event) in samples() {
        if event.get("requestContext").is_none() {
            let is_read = if name.starts_with("orchestrator-") {
                serde_json::from_value::<orchestrator::Event>(event).is_ok()
            } else {
                serde_json::from_value::<maintenance::Event>(event).is_ok()
            };
            assert!(is_read, "{name}");
            continue;
        }
        let event: LambdaRequest = serde_json::from_value(event).unwrap();
        let mut request = lambda_http::Request::from(event);
        if let Some(bearer) = request.headers_mut().get_mut("authorization") {
            let registers = name == "agents-register";
            *bearer = if registers { &key } else { &token }.parse().unwrap();
        }
        let response = app
            .clone()
            .oneshot(request.map(axum::body::Body::new))
            .await
            .unwrap();
        let expected: &[u16] = match name.as_str() {
            // These are an agent's, and a token is none: past authentication, before anything else.
            "queue-claim" | "agents-heartbeat" => &[403],
            "queue-list-repeated" => &[400],
            // Nobody's session.
            "auth-sessions-cookie" | "auth-logout-cookie" => &[401],
            // This plane has no provider to sign in with: the handlers say so, and not the router.
            "auth-login" | "auth-callback" => &[404],
            _ => &[200, 201],
        };
        assert!(expected.contains(&response.status().as_u16()), "{name}");
        let code = response.extensions().get::<web::ProblemCode>();
        assert_ne!(code, Some(&web::ProblemCode::UnknownRoute), "{name}");
    }
}

/// What API Gateway makes of a path: the values of the route's names, if the path is one of the route's.
fn path_parameters(route: &str, path: &str) -> Option<Map<String, Value>> {
    let (_, pattern) = route.split_once(' ')?;
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    if pattern.clone().count() != path.clone().count() {
        return None;
    }
    let mut found = Map::new();
    for (part, value) in pattern.zip(path) {
        match part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        {
            Some(name) => drop(found.insert(name.to_owned(), json!(value))),
            None if part == value => {}
            None => return None,
        }
    }
    Some(found)
}

/// What API Gateway makes of a query: the values of a name that is there several times have commas between.
fn query_parameters(query: &str) -> Map<String, Value> {
    let url = format!("https://ci.example.com/?{query}");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in reqwest::Url::parse(&url).unwrap().query_pairs() {
        found.entry(name.into()).or_default().push(value.into());
    }
    let joined = found.into_iter();
    joined
        .map(|(name, values)| (name, json!(values.join(","))))
        .collect()
}

#[test]
fn every_sample_request_is_as_the_gateway_sends_it() {
    let document =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json"));
    let document: Value = serde_json::from_slice(&document.unwrap()).unwrap();
    for (name, event) in samples() {
        let context = &event["requestContext"];
        if context.is_null() {
            continue;
        }
        let (route, path) = (&event["routeKey"], &event["rawPath"]);
        assert_eq!(
            (&event["version"], route),
            (&json!("2.0"), &context["routeKey"]),
            "{name}"
        );
        let (route, path) = (route.as_str().unwrap(), path.as_str().unwrap());
        let (method, pattern) = route.split_once(' ').unwrap();
        let operation = &document["paths"][pattern][method.to_lowercase()];
        assert!(operation.is_object(), "{name}: there is no {route}");
        let http = &context["http"];
        assert_eq!(
            (&http["method"], &http["path"]),
            (&json!(method), &json!(path)),
            "{name}"
        );

        let named = path_parameters(route, path).unwrap_or_else(|| panic!("{name}: {path}"));
        let none = Map::new();
        let object = |field: &str| event[field].as_object().unwrap_or(&none).clone();
        assert_eq!(object("pathParameters"), named, "{name}");
        let query = query_parameters(event["rawQueryString"].as_str().unwrap());
        assert_eq!(object("queryStringParameters"), query, "{name}");

        let headers = object("headers");
        let lower = headers.keys().all(|name| *name == name.to_lowercase());
        assert!(
            lower && !headers.contains_key("cookie"),
            "{name}: {headers:?}"
        );
        let body = event["body"].as_str().unwrap_or_default();
        let length = if event["isBase64Encoded"] == true {
            BASE64.decode(body.as_bytes()).unwrap().len()
        } else {
            body.len()
        };
        assert_eq!(headers["content-length"], length.to_string(), "{name}");
    }
}
