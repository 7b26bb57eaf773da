//! Agents, what they register with, and their pools.

use super::caller::{Caller, text};
use super::tenant::{Agent, Tenant, register, registration};
use crate::deployment::functions::{Functions, ISSUER};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wire::SignedParts;

/// Agents that register in every way there is, work, and go or are sent away.
pub(super) async fn lives(functions: &Functions, tenant: &Tenant, name: &str) {
    for (path, agent) in [
        by_key(tenant).await,
        by_enrolment(tenant).await,
        by_workload(functions, tenant, name).await,
        by_signature(functions, tenant).await,
    ] {
        // It holds a job, which is taken away from it with what it has registered with.
        tenant.job(&[]).await;
        agent.beat().await;
        agent.start().await;
        functions.api.clock.advance_seconds(25);
        agent.beat().await;
        tenant.admin.delete(&path).await;
        tenant.admin.delete(&path).await;
    }
    one_that_works(functions, tenant).await;
    for kind in ["keys", "enrolment-tokens", "trust-rules", "signing-keys"] {
        tenant.admin.pages(&format!("/api/agents/{kind}")).await;
    }
}

/// An agent that stays for long, and leaves while it holds a job.
async fn one_that_works(functions: &Functions, tenant: &Tenant) {
    let (admin, agent) = (&tenant.admin, tenant.agent().await);
    let path = format!("/api/agents/{}", agent.id);
    for status in ["DRAINING", "PAUSED", "HEALTHY"] {
        let body = json!({ "status": status });
        admin
            .expect(200, &format!("PATCH {path}/status"), body)
            .await;
        agent.beat().await;
    }
    // Its session is renewed.
    for _ in 0..6 {
        functions.api.clock.advance_seconds(20 * 60);
        agent.beat().await;
    }
    for list in [
        "/api/agents",
        "/api/agents?pool_name=default",
        "/api/agents?status=OFFLINE",
        "/api/agents?status=TERMINATED",
        "/api/agents/healthy",
        "/api/agents/healthy?pool_name=default",
        "/api/agents/pools",
    ] {
        admin.pages(list).await;
    }
    for caller in [admin, &agent.itself] {
        caller.get(&path).await;
        caller.get(&format!("{path}/config")).await;
        caller.pages(&format!("{path}/jobs")).await;
    }
    tenant.job(&[]).await;
    agent.start().await;
    let leave = format!("{path}/deregister");
    agent.itself.post(200, &leave, Value::Null).await;
    let another = tenant.agent().await;
    let leave = format!("/api/agents/{}/deregister", another.id);
    for _ in 0..2 {
        admin.post(200, &leave, Value::Null).await;
    }
}

/// Pools, made by hand and gone again.
pub(super) async fn pools(tenant: &Tenant) {
    let (admin, path) = (&tenant.admin, "/api/agents/pools/metal");
    let new = json!({ "pool_name": "metal", "max_agents": 4 });
    for status in [201, 200] {
        admin.post(status, "/api/agents/pools", new.clone()).await;
    }
    let fewer = json!({ "max_agents": 3 });
    admin.expect(200, &format!("PATCH {path}"), fewer).await;
    let two = json!({ "desired_agents": 2 });
    admin.post(200, &format!("{path}/scale"), two).await;
    admin.get(path).await;
    admin.get(&format!("{path}/scaling")).await;
    admin.post(200, &format!("{path}/drain"), Value::Null).await;
    admin.delete(path).await;
}

/// What was registered with, as a path, and the agent. The key was rotated twice, the second time with an end at once for
/// the one before and its agent.
async fn by_key(tenant: &Tenant) -> (String, Agent) {
    let path = "/api/agents/keys";
    let mut made = tenant.admin.post(201, path, named()).await;
    for overlap_seconds in [3600, 0] {
        tenant.job(&[]).await;
        let agent = register(&bearer(tenant, &made.text("/agent_key"))).await;
        agent.start().await;
        let rotate = format!("{path}/{}/rotate", made.text("/key/key_id"));
        let overlap = json!({ "overlap_seconds": overlap_seconds });
        made = tenant.admin.post(201, &rotate, overlap).await;
    }
    let agent = register(&bearer(tenant, &made.text("/agent_key"))).await;
    (format!("{path}/{}", made.text("/key/key_id")), agent)
}

