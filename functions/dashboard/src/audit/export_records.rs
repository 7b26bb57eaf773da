//! Exports records as they are kept, for whoever verifies them.

use auth::{Api, Caller, OrProblem};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LINK};
use serde::Deserialize;
use utoipa::IntoParams;
use web::{ApiQuery, Problem};
use wire::{Check, Fault, check_range};

/// How many records a part has at most, and unless the query says otherwise.
const MAX_RECORDS: u32 = 1_000;

/// How long a part is at most, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Which part to export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// The number of the first record.
    #[serde(default = "first")]
    #[param(minimum = 1, default = 1)]
    from_sequence: u64,
    /// How many records the part has at most.
    #[serde(default = "most")]
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: u32,
}

const fn first() -> u64 {
    1
}

const fn most() -> u32 {
    MAX_RECORDS
}

impl Check for Part {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_range(faults, "/limit", self.limit, (1, MAX_RECORDS));
        check_range(faults, "/from_sequence", self.from_sequence, (1, u64::MAX));
    }
}

/// Export what was done, oldest first, one record a line.
///
/// A part is at most 1 MiB. The header `Link` with `rel="next"` leads to the next one, and is not there after the last. The
/// lines of all parts, one after the other, are what `verify-audit` reads.
#[utoipa::path(
    get,
    path = "/api/dashboard/audit/export",
    tag = "dashboard",
    params(Part),
    responses((
        status = 200,
        description = "Records, one a line.",
        body = String,
        content_type = "application/x-ndjson",
        headers(("Link" = String, description = "The next part, if there is one: `<?from_sequence=…>; rel=\"next\"`."))
    ))
)]
pub(crate) async fn export_audit(
    State(api): State<Api>,
    caller: Caller,
    ApiQuery(part): ApiQuery<Part>,
) -> Result<Response, Problem> {
    let export = api
        .store
        .tenant(&caller.scope)
        .audit_export(part.from_sequence, part.limit as usize, MAX_BYTES)
        .await
        .or_problem()?;
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    let mut response = ([(CONTENT_TYPE, ndjson)], export.lines).into_response();
    if let Some(next) = export.next {
        // Relative to the request, because only the caller knows what stands in front of our paths.
        let link = format!("<?from_sequence={next}&limit={}>; rel=\"next\"", part.limit);
        let link = HeaderValue::try_from(link).map_err(|error| {
            tracing::error!(%error, "a link could not be written");
            Problem::internal()
        })?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}
