//! What people change is on the record of the organisation that it is about.

use super::world::{Session, World, text};
use embedded_dynamodb::Fault;
use serde_json::json;
use store::AuditFilter;
use wire::TenantId;

/// The actions on an organisation's record, oldest first.
async fn actions(world: &World, of: &Session) -> Vec<String> {
    let tenant = TenantId::parse(&of.organisation).unwrap();
    let scope = world
        .api
        .store
        .create_tenant(&tenant, world.api.now())
        .await;
    let scope = scope.unwrap();
    let tenant = world.api.store.tenant(&scope);
    let page = tenant
        .audit_records(&AuditFilter::default(), 100, None)
        .await;
    let mut records = page.unwrap().records;
    records.reverse();
    for record in &records {
        assert_eq!(record.outcome.as_str(), "DONE", "{record:?}");
        assert!(record.actor.starts_with("user:"), "{record:?}");
        // The organisation comes to be before any session.
        let session = record.credential_id.as_deref();
        assert!(
            session.is_none_or(|id| id.starts_with("session-")),
            "{record:?}"
        );
    }
    records.into_iter().map(|record| record.action).collect()
}

#[tokio::test]
async fn every_change_is_recorded_once_and_a_refusal_is_not() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let member = world.join(&owner, "DEVELOPER", "github-2").await;
    let call = |method: &str, path: String| {
        let call = world.call(method.parse().unwrap(), &path);
        call.bearer(&owner.token)
    };
    let body = json!({ "name": "ci", "scopes": ["jobs:read"] });
    let made = call("POST", "/auth/tokens".to_owned())
        .json(&body)
        .send()
        .await;
    let key_id = text(&made.expect(201)["token"]["key_id"]);
    let rotate = format!("/auth/tokens/{key_id}/rotate");
    let rotated = call("POST", rotate.clone()).send().await.expect(201);
    assert_eq!(call("POST", rotate).send().await.status, 409);
    let successor = text(&rotated["token"]["key_id"]);
    for _ in 0..2 {
        let revoke = format!("/auth/tokens/{successor}");
        assert_eq!(call("DELETE", revoke).send().await.status, 204);
    }
    let path = format!("/auth/members/{}", member.user_id);
    for _ in 0..2 {
        let body = json!({ "role": "VIEWER" });
        call("PUT", path.clone())
            .json(&body)
            .send()
            .await
            .expect(200);
    }
    let body = json!({ "role": "VIEWER" });
    let invited = call("POST", "/auth/invitations".to_owned())
        .json(&body)
        .send()
        .await;
    let invitation = text(&invited.expect(201)["invitation"]["invitation_id"]);
    let revoke = format!("/auth/invitations/{invitation}");
    assert_eq!(call("DELETE", revoke).send().await.status, 204);
    assert_eq!(call("DELETE", path).send().await.status, 204);
    let last_owner = format!("/auth/members/{}", owner.user_id);
    assert_eq!(call("DELETE", last_owner).send().await.status, 409);
    let keep = "/auth/sessions?keep_current=true".to_owned();
    assert_eq!(call("DELETE", keep).send().await.status, 204);
    assert_eq!(
        call("POST", "/auth/logout".to_owned()).send().await.status,
        204
    );
    let expected = [
        "organisation.create",
        "session.create",
        "invitation.create",
        "member.join",
        "session.switch",
        "token.create",
        "token.rotate",
        "token.revoke",
        "member.role",
        "invitation.create",
        "invitation.revoke",
        "member.remove",
        "session.revoke_all",
        "session.end",
    ];
    assert_eq!(actions(&world, &owner).await, expected);
    let home = world.sign_in("github-2").await;
    assert_eq!(
        actions(&world, &home).await,
        [
            "organisation.create",
            "session.create",
            "session.end",
            "session.create"
        ]
    );
}

#[tokio::test]
async fn whoever_was_removed_from_everything_gets_an_organisation_on_record() {
    let world = World::new().await;
    let ada = world.sign_in("github-1").await;
    let grace = world.join(&ada, "OWNER", "github-2").await;
    let path = format!("/auth/members/{}", ada.user_id);
    let removed = world.delete(&path).bearer(&grace.token).send().await;
    assert_eq!(removed.status, 204);
    let again = world.sign_in("github-1").await;
    assert_eq!(again.user_id, ada.user_id);
    assert_ne!(again.organisation, ada.organisation);
    assert_eq!(
        actions(&world, &again).await,
        ["organisation.create", "session.create"]
    );
}

#[tokio::test]
async fn nobody_joins_off_the_record() {
    let mut world = World::new().await;
    let host = world.sign_in("github-1").await;
    let guest = world.sign_in("github-2").await;
    let body = json!({ "role": "VIEWER" });
    let invitation = world.post("/auth/invitations").bearer(&host.token);
    let invitation = invitation.json(&body).send().await.expect(201);
    let body = json!({ "token": invitation["invitation_token"] });
    let accept = async |world: &World| {
        let accept = world.post("/auth/invitations/accept").bearer(&guest.token);
        accept.json(&body).send().await.status.as_u16()
    };
    world.with_faults(|call| match (call.operation, call.table) {
        ("PutItem", Some("audit")) => Fault::Throttle,
        _ => Fault::None,
    });
    assert_eq!(accept(&world).await, 503);
    world.with_faults(|_| Fault::None);
    // The second is the first one once more, at the same time.
    let mut statuses: [u16; 2] = tokio::join!(accept(&world), accept(&world)).into();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    assert_eq!(accept(&world).await, 200);
    let joined = actions(&world, &host).await;
    let joined = joined.iter().filter(|action| *action == "member.join");
    assert_eq!(joined.count(), 1);
}

#[tokio::test]
async fn a_sign_in_that_fails_half_way_leaves_nothing_but_its_intent() {
    let world = World::new().await;
    let body = json!({ "provider": "github", "access_token": "unknown" });
    let refused = world.post("/auth/session").json(&body).send().await;
    assert_eq!(refused.status, 401);
    assert!(world.items().await.iter().all(|count| *count == 0));
}
