//! The record of who did what, for handlers: an intent before a change, a record after it.

use crate::{Api, Caller, KeyCaller, OrProblem};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Display;
use std::future::Future;
use store::{IntentKey, KeyId, TenantScope};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa_axum::router::UtoipaMethodRouter;
use web::Problem;
pub use wire::audit::Action;
use wire::audit::{Detail, Draft, Outcome, digest_of};
use wire::{AgentId, DeploymentId, JobId, PoolName, RelayId, Sha256Hex};

/// The extension that says what an operation records.
pub(crate) const X_AUDIT: &str = "x-audit";

/// The longest id of a thing, and the longest fact, in bytes.
const MAX_TEXT: usize = 128;

/// Declares what the handlers of a route record. It stands next to the route, and is written into the document.
pub fn audited(actions: &[Action], added: UtoipaMethodRouter<Api>) -> UtoipaMethodRouter<Api> {
    let words: Vec<_> = actions.iter().map(|action| action.as_str()).collect();
    declare(&json!(words), added)
}

/// Declares that maintenance records what the handlers of a route do, from the jobs themselves.
pub fn harvested(added: UtoipaMethodRouter<Api>) -> UtoipaMethodRouter<Api> {
    declare(&json!("harvested"), added)
}

/// Declares that what the handlers of a route do is not recorded, and why.
pub fn unrecorded(reason: &str, added: UtoipaMethodRouter<Api>) -> UtoipaMethodRouter<Api> {
    declare(&json!({ "unrecorded": reason }), added)
}

fn declare(
    value: &Value,
    (schemas, mut paths, methods): UtoipaMethodRouter<Api>,
) -> UtoipaMethodRouter<Api> {
    for item in paths.paths.values_mut() {
        for (_method, operation) in crate::openapi::operations(item) {
            let extension = ExtensionsBuilder::new().add(X_AUDIT, value.clone()).build();
            match &mut operation.extensions {
                Some(extensions) => extensions.merge(extension),
                none @ None => *none = Some(extension),
            }
        }
    }
    (schemas, paths, methods)
}

/// Somebody who changes things, as the record names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person, by their id.
    User(String),
    /// An API token.
    Token(KeyId),
    /// A registered agent.
    Agent(AgentId),
    /// An agent that has not registered yet, by the key that it has.
    Key(KeyId),
    /// What happens without a request.
    Maintenance,
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::User(id) => format!("user:{id}"),
            Actor::Token(id) => format!("token:{id}"),
            Actor::Agent(id) => format!("agent:{id}"),
            Actor::Key(id) => format!("key:{id}"),
            Actor::Maintenance => "system:maintenance".to_owned(),
        }
    }
}

/// Who makes a change, in which organisation, with which credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    scope: TenantScope,
    actor: String,
    credential_id: Option<String>,
}

impl Author {
    /// Somebody who is not a [`Caller`]: a person who is about to sign in. The credential by what may be told of it: the id
    /// of a person's session, else the key id.
    pub fn new(scope: &TenantScope, actor: Actor, credential_id: Option<String>) -> Self {
        Self {
            scope: scope.clone(),
            actor: actor.into(),
            credential_id,
        }
    }
}

impl From<&Caller> for Author {
    fn from(caller: &Caller) -> Self {
        Self {
            scope: caller.scope.clone(),
            actor: caller.created_by(),
            credential_id: Some(caller.credential_id()),
        }
    }
}

impl From<&KeyCaller> for Author {
    fn from(caller: &KeyCaller) -> Self {
        let actor = Actor::Key(caller.key_id.clone());
        Self::new(&caller.scope, actor, Some(caller.key_id.to_string()))
    }
}

/// What is changed, as its kind and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource(String);

impl Resource {
    /// A thing of that kind. An id that is not short visible ASCII stands there as its hash: nobody writes free text into
    /// the record.
    pub fn new(kind: &'static str, id: impl Display) -> Self {
        let id = id.to_string();
        if is_plain(&id) {
            return Self(format!("{kind}:{id}"));
        }
        let digest = digest_of(&id).as_ref().map(Sha256Hex::to_string);
        Self(format!("{kind}:sha256-{}", digest.unwrap_or_default()))
    }

