//! What happened to jobs, harvested from their indexes.

use super::*;

/// When what has happened until now may be harvested.
const LATER: i64 = 181;

async fn harvest(store: &Store, scope: &TenantScope, now: Timestamp) -> usize {
    let tenant = store.tenant(scope);
    tenant.harvest_audit(now, random).await.unwrap()
}

#[tokio::test]
async fn a_job_is_recorded_when_it_was_put_in_line_and_when_it_ended() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, NOW).await;
        run(&store, &scope, &id, 7, NOW.plus_seconds(10)).await;
        // What is younger may still be on its way into the indexes.
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(179)).await, 0);
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(185)).await, 1);
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(300)).await, 1);
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(500)).await, 0);
        let records = exported(&store, &scope).await;
        let resource = format!("job:{id}");
        assert_eq!(
            what(&records),
            [("job.enqueued", &*resource), ("job.ended", &*resource)],
            "{engine}"
        );
        let (enqueued, ended) = (&records[0], &records[1]);
        assert_eq!(enqueued.at, NOW);
        assert_eq!(enqueued.actor, "token:bbbbbbbbbbbb");
        assert_eq!(enqueued.credential_id.as_deref(), Some("bbbbbbbbbbbb"));
        assert_eq!(enqueued.request_id.as_deref(), Some("request-2"));
        assert_eq!(enqueued.address.as_deref(), Some("2001:db8::1"));
        assert!(enqueued.before_sha256.is_none() && enqueued.after_sha256.is_some());
        assert_eq!(ended.at, NOW.plus_seconds(10));
        assert_eq!(ended.actor, format!("agent:{}", agent()));
        let job = store.tenant(&scope).job(&id).await.unwrap().unwrap();
        assert_eq!(ended.after_sha256, wire::audit::digest_of(&job.view()));
        let facts = [
            ("agent", agent().to_string()),
            ("attempt", "1".to_owned()),
            ("cause", "EXIT_CODE".to_owned()),
            ("created_by", "token:bbbbbbbbbbbb".to_owned()),
            ("exit_code", "7".to_owned()),
            ("pool", "default".to_owned()),
            ("status", "FAILED".to_owned()),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(ended.detail, Detail::from(facts), "{engine}");
    }
}

/// What takes longest to be written bears the time at which the pass of a sweep began, and the clocks of two functions differ.
#[tokio::test]
async fn what_is_written_two_and_a_half_minutes_after_its_time_is_recorded() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let late = NOW.plus_seconds(65 + 60 + 25);
        enqueue(&store, &scope, NOW.plus_seconds(1)).await;
        harvest(&store, &scope, late).await;
        enqueue(&store, &scope, NOW).await;
        harvest(&store, &scope, late.plus_seconds(60)).await;
        assert_eq!(exported(&store, &scope).await.len(), 2, "{engine}");
    }
}

#[tokio::test]
async fn a_job_that_a_person_put_in_line_names_their_session() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let session = "session-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
        let author = ("user:user-01JAB3Z5K8Q4V6W7X9Y0ZABCDE", Some(session));
        enqueue_as(&store, &scope, author, NOW).await;
        harvest(&store, &scope, NOW.plus_seconds(LATER)).await;
        let record = &exported(&store, &scope).await[0];
        assert_eq!(record.actor, author.0, "{engine}");
        assert_eq!(record.credential_id.as_deref(), Some(session), "{engine}");
        assert_eq!(record.request_id.as_deref(), Some("request-2"), "{engine}");
        assert_eq!(record.address.as_deref(), Some("2001:db8::1"), "{engine}");
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_recorded_once_by_what_its_entry_says() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, NOW).await;
        change(&store, &scope, &id, &JobEvent::Cancel, NOW).await;
        let garbled = store
            .client
            .update_item()
            .table_name(store.tables.name(TableKind::Jobs))
            .set_key(Some(key(scope.job(&id), crate::jobs::JOB)))
            .update_expression("SET #fixed = :garbage")
            .expression_attribute_names("#fixed", "fixed")
            .expression_attribute_values(":garbage", crate::call::string("{"));
        garbled.send().await.unwrap();
        let later = NOW.plus_seconds(LATER);
        assert_eq!(harvest(&store, &scope, later).await, 2, "{engine}");
        assert_eq!(harvest(&store, &scope, later).await, 0, "{engine}");
        let before = store.meter().total().read_units;
        harvest(&store, &scope, later).await;
        let units = store.meter().total().read_units - before;
        assert!(units <= 2.5, "{engine}: it is read anew, {units}");
        let records = exported(&store, &scope).await;
        let resource = format!("job:{id}");
        assert_eq!(
            what(&records),
            [("job.enqueued", &*resource), ("job.ended", &*resource)],
            "{engine}"
        );
        for record in &records {
            assert_eq!((record.at, &record.after_sha256), (NOW, &None), "{engine}");
            assert_eq!(record.detail["unreadable"], "true", "{engine}");
        }
        assert_eq!(records[1].detail["status"], "CANCELLED", "{engine}");
    }
}

