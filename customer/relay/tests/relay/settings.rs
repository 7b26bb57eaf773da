//! What is wrong with a configuration is said at the start, all of it.

use crate::world::variables;
use hybrid_relay::{HashicorpLogin, Journal, MAX_BODY_BYTES, Settings, Tools, start};
use std::collections::BTreeMap;
use std::path::Path;

fn read(more: &[(&str, &str)], file: Option<&str>) -> Result<Settings, Vec<String>> {
    let mut variables = variables(Path::new("/run"));
    for (name, value) in more {
        variables.insert(format!("HYBRID_RELAY_{name}"), (*value).to_owned());
    }
    Settings::read(&|name| variables.get(name).cloned(), file)
}

#[test]
fn every_fault_of_a_configuration_is_named_at_once() {
    let faults = Settings::read(&|_| None, None).unwrap_err();
    let names = ["URL", "IDENTITY", "QUEUE"];
    for (fault, name) in faults.iter().zip(names) {
        assert!(
            fault.starts_with(&format!("HYBRID_RELAY_{name}: is missing")),
            "{fault}"
        );
    }
    assert_eq!(faults.len(), names.len());
    let faults = read(
        &[
            ("URL", "http://ci.example.com"),
            ("IDENTITY", "identity.json"),
            ("QUEUE_PROVIDER", "AWS_SQS"),
            ("QUEUE", "https://evil.example/queue"),
            ("SECRETS", "github,GitLab=file:///x,gitea=plain-text-secret"),
            ("PSEUDONYMS", "author"),
            ("PATH_CLASSES", "Docs=docs/**"),
            ("MAX_BODY_BYTES", "99999999"),
            ("LISTEN", "8080"),
        ],
        None,
    );
    let faults = faults.unwrap_err();
    let names: Vec<_> = faults
        .iter()
        .map(|fault| {
            fault
                .split(':')
                .next()
                .unwrap()
                .trim_start_matches("HYBRID_RELAY_")
        })
        .collect();
    assert_eq!(
        names,
        [
            "URL",
            "IDENTITY",
            "QUEUE",
            "SECRETS",
            "SECRETS",
            "SECRETS",
            "PSEUDONYMS",
            "PATH_CLASSES",
            "MAX_BODY_BYTES",
            "LISTEN"
        ]
    );
    assert!(!faults.join("\n").contains("plain-text-secret"));
}

#[test]
fn events_are_put_on_a_queue_of_any_cloud_and_on_a_topic_but_not_on_a_subscription() {
    let faults = |provider, queue| {
        let read = read(&[("QUEUE_PROVIDER", provider), ("QUEUE", queue)], None);
        read.err().unwrap_or_default()
    };
    let none: [&str; 0] = [];
    for (provider, queue) in [
        (
            "AWS_SQS",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/events",
        ),
        (
            "AZURE_SERVICE_BUS",
            "https://example-ci.servicebus.windows.net/events",
        ),
        ("GCP_PUBSUB", "projects/example-project/topics/events"),
    ] {
        assert_eq!(faults(provider, queue), none);
    }
    assert_eq!(
        faults(
            "GCP_PUBSUB",
            "projects/example-project/subscriptions/events"
        ),
        ["HYBRID_RELAY_QUEUE: must be a topic, which messages are sent to"]
    );
}

#[test]
fn pseudonyms_need_a_key() {
    let faults = read(&[("PSEUDONYMS", "branch")], None).unwrap_err();
    assert_eq!(
        faults,
        ["HYBRID_RELAY_PSEUDONYM_KEY: is needed for PSEUDONYMS"]
    );
}

#[test]
fn a_variable_takes_the_place_of_what_the_file_says() {
    let file = r#"
        url = "https://ci.example.com"
        identity = "file:///etc/identity.json"
        queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/events"
        listen = "127.0.0.1:9000"
        [secrets]
        github = "env://GITHUB"
        [path_classes]
        docs = ["docs/**", "*.md"]
    "#;
    let alone = Settings::read(&|_| None, Some(file)).unwrap();
    assert_eq!(alone.url, "https://ci.example.com");
    assert_eq!(alone.secrets.len(), 1);
    assert_eq!(alone.max_body_bytes, MAX_BODY_BYTES);
    assert_eq!(alone.listen.port(), 9000);
    let both = read(&[], Some(file)).unwrap();
    assert_eq!(both.url, "http://127.0.0.1:9");
    assert_eq!(both.listen.port(), 9000);
    let faults = Settings::read(&|_| None, Some("unknown = 1")).unwrap_err();
    assert!(faults[0].contains("unknown field `unknown`"), "{faults:?}");
}

