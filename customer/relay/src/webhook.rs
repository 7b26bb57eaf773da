//! `POST /relay/webhooks/{tool}`, and what surrounds it: limits before anything else, one form of refusal, one log line each.

use crate::journal::{Entry, Ignored};
use crate::refusal::{Reason, Refusal, answer};
use crate::relay::{Inner, MEMORY_UNIT, Outcome, Received, Relay};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use serde::Serialize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};
use wire::{EventId, ToolName};

/// Where webhooks are sent to, before the tool's name.
const PREFIX: &str = "/relay/webhooks/";

/// The header that names the request where the answer has no body to do so.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A webhook was put on the queue.
#[derive(Debug, Serialize)]
struct Accepted {
    event_id: EventId,
}

/// The relay is there.
#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// The routes of a relay: the same in a container and on Lambda.
pub fn router(relay: Relay) -> Router {
    Router::new()
        .route("/relay/webhooks/{tool}", post(receive))
        .route("/health", get(health))
        .fallback(unknown_path)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(relay)
}

async fn health() -> Response {
    let health = Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    };
    uncached((StatusCode::OK, Json(health)).into_response())
}

async fn unknown_path(State(relay): State<Relay>) -> Response {
    refuse(&relay.0, Reason::UnknownPath.into())
}

async fn method_not_allowed(State(relay): State<Relay>) -> Response {
    refuse(&relay.0, Reason::MethodNotAllowed.into())
}

async fn receive(State(relay): State<Relay>, request: Request) -> Response {
    match serve(&relay.0, request).await {
        Ok(response) => response,
        Err(refusal) => refuse(&relay.0, refusal),
    }
}

/// Does what needs the least first, so that a flood costs little.
async fn serve(relay: &Inner, request: Request) -> Result<Response, Refusal> {
    let at = relay.clock.now();
    let limit = relay.settings.max_body_bytes;
    let (head, body) = request.into_parts();
    if declared_length(&head.headers).is_some_and(|length| length > limit) {
        return Err(Reason::BodyTooLarge.into());
    }
    let name = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let tool = relay.tools.get(name).ok_or(Reason::UnknownTool)?;
    let outcome = async {
        let (body, _memory) = read_body(relay, body, limit).await?;
        // Taken only now: who sends slowly keeps nobody else out.
        let _place = relay.places.try_acquire().map_err(|_| Reason::TooBusy)?;
        relay
            .accept(Received {
                tool,
                headers: head.headers,
                body,
                at,
            })
            .await
    };
    let outcome = outcome.await.map_err(|refusal| refusal.of(&tool.name))?;
    Ok(match outcome {
        Outcome::Accepted(event_id) => {
            let accepted = (StatusCode::ACCEPTED, Json(Accepted { event_id }));
            uncached(accepted.into_response())
        }
        Outcome::Ignored(why) => ignore(relay, &tool.name, why),
    })
}

fn ignore(relay: &Inner, tool: &ToolName, reason: Ignored) -> Response {
    let request = request_id();
    let mut response = uncached(StatusCode::NO_CONTENT.into_response());
    if let Ok(request) = HeaderValue::from_str(&request) {
        response.headers_mut().insert(REQUEST_ID, request);
    }
    relay.write(Entry::Ignored {
        reason,
        request,
        tool: tool.clone(),
    });
    response
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body, and the memory that is set aside for it until it is dropped.
async fn read_body(
    relay: &Inner,
    mut body: Body,
    limit: usize,
) -> Result<(Bytes, SemaphorePermit<'_>), Refusal> {
    let deadline = Instant::now() + BODY_TIMEOUT;
    let acquire = || relay.memory.try_acquire().map_err(|_| Reason::TooBusy);
    let mut memory = acquire()?;
    let mut bytes = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, body.frame())
            .await
            .map_err(|_| Reason::BodyTooSlow)?;
        let Some(frame) = frame else {
            return Ok((bytes.freeze(), memory));
        };
        // Lambda and hyper both end a body that is cut off with an error.
        let frame = frame.map_err(|_| Reason::BodyIncomplete)?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        let length = bytes.len() + piece.len();
        if length > limit {
            return Err(Reason::BodyTooLarge.into());
        }
        while memory.num_permits() * MEMORY_UNIT < length {
            memory.merge(acquire()?);
        }
        bytes.extend_from_slice(piece);
    }
}

fn refuse(relay: &Inner, refusal: Refusal) -> Response {
    relay.counts.refused.fetch_add(1, Ordering::Relaxed);
    let request = request_id();
    let response = answer(refusal.reason, &request);
    relay.write(Entry::Refused {
        reason: refusal.reason,
        request,
        tool: refusal.tool,
        fields: refusal.fields,
        cause: refusal.cause,
    });
    response
}

/// What an answer and its log line have in common.
fn request_id() -> String {
    let mut random = [0; 8];
    // Without randomness the line is still there.
    let _ = getrandom::fill(&mut random);
    HEXLOWER.encode(&random)
}

fn uncached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::{Clock, Journal, Parts, Settings, Tools, Vault, new_instance};
    use queues::{LocalQueues, Queue};
    use tower::ServiceExt;

    fn relay() -> Relay {
        let variables = |name: &str| {
            let value = match name {
                "HYBRID_RELAY_URL" => "http://127.0.0.1:9",
                "HYBRID_RELAY_IDENTITY" => "file:///none",
                "HYBRID_RELAY_QUEUE_PROVIDER" => "LOCAL",
                "HYBRID_RELAY_QUEUE" => "inbound",
                _ => return None,
            };
            Some(value.to_owned())
        };
        Relay::new(Parts {
            settings: Settings::read(&variables, None).unwrap(),
            tools: Tools::load(None).unwrap(),
            vault: Vault::default(),
            queue: Queue::Local(LocalQueues::default().queue("inbound")),
            journal: Journal::new(|_| {}),
            clock: Clock::system(),
            instance: new_instance().unwrap(),
        })
    }

    async fn reason(relay: &Relay) -> String {
        let request = Request::post("/relay/webhooks/github").body(Body::empty());
        let answer = router(relay.clone()).oneshot(request.unwrap()).await;
        let body = answer.unwrap().into_body().collect().await;
        let problem: wire::ProblemDetails =
            serde_json::from_slice(&body.unwrap().to_bytes()).unwrap();
        problem.code
    }

    #[tokio::test]
    async fn no_more_is_served_at_a_time_than_there_are_places() {
        let relay = relay();
        let places = relay.0.places.try_acquire_many(64).unwrap();
        assert_eq!(relay.0.places.available_permits(), 0);
        assert_eq!(reason(&relay).await, "too_busy");
        drop(places);
        assert_eq!(reason(&relay).await, "no_secret");
    }
}
