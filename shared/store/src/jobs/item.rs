//! A job as an item: names of attributes, keys of indexes.

use crate::call::{Item, to_item};
use crate::keys::{deadline_partition, deadline_sort, millis, shard_of};
use crate::{StoreError, TenantScope, WriteId};
use domain::Timestamp;
use domain::job::{AttemptRecord, Holder, Job, JobSpec, JobState};
use serde::{Deserialize, Serialize};
use wire::{
    AgentId, Cause, CommitSha, GitAuthor, GitRef, GitRepo, JobId, JobStatus, JobType, LogsUrl,
    PoolName, Priority, Tags,
};

/// For how long an ended job is kept, in seconds: 30 days.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;

/// What never changes of a job, but for what an index needs: one attribute with JSON in it, because an attribute each would
/// double what it takes to read a list of jobs.
#[derive(Debug, Serialize, Deserialize)]
struct Fixed {
    job_id: JobId,
    /// How many ready partitions the pool had when the job was enqueued. The job keeps to its one.
    shards: u32,
    job_type: JobType,
    git_repo: GitRepo,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    git_ref: Option<GitRef>,
    sha: CommitSha,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author: Option<GitAuthor>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec_sha256: Option<String>,
    timeout: u32,
    max_attempts: u32,
    created_by: String,
    created_ms: i64,
}

/// A job's item. The attributes named in [`FIXED`] are written once; the others with every change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobItem {
    pool: PoolName,
    /// [`Fixed`] as JSON.
    fixed: String,
    /// The digest of the request, where an idempotency key came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request_sha256: Option<String>,
    lpk: String,
    lsk: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rpk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rsk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ssk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exec_ms: Option<i64>,
    status: String,
    prio: u8,
    queued_ms: i64,
    available_ms: i64,
    attempt: u32,
    failures: u32,
    losses: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holder: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<HistoryItem>,
    revision: u64,
    write_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at_seconds: Option<i64>,
}

/// The attributes that are written once.
const FIXED: [&str; 5] = ["pool", "fixed", "request_sha256", "lpk", "lsk"];

/// The attributes that change, and the key of the item.
const CHANGING: [&str; 27] = [
    "pk",
    "sk",
    "rpk",
    "rsk",
    "dpk",
    "dsk",
    "spk",
    "ssk",
    "wait_ms",
    "exec_ms",
    "status",
    "prio",
    "queued_ms",
    "available_ms",
    "attempt",
    "failures",
    "losses",
    "cancel",
    "holder",
    "epoch",
    "claimed_ms",
    "started_ms",
    "ended_ms",
    "history",
    "revision",
    "write_id",
    "expires_at_seconds",
];

