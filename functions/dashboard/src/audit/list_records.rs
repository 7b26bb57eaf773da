//! Lists records.

use auth::{Action, Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::AuditFilter;
use utoipa::{IntoParams, ToSchema};
use web::{Listing, PageParams, Problem};
use wire::audit::Record;
use wire::{Check, Fault, Sha256Hex, Timestamp};

/// How long an actor or a resource is at most, in bytes.
const MAX_NAME: usize = 200;

/// Which records to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Those of this actor.
    #[param(
        min_length = 1,
        max_length = 200,
        example = "user:user-01JAB3Z5K8Q4V6W7X9Y0ZABCDE"
    )]
    actor: Option<String>,
    /// Those of this action.
    #[param(inline)]
    action: Option<Action>,
    /// Those about this thing, by its kind and its id.
    #[param(min_length = 1, max_length = 200, example = "pool:default")]
    resource: Option<String>,
    /// Those of changes made then or later.
    from: Option<Timestamp>,
    /// Those of changes made before then.
    to: Option<Timestamp>,
}

impl Check for Filters {
    fn check(&self, faults: &mut Vec<Fault>) {
        for (pointer, name) in [("/actor", &self.actor), ("/resource", &self.resource)] {
            let length = name.as_ref().map(String::len);
            if length.is_some_and(|length| !(1..=MAX_NAME).contains(&length)) {
                faults.push(Fault {
                    pointer: pointer.to_owned(),
                    detail: format!("must have 1 to {MAX_NAME} bytes"),
                });
            }
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            faults.push(Fault {
                pointer: "/to".to_owned(),
                detail: "must not be before `from`".to_owned(),
            });
        }
    }
}

/// A page of the record of who did what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// The records, newest first. A page may have fewer than `limit`, even none, and still not be the last.
    records: Vec<Record>,
    /// The last record of all, now. Whoever notes it can later tell whether an export goes on from there.
    head: AuditHead,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// The end of the chain.
#[derive(Debug, Serialize, ToSchema)]
struct AuditHead {
    /// The number of the last record; 0 if there is none.
    sequence: u64,
    /// Its hash; zeros if there is none.
    hash: Sha256Hex,
}

/// List what was done, newest first.
///
/// What happens to jobs without anybody's hand appears after three to four minutes, everything else at once or soon after.
#[utoipa::path(
    get,
    path = "/api/dashboard/audit",
    tag = "dashboard",
    params(Filters, PageParams),
    responses((status = 200, description = "A page of records.", body = AuditList))
)]
pub(crate) async fn list_audit(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<Filters>,
) -> Result<Json<AuditList>, Problem> {
    let after = list.position(caller.tenant())?;
    let filter = AuditFilter {
        actor: list.filters.actor.clone(),
        action: list.filters.action,
        resource: list.filters.resource.clone(),
        from: list.filters.from,
        to: list.filters.to,
    };
    let tenant = api.store.tenant(&caller.scope);
    let page = tenant
        .audit_records(&filter, list.limit as usize, after)
        .await
        .or_problem()?;
    let head = tenant.audit_head().await.or_problem()?;
    Ok(Json(AuditList {
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
        records: page.records,
        head: AuditHead {
            sequence: head.sequence,
            hash: head.hash,
        },
    }))
}
