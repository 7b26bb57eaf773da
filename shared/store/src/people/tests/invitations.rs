use super::*;
use crate::{Creation, CredentialKind, Presented};

async fn accept(store: &Store, person: &SignedIn, presented: &Presented) -> Acceptance {
    let handle = MemberHandle::new(bytes());
    store
        .person(&person.scope)
        .accept_invitation(presented, &handle, NOW, &write_id())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_invitation_is_used_once() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let (grace, mary) = (
            sign_in(&store, "grace").await,
            sign_in(&store, "mary").await,
        );
        let scope = own(&ada);
        let tenant = store.tenant(&scope);
        let (new, presented) = new_invitation(Role::Developer);
        for _ in 0..2 {
            let created = tenant.create_invitation(&new, NOW, &write_id()).await;
            assert_eq!(created.unwrap(), Creation::Created);
        }
        let shown = store.invitation(&presented, NOW).await.unwrap().unwrap();
        assert_eq!(
            (shown.role, shown.organisation.as_str()),
            (Role::Developer, "ada")
        );
        let page = tenant.invitations(10, None, NOW).await.unwrap();
        assert_eq!(page.invitations, [shown]);

        // Who is in already leaves it for somebody else.
        let already = accept(&store, &ada, &presented).await;
        assert_eq!(
            already,
            Acceptance::AlreadyMember(ada.memberships[0].clone())
        );
        let joined = accept(&store, &grace, &presented).await;
        assert!(matches!(joined, Acceptance::Joined(_)), "{joined:?}");
        assert_eq!(accept(&store, &grace, &presented).await, joined);
        assert_eq!(accept(&store, &mary, &presented).await, Acceptance::NotGood);
        assert_eq!(store.invitation(&presented, NOW).await.unwrap(), None);
        let page = tenant.invitations(10, None, NOW).await.unwrap();
        assert!(page.invitations.is_empty());
        let ended = tenant
            .revoke_invitation(&new.key_id, NOW, &write_id())
            .await;
        assert_eq!(ended.unwrap(), InvitationEnd::Used);
        // It brings nobody back who was taken out.
        let seen = member(&store, &scope, &grace).await.unwrap();
        tenant
            .remove_member(&seen, None, &write_id())
            .await
            .unwrap();
        assert_eq!(
            accept(&store, &grace, &presented).await,
            Acceptance::NotGood
        );
        assert_sound(&store, &scope, &[ada, grace, mary]).await;
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_an_invitation_the_answer_is_the_same() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let scope = own(&ada);
        let tenant = store.tenant(&scope);
        let (good, presented) = new_invitation(Role::Viewer);
        let (revoked, of_revoked) = new_invitation(Role::Viewer);
        let (mut ended, of_ended) = new_invitation(Role::Viewer);
        ended.expires_at = NOW;
        for new in [&good, &revoked, &ended] {
            tenant
                .create_invitation(new, NOW, &write_id())
                .await
                .unwrap();
        }
        for _ in 0..2 {
            let end = tenant
                .revoke_invitation(&revoked.key_id, NOW, &write_id())
                .await;
            assert_eq!(end.unwrap(), InvitationEnd::Revoked);
        }
        let (_, unknown) = new_invitation(Role::Viewer);
        let wrong_secret = Presented {
            secret_sha256: bytes(),
            ..presented.clone()
        };
        let wrong_kind = Presented {
            kind: CredentialKind::ApiToken,
            ..presented.clone()
        };
        for bad in [unknown, wrong_secret, wrong_kind, of_revoked, of_ended] {
            assert_eq!(store.invitation(&bad, NOW).await.unwrap(), None);
            assert_eq!(accept(&store, &grace, &bad).await, Acceptance::NotGood);
            // Nor is it a credential for anything else.
            assert_eq!(store.authenticate(&bad, NOW).await.unwrap(), None);
        }
        let page = tenant.invitations(10, None, NOW).await.unwrap();
        assert_eq!(page.invitations.len(), 1);
        assert_eq!(store.authenticate(&presented, NOW).await.unwrap(), None);
        assert_sound(&store, &scope, &[ada, grace]).await;
    }
}

#[tokio::test]
async fn an_invitation_is_good_while_whoever_made_it_may_invite() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let mary = sign_in(&store, "mary").await;
        let scope = own(&ada);
        let tenant = store.tenant(&scope);
        let inviter = join(&store, &scope, &grace, Role::Owner).await;
        let invite = async |role| {
            let (mut new, presented) = new_invitation(role);
            new.creator = Some(inviter.handle.clone());
            tenant
                .create_invitation(&new, NOW, &write_id())
                .await
                .unwrap();
            presented
        };
        let (as_owner, as_viewer) = (invite(Role::Owner).await, invite(Role::Viewer).await);
        let seen = member(&store, &scope, &grace).await.unwrap();
        let demoted = tenant.set_role(&seen, Role::Admin, None, &write_id()).await;
        let MemberOutcome::Changed(seen) = demoted.unwrap() else {
            panic!("not demoted");
        };
        assert_eq!(accept(&store, &mary, &as_owner).await, Acceptance::NotGood);
        let joined = accept(&store, &mary, &as_viewer).await;
        assert!(matches!(joined, Acceptance::Joined(_)), "{joined:?}");

        let left = invite(Role::Viewer).await;
        tenant
            .remove_member(&seen, None, &write_id())
            .await
            .unwrap();
        let john = sign_in(&store, "john").await;
        assert_eq!(accept(&store, &john, &left).await, Acceptance::NotGood);
        assert_sound(&store, &scope, &[ada, grace, mary, john]).await;
    }
}

#[tokio::test]
async fn nobody_is_in_more_than_fifty_organisations() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let name = ShortText::parse("one of many").unwrap();
        for number in 1..MAX_ORGANISATIONS {
            let scope = tenant(&format!("org-{number}"));
            let tenant = store.tenant(&scope);
            tenant.ensure_organisation(&name, NOW).await.unwrap();
            join(&store, &scope, &ada, Role::Viewer).await;
        }
        let scope = tenant("one-too-many");
        let tenant = store.tenant(&scope);
        tenant.ensure_organisation(&name, NOW).await.unwrap();
        let (new, presented) = new_invitation(Role::Viewer);
        tenant
            .create_invitation(&new, NOW, &write_id())
            .await
            .unwrap();
        let refused = accept(&store, &ada, &presented).await;
        assert_eq!(refused, Acceptance::TooMany);
        let all = store.person(&ada.scope).memberships().await.unwrap();
        assert_eq!(all.len(), MAX_ORGANISATIONS);
        assert!(all.contains(&ada.memberships[0]));
        // It is still there for somebody else.
        assert!(store.invitation(&presented, NOW).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn open_invitations_are_listed_page_by_page() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let scope = own(&ada);
        let tenant = store.tenant(&scope);
        let mut expected = Vec::new();
        for number in 0..5 {
            let (new, _) = new_invitation(Role::Viewer);
            let at = NOW.plus_seconds(number);
            tenant
                .create_invitation(&new, at, &write_id())
                .await
                .unwrap();
            expected.insert(0, new.key_id);
        }
        let (mut seen, mut after) = (Vec::new(), None);
        for _ in 0..10 {
            let page = tenant.invitations(2, after.as_ref(), NOW).await.unwrap();
            seen.extend(page.invitations.into_iter().map(|it| it.key_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
}