/// What of an item this version changes.
pub(super) fn changing_part(item: &Item) -> Item {
    let known = CHANGING.iter().filter_map(|name| item.get_key_value(*name));
    known
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Keys of the sparse indexes `ready`, `deadline` and `state`, and what the last of them holds besides.
#[derive(Debug, Default)]
struct IndexKeys {
    rpk: Option<String>,
    rsk: Option<String>,
    dpk: Option<String>,
    dsk: Option<String>,
    spk: Option<String>,
    ssk: Option<String>,
    wait_ms: Option<i64>,
    exec_ms: Option<i64>,
}

/// An ended attempt, with short names because a job has up to twenty.
#[derive(Debug, Serialize, Deserialize)]
struct HistoryItem {
    n: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<i64>,
    ended: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logs: Option<LogsUrl>,
}

/// The digit that stands for a priority in sort keys.
pub(super) fn priority_digit(priority: Priority) -> u8 {
    match priority {
        Priority::Critical => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
}

/// The ready partition of a job. Urgent jobs are few and share the first, so that any claim sees them all together.
fn ready_shard(job: &Job, shards: u32) -> u32 {
    match job.priority {
        Priority::Critical | Priority::High => 0,
        Priority::Normal | Priority::Low => shard_of(job.job_id.as_str(), shards),
    }
}

/// The sort key of a live job in the `state` index.
pub(super) fn live_sort(agent: &AgentId, claimed_at: Timestamp, job: &str) -> String {
    format!("{agent}#{}#{job}", millis(claimed_at))
}

/// The group of claimed and running jobs in the `state` index.
pub(super) const LIVE: &str = "LIVE";

impl IndexKeys {
    fn of(scope: &TenantScope, job: &Job, shards: u32, now: Timestamp) -> Self {
        let (job_id, pool) = (&job.job_id, &job.spec.pool_name);
        let mut keys = Self::default();
        if let Some(deadline) = job.deadline() {
            keys.dpk = Some(deadline_partition(job_id.as_str()));
            keys.dsk = Some(deadline_sort(deadline, scope.tenant(), job_id.as_str()));
        }
        match &job.state {
            JobState::Queued => {
                let priority = priority_digit(job.priority);
                let available = millis(job.available_at);
                if job.available_at <= now {
                    keys.rpk = Some(scope.ready(pool, ready_shard(job, shards)));
                    keys.rsk = Some(format!("{priority}#{available}#{job_id}"));
                } else {
                    keys.rpk = Some(scope.not_due(pool));
                    keys.rsk = Some(format!("{available}#{priority}#{job_id}"));
                }
            }
            JobState::Claimed { holder, claimed_at }
            | JobState::Running {
                holder, claimed_at, ..
            } => {
                keys.spk = Some(scope.state(LIVE));
                keys.ssk = Some(live_sort(&holder.agent_id, *claimed_at, job_id.as_str()));
                keys.wait_ms = Some(claimed_at.millis_since(job.available_at));
            }
            JobState::Completed { ended_at }
            | JobState::Failed { ended_at }
            | JobState::DeadLettered { ended_at }
            | JobState::Cancelled { ended_at } => {
                keys.spk = Some(scope.state(job.status().as_str()));
                keys.ssk = Some(format!("{}#{job_id}", millis(*ended_at)));
                // Only if it was that attempt which ended the job: one that is cancelled in line had none.
                if let Some(last) = job.history.last().filter(|last| last.ended_at == *ended_at) {
                    keys.wait_ms = last
                        .claimed_at
                        .map(|claimed| claimed.millis_since(job.available_at));
                    keys.exec_ms = last
                        .started_at
                        .map(|started| ended_at.millis_since(started));
                }
            }
        }
        keys
    }
}

impl Fixed {
    fn of(job: &Job, shards: u32) -> Self {
        let spec = job.spec.clone();
        Self {
            job_id: job.job_id.clone(),
            shards,
            job_type: spec.job_type,
            git_repo: spec.git_repo,
            git_ref: spec.git_ref,
            sha: spec.git_commit_sha,
            author: spec.git_author,
            tags: spec.tags,
            spec_ref: spec.spec_ref,
            spec_sha256: spec.spec_sha256,
            timeout: spec.timeout_seconds,
            max_attempts: spec.max_attempts,
            created_by: job.created_by.clone(),
            created_ms: job.created_at.as_millis(),
        }
    }

    fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::unreadable("put_job", error))
    }
}

impl JobItem {
    /// The item of a job. Where the job waits depends on `now`: whether it is due.
    pub(super) fn of(
        scope: &TenantScope,
        job: &Job,
        shards: u32,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Self, StoreError> {
        let keys = IndexKeys::of(scope, job, shards, now);
        let holder = job.holder();
        let kept_until = job.ended_at().map(|ended| ended.plus_seconds(KEPT_SECONDS));
        Ok(Self {
            pool: job.spec.pool_name.clone(),
            fixed: Fixed::of(job, shards).to_json()?,
            request_sha256: None,
            lpk: scope.created_jobs(),
            lsk: format!("{}#{}", millis(job.created_at), job.job_id),
            rpk: keys.rpk,
            rsk: keys.rsk,
            dpk: keys.dpk,
            dsk: keys.dsk,
            spk: keys.spk,
            ssk: keys.ssk,
            wait_ms: keys.wait_ms,
            exec_ms: keys.exec_ms,
            status: job.status().as_str().to_owned(),
            prio: priority_digit(job.priority),
            queued_ms: job.queued_at.as_millis(),
            available_ms: job.available_at.as_millis(),
            attempt: job.attempt,
            failures: job.failures,
            losses: job.losses,
            cancel: job.cancel_requested.then_some(true),
            holder: holder.map(|holder| holder.agent_id.clone()),
            epoch: holder.map(|holder| holder.epoch),
            claimed_ms: job.claimed_at().map(Timestamp::as_millis),
            started_ms: job.started_at().map(Timestamp::as_millis),
            ended_ms: job.ended_at().map(Timestamp::as_millis),
            history: job.history.iter().map(HistoryItem::of).collect(),
            revision: job.revision,
            write_id: write_id.as_str().to_owned(),
            expires_at_seconds: kept_until.map(|until| until.as_millis() / 1000),
        })
    }

    /// The attributes that a change writes.
    pub(super) fn into_changing(self, operation: &'static str) -> Result<Item, StoreError> {
        let mut item = to_item(operation, &self)?;
        item.retain(|name, _| !FIXED.contains(&name.as_str()));
        Ok(item)
    }
}

impl HistoryItem {
    fn of(record: &AttemptRecord) -> Self {
        Self {
            n: record.attempt,
            agent: record.agent_id.clone(),
            claimed: record.claimed_at.map(Timestamp::as_millis),
            started: record.started_at.map(Timestamp::as_millis),
            ended: record.ended_at.as_millis(),
            code: record.exit_code,
            seconds: record.duration_seconds,
            cause: record.cause,
            logs: record.logs_url.clone(),
        }
    }

