use super::*;

#[tokio::test]
async fn a_role_is_given_and_taken_and_the_last_owner_stays() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let scope = own(&ada);
        let tenant = store.tenant(&scope);
        let joined = join(&store, &scope, &grace, Role::Viewer).await;
        assert_eq!(joined.role, Role::Viewer);
        let seen = member(&store, &scope, &ada).await.unwrap();
        for role in [Role::Admin, Role::Viewer] {
            let demoted = tenant
                .set_role(&seen, role, None, &write_id())
                .await
                .unwrap();
            assert_eq!(demoted, MemberOutcome::LastOwner);
        }
        let left = tenant
            .remove_member(&seen, None, &write_id())
            .await
            .unwrap();
        assert_eq!(left, MemberOutcome::LastOwner);

        let viewer = member(&store, &scope, &grace).await.unwrap();
        let promoted = tenant
            .set_role(&viewer, Role::Owner, None, &write_id())
            .await;
        let MemberOutcome::Changed(second) = promoted.unwrap() else {
            panic!("not promoted");
        };
        assert_eq!((second.role, second.revision), (Role::Owner, 2));
        let left = tenant
            .remove_member(&seen, None, &write_id())
            .await
            .unwrap();
        assert_eq!(left, MemberOutcome::Changed(seen));
        assert_eq!(member(&store, &scope, &ada).await, None);
        assert_sound(&store, &scope, &[ada, grace]).await;
    }
}

#[tokio::test]
async fn a_change_of_a_member_who_changed_meanwhile_changes_nothing() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let scope = own(&ada);
        let tenant = store.tenant(&scope);
        join(&store, &scope, &grace, Role::Developer).await;
        let seen = member(&store, &scope, &grace).await.unwrap();
        // An owner makes an owner of somebody whom an administrator is about to remove.
        let promoted = tenant.set_role(&seen, Role::Owner, None, &write_id()).await;
        assert!(matches!(promoted.unwrap(), MemberOutcome::Changed(_)));
        let removed = tenant
            .remove_member(&seen, None, &write_id())
            .await
            .unwrap();
        let MemberOutcome::Stale(there) = removed else {
            panic!("{removed:?}");
        };
        assert_eq!(there.role, Role::Owner);
        let demoted = tenant
            .set_role(&seen, Role::Viewer, None, &write_id())
            .await;
        assert_eq!(demoted.unwrap(), MemberOutcome::Stale(there.clone()));
        let removed = tenant
            .remove_member(&there, None, &write_id())
            .await
            .unwrap();
        assert_eq!(removed, MemberOutcome::Changed(there.clone()));
        // Who is gone is gone, whoever asks for it once more.
        let again = tenant
            .remove_member(&there, None, &write_id())
            .await
            .unwrap();
        assert_eq!(again, MemberOutcome::Changed(there.clone()));
        let changed = tenant
            .set_role(&there, Role::Viewer, None, &write_id())
            .await;
        assert_eq!(changed.unwrap(), MemberOutcome::Missing);
        assert_sound(&store, &scope, &[ada, grace]).await;
    }
}

#[tokio::test]
async fn who_has_just_been_demoted_or_removed_cannot_undo_it() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let mary = sign_in(&store, "mary").await;
        let scope = own(&ada);
        let tenant = store.tenant(&scope);
        join(&store, &scope, &grace, Role::Owner).await;
        join(&store, &scope, &mary, Role::Admin).await;
        let by_ada = Some(member(&store, &scope, &ada).await.unwrap().handle);
        let seen = member(&store, &scope, &grace).await.unwrap();
        let by_grace = Some(seen.handle.clone());
        let demoted = tenant
            .set_role(&seen, Role::Admin, by_ada.as_ref(), &write_id())
            .await;
        let MemberOutcome::Changed(demoted) = demoted.unwrap() else {
            panic!("not demoted");
        };
        // An administrator neither makes an owner of themselves or of others nor takes one away, whatever they were.
        for who in [&ada, &grace, &mary] {
            let seen = member(&store, &scope, who).await.unwrap();
            let role = if seen.role == Role::Owner {
                Role::Viewer
            } else {
                Role::Owner
            };
            let refused = tenant
                .set_role(&seen, role, by_grace.as_ref(), &write_id())
                .await;
            assert_eq!(refused.unwrap(), MemberOutcome::NotAllowed);
        }
        let of_ada = member(&store, &scope, &ada).await.unwrap();
        let of_mary = member(&store, &scope, &mary).await.unwrap();
        let refused = tenant
            .remove_member(&of_ada, by_grace.as_ref(), &write_id())
            .await;
        assert_eq!(refused.unwrap(), MemberOutcome::NotAllowed);
        let changed = tenant
            .set_role(&of_mary, Role::Viewer, by_grace.as_ref(), &write_id())
            .await;
        let MemberOutcome::Changed(of_mary) = changed.unwrap() else {
            panic!("an administrator may do that");
        };
        // Who is out decides nothing.
        tenant
            .remove_member(&demoted, by_ada.as_ref(), &write_id())
            .await
            .unwrap();
        for outcome in [
            tenant
                .set_role(&of_mary, Role::Admin, by_grace.as_ref(), &write_id())
                .await,
            tenant
                .remove_member(&of_mary, by_grace.as_ref(), &write_id())
                .await,
        ] {
            assert_eq!(outcome.unwrap(), MemberOutcome::NotAllowed);
        }
        let last = tenant
            .remove_member(&of_ada, by_ada.as_ref(), &write_id())
            .await;
        assert_eq!(last.unwrap(), MemberOutcome::LastOwner);
        assert_sound(&store, &scope, &[ada, grace, mary]).await;
    }
}

