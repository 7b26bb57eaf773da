//! Whom a credential stands for, and what it may do.

use auth::{Api, Caller, OrProblem, Principal};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::Problem;
use wire::{Role, SessionId, ShortText, TenantId, Timestamp, UserId};

/// What kind of credential it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CredentialType {
    /// The session of a person.
    Session,
    /// An API token.
    Token,
}

/// A credential that is good.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Validated {
    /// What kind of credential it is.
    credential: CredentialType,
    /// The person; none for a token that is nobody's.
    user_id: Option<UserId>,
    /// The session, if it is one.
    session_id: Option<SessionId>,
    /// The public part of the token, if it is one.
    key_id: Option<String>,
    /// The token's name, if it is one.
    name: Option<String>,
    /// The organisation whose data it opens.
    organisation_id: TenantId,
    /// What the organisation is called.
    organisation_name: Option<ShortText>,
    /// As what the person is in the organisation now.
    role: Option<Role>,
    /// What it may do now.
    scopes: Vec<&'static str>,
    /// When it ends, if it is not used until then or renewed.
    expires_at: Option<Timestamp>,
}

/// Show whom the credential stands for.
#[utoipa::path(
    post,
    path = "/auth/validate",
    tag = "sign-in",
    responses((status = 200, description = "The credential is good.", body = Validated))
)]
pub(crate) async fn validate_credential(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<Validated>, Problem> {
    let organisation = api.store.tenant(&caller.scope).organisation().await;
    let organisation = organisation.or_problem()?;
    let (credential, session_id, name) = match &caller.principal {
        Principal::User { session_id, .. } => {
            (CredentialType::Session, Some(session_id.clone()), None)
        }
        Principal::Token { name, .. } => (CredentialType::Token, None, Some(name.clone())),
        Principal::Agent { .. }
        | Principal::AgentKey { .. }
        | Principal::Relay { .. }
        | Principal::RelayEnrolment { .. } => {
            return Err(Problem::wrong_principal(
                "this is for people and API tokens",
            ));
        }
    };
    Ok(Json(Validated {
        key_id: name.is_some().then(|| caller.credential_id()),
        credential,
        user_id: caller.user_id().cloned(),
        session_id,
        name,
        organisation_id: caller.tenant().clone(),
        organisation_name: organisation.map(|organisation| organisation.name),
        role: caller.role,
        scopes: caller.scopes.iter().map(|scope| scope.as_str()).collect(),
        expires_at: caller.expires_at,
    }))
}
