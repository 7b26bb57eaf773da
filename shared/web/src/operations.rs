//! The operations of an API by their routes, and the requests that each has had.

use axum::http::{Method, StatusCode};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{MetricSink, Operation, RequestMetrics};
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, path};

/// Which operation a request is, and how many there were of each. Clones share it.
#[derive(Debug, Clone)]
pub struct Operations {
    by_path: Arc<HashMap<String, Vec<(Method, Operation)>>>,
    metrics: RequestMetrics,
}

impl Default for Operations {
    /// None are told apart, and nobody collects how many there are.
    fn default() -> Self {
        Self {
            by_path: Arc::default(),
            metrics: RequestMetrics::new([], MetricSink::off()),
        }
    }
}

impl Operations {
    /// Those of the document, by the ids that they have there.
    pub fn new(document: &OpenApi, sink: MetricSink) -> Self {
        let all = || {
            let paths = document.paths.paths.iter();
            paths.flat_map(|(path, item)| {
                let here = operations(item).into_iter();
                here.filter_map(move |(method, operation)| {
                    let id = operation.as_ref()?.operation_id.as_ref()?;
                    Some((path, method, id))
                })
            })
        };
        let metrics = RequestMetrics::new(all().map(|(_, _, id)| id.clone()), sink);
        let known: HashMap<_, _> = metrics.operations().collect();
        let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
        for (path, method, id) in all() {
            if let Some(operation) = known.get(id.as_str()) {
                let here = by_path.entry(path.clone()).or_default();
                here.push((method, *operation));
            }
        }
        Self {
            by_path: Arc::new(by_path),
            metrics: metrics.clone(),
        }
    }

    /// What was counted.
    pub const fn metrics(&self) -> &RequestMetrics {
        &self.metrics
    }

    /// The operation of a method on a route, which is the pattern of a path.
    pub(crate) fn of(&self, method: &Method, route: &str) -> Operation {
        // Whoever only asks for the head of an answer does the same.
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let here = self.by_path.get(route).into_iter().flatten();
        let mut of_method = here.filter(|(known, _)| known == method);
        of_method
            .next()
            .map(|(_, operation)| *operation)
            .unwrap_or_default()
    }

    pub(crate) fn name(&self, operation: Operation) -> &str {
        self.metrics.name(operation)
    }

    pub(crate) fn count(&self, operation: Operation, status: StatusCode, took: Duration) {
        self.metrics.count(operation, status.as_u16(), took);
    }
}

/// The operations of a path.
fn operations(item: &PathItem) -> [(Method, &Option<path::Operation>); 5] {
    [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::DELETE, &item.delete),
        (Method::PATCH, &item.patch),
    ]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::app_with;
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::get;
    use std::sync::Mutex;
    use tower::ServiceExt;

    fn document() -> OpenApi {
        let operation = |id: &str| serde_json::json!({ "operationId": id, "responses": {} });
        serde_json::from_value(serde_json::json!({
            "openapi": "3.1.0",
            "info": { "title": "a", "version": "1" },
            "paths": {
                "/jobs/{id}": { "get": operation("get_job"), "delete": operation("cancel_job") },
                "/jobs": { "post": operation("enqueue_job") },
            },
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn requests_are_counted_by_the_operation_that_they_are() {
        let written = Arc::new(Mutex::new(Vec::<u8>::new()));
        let sink = MetricSink::to("test", written.clone());
        let operations = Operations::new(&document(), sink);
        let one = get(async || "a job").delete(async || StatusCode::CONFLICT);
        let app = app_with(Router::new().route("/jobs/{id}", one), operations.clone());
        for (method, path) in [
            ("GET", "/jobs/1"),
            ("HEAD", "/jobs/2"),
            ("DELETE", "/jobs/3"),
            ("PUT", "/jobs/4"),
            ("GET", "/nowhere/5"),
        ] {
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap();
        }
        operations.metrics().publish_due(0);
        let bytes = written.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let count = |class: &str| line[class].as_f64().unwrap_or_default();
                let name = line["operation"].as_str().unwrap().to_owned();
                (name, count("requests/2xx"), count("requests/4xx"))
            })
            .collect();
        let expected = [
            ("other", 0.0, 2.0),
            ("get_job", 2.0, 0.0),
            ("cancel_job", 0.0, 1.0),
        ];
        let expected = expected.map(|(name, good, bad)| (name.to_owned(), good, bad));
        assert_eq!(lines, expected);
    }
}
