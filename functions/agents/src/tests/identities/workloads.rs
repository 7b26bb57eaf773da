//! Tokens of workloads, under trust rules.

mod again;

use super::*;
use store::Revocation;

/// The claims of a good token of a build.
fn claims() -> Value {
    let now = now_seconds();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "build", "ref": "refs/tags/v1",
        "iat": now, "exp": now + 300, "jti": "1"
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

fn rule(name: &str, pool: &str, claims: &Value) -> Value {
    json!({ "name": name, "pool_name": pool, "issuer": ISSUER, "claims": claims })
}

async fn trust(world: &World, rule: Value) -> Value {
    let made = world.create("/api/agents/trust-rules", rule).await;
    made["trust_rule"].clone()
}

fn tags() -> Value {
    rule(
        "tags",
        "linux",
        &json!({ "sub": "build", "ref": { "prefix": "refs/tags/" } }),
    )
}

#[tokio::test]
async fn a_workloads_token_registers_an_agent_once_until_its_rule_is_deleted() {
    let key = SigningKey::es384("k");
    let (world, issuer) = world_with_issuer(ISSUER, &key).await;
    let rule = trust(&world, tags()).await;
    assert_eq!(rule["audience"], AUDIENCE);
    let agent = world.register_by(&key.token(&claims())).await;
    let bearer = agent.bearer();
    assert_eq!(world.beat(agent.agent(), &bearer, 1.0).await.0, 200);
    let refusal = world.refusal().await;
    let before = world.dump().await;
    let same = key.token(&with(&[("jti", json!("2"))]));
    let other = world.register_by(&same).await;
    assert_eq!(other.status, 201, "another token of the same workload");
    assert_ne!(world.dump().await, before);
    let before = world.dump().await;
    let replayed = world.register_by(&same).await;
    assert_eq!(replayed, refusal);
    assert_eq!(world.dump().await, before);
    let requests = issuer.requests();

    let path = format!(
        "/api/agents/trust-rules/{}",
        rule["key_id"].as_str().unwrap()
    );
    assert_eq!(world.delete(&path).await, 204);
    for agent in [agent.agent(), other.agent()] {
        assert_eq!(world.status(agent).await, "TERMINATED");
    }
    assert_eq!(world.beat(agent.agent(), &bearer, 1.0).await.0, 401);
    let third = key.token(&with(&[("jti", json!("3"))]));
    assert_eq!(world.register_by(&third).await, refusal);
    assert_eq!(issuer.requests(), requests, "nobody is asked for no rule");
}

/// The claims of a token that names an address.
fn mailing(verified: Value) -> Value {
    with(&[
        ("sub", json!("mail")),
        ("email", json!("a@b.example")),
        ("email_verified", verified),
    ])
}

/// Claims that are each wrong in one way.
fn strange() -> Vec<(&'static str, Value)> {
    let now = now_seconds();
    let aud = |text: &str| with(&[("aud", json!(text))]);
    let mut without_ref = claims();
    without_ref.as_object_mut().unwrap().remove("ref");
    vec![
        (
            "another tenant's audience",
            aud("https://ci.example.com/agents/globex"),
        ),
        (
            "an unknown tenant's audience",
            aud("https://ci.example.com/agents/nobody"),
        ),
        (
            "another plane's audience",
            aud("https://ci.example.org/agents/acme"),
        ),
        (
            "a longer audience",
            aud("https://ci.example.com/agents/acme/"),
        ),
        (
            "for others as well",
            with(&[("aud", json!([AUDIENCE, "x"]))]),
        ),
        (
            "for two tenants",
            with(&[(
                "aud",
                json!([AUDIENCE, "https://ci.example.com/agents/globex"]),
            )]),
        ),
        ("for nobody", with(&[("aud", json!([]))])),
        ("another subject", with(&[("sub", json!("builds"))])),
        ("a subject in capitals", with(&[("sub", json!("BUILD"))])),
        (
            "a prefix further on",
            with(&[("ref", json!("x/refs/tags/v1"))]),
        ),
        ("a part of a prefix", with(&[("ref", json!("refs/tag"))])),
        (
            "a claim that is no text",
            with(&[("ref", json!(["refs/tags/v1"]))]),
        ),
        ("without a claim", without_ref),
        (
            "another issuer",
            with(&[("iss", json!("https://else.example.com"))]),
        ),
        (
            "the issuer spelt otherwise",
            with(&[("iss", json!("https://issuer.example.com/"))]),
        ),
        (
            "ended before it began",
            with(&[("iat", json!(now)), ("exp", json!(now - 100))]),
        ),
        ("an address nobody verified", mailing(json!(false))),
        ("an address verified by a word", mailing(json!("true"))),
    ]
}

#[tokio::test]
async fn a_token_that_is_not_as_a_rule_asks_gets_the_answer_of_no_token() {
    let (key, other_key) = (SigningKey::es256("k"), SigningKey::es256("k"));
    let (world, _issuer) = world_with_issuer(ISSUER, &key).await;
    let globex = tenant(&world, "globex").await;
    trust(&world, tags()).await;
    let mail = json!({ "sub": "mail", "email": "a@b.example" });
    trust(&world, rule("mail", "linux", &mail)).await;
    let mut texts: Vec<_> = strange()
        .iter()
        .map(|(what, claims)| (*what, key.token(claims)))
        .collect();
    texts.push(("signed by another", other_key.token(&claims())));
    let none = json!({ "alg": "none" });
    texts.push(("signed by nobody", key.token_with(&none, &claims())));
    let good = key.token(&claims());
    texts.push((
        "without a signature",
        good[..=good.rfind('.').unwrap()].to_owned(),
    ));
    texts.push(("in three parts", "a.b.c".to_owned()));
    texts.push(("in three empty parts", "..".to_owned()));
    texts.push(("very long", format!("{good}{}", "A".repeat(20_000))));
    let refusal = world.refusal().await;
    let before = world.dump().await;
    for (what, token) in &texts {
        assert_eq!(world.register_by(token).await, refusal, "{what}");
    }
    assert_eq!(world.dump().await, before);
    // That nothing else was wrong with them.
    world.register_by(&good).await.bearer();
    let good = key.token(&mailing(json!(true)));
    world.register_by(&good).await.bearer();
    assert_eq!(globex.tenant().as_str(), "globex");
}

#[tokio::test]
async fn a_token_whose_times_alone_are_wrong_is_told_the_time() {
    let (key, other_key) = (SigningKey::es256("k"), SigningKey::es256("k"));
    let (world, _issuer) = world_with_issuer(ISSUER, &key).await;
    trust(&world, tags()).await;
    let (refusal, before) = (world.refusal().await, world.dump().await);
    let now = now_seconds();
    for (what, begins, ends) in [
        ("expired", -500, -100),
        ("too old", -700, 900),
        ("of the future", 100, 300),
    ] {
        let mut claims = with(&[("iat", json!(now + begins)), ("exp", json!(now + ends))]);
        let answer = world.register_by(&key.token(&claims)).await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(answer.body["code"], refusal.body["code"]);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("2023-11-14T22:13:20.000Z"), "{detail}");
        let forged = other_key.token(&claims);
        assert_eq!(world.register_by(&forged).await, refusal, "{what}, forged");
        claims["aud"] = json!("https://ci.example.org/agents/acme");
        let for_others = key.token(&claims);
        assert_eq!(world.register_by(&for_others).await, refusal, "{what}");
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_workloads_token_opens_nothing_but_a_registration() {
    let key = SigningKey::es256("k");
    let (world, issuer) = world_with_issuer(ISSUER, &key).await;
    trust(&world, tags()).await;
    let bearer = format!("Bearer {}", key.token(&claims()));
    for path in [
        "/api/agents",
        "/api/agents/trust-rules",
        "/api/agents/pools",
    ] {
        let (status, _) = world.call(Method::GET, path, &bearer, Value::Null).await;
        assert_eq!(status, 401, "{path}");
    }
    assert_eq!(issuer.requests(), 0);
    let with_cookie = [
        ("authorization", bearer.as_str()),
        ("cookie", "__Host-hcp_session=x"),
    ];
    let answer = world.send(&with_cookie, &registration()).await;
    assert_eq!(answer, world.refusal().await);
}

#[tokio::test]
async fn the_pool_is_that_of_a_rule_which_lets_the_workload_in() {
    let key = SigningKey::rs256("k");
    let (world, _issuer) = world_with_issuer(ISSUER, &key).await;
    for name in ["linux", "macos"] {
        trust(&world, rule(name, name, &json!({ "sub": "build" }))).await;
    }
    trust(&world, rule("other", "windows", &json!({ "sub": "other" }))).await;
    for (number, name, expected) in [(1, "linux", 201), (2, "macos", 201), (3, "windows", 403)] {
        let token = key.token(&with(&[("jti", json!(format!("{number}")))]));
        let bearer = format!("Bearer {token}");
        let answer = world.send(&[("authorization", &bearer)], &pool(name)).await;
        assert_eq!(answer.status, expected, "{name} {:?}", answer.body);
    }
}

#[tokio::test]
async fn an_issuer_out_of_reach_is_a_reason_to_come_back_and_nothing_is_written() {
    let key = SigningKey::es256("k");
    let (world, issuer) = world_with_issuer(ISSUER, &key).await;
    trust(&world, tags()).await;
    issuer.set_up(false);
    let before = world.dump().await;
    let token = key.token(&claims());
    let answer = world.register_by(&token).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("busy")));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(world.dump().await, before);
    issuer.set_up(true);
    world.api.clock.advance_seconds(120);
    world.register_by(&token).await.bearer();
}

