//! What the versions before have left still works: their items are read and changed, their requests answered, and what is
//! written and answered today is understood by them. `docs/upgrades.md` says by which rules.

mod agents;
mod call;
mod calls;
mod fixture;
mod items;
mod providers;
mod shapes;
mod sign;
mod story;
mod words;
mod world;

use fixture::Fixture;
pub(crate) use items::{Items, export};
pub(crate) use shapes::pattern;
use wire::audit::{Expected, Verdict, verify};

/// What the tables of versions before held, and what those of this one hold when there is everything in them.
pub(crate) async fn all_items() -> Vec<Items> {
    let mut all: Vec<_> = Fixture::all()
        .into_iter()
        .map(|fixture| fixture.items)
        .collect();
    all.push(Box::pin(Fixture::record()).await.items);
    all
}

/// Fails with everything that was found.
fn none_of(version: &str, found: &[String]) {
    assert!(found.is_empty(), "version {version}:\n{}", found.join("\n"));
}

#[tokio::test]
async fn what_a_version_before_has_left_is_read_changed_and_answered_as_it_was_then() {
    let all = Fixture::all();
    assert!(!all.is_empty());
    for fixture in all {
        let version = &fixture.version;
        let replay = fixture.replay().await;
        none_of(version, &replay.differing);
        // The chain that it began goes on unbroken.
        let verdict = verify(&replay.records, Expected::default());
        assert!(
            matches!(&verdict, Verdict::Whole(whole) if whole.records > 100),
            "{version}: {verdict:?}"
        );
        // An agent of then knows no more than what was in the answers then, and one of today may be answered by then's plane.
        none_of(version, &agents::not_understood(&replay.calls, true));
        none_of(version, &agents::not_understood(&fixture.calls, false));
        none_of(version, &agents::not_known_before(&fixture.calls));
    }
}

/// As when a newer version is rolled back, or runs beside this one.
#[tokio::test]
async fn what_a_later_version_has_put_into_items_is_passed_over_and_kept() {
    for fixture in Fixture::all() {
        let version = &fixture.version;
        let items = items::with_more(&fixture.items);
        let replay = fixture.replay_on(&items).await;
        none_of(version, &replay.differing);
        none_of(version, &items::without_more(&items, &replay.items));
    }
}

#[test]
fn no_word_is_forgotten_that_a_version_before_has_written() {
    for fixture in Fixture::all() {
        none_of(&fixture.version, &words::forgotten(&fixture.words));
    }
}

#[tokio::test]
async fn this_version_can_be_recorded_and_the_one_before_reads_what_it_writes() {
    let today = Box::pin(Fixture::record()).await;
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        today.write();
    }
    none_of("of today", &today.replay().await.differing);
    for fixture in Fixture::all() {
        let found = shapes::unreadable(&fixture.items, &today.items);
        none_of(&fixture.version, &found);
    }
}
