//! The relay: what it was given, and what it does with a webhook that was received as a whole.

#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::identity::Identity;
use crate::journal::{Entry, Ignored, Journal, Repeated};
use crate::metadata::{self, Mapped, Rules};
use crate::refusal::{Reason, Refusal};
use crate::secrets::{BUSY, SecretFault, Secrets, values_of};
use crate::seen::{Known, Marks, Seen};
use crate::settings::Settings;
use crate::tool::{Delivery, Tool, Tools};
use crate::vault::Vault;
use crate::verify::{Method, Unverified, VerifiedWebhook, verify};
use crate::{json, outbox};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use queues::Queue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use wire::relay::{Commitment, EventMetadata, RelayInstance, VaultReference};
use wire::{CommitmentAlgorithm, EventId, Sha256Hex, Timestamp, ToolName};

/// How many webhooks are served at a time.
pub(crate) const MAX_AT_A_TIME: usize = 64;

/// How many bytes of bodies are held at a time, in units of [`MEMORY_UNIT`].
const MAX_MEMORY_UNITS: usize = 4096;

/// A unit of what bodies take, in bytes: in all, 256 MiB.
pub(crate) const MEMORY_UNIT: usize = 64 * 1024;

/// How GitLab says which of its deliveries are one that it sends again. The header that its tool file names is the same for all
/// that one cause brought about.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a relay is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its configuration.
    pub settings: Settings,
    /// The tools that it knows.
    pub tools: Tools,
    /// Where secrets are.
    pub vault: Vault,
    /// Where events go.
    pub queue: Queue,
    /// Where it says what happens.
    pub journal: Journal,
    /// The time.
    pub clock: Clock,
    /// Which process it is: made anew at each start.
    pub instance: RelayInstance,
}

/// A relay. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Relay(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) tools: Tools,
    pub(crate) secrets: Secrets,
    pub(crate) queue: Queue,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    pub(crate) instance: RelayInstance,
    pub(crate) counts: Counts,
    /// Whether the queue let the relay send, the last time that it said so. That it is there does not say that.
    pub(crate) may_send: AtomicBool,
    pub(crate) places: Semaphore,
    pub(crate) memory: Semaphore,
    seen: Mutex<Seen>,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// The number of the last message.
    pub(crate) sequence: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) duplicates: AtomicU64,
}

/// What became of a webhook that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is on the queue, now or since before.
    Accepted(EventId),
    /// It is no event.
    Ignored(Ignored),
}

/// A webhook, received as a whole.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) tool: &'a Tool,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Timestamp,
}

impl Relay {
    /// A relay of these parts.
    pub fn new(parts: Parts) -> Self {
        let references = parts.settings.references();
        let secrets = Secrets::new(parts.vault, references, parts.clock.clone());
        let relay = Self(Arc::new(Inner {
            settings: parts.settings,
            tools: parts.tools,
            secrets,
            queue: parts.queue,
            journal: parts.journal,
            clock: parts.clock,
            instance: parts.instance,
            counts: Counts::default(),
            may_send: AtomicBool::new(true),
            places: Semaphore::new(MAX_AT_A_TIME),
            memory: Semaphore::new(MAX_MEMORY_UNITS),
            seen: Mutex::default(),
        }));
        let tools: Vec<ToolName> = relay.0.tools.names().cloned().collect();
        let has_secret = |tool: &&ToolName| !relay.0.settings.secrets.contains_key(*tool);
        let without_secret = tools.iter().filter(has_secret).cloned().collect();
        relay.0.write(Entry::Started {
            version: env!("CARGO_PKG_VERSION"),
            tools,
            without_secret,
        });
        relay
    }
}

impl Inner {
    pub(crate) fn write(&self, entry: Entry) {
        self.journal.write(self.clock.now(), entry);
    }