#[tokio::test]
async fn a_rule_that_has_ended_lets_nobody_in_and_ends_whom_it_had_let_in() {
    let key = SigningKey::es256("k");
    let (world, _issuer) = world_with_issuer(ISSUER, &key).await;
    let mut body = tags();
    body["expires_in_seconds"] = json!(1800);
    trust(&world, body).await;
    let agent = world.register_by(&key.token(&claims())).await;
    let bearer = agent.bearer();
    let path = format!("/api/agents/{}", agent.agent());
    let look = || world.call(Method::GET, &path, &bearer, Value::Null);
    assert_eq!(look().await.0, 200);
    world.api.clock.advance_seconds(1800);
    assert_eq!(look().await.0, 401);
    let now = now_seconds() + 1800;
    let late = key.token(&with(&[("iat", json!(now)), ("exp", json!(now + 60))]));
    assert_eq!(world.register_by(&late).await, world.refusal().await);
}

/// A provider with a rule as its documentation says, and a token as it signs them.
struct Example {
    issuer: &'static str,
    rule: Value,
    audience: &'static str,
    token: Value,
    /// A claim that another of the provider's customers has otherwise.
    other: (&'static str, &'static str),
}

fn examples() -> Vec<Example> {
    const DIRECTORY: &str = "8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5b";
    vec![
        Example {
            issuer: "https://token.actions.githubusercontent.com",
            rule: json!({ "repository_id": "74", "repository_owner_id": "65", "ref": { "prefix": "refs/heads/" } }),
            audience: AUDIENCE,
            token: json!({
                "sub": "repo:acme/shop:ref:refs/heads/main", "repository": "acme/shop", "repository_id": "74",
                "repository_owner_id": "65", "ref": "refs/heads/main"
            }),
            other: ("repository_owner_id", "66"),
        },
        Example {
            issuer: "https://sts.windows.net/8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5b/",
            rule: json!({ "tid": DIRECTORY, "oid": "o-1" }),
            audience: "api://8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5b/ci.example.com.agents.acme",
            token: json!({ "sub": "o-1", "tid": DIRECTORY, "oid": "o-1", "appid": "a-1" }),
            other: ("oid", "o-2"),
        },
        Example {
            issuer: "https://abc123-def456.tokens.sts.global.api.aws",
            rule: json!({ "sub": "arn:aws:iam::123456789012:role/ci" }),
            audience: AUDIENCE,
            token: json!({
                "sub": "arn:aws:iam::123456789012:role/ci",
                "https://sts.amazonaws.com/": { "aws_account": "123456789012" }
            }),
            other: ("sub", "arn:aws:iam::123456789012:role/ci2"),
        },
        Example {
            issuer: "https://accounts.google.com",
            rule: json!({ "sub": "104", "email": "ci@p.iam.gserviceaccount.com" }),
            audience: AUDIENCE,
            token: json!({ "sub": "104", "email": "ci@p.iam.gserviceaccount.com", "email_verified": true, "azp": "104" }),
            other: ("sub", "105"),
        },
        Example {
            issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/A1",
            rule: json!({ "sub": "system:serviceaccount:ci:agent" }),
            audience: AUDIENCE,
            token: json!({
                "sub": "system:serviceaccount:ci:agent", "nbf": now_seconds(),
                "kubernetes.io": { "namespace": "ci", "serviceaccount": { "name": "agent" } }
            }),
            other: ("sub", "system:serviceaccount:ci:agents"),
        },
    ]
}