    fn into_record(self) -> AttemptRecord {
        AttemptRecord {
            attempt: self.n,
            agent_id: self.agent,
            claimed_at: self.claimed.map(Timestamp::from_millis),
            started_at: self.started.map(Timestamp::from_millis),
            ended_at: Timestamp::from_millis(self.ended),
            exit_code: self.code,
            duration_seconds: self.seconds,
            cause: self.cause,
            logs_url: self.logs,
        }
    }
}

impl JobItem {
    pub(super) fn into_job(self) -> Result<(Job, u32), String> {
        let fixed: Fixed = serde_json::from_str(&self.fixed).map_err(|error| error.to_string())?;
        let state = self.state()?;
        let priority = match self.prio {
            0 => Priority::Critical,
            1 => Priority::High,
            2 => Priority::Normal,
            3 => Priority::Low,
            other => return Err(format!("priority {other}")),
        };
        let job = Job {
            job_id: fixed.job_id,
            spec: JobSpec {
                job_type: fixed.job_type,
                pool_name: self.pool,
                git_repo: fixed.git_repo,
                git_ref: fixed.git_ref,
                git_commit_sha: fixed.sha,
                git_author: fixed.author,
                tags: fixed.tags,
                spec_ref: fixed.spec_ref,
                spec_sha256: fixed.spec_sha256,
                timeout_seconds: fixed.timeout,
                max_attempts: fixed.max_attempts,
            },
            priority,
            created_by: fixed.created_by,
            created_at: Timestamp::from_millis(fixed.created_ms),
            queued_at: Timestamp::from_millis(self.queued_ms),
            available_at: Timestamp::from_millis(self.available_ms),
            attempt: self.attempt,
            failures: self.failures,
            losses: self.losses,
            cancel_requested: self.cancel.unwrap_or(false),
            state,
            history: self
                .history
                .into_iter()
                .map(HistoryItem::into_record)
                .collect(),
            revision: self.revision,
        };
        Ok((job, fixed.shards))
    }

    fn state(&self) -> Result<JobState, String> {
        let status: JobStatus = self
            .status
            .parse()
            .map_err(|_| format!("status {}", self.status))?;
        let at = |millis: Option<i64>, name: &str| {
            millis
                .map(Timestamp::from_millis)
                .ok_or_else(|| format!("{status} without {name}"))
        };
        let holder = || match (&self.holder, self.epoch) {
            (Some(agent_id), Some(epoch)) => Ok(Holder {
                agent_id: agent_id.clone(),
                epoch,
            }),
            (Some(_) | None, Some(_) | None) => Err(format!("{status} without a holder")),
        };
        Ok(match status {
            JobStatus::Queued => JobState::Queued,
            JobStatus::Claimed => JobState::Claimed {
                holder: holder()?,
                claimed_at: at(self.claimed_ms, "claimed_ms")?,
            },
            JobStatus::Running => JobState::Running {
                holder: holder()?,
                claimed_at: at(self.claimed_ms, "claimed_ms")?,
                started_at: at(self.started_ms, "started_ms")?,
            },
            JobStatus::Completed => JobState::Completed {
                ended_at: at(self.ended_ms, "ended_ms")?,
            },
            JobStatus::Failed => JobState::Failed {
                ended_at: at(self.ended_ms, "ended_ms")?,
            },
            JobStatus::DeadLettered => JobState::DeadLettered {
                ended_at: at(self.ended_ms, "ended_ms")?,
            },
            JobStatus::Cancelled => JobState::Cancelled {
                ended_at: at(self.ended_ms, "ended_ms")?,
            },
        })
    }
}
