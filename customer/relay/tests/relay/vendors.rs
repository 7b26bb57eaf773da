//! Ways to sign that more than one tool has, through the whole relay.

use crate::fixtures;
use crate::world::{SECRET, World, headers, post, signature};
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