    /// Verifies a webhook, maps it, and puts the event on the queue.
    pub(crate) async fn accept(&self, received: Received<'_>) -> Result<Outcome, Refusal> {
        let tool = received.tool;
        let webhook = self.verify(&received).await?;
        check_type(tool, &received.headers)?;
        let identity = self.identity().await?;
        let marks = marks(&identity, &received, &webhook);
        if let Some(known) = self.seen(|seen| seen.find(&marks)) {
            return Ok(self.duplicate(tool, known));
        }
        let body = json::parse(webhook.body()).map_err(|malformed| match malformed {
            json::Malformed::NotJson => Reason::NotJson,
            json::Malformed::TooDeep => Reason::TooDeep,
            json::Malformed::TooManyNodes => Reason::TooManyNodes,
            json::Malformed::DuplicateKey => Reason::DuplicateKey,
        })?;
        let delivery = Delivery {
            headers: &received.headers,
            body: &body,
        };
        let mapped = match self.map(tool, &delivery).await? {
            Ok(mapped) => mapped,
            Err(why) => return Ok(Outcome::Ignored(why)),
        };
        let left_out = mapped.left_out.clone();
        let event_id = marks.event_id.clone();
        let commitment = self.commitment(webhook.body()).await?;
        let metadata = metadata_of(&received, event_id.clone(), mapped, commitment);
        let sequence = outbox::send(self, &identity, metadata).await?;
        self.seen(|seen| seen.remember(marks));
        self.write(Entry::Forwarded {
            tool: tool.name.clone(),
            event_id: event_id.clone(),
            sequence,
            left_out,
        });
        Ok(Outcome::Accepted(event_id))
    }

    /// Verifies with the secret that is kept, and once more with a new one: it may have been rotated.
    async fn verify(&self, received: &Received<'_>) -> Result<VerifiedWebhook, Refusal> {
        let tool = received.tool;
        let reference = self.settings.secrets.get(&tool.name);
        let reference = reference.ok_or(Reason::NoSecret)?;
        let (headers, body, now) = (&received.headers, &received.body, received.at);
        let try_with =
            |secret: &SecretString| verify(&tool.verify, &values_of(secret), headers, body, now);
        let kept = self.secrets.get(reference).await.map_err(no_secret)?;
        let first = try_with(&kept);
        let may_be_rotated = match &first {
            Err(Unverified::Wrong | Unverified::Malformed) => true,
            // Its two kinds of secret are looked for in different headers.
            Err(Unverified::Missing) => tool.verify == Method::Gitlab,
            Ok(_) | Err(Unverified::Stale) => false,
        };
        if !may_be_rotated {
            return first.map_err(unverified);
        }
        // What cannot be read anew leaves the first outcome as it is, unless it is being read.
        match self.secrets.get_fresh(reference).await {
            Err(fault @ SecretFault::Unavailable(BUSY)) => Err(no_secret(fault)),
            Ok(fresh) if fresh.expose_secret() != kept.expose_secret() => {
                try_with(&fresh).map_err(unverified)
            }
            Ok(_) | Err(_) => first.map_err(unverified),
        }
    }

    async fn map(
        &self,
        tool: &Tool,
        delivery: &Delivery<'_>,
    ) -> Result<Result<Mapped, Ignored>, Refusal> {
        let key = match &self.settings.pseudonym_key {
            Some(reference) => Some(self.key(reference).await?),
            None => None,
        };
        let key = key
            .as_ref()
            .map(|key| key.expose_secret().trim().as_bytes());
        let rules = Rules {
            path_classes: &self.settings.path_classes,
            pseudonyms: self.settings.pseudonyms,
            pseudonym_key: key,
        };
        metadata::map(tool, delivery, &rules).map_err(|fields| Refusal {
            fields,
            ..Reason::ContractBroken.into()
        })
    }

    async fn commitment(&self, body: &[u8]) -> Result<Commitment, Refusal> {
        let (algorithm, digest) = match &self.settings.audit_key {
            None => (CommitmentAlgorithm::Sha256, hex(&Sha256::digest(body))),
            Some(reference) => {
                let key = self.key(reference).await?;
                let key = key.expose_secret().trim().as_bytes();
                let mac = Hmac::<Sha256>::new_from_slice(key);
                let mac = mac.map_err(|_| Refusal::from(Reason::VaultUnavailable))?;
                let digest = mac.chain_update(body).finalize().into_bytes();
                (CommitmentAlgorithm::HmacSha256, hex(&digest))
            }
        };
        Ok(Commitment {
            algorithm,
            digest: Sha256Hex::parse(&digest).map_err(|_| Reason::MessageTooLarge)?,
        })
    }

    /// A key of the relay's own: without it nothing is sent, rather than something weaker.
    async fn key(&self, reference: &VaultReference) -> Result<Arc<SecretString>, Refusal> {
        let key = self.secrets.get(reference).await;
        key.map_err(|fault| Refusal::from(Reason::VaultUnavailable).because(cause(fault)))
    }

    /// Who the relay is. It may have another key since it was last read.
    pub(crate) async fn identity(&self) -> Result<Identity, Refusal> {
        let refused = Refusal::from(Reason::IdentityUnavailable);
        match self.secrets.get(&self.settings.identity).await {
            Ok(text) => Identity::parse(&text).ok_or_else(|| refused.because("malformed")),
            Err(fault) => Err(refused.because(cause(fault))),
        }
    }