    /// A job.
    pub fn job(id: &JobId) -> Self {
        Self::new("job", id)
    }

    /// A pool.
    pub fn pool(name: &PoolName) -> Self {
        Self::new("pool", name)
    }

    /// An agent.
    pub fn agent(id: &AgentId) -> Self {
        Self::new("agent", id)
    }

    /// A relay.
    pub fn relay(id: &RelayId) -> Self {
        Self::new("relay", id)
    }

    /// A deployment.
    pub fn deployment(id: &DeploymentId) -> Self {
        Self::new("deployment", id)
    }
}

/// Visible ASCII, not empty, short, and no credential of ours.
fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains("hcp_")
}

/// What somebody is about to do, to what, and what is known of it before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    action: Action,
    resource: Resource,
    known: Change,
}

impl Subject {
    /// What is recorded even if nobody lives to say how it ended.
    pub fn with(self, known: Change) -> Self {
        Self { known, ..self }
    }
}

impl From<(Action, Resource)> for Subject {
    fn from((action, resource): (Action, Resource)) -> Self {
        Self {
            action,
            resource,
            known: Change::new(),
        }
    }
}

/// What a change came to: hashes of what callers saw before and see afterwards, and a few facts. Never what they are of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    before: Option<Sha256Hex>,
    after: Option<Sha256Hex>,
    detail: Detail,
}

impl Change {
    /// Of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was there before, as callers saw it.
    pub fn before(self, view: &impl Serialize) -> Self {
        let before = digest_of(view);
        Self { before, ..self }
    }

    /// What is there now, as callers see it.
    pub fn after(self, view: &impl Serialize) -> Self {
        let after = digest_of(view);
        Self { after, ..self }
    }

    /// A fact: a word, a number, an id. What is not short visible ASCII is left out.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        let value = value.to_string();
        if is_plain(&value) {
            self.detail.insert(name.to_owned(), value);
        } else {
            tracing::warn!(name, "a fact is left out of the record");
        }
        self
    }

    /// Facts that were put together elsewhere.
    pub fn with_all(mut self, detail: Detail) -> Self {
        self.detail.extend(detail);
        self
    }
}

/// What became of what somebody wanted.
#[derive(Debug)]
pub enum Audited<T> {
    /// It was done. There is a record of it.
    Changed(T, Change),
    /// There was nothing to do, because it had been done before. There is no record of it.
    Unchanged(T),
}

/// A change that is about to be made. One that is neither done nor dropped is recorded as of unknown outcome.
#[derive(Debug)]
#[must_use = "what became of the change has to be said"]
pub struct Intent {
    scope: TenantScope,
    key: IntentKey,
    draft: Draft,
}

impl Api {
    /// Makes a change and records it. The intent is put before `change` begins; if that fails, nothing is changed.
    ///
    /// A refusal (4xx) changed nothing and is not recorded. After a failure (5xx) nobody knows what was changed: maintenance
    /// records it so.
    ///
    /// # Errors
    /// What `change` fails with, and what the store's failures are mapped to.
    pub fn audited<T>(
        &self,
        author: impl Into<Author>,
        subject: impl Into<Subject>,
        change: impl Future<Output = Result<Audited<T>, Problem>>,
    ) -> impl Future<Output = Result<T, Problem>> {
        let (author, subject) = (author.into(), subject.into());
        // In boxes: calls of the store are large futures, and every handler that changes something would hold them all.
        let change = Box::pin(change);
        Box::pin(self.record(author, subject, change))
    }

    async fn record<T>(
        &self,
        author: Author,
        subject: Subject,
        change: impl Future<Output = Result<Audited<T>, Problem>>,
    ) -> Result<T, Problem> {
        let intent = Box::pin(self.put_intent(author, subject)).await?;
        match change.await {
            Ok(Audited::Changed(value, change)) => {
                Box::pin(self.audit_done(intent, change)).await;
                Ok(value)
            }
            Ok(Audited::Unchanged(value)) => {
                Box::pin(self.audit_dropped(intent)).await;
                Ok(value)
            }
            Err(problem) => {
                if !problem.status().is_server_error() {
                    Box::pin(self.audit_dropped(intent)).await;
                }
                Err(problem)
            }
        }
    }

