//! Keeps every tenant within its limits.

use crate::{Api, Caller, OrProblem, Principal};
use axum::response::Response;
use domain::limits::{Admission, RequestClass, RequestWindow, SHARE_REQUESTS_EVERY};
use http::HeaderValue;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Presented, Statistics, StoreError, TenantScope};
use web::{Problem, ProblemCode};
use wire::{TenantId, Timestamp};

/// How many tenants and credentials are remembered. When there are more, all are forgotten, which costs the limits of one
/// window.
const MAX_REMEMBERED: usize = 10_000;

/// For how long the size of a tenant's queue and fleet is remembered, in milliseconds. They come from the last roll-up, which
/// is up to a minute old; what this process adds meanwhile is counted on top.
const SIZES_REMEMBERED_MS: i64 = 10_000;

/// How long a caller waits who may add nothing more, in seconds: until the next roll-up is likely.
const FULL_RETRY_SECONDS: u32 = 30;

/// What a warm process knows of how much its tenants use. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Usage(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    windows: HashMap<(TenantId, RequestClass), RequestWindow>,
    /// Verified credentials whose tenant is over its limit, by the hash of their secret, and until when.
    over: HashMap<[u8; 32], (Timestamp, Admission)>,
    sizes: HashMap<TenantId, Sizes>,
}

impl Known {
    fn knows_sizes(&self, tenant: &TenantId, now: Timestamp) -> bool {
        let sizes = self.sizes.get(tenant);
        sizes.is_some_and(|sizes| now.millis_since(sizes.read_at) < SIZES_REMEMBERED_MS)
    }
}

/// How large a tenant's queue and fleet are.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    read_at: Timestamp,
    queued_jobs: u64,
    agents: u64,
}

/// What a tenant wants more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// One more job in line.
    Job,
    /// One more agent.
    Agent,
}

impl Usage {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The refusal of a caller that this process has just refused: then nothing is read for it.
    pub(crate) fn refusal(&self, presented: &Presented, now: Timestamp) -> Option<Admission> {
        let known = self.lock();
        let (until, admission) = known.over.get(&presented.secret_sha256)?;
        let left_ms = until.millis_since(now);
        (left_ms > 0).then(|| Admission {
            reset_seconds: u32::try_from((left_ms + 999) / 1000).unwrap_or(1),
            ..*admission
        })
    }
}

/// Room for one more thing. Dropped, it is given back: only what has come to be [takes it up](Self::take_up).
#[derive(Debug)]
#[must_use]
pub struct TakenRoom(Option<Taken>);

#[derive(Debug)]
struct Taken {
    usage: Usage,
    tenant: TenantId,
    room: Room,
    /// When the sizes were read that it was taken from: later ones know nothing of it.
    read_at: Timestamp,
}

impl TakenRoom {
    /// What the room was taken for is there.
    pub fn take_up(mut self) {
        self.0 = None;
    }
}

impl Drop for TakenRoom {
    fn drop(&mut self) {
        let Some(taken) = self.0.take() else { return };
        let mut known = taken.usage.lock();
        let sizes = known.sizes.get_mut(&taken.tenant);
        if let Some(sizes) = sizes.filter(|sizes| sizes.read_at == taken.read_at) {
            let size = sizes.of(taken.room);
            *size = size.saturating_sub(1);
        }
    }
}

impl Sizes {
    fn of(&mut self, room: Room) -> &mut u64 {
        match room {
            Room::Job => &mut self.queued_jobs,
            Room::Agent => &mut self.agents,
        }
    }
}

/// Makes room in a map that must stay small.
fn bound<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.len() >= MAX_REMEMBERED {
        map.clear();
    }
}

