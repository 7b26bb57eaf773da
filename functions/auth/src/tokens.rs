//! API tokens: made, shown once, listed, rotated, revoked.

mod create_token;
mod list_tokens;
mod revoke_token;
mod rotate_token;

use auth::{Access, Action, Caller, Routes, Scope, audited};
use serde::Serialize;
use store::ApiToken;
use utoipa::ToSchema;
use utoipa_axum::routes;
use wire::{Timestamp, UserId};

/// How long a token is good unless said otherwise: 90 days.
const DEFAULT_SECONDS: u32 = 90 * 24 * 3600;
/// How long at least.
const LEAST_SECONDS: u32 = 60;
/// How long at most: 365 days.
const MOST_SECONDS: u32 = 365 * 24 * 3600;
/// How often a random key id that is taken is replaced by another.
const KEY_IDS_TRIED: usize = 3;
/// After how many seconds somebody may look again who has as many tokens as they may: one of them has to go first.
const FULL_RETRY_SECONDS: u32 = 60;

/// Adds the routes of API tokens.
pub(crate) fn add(routes: Routes) -> Routes {
    let read = Access::people(Scope::TokensRead);
    let write = Access::people(Scope::TokensWrite);
    // A credential that is made goes on when the one that made it is revoked. So a person makes them, signed in: a token
    // that has leaked makes no others.
    let make = Access::signed_in_with(Scope::TokensWrite);
    routes
        .route(read, routes!(list_tokens::list_tokens))
        .route(
            make,
            audited(&[Action::TokenCreate], routes!(create_token::create_token)),
        )
        .route(
            make,
            audited(&[Action::TokenRotate], routes!(rotate_token::rotate_token)),
        )
        .route(
            write,
            audited(&[Action::TokenRevoke], routes!(revoke_token::revoke_token)),
        )
}

/// An API token, without what it is borne by.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// Its public part, which stands in it and in logs.
    key_id: String,
    /// What its creator called it.
    name: String,
    /// What it may do, as far as its person may.
    scopes: Vec<String>,
    /// The person whose role bounds it; none for a token that is nobody's.
    user_id: Option<UserId>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Option<Timestamp>,
    /// When it was last used, to five minutes.
    last_used_at: Option<Timestamp>,
    /// The key id of the token that takes its place.
    rotated_to: Option<String>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            key_id: token.key_id.to_string(),
            name: token.name,
            scopes: token.scopes,
            user_id: token.member,
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            rotated_to: token.rotated_to.map(|key_id| key_id.to_string()),
        }
    }
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenCreated {
    /// The token itself, for `Authorization: Bearer`. It is shown this once.
    api_token: String,
    /// What is known of it.
    token: TokenView,
}

/// Whose tokens a caller sees and revokes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// Everybody's in the organisation.
    Everybodys,
    /// Their own. A token that is nobody's has those that are nobody's.
    Own(Option<UserId>),
}

impl Reach {
    fn of(caller: &Caller) -> Self {
        if caller.may(Scope::Admin) {
            Self::Everybodys
        } else {
            Self::Own(caller.user_id().cloned())
        }
    }

    fn covers(&self, token: &ApiToken) -> bool {
        match self {
            Self::Everybodys => true,
            Self::Own(user_id) => token.member == *user_id,
        }
    }
}
