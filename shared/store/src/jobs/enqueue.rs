//! New jobs.

use super::item::JobItem;
use super::{JOB, read_job};
use crate::call::{Item, key, string, to_item};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore, WriteId};
use data_encoding::HEXLOWER;
use domain::Timestamp;
use domain::job::Job;
use sha2::{Digest, Sha256};
use wire::{JobId, TenantId};

/// A job to be enqueued.
#[derive(Debug)]
pub struct NewJob {
    /// The job.
    pub job: Job,
    /// The number of ready partitions of its pool.
    pub ready_shards: u32,
    /// The digest of the request, if an idempotency key came with it.
    pub request_sha256: Option<[u8; 32]>,
    /// Where the request came from.
    pub origin: Option<JobOrigin>,
}

/// Where the request came from that put a job in line, for the record of who did what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOrigin {
    /// The request's id.
    pub request_id: Option<String>,
    /// The caller's address.
    pub address: Option<String>,
    /// The public id of the credential, where the name of the author does not say it: that of a person's session.
    pub credential_id: Option<String>,
}

/// The attribute of an item with its origin, and what stands between the parts of it, which none has in itself.
const ORIGIN: &str = "origin";
const BETWEEN: char = '|';

impl JobOrigin {
    /// One attribute, because each costs its name.
    fn to_text(&self) -> String {
        let text = |part: &Option<String>| part.as_deref().unwrap_or_default().to_owned();
        let mut parts = vec![text(&self.request_id), text(&self.address)];
        parts.extend(self.credential_id.clone());
        parts.join(&BETWEEN.to_string())
    }

    /// The origin that an item has.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let mut parts = item.get(ORIGIN)?.as_s().ok()?.split(BETWEEN);
        let mut part = || {
            let text = parts.next().filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        Some(Self {
            request_id: part(),
            address: part(),
            credential_id: part(),
        })
    }
}

/// What became of a new job.
#[derive(Debug)]
pub enum Enqueued {
    /// It waits.
    Created(Job),
    /// It had been enqueued before with the same idempotency key and the same request.
    Existing(Job),
    /// The idempotency key had been used for another request.
    Conflict,
}

impl NewJob {
    /// The id of the job that an idempotency key of a tenant stands for.
    pub fn id_for_key(tenant: &TenantId, key: &str) -> JobId {
        let mut hash = Sha256::new();
        // The tenant's name has no zero byte, so no two pairs run into the same text.
        hash.update(tenant.as_str());
        hash.update([0]);
        hash.update(key);
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        JobId::from_digest(digest)
    }

    /// The id of one job of a batch that came with an idempotency key. Those of one batch ascend with their place.
    pub fn id_in_batch(tenant: &TenantId, key: &str, place: u16) -> JobId {
        let mut hash = Sha256::new();
        // Keys have no zero byte either, so no batch runs into a job that has a key of its own.
        for part in [tenant.as_str(), "\0", key, "\0batch"] {
            hash.update(part);
        }
        let mut digest = [0; 16];
        digest[..14].copy_from_slice(&hash.finalize()[..14]);
        digest[14..].copy_from_slice(&place.to_be_bytes());
        JobId::from_digest(digest)
    }
}

impl TenantStore<'_> {
    /// Puts a new job in line, unless its id is taken. 3 write units for an item of up to 1 KB.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. After [`StoreError::Busy`] the job may be there or not; the same call with the
    /// same write id, or a request with an idempotency key, tells.
    pub async fn enqueue_job(
        &self,
        new: NewJob,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Enqueued, StoreError> {
        const OPERATION: &str = "enqueue_job";
        let digest = new.request_sha256.map(|digest| HEXLOWER.encode(&digest));
        let mut item = JobItem::of(self.scope, &new.job, new.ready_shards, now, write_id)?;
        item.request_sha256.clone_from(&digest);
        let mut attributes = to_item(OPERATION, &item)?;
        attributes.extend(key(self.scope.job(&new.job.job_id), JOB));
        let origin = new.origin.as_ref().map(JobOrigin::to_text);
        attributes.extend(origin.map(|text| (ORIGIN.to_owned(), string(text))));
        let found = self
            .store
            .put_new_item(OPERATION, TableKind::Jobs, attributes, write_id)
            .await?;
        let Some(found) = found else {
            return Ok(Enqueued::Created(new.job));
        };
        let digest_is_none = digest.is_none();
        let same_request =
            digest.is_some() && found.get("request_sha256") == digest.map(string).as_ref();
        let job = read_job(OPERATION, found)?;
        // Without a key the id was made up for this very call: the first try was written, and the job has gone on since.
        Ok(if digest_is_none {
            Enqueued::Created(job)
        } else if same_request {
            Enqueued::Existing(job)
        } else {
            Enqueued::Conflict
        })
    }
}
