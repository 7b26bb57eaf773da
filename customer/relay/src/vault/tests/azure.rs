//! Azure's Key Vault.

use super::*;

/// As Key Vault answers whoever has the token `eyJ.token`.
fn key_vault(seen: &Seen) -> Response {
    assert_eq!(seen.query, "api-version=7.4");
    if seen.header("authorization") != "Bearer eyJ.token" {
        return answer(
            401,
            &json!({ "error": { "code": "Unauthorized", "message": "canary" } }),
        );
    }
    match seen.path.as_str() {
        "/secrets/github/" | "/secrets/github/0a1b" => answer(
            200,
            &json!({ "value": SECRET, "id": "https://my-vault.vault.azure.net/secrets/github/0a1b" }),
        ),
        "/secrets/forbidden/" => answer(403, &json!({ "error": { "code": "Forbidden" } })),
        _ => answer(
            404,
            &json!({ "error": { "code": "SecretNotFound", "message": "canary" } }),
        ),
    }
}

/// As whatever hands out tokens answers.
fn token() -> Response {
    answer(
        200,
        &json!({ "access_token": "eyJ.token", "expires_in": "3599", "token_type": "Bearer" }),
    )
}

fn azure_at(vaults: &Fake, tokens: &Fake, environment: &[(&str, &str)]) -> Vault {
    let (vaults, tokens) = (vaults.url.clone(), tokens.url.clone());
    vault(VaultSettings::default(), environment, |remote| {
        remote.azure = Azure {
            address: vaults,
            metadata: tokens.clone(),
            entra: tokens,
        };
    })
}

const RESOURCE: &str = "resource=https%3A%2F%2Fvault.azure.net";

#[tokio::test]
async fn azures_secret_is_read_with_the_token_of_the_machine() {
    let vaults = Fake::start(key_vault).await;
    let tokens = Fake::start(|seen| {
        assert_eq!(seen.path, "/metadata/identity/oauth2/token");
        assert_eq!(seen.header("metadata"), "true");
        token()
    })
    .await;
    let machine = azure_at(&vaults, &tokens, &[("AZURE_CLIENT_ID", "client")]);
    for reference in ["azure://my-vault/github", "azure://my-vault/github/0a1b"] {
        assert_eq!(
            read(&machine, reference).await.unwrap(),
            SECRET,
            "{reference}"
        );
    }
    let expected = format!("{RESOURCE}&client_id=client&api-version=2018-02-01");
    assert_eq!(tokens.seen()[0].query, expected);
    for (reference, code) in [
        ("azure://my-vault/forbidden", "denied"),
        ("azure://my-vault/none", "missing"),
    ] {
        assert_eq!(refused(&machine, reference).await, code, "{reference}");
    }
    let none = Fake::start(|_| answer(400, &json!({ "error": "invalid_request" }))).await;
    let machine = azure_at(&vaults, &none, &[]);
    let reference = "azure://my-vault/github";
    assert_eq!(refused(&machine, reference).await, "malformed");
}

#[tokio::test]
async fn azures_programs_and_pods_have_tokens_of_their_own() {
    let vaults = Fake::start(key_vault).await;
    let reference = "azure://my-vault/github";
    let tokens = Fake::start(|seen| {
        assert_eq!(seen.header("x-identity-header"), "proof");
        token()
    })
    .await;
    let endpoint = format!("{}/msi/token", tokens.url);
    let environment = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "proof"),
    ];
    let program = azure_at(&vaults, &tokens, &environment);
    assert_eq!(read(&program, reference).await.unwrap(), SECRET);
    let seen = &tokens.seen()[0];
    assert_eq!(seen.path, "/msi/token");
    assert_eq!(seen.query, format!("{RESOURCE}&api-version=2019-08-01"));

    let entra = Fake::start(|_| token()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "a.b.c\n").unwrap();
    let mut environment = vec![
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_TENANT_ID", "directory"),
    ];
    let pod = azure_at(&vaults, &entra, &environment);
    assert_eq!(read(&pod, reference).await.unwrap(), SECRET);
    let seen = &entra.seen()[0];
    assert_eq!(seen.path, "/directory/oauth2/v2.0/token");
    assert_eq!(
        seen.body,
        "grant_type=client_credentials&client_id=client&scope=https%3A%2F%2Fvault.azure.net%2F.default&\
         client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"
    );
    environment[2] = ("AZURE_TENANT_ID", "../evil");
    let pod = azure_at(&vaults, &entra, &environment);
    assert_eq!(refused(&pod, reference).await, "malformed");
}
