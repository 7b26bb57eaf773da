//! HashiCorp's Vault.

use super::*;

fn hashicorp_at(url: &str, login: HashicorpLogin, environment: &[(&str, &str)]) -> Vault {
    let settings = VaultSettings {
        aws_region: None,
        hashicorp: Some(HashicorpSettings {
            address: url.to_owned(),
            namespace: Some("team".to_owned()),
            login,
        }),
    };
    vault(settings, environment, |_| {})
}

/// As Vault answers whoever has the token `hvs.good`.
fn kv(seen: &Seen) -> Response {
    assert_eq!(seen.header("x-vault-request"), "true");
    assert_eq!(seen.header("x-vault-namespace"), "team");
    if seen.header("x-vault-token") != "hvs.good" {
        return answer(403, &json!({ "errors": ["permission denied, canary"] }));
    }
    match seen.path.as_str() {
        "/v1/secret/data/ci/github" => {
            let data = json!({ "value": SECRET, "other": "another", "number": 7 });
            let metadata = json!({ "version": 2, "destroyed": false });
            answer(
                200,
                &json!({ "request_id": "1", "data": { "data": data, "metadata": metadata } }),
            )
        }
        // What is deleted is answered with its metadata.
        "/v1/secret/data/ci/deleted" => {
            let data =
                json!({ "data": null, "metadata": { "deletion_time": "2026-01-01T00:00:00Z" } });
            answer(404, &json!({ "data": data }))
        }
        "/v1/secret/data/ci/sealed" => answer(503, &json!({ "errors": ["Vault is sealed"] })),
        "/v1/secret/data/ci/standby" => Redirect::temporary("http://127.0.0.1:9/").into_response(),
        _ => answer(404, &json!({ "errors": [] })),
    }
}

#[tokio::test]
async fn hashicorp_vault_gives_a_field_of_the_newest_version() {
    let fake = Fake::start(kv).await;
    let vault = hashicorp_at(
        &fake.url,
        HashicorpLogin::Variable,
        &[("VAULT_TOKEN", "hvs.good")],
    );
    let secret = read(&vault, "hashicorp://secret/ci/github").await;
    assert_eq!(secret.unwrap(), SECRET);
    let other = read(&vault, "hashicorp://secret/ci/github#other").await;
    assert_eq!(other.unwrap(), "another");
    for (reference, code) in [
        ("hashicorp://secret/ci/none", "missing"),
        ("hashicorp://secret/ci/github#none", "missing"),
        ("hashicorp://secret/ci/github#number", "malformed"),
        ("hashicorp://secret/ci/deleted", "missing"),
        ("hashicorp://secret/ci/sealed", "unreachable"),
        ("hashicorp://secret/ci/standby", "malformed"),
    ] {
        assert_eq!(refused(&vault, reference).await, code, "{reference}");
    }
    let wrong = hashicorp_at(
        &fake.url,
        HashicorpLogin::Variable,
        &[("VAULT_TOKEN", "hvs.bad")],
    );
    assert_eq!(
        refused(&wrong, "hashicorp://secret/ci/github").await,
        "denied"
    );
    let none = hashicorp_at(&fake.url, HashicorpLogin::Variable, &[]);
    assert_eq!(
        refused(&none, "hashicorp://secret/ci/github").await,
        "denied"
    );
}

#[tokio::test]
async fn the_token_of_a_file_is_read_anew_each_time() {
    let fake = Fake::start(kv).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let vault = hashicorp_at(&fake.url, HashicorpLogin::File(path.clone()), &[]);
    let reference = "hashicorp://secret/ci/github";
    assert_eq!(refused(&vault, reference).await, "missing");
    std::fs::write(&path, "hvs.old\n").unwrap();
    assert_eq!(refused(&vault, reference).await, "denied");
    std::fs::write(&path, "hvs.good\n").unwrap();
    assert_eq!(read(&vault, reference).await.unwrap(), SECRET);
}

/// Vault's Kubernetes method, whose tokens are good until it is told otherwise.
async fn cluster(good: Arc<Mutex<String>>) -> Fake {
    Fake::start(move |seen| {
        let mut good = good.lock().unwrap();
        if seen.path == "/v1/auth/team-cluster/login" {
            if seen.json() != json!({ "role": "relay", "jwt": "a.b.c" }) {
                return answer(400, &json!({ "errors": ["invalid role name \"canary\""] }));
            }
            *good = format!("hvs.{}", good.len());
            let auth = json!({ "client_token": *good, "lease_duration": 3600, "renewable": true });
            return answer(200, &json!({ "auth": auth }));
        }
        if seen.header("x-vault-token") != *good {
            return answer(403, &json!({ "errors": ["permission denied"] }));
        }
        answer(
            200,
            &json!({ "data": { "data": { "value": SECRET }, "metadata": {} } }),
        )
    })
    .await
}

fn kubernetes(token_file: &std::path::Path, role: &str) -> HashicorpLogin {
    HashicorpLogin::Kubernetes {
        role: role.to_owned(),
        mount: "team-cluster".to_owned(),
        token_file: token_file.to_owned(),
    }
}

#[tokio::test]
async fn a_pod_logs_in_once_and_again_when_its_login_is_no_good_any_more() {
    let good = Arc::new(Mutex::new(String::new()));
    let fake = cluster(good.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let jwt = directory.path().join("token");
    std::fs::write(&jwt, "a.b.c\n").unwrap();
    let vault = hashicorp_at(&fake.url, kubernetes(&jwt, "relay"), &[]);
    let reference = "hashicorp://secret/ci/github";
    let logins = || {
        let is_login = |seen: &&Seen| seen.path.ends_with("/login");
        fake.seen().iter().filter(is_login).count()
    };
    for _ in 0..2 {
        assert_eq!(read(&vault, reference).await.unwrap(), SECRET);
    }
    assert_eq!(logins(), 1);
    "hvs.revoked".clone_into(&mut good.lock().unwrap());
    assert_eq!(read(&vault, reference).await.unwrap(), SECRET);
    assert_eq!(logins(), 2);
    let stranger = hashicorp_at(&fake.url, kubernetes(&jwt, "stranger"), &[]);
    assert_eq!(refused(&stranger, reference).await, "denied");
}