#[test]
fn hashicorp_vault_is_reached_safely_and_by_one_way_to_a_token() {
    let faults = read(
        &[
            ("HASHICORP_ADDRESS", "http://vault.example.com:8200"),
            ("HASHICORP_NAMESPACE", "a b"),
            ("HASHICORP_LOGIN", "../sys/seal"),
            ("HASHICORP_TOKEN_FILE", "token"),
            ("HASHICORP_ROLE", "relay"),
        ],
        None,
    );
    let mut faults = faults.unwrap_err();
    faults.sort();
    let names: Vec<_> = faults
        .iter()
        .map(|fault| fault.split(':').next().unwrap())
        .collect();
    let expected = ["ADDRESS", "LOGIN", "NAMESPACE", "ROLE", "TOKEN_FILE"];
    assert_eq!(
        names,
        expected.map(|name| format!("HYBRID_RELAY_HASHICORP_{name}"))
    );
    let settings = read(
        &[
            ("HASHICORP_ADDRESS", "https://vault.example.com:8200/"),
            ("HASHICORP_ROLE", "relay"),
        ],
        None,
    );
    let hashicorp = settings.unwrap().vault.hashicorp.unwrap();
    assert_eq!(hashicorp.address, "https://vault.example.com:8200");
    let expected = HashicorpLogin::Kubernetes {
        role: "relay".to_owned(),
        mount: "kubernetes".to_owned(),
        token_file: "/var/run/secrets/kubernetes.io/serviceaccount/token".into(),
    };
    assert_eq!(hashicorp.login, expected);
}

#[test]
fn secrets_of_aws_are_beside_the_queue_unless_a_region_is_named() {
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
    let mut variables = variables(Path::new("/run"));
    variables.insert(
        "HYBRID_RELAY_QUEUE_PROVIDER".to_owned(),
        "AWS_SQS".to_owned(),
    );
    variables.insert("HYBRID_RELAY_QUEUE".to_owned(), queue.to_owned());
    let region = |variables: &BTreeMap<String, String>| {
        let settings = Settings::read(&|name| variables.get(name).cloned(), None);
        settings.unwrap().vault.aws_region
    };
    assert_eq!(region(&variables).as_deref(), Some("eu-central-1"));
    variables.insert("AWS_REGION".to_owned(), "us-east-1".to_owned());
    assert_eq!(region(&variables).as_deref(), Some("us-east-1"));
}

#[tokio::test]
async fn a_reference_that_is_not_understood_is_a_fault_at_the_start() {
    let references = "github=hashicorp://secret/ci,gitlab=file://relative,gitea=azure://a.b/c";
    let settings = read(&[("SECRETS", references)], None).unwrap();
    let faults = start(settings, Journal::new(|_| {})).await.unwrap_err();
    for part in [
        "hashicorp://secret/ci: needs HYBRID_RELAY_HASHICORP_ADDRESS",
        "file://relative: must be file:///<path>",
        "azure://a.b/c: must be azure://<vault>/<secret>",
    ] {
        let found = faults.iter().any(|fault| fault.starts_with(part));
        assert!(found, "{part}: {faults:?}");
    }
}

#[test]
fn a_tool_file_with_mistakes_is_named_with_file_line_and_field() {
    let directory = tempfile::tempdir().unwrap();
    let own = [
        ("a.yaml", "version: 1\ntool: a\ncolour: 1\n"),
        (
            "b.yaml",
            "version: 2\ntool: B\nverify: { method: magic }\nselect: { path: type }\nevents: []\n",
        ),
        (
            "c.yaml",
            "version: 1\ntool: c\nverify: { method: github, header: X }\nselect: { header: X-Event }\nevents:\n  \
             - values: [a]\n    event: PUSH\n    map:\n      title: { path: $.title }\n      branch: { path: '$.[', lower: true }\n    \
             required: [tag]\n  - values: []\n    ignore: true\n    event: TAG\n",
        ),
        ("d.yaml", "version: 1\ntool: d\nverify: { method: \"x }\n"),
        ("not-a-tool.txt", "?"),
    ];
    for (name, text) in own {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let faults = Tools::load(Some(directory.path())).unwrap_err().0;
    let at: BTreeMap<_, Vec<_>> = faults.iter().fold(BTreeMap::new(), |mut at, fault| {
        let file = fault.file.rsplit('/').next().unwrap();
        let place = (fault.line, fault.field.as_str());
        at.entry(file).or_insert_with(Vec::new).push(place);
        at
    });
    assert_eq!(at["a.yaml"], [(Some(3), "colour")]);
    assert_eq!(
        at["b.yaml"],
        [
            (Some(1), "version"),
            (Some(2), "tool"),
            (Some(3), "verify.method"),
            (Some(4), "select"),
            (Some(5), "events")
        ]
    );
    assert_eq!(
        at["c.yaml"],
        [
            (Some(3), "verify"),
            (Some(10), "events[0].map.branch"),
            (Some(9), "events[0].map.title"),
            (Some(11), "events[0].required"),
            (Some(12), "events[1].values"),
            (Some(12), "events[1]")
        ]
    );
    assert_eq!(at["d.yaml"], [(Some(3), "verify")]);
    let text = faults[0].to_string();
    let (place, message) = text.split_once(": ").unwrap();
    assert!(place.ends_with("a.yaml:3"), "{text}");
    assert!(
        message.starts_with("colour: unknown field `colour`, expected one of version, "),
        "{text}"
    );
}

#[test]
fn the_documentation_has_every_variable_and_every_reason() {
    let document = include_str!("../../../../docs/relay.md");
    for (name, _) in hybrid_relay::VARIABLES {
        assert!(
            document.contains(&format!("| `HYBRID_RELAY_{name}` |")),
            "{name}"
        );
    }
    let refused = hybrid_relay::Reason::ALL.iter().map(|word| word.code());
    let ignored = hybrid_relay::Ignored::ALL.iter().map(|word| word.code());
    let repeated = hybrid_relay::Repeated::ALL.iter().map(|word| word.code());
    for word in refused.chain(ignored).chain(repeated) {
        assert!(document.contains(&format!("`{word}`")), "{word}");
    }
}
