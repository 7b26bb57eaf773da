//! Makes an API token.

use super::{
    DEFAULT_SECONDS, FULL_RETRY_SECONDS, KEY_IDS_TRIED, LEAST_SECONDS, MOST_SECONDS, TokenCreated,
    TokenView,
};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, PersonCaller, Resource, Scope, Token};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use store::{ApiToken, Creation, CredentialKind, NewApiToken};
use utoipa::ToSchema;
use web::{ApiJson, Problem, ProblemCode};
use wire::{Check, Fault, ShortText, check_range};

/// How many characters the name of a token has at most.
const MAX_NAME: usize = 64;

/// How many tokens of a person may be listed, good ones and such as have ended.
const MOST_LISTED: u32 = 500;

/// A token to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTokenRequest {
    /// What it is for, in 1 to 64 characters.
    #[schema(max_length = 64)]
    name: ShortText,
    /// What it may do: no more than its creator, now and whenever it is used.
    #[schema(min_items = 1, example = json!(["jobs:read", "jobs:write"]))]
    scopes: Vec<String>,
    /// How long it is good: a minute to 365 days, 90 days unless said otherwise.
    #[serde(default = "default_seconds")]
    #[schema(minimum = 60, maximum = 31_536_000, default = 7_776_000)]
    expires_in_seconds: u32,
}

const fn default_seconds() -> u32 {
    DEFAULT_SECONDS
}

impl Check for CreateTokenRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        let mut fault = |pointer: String, detail: String| faults.push(Fault { pointer, detail });
        if self.name.as_str().chars().count() > MAX_NAME {
            let detail = format!("must have 1 to {MAX_NAME} characters");
            fault("/name".to_owned(), detail);
        }
        if self.scopes.is_empty() || self.scopes.len() > Scope::ALL.len() {
            let detail = format!("must have 1 to {} scopes", Scope::ALL.len());
            fault("/scopes".to_owned(), detail);
        } else {
            for (place, word) in self.scopes.iter().enumerate() {
                let pointer = || format!("/scopes/{place}");
                match word.parse::<Scope>() {
                    Err(unknown) => fault(pointer(), unknown.to_string()),
                    Ok(scope) if scope.is_of_machines_alone() => {
                        fault(
                            pointer(),
                            "only agents and relays have this scope".to_owned(),
                        );
                    }
                    Ok(scope) if scope.is_for_sessions_alone() => {
                        let detail = "only people who have signed in use this scope; a token with it opens nothing";
                        fault(pointer(), detail.to_owned());
                    }
                    Ok(_) if self.scopes[..place].contains(word) => {
                        fault(pointer(), "is there twice".to_owned());
                    }
                    Ok(_) => {}
                }
            }
        }
        check_range(
            faults,
            "/expires_in_seconds",
            self.expires_in_seconds,
            (LEAST_SECONDS, MOST_SECONDS),
        );
    }
}

/// Make an API token.
///
/// It is bounded by its creator's role whenever it is used. The answer is the only one that shows it: if it is lost, revoke
/// the token and make another. Each request makes one, so it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/auth/tokens",
    tag = "tokens",
    request_body = CreateTokenRequest,
    responses((status = 201, description = "The token.", body = TokenCreated))
)]
pub(crate) async fn create_token(
    State(api): State<Api>,
    caller: Caller,
    person: PersonCaller,
    ApiJson(request): ApiJson<CreateTokenRequest>,
) -> Result<(StatusCode, Json<TokenCreated>), Problem> {
    let wanted: Vec<Scope> = request
        .scopes
        .iter()
        .filter_map(|word| word.parse().ok())
        .collect();
    if let Some(missing) = caller.missing_scope(&wanted) {
        return Err(Problem::missing_scope(missing.as_str()));
    }
    make_room(&api, &person).await?;
    for _ in 0..KEY_IDS_TRIED {
        let token = fresh(&api, &person);
        if let Some(made) = create(&api, &caller, &request, &token).await? {
            let created = TokenCreated {
                api_token: token.expose().to_owned(),
                token: made,
            };
            return Ok((StatusCode::CREATED, Json(created)));
        }
    }
    Err(Problem::busy(1))
}

/// A token that bears the handle of its person's membership.
pub(super) fn fresh(api: &Api, person: &PersonCaller) -> Token {
    Token::issue_for_member(
        api.environment,
        CredentialKind::ApiToken,
        &person.presented.key_id.member(),
        &api.entropy,
    )
}

/// Whether there may be one more. Of several at once, each may find that there may.
pub(super) async fn make_room(api: &Api, person: &PersonCaller) -> Result<(), Problem> {
    let tenant = api.store.tenant(&person.scope);
    let counts = tenant
        .token_counts(Some(&person.user_id), api.now())
        .await
        .or_problem()?;
    for (count, limit, whose) in [
        (
            counts.of_person,
            api.limits.tokens_of_person,
            "a person may have",
        ),
        (
            counts.of_tenant,
            api.limits.tokens,
            "an organisation may have",
        ),
    ] {
        if count >= limit {
            let detail = format!("{whose} {limit} API tokens; revoke one first");
            let problem = Problem::new(ProblemCode::TooManyRequests, detail);
            return Err(problem.retry_after(FULL_RETRY_SECONDS));
        }
    }
    // What has ended is listed for a while. If that list is longer than what is looked at, nobody knows how many are good; and
    // a single person cannot make it so long.
    if counts.listed_of_person >= MOST_LISTED || counts.may_be_more {
        let detail = "there are too many API tokens that have ended and are still listed; revoke some of them first";
        let problem = Problem::new(ProblemCode::TooManyRequests, detail);
        return Err(problem.retry_after(FULL_RETRY_SECONDS));
    }
    Ok(())
}

/// Writes the token; `None` if its random key id is taken.
async fn create(
    api: &Api,
    caller: &Caller,
    request: &CreateTokenRequest,
    token: &Token,
) -> Result<Option<TokenView>, Problem> {
    let now = api.now();
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: request.name.as_str().to_owned(),
        scopes: request.scopes.clone(),
        member: caller.user_id().cloned(),
        created_by: caller.created_by(),
        expires_at: Some(now.plus_seconds(i64::from(request.expires_in_seconds))),
    };
    let view = TokenView::from(ApiToken {
        key_id: new.key_id.clone(),
        name: new.name.clone(),
        scopes: new.scopes.clone(),
        member: new.member.clone(),
        created_by: new.created_by.clone(),
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
        rotated_to: None,
    });
    let resource = Resource::new("token", &new.key_id);
    let write = async {
        let tenant = api.store.tenant(&caller.scope);
        let created = Box::pin(tenant.create_api_token(&new, now));
        let created = created.await.or_problem()?;
        Ok(match created {
            Creation::Created => {
                let change = Change::new().after(&view);
                Audited::Changed(Some(view), change)
            }
            Creation::KeyIdTaken => Audited::Unchanged(None),
        })
    };
    api.audited(caller, (Action::TokenCreate, resource), write)
        .await
}
