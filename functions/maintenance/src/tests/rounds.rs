//! A round over many tenants, of which passes are broken off.

use super::*;
use std::sync::atomic::AtomicUsize;
use tokio::sync::Notify;

/// How many tenants there are.
const TENANTS: usize = 12;

/// Many tenants, and a clock that breaks a pass off when it has been read so often.
struct Crowd {
    world: World,
    scopes: Vec<TenantScope>,
    maintenance: Maintenance,
    left: Arc<AtomicUsize>,
    cut: Arc<Notify>,
}

impl Crowd {
    async fn new() -> Self {
        let world = World::new().await;
        let mut scopes = vec![world.scope.clone()];
        for number in 1..TENANTS {
            let tenant = TenantId::parse(&format!("tenant-{number}")).unwrap();
            scopes.push(world.store.create_tenant(&tenant, NOW).await.unwrap());
        }
        let (left, cut) = (
            Arc::new(AtomicUsize::new(usize::MAX)),
            Arc::new(Notify::new()),
        );
        let (clock, counted, reached) = (world.clock.clone(), left.clone(), cut.clone());
        let now = move || {
            if counted.fetch_sub(1, Ordering::SeqCst) == 1 {
                reached.notify_one();
            }
            Timestamp::from_millis(clock.load(Ordering::SeqCst))
        };
        Self {
            maintenance: Maintenance::new(world.store.clone(), Arc::new(now), Arc::new(random)),
            world,
            scopes,
            left,
            cut,
        }
    }

    /// A pass that is broken off as soon as the clock was read that often: once at its start, and once for each tenant that
    /// is begun. What it came to, if it was over before.
    async fn broken_pass(&self, readings: usize) -> Option<RollUpReport> {
        self.left.store(readings, Ordering::SeqCst);
        let report = tokio::select! {
            biased;
            () = self.cut.notified() => None,
            report = self.maintenance.roll_up_pass() => Some(report),
        };
        self.left.store(usize::MAX, Ordering::SeqCst);
        report
    }

    /// When each tenant's statistics were taken last.
    async fn served_at(&self) -> Vec<Option<Timestamp>> {
        let never = Timestamp::from_millis(0);
        let mut served = Vec::new();
        for scope in &self.scopes {
            let statistics = self.world.store.tenant(scope).statistics(None, never).await;
            served.push(Some(statistics.unwrap().as_of).filter(|at| *at != never));
        }
        served
    }

    /// How many tenants were served at that moment.
    async fn count_served(&self, at: Timestamp) -> usize {
        let served = self.served_at().await.into_iter().flatten();
        served.filter(|served| *served == at).count()
    }
}

#[tokio::test]
async fn the_next_pass_goes_on_where_the_last_was_broken_off() {
    let crowd = Crowd::new().await;
    assert_eq!(crowd.broken_pass(9).await, None);
    let first = crowd.count_served(NOW).await;
    assert!((1..TENANTS).contains(&first), "{first}");
    // The rest gets its turn before those that had it; of those that were under way some are done again.
    crowd.world.advance(1);
    let report = crowd.maintenance.roll_up_pass().await;
    assert_eq!(report.errors, 0);
    assert!(report.tenants < TENANTS, "{report:?}");
    assert!(report.tenants >= TENANTS - first, "{report:?}");
    let served = crowd.served_at().await;
    assert!(served.iter().all(Option::is_some), "{served:?}");
    assert_eq!(crowd.count_served(crowd.world.now()).await, report.tenants);
    // The round was over: the next one is whole.
    crowd.world.advance(1);
    assert_eq!(crowd.maintenance.roll_up_pass().await.tenants, TENANTS);
    assert_eq!(crowd.count_served(crowd.world.now()).await, TENANTS);
}

#[tokio::test]
async fn passes_that_are_always_broken_off_serve_every_tenant_in_the_end() {
    let crowd = Crowd::new().await;
    let mut broken = 0;
    for _ in 0..TENANTS {
        broken += usize::from(crowd.broken_pass(7).await.is_none());
    }
    assert!(broken > TENANTS / 2, "{broken}");
    let served = crowd.served_at().await;
    assert!(served.iter().all(Option::is_some), "{served:?}");
}

#[tokio::test]
async fn a_tenant_that_takes_whole_passes_does_not_keep_the_others_waiting() {
    let crowd = Crowd::new().await;
    // Twice nothing was done when the pass was broken off.
    for _ in 0..2 {
        assert_eq!(crowd.broken_pass(2).await, None);
        assert_eq!(crowd.count_served(NOW).await, 0);
    }
    let report = crowd.maintenance.roll_up_pass().await;
    assert_eq!((report.tenants, report.errors), (TENANTS - 1, 1));
    assert_eq!(crowd.count_served(NOW).await, TENANTS - 1);
    // In the next round it has its turn again.
    let report = crowd.maintenance.roll_up_pass().await;
    assert_eq!((report.tenants, report.errors), (TENANTS, 0));
    assert_eq!(crowd.count_served(NOW).await, TENANTS);
}

#[tokio::test]
async fn a_round_that_nobody_went_on_with_is_begun_anew() {
    let crowd = Crowd::new().await;
    assert_eq!(crowd.broken_pass(9).await, None);
    crowd.world.advance(301);
    assert_eq!(crowd.maintenance.roll_up_pass().await.tenants, TENANTS);
}
