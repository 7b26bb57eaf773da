use super::*;

#[tokio::test]
async fn whoever_signs_in_first_is_the_owner_of_an_organisation_of_their_own() {
    for (engine, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        assert!(ada.made.is_some(), "{engine}");
        assert_eq!(ada.person.display_name.as_str(), "ada");
        assert_eq!(ada.person.created_at, NOW);
        let [membership] = ada.memberships.as_slice() else {
            panic!("{:?}", ada.memberships);
        };
        assert_eq!(membership.role, Role::Owner);
        assert_eq!(membership.organisation.as_str(), "ada");
        assert!(membership.scope.tenant().as_str().starts_with("org-"));
        let made = organisation(&store, &membership.scope).await;
        assert_eq!((made.owners, made.members), (1, 1));
        // Maintenance finds the tenant.
        let mut registered = Vec::new();
        for shard in 0..crate::DEADLINE_SHARDS {
            registered.extend(store.tenants(shard, None, 10).await.unwrap());
        }
        assert_eq!(registered, std::slice::from_ref(&membership.scope));

        let again = sign_in(&store, "ada").await;
        assert!(again.made.is_none());
        assert_eq!(again.scope, ada.scope);
        assert_eq!(again.memberships, ada.memberships);
        let other = sign_in(&store, "grace").await;
        assert_ne!(other.scope, ada.scope);
    }
}

#[tokio::test]
async fn the_same_subject_of_another_issuer_is_somebody_else() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let (_, new) = new_person("ada");
        for (issuer, subject) in [
            ("https://other.example.com", "ada"),
            ("https://idp.example.com", "ad"),
            ("https://idp.example.comada", "x"),
        ] {
            let identity = Identity::new(issuer, subject).unwrap();
            let new = NewPerson {
                user_id: UserId::new(NOW, bytes()),
                organisation: NewOrganisation {
                    tenant: TenantId::organisation(NOW, bytes()),
                    handle: MemberHandle::new(bytes()),
                    ..new.organisation.clone()
                },
                ..new.clone()
            };
            let other = store
                .sign_in(&identity, &new, NOW, &write_id())
                .await
                .unwrap();
            assert!(other.made.is_some());
            assert_ne!(other.scope, ada.scope);
        }
    }
}

#[tokio::test]
async fn people_are_called_as_their_provider_says_now() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let (identity, new) = new_person("ada");
        let renamed = NewPerson {
            display_name: ShortText::parse("Ada Lovelace").unwrap(),
            ..new
        };
        let again = store
            .sign_in(&identity, &renamed, NOW.plus_seconds(1), &write_id())
            .await
            .unwrap();
        assert_eq!(again.person.display_name.as_str(), "Ada Lovelace");
        let kept = store.person(&ada.scope).person().await.unwrap().unwrap();
        assert_eq!(kept, again.person);
        let listed = member(&store, &own(&ada), &ada).await.unwrap();
        assert_eq!(listed.display_name.as_str(), "Ada Lovelace");
    }
}

#[tokio::test]
async fn whoever_was_removed_everywhere_gets_a_new_organisation() {
    for (_, store) in stores().await {
        let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
        let lost = own(&ada);
        join(&store, &lost, &grace, Role::Owner).await;
        let seen = member(&store, &lost, &ada).await.unwrap();
        let removed = store
            .tenant(&lost)
            .remove_member(&seen, None, &write_id())
            .await;
        assert_eq!(removed.unwrap(), MemberOutcome::Changed(seen));
        let own_store = store.person(&ada.scope);
        assert!(own_store.memberships().await.unwrap().is_empty());

        let again = sign_in(&store, "ada").await;
        assert_eq!(again.scope, ada.scope);
        assert_eq!(again.memberships.len(), 1);
        assert_ne!(again.memberships[0].scope, lost);
        assert_eq!(again.made.as_ref(), again.memberships.first());
        assert_eq!(again.memberships[0].role, Role::Owner);
        assert_sound(&store, &own(&again), &[again, grace]).await;
    }
}

#[test]
fn an_identity_is_visible_text() {
    assert!(Identity::new("https://github.com", "583231").is_ok());
    let long = "x".repeat(256);
    for bad in ["", "a b", "a\nb", "é", long.as_str()] {
        assert!(Identity::new(bad, "1").is_err(), "{bad}");
        assert!(Identity::new("https://a", bad).is_err(), "{bad}");
    }
}

#[test]
fn the_key_id_of_a_member_names_the_membership() {
    let handle = MemberHandle::new([0; 8]);
    let key = KeyId::of_member(&handle, [35; 4]);
    assert_eq!(key.as_str(), "aaaaaaaa9999");
    assert_eq!(key.member(), handle);
    for bad in ["", "short", "UPPERCAS", "ninechars", "with-das"] {
        assert!(MemberHandle::parse(bad).is_err(), "{bad}");
    }
}