impl Api {
    /// Counts the request of a verified caller: whether it may be served, and what its answer says about the limit.
    pub(crate) async fn admit(&self, caller: &Caller) -> Admission {
        let now = self.now();
        let class = match caller.principal {
            Principal::User { .. } | Principal::Token { .. } => RequestClass::People,
            Principal::Agent { .. }
            | Principal::AgentKey { .. }
            | Principal::Relay { .. }
            | Principal::RelayEnrolment { .. } => RequestClass::Agents,
        };
        let limit = self.limits.requests(class);
        let (admission, to_share) = {
            let mut known = self.usage.lock();
            bound(&mut known.windows);
            let of = (caller.tenant().clone(), class);
            let window = known.windows.entry(of).or_default();
            (
                window.count(limit, now),
                window.take_unshared(SHARE_REQUESTS_EVERY),
            )
        };
        if !admission.admitted {
            let mut known = self.usage.lock();
            bound(&mut known.over);
            let until = now.plus_seconds(i64::from(admission.reset_seconds));
            let hash = caller.presented.secret_sha256;
            known.over.insert(hash, (until, admission));
            return admission;
        }
        // Where there is no limit there is nothing to tell.
        if let Some(served) = to_share.filter(|_| limit < u64::MAX) {
            self.share(caller, class, served, now).await;
        }
        admission
    }

    /// Tells the other processes how many requests this one has served, and learns of theirs. If that fails the request goes
    /// on: the limit holds for each process by itself meanwhile.
    async fn share(&self, caller: &Caller, class: RequestClass, served: u64, now: Timestamp) {
        let number = RequestWindow::number_at(now);
        let tenant = self.store.tenant(&caller.scope);
        match tenant.share_requests(class, number, served).await {
            Ok(total) => {
                let of = (caller.tenant().clone(), class);
                if let Some(window) = self.usage.lock().windows.get_mut(&of) {
                    window.learn(number, total);
                }
            }
            Err(error) => tracing::warn!(%error, "the count of requests was not shared"),
        }
    }

    /// Takes room for one more thing, if the tenant has any left.
    ///
    /// # Errors
    /// 429 if it has not; what the store's failures are mapped to.
    pub async fn take_room(&self, scope: &TenantScope, room: Room) -> Result<TakenRoom, Problem> {
        let (limit, what) = match room {
            Room::Job => (self.limits.queued_jobs, "jobs in line"),
            Room::Agent => (self.limits.agents, "agents"),
        };
        if limit == u64::MAX {
            return Ok(TakenRoom(None));
        }
        let now = self.now();
        let is_read = self.usage.lock().knows_sizes(scope.tenant(), now);
        if !is_read {
            let read = self.read_sizes(scope, now).await.or_problem()?;
            let mut known = self.usage.lock();
            // Of two that read them at the same moment the first may have taken some already.
            if !known.knows_sizes(scope.tenant(), now) {
                bound(&mut known.sizes);
                known.sizes.insert(scope.tenant().clone(), read);
            }
        }
        let mut known = self.usage.lock();
        let Some(sizes) = known.sizes.get_mut(scope.tenant()) else {
            return Ok(TakenRoom(None));
        };
        let read_at = sizes.read_at;
        let size = sizes.of(room);
        if *size >= limit {
            let detail = format!("the organisation may have {limit} {what}");
            let problem = Problem::new(ProblemCode::TooManyRequests, detail);
            return Err(problem.retry_after(FULL_RETRY_SECONDS));
        }
        *size += 1;
        Ok(TakenRoom(Some(Taken {
            usage: self.usage.clone(),
            tenant: scope.tenant().clone(),
            room,
            read_at,
        })))
    }

    async fn read_sizes(&self, scope: &TenantScope, now: Timestamp) -> Result<Sizes, StoreError> {
        let Statistics { queued, agents, .. } =
            self.store.tenant(scope).statistics(None, now).await?;
        Ok(Sizes {
            read_at: now,
            queued_jobs: queued,
            agents: agents.total(),
        })
    }
}

/// Says how much of its limit the caller has left.
pub(crate) fn describe(mut response: Response, admission: &Admission) -> Response {
    if admission.limit == u64::MAX {
        return response;
    }
    for (name, value) in [
        ("ratelimit-limit", admission.limit),
        ("ratelimit-remaining", admission.remaining),
        ("ratelimit-reset", u64::from(admission.reset_seconds)),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from(value));
    }
    response
}
