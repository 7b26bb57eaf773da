//! Ways to sign that more than one tool has, through the whole relay.

use crate::fixtures;
use crate::world::{Headers, SECRET, World, headers, post, signature};
use http::StatusCode;
use std::sync::atomic::Ordering;
use wire::EventKind;

/// The headers are those of <https://forgejo.org/docs/latest/user/webhooks/>.
#[tokio::test]
async fn forgejos_deliveries_are_those_of_gitea() {
    let world = World::new();
    let (_, body) = fixtures::one("gitea", "push");
    let (_, hex) = signature("gitea", SECRET, &body);
    let delivery = "f6266f16-1bf3-46a5-9ea4-602e06ead473";
    let forgejo = |hex: &str| {
        headers(&[
            ("X-Forgejo-Delivery", delivery),
            ("X-Forgejo-Event", "push"),
            ("X-GitHub-Delivery", delivery),
            ("X-GitHub-Event", "push"),
            ("X-Gogs-Delivery", delivery),
            ("X-Gogs-Event", "push"),
            ("X-Gitea-Delivery", delivery),
            ("X-Gitea-Event", "push"),
            ("X-Forgejo-Signature", hex),
            ("Content-Type", "application/json"),
        ])
    };
    let accepted = world
        .send(post("gitea", &forgejo(&hex), body.clone()))
        .await;
    let event = world.events().await.remove(0).event;
    assert_eq!(accepted.event_id(), event.event_id.as_str());
    assert_eq!(event.event, EventKind::Push);
    assert_eq!(event.branch.unwrap().as_str(), "develop");
    // A good signature in another header does not help a wrong one in its own.
    let mut both = forgejo(&hex.replace(|digit: char| digit != '0', "0"));
    both.insert("X-Gitea-Signature".to_owned(), hex);
    let refused = world.send(post("gitea", &both, body)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json()["code"], "signature_wrong");
}

/// The example that the reference implementations of Standard Webhooks are tested with, to a tool of one's own.
#[tokio::test]
async fn a_tool_of_ones_own_can_use_standard_webhooks_with_either_kind_of_key() {
    const TOOL: &str = "version: 1\ntool: own\nverify: { method: standard_webhooks }\nselect: { path: $.test }\nevents:\n  \
                        - values: [\"2432232314\"]\n    event: CUSTOM\n    map:\n      number: { path: $.test }\n";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    let keys = [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("own.yaml"), TOOL).unwrap();
    let at = directory.path().display().to_string();
    let mut ids = Vec::new();
    for (key, value) in keys {
        let world = World::with(&[
            ("TOOLS_DIRECTORY", &at),
            ("SECRETS", "own=file://{dir}/secret"),
        ]);
        world.write("secret", key);
        world.now.store(1_614_265_330_000, Ordering::Relaxed);
        let signed = headers(&[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", value),
            ("content-type", "application/json"),
        ]);
        ids.push(world.send(post("own", &signed, BODY)).await.event_id());
        assert_eq!(world.events().await[0].event.number, Some(2_432_232_314));
        let stretched = world.send(post("own", &signed, &b"{}"[..])).await;
        assert_eq!(stretched.json()["code"], "signature_wrong");
    }
    assert_eq!(ids[0], ids[1], "it is one delivery, whichever key says so");
}

/// How each tool says who it is, and whether that is a signature of the body; a token is not.
const TOOLS: [(&str, bool); 7] = [
    ("github", true),
    ("gitlab", false),
    ("bitbucket", true),
    ("gitea", true),
    ("jenkins", false),
    ("terraform", true),
    ("prometheus", false),
];

/// What is refused, with the word of the refusal, and nothing is on the queue.
async fn refused(world: &World, tool: &str, headers: &Headers, body: &[u8], reason: &str) {
    let answer = world.send(post(tool, headers, body.to_vec())).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{tool}: {reason}");
    assert_eq!(answer.json()["code"], reason, "{tool}");
    let line = world.journal().pop().unwrap();
    assert_eq!(
        (&line["event"], &line["reason"], &line["tool"]),
        (&"refused".into(), &reason.into(), &tool.into()),
        "{line}"
    );
    assert!(world.events().await.is_empty(), "{tool}: {reason}");
}

#[tokio::test]
async fn no_tools_delivery_is_believed_without_its_signature() {
    for (tool, is_signed) in TOOLS {
        let world = World::new();
        for (name, bare, body) in fixtures::of(tool) {
            refused(&world, tool, &bare, &body, "signature_missing").await;
            let with = |(header, value): (&str, String)| {
                let mut headers = bare.clone();
                headers.insert(header.to_owned(), value);
                headers
            };
            let wrong = with(signature(tool, "another secret", &body));
            refused(&world, tool, &wrong, &body, "signature_wrong").await;
            let empty = with((header_of(tool), String::new()));
            let answer = world.send(post(tool, &empty, body.clone())).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{tool} {name}");
            if is_signed {
                let of_another_body = with(signature(tool, SECRET, b"{}"));
                refused(&world, tool, &of_another_body, &body, "signature_wrong").await;
            }
        }
        assert!(world.events().await.is_empty(), "{tool}");
    }
}

/// The header in which a tool says who it is.
fn header_of(tool: &str) -> &'static str {
    signature(tool, SECRET, b"").0
}

#[tokio::test]
async fn gitlabs_signing_token_signs_one_body_alone() {
    let world = World::new();
    world.write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    world.now.store(1_614_265_330_000, Ordering::Relaxed);
    let (_, body) = fixtures::one("gitlab", "push");
    // The signature is of another body: that of the example of Standard Webhooks.
    let signed = headers(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        (
            "webhook-signature",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        ("content-type", "application/json"),
    ]);
    refused(&world, "gitlab", &signed, &body, "signature_wrong").await;
    let example = br#"{"test": 2432232314}"#;
    let good = world.send(post("gitlab", &signed, &example[..])).await;
    assert_eq!(good.status, StatusCode::NO_CONTENT, "signed, and no event");
}

#[tokio::test]
async fn alertmanager_is_believed_by_its_own_bearer_token_alone() {
    let world = World::new();
    let (bare, body) = fixtures::one("prometheus", "firing");
    let with = |value: &str| {
        let mut headers = bare.clone();
        headers.insert("Authorization".to_owned(), value.to_owned());
        headers
    };
    let longer = format!("Bearer {SECRET}x");
    let shorter = format!("Bearer {}", &SECRET[1..]);
    for wrong in [longer.as_str(), &shorter, "Bearer x", "Bearer null"] {
        refused(&world, "prometheus", &with(wrong), &body, "signature_wrong").await;
    }
    let basic = format!("Basic {SECRET}");
    for missing in [SECRET, &basic, "Bearer", ""] {
        let headers = with(missing);
        refused(&world, "prometheus", &headers, &body, "signature_missing").await;
    }
    let good = with(&format!("Bearer {SECRET}"));
    let answer = world.send(post("prometheus", &good, body)).await;
    assert_eq!(
        answer.event_id(),
        world.events().await[0].event.event_id.as_str()
    );
}
