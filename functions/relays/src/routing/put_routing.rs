//! Replaces a relay's routing rules.

use super::if_match::IfMatch;
use super::{RoutingResponse, Rules, answer, without_queue};
use crate::get_relay;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use store::{Routing, RoutingOutcome};
use web::{ApiJson, ApiPath, Problem, ProblemCode};
use wire::RelayId;
use wire::relay::RoutingDocument;

/// Replace a relay's routing rules.
///
/// All of them, if they are still of the version that `If-Match` names; the first ones need no `If-Match`. The same rules again
/// with the same `If-Match`, because the answer was lost, are answered the same. They take effect within half a minute.
#[utoipa::path(
    put,
    path = "/api/relays/{id}/routing",
    tag = "relays",
    params(
        ("id" = RelayId, Path, description = "The relay."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the rules that are replaced."),
    ),
    request_body = RoutingDocument,
    responses((
        status = 200,
        description = "The rules.",
        body = RoutingResponse,
        headers(("ETag" = String, description = "The new version."))
    ))
)]
pub(crate) async fn put_relay_routing(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<RelayId>,
    IfMatch(version): IfMatch,
    ApiJson(Rules(document)): ApiJson<Rules>,
) -> Result<(HeaderMap, Json<RoutingResponse>), Problem> {
    let relay = get_relay::relay(&api, &caller, &id).await?;
    let faults = without_queue(&relay, &document);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let tenant = api.store.tenant(&caller.scope);
    let change = async {
        let there = tenant.routing(&id).await.or_problem()?;
        let seen = match decide(&there, version, &document)? {
            Decision::Write(seen) => seen,
            Decision::DoneBefore => return Ok(Audited::Unchanged(there)),
        };
        let write_id = api.write_id();
        let put = tenant.put_routing(&id, &document, seen, &write_id).await;
        match put.or_problem()? {
            RoutingOutcome::Written(version) => {
                let change = Change::new()
                    .before(&there.document)
                    .after(&document)
                    .with("version", version);
                let document = document.clone();
                Ok(Audited::Changed(Routing { document, version }, change))
            }
            RoutingOutcome::Stale => Err(stale()),
            RoutingOutcome::Unknown => Err(Problem::not_found("relay")),
        }
    };
    let subject = (Action::RelayRouting, Resource::relay(&id));
    let written = api.audited(&caller, subject, change).await?;
    Ok(answer(written))
}

/// What to do with new rules.
enum Decision {
    /// Write them, if those that are there are still of that version.
    Write(u64),
    /// Nothing: they were written before, over that very version.
    DoneBefore,
}

fn decide(
    there: &Routing,
    version: Option<u64>,
    new: &RoutingDocument,
) -> Result<Decision, Problem> {
    let seen = version.unwrap_or(0);
    if there.version == seen {
        return Ok(Decision::Write(seen));
    }
    if there.version == seen + 1 && there.document == *new {
        return Ok(Decision::DoneBefore);
    }
    match version {
        Some(_) => Err(stale()),
        None => Err(Problem::new(
            ProblemCode::PreconditionRequired,
            "there are rules already: read them, and send their `ETag` as `If-Match`",
        )),
    }
}

fn stale() -> Problem {
    Problem::new(
        ProblemCode::PreconditionFailed,
        "the rules were changed meanwhile: read them again, and make the change to what is there now",
    )
}
