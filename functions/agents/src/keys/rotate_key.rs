//! Replaces an agent key by a new one of the same pool.

use super::{AgentKeyCreated, AgentKeyView};
use crate::credentials::{KEY_IDS_TRIED, YEAR_SECONDS, end_after, key_id, revoke};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource, Token};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use store::{AgentCredential, CredentialKind, KeyId, LEAST_OVERLAP_SECONDS, NewSecret, Rotation};
use utoipa::ToSchema;
use web::{ApiJsonOrEmpty, ApiPath, Problem, ProblemCode};
use wire::{Check, Fault};

/// How long both keys are good, at most and unless said otherwise: a day.
const MOST_OVERLAP: u32 = 24 * 3600;

/// How to rotate a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateAgentKeyRequest {
    /// How long the old key and its agents go on: five minutes to a day, and a day unless said otherwise. With 0, for a key
    /// that may be in the wrong hands, its agents are ended at once and their jobs go back to the queue.
    #[serde(default = "a_day")]
    #[schema(maximum = 86_400, default = 86_400)]
    overlap_seconds: u32,
}

const fn a_day() -> u32 {
    MOST_OVERLAP
}

impl Check for RotateAgentKeyRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.overlap_seconds != 0
            && !(LEAST_OVERLAP_SECONDS..=MOST_OVERLAP).contains(&self.overlap_seconds)
        {
            faults.push(Fault {
                pointer: "/overlap_seconds".to_owned(),
                detail: format!("must be 0, or from {LEAST_OVERLAP_SECONDS} to {MOST_OVERLAP}"),
            });
        }
    }
}

/// Rotate an agent key.
///
/// The new one has the name and the pool of the old one, and is good for 365 days. The answer is the only one that shows it.
/// A key is rotated once. Agents go over to the new key when they are started with it; those that were not, end with the old
/// one.
///
/// With an `overlap_seconds` of 0 the answer may be 503 although there is a new key: not all agents of the old one are ended
/// then, or it is not certain. The new key is not shown. `detail` names both: revoke the old key, and rotate the new one.
#[utoipa::path(
    post,
    path = "/api/agents/keys/{key_id}/rotate",
    tag = "enrolment",
    params(("key_id" = String, Path, description = "The public part of the key.")),
    request_body(content = RotateAgentKeyRequest, description = "May be left out."),
    responses((status = 201, description = "The new key.", body = AgentKeyCreated))
)]
pub(crate) async fn rotate_agent_key(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
    ApiJsonOrEmpty(request): ApiJsonOrEmpty<RotateAgentKeyRequest>,
) -> Result<(StatusCode, Json<AgentKeyCreated>), Problem> {
    let old = key_id(&id, "agent key")?;
    for _ in 0..KEY_IDS_TRIED {
        let token = Token::issue(api.environment, CredentialKind::AgentKey, &api.entropy);
        let overlap = i64::from(request.overlap_seconds);
        let Some(key) = rotate(&api, &caller, &old, &token, overlap).await? else {
            continue;
        };
        if request.overlap_seconds == 0 {
            end_now(&api, &caller, &old, &token.presented.key_id).await?;
        }
        let created = AgentKeyCreated {
            agent_key: token.expose().to_owned(),
            key,
        };
        return Ok((StatusCode::CREATED, Json(created)));
    }
    Err(Problem::busy(1))
}

/// Writes the new key and the end of the old one; `None` if the random key id is taken.
async fn rotate(
    api: &Api,
    caller: &Caller,
    old: &KeyId,
    token: &Token,
    overlap_seconds: i64,
) -> Result<Option<AgentKeyView>, Problem> {
    let now = api.now();
    let new = NewSecret {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        expires_at: Some(end_after(YEAR_SECONDS, now)),
    };
    let change = async {
        let tenant = api.store.tenant(&caller.scope);
        let write_id = api.write_id();
        let rotated = tenant.rotate_agent_key(old, &new, overlap_seconds, now, &write_id);
        match rotated.await.or_problem()? {
            Rotation::Rotated(entry) => {
                let view = AgentKeyView::from(entry);
                let change = Change::new().after(&view).with("rotated_to", &new.key_id);
                Ok(Audited::Changed(Some(view), change))
            }
            Rotation::KeyIdTaken => Ok(Audited::Unchanged(None)),
            Rotation::Unknown => Err(Problem::not_found("agent key")),
            Rotation::RotatedBefore(successor) => Err(Problem::conflict(
                ProblemCode::IllegalTransition,
                format!("it was rotated before; the key in its place is {successor}"),
            )),
            Rotation::NotGood => Err(Problem::conflict(
                ProblemCode::IllegalTransition,
                "it is revoked or has ended; make another key",
            )),
        }
    };
    let subject = (Action::AgentKeyRotate, Resource::new("agent_key", old));
    Box::pin(api.audited(caller, subject, change)).await
}

/// Ends the old key and its agents. If that fails, the caller must not believe that it is done: the answer says so instead of
/// showing the new key, which can be replaced in its turn.
async fn end_now(api: &Api, caller: &Caller, old: &KeyId, new: &KeyId) -> Result<(), Problem> {
    let revoked = (AgentCredential::Key, old);
    let revoked = revoke(api, caller, revoked, (Action::AgentKeyRevoke, "agent_key")).await;
    revoked.map_err(|problem| {
        tracing::error!(key_id = %old, %problem, "the agents of a key that was replaced at once were not all ended");
        let detail = format!(
            "the key {old} was replaced by {new}, but its agents may not all be ended: revoke {old}, then rotate {new}"
        );
        Problem::new(ProblemCode::Busy, detail).retry_after(1)
    })
}
