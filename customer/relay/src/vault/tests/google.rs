//! Google Cloud's Secret Manager.

use super::*;

#[tokio::test]
async fn google_clouds_secret_is_read_with_the_token_of_the_machine() {
    let google = Fake::start(|seen| {
        if seen.header("authorization") != "Bearer ya29.token" {
            return answer(
                401,
                &json!({ "error": { "code": 401, "status": "UNAUTHENTICATED" } }),
            );
        }
        match seen.path.as_str() {
            "/v1/projects/my-project/secrets/github/versions/latest:access" => answer(
                200,
                &json!({
                    "name": "projects/1/secrets/github/versions/3",
                    "payload": { "data": "czNjcmV0LWNhbmFyeQ==", "dataCrc32c": "1" },
                }),
            ),
            "/v1/projects/my-project/secrets/github/versions/1:access" => answer(
                403,
                &json!({ "error": { "code": 403, "message": "canary" } }),
            ),
            _ => answer(
                404,
                &json!({ "error": { "code": 404, "message": "canary" } }),
            ),
        }
    })
    .await;
    let metadata = Fake::start(|seen| {
        assert_eq!(
            seen.path,
            "/computeMetadata/v1/instance/service-accounts/default/token"
        );
        assert_eq!(seen.header("metadata-flavor"), "Google");
        let token =
            json!({ "access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer" });
        ([("Metadata-Flavor", "Google")], token.to_string()).into_response()
    })
    .await;
    let at = |metadata: String| {
        let address = google.url.clone();
        vault(VaultSettings::default(), &[], |remote| {
            remote.gcp = Gcp { address, metadata };
        })
    };
    let machine = at(metadata.url.clone());
    let secret = read(&machine, "gcp://my-project/github").await;
    assert_eq!(secret.unwrap(), SECRET);
    for (reference, code) in [
        ("gcp://my-project/github/1", "denied"),
        ("gcp://my-project/other", "missing"),
    ] {
        assert_eq!(refused(&machine, reference).await, code, "{reference}");
    }
    // Without the header that only the metadata server sends, it is somebody else.
    let stranger = Fake::start(|_| answer(200, &json!({ "access_token": "x" }))).await;
    let machine = at(stranger.url.clone());
    let reference = "gcp://my-project/github";
    assert_eq!(refused(&machine, reference).await, "unreachable");
}
