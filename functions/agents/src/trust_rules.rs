//! Trust rules: which workloads of which issuer may register agents of which pool.

mod create_rule;
mod delete_rule;
mod list_rules;

use auth::{Access, Action, Api, Caller, Routes, audited};
use domain::trust::{ClaimMatches, Provider};
use serde::Serialize;
use store::TrustRule;
use utoipa::ToSchema;
use utoipa_axum::routes;
use wire::{PoolName, ShortText, Timestamp, agents_audience, azure_audience};

/// Adds the routes of trust rules.
pub(crate) fn add(routes: Routes, access: Access) -> Routes {
    routes
        .route(access, routes!(list_rules::list_trust_rules))
        .route(
            access,
            audited(
                &[Action::TrustRuleCreate],
                routes!(create_rule::create_trust_rule),
            ),
        )
        .route(
            access,
            audited(
                &[Action::TrustRuleDelete],
                routes!(delete_rule::delete_trust_rule),
            ),
        )
}

/// A trust rule.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrustRule)]
pub(crate) struct TrustRuleView {
    /// Its id.
    key_id: String,
    /// Its name, which no other rule has.
    name: ShortText,
    /// The only pool that its agents may join.
    pool_name: PoolName,
    /// Who signs the tokens.
    issuer: String,
    /// What the tokens must be made for.
    audience: String,
    /// What they must claim.
    #[schema(inline)]
    claims: ClaimMatches,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// When it ends, and with it the sessions of its agents.
    expires_at: Option<Timestamp>,
}

impl TrustRuleView {
    fn of(api: &Api, caller: &Caller, rule: TrustRule) -> Self {
        let (origin, tenant) = (api.origin.as_str(), caller.tenant());
        let directory = rule.claims.iter().find(|(name, _)| name.as_str() == "tid");
        let directory = directory.and_then(|(_, wanted)| wanted.exact());
        let audience = match (Provider::of_issuer(&rule.issuer), directory) {
            (Provider::Azure, Some(directory)) => azure_audience(origin, directory, tenant),
            _ => agents_audience(origin, tenant),
        };
        Self {
            key_id: rule.key_id.to_string(),
            name: rule.name,
            pool_name: rule.pool,
            issuer: rule.issuer,
            audience,
            claims: rule.claims,
            created_by: rule.created_by,
            created_at: rule.created_at,
            expires_at: rule.expires_at,
        }
    }
}

/// An answer with one rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustRuleResponse {
    /// The rule.
    trust_rule: TrustRuleView,
}
