//! Makes an agent key.

use super::{AgentKeyCreated, AgentKeyView, MAX_KEYS};
use crate::credentials::{
    KEY_IDS_TRIED, YEAR_SECONDS, check_name, check_span, end_after, make_room, record_creation,
};
use auth::{Action, Api, Caller, OrProblem, Resource, Token};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use store::{AgentCredential, AgentCredentialEntry, Creation, CredentialKind, NewAgentKey};
use utoipa::ToSchema;
use web::{ApiJson, Problem};
use wire::{Check, Fault, PoolName, ShortText};

/// A key to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateAgentKeyRequest {
    /// What it is for, in 1 to 64 characters.
    #[schema(max_length = 64)]
    name: ShortText,
    /// The only pool that its agents may join.
    pool_name: PoolName,
    /// How long it is good, and with it the sessions of its agents: a minute to 365 days, 365 days unless said otherwise.
    #[serde(default = "a_year")]
    #[schema(minimum = 60, maximum = 31_536_000, default = 31_536_000)]
    expires_in_seconds: u32,
}

const fn a_year() -> u32 {
    YEAR_SECONDS
}

impl Check for CreateAgentKeyRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name(faults, &self.name);
        check_span(faults, self.expires_in_seconds, YEAR_SECONDS);
    }
}

/// Make an agent key.
///
/// It registers any number of agents of one pool. The answer is the only one that shows it: if it is lost, revoke the key and
/// make another. Each request makes one, so it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/agents/keys",
    tag = "enrolment",
    request_body = CreateAgentKeyRequest,
    responses((status = 201, description = "The key.", body = AgentKeyCreated))
)]
pub(crate) async fn create_agent_key(
    State(api): State<Api>,
    caller: Caller,
    ApiJson(request): ApiJson<CreateAgentKeyRequest>,
) -> Result<(StatusCode, Json<AgentKeyCreated>), Problem> {
    let limit = (MAX_KEYS, "agent keys");
    make_room(&api, &caller, AgentCredential::Key, limit).await?;
    for _ in 0..KEY_IDS_TRIED {
        let token = Token::issue(api.environment, CredentialKind::AgentKey, &api.entropy);
        if let Some(key) = create(&api, &caller, &request, &token).await? {
            let created = AgentKeyCreated {
                agent_key: token.expose().to_owned(),
                key,
            };
            return Ok((StatusCode::CREATED, Json(created)));
        }
    }
    Err(Problem::busy(1))
}

/// Writes the key; `None` if its random key id is taken.
async fn create(
    api: &Api,
    caller: &Caller,
    request: &CreateAgentKeyRequest,
    token: &Token,
) -> Result<Option<AgentKeyView>, Problem> {
    let now = api.now();
    let new = NewAgentKey {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: request.name.to_string(),
        pool: request.pool_name.clone(),
        created_by: caller.created_by(),
        expires_at: Some(end_after(request.expires_in_seconds, now)),
    };
    let created = async {
        let tenant = api.store.tenant(&caller.scope);
        let created = tenant.create_agent_key(&new, now).await.or_problem()?;
        Ok((created == Creation::Created).then(|| {
            AgentKeyView::from(AgentCredentialEntry {
                key_id: new.key_id.clone(),
                name: new.name.clone(),
                pool: new.pool.clone(),
                algorithm: None,
                created_by: new.created_by.clone(),
                created_at: now,
                expires_at: new.expires_at,
                last_used_at: None,
                rotated_to: None,
            })
        }))
    };
    let resource = Resource::new("agent_key", &new.key_id);
    record_creation(api, caller, (Action::AgentKeyCreate, resource), created).await
}
