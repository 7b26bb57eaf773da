//! What the credentials that agents register with have in common.

use crate::{enrolment_tokens, keys, signing_keys, trust_rules};
use auth::{Access, Action, Api, Audited, Caller, Change, OrProblem, Resource, Routes, Scope};
use serde::Serialize;
use store::{AgentCredential, KeyId, Revocation};
use web::{Problem, ProblemCode};
use wire::{Check, Fault, ShortText, Timestamp, check_range};

/// How long one that is good for many agents lives at most, and unless said otherwise: 365 days.
pub(crate) const YEAR_SECONDS: u32 = 365 * 24 * 3600;
/// How long any of them lives at least.
pub(crate) const LEAST_SECONDS: u32 = 60;
/// How often a random key id that is taken is replaced by another.
pub(crate) const KEY_IDS_TRIED: usize = 3;
/// How many characters the name of one has at most.
const MAX_NAME: usize = 64;
/// After how many seconds somebody may look again who has as many as they may: one of them has to go first.
const FULL_RETRY_SECONDS: u32 = 60;

/// Adds the routes of everything that agents register with.
pub(crate) fn add(routes: Routes) -> Routes {
    let access = Access::people(Scope::AgentsEnrol);
    let routes = keys::add(routes, access);
    let routes = enrolment_tokens::add(routes, access);
    let routes = signing_keys::add(routes, access);
    trust_rules::add(routes, access)
}

/// No filters.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFilters {}

impl Check for NoFilters {}

/// Adds a fault if the name is too long.
pub(crate) fn check_name(faults: &mut Vec<Fault>, name: &ShortText) {
    if name.as_str().chars().count() > MAX_NAME {
        faults.push(Fault {
            pointer: "/name".to_owned(),
            detail: format!("must have 1 to {MAX_NAME} characters"),
        });
    }
}

/// Adds a fault if the span of life is not allowed.
pub(crate) fn check_span(faults: &mut Vec<Fault>, seconds: u32, most: u32) {
    check_range(
        faults,
        "/expires_in_seconds",
        seconds,
        (LEAST_SECONDS, most),
    );
}

/// When something ends that is good for so many seconds from now.
pub(crate) fn end_after(seconds: u32, now: Timestamp) -> Timestamp {
    now.plus_seconds(i64::from(seconds))
}

/// 429: there are as many as there may be.
pub(crate) fn full(limit: u16, what: &str) -> Problem {
    let detail = format!("the organisation may have {limit} {what}; one has to go first");
    Problem::new(ProblemCode::TooManyRequests, detail).retry_after(FULL_RETRY_SECONDS)
}

/// Whether there may be one more. Of several at once, each may find that there may.
pub(crate) async fn make_room(
    api: &Api,
    caller: &Caller,
    kind: AgentCredential,
    (limit, what): (u16, &str),
) -> Result<(), Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let many = tenant.has_many_agent_credentials(kind, limit).await;
    if many.or_problem()? {
        return Err(full(limit, what));
    }
    Ok(())
}

/// The key id in a path. Text that is none names nothing.
pub(crate) fn key_id(text: &str, what: &str) -> Result<KeyId, Problem> {
    KeyId::parse(text).map_err(|_| Problem::not_found(what))
}

/// What a creation has written, on the record; `None` if its random key id is taken.
pub(crate) async fn record_creation<V: Serialize>(
    api: &Api,
    caller: &Caller,
    (action, resource): (Action, Resource),
    created: impl Future<Output = Result<Option<V>, Problem>>,
) -> Result<Option<V>, Problem> {
    let change = async {
        Ok(match created.await? {
            Some(view) => {
                let change = Change::new().after(&view);
                Audited::Changed(Some(view), change)
            }
            None => Audited::Unchanged(None),
        })
    };
    Box::pin(api.audited(caller, (action, resource), change)).await
}

/// Revokes one, ends its agents, and gives their jobs back. Revoking it again answers the same and finishes what was left.
pub(crate) async fn revoke(
    api: &Api,
    caller: &Caller,
    (kind, key_id): (AgentCredential, &KeyId),
    (action, what): (Action, &'static str),
) -> Result<(), Problem> {
    let change = async {
        let tenant = api.store.tenant(&caller.scope);
        let by = caller.created_by();
        let revoked = tenant
            .revoke_agent_credential((kind, key_id), &by, api.now(), || api.entropy.bytes())
            .await
            .or_problem()?;
        match revoked {
            Revocation::Revoked => Ok(Audited::Changed((), Change::new())),
            Revocation::AlreadyRevoked => Ok(Audited::Unchanged(())),
            Revocation::Unknown => Err(Problem::not_found(&what.replace('_', " "))),
        }
    };
    let subject = (action, Resource::new(what, key_id));
    Box::pin(api.audited(caller, subject, change)).await
}
