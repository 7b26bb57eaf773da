//! The record of who did what, through its routes.

use super::*;
use http::header::{CONTENT_TYPE, LINK};
use wire::audit::{Action, Detail, Draft, Expected, Outcome, Verdict, Verifier};

const AUDIT: &str = "/api/dashboard/audit";

impl World {
    /// A record of each of these pools.
    async fn record(&self, count: u64) {
        for number in 0..count {
            let draft = Draft {
                at: self.api.now(),
                actor: format!("user:{}", number % 2),
                credential_id: None,
                action: Action::PoolUpdate.as_str().to_owned(),
                resource: format!("pool:{number}"),
                outcome: Outcome::Done,
                before_sha256: None,
                after_sha256: None,
                request_id: None,
                address: None,
                detail: Detail::new(),
            };
            let tenant = self.api.store.tenant(&self.scope);
            tenant
                .append_records(&[draft], self.api.now(), &self.api.write_id())
                .await
                .unwrap();
            self.api.clock.advance_seconds(1);
        }
    }
}

fn resources(answer: &Answer) -> Vec<&str> {
    let records = answer.json["records"].as_array().unwrap().iter();
    records
        .map(|record| record["resource"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_list_is_newest_first_with_filters_and_a_cursor() {
    let world = World::new().await;
    assert_eq!(world.get(AUDIT).await.json["head"]["sequence"], 0);
    world.record(10).await;
    let answer = world.get(&format!("{AUDIT}?limit=4")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(resources(&answer), ["pool:9", "pool:8", "pool:7", "pool:6"]);
    assert_eq!(answer.json["head"]["sequence"], 10);
    assert_eq!(
        answer.json["head"]["hash"],
        answer.json["records"][0]["hash"]
    );
    let cursor = answer.json["next_cursor"].as_str().unwrap();
    let next = world.get(&format!("{AUDIT}?limit=4&cursor={cursor}")).await;
    assert_eq!(resources(&next), ["pool:5", "pool:4", "pool:3", "pool:2"]);
    let of_one = world.get(&format!("{AUDIT}?actor=user:1&limit=3")).await;
    assert_eq!(resources(&of_one), ["pool:9", "pool:7", "pool:5"]);
    let one = world.get(&format!("{AUDIT}?resource=pool:3")).await;
    assert_eq!(resources(&one), ["pool:3"]);
    let at = one.json["records"][0]["at"].as_str().unwrap();
    let since = world.get(&format!("{AUDIT}?from={at}&to={at}")).await;
    assert_eq!(resources(&since), Vec::<&str>::new());
    let until = world.get(&format!("{AUDIT}?to={at}")).await;
    assert_eq!(resources(&until), ["pool:2", "pool:1", "pool:0"]);
    let none = world.get(&format!("{AUDIT}?action=job.cancel")).await;
    assert_eq!(resources(&none), Vec::<&str>::new());
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let world = World::new().await;
    for (query, pointer) in [
        ("action=job.eat", "/query/action"),
        ("actor=", "/query/actor"),
        ("from=yesterday", "/query/from"),
        (
            "from=2026-01-02T00:00:00.000Z&to=2026-01-01T00:00:00.000Z",
            "/query/to",
        ),
        ("who=me", "/query/who"),
    ] {
        let answer = world.get(&format!("{AUDIT}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{query}");
    }
    for query in [
        "limit=0",
        "limit=1001",
        "from_sequence=0",
        "from_sequence=-1",
    ] {
        let answer = world.get(&format!("{AUDIT}/export?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

#[tokio::test]
async fn the_parts_of_an_export_are_one_whole_chain() {
    let world = World::new().await;
    world.record(10).await;
    let mut query = "?limit=4".to_owned();
    let mut verifier = Verifier::new(Expected::default());
    let mut parts = 0;
    loop {
        let answer = world.get(&format!("{AUDIT}/export{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers[CONTENT_TYPE], "application/x-ndjson");
        for line in answer.text.lines() {
            verifier.push_line(line.as_bytes());
        }
        parts += 1;
        let Some(link) = answer.headers.get(LINK) else {
            break;
        };
        let link = link.to_str().unwrap();
        let target = link.strip_suffix(">; rel=\"next\"").unwrap();
        target.strip_prefix('<').unwrap().clone_into(&mut query);
    }
    let Verdict::Whole(whole) = verifier.finish() else {
        panic!("the chain is broken");
    };
    assert_eq!((parts, whole.records), (3, 10));
}

#[tokio::test]
async fn another_tenant_sees_nothing_and_its_cursor_is_refused() {
    let world = World::new().await;
    world.record(3).await;
    let other = world.other_tenant("globex").await;
    let answer = other.get(AUDIT).await;
    assert_eq!((answer.status.as_u16(), resources(&answer).len()), (200, 0));
    assert_eq!(answer.json["head"]["sequence"], 0);
    assert_eq!(other.get(&format!("{AUDIT}/export")).await.text, "");
    let page = world.get(&format!("{AUDIT}?limit=1")).await;
    let cursor = page.json["next_cursor"].as_str().unwrap();
    let answer = other.get(&format!("{AUDIT}?limit=1&cursor={cursor}")).await;
    assert_eq!(answer.status, 400);
}
