//! Replaces an API token by a new one, which does the same.

use super::create_token::{fresh, make_room};
use super::{KEY_IDS_TRIED, LEAST_SECONDS, MOST_SECONDS, TokenCreated, TokenView};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, PersonCaller, Resource, Token};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use store::{ApiToken, KeyId, NewSecret, Rotation};
use utoipa::ToSchema;
use web::{ApiJsonOrEmpty, ApiPath, Problem, ProblemCode};
use wire::{Check, Fault, check_range};

/// How long both tokens are good, at most and unless said otherwise: a day.
const MOST_OVERLAP: u32 = 24 * 3600;

/// How to rotate a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateTokenRequest {
    /// How long the old token goes on: up to a day, to the second, and a day unless said otherwise. 0 if it may be in the wrong
    /// hands.
    #[serde(default = "a_day")]
    #[schema(maximum = 86_400, default = 86_400)]
    overlap_seconds: u32,
}

const fn a_day() -> u32 {
    MOST_OVERLAP
}

impl Check for RotateTokenRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_range(
            faults,
            "/overlap_seconds",
            self.overlap_seconds,
            (0, MOST_OVERLAP),
        );
    }
}

/// Rotate an API token.
///
/// The new one has the name, the scopes and the span of life of the old one. Only the person whose token it is can do it:
/// whoever sees the new one can act as that person. The answer is the only one that shows it. A token is rotated once.
#[utoipa::path(
    post,
    path = "/auth/tokens/{key_id}/rotate",
    tag = "tokens",
    params(("key_id" = String, Path, description = "The public part of the token.")),
    request_body(content = RotateTokenRequest, description = "May be left out."),
    responses((status = 201, description = "The new token.", body = TokenCreated))
)]
pub(crate) async fn rotate_token(
    State(api): State<Api>,
    caller: Caller,
    person: PersonCaller,
    ApiPath(key_id): ApiPath<String>,
    ApiJsonOrEmpty(request): ApiJsonOrEmpty<RotateTokenRequest>,
) -> Result<(StatusCode, Json<TokenCreated>), Problem> {
    let key_id = KeyId::parse(&key_id).map_err(|_| Problem::not_found("token"))?;
    let tenant = api.store.tenant(&caller.scope);
    let seen = tenant
        .api_token(&key_id)
        .await
        .or_problem()?
        .filter(|seen| match &seen.member {
            Some(member) => *member == person.user_id,
            // One that is nobody's has no role above it, and so it is for who may do everything.
            None => caller.is_owner(),
        })
        .ok_or_else(|| Problem::not_found("token"))?;
    // While both are good, it is one token more. One that may be in the wrong hands is replaced at once, however many there are.
    if request.overlap_seconds > 0 {
        make_room(&api, &person).await?;
    }
    for _ in 0..KEY_IDS_TRIED {
        let token = fresh(&api, &person);
        if let Some(made) = rotate(&api, &caller, &seen, &token, request.overlap_seconds).await? {
            let created = TokenCreated {
                api_token: token.expose().to_owned(),
                token: made,
            };
            return Ok((StatusCode::CREATED, Json(created)));
        }
    }
    Err(Problem::busy(1))
}

/// Writes the new token and the end of the old one; `None` if the random key id is taken.
async fn rotate(
    api: &Api,
    caller: &Caller,
    seen: &ApiToken,
    token: &Token,
    overlap_seconds: u32,
) -> Result<Option<TokenView>, Problem> {
    let now = api.now();
    let (least, most) = (i64::from(LEAST_SECONDS), i64::from(MOST_SECONDS));
    let span = seen.expires_at.map_or(most, |end| {
        (end.millis_since(seen.created_at) / 1000).clamp(least, most)
    });
    let new = NewSecret {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        expires_at: Some(now.plus_seconds(span)),
    };
    let resource = Resource::new("token", &seen.key_id);
    let write = async {
        let tenant = api.store.tenant(&caller.scope);
        let overlap = i64::from(overlap_seconds);
        let rotated = tenant
            .rotate_api_token(&seen.key_id, &new, overlap, now, &api.write_id())
            .await
            .or_problem()?;
        match rotated {
            Rotation::Rotated(made) => {
                let view = TokenView::from(made);
                let change = Change::new()
                    .before(&TokenView::from(seen.clone()))
                    .after(&view)
                    .with("rotated_to", &new.key_id);
                Ok(Audited::Changed(Some(view), change))
            }
            Rotation::RotatedBefore(successor) => Err(Problem::conflict(
                ProblemCode::IllegalTransition,
                format!("the token was rotated before; rotate {successor}, which took its place"),
            )),
            Rotation::NotGood => Err(Problem::conflict(
                ProblemCode::IllegalTransition,
                "the token has ended or is revoked",
            )),
            Rotation::Unknown => Err(Problem::not_found("token")),
            Rotation::KeyIdTaken => Ok(Audited::Unchanged(None)),
        }
    };
    api.audited(caller, (Action::TokenRotate, resource), write)
        .await
}
