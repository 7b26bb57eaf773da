use super::server::{Asked, Reply, Server, aws, external_id};
use super::service_bus::{access, open, reference};
use super::service_bus_server::start;
use crate::QueueError;
use crate::cloud::{Call, Machine, Source, Tokens};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What App Service, Container Apps and Functions answer, as documented: when the token ends, and not for how long it is good.
fn served(expires_on: &Value) -> Value {
    json!({
        "access_token": "token",
        "expires_on": expires_on,
        "resource": "https://servicebus.azure.net",
        "token_type": "Bearer",
        "client_id": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
    })
}

/// That many seconds from now, since 1970.
fn seconds_from_now(seconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() + seconds
}

/// What the environment says.
fn lookup(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

/// Calls a queue, with the tokens of the machine that the environment speaks of.
async fn call_as(
    variables: &[(&str, &str)],
    source: fn(&Machine) -> Result<Source, QueueError>,
) -> Server {
    let server = Server::start(|asked| match asked.header("host") {
        "queue.example" => Reply::status(200),
        "localhost:42356" => Reply::json(200, &served(&json!(seconds_from_now(3599).to_string()))),
        _ => Reply::json(
            200,
            &json!({ "access_token": "token", "expires_in": "3599" }),
        ),
    })
    .await;
    let machine = Machine::read(&lookup(variables));
    let tokens = Tokens::new(server.http(), source(&machine).unwrap());
    for _ in 0..2 {
        let call = Call::new(Method::POST, "https://queue.example/".to_owned());
        assert_eq!(tokens.send(call).await.unwrap().status, 200);
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "one token for two calls");
    assert_eq!(asked[2].header("authorization"), "Bearer token");
    server
}

#[tokio::test]
async fn a_virtual_machine_of_azure_asks_its_host() {
    let server = call_as(&[], Machine::entra).await;
    let asked = &server.asked()[0];
    assert_eq!(
        asked.line(),
        "GET 169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fservicebus.azure.net"
    );
    assert_eq!(asked.header("metadata"), "true");
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let server = call_as(&[("AZURE_CLIENT_ID", id)], Machine::entra).await;
    assert!(
        server.asked()[0]
            .path
            .ends_with(&format!("&client_id={id}"))
    );
    // Portals and programs write it in either case.
    let upper = format!(" {}\n", id.to_uppercase());
    let server = call_as(&[("AZURE_CLIENT_ID", &upper)], Machine::entra).await;
    assert!(server.asked()[0].path.ends_with(id));
}

#[test]
fn an_identity_that_is_misspelt_is_not_taken_for_none() {
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    for (variables, faults) in [
        (vec![("AZURE_CLIENT_ID", &id[1..])], vec!["AZURE_CLIENT_ID"]),
        (
            vec![("AZURE_CLIENT_ID", id), ("AZURE_TENANT_ID", "contoso")],
            vec!["AZURE_TENANT_ID"],
        ),
        (
            vec![("AZURE_CLIENT_ID", "secret"), ("AZURE_TENANT_ID", "3f25")],
            vec!["AZURE_CLIENT_ID", "AZURE_TENANT_ID"],
        ),
    ] {
        let machine = Machine::read(&lookup(&variables));
        let error = machine.entra().unwrap_err();
        assert_eq!(error.code(), "refused");
        for name in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"] {
            assert_eq!(
                error.to_string().contains(name),
                faults.contains(&name),
                "{error}"
            );
        }
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let nothing = [("AZURE_CLIENT_ID", ""), ("AZURE_TENANT_ID", " ")];
    assert!(Machine::read(&lookup(&nothing)).entra().is_ok());
}

/// How often a token is fetched for two calls, if that is what is answered.
async fn fetched(answer: Value) -> usize {
    let server = Server::start(move |asked| match asked.header("host") {
        "queue.example" => Reply::status(200),
        _ => Reply::json(200, &answer),
    })
    .await;
    let machine = Machine::read(&|_| None);
    let tokens = Tokens::new(server.http(), machine.entra().unwrap());
    for _ in 0..2 {
        let call = Call::new(Method::POST, "https://queue.example/".to_owned());
        assert_eq!(tokens.send(call).await.unwrap().status, 200);
    }
    server.asked().len() - 2
}

#[tokio::test]
async fn a_token_is_kept_until_the_end_that_it_says_in_whichever_way() {
    let (later, soon, before) = (seconds_from_now(3599), seconds_from_now(100), 1_586_984_735);
    let both = |on: u64, within: u64| json!({ "access_token": "a", "expires_on": on, "expires_in": within.to_string() });
    for (answer, times) in [
        (served(&json!(later)), 1),
        (served(&json!(later.to_string())), 1),
        (served(&json!(soon)), 2),
        (served(&json!(before.to_string())), 2),
        // The sooner of two.
        (both(later, 3599), 1),
        (both(soon, 3599), 2),
        (both(later, 100), 2),
        // What is no number says nothing, and the token is good all the same.
        (served(&json!("06/19/2030 02:57:58 +00:00")), 2),
        (served(&json!(null)), 2),
        (served(&json!(-1.5)), 2),
        (
            json!({ "access_token": "a", "expires_on": "soon", "expires_in": 3599 }),
            1,
        ),
        (json!({ "access_token": "a" }), 2),
    ] {
        let text = answer.to_string();
        assert_eq!(fetched(answer).await, times, "{text}");
    }
}

#[tokio::test]
async fn a_container_app_asks_at_the_address_that_it_was_given() {
    let variables = [
        ("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token"),
        ("IDENTITY_HEADER", "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"),
    ];
    let server = call_as(&variables, Machine::entra).await;
    let asked = &server.asked()[0];
    assert_eq!(
        asked.line(),
        "GET localhost:42356/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fservicebus.azure.net"
    );
    assert_eq!(asked.header("x-identity-header"), variables[1].1);
}

#[tokio::test]
async fn a_pod_of_azure_shows_the_token_that_kubernetes_gave_it() {
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let file = std::env::temp_dir().join(format!("queues-{:x}", u64::from_ne_bytes(random)));
    std::fs::write(&file, "of-kubernetes\n").unwrap();
    let variables = [
        ("AZURE_CLIENT_ID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("AZURE_TENANT_ID", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
    ];
    let server = call_as(&variables, Machine::entra).await;
    std::fs::remove_file(&file).unwrap();
    let asked = &server.asked()[0];
    assert_eq!(
        asked.line(),
        "POST login.microsoftonline.com/3f2504e0-4f89-41d3-9a0c-0305e82c3301/oauth2/v2.0/token"
    );
    assert_eq!(asked.form()["client_assertion"], "of-kubernetes");
}

#[tokio::test]
async fn a_machine_of_google_asks_the_metadata_server() {
    let server = call_as(&[], |machine| Ok(machine.google())).await;
    let asked = &server.asked()[0];
    assert_eq!(
        asked.line(),
        "GET metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
    );
    assert_eq!(asked.header("metadata-flavor"), "Google");
}

#[tokio::test]
async fn a_token_that_ends_soon_is_used_once() {
    let (server, state) = start().await;
    let queue = open(&server).await;
    for (expires_in, fetched) in [(3599, 1), (120, 0)] {
        state.lock().unwrap().expires_in = expires_in;
        for _ in 0..3 {
            queue.attributes().await.unwrap();
        }
        let asked = server.lines();
        let tokens = asked
            .iter()
            .filter(|line| line.contains("/oauth2/"))
            .count();
        assert_eq!(tokens, fetched);
    }
    // Its end is what it said when it was fetched.
    let (server, state) = start().await;
    state.lock().unwrap().expires_in = 120;
    let queue = open(&server).await;
    for _ in 0..3 {
        queue.attributes().await.unwrap();
    }
    let asked = server.lines();
    let tokens = asked
        .iter()
        .filter(|line| line.contains("/oauth2/"))
        .count();
    assert_eq!(tokens, 3);
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_once() {
    let (server, state) = start().await;
    let queue = open(&server).await;
    queue.verify_access().await.unwrap();
    server.lines();
    state.lock().unwrap().fails = vec![401];
    queue.verify_access().await.unwrap();
    assert_eq!(server.lines().len(), 4, "the call, both tokens, the call");
    state.lock().unwrap().fails = vec![401, 401, 401];
    assert_eq!(queue.verify_access().await.unwrap_err().code(), "denied");
    assert_eq!(state.lock().unwrap().fails.len(), 1);
    // A relay that may only send is refused at every heartbeat, whatever its token.
    state.lock().unwrap().fails = vec![401, 401];
    server.lines();
    for _ in 0..2 {
        queue.attributes().await.unwrap();
    }
    assert_eq!(server.lines().len(), 2, "the token is not fetched anew");
}

#[tokio::test]
async fn each_relay_shows_a_token_of_its_own() {
    let (server, _state) = start().await;
    let opener = server.opener();
    let now = SystemTime::now();
    for number in [1, 2, 1] {
        let queue = opener
            .open(&reference(), &access(number), now)
            .await
            .unwrap();
        queue.attributes().await.unwrap();
        let id = external_id(number)
            .as_str()
            .replace("hcp-", "Bearer entra-");
        assert_eq!(server.asked().pop().unwrap().header("authorization"), id);
    }
    let asked = server.asked();
    let for_whom = asked.iter().filter(|asked| asked.path == "/");
    let for_whom: Vec<_> = for_whom.map(Asked::form).collect();
    assert_eq!(for_whom.len(), 2);
    assert_eq!(for_whom[1]["Audience.member.1"], external_id(2).as_str());
    assert!(!for_whom[1].contains_key("Audience.member.2"));
}

#[tokio::test]
async fn why_there_is_no_token_is_said_without_what_was_answered() {
    for (status, body, code) in [
        (
            401,
            json!({ "error": "invalid_client", "error_description": "SECRET" }),
            "denied",
        ),
        (400, json!({ "error": "SECRET in upper case" }), "denied"),
        (400, json!("SECRET"), "denied"),
        (429, json!({ "error": "SECRET" }), "unreachable"),
        (500, json!({ "error": "SECRET" }), "unreachable"),
        (200, json!({ "SECRET": 1 }), "unreachable"),
        (302, json!({}), "unreachable"),
    ] {
        let server =
            Server::start(move |asked| aws(asked).unwrap_or_else(|| Reply::json(status, &body)))
                .await;
        let queue = open(&server).await;
        let error = queue.verify_access().await.unwrap_err();
        assert_eq!(error.code(), code, "{status}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("SECRET"), "{text}");
        assert_eq!(text.contains("invalid_client"), status == 401, "{text}");
    }
}

#[tokio::test]
async fn aws_that_gives_us_no_token_is_told_from_aws_that_is_not_there() {
    for (status, word, code) in [
        (403, "AccessDenied", "denied"),
        (400, "OutboundWebIdentityFederationDisabled", "denied"),
        (400, "RegionDisabled", "unreachable"),
    ] {
        let server = Server::start(move |_| Reply {
            body: format!("<ErrorResponse><Error><Code>{word}</Code></Error></ErrorResponse>")
                .into_bytes(),
            ..Reply::status(status)
        })
        .await;
        let queue = open(&server).await;
        let error = queue.receive(1, Duration::ZERO).await;
        assert_eq!(error.unwrap_err().code(), code, "{word}");
    }
}