#[tokio::test]
async fn every_platform_is_let_in_by_a_rule_as_its_documentation_says() {
    for example in examples() {
        let key = SigningKey::rs256("k");
        let (world, _issuer) = world_with_issuer(example.issuer, &key).await;
        let body = json!({
            "name": "r", "pool_name": "linux", "issuer": example.issuer, "claims": example.rule
        });
        let rule = trust(&world, body).await;
        assert_eq!(rule["audience"], example.audience, "{}", example.issuer);
        let now = now_seconds();
        let mut token = example.token.clone();
        token["iss"] = json!(example.issuer);
        token["aud"] = json!(example.audience);
        token["iat"] = json!(now - 300);
        token["exp"] = json!(now + 3600);
        let mut other = token.clone();
        let (name, value) = example.other;
        other[name] = json!(value);
        let refused = world.register_by(&key.token(&other)).await;
        assert_eq!(refused, world.refusal().await, "{}", example.issuer);
        let good = world.register_by(&key.token(&token)).await;
        assert_eq!(good.status, 201, "{} {:?}", example.issuer, good.body);
    }
}

#[tokio::test]
async fn a_rule_deleted_between_a_tokens_verification_and_its_registration_registers_nobody() {
    let key = SigningKey::es256("k");
    let (world, _issuer) = world_with_issuer(ISSUER, &key).await;
    let rule = trust(&world, tags()).await;
    // Only the mark is set, as in a deletion that was cut off: the rule is still on the list.
    let key_id = store::KeyId::parse(rule["key_id"].as_str().unwrap()).unwrap();
    let tenant = world.api.store.tenant(&world.scope);
    let random = || world.api.entropy.bytes();
    let revoked = tenant.revoke_credential(&key_id, "test", NOW, random).await;
    assert_eq!(revoked.unwrap(), Revocation::Revoked);
    let before = world.dump().await;
    let answer = world.register_by(&key.token(&claims())).await;
    assert_eq!(answer, world.refusal().await);
    assert_eq!(world.dump().await, before);
}
