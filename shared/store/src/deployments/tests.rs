#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;
use crate::testing::{NOW, random, stores, tenant};
use domain::deployment::DeploymentSpec;
use wire::DeploymentStatus;

const DAY: i64 = 24 * 3600;

fn write_id() -> WriteId {
    WriteId::new(random())
}

fn job(number: u8) -> JobId {
    JobId::from_digest([number; 16])
}

fn deployment(number: u8, now: Timestamp) -> Deployment {
    let spec = DeploymentSpec {
        service_name: "shop".parse().unwrap(),
        service_version: format!("1.{number}").parse().unwrap(),
        git_commit_sha: "5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3".parse().unwrap(),
        git_author: None,
        build_job_id: None,
        test_job_id: Some(job(9)),
    };
    let id = DeploymentId::from_digest([number; 16]);
    Deployment::create(id, spec, "test".to_owned(), now)
}

async fn create(tenant: &TenantStore<'_>, number: u8, now: Timestamp) -> DeploymentId {
    let new = NewDeployment {
        deployment: deployment(number, now),
        request_sha256: None,
    };
    let created = tenant.create_deployment(&new, &write_id()).await.unwrap();
    assert!(
        matches!(created, DeploymentCreation::Created(_)),
        "{created:?}"
    );
    new.deployment.deployment_id
}

async fn act(
    tenant: &TenantStore<'_>,
    id: &DeploymentId,
    action: DeploymentAction,
    now: Timestamp,
) -> DeploymentOutcome {
    let write_id = write_id();
    let outcome = tenant
        .change_deployment("test", id, &action, ("test", now), &write_id)
        .await;
    outcome.unwrap()
}

async fn go_live(tenant: &TenantStore<'_>, id: &DeploymentId, now: Timestamp) {
    for action in [
        DeploymentAction::Stage { job_id: job(1) },
        DeploymentAction::Promote { job_id: job(2) },
    ] {
        let outcome = act(tenant, id, action, now).await;
        assert!(
            matches!(outcome, DeploymentOutcome::Changed(_)),
            "{outcome:?}"
        );
    }
}

async fn status(tenant: &TenantStore<'_>, id: &DeploymentId) -> DeploymentStatus {
    tenant.deployment(id).await.unwrap().unwrap().status()
}

#[tokio::test]
async fn a_deployment_lives_through_staging_and_production_and_is_rolled_back() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let first = create(&tenant, 1, NOW).await;
        let second = create(&tenant, 2, NOW.plus_seconds(1)).await;
        go_live(&tenant, &first, NOW.plus_seconds(2)).await;
        go_live(&tenant, &second, NOW.plus_seconds(3)).await;
        assert_eq!(
            status(&tenant, &first).await,
            DeploymentStatus::Superseded,
            "{engine}"
        );
        let counts = tenant.deployment_counts(NOW).await.unwrap();
        let expected = DeploymentCounts {
            total: 2,
            today: 2,
            active: 1,
            staging: 0,
            failed: 0,
        };
        assert_eq!(counts, expected, "{engine}");
        let back = DeploymentAction::RollBack {
            to_version: "1.1".parse().unwrap(),
            reason: "it is broken".parse().unwrap(),
        };
        let later = NOW.plus_seconds(4);
        let outcome = act(&tenant, &second, back.clone(), later).await;
        assert!(
            matches!(outcome, DeploymentOutcome::Changed(_)),
            "{engine}: {outcome:?}"
        );
        let outcome = act(&tenant, &second, back, later).await;
        assert!(
            matches!(outcome, DeploymentOutcome::AlreadyDone(_)),
            "{engine}: {outcome:?}"
        );
        assert_eq!(status(&tenant, &first).await, DeploymentStatus::Live);
        assert_eq!(status(&tenant, &second).await, DeploymentStatus::RolledBack);
        let service = tenant
            .service(&"shop".parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(service.live.unwrap().deployment_id, first, "{engine}");
        assert_eq!(service.deployments, 2);
        let counts = tenant
            .deployment_counts(NOW.plus_seconds(DAY))
            .await
            .unwrap();
        assert_eq!(
            (counts.total, counts.today, counts.active),
            (2, 0, 1),
            "{engine}"
        );
    }
}

