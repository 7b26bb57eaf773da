//! A tool signs in with the access token that its person has from a provider.

use crate::browser::Browser;
use crate::providers::SignIn;
use crate::sign_in::sign_in;
use crate::view::{Organisation, User};
use auth::Api;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{ApiJson, Problem};
use wire::{Check, Fault, ProblemDetails, Role, Timestamp};

/// An access token of a provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSessionRequest {
    /// Whose token it is: `github` or `google`.
    provider: String,
    /// The token. It must have been issued to this control plane's own application; it is shown to the provider, and then
    /// forgotten.
    #[schema(value_type = String, min_length = 1, max_length = 2048)]
    access_token: SecretString,
}

impl Check for CreateSessionRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        let token = self.access_token.expose_secret();
        let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=2048).contains(&token.len()) || !visible {
            faults.push(Fault {
                pointer: "/access_token".to_owned(),
                detail: "must be 1 to 2048 visible ASCII characters".to_owned(),
            });
        }
    }
}

/// A session, with its token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionCreated {
    /// The session's token, for `Authorization: Bearer`. It is shown this once.
    session_token: String,
    /// Who has signed in.
    user: User,
    /// The organisation that the session is in.
    organisation: Organisation,
    /// As what the person is in it.
    role: Role,
    /// When the session ends if it is not used until then.
    expires_at: Timestamp,
}

/// Sign in with a tool.
///
/// The provider is asked whether the token was issued to this control plane's own application, and whose it is.
#[utoipa::path(
    post,
    path = "/auth/session",
    tag = "sign-in",
    request_body = CreateSessionRequest,
    responses(
        (status = 201, description = "A session.", body = SessionCreated),
        (status = 401, description = "Nobody was signed in. The answer does not tell why.", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "Nobody can sign in with that provider here.", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "Too many have tried, or the same address too often; `Retry-After` says when to try again.", content_type = "application/problem+json", body = ProblemDetails),
        (status = 503, description = "The provider, or the control plane, cannot be asked; `Retry-After` says when to try again.", content_type = "application/problem+json", body = ProblemDetails),
    )
)]
pub(crate) async fn create_session(
    State(api): State<Api>,
    Extension(providers): Extension<SignIn>,
    browser: Browser,
    ApiJson(request): ApiJson<CreateSessionRequest>,
) -> Result<(StatusCode, Json<SessionCreated>), Problem> {
    let provider = providers.provider(&request.provider)?;
    let known = providers
        .whose_token(&api, provider, &request.access_token, browser.address)
        .await?;
    let (person, begun) = sign_in(&api, known, browser).await?;
    let created = SessionCreated {
        session_token: begun.token.expose().to_owned(),
        user: (&person).into(),
        organisation: (&begun.membership).into(),
        role: begun.membership.role,
        expires_at: begun.session.expires_at,
    };
    Ok((StatusCode::CREATED, Json(created)))
}