#[tokio::test]
async fn a_job_that_a_person_ended_is_not_put_down_to_its_agent() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let cancelled = enqueue(&store, &scope, NOW).await;
        change(&store, &scope, &cancelled, &JobEvent::Cancel, NOW).await;
        let closed = enqueue(&store, &scope, NOW).await;
        let holder = Holder {
            agent_id: agent(),
            epoch: 1,
        };
        change(&store, &scope, &closed, &JobEvent::Claim { holder }, NOW).await;
        let close = JobEvent::CloseByHand { succeeded: true };
        change(&store, &scope, &closed, &close, NOW).await;
        harvest(&store, &scope, NOW.plus_seconds(LATER)).await;
        let records = exported(&store, &scope).await;
        let ended: Vec<_> = records
            .iter()
            .filter(|record| record.action == "job.ended")
            .map(|record| (&*record.actor, &*record.detail["status"]))
            .collect();
        assert_eq!(
            ended,
            [
                ("system:maintenance", "COMPLETED"),
                ("system:maintenance", "CANCELLED")
            ],
            "{engine}"
        );
    }
}

#[tokio::test]
async fn a_job_that_was_retried_before_its_end_was_harvested_has_one_end_in_the_end() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, NOW).await;
        run(&store, &scope, &id, 1, NOW).await;
        change(&store, &scope, &id, &JobEvent::Retry, NOW.plus_seconds(30)).await;
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(LATER)).await, 1);
        run(&store, &scope, &id, 0, NOW.plus_seconds(40)).await;
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(300)).await, 1);
        let records = exported(&store, &scope).await;
        let resource = format!("job:{id}");
        assert_eq!(
            what(&records),
            [("job.enqueued", &*resource), ("job.ended", &*resource)],
            "{engine}"
        );
        assert_eq!(records[1].detail["attempt"], "2");
        assert_eq!(records[1].detail["status"], "COMPLETED");
        // Retried after it was harvested, it has a second end.
        let again = enqueue(&store, &scope, NOW).await;
        run(&store, &scope, &again, 1, NOW.plus_seconds(400)).await;
        let ends = async |seconds: i64| {
            harvest(&store, &scope, NOW.plus_seconds(seconds)).await;
            let of_it = format!("job:{again}");
            let records = exported(&store, &scope).await;
            let ends = what(&records).into_iter();
            ends.filter(|what| *what == ("job.ended", &of_it)).count()
        };
        assert_eq!(ends(600).await, 1, "{engine}");
        change(
            &store,
            &scope,
            &again,
            &JobEvent::Retry,
            NOW.plus_seconds(610),
        )
        .await;
        run(&store, &scope, &again, 1, NOW.plus_seconds(620)).await;
        assert_eq!(ends(900).await, 2, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_harvests_at_once_beside_people_record_each_event_once() {
    const JOBS: usize = 130;
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        for place in 0..JOBS {
            let id = enqueue(&store, &scope, NOW).await;
            if place % 2 == 0 {
                change(&store, &scope, &id, &JobEvent::Cancel, NOW).await;
            }
        }
        let tasks = (0..4).map(|task| {
            let (store, scope) = (another(&store), scope.clone());
            tokio::spawn(async move {
                if task < 2 {
                    harvest(&store, &scope, NOW.plus_seconds(LATER)).await;
                } else {
                    for place in 0..20 {
                        append(&store, &scope, &format!("pool:{task}-{place}")).await;
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        // Whoever lost a race leaves the rest to the next pass.
        harvest(&store, &scope, NOW.plus_seconds(LATER)).await;
        let records = exported(&store, &scope).await;
        let mut seen = what(&records);
        assert_eq!(seen.len(), JOBS + JOBS / 2 + 40, "{engine}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), JOBS + JOBS / 2 + 40, "{engine}");
    }
}

#[tokio::test]
async fn a_harvest_with_nothing_to_do_reads_little_and_writes_nothing() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        enqueue(&store, &scope, NOW).await;
        harvest(&store, &scope, NOW.plus_seconds(LATER)).await;
        let before = store.meter().total();
        harvest(&store, &scope, NOW.plus_seconds(LATER + 30)).await;
        let after = store.meter().total();
        assert!(after.read_units - before.read_units <= 2.5, "{engine}");
        assert!(after.write_units <= before.write_units, "{engine}");
    }
}

#[tokio::test]
async fn a_record_of_a_job_costs_less_than_a_unit() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        for _ in 0..100 {
            let id = enqueue(&store, &scope, NOW).await;
            run(&store, &scope, &id, 0, NOW).await;
        }
        let before = store.meter().total().write_units;
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(LATER)).await, 200);
        let units = store.meter().total().write_units - before;
        assert!(units < 200.0, "{engine}: {units}");
    }
}

#[tokio::test]
async fn a_clock_that_is_behind_another_ones_harvests_nothing_twice() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        enqueue(&store, &scope, NOW).await;
        assert_eq!(harvest(&store, &scope, NOW.plus_seconds(600)).await, 1);
        for behind in [-600, 0, 179, 180, 181] {
            assert_eq!(
                harvest(&store, &scope, NOW.plus_seconds(behind)).await,
                0,
                "{engine}"
            );
        }
    }
}