#[tokio::test]
async fn what_is_not_allowed_changes_nothing() {
    let scope = tenant("acme");
    let other = tenant("globex");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let id = create(&tenant, 1, NOW).await;
        let promote = DeploymentAction::Promote { job_id: job(2) };
        let refused = act(&tenant, &id, promote.clone(), NOW).await;
        let expected = TransitionError::NotStaged;
        assert!(
            matches!(refused, DeploymentOutcome::Refused(why, _) if why == expected),
            "{engine}"
        );
        let missing = act(&store.tenant(&other), &id, promote, NOW).await;
        assert!(matches!(missing, DeploymentOutcome::Missing), "{engine}");
        go_live(&tenant, &id, NOW).await;
        let back = DeploymentAction::RollBack {
            to_version: "1.7".parse().unwrap(),
            reason: "it is broken".parse().unwrap(),
        };
        let refused = act(&tenant, &id, back, NOW).await;
        let expected = TransitionError::NeverLive;
        assert!(
            matches!(refused, DeploymentOutcome::Refused(why, _) if why == expected),
            "{engine}"
        );
        assert_eq!(status(&tenant, &id).await, DeploymentStatus::Live);
    }
}

#[tokio::test]
async fn an_idempotency_key_creates_one_deployment() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let mut new = NewDeployment {
            deployment: deployment(1, NOW),
            request_sha256: Some([1; 32]),
        };
        let id = write_id();
        for _ in 0..2 {
            tenant.create_deployment(&new, &id).await.unwrap();
        }
        let again = tenant.create_deployment(&new, &write_id()).await.unwrap();
        assert!(
            matches!(again, DeploymentCreation::Existing(_)),
            "{engine}: {again:?}"
        );
        new.request_sha256 = Some([2; 32]);
        let other = tenant.create_deployment(&new, &write_id()).await.unwrap();
        assert!(
            matches!(other, DeploymentCreation::Conflict),
            "{engine}: {other:?}"
        );
        assert_eq!(
            tenant.deployment_counts(NOW).await.unwrap().total,
            1,
            "{engine}"
        );
    }
}

#[tokio::test]
async fn concurrent_promotions_leave_one_deployment_live() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let mut ids = Vec::new();
        for number in 1..=8 {
            let tenant = store.tenant(&scope);
            let id = create(&tenant, number, NOW).await;
            act(
                &tenant,
                &id,
                DeploymentAction::Stage { job_id: job(1) },
                NOW,
            )
            .await;
            ids.push(id);
        }
        let mut tasks = Vec::new();
        for (place, id) in ids.iter().cloned().enumerate() {
            let (store, scope) = (store.clone(), scope.clone());
            let now = NOW.plus_seconds(i64::try_from(place).unwrap());
            tasks.push(tokio::spawn(async move {
                let promote = DeploymentAction::Promote { job_id: job(2) };
                act(&store.tenant(&scope), &id, promote, now).await
            }));
        }
        let mut changed = 0_u64;
        for task in tasks {
            match task.await.unwrap() {
                DeploymentOutcome::Changed(_) => changed += 1,
                DeploymentOutcome::Contended => {}
                other => panic!("{engine}: {other:?}"),
            }
        }
        assert!(changed > 0, "{engine}");
        let tenant = store.tenant(&scope);
        let mut live = Vec::new();
        for id in &ids {
            if status(&tenant, id).await == DeploymentStatus::Live {
                live.push(id.clone());
            }
        }
        let service = tenant
            .service(&"shop".parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(live, [service.live.unwrap().deployment_id], "{engine}");
        let counts = tenant.deployment_counts(NOW).await.unwrap();
        assert_eq!(
            (counts.active, counts.staging),
            (1, 8 - changed),
            "{engine}"
        );
    }
}

