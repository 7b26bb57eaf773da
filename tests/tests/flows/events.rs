//! Every sample event is one that the functions understand: it reaches the handler that it is meant for.

use crate::plane;
use auth::{Api, Scope, Token};
use lambda_http::request::LambdaRequest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use store::{CredentialKind, NewAgentKey, NewApiToken};
use tower::ServiceExt;
use wire::TenantId;

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
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut answers = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if event.get("requestContext").is_none() {
            let parsed: Result<maintenance::Event, _> = serde_json::from_value(event);
            assert!(parsed.is_ok(), "{name}");
            continue;
        }
        let event: LambdaRequest = serde_json::from_value(event).unwrap();
        let mut request = lambda_http::Request::from(event);
        let bearer = if name == "agents-register" {
            &key
        } else {
            &token
        };
        let bearer = bearer.parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let response = app
            .clone()
            .oneshot(request.map(axum::body::Body::new))
            .await;
        answers.insert(name, response.unwrap().status().as_u16());
    }
    for (name, status) in &answers {
        let expected: &[u16] = match name.as_str() {
            // These are an agent's, and a token is none: past authentication, before anything else.
            "queue-claim" | "agents-heartbeat" => &[403],
            _ => &[200, 201],
        };
        assert!(expected.contains(status), "{name}: {status}");
    }
    assert!(answers.len() >= 8, "{answers:?}");
}
