//! Lists of jobs, and what one tenant sees of another.

use super::*;
use std::sync::Mutex;

#[tokio::test]
async fn lists_come_newest_first_in_pages() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let mut expected = Vec::new();
        for second in 0..7 {
            expected.insert(
                0,
                enqueue(&store, &scope, Priority::Normal, NOW.plus_seconds(second)).await,
            );
        }
        enqueue(&store, &tenant("umbra"), Priority::Normal, NOW).await;
        let tenant = store.tenant(&scope);
        let mut listed = Vec::new();
        let mut position = None;
        loop {
            let page = tenant
                .jobs(&JobFilter::default(), 3, position.as_ref())
                .await
                .unwrap();
            listed.extend(page.jobs.into_iter().map(|job| job.job_id));
            position = page.next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(listed, expected, "{engine}");
    }
}

#[tokio::test]
async fn lists_are_filtered_by_status_and_agent() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let mut ids = Vec::new();
        for second in 0..4 {
            ids.push(enqueue(&store, &scope, Priority::Normal, NOW.plus_seconds(second)).await);
        }
        let later = NOW.plus_seconds(9);
        claim(&store, &scope, 1, 2, later).await;
        claim(&store, &scope, 2, 1, later).await;
        change(&store, &scope, &ids[0], &complete(1, 1, 0), later).await;
        let list = async |filter: JobFilter| {
            let jobs = store
                .tenant(&scope)
                .jobs(&filter, 10, None)
                .await
                .unwrap()
                .jobs;
            jobs.into_iter().map(|job| job.job_id).collect::<Vec<_>>()
        };
        let of = |status| JobFilter {
            status: Some(status),
            ..JobFilter::default()
        };
        assert_eq!(list(of(JobStatus::Queued)).await, ids[3..], "{engine}");
        assert_eq!(list(of(JobStatus::Completed)).await, ids[..1], "{engine}");
        assert_eq!(list(of(JobStatus::Claimed)).await.len(), 2, "{engine}");
        let held = JobFilter {
            agent: Some(agent(1)),
            ..JobFilter::default()
        };
        assert_eq!(list(held).await, ids[1..2], "{engine}");
        let open = JobFilter {
            open: true,
            ..JobFilter::default()
        };
        assert_eq!(list(open).await.len(), 3, "{engine}");
        let text = JobFilter {
            text: Some("EXAMPLE/shop".to_owned()),
            ..JobFilter::default()
        };
        assert_eq!(list(text).await.len(), 4, "{engine}");
    }
}

#[tokio::test]
async fn another_tenants_job_is_missing() {
    for (engine, store) in stores().await {
        let id = enqueue(&store, &tenant("acme"), Priority::Normal, NOW).await;
        let outcome = change(&store, &tenant("umbra"), &id, &JobEvent::Cancel, NOW).await;
        assert!(matches!(outcome, JobOutcome::Missing), "{engine}");
        assert_eq!(
            status(&store, &tenant("acme"), &id).await,
            JobStatus::Queued
        );
    }
}

/// What this process logged. For all threads: tests that run meanwhile may log as well.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_left_out_of_lists_and_logged() {
    let scope = tenant("acme");
    let errors = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .with_writer(|| Log)
        .finish();
    tracing::subscriber::set_global_default(errors).unwrap();
    for (engine, store) in stores().await {
        let mut ids = Vec::new();
        for second in 0..3 {
            ids.push(enqueue(&store, &scope, Priority::Normal, NOW.plus_seconds(second)).await);
        }
        store
            .client
            .update_item()
            .table_name(store.tables.name(TableKind::Jobs))
            .set_key(Some(key(scope.job(&ids[1]), JOB)))
            .update_expression("SET #fixed = :nonsense")
            .expression_attribute_names("#fixed", "fixed")
            .expression_attribute_values(":nonsense", string("from another time"))
            .send()
            .await
            .unwrap();
        LOGGED.lock().unwrap().clear();
        let tenant = store.tenant(&scope);
        let page = tenant.jobs(&JobFilter::default(), 10, None).await.unwrap();
        let listed: Vec<_> = page.jobs.into_iter().map(|job| job.job_id).collect();
        assert_eq!(listed, [ids[2].clone(), ids[0].clone()], "{engine}");
        assert_eq!(page.next, None, "{engine}");
        let logged = String::from_utf8(LOGGED.lock().unwrap().clone()).unwrap();
        let told = logged.matches("a job is left out of a list").count();
        assert_eq!(told, 1, "{engine}: {logged}");
        let found = tenant.jobs_by_ids(&ids).await.unwrap();
        assert_eq!(found.len(), 2, "{engine}");
        let alone = tenant.job(&ids[1]).await;
        assert!(
            alone.is_err(),
            "{engine}: asked for by itself it is no absence"
        );
    }
}