#[tokio::test]
async fn the_same_rollback_at_the_same_time_is_done_once_and_refused_never() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let first = create(&tenant, 1, NOW).await;
        let second = create(&tenant, 2, NOW).await;
        // In the same millisecond: the order of promotion decides, not the clock.
        go_live(&tenant, &first, NOW).await;
        go_live(&tenant, &second, NOW).await;
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let (store, scope, id) = (store.clone(), scope.clone(), second.clone());
            tasks.push(tokio::spawn(async move {
                let back = DeploymentAction::RollBack {
                    to_version: "1.1".parse().unwrap(),
                    reason: "it is broken".parse().unwrap(),
                };
                act(&store.tenant(&scope), &id, back, NOW).await
            }));
        }
        let mut changed = 0;
        for task in tasks {
            match task.await.unwrap() {
                DeploymentOutcome::Changed(_) => changed += 1,
                DeploymentOutcome::AlreadyDone(_) | DeploymentOutcome::Contended => {}
                other => panic!("{engine}: {other:?}"),
            }
        }
        assert_eq!(changed, 1, "{engine}");
        assert_eq!(
            status(&tenant, &first).await,
            DeploymentStatus::Live,
            "{engine}"
        );
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised() {
    use embedded_dynamodb::{Engine, Fault};
    let engine = Engine::memory().unwrap();
    let scope = tenant("acme");
    let sound = crate::testing::on(&engine.client(), crate::Tables::default());
    sound.create_tables().await.unwrap();
    let retries = aws_sdk_dynamodb::config::retry::RetryConfig::standard().with_max_attempts(1);
    let config = engine.config_with(|call| match call.operation {
        "TransactWriteItems" if call.sequence == 0 => Fault::DropAfter,
        _ => Fault::None,
    });
    let client = aws_sdk_dynamodb::Client::from_conf(config.retry_config(retries).build());
    let lossy = crate::testing::on(&client, crate::Tables::default());
    let new = NewDeployment {
        deployment: deployment(1, NOW),
        request_sha256: None,
    };
    let id = write_id();
    let lost = lossy.tenant(&scope).create_deployment(&new, &id).await;
    assert!(matches!(lost, Err(StoreError::Busy { .. })), "{lost:?}");
    let again = lossy
        .tenant(&scope)
        .create_deployment(&new, &id)
        .await
        .unwrap();
    assert!(matches!(again, DeploymentCreation::Created(_)), "{again:?}");
    let counts = sound.tenant(&scope).deployment_counts(NOW).await.unwrap();
    assert_eq!(counts.total, 1);
}

#[tokio::test]
async fn lists_are_newest_first_and_go_on_where_they_ended() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let mut ids = Vec::new();
        for number in 1..=5 {
            ids.insert(
                0,
                create(&tenant, number, NOW.plus_seconds(number.into())).await,
            );
        }
        let of_service = DeploymentFilter {
            service: Some("shop".parse().unwrap()),
            ..DeploymentFilter::default()
        };
        for filter in [DeploymentFilter::default(), of_service] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = tenant
                    .deployments(&filter, 2, after.as_ref())
                    .await
                    .unwrap();
                seen.extend(
                    page.deployments
                        .into_iter()
                        .map(|found| found.deployment_id),
                );
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, ids, "{engine}");
        }
        let live = DeploymentFilter {
            status: Some(DeploymentStatus::Live),
            ..DeploymentFilter::default()
        };
        assert!(
            tenant
                .deployments(&live, 5, None)
                .await
                .unwrap()
                .deployments
                .is_empty()
        );
        assert_eq!(tenant.services(5, None).await.unwrap().len(), 1, "{engine}");
        assert!(
            tenant
                .services(5, Some(&"shop".parse().unwrap()))
                .await
                .unwrap()
                .is_empty()
        );
    }
}
