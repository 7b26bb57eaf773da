//! A relay is taken away.

use crate::{get_relay, view};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::extract::State;
use http::StatusCode;
use web::{ApiPath, Problem};
use wire::RelayId;

/// Delete a relay.
///
/// Its keys and tokens open nothing from then on, its routing rules are gone, and what is on its queue is not acted on. Its
/// events stay until their week is over. Its role stays this organisation's. It does not come back: another one has another
/// `external_id`.
#[utoipa::path(
    delete,
    path = "/api/relays/{id}",
    tag = "relays",
    params(("id" = RelayId, Path, description = "The relay.")),
    responses((status = 204, description = "It is gone."))
)]
pub(crate) async fn delete_relay(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<RelayId>,
) -> Result<StatusCode, Problem> {
    let delete = async {
        let seen = get_relay::relay(&api, &caller, &id).await?;
        let tenant = api.store.tenant(&caller.scope);
        // It was there a moment ago. If it is not any more, this very call has deleted it and its answer was lost, or somebody
        // else was faster, and then both are recorded.
        tenant
            .delete_relay(&id, &api.write_id())
            .await
            .or_problem()?;
        let change = Change::new().before(&view::relay(&seen, api.now()));
        Ok(Audited::Changed((), change))
    };
    let subject = (Action::RelayDelete, Resource::relay(&id));
    api.audited(&caller, subject, delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
