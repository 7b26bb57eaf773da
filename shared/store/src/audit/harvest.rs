//! What happened to jobs, taken from their indexes: one record when a job was put in line, one when it ended.
//!
//! On the path of a job nothing is written for it. A page moves the positions up to which the indexes were read in the very
//! write that records what they have passed, so any number of harvests may run at once, and each event is recorded once.

use super::chain::Appended;
use super::item::{NewPage, Source, Tail, Through};
use super::{MAINTENANCE, MAX_PAGE_RECORDS};
use crate::call::{key, string};
use crate::jobs::{JobOrigin, read_recorded};
use crate::keys::millis;
use crate::schema::{PK, TableKind};
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::job::{AttemptRecord, Job};
use std::collections::HashMap;
use wire::audit::{Action, Detail, Draft, Outcome, digest_of};
use wire::{Cause, JobId, Sha256Hex};

/// How old an event has to be, in seconds: whatever is written behind the position that was read is never recorded. An event
/// bears the time at which its request began, which may take 25 s, or at which the pass of a sweep began, which may take 65 s;
/// the clocks of two functions may be a minute apart; and the index follows its table late.
const SETTLED_SECONDS: i64 = 180;

/// How many entries of an index are read at a time, which is also what `BatchGetItem` takes.
const CHUNK: usize = 100;

/// How many pages one harvest writes at most; the next one goes on.
const MAX_PAGES: usize = 1_000;

/// How often a page is tried while others append at the same time.
const MAX_TRIES: usize = 16;

/// How many chunks of entries it reads at most.
const MAX_CHUNKS: usize = 1_000;

/// What of a job never changes, and is hashed when it is put in line.
const NEVER_CHANGES: [&str; 13] = [
    "job_id",
    "job_type",
    "pool_name",
    "git_repo",
    "git_ref",
    "git_commit_sha",
    "git_author",
    "tags",
    "spec_ref",
    "spec_sha256",
    "timeout_seconds",
    "max_attempts",
    "created_by",
];

/// Entries of one index that are to be recorded.
struct Chunk {
    source: Source,
    /// The sort keys, in their order.
    entries: Vec<String>,
}

/// How a chunk was recorded.
enum Chained {
    /// All of it, and the chain now ends so.
    Through(Tail),
    /// Somebody else appended. What was read may be recorded already, or have changed.
    Behind,
}