    /// Says that a change is about to be made.
    ///
    /// # Errors
    /// What the store's failures are mapped to. The change must not be made then.
    pub async fn audit_intent(
        &self,
        author: impl Into<Author>,
        action: Action,
        resource: Resource,
    ) -> Result<Intent, Problem> {
        self.put_intent(author.into(), (action, resource).into())
            .await
    }

    /// What is to be recorded of a change that is written together with it, as done.
    pub fn audit_draft(&self, author: impl Into<Author>, subject: impl Into<Subject>) -> Draft {
        let mut draft = self.draft(&author.into(), subject.into());
        draft.outcome = Outcome::Done;
        draft
    }

    fn draft(&self, author: &Author, subject: Subject) -> Draft {
        let request_id = web::request_id();
        Draft {
            at: self.now(),
            actor: author.actor.clone(),
            credential_id: author.credential_id.clone(),
            action: subject.action.as_str().to_owned(),
            resource: subject.resource.0,
            outcome: Outcome::Unknown,
            before_sha256: subject.known.before,
            after_sha256: subject.known.after,
            request_id: (!request_id.is_empty()).then_some(request_id),
            address: web::client_address().map(|address| address.to_string()),
            detail: subject.known.detail,
        }
    }

    async fn put_intent(&self, author: Author, subject: Subject) -> Result<Intent, Problem> {
        let draft = self.draft(&author, subject);
        let tenant = self.store.tenant(&author.scope);
        let key = tenant
            .put_intent(&draft, &self.write_id())
            .await
            .or_problem()?;
        Ok(Intent {
            scope: author.scope,
            key,
            draft,
        })
    }

    /// Records a change that was made. If the chain cannot be written now, maintenance records it: what was done is done, and
    /// its caller is not told otherwise.
    pub async fn audit_done(&self, intent: Intent, change: Change) {
        let mut draft = intent.draft;
        draft.outcome = Outcome::Done;
        draft.before_sha256 = change.before.or(draft.before_sha256);
        draft.after_sha256 = change.after.or(draft.after_sha256);
        draft.detail.extend(change.detail);
        let tenant = self.store.tenant(&intent.scope);
        let completed = tenant
            .complete_intent(&intent.key, draft.clone(), self.now(), &self.write_id())
            .await;
        let Err(error) = completed else { return };
        tracing::warn!(%error, action = draft.action, "a record is left to maintenance");
        if let Err(error) = tenant.resolve_intent(&intent.key, &draft).await {
            tracing::error!(%error, action = draft.action, "a record will have an unknown outcome");
        }
    }

    /// Forgets a change that was not made. If that fails, maintenance records it as of unknown outcome.
    pub async fn audit_dropped(&self, intent: Intent) {
        let tenant = self.store.tenant(&intent.scope);
        if let Err(error) = tenant.drop_intent(&intent.key).await {
            let action = intent.draft.action;
            tracing::error!(%error, action, "what was refused will be recorded as of unknown outcome");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_writes_free_text_into_the_record() {
        assert_eq!(Resource::new("pool", "linux").0, "pool:linux");
        for text in [
            "",
            "two words",
            "line\nfeed",
            "é",
            &"x".repeat(129),
            "hcp_test_u_aaaaaaaaaaaa_secret",
        ] {
            let resource = Resource::new("pool", text).0;
            let hash = resource.strip_prefix("pool:sha256-");
            assert_eq!(hash.map(str::len), Some(64), "{text}: {resource}");
            assert_eq!(Change::new().with("fact", text).detail, Detail::new());
        }
        let change = Change::new().with("priority", "HIGH");
        assert_eq!(change.detail["priority"], "HIGH");
    }

    #[test]
    fn a_hash_is_of_what_callers_see() {
        let before = Change::new().before(&json!({"b": 1, "a": 2}));
        let same = Change::new().before(&json!({"a": 2, "b": 1}));
        let other = Change::new().before(&json!({"a": 2, "b": 2}));
        assert_eq!(before, same);
        assert_ne!(before, other);
        assert!(before.before.is_some() && before.after.is_none());
    }
}