#[tokio::test]
async fn members_are_listed_page_by_page() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let scope = own(&ada);
        let mut people = vec![ada];
        for number in 0..6 {
            let person = sign_in(&store, &format!("person-{number}")).await;
            join(&store, &scope, &person, Role::Developer).await;
            people.push(person);
        }
        let (mut seen, mut after) = (Vec::new(), None);
        for _ in 0..10 {
            let page = store.tenant(&scope).members(3, after.as_ref()).await;
            let page = page.unwrap();
            assert!(page.members.len() <= 3);
            seen.extend(page.members.into_iter().map(|member| member.user_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut expected: Vec<_> = people
            .iter()
            .map(|person| person.scope.user_id().clone())
            .collect();
        expected.sort();
        expected.reverse();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn another_tenant_knows_nothing_of_members_and_invitations() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let (here, elsewhere) = (own(&ada), own(&grace));
        let other = store.tenant(&elsewhere);
        assert_eq!(other.member(ada.scope.user_id()).await.unwrap(), None);
        let seen = member(&store, &here, &ada).await.unwrap();
        let changed = other.set_role(&seen, Role::Viewer, None, &write_id()).await;
        assert_eq!(changed.unwrap(), MemberOutcome::Missing);
        other.remove_member(&seen, None, &write_id()).await.unwrap();
        assert_eq!(member(&store, &here, &ada).await, Some(seen));
        let (new, presented) = new_invitation(Role::Owner);
        let tenant = store.tenant(&here);
        tenant
            .create_invitation(&new, NOW, &write_id())
            .await
            .unwrap();
        let ended = other.revoke_invitation(&new.key_id, NOW, &write_id()).await;
        assert_eq!(ended.unwrap(), InvitationEnd::Unknown);
        let page = other.invitations(10, None, NOW).await.unwrap();
        assert!(page.invitations.is_empty());
        assert!(store.invitation(&presented, NOW).await.unwrap().is_some());
        let none = store
            .person(&grace.scope)
            .membership(here.tenant())
            .await
            .unwrap();
        assert_eq!(none, None);
        assert_sound(&store, &here, &[ada]).await;
        assert_sound(&store, &elsewhere, &[grace]).await;
    }
}

#[tokio::test]
async fn whoever_comes_back_has_another_handle() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let scope = own(&ada);
        let before = join(&store, &scope, &grace, Role::Admin).await;
        let (_, session) = open_session(&store, &grace, &before, NOW).await;
        assert!(store.authenticate(&session, NOW).await.unwrap().is_some());
        let seen = member(&store, &scope, &grace).await.unwrap();
        let tenant = store.tenant(&scope);
        tenant
            .remove_member(&seen, None, &write_id())
            .await
            .unwrap();
        assert_eq!(store.authenticate(&session, NOW).await.unwrap(), None);
        let after = join(&store, &scope, &grace, Role::Admin).await;
        assert_ne!(after.handle, before.handle);
        assert_eq!(store.authenticate(&session, NOW).await.unwrap(), None);
        assert_sound(&store, &scope, &[ada, grace]).await;
    }
}

#[tokio::test]
async fn a_tenant_that_nobody_signed_in_to_make_can_take_people_in() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let scope = tenant("local");
        let local = store.tenant(&scope);
        assert_eq!(local.organisation().await.unwrap(), None);
        let name = ShortText::parse("this laptop").unwrap();
        local.ensure_organisation(&name, NOW).await.unwrap();
        let membership = join(&store, &scope, &ada, Role::Owner).await;
        assert_eq!(membership.organisation, name);
        local.ensure_organisation(&name, NOW).await.unwrap();
        assert_sound(&store, &scope, &[ada]).await;
    }
}