impl TenantStore<'_> {
    /// Records what has happened to jobs since the last harvest, up to three minutes ago. How many records that were.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was recorded before stays, and the next harvest goes on there.
    pub async fn harvest_audit(
        &self,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<usize, StoreError> {
        let until = millis(now.plus_seconds(-SETTLED_SECONDS));
        let mut tail = self.known_tail().await?;
        let mut through = tail.through().clone();
        let (mut recorded, mut pages) = (0, 0);
        for _ in 0..MAX_CHUNKS {
            let Some(chunk) = self.next_chunk(&through, &until).await? else {
                break;
            };
            let drafts = self.drafts(&chunk).await?;
            let count = drafts.iter().flatten().count();
            pages += count.div_ceil(MAX_PAGE_RECORDS);
            let events = chunk.entries.iter().zip(drafts);
            match self
                .append_events((tail, &mut through), chunk.source, events, now, &mut random)
                .await?
            {
                Chained::Through(end) => {
                    tail = end;
                    recorded += count;
                }
                Chained::Behind => {
                    tail = self.read_tail().await?;
                    through = tail.through().clone();
                }
            }
            if pages >= MAX_PAGES {
                break;
            }
        }
        Ok(recorded)
    }

    /// The entries that come next, of the first index that has any.
    async fn next_chunk(
        &self,
        through: &Through,
        until: &str,
    ) -> Result<Option<Chunk>, StoreError> {
        for source in Source::ALL {
            let entries = self.entries(source, &through.at(source), until).await?;
            if !entries.is_empty() {
                return Ok(Some(Chunk { source, entries }));
            }
        }
        Ok(None)
    }

    async fn entries(
        &self,
        source: Source,
        after: &str,
        until: &str,
    ) -> Result<Vec<String>, StoreError> {
        const OPERATION: &str = "harvest_audit";
        // Another process's clock may be ahead of this one's.
        if after >= until {
            return Ok(Vec::new());
        }
        let (index, partition_key, sort_key, partition) = match source {
            Source::Enqueued => ("list", "lpk", "lsk", self.scope.created_jobs()),
            Source::Ended(status) => ("state", "spk", "ssk", self.scope.state(status.as_str())),
        };
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .index_name(index)
            .key_condition_expression("#partition = :partition AND #sort BETWEEN :from AND :until")
            .expression_attribute_names("#partition", partition_key)
            .expression_attribute_names("#sort", sort_key)
            .expression_attribute_values(":partition", string(partition))
            // Behind the entry itself, and before any other: all of them are of one length.
            .expression_attribute_values(":from", string(format!("{after}!")))
            .expression_attribute_values(":until", string(until))
            .limit(i32::try_from(CHUNK).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items
            .filter_map(|mut item| item.remove(sort_key)?.as_s().ok().cloned())
            .collect())
    }

    /// What is recorded of each entry; nothing, if the job is gone or has gone on. Of a job that is there and cannot be read,
    /// what its entry says is recorded: otherwise the position would not pass it, and every harvest would read it anew.
    async fn drafts(&self, chunk: &Chunk) -> Result<Vec<Option<Draft>>, StoreError> {
        const OPERATION: &str = "harvest_audit";
        let ids: Vec<_> = chunk.entries.iter().map(|sort| id_of(sort)).collect();
        let mut wanted: Vec<_> = ids
            .iter()
            .flatten()
            .map(|id| key(self.scope.job(id), crate::jobs::JOB))
            .collect();
        wanted.sort_by(|left, right| left[PK].as_s().ok().cmp(&right[PK].as_s().ok()));
        wanted.dedup();
        // As they are now: one that is behind would say that the job has not ended.
        let items = self
            .store
            .batch_get_consistent(OPERATION, TableKind::Jobs, wanted)
            .await?;
        let mut jobs = HashMap::with_capacity(items.len());
        for item in items {
            let partition = item.get(PK).and_then(|pk| pk.as_s().ok()).cloned();
            let recorded = read_recorded(OPERATION, item).inspect_err(
                |error| tracing::error!(%error, "a job cannot be read to be recorded in full"),
            );
            jobs.extend(partition.map(|partition| (partition, recorded.ok())));
        }
        let entries = chunk.entries.iter().zip(ids);
        Ok(entries
            .map(|(sort, id)| {
                let id = id?;
                match (jobs.get(&self.scope.job(&id))?, chunk.source) {
                    (Some((job, origin)), Source::Enqueued) => Some(enqueued(job, origin.as_ref())),
                    (Some((job, _)), Source::Ended(_)) => ended(job, chunk.source, sort),
                    (None, source) => unreadable(source, sort, &id),
                }
            })
            .collect())
    }

    /// Appends what is recorded of the entries, page by page, and moves the positions behind them.
    async fn append_events(
        &self,
        (mut tail, through): (Tail, &mut Through),
        source: Source,
        events: impl Iterator<Item = (&String, Option<Draft>)>,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<Chained, StoreError> {
        let mut drafts = Vec::with_capacity(MAX_PAGE_RECORDS);
        let mut events = events.peekable();
        while let Some((sort, draft)) = events.next() {
            // What is not recorded is passed as well, along with the next record.
            through.pass(source, sort);
            drafts.extend(draft);
            let is_full = drafts.len() >= MAX_PAGE_RECORDS || events.peek().is_none();
            if !is_full || drafts.is_empty() {
                continue;
            }
            let write_id = WriteId::new(random());
            match self
                .append_page((tail, through), &drafts, now, &write_id)
                .await?
            {
                Chained::Through(end) => tail = end,
                Chained::Behind => return Ok(Chained::Behind),
            }
            drafts.clear();
        }
        Ok(Chained::Through(tail))
    }

    /// Appends one page, behind what others append meanwhile, unless they harvest too.
    async fn append_page(
        &self,
        (mut tail, through): (Tail, &Through),
        drafts: &[Draft],
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Chained, StoreError> {
        for _ in 0..MAX_TRIES {
            let page = NewPage::behind(&tail, self.scope, drafts, through, (now, write_id))?;
            if let Appended::Done = self.put_page(&page, &[], write_id).await? {
                self.remember_tail(&page.tail);
                return Ok(Chained::Through(page.tail));
            }
            let end = self.read_tail().await?;
            if end.through() != tail.through() {
                return Ok(Chained::Behind);
            }
            tail = end;
        }
        Ok(Chained::Behind)
    }
}

/// The job at the end of a sort key.
fn id_of(sort: &str) -> Option<JobId> {
    JobId::parse(sort.rsplit('#').next()?).ok()
}

fn enqueued(job: &Job, origin: Option<&JobOrigin>) -> Draft {
    Draft {
        at: job.created_at,
        actor: job.created_by.clone(),
        credential_id: origin
            .and_then(|origin| origin.credential_id.clone())
            .or_else(|| credential(&job.created_by)),
        action: Action::JobEnqueued.as_str().to_owned(),
        resource: format!("job:{}", job.job_id),
        outcome: Outcome::Done,
        before_sha256: None,
        after_sha256: fixed_digest(job),
        request_id: origin.and_then(|origin| origin.request_id.clone()),
        address: origin.and_then(|origin| origin.address.clone()),
        detail: Detail::from([("pool".to_owned(), job.spec.pool_name.to_string())]),
    }
}

/// The public id of the credential in the name of an author, if that is one.
fn credential(author: &str) -> Option<String> {
    let (kind, id) = author.split_once(':')?;
    matches!(kind, "token" | "key").then(|| id.to_owned())
}

fn fixed_digest(job: &Job) -> Option<Sha256Hex> {
    let mut view = serde_json::to_value(job.view()).ok()?;
    view.as_object_mut()?
        .retain(|name, _| NEVER_CHANGES.contains(&name.as_str()));
    digest_of(&view)
}

/// What is recorded of the end of a job, if that is how the job stands: one that was retried since has told of its end in
/// the record of the retry.
fn ended(job: &Job, source: Source, sort: &str) -> Option<Draft> {
    let ended_at = job.ended_at()?;
    let is_this_end = Source::Ended(job.status()) == source
        && sort.starts_with(&format!("{}#", millis(ended_at)));
    if !is_this_end {
        return None;
    }
    Some(Draft {
        at: ended_at,
        actor: ended_by(job),
        credential_id: None,
        action: Action::JobEnded.as_str().to_owned(),
        resource: format!("job:{}", job.job_id),
        outcome: Outcome::Done,
        before_sha256: None,
        after_sha256: digest_of(&job.view()),
        request_id: None,
        address: None,
        detail: end_of(job),
    })
}

/// What is recorded of a job that cannot be read: what the sort key of its entry says, and no hash.
fn unreadable(source: Source, sort: &str, id: &JobId) -> Option<Draft> {
    let (action, status) = match source {
        Source::Enqueued => (Action::JobEnqueued, None),
        Source::Ended(status) => (Action::JobEnded, Some(status)),
    };
    let at = sort.split('#').next()?.parse().ok()?;
    let facts = [
        Some(("unreadable", "true".to_owned())),
        status.map(|status| ("status", status.to_string())),
    ];
    let facts = facts.into_iter().flatten();
    Some(Draft {
        at: Timestamp::from_millis(at),
        actor: MAINTENANCE.to_owned(),
        credential_id: None,
        action: action.as_str().to_owned(),
        resource: format!("job:{id}"),
        outcome: Outcome::Done,
        before_sha256: None,
        after_sha256: None,
        request_id: None,
        address: None,
        detail: facts
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    })
}

/// The attempt that ended the job, if one did: a job that is cancelled or closed in line had none.
fn last_attempt(job: &Job) -> Option<&AttemptRecord> {
    let last = job.history.last()?;
    (Some(last.ended_at) == job.ended_at()).then_some(last)
}

/// Whose doing the end of a job is: its agent's if that reported it, otherwise the control plane's. What a person did has a
/// record of its own.
fn ended_by(job: &Job) -> String {
    last_attempt(job)
        // An agent's report always has an exit code.
        .filter(|last| last.exit_code.is_some())
        .and_then(|last| last.agent_id.as_ref())
        .map_or_else(
            || MAINTENANCE.to_owned(),
            |agent_id| format!("agent:{agent_id}"),
        )
}

/// How a job ended, as facts of a record.
pub fn end_of(job: &Job) -> Detail {
    let mut facts = vec![
        ("status", job.status().to_string()),
        ("attempt", job.attempt.to_string()),
        ("created_by", job.created_by.clone()),
        ("pool", job.spec.pool_name.to_string()),
    ];
    if let Some(last) = last_attempt(job) {
        let agent = last.agent_id.as_ref();
        facts.extend(agent.map(|agent| ("agent", agent.to_string())));
        facts.extend(last.exit_code.map(|code| ("exit_code", code.to_string())));
        let failed = |_: &Cause| job.status() != wire::JobStatus::Completed;
        let cause = last.cause.filter(failed);
        facts.extend(cause.map(|cause| ("cause", cause.to_string())));
    }
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