    fn duplicate(&self, tool: &Tool, known: Known) -> Outcome {
        self.counts.duplicates.fetch_add(1, Ordering::Relaxed);
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        self.write(Entry::Duplicate {
            tool: tool.name.clone(),
            event_id: known.event_id.clone(),
            reason: if known.is_same_delivery {
                Repeated::SameDelivery
            } else {
                Repeated::SameBody
            },
        });
        Outcome::Accepted(known.event_id)
    }

    fn seen<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn no_secret(fault: SecretFault) -> Refusal {
    match fault {
        SecretFault::None => Reason::NoSecret.into(),
        SecretFault::Unavailable(cause) => Refusal::from(Reason::VaultUnavailable).because(cause),
    }
}

fn cause(fault: SecretFault) -> &'static str {
    match fault {
        SecretFault::None => "missing",
        SecretFault::Unavailable(cause) => cause,
    }
}

fn unverified(why: Unverified) -> Refusal {
    match why {
        Unverified::Missing => Reason::SignatureMissing.into(),
        Unverified::Wrong => Reason::SignatureWrong.into(),
        Unverified::Stale => Reason::SignatureStale.into(),
        Unverified::Malformed => Reason::SecretMalformed.into(),
    }
}

/// Only JSON as it is: what is compressed could be anything once it is not.
fn check_type(tool: &Tool, headers: &HeaderMap) -> Result<(), Refusal> {
    let is_plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let essence = match content_type {
        Some(Ok(text)) => text.split(';').next().unwrap_or_default().trim(),
        Some(Err(_)) | None => "",
    };
    let is_known = |known: &String| known.eq_ignore_ascii_case(essence);
    if is_plain && tool.content_types.iter().any(is_known) {
        Ok(())
    } else {
        Err(Reason::ContentType.into())
    }
}

/// The event's id is made of the body, and of the delivery's id where that can be believed: where the signature covers it, and
/// where there is none but a token, which whoever copies a webhook has in the copy. Where the body alone is signed, whoever
/// copies a webhook cannot make another event of it by writing another id beside it.
fn marks(identity: &Identity, received: &Received<'_>, webhook: &VerifiedWebhook) -> Marks {
    let (relay, tool) = (identity.relay_id(), &received.tool.name);
    let signed = webhook.signed_delivery_id();
    let delivery = signed.map(str::as_bytes).or_else(|| delivery_id(received));
    let is_token = matches!(received.tool.verify, Method::Token { .. } | Method::Gitlab);
    let believed = delivery.filter(|_| signed.is_some() || is_token);
    let body = hex(&Sha256::digest(webhook.body()));
    let digest = Sha256::new()
        .chain_update(format!("hcp-event-v1\n{relay}\n{tool}\n"))
        .chain_update(believed.unwrap_or_default())
        .chain_update(format!("\n{body}"))
        .finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    let delivery = delivery.map(|id| {
        let start = Sha256::new().chain_update(format!("{tool}\n"));
        start.chain_update(id).finalize().into()
    });
    Marks {
        event_id: EventId::from_digest(half),
        delivery,
        is_signed: signed.is_some(),
    }
}

/// The delivery's id, as the tool says it.
fn delivery_id<'a>(received: &'a Received<'_>) -> Option<&'a [u8]> {
    let (tool, headers) = (received.tool, &received.headers);
    let is_gitlab = tool.verify == Method::Gitlab;
    let key = headers.get(IDEMPOTENCY_KEY).filter(|_| is_gitlab);
    let named = tool.delivery_id.as_ref();
    let named = named.and_then(|name| headers.get(name));
    let ids = [key, named].into_iter().flatten();
    ids.map(HeaderValue::as_bytes).find(|id| !id.is_empty())
}

fn metadata_of(
    received: &Received<'_>,
    event_id: EventId,
    mapped: Mapped,
    commitment: Commitment,
) -> EventMetadata {
    let fields = mapped.fields;
    EventMetadata {
        event_id,
        tool: received.tool.name.clone(),
        event: mapped.kind,
        action: fields.action,
        repository: fields.repository,
        git_repo: fields.git_repo,
        branch: fields.branch,
        tag: fields.tag,
        commit_sha: fields.commit_sha,
        author: fields.author,
        number: fields.number,
        status: fields.status,
        severity: fields.severity,
        environment: fields.environment,
        path_classes: fields.path_classes,
        received_at: received.at,
        body_bytes: received.body.len() as u64,
        commitment,
    }
}

fn hex(digest: &[u8]) -> String {
    HEXLOWER.encode(digest)
}
