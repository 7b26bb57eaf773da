//! Lists API tokens.

use super::{Reach, TokenView};
use crate::sessions::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};

/// A page of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    /// The tokens, newest first, without those that were revoked.
    tokens: Vec<TokenView>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// List API tokens.
///
/// One's own; an owner and an administrator see everybody's.
#[utoipa::path(
    get,
    path = "/auth/tokens",
    tag = "tokens",
    params(PageParams),
    responses((status = 200, description = "A page of tokens.", body = TokenList))
)]
pub(crate) async fn list_tokens(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<TokenList>, Problem> {
    let after = list.position(caller.tenant())?;
    let reach = Reach::of(&caller);
    let of = match &reach {
        Reach::Own(user_id) => user_id.as_ref(),
        Reach::Everybodys => None,
    };
    let page = api
        .store
        .tenant(&caller.scope)
        .api_tokens(of, list.limit, after.as_ref())
        .await
        .or_problem()?;
    let next_cursor = list.next_cursor(caller.tenant(), page.next.as_ref());
    let tokens = page.tokens.into_iter();
    Ok(Json(TokenList {
        tokens: tokens
            .filter(|token| reach.covers(token))
            .map(TokenView::from)
            .collect(),
        next_cursor,
    }))
}
