//! What the packages of the agent promise.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};

use super::*;

fn text(file: &str) -> String {
    std::fs::read_to_string(project_root().join(file)).unwrap()
}

/// The objects of a manifest.
fn objects(manifest: &str) -> Vec<Value> {
    let text = text(manifest);
    text.split("\n---\n")
        .map(|object| serde_saphyr::from_str(object).unwrap())
        .collect()
}

fn object(manifest: &str, kind: &str) -> Value {
    objects(manifest)
        .into_iter()
        .find(|object| object["kind"] == kind)
        .unwrap()
}

#[test]
fn containers_are_built_on_bases_named_by_their_digest_and_do_not_run_as_root() {
    let mut bases = Vec::new();
    for file in CONTAINERFILES {
        let text = text(file);
        let lines: Vec<_> = text.lines().collect();
        let own: Vec<_> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("ARG "))
            .collect();
        assert_eq!(own.len(), 2);
        for base in &own {
            let (_, digest) = base.split_once("@sha256:").unwrap();
            assert!(
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{base}"
            );
        }
        bases.push(
            own.into_iter()
                .map(|base| (*base).to_owned())
                .collect::<Vec<_>>(),
        );
        let from: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("FROM "))
            .collect();
        assert_eq!(from, [&"FROM ${BUILD_BASE} AS build", &"FROM ${BASE}"]);
        let user = lines
            .iter()
            .rposition(|line| line.starts_with("USER "))
            .unwrap();
        assert_eq!(lines[user], "USER 10001:10001");
        assert!(lines[user..].iter().all(|line| !line.starts_with("RUN ")));
    }
    assert!(bases.iter().all(|base| *base == bases[0]));
}

#[test]
fn a_container_is_built_from_every_crate() {
    let manifest: toml::Table = toml::from_str(&text("Cargo.toml")).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    for file in CONTAINERFILES {
        let text = text(file);
        for member in members {
            let top = member.as_str().unwrap().split('/').next().unwrap();
            assert!(
                text.contains(&format!("\nCOPY {top} {top}\n")),
                "{file}: {top}"
            );
        }
    }
    // The dashboard has it in it.
    assert!(text(CONTAINERFILES[2]).contains("\nCOPY docs/openapi.json docs/\n"));
}

#[test]
fn the_pods_are_as_restricted_as_kubernetes_knows_how_to_ask_for() {
    for manifest in MANIFESTS {
        let deployment = object(manifest, "Deployment");
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        let expected = json!({
            "runAsNonRoot": true, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        assert_eq!(pod["securityContext"], expected);
        let containers = pod["containers"].as_array().unwrap();
        let expected = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(
            (containers.len(), &containers[0]["securityContext"]),
            (1, &expected)
        );
        assert!(
            containers[0]["image"]
                .as_str()
                .unwrap()
                .contains("@sha256:")
        );
        for resource in ["memory", "ephemeral-storage"] {
            assert!(containers[0]["resources"]["limits"][resource].is_string());
        }
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod.get(name).is_none(), "{name}");
        }
        let namespace = object(manifest, "Namespace");
        let level = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
        assert_eq!(level, "restricted");
        assert!(
            objects(manifest)
                .iter()
                .all(|object| object["kind"] != "Secret")
        );
    }
}

#[test]
fn the_relays_service_leads_to_its_pods_and_its_policy_lets_nothing_else_in() {
    let of = |kind| object(MANIFESTS[1], kind);
    let labels = of("Deployment")["spec"]["template"]["metadata"]["labels"].clone();
    assert_eq!(of("Service")["spec"]["selector"], labels);
    let policy = of("NetworkPolicy");
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(
        policy["spec"]["ingress"],
        json!([{ "ports": [{ "port": "http" }] }])
    );
    let path = &of("Ingress")["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(path["path"], "/relay/webhooks/");
    assert_eq!(path["backend"]["service"]["name"], "hybrid-relay");
}

/// The manifest's files are where its references say.
#[test]
fn the_relay_reads_its_secrets_where_they_are_mounted() {
    let settings = object(MANIFESTS[1], "ConfigMap")["data"].clone();
    let deployment = object(MANIFESTS[1], "Deployment");
    let mounts = &deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"];
    let at = format!("file://{}/", mounts[0]["mountPath"].as_str().unwrap());
    let identity = settings["HYBRID_RELAY_IDENTITY"].as_str().unwrap();
    let secrets = settings["HYBRID_RELAY_SECRETS"].as_str().unwrap();
    assert_eq!(identity, format!("{at}identity.json"));
    assert_eq!(secrets, format!("github={at}github"));
}

#[test]
fn what_the_relays_packages_set_are_settings_of_the_relay() {
    let page = text("docs/relay.md");
    for file in [
        CONTAINERFILES[1],
        MANIFESTS[1],
        "customer/relay/deploy/template.yaml",
        "customer/relay/deploy/terraform/relay.tf",
    ] {
        let text = text(file);
        let names = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        for name in names.filter(|name| name.starts_with("HYBRID_RELAY_")) {
            assert!(page.contains(&format!("`{name}`")), "{file}: {name}");
        }
    }
}

#[test]
fn the_pods_token_is_for_the_control_plane_and_organisation_that_it_is_told() {
    let settings = object(MANIFESTS[0], "ConfigMap")["data"].clone();
    let text = |name: &str| settings[name].as_str().unwrap().to_owned();
    let deployment = object(MANIFESTS[0], "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let volumes = pod["volumes"].as_array().unwrap();
    let token = volumes
        .iter()
        .find(|volume| volume["name"] == "token")
        .unwrap();
    let token = &token["projected"]["sources"][0]["serviceAccountToken"];
    let audience = format!(
        "{}/agents/{}",
        text("HYBRID_AGENT_URL"),
        text("HYBRID_AGENT_TENANT")
    );
    assert_eq!(token["audience"], audience.as_str());
    assert_eq!(
        (&token["path"], &token["expirationSeconds"]),
        (&json!("hybrid-agent"), &json!(600))
    );
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    assert!(
        mounts
            .iter()
            .any(|mount| mount["mountPath"] == "/var/run/secrets/tokens"
                && mount["readOnly"] == true)
    );
}

#[test]
fn what_the_packages_set_are_settings_of_the_agent() {
    let page = text("docs/agent.md");
    for file in [CONTAINERFILES[0], MANIFESTS[0], UNIT] {
        let text = text(file);
        let names = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        for name in names.filter(|name| name.starts_with("HYBRID_AGENT_")) {
            assert!(page.contains(&format!("`{name}`")), "{file}: {name}");
        }
    }
}

#[test]
fn the_unit_keeps_the_key_out_of_arguments_and_gives_jobs_time_to_end() {
    let unit = text(UNIT);
    let lines: Vec<_> = unit.lines().collect();
    for line in [
        "User=hybrid-agent",
        "EnvironmentFile=/etc/hybrid-agent/key",
        "ExecStart=/usr/local/bin/hybrid-agent run --config /etc/hybrid-agent/agent.toml",
        "KillMode=mixed",
        "TimeoutStopSec=1h",
        "RestartPreventExitStatus=2",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
    ] {
        assert!(lines.contains(&line), "{line}");
    }
}
