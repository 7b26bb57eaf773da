//! Lists signing keys.

use super::SigningKeyView;
use crate::credentials::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::AgentCredential;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};

/// A page of signing keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningKeyList {
    /// The keys, newest first, without those that were revoked.
    signing_keys: Vec<SigningKeyView>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// List signing keys.
#[utoipa::path(
    get,
    path = "/api/agents/signing-keys",
    tag = "enrolment",
    params(PageParams),
    responses((status = 200, description = "A page of keys.", body = SigningKeyList))
)]
pub(crate) async fn list_signing_keys(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<SigningKeyList>, Problem> {
    let after = list.position(caller.tenant())?;
    let page = api
        .store
        .tenant(&caller.scope)
        .agent_credentials(AgentCredential::SigningKey, list.limit, after.as_ref())
        .await
        .or_problem()?;
    let keys = page.entries.into_iter();
    Ok(Json(SigningKeyList {
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
        signing_keys: keys.map(SigningKeyView::from).collect(),
    }))
}
