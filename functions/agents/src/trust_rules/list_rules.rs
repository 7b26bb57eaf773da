//! Lists trust rules.

use super::TrustRuleView;
use crate::credentials::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};
use wire::ShortText;

/// A page of trust rules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustRuleList {
    /// The rules, by name.
    trust_rules: Vec<TrustRuleView>,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// List trust rules, by name.
#[utoipa::path(
    get,
    path = "/api/agents/trust-rules",
    tag = "enrolment",
    params(PageParams),
    responses((status = 200, description = "A page of rules.", body = TrustRuleList))
)]
pub(crate) async fn list_trust_rules(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<TrustRuleList>, Problem> {
    let after: Option<ShortText> = list.position(caller.tenant())?;
    let tenant = api.store.tenant(&caller.scope);
    let mut rules = tenant.trust_rules().await.or_problem()?;
    rules.retain(|rule| after.as_ref().is_none_or(|after| rule.name > *after));
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let end = (rules.len() > limit).then(|| rules[limit - 1].name.clone());
    rules.truncate(limit);
    let next_cursor = list.next_cursor(caller.tenant(), end.as_ref());
    let views = rules.into_iter();
    Ok(Json(TrustRuleList {
        trust_rules: views
            .map(|rule| TrustRuleView::of(&api, &caller, rule))
            .collect(),
        next_cursor,
    }))
}