/// Somebody with a token of another kind.
fn bearer(tenant: &Tenant, token: &str) -> Caller {
    let nobody = tenant.admin.without_headers();
    nobody.with("authorization", &format!("Bearer {token}"))
}

async fn by_enrolment(tenant: &Tenant) -> (String, Agent) {
    let path = "/api/agents/enrolment-tokens";
    let made = tenant.admin.post(201, path, named()).await;
    let bearer = bearer(tenant, &made.text("/enrolment_token"));
    let agent = register(&bearer).await;
    bearer
        .post(401, "/api/agents/register", registration())
        .await;
    (format!("{path}/{}", made.text("/enrolment/key_id")), agent)
}

async fn by_workload(functions: &Functions, tenant: &Tenant, name: &str) -> (String, Agent) {
    let path = "/api/agents/trust-rules";
    let mut rule = named();
    rule["issuer"] = json!(ISSUER);
    rule["claims"] = json!({ "sub": "build" });
    let made = tenant.admin.post(201, path, rule).await;
    let now = seconds(functions);
    let claims = json!({
        "iss": ISSUER, "aud": format!("https://ci.example.com/agents/{name}"), "sub": "build",
        "iat": now, "exp": now + 300, "jti": name
    });
    let bearer = bearer(tenant, &functions.issuer_key.token(&claims));
    let agent = register(&bearer).await;
    bearer
        .post(401, "/api/agents/register", registration())
        .await;
    (format!("{path}/{}", made.text("/trust_rule/key_id")), agent)
}

async fn by_signature(functions: &Functions, tenant: &Tenant) -> (String, Agent) {
    let path = "/api/agents/signing-keys";
    let mut new = named();
    new["algorithm"] = json!("HMAC_SHA256");
    let made = tenant.admin.post(201, path, new).await;
    let key_id = made.text("/signing_key/key_id");
    let secret = text(&made.json, "/secret_key");
    let secret = BASE64.decode(secret.as_bytes()).unwrap();
    let signed = signed(
        functions,
        &tenant.admin.without_headers(),
        (&key_id, &secret),
    );
    let agent = register(&signed).await;
    signed
        .post(401, "/api/agents/register", registration())
        .await;
    (format!("{path}/{key_id}"), agent)
}

/// Somebody who signs the registration with an HMAC key.
fn signed(functions: &Functions, caller: &Caller, (key_id, secret): (&str, &[u8])) -> Caller {
    let (timestamp, nonce) = (seconds(functions).to_string(), "0123456789abcdef");
    let host = "ci.example.com";
    let parts = SignedParts {
        timestamp: &timestamp,
        nonce,
        method: "POST",
        host,
        path: "/api/agents/register",
        query: "",
        body_sha256: &HEXLOWER.encode(&Sha256::digest(registration().to_string())),
    };
    let hmac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    let signature = hmac.chain_update(parts.string_to_sign()).finalize();
    let signature = BASE64.encode(&signature.into_bytes());
    let headers = [
        ("host", host),
        ("x-hcp-key-id", key_id),
        ("x-hcp-timestamp", &timestamp),
        ("x-hcp-nonce", nonce),
        ("x-hcp-signature", &signature),
    ];
    let with = |caller: Caller, (name, value): (&str, &str)| caller.with(name, value);
    headers.into_iter().fold(caller.clone(), with)
}

fn named() -> Value {
    json!({ "name": "one", "pool_name": "default" })
}

fn seconds(functions: &Functions) -> i64 {
    functions.api.now().as_millis() / 1000
}
