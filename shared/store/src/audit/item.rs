//! A page as an item.

use crate::call::{Item, from_item, key, to_item};
use crate::schema::SK;
use crate::{StoreError, TenantScope, WriteId};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use wire::JobStatus;
use wire::audit::{Draft, Link, Record};

/// The largest number of a record: what fits into a sort key.
pub(super) const MAX_SEQUENCE: u64 = 999_999_999_999;

/// The sort key of the page that begins with that record. Keys sort as the numbers do.
pub(super) fn page_sort(first: u64) -> String {
    format!("{:012}", first.min(MAX_SEQUENCE))
}

/// Where events are harvested from: an index whose entries stand in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Jobs in the order of their enqueueing.
    Enqueued,
    /// Jobs of one final status in the order of their end.
    Ended(JobStatus),
}

impl Source {
    pub(super) const ALL: [Self; 5] = [
        Self::Enqueued,
        Self::Ended(JobStatus::Completed),
        Self::Ended(JobStatus::Failed),
        Self::Ended(JobStatus::DeadLettered),
        Self::Ended(JobStatus::Cancelled),
    ];
}

/// Up to where events have been harvested: for each source the sort key of the last entry; empty before the first. It is
/// part of every page, so that it moves in the very write that records what it has passed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Through {
    #[serde(skip_serializing_if = "String::is_empty")]
    enqueued: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    completed: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    failed: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dead_lettered: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cancelled: String,
}

impl Through {
    fn of(&mut self, source: Source) -> &mut String {
        match source {
            Source::Ended(JobStatus::Completed) => &mut self.completed,
            Source::Ended(JobStatus::Failed) => &mut self.failed,
            Source::Ended(JobStatus::DeadLettered) => &mut self.dead_lettered,
            Source::Ended(JobStatus::Cancelled) => &mut self.cancelled,
            Source::Enqueued
            | Source::Ended(JobStatus::Queued | JobStatus::Claimed | JobStatus::Running) => {
                &mut self.enqueued
            }
        }
    }

    pub(super) fn at(&self, source: Source) -> String {
        self.clone().of(source).clone()
    }

    pub(super) fn pass(&mut self, source: Source, sort: &str) {
        sort.clone_into(self.of(source));
    }
}

/// The end of a tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(super) link: Link,
    pub(super) through: Through,
}

impl Tail {
    /// Before the first page.
    pub(super) fn start() -> Self {
        Self {
            link: Link::start(),
            through: Through::default(),
        }
    }

    /// The tail after this page.
    pub(super) fn of(item: Item) -> Result<Self, StoreError> {
        const OPERATION: &str = "read_audit";
        let page: PageItem = from_item(OPERATION, item)?;
        let last = page
            .records
            .last()
            .ok_or_else(|| StoreError::unreadable(OPERATION, "a page without records"))?;
        let last: Record =
            serde_json::from_str(last).map_err(|error| StoreError::unreadable(OPERATION, error))?;
        Ok(Self {
            link: last.link(),
            through: page.through,
        })
    }
}

/// A page's attributes besides its key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PageItem {
    /// The records as JSON, exactly as they are exported.
    pub(super) records: Vec<String>,
    #[serde(default)]
    through: Through,
    /// When the page was written. Nothing in it is younger.
    pub(super) recorded_ms: i64,
    #[serde(default)]
    write_id: String,
}

/// A page that is to be written.
pub(super) struct NewPage {
    pub(super) item: Item,
    /// The end of the chain with it.
    pub(super) tail: Tail,
}

impl NewPage {
    /// The page with these records at the end of the chain. `through` is up to where it harvests.
    pub(super) fn behind(
        tail: &Tail,
        scope: &TenantScope,
        drafts: &[Draft],
        through: &Through,
        (now, write_id): (Timestamp, &WriteId),
    ) -> Result<Self, StoreError> {
        const OPERATION: &str = "append_audit";
        let mut link = tail.link.clone();
        let first = link.sequence + 1;
        if first + drafts.len() as u64 > MAX_SEQUENCE {
            return Err(StoreError::unreadable(OPERATION, "the chain is full"));
        }
        let mut records = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let record = Record::following(&link, scope.tenant().clone(), draft.clone());
            link = record.link();
            let text = serde_json::to_string(&record)
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            records.push(text);
        }
        let page = PageItem {
            records,
            through: through.clone(),
            recorded_ms: now.as_millis(),
            write_id: write_id.as_str().to_owned(),
        };
        let mut item = to_item(OPERATION, &page)?;
        item.extend(key(scope.audit_chain(), &page_sort(first)));
        Ok(Self {
            item,
            tail: Tail {
                link,
                through: through.clone(),
            },
        })
    }
}

/// A page that was read, with the number of its first record.
pub(super) fn read_page(item: Item) -> Result<(u64, PageItem), StoreError> {
    const OPERATION: &str = "read_audit";
    let first = item
        .get(SK)
        .and_then(|sort| sort.as_s().ok()?.parse().ok())
        .ok_or_else(|| StoreError::unreadable(OPERATION, "a page without a number"))?;
    Ok((first, from_item(OPERATION, item)?))
}
