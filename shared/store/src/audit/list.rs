//! Reading the record: a list with filters, newest first, and an export, oldest first.

use super::item::{MAX_SEQUENCE, page_sort, read_page};
use crate::call::{Item, string};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use wire::audit::{Action, Record};

const OPERATION: &str = "read_audit";

/// How many pages one read asks for, and how many one answer looks at.
const PAGES_AT_ONCE: i32 = 10;
const MAX_PAGES: usize = 50;

/// How far apart the clocks of two processes may be, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// Which records to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Those of this actor.
    pub actor: Option<String>,
    /// Those of this action.
    pub action: Option<Action>,
    /// Those about this resource.
    pub resource: Option<String>,
    /// Those of changes made then or later.
    pub from: Option<Timestamp>,
    /// Those of changes made before then.
    pub to: Option<Timestamp>,
}

impl AuditFilter {
    fn matches(&self, record: &Record) -> bool {
        let is = |wanted: Option<&str>, seen: &str| wanted.is_none_or(|wanted| wanted == seen);
        is(self.actor.as_deref(), &record.actor)
            && is(self.action.map(Action::as_str), &record.action)
            && is(self.resource.as_deref(), &record.resource)
            && self.from.is_none_or(|from| record.at >= from)
            && self.to.is_none_or(|to| record.at < to)
    }

    /// Whether nothing that was recorded then, or before, can match.
    fn is_past(&self, recorded_ms: i64) -> bool {
        let oldest = |from: Timestamp| from.plus_seconds(-CLOCK_SKEW_SECONDS).as_millis();
        self.from.is_some_and(|from| recorded_ms < oldest(from))
    }
}

/// Where a page of the list ended: the number of the last record that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPosition(u64);

/// A page of the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The records, newest first. Fewer than asked for, even none, do not mean that the list ends.
    pub records: Vec<Record>,
    /// Where the next page begins; none at the end.
    pub next: Option<AuditPosition>,
}

/// A part of an export.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AuditExport {
    /// The records as they are kept, one a line.
    pub lines: String,
    /// How many they are.
    pub records: usize,
    /// The number of the record that the next part begins with; none at the end of the chain.
    pub next: Option<u64>,
}

impl TenantStore<'_> {
    /// A page of the record, newest first. Looks at no more than 50 pages of the chain for it, 1,000 records at most.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn audit_records(
        &self,
        filter: &AuditFilter,
        limit: usize,
        after: Option<AuditPosition>,
    ) -> Result<AuditPage, StoreError> {
        let mut page = AuditPage::default();
        let mut before = after.map_or(MAX_SEQUENCE, |AuditPosition(last)| last);
        let mut looked_at = 0;
        while before > 1 && looked_at < MAX_PAGES {
            let found = self.pages_before(before).await?;
            if found.is_empty() {
                return Ok(page);
            }
            looked_at += found.len();
            for item in found {
                let (first, stored) = read_page(item)?;
                if filter.is_past(stored.recorded_ms) {
                    return Ok(page);
                }
                let numbered: Vec<_> = (first..).zip(&stored.records).collect();
                for (sequence, line) in numbered.into_iter().rev() {
                    if sequence >= before {
                        continue;
                    }
                    before = sequence;
                    match serde_json::from_str::<Record>(line) {
                        Ok(record) if filter.matches(&record) => page.records.push(record),
                        Ok(_) => {}
                        // The export has it as it is, and whoever verifies that is told.
                        Err(error) => tracing::error!(%error, sequence, "a record cannot be read"),
                    }
                    if page.records.len() >= limit {
                        page.next = (before > 1).then_some(AuditPosition(before));
                        return Ok(page);
                    }
                }
                before = before.min(first);
            }
        }
        page.next = (before > 1).then_some(AuditPosition(before));
        Ok(page)
    }

    /// Pages with records before that one, newest first.
    async fn pages_before(&self, before: u64) -> Result<Vec<Item>, StoreError> {
        self.pages(
            ("sk <= :place", page_sort(before - 1)),
            false,
            PAGES_AT_ONCE,
        )
        .await
    }

    /// Records from that number on, as they are kept: up to `limit` of them, and up to `max_bytes`, but one at least.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn audit_export(
        &self,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<AuditExport, StoreError> {
        let from = from.clamp(1, MAX_SEQUENCE);
        let mut export = AuditExport::default();
        // The page that has the record begins with it or before it.
        let holding = self
            .pages(("sk <= :place", page_sort(from)), false, 1)
            .await?;
        let Some(holding) = holding.into_iter().next() else {
            return Ok(export);
        };
        let (mut place, _) = read_page(holding)?;
        // Every read finds a record at least, or it is the last.
        for _ in 0..=limit {
            let found = self
                .pages(("sk >= :place", page_sort(place)), true, PAGES_AT_ONCE)
                .await?;
            if found.is_empty() {
                break;
            }
            for item in found {
                let (first, stored) = read_page(item)?;
                place = first + stored.records.len().max(1) as u64;
                for (sequence, line) in (first..).zip(&stored.records) {
                    if sequence < from {
                        continue;
                    }
                    let is_full = export.records > 0
                        && (export.records >= limit
                            || export.lines.len() + line.len() >= max_bytes);
                    if is_full {
                        export.next = Some(sequence);
                        return Ok(export);
                    }
                    export.lines.push_str(line);
                    export.lines.push('\n');
                    export.records += 1;
                }
            }
        }
        Ok(export)
    }

    async fn pages(
        &self,
        (condition, place): (&str, String),
        ascending: bool,
        limit: i32,
    ) -> Result<Vec<Item>, StoreError> {
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Audit))
            .key_condition_expression(format!("pk = :chain AND {condition}"))
            .expression_attribute_values(":chain", string(self.scope.audit_chain()))
            .expression_attribute_values(":place", string(place))
            .scan_index_forward(ascending)
            .limit(limit)
            // What a change has recorded is there for whoever made it.
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        Ok(answer.items.unwrap_or_default())
    }
}
