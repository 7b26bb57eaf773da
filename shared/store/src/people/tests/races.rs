//! What happens at once happens in some order.

use super::*;
use crate::testing::on;

#[tokio::test]
async fn two_first_sign_ins_at_once_make_one_person() {
    for (_, store) in stores().await {
        for round in 0..10 {
            let name = format!("ada-{round}");
            let (identity, one) = new_person(&name);
            let (_, other) = new_person(&name);
            let (first, second) = (write_id(), write_id());
            let (left, right) = tokio::join!(
                store.sign_in(&identity, &one, NOW, &first),
                store.sign_in(&identity, &other, NOW, &second),
            );
            let (left, right) = (left.unwrap(), right.unwrap());
            assert_eq!(left.scope, right.scope);
            assert_eq!(left.memberships, right.memberships);
            assert!(left.made.is_some() != right.made.is_some());
            assert_sound(&store, &own(&left), &[left]).await;
        }
    }
}

#[tokio::test]
async fn of_two_owners_who_demote_or_remove_each_other_at_once_one_stays() {
    for (_, store) in stores().await {
        for remove in [false, true] {
            let (ada, grace) = (
                sign_in(&store, &format!("ada-{remove}")).await,
                sign_in(&store, &format!("grace-{remove}")).await,
            );
            let scope = own(&ada);
            join(&store, &scope, &grace, Role::Owner).await;
            let one = member(&store, &scope, &ada).await.unwrap();
            let other = member(&store, &scope, &grace).await.unwrap();
            let tenant = store.tenant(&scope);
            let change = async |seen: &Member| {
                if remove {
                    tenant.remove_member(seen, None, &write_id()).await.unwrap()
                } else {
                    let role = Role::Developer;
                    tenant
                        .set_role(seen, role, None, &write_id())
                        .await
                        .unwrap()
                }
            };
            let (left, right) = tokio::join!(change(&one), change(&other));
            let won = [&left, &right]
                .into_iter()
                .filter(|outcome| matches!(outcome, MemberOutcome::Changed(_)));
            assert_eq!(won.count(), 1, "{left:?} {right:?}");
            let lost = [&left, &right]
                .into_iter()
                .filter(|outcome| matches!(outcome, MemberOutcome::LastOwner));
            assert_eq!(lost.count(), 1, "{left:?} {right:?}");
            assert_eq!(organisation(&store, &scope).await.owners, 1);
            assert_sound(&store, &scope, &[ada, grace]).await;
        }
    }
}

#[tokio::test]
async fn of_two_who_accept_one_invitation_at_once_one_comes_in() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let scope = own(&ada);
        let mut people = vec![ada];
        for round in 0..5 {
            let one = sign_in(&store, &format!("one-{round}")).await;
            let other = sign_in(&store, &format!("other-{round}")).await;
            let (new, presented) = new_invitation(Role::Developer);
            let tenant = store.tenant(&scope);
            tenant
                .create_invitation(&new, NOW, &write_id())
                .await
                .unwrap();
            let accept = async |person: &SignedIn| {
                let handle = MemberHandle::new(bytes());
                let own = store.person(&person.scope);
                own.accept_invitation(&presented, &handle, NOW, &write_id())
                    .await
                    .unwrap()
            };
            let (left, right) = tokio::join!(accept(&one), accept(&other));
            let joined = [&left, &right]
                .into_iter()
                .filter(|outcome| matches!(outcome, Acceptance::Joined(_)));
            assert_eq!(joined.count(), 1, "{left:?} {right:?}");
            assert!(left == Acceptance::NotGood || right == Acceptance::NotGood);
            people.extend([one, other]);
        }
        assert_sound(&store, &scope, &people).await;
    }
}

#[tokio::test]
async fn an_invitation_that_is_accepted_while_it_is_revoked_is_one_or_the_other() {
    for (_, store) in stores().await {
        let ada = sign_in(&store, "ada").await;
        let scope = own(&ada);
        let mut people = vec![ada];
        for round in 0..5 {
            let guest = sign_in(&store, &format!("guest-{round}")).await;
            let (new, presented) = new_invitation(Role::Owner);
            let tenant = store.tenant(&scope);
            tenant
                .create_invitation(&new, NOW, &write_id())
                .await
                .unwrap();
            let handle = MemberHandle::new(bytes());
            let own = store.person(&guest.scope);
            let (first, second) = (write_id(), write_id());
            let (accepted, ended) = tokio::join!(
                own.accept_invitation(&presented, &handle, NOW, &first),
                tenant.revoke_invitation(&new.key_id, NOW, &second),
            );
            match (accepted.unwrap(), ended.unwrap()) {
                (Acceptance::Joined(_), InvitationEnd::Used)
                | (Acceptance::NotGood, InvitationEnd::Revoked) => {}
                other => panic!("{other:?}"),
            }
            people.push(guest);
        }
        assert_sound(&store, &scope, &people).await;
    }
}

/// Numbers that differ and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Whatever people do to each other, and whatever is lost on the way, an organisation has an owner, and what is written down
/// in several places says the same in each.
#[tokio::test]
async fn an_organisation_is_sound_after_any_changes_and_losses() {
    for seed in 1..=4 {
        let engine = Engine::memory().unwrap();
        let store = on(&engine.client(), Tables::default());
        store.create_tables().await.unwrap();
        let lossy = engine.client_with(move |call| {
            let writes = call.operation == "TransactWriteItems";
            match (writes, (call.sequence + seed) % 5) {
                (true, 0) => Fault::DropAfter,
                (true, 1) => Fault::DropBefore,
                _ => Fault::None,
            }
        });
        let lossy = on(&lossy, Tables::default());
        let mut people = Vec::new();
        for name in ["ada", "grace", "mary", "john"] {
            people.push(sign_in(&store, name).await);
        }
        let scope = own(&people[0]);
        let tenant = lossy.tenant(&scope);
        let mut dice = Dice(seed * 0x9E37_79B9);
        for _ in 0..60 {
            let person = &people[usize::try_from(dice.roll(4)).unwrap()];
            let role = Role::ALL[usize::try_from(dice.roll(5)).unwrap()];
            let seen = tenant.member(person.scope.user_id()).await.unwrap();
            // An answer that was lost is no answer; whether it happened shows.
            match seen {
                Some(seen) if dice.roll(3) == 0 => {
                    let _ = tenant.remove_member(&seen, None, &write_id()).await;
                }
                Some(seen) => {
                    let _ = tenant.set_role(&seen, role, None, &write_id()).await;
                }
                None => {
                    let (new, presented) = new_invitation(role);
                    let _ = tenant.create_invitation(&new, NOW, &write_id()).await;
                    let handle = MemberHandle::new(bytes());
                    let own = lossy.person(&person.scope);
                    for _ in 0..2 {
                        let _ = own
                            .accept_invitation(&presented, &handle, NOW, &write_id())
                            .await;
                    }
                }
            }
            assert_sound(&store, &scope, &people).await;
        }
    }
}
