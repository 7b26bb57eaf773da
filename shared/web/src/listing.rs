//! Lists: filters, a limit and a cursor in the query.

use crate::Problem;
use crate::cursor::Binding;
use crate::query::{pairs, parse};
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{Check, TenantId};

/// The query of a list: its filters as a flat struct, read as [`ApiQuery`](crate::ApiQuery) does, and beside them `limit`
/// and `cursor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// What the list is narrowed down to.
    pub filters: T,
    /// How many things a page has at most, 1 to 100.
    pub limit: u32,
    cursor: Option<String>,
    path: String,
    given: Vec<(String, String)>,
}

/// `limit` and `cursor`, for the documentation of a list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// How many things a page has at most.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before, of the same list with the same filters.
    pub cursor: Option<String>,
}

/// How many things a page has unless the query says otherwise.
const DEFAULT_LIMIT: u32 = 50;
/// How many things a page may have.
const MAX_LIMIT: u32 = 100;

impl<T: DeserializeOwned + Check, S: Send + Sync> FromRequestParts<S> for Listing<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut given = pairs(parts)?;
        let mut take = |name: &str| {
            given
                .iter()
                .position(|(given, _)| given == name)
                .map(|place| given.remove(place).1)
        };
        let cursor = take("cursor");
        let limit = match take("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| {
                    Problem::invalid_at(
                        "/query/limit",
                        format!("must be a whole number from 1 to {MAX_LIMIT}"),
                    )
                })?,
        };
        Ok(Self {
            filters: parse(given.clone())?,
            limit,
            cursor,
            path: parts.uri.path().to_owned(),
            given,
        })
    }
}

impl<T> Listing<T> {
    /// Where the page before ended; `None` for the first page.
    ///
    /// A cursor is opaque, not signed: whoever reads on from a position must build the tenant into the key from the
    /// credential, never from the position.
    ///
    /// # Errors
    /// 400 if the cursor is garbage, another tenant's, or of another list.
    pub fn position<P: DeserializeOwned>(&self, tenant: &TenantId) -> Result<Option<P>, Problem> {
        self.cursor
            .as_deref()
            .map(|cursor| self.binding(tenant).decode(cursor))
            .transpose()
    }

    /// The cursor to the page after the one that ends at this position; `None` after the last.
    pub fn next_cursor<P: Serialize>(
        &self,
        tenant: &TenantId,
        position: Option<&P>,
    ) -> Option<String> {
        self.binding(tenant).encode(position?)
    }

    fn binding(&self, tenant: &TenantId) -> Binding {
        Binding::new(tenant, &self.path, &self.given)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::ProblemCode;
    use http::Request;
    use serde::Deserialize;
    use wire::JobStatus;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Filters {
        status: Option<JobStatus>,
    }
    impl Check for Filters {}

    async fn listing(query: &str) -> Result<Listing<Filters>, Problem> {
        let (mut parts, ()) = Request::get(format!("/jobs?{query}"))
            .body(())
            .unwrap()
            .into_parts();
        Listing::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn a_page_has_fifty_things_unless_the_query_says_otherwise() {
        assert_eq!(listing("").await.unwrap().limit, 50);
        let list = listing("limit=100&status=queued").await.unwrap();
        assert_eq!(
            (list.limit, list.filters.status),
            (100, Some(JobStatus::Queued))
        );
        for bad in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit="] {
            let problem = listing(bad).await.unwrap_err();
            assert_eq!(problem.errors()[0].pointer, "/query/limit", "{bad}");
        }
        assert!(listing("limit=5&page=2").await.is_err());
    }

    #[tokio::test]
    async fn a_cursor_goes_on_where_the_page_ended_at_any_limit() {
        let tenant = TenantId::parse("acme").unwrap();
        let first = listing("status=queued&limit=2").await.unwrap();
        assert_eq!(first.position::<String>(&tenant).unwrap(), None);
        assert_eq!(first.next_cursor::<String>(&tenant, None), None);
        let cursor = first
            .next_cursor(&tenant, Some(&"job-2".to_owned()))
            .unwrap();
        let second = listing(&format!("limit=9&cursor={cursor}&status=queued"))
            .await
            .unwrap();
        assert_eq!(
            second.position::<String>(&tenant).unwrap().unwrap(),
            "job-2"
        );
        let elsewhere = listing(&format!("cursor={cursor}")).await.unwrap();
        let problem = elsewhere.position::<String>(&tenant).unwrap_err();
        assert_eq!(problem.code(), ProblemCode::InvalidCursor);
    }
}
