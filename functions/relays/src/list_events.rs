//! Lists what a relay sent, and what became of it.

use crate::get_relay;
use crate::list_relays::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::RecordedEvent;
use utoipa::ToSchema;
use web::{ApiPath, Listing, PageParams, Problem};
use wire::relay::{EventMetadata, RelayInstance, RoutingAction};
use wire::{EventOutcome, JobId, RelayId, Timestamp};

/// An event, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RelayEventRecord)]
pub(crate) struct EventView {
    /// What happened: everything that the control plane knows of the webhook.
    event: EventMetadata,
    /// Which of the relay's processes sent it.
    instance: RelayInstance,
    /// Its number among the messages of that process. A gap is a message that did not arrive.
    sequence: u64,
    /// What becomes of it.
    outcome: EventOutcome,
    /// Why it was refused, in a word.
    reason: Option<String>,
    /// The rule that was for it, by its place among the rules of its tool, from 0.
    rule: Option<u32>,
    /// The version of the routing rules at that time.
    routing_version: u64,
    /// What that rule says is done.
    action: Option<RoutingAction>,
    /// The job that is put in line for it.
    job_id: Option<JobId>,
    /// When it was decided on.
    acted_at: Timestamp,
    /// Whether what was decided has been done. What has not is done soon, and once.
    is_done: bool,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    /// The events, the last received first. They are kept for seven days.
    events: Vec<EventView>,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

impl From<RecordedEvent> for EventView {
    fn from(recorded: RecordedEvent) -> Self {
        Self {
            event: recorded.event,
            instance: recorded.instance,
            sequence: recorded.sequence,
            outcome: recorded.outcome,
            reason: recorded.reason,
            rule: recorded.rule,
            routing_version: recorded.routing_version,
            action: recorded.action,
            job_id: recorded.job_id,
            acted_at: recorded.acted_at,
            is_done: recorded.is_done,
        }
    }
}

/// List a relay's events, the last received first.
#[utoipa::path(
    get,
    path = "/api/relays/{id}/events",
    tag = "relays",
    params(("id" = RelayId, Path, description = "The relay."), PageParams),
    responses((status = 200, description = "A page of events.", body = EventList))
)]
pub(crate) async fn list_relay_events(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<RelayId>,
    list: Listing<NoFilters>,
) -> Result<Json<EventList>, Problem> {
    let after = list.position(caller.tenant())?;
    get_relay::relay(&api, &caller, &id).await?;
    let tenant = api.store.tenant(&caller.scope);
    let page = tenant
        .events(&id, list.limit as usize, after.as_ref())
        .await;
    let page = page.or_problem()?;
    Ok(Json(EventList {
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
        events: page.events.into_iter().map(EventView::from).collect(),
    }))
}
