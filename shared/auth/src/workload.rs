//! Tokens that a workload's own issuer has signed: whose they are is what the tenant's trust rules say.
//!
//! The tenant follows from the audience alone, of which each has one of its own. Before the signature is verified the
//! audience only says whose rules to verify it by.

use crate::registration::{Candidate, Proven, refused, refused_for_time};
use crate::{Api, OrProblem};
use domain::trust;
use oidc::{Claims, Expected, FetchError, KeyFetcher, RETRY_SECONDS, TokenError, Unverified};
use store::{Proof, TrustRule, UsedOnce};
use web::Problem;
use wire::{TenantId, tenant_of_audience};

/// Whether a bearer's text has the form of a JSON Web Token.
pub(crate) fn is_token(text: &str) -> bool {
    text.split('.').count() == 3
}

/// Verifies a workload's token by the rules of the tenant that it is for.
///
/// # Errors
/// 401 whatever is wrong with it, also if no rule lets it in, which tells our time if only its times are wrong; 503 if the
/// issuer's keys cannot be had.
pub(crate) async fn prove(api: &Api, issuers: &KeyFetcher, token: &str) -> Result<Proven, Problem> {
    let now = api.now();
    let unverified = Unverified::read(token).map_err(|why| refused(&why.to_string()))?;
    let (tenant, audience) = tenant_of(api, &unverified)?;
    let workload = api.store.rules_for_workload(tenant).await.or_problem()?;
    let rules: Vec<_> = workload.rules_of(unverified.issuer(), now).collect();
    // Only who is named by a rule is asked for keys.
    if rules.is_empty() {
        return Err(refused("no rule names the issuer"));
    }
    let issuer = issuers.issuer(unverified.issuer());
    let issuer = issuer.map_err(|why| refused(&why.to_string()))?;
    let expected = Expected::workload(issuer, &audience);
    let claims = issuers.verify(token, &expected, now).await;
    let claims = claims.map_err(|error| match error {
        // Its issuer has signed it for this tenant, so whoever brings it learns nothing but the time.
        TokenError::Jwt(why) if why.is_about_time() => {
            refused_for_time(&why.to_string(), "the token's times are", now)
        }
        TokenError::Jwt(why) => refused(&why.to_string()),
        TokenError::Fetch(FetchError::Refused(why)) => refused(&why),
        TokenError::Fetch(FetchError::Unavailable(why)) => {
            tracing::warn!(why, "an issuer's keys cannot be had");
            Problem::busy(RETRY_SECONDS)
        }
    })?;
    let admitting = rules.into_iter().filter(|rule| admits(rule, &claims));
    let candidates: Vec<_> = admitting
        .map(|rule| Candidate {
            pool: rule.pool.clone(),
            verified: workload.verified_by(rule),
        })
        .collect();
    let used = UsedOnce::token(
        claims.issuer(),
        &claims.fingerprint(),
        claims.usable_until(),
    );
    Proven::new(candidates, Proof::Once(used), claims.fingerprint())
        .ok_or_else(|| refused("no rule lets the workload in"))
}

/// The tenant of the token's one audience. A token that is for others as well could be brought by any of them.
fn tenant_of(api: &Api, unverified: &Unverified) -> Result<(TenantId, String), Problem> {
    let [audience] = unverified.audiences() else {
        return Err(refused("not for one audience alone"));
    };
    let tenant = tenant_of_audience(api.origin.as_str(), audience);
    let tenant = tenant.ok_or_else(|| refused("for another audience"))?;
    Ok((tenant, audience.clone()))
}

fn admits(rule: &TrustRule, claims: &Claims) -> bool {
    let email_is_good =
        !trust::needs_verified_email(&rule.claims) || claims.flag("email_verified") == Some(true);
    email_is_good && trust::admits(&rule.claims, |name| claims.text(name))
}
