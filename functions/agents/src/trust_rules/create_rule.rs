//! Makes a trust rule.

use super::{TrustRuleResponse, TrustRuleView};
use crate::credentials::{YEAR_SECONDS, check_name, check_span, end_after, full};
use auth::{Action, Api, Audited, Caller, Change, Identities, OrProblem, Resource};
use axum::extract::State;
use axum::{Extension, Json};
use domain::trust::{ClaimMatches, claim_faults};
use http::StatusCode;
use serde::Deserialize;
use store::{KeyId, MAX_TRUST_RULES, TrustRule, TrustRuleCreation};
use utoipa::ToSchema;
use web::{ApiJson, IdempotencyKey, Problem, ProblemCode};
use wire::{Check, Fault, PoolName, ShortText};

/// A rule to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTrustRuleRequest {
    /// What it is for, in 1 to 64 characters. No other rule has that name.
    #[schema(max_length = 64)]
    name: ShortText,
    /// The only pool that its agents may join.
    pool_name: PoolName,
    /// Who signs the tokens: an address as the tokens name it, which describes itself as OpenID Connect says.
    #[schema(
        max_length = 255,
        example = "https://token.actions.githubusercontent.com"
    )]
    issuer: String,
    /// What a token must claim, all of it: for each claim the text that it must equal, or `{"prefix": "..."}`. Which claims a
    /// rule must name depends on the issuer.
    #[schema(inline, example = json!({"repository_id": "1234", "repository_owner_id": "56", "ref": {"prefix": "refs/heads/"}}))]
    claims: ClaimMatches,
    /// How long it is good, and with it the sessions of its agents: a minute to 365 days. Without it, until it is deleted.
    #[schema(minimum = 60, maximum = 31_536_000)]
    expires_in_seconds: Option<u32>,
}

impl Check for CreateTrustRuleRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name(faults, &self.name);
        if let Some(seconds) = self.expires_in_seconds {
            check_span(faults, seconds, YEAR_SECONDS);
        }
        faults.extend(claim_faults(&self.issuer, &self.claims));
    }
}

/// Make a trust rule.
///
/// Tokens of the issuer that claim what the rule asks register agents of its pool. The same rule again answers 200; one of
/// that name with other contents is 409. There may be 50.
#[utoipa::path(
    post,
    path = "/api/agents/trust-rules",
    tag = "enrolment",
    request_body = CreateTrustRuleRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Accepted and not needed: the name says which rule is meant.")),
    responses(
        (status = 201, description = "The rule, and the audience that tokens have to name.", body = TrustRuleResponse),
        (status = 200, description = "It had been made before.", body = TrustRuleResponse),
    )
)]
pub(crate) async fn create_trust_rule(
    State(api): State<Api>,
    Extension(identities): Extension<Identities>,
    caller: Caller,
    _key: Option<IdempotencyKey>,
    ApiJson(request): ApiJson<CreateTrustRuleRequest>,
) -> Result<(StatusCode, Json<TrustRuleResponse>), Problem> {
    let issuer = identities.issuers.issuer(&request.issuer);
    let issuer = issuer.map_err(|fault| Problem::invalid_at("/issuer", fault.to_string()))?;
    let now = api.now();
    let new = TrustRule {
        key_id: KeyId::new(api.entropy.bytes()),
        name: request.name,
        pool: request.pool_name,
        issuer: issuer.as_str().to_owned(),
        claims: request.claims,
        created_by: caller.created_by(),
        created_at: now,
        expires_at: request
            .expires_in_seconds
            .map(|seconds| end_after(seconds, now)),
    };
    let (status, rule) = create(&api, &caller, new).await?;
    let trust_rule = TrustRuleView::of(&api, &caller, rule);
    Ok((status, Json(TrustRuleResponse { trust_rule })))
}

async fn create(
    api: &Api,
    caller: &Caller,
    new: TrustRule,
) -> Result<(StatusCode, TrustRule), Problem> {
    let subject = Resource::new("trust_rule", &new.key_id);
    let change = async {
        let tenant = api.store.tenant(&caller.scope);
        let created = tenant.create_trust_rule(&new, &api.write_id()).await;
        match created.or_problem()? {
            TrustRuleCreation::Created => {
                let view = TrustRuleView::of(api, caller, new.clone());
                let change = Change::new().after(&view).with("pool", &new.pool);
                Ok(Audited::Changed((StatusCode::CREATED, new), change))
            }
            TrustRuleCreation::Existing(there) => Ok(Audited::Unchanged((StatusCode::OK, there))),
            TrustRuleCreation::NameTaken => Err(Problem::conflict(
                ProblemCode::AlreadyExists,
                "there is a rule of that name that says something else; delete it first, or choose another name",
            )),
            TrustRuleCreation::TooMany => Err(full(MAX_TRUST_RULES, "trust rules")),
        }
    };
    Box::pin(api.audited(caller, (Action::TrustRuleCreate, subject), change)).await
}
