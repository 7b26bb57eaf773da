//! Lists and exports.

use super::*;
use wire::audit::{ChainFault, verify};

/// A hundred records of two actors and three actions, a second apart.
async fn hundred(store: &Store, scope: &TenantScope) {
    let actions = [Action::PoolCreate, Action::PoolUpdate, Action::PoolDelete];
    for place in 0..100_usize {
        let at = NOW.plus_seconds(i64::try_from(place).unwrap());
        let draft = Draft {
            at,
            actor: format!("user:{}", place % 2),
            ..draft(actions[place % 3], &format!("pool:{}", place % 5))
        };
        let tenant = store.tenant(scope);
        let drafts = vec![draft; 1];
        tenant
            .append_records(&drafts, at, &write_id())
            .await
            .unwrap();
    }
}

async fn listed(
    store: &Store,
    scope: &TenantScope,
    filter: &AuditFilter,
    limit: usize,
) -> Vec<u64> {
    let tenant = store.tenant(scope);
    let (mut sequences, mut after) = (Vec::new(), None);
    for _ in 0..200 {
        let page = tenant.audit_records(filter, limit, after).await.unwrap();
        assert!(page.records.len() <= limit);
        sequences.extend(page.records.iter().map(|record| record.sequence));
        after = page.next;
        if after.is_none() {
            return sequences;
        }
    }
    panic!("the list does not end");
}

#[tokio::test]
async fn a_list_is_newest_first_and_narrowed_down_by_every_filter() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        hundred(&store, &scope).await;
        let all = listed(&store, &scope, &AuditFilter::default(), 7).await;
        assert_eq!(all, (1..=100).rev().collect::<Vec<_>>(), "{engine}");
        let filters = [
            (
                AuditFilter {
                    actor: Some("user:1".to_owned()),
                    ..AuditFilter::default()
                },
                50,
            ),
            (
                AuditFilter {
                    action: Some(Action::PoolDelete),
                    ..AuditFilter::default()
                },
                33,
            ),
            (
                AuditFilter {
                    resource: Some("pool:4".to_owned()),
                    ..AuditFilter::default()
                },
                20,
            ),
            (
                AuditFilter {
                    from: Some(NOW.plus_seconds(10)),
                    to: Some(NOW.plus_seconds(30)),
                    ..AuditFilter::default()
                },
                20,
            ),
            (
                AuditFilter {
                    actor: Some("nobody".to_owned()),
                    ..AuditFilter::default()
                },
                0,
            ),
        ];
        for (filter, count) in filters {
            let found = listed(&store, &scope, &filter, 7).await;
            assert_eq!(found.len(), count, "{engine}: {filter:?}");
            assert!(found.is_sorted_by(|one, two| one > two), "{engine}");
        }
    }
}

#[tokio::test]
async fn a_list_stops_reading_where_nothing_older_can_match() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        hundred(&store, &scope).await;
        let later = NOW.plus_seconds(4_000);
        let tenant = store.tenant(&scope);
        let late = Draft {
            at: later,
            ..draft(Action::PoolCreate, "pool:late")
        };
        tenant
            .append_records(&[late], later, &write_id())
            .await
            .unwrap();
        let filter = AuditFilter {
            from: Some(later.plus_seconds(-10)),
            ..AuditFilter::default()
        };
        let page = tenant.audit_records(&filter, 50, None).await.unwrap();
        assert_eq!((page.records.len(), page.next), (1, None), "{engine}");
    }
}

#[tokio::test]
async fn one_answer_looks_at_a_bounded_part_of_the_chain() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        hundred(&store, &scope).await;
        let filter = AuditFilter {
            resource: Some("pool:none".to_owned()),
            ..AuditFilter::default()
        };
        let tenant = store.tenant(&scope);
        let page = tenant.audit_records(&filter, 50, None).await.unwrap();
        assert_eq!(
            (page.records.len(), page.next.is_some()),
            (0, true),
            "{engine}"
        );
        let page = tenant.audit_records(&filter, 50, page.next).await.unwrap();
        assert_eq!((page.records.len(), page.next), (0, None), "{engine}");
    }
}

