//! Makes an enrolment token.

use super::{EnrolmentView, MAX_TOKENS};
use crate::credentials::{
    KEY_IDS_TRIED, check_name, check_span, end_after, make_room, record_creation,
};
use auth::{Action, Api, Caller, OrProblem, Resource, Token};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{AgentCredential, AgentCredentialEntry, Creation, CredentialKind, NewEnrolment};
use utoipa::ToSchema;
use web::{ApiJson, Problem};
use wire::{Check, Fault, PoolName, ShortText};

/// How long one is good unless said otherwise.
const HOUR_SECONDS: u32 = 3600;
/// How long at most.
const DAY_SECONDS: u32 = 24 * 3600;

/// A token to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateEnrolmentRequest {
    /// What it is for, in 1 to 64 characters.
    #[schema(max_length = 64)]
    name: ShortText,
    /// The only pool that its agent may join.
    pool_name: PoolName,
    /// How long an agent may register with it: a minute to a day, an hour unless said otherwise.
    #[serde(default = "an_hour")]
    #[schema(minimum = 60, maximum = 86_400, default = 3600)]
    expires_in_seconds: u32,
}

const fn an_hour() -> u32 {
    HOUR_SECONDS
}

impl Check for CreateEnrolmentRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name(faults, &self.name);
        check_span(faults, self.expires_in_seconds, DAY_SECONDS);
    }
}

/// An enrolment token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolmentCreated {
    /// The token itself, for `HYBRID_AGENT_ENROLMENT_TOKEN`. It is shown this once, and registers one agent.
    enrolment_token: String,
    /// What is known of it.
    enrolment: EnrolmentView,
}

/// Make an enrolment token.
///
/// It registers one agent, whose sessions go on when the token's time is over. The answer is the only one that shows it. Each
/// request makes one, so it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/agents/enrolment-tokens",
    tag = "enrolment",
    request_body = CreateEnrolmentRequest,
    responses((status = 201, description = "The token.", body = EnrolmentCreated))
)]
pub(crate) async fn create_enrolment_token(
    State(api): State<Api>,
    caller: Caller,
    ApiJson(request): ApiJson<CreateEnrolmentRequest>,
) -> Result<(StatusCode, Json<EnrolmentCreated>), Problem> {
    let limit = (MAX_TOKENS, "enrolment tokens that nobody has used");
    make_room(&api, &caller, AgentCredential::Enrolment, limit).await?;
    for _ in 0..KEY_IDS_TRIED {
        let token = Token::issue(api.environment, CredentialKind::Enrolment, &api.entropy);
        if let Some(enrolment) = create(&api, &caller, &request, &token).await? {
            let created = EnrolmentCreated {
                enrolment_token: token.expose().to_owned(),
                enrolment,
            };
            return Ok((StatusCode::CREATED, Json(created)));
        }
    }
    Err(Problem::busy(1))
}

/// Writes the token; `None` if its random key id is taken.
async fn create(
    api: &Api,
    caller: &Caller,
    request: &CreateEnrolmentRequest,
    token: &Token,
) -> Result<Option<EnrolmentView>, Problem> {
    let now = api.now();
    let new = NewEnrolment {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: request.name.to_string(),
        pool: request.pool_name.clone(),
        created_by: caller.created_by(),
        expires_at: end_after(request.expires_in_seconds, now),
    };
    let created = async {
        let tenant = api.store.tenant(&caller.scope);
        let created = tenant.create_enrolment(&new, now).await.or_problem()?;
        Ok((created == Creation::Created).then(|| {
            EnrolmentView::from(AgentCredentialEntry {
                key_id: new.key_id.clone(),
                name: new.name.clone(),
                pool: new.pool.clone(),
                algorithm: None,
                created_by: new.created_by.clone(),
                created_at: now,
                expires_at: Some(new.expires_at),
                last_used_at: None,
                rotated_to: None,
            })
        }))
    };
    let resource = Resource::new("enrolment", &new.key_id);
    record_creation(api, caller, (Action::EnrolmentCreate, resource), created).await
}
