//! What the document says.

use super::*;

#[tokio::test]
async fn the_document_says_who_may_call_and_how_it_can_fail() {
    let world = world().await;
    let (_, document) = world.app();
    let document = serde_json::to_value(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], "1.2.3");
    let get_job = &document["paths"]["/api/jobs/{id}"]["get"];
    assert_eq!(
        get_job["x-access"],
        json!({"people": "jobs:read", "agent": "queue:claim"})
    );
    assert_eq!(
        get_job["security"],
        json!([
            {"apiToken": ["jobs:read"]},
            {"personSession": ["jobs:read"]},
            {"sessionCookie": ["jobs:read"]},
            {"agentSession": ["queue:claim"]},
        ])
    );
    assert_eq!(
        get_job["responses"]["404"]["$ref"],
        "#/components/responses/NotFound"
    );
    let statuses = |path: &str, method: &str| -> Vec<String> {
        let responses = &document["paths"][path][method]["responses"];
        responses.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(statuses("/health", "get"), ["200", "500"]);
    assert_eq!(
        statuses("/api/jobs", "post"),
        [
            "201", "400", "401", "403", "409", "413", "415", "429", "500", "503"
        ]
    );
    assert_eq!(document["paths"]["/health"]["get"]["x-access"], "public");
    assert_eq!(document["paths"]["/health"]["get"]["security"], json!([]));
    let components = &document["components"];
    assert!(components["schemas"]["ProblemDetails"].is_object());
    assert!(components["schemas"]["Fault"].is_object());
    let conflict = components["responses"]["Conflict"]["description"]
        .as_str()
        .unwrap();
    assert!(conflict.contains("`stale_attempt`"));
}