#[tokio::test]
async fn another_tenant_sees_nothing() {
    let (acme, other) = (tenant("acme"), tenant("other"));
    for (engine, store) in stores().await {
        append(&store, &acme, "pool:one").await;
        let page = store
            .tenant(&other)
            .audit_records(&AuditFilter::default(), 10, None)
            .await;
        assert_eq!(page.unwrap(), AuditPage::default(), "{engine}");
        assert_eq!(exported(&store, &other).await, [], "{engine}");
        assert_eq!(
            store.tenant(&other).audit_head().await.unwrap(),
            Link::start()
        );
        // Its own chain begins at 1, too.
        append(&store, &other, "pool:two").await;
        assert_eq!(exported(&store, &other).await[0].sequence, 1, "{engine}");
    }
}

#[tokio::test]
async fn an_export_goes_on_wherever_it_stopped() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        for _ in 0..7 {
            let drafts = vec![draft(Action::PoolUpdate, "pool:one"); 20];
            let tenant = store.tenant(&scope);
            tenant
                .append_records(&drafts, NOW, &write_id())
                .await
                .unwrap();
        }
        let tenant = store.tenant(&scope);
        for (limit, bytes) in [
            (1, 1),
            (19, 9_000_000),
            (20, 9_000_000),
            (1_000, 30_000),
            (1_000, 1),
        ] {
            let (mut from, mut sequences) = (1, Vec::new());
            loop {
                let part = tenant.audit_export(from, limit, bytes).await.unwrap();
                assert!(part.records <= limit && (part.records == 1 || part.lines.len() <= bytes));
                let lines = part.lines.lines();
                let records = lines.map(|line| serde_json::from_str::<Record>(line).unwrap());
                sequences.extend(records.map(|record| record.sequence));
                match part.next {
                    Some(next) => from = next,
                    None => break,
                }
            }
            assert_eq!(sequences, (1..=140).collect::<Vec<_>>(), "{engine} {limit}");
        }
        for (from, count) in [(0, 140), (33, 108), (140, 1), (141, 0), (u64::MAX, 0)] {
            let part = tenant.audit_export(from, 1_000, 9_000_000).await.unwrap();
            assert_eq!((part.records, part.next), (count, None), "{engine} {from}");
        }
    }
}

/// Whoever can write to the table itself.
async fn tamper(store: &Store, scope: &TenantScope, first: u64, change: impl Fn(&str) -> String) {
    let client = &store.client;
    let table = store.tables.name(TableKind::Audit);
    let place = key(scope.audit_chain(), &item::page_sort(first));
    let found = client.get_item().table_name(table).set_key(Some(place));
    let mut page = found.send().await.unwrap().item.unwrap();
    let records = page["records"].as_l().unwrap().clone();
    let records = records.iter().map(|line| change(line.as_s().unwrap()));
    let records = records
        .map(aws_sdk_dynamodb::types::AttributeValue::S)
        .collect();
    page.insert(
        "records".to_owned(),
        aws_sdk_dynamodb::types::AttributeValue::L(records),
    );
    let put = client.put_item().table_name(table).set_item(Some(page));
    put.send().await.unwrap();
}

#[tokio::test]
async fn a_row_that_was_altered_or_deleted_is_named() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        for place in 1..=9 {
            append(&store, &scope, &format!("pool:{place}")).await;
        }
        let broken = async || {
            let part = store.tenant(&scope).audit_export(1, 100, 1_000_000).await;
            let mut verifier = Verifier::new(Expected::default());
            for line in part.unwrap().lines.lines() {
                verifier.push_line(line.as_bytes());
            }
            match verifier.finish() {
                Verdict::Broken(broken) => (broken.sequence, broken.fault),
                Verdict::Whole(whole) => panic!("{engine}: {whole:?}"),
            }
        };
        tamper(&store, &scope, 8, |line| line.replace("pool:8", "pool:0")).await;
        assert_eq!(broken().await, (8, ChainFault::Altered), "{engine}");
        // With a hash to match, its neighbour bears witness.
        tamper(&store, &scope, 8, |line| {
            let mut record: Record = serde_json::from_str(line).unwrap();
            record.hash = record.computed_hash();
            serde_json::to_string(&record).unwrap()
        })
        .await;
        assert_eq!(broken().await, (8, ChainFault::Replaced { witness: 9 }));
        let place = key(scope.audit_chain(), &item::page_sort(4));
        let delete = store.client.delete_item().set_key(Some(place));
        let table = store.tables.name(TableKind::Audit);
        delete.table_name(table).send().await.unwrap();
        assert_eq!(
            broken().await,
            (4, ChainFault::Missing { next: 5 }),
            "{engine}"
        );
        assert!(matches!(
            verify(&Vec::<Record>::new(), Expected::default()),
            Verdict::Whole(_)
        ));
    }
}
