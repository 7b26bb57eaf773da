//! A relay's tokens and keys.

use super::*;

#[tokio::test]
async fn an_enrolment_brings_one_key_and_the_one_before_it_stays_good_for_the_overlap() {
    for (engine, store) in stores().await {
        let acme = tenant("acme");
        create(&store, &acme, 1, None).await;
        let scope = store.tenant(&acme);
        let wrong = store
            .relay_enrolment(&presented("enrolment001", 8), NOW)
            .await;
        assert_eq!(wrong.unwrap(), None, "{engine}");
        let with = store
            .relay_enrolment(&presented("enrolment001", 9), NOW)
            .await
            .unwrap();
        let with = with.unwrap();
        let first = new_key(1, "firstkey0001");
        let enrolled = scope
            .enrol_relay(&with, &first, NOW, &write())
            .await
            .unwrap();
        assert_eq!(enrolled, RelayKeyRotation::Added, "{engine}");
        let again = scope
            .enrol_relay(&with, &new_key(1, "secondkey001"), NOW, &write())
            .await;
        assert_eq!(again.unwrap(), RelayKeyRotation::NotGood, "{engine}");
        let used = store
            .relay_enrolment(&presented("enrolment001", 9), NOW)
            .await;
        let used = used.unwrap().unwrap().used_by;
        assert_eq!(used.as_ref(), Some(&first.key_id), "{engine}");
        let ended = store
            .relay_enrolment(&presented("enrolment001", 9), NOW.plus_seconds(3600))
            .await;
        assert_eq!(ended.unwrap(), None, "{engine}");

        let late = NOW.plus_seconds(1000);
        let until = late.plus_seconds(60);
        let next = new_key(1, "thirdkey0001");
        let rotated = scope
            .rotate_relay_key(&first.key_id, &next, (late, until), &write())
            .await;
        assert_eq!(rotated.unwrap(), RelayKeyRotation::Added, "{engine}");
        let from_the_old = new_key(1, "fourthkey001");
        let refused = scope
            .rotate_relay_key(&first.key_id, &from_the_old, (late, until), &write())
            .await;
        assert_eq!(refused.unwrap(), RelayKeyRotation::NotGood, "{engine}");
        let relay = scope.relay(&relay_id(1)).await.unwrap().unwrap();
        let name = |id: &KeyId| KeyName::parse(id.as_str()).unwrap();
        assert!(relay.signs_with(&name(&next.key_id), until), "{engine}");
        assert!(relay.signs_with(&name(&first.key_id), late), "{engine}");
        assert!(!relay.signs_with(&name(&first.key_id), until), "{engine}");
        let key = store.relay_key(&next.key_id, late).await.unwrap().unwrap();
        assert_eq!(
            (key.public_key, key.relay_id),
            ([7; 32], relay_id(1)),
            "{engine}"
        );
        let ended = store
            .relay_key(&next.key_id, next.expires_at)
            .await
            .unwrap();
        assert_eq!(ended, None, "{engine}");
    }
}

#[tokio::test]
async fn a_new_token_ends_the_one_before_and_in_an_incident_the_keys_too() {
    for (engine, store) in stores().await {
        let acme = tenant("acme");
        create(&store, &acme, 1, None).await;
        let scope = store.tenant(&acme);
        let token = async |id: &str| {
            let with = store.relay_enrolment(&presented(id, 9), NOW).await;
            with.unwrap().unwrap()
        };
        let enrol = async |token: &RelayEnrolment, id: &str| {
            let (new, write) = (new_key(1, id), write());
            scope.enrol_relay(token, &new, NOW, &write).await.unwrap()
        };
        let first = token("enrolment001").await;
        let again = enrolment(1, "enrolment002");
        let made = scope.create_relay_enrolment(&again, NOW, &write()).await;
        assert!(made.unwrap(), "{engine}");
        let became = enrol(&first, "firstkey0001").await;
        assert_eq!(became, RelayKeyRotation::NotGood, "{engine}");
        let second = token("enrolment002").await;
        let became = enrol(&second, "firstkey0001").await;
        assert_eq!(became, RelayKeyRotation::Added, "{engine}");

        let incident = NewRelayEnrolment {
            overlap_seconds: 0,
            ..enrolment(1, "enrolment003")
        };
        let made = scope.create_relay_enrolment(&incident, NOW, &write()).await;
        assert!(made.unwrap(), "{engine}");
        let relay = scope.relay(&relay_id(1)).await.unwrap().unwrap();
        assert_eq!((relay.current_key, relay.previous_key), (None, None));
        let became = enrol(&token("enrolment003").await, "secondkey001").await;
        assert_eq!(became, RelayKeyRotation::Added, "{engine}");
        let of_nobody = NewRelayEnrolment {
            key_id: key_id("enrolment004"),
            relay_id: relay_id(2),
            ..incident
        };
        let write = write();
        let made = scope.create_relay_enrolment(&of_nobody, NOW, &write);
        assert!(!made.await.unwrap(), "{engine}");
    }
}

#[tokio::test]
async fn of_two_enrolments_with_one_token_one_wins() {
    let store = on(&Engine::memory().unwrap().client(), Tables::default());
    store.create_tables().await.unwrap();
    let acme = tenant("acme");
    create(&store, &acme, 1, None).await;
    let with = store
        .relay_enrolment(&presented("enrolment001", 9), NOW)
        .await
        .unwrap()
        .unwrap();
    let scope = store.tenant(&acme);
    let (one, two) = (new_key(1, "firstkey0001"), new_key(1, "secondkey001"));
    let (first, second) = (write(), write());
    let (first, second) = tokio::join!(
        scope.enrol_relay(&with, &one, NOW, &first),
        scope.enrol_relay(&with, &two, NOW, &second),
    );
    let mut became = [first.unwrap(), second.unwrap()];
    became.sort_by_key(|became| *became == RelayKeyRotation::NotGood);
    assert_eq!(became, [RelayKeyRotation::Added, RelayKeyRotation::NotGood]);
}
