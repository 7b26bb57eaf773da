//! The HTTP server: one port, on this machine only, with a limit on what is under way.

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use web::{ClientAddress, Problem};

/// How many requests may be under way. On AWS the function's reserved concurrency is such a limit.
const MAX_UNDER_WAY: usize = 256;

/// Serves until it is told to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = listener.tap_io(|connection| {
        // Answers are small, and waiting for more to send would only delay them.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
    });
    let service = router
        .layer(from_fn(with_address))
        .into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(async move { drop(stopped.changed().await) })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the server ended");
    }
}

/// Gives a request the address of whoever is at the other end of its connection.
async fn with_address(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = ClientAddress::new(peer.ip());
    request.extensions_mut().insert(address);
    next.run(request).await
}

/// Turns requests beyond the limit away at once, with the advice to come back, instead of having them wait.
pub(crate) fn limited(router: Router) -> Router {
    let places = Arc::new(Semaphore::new(MAX_UNDER_WAY));
    router.layer(from_fn(move |request: Request, next: Next| {
        let places = Arc::clone(&places);
        async move { admit(&places, request, next).await }
    }))
}

async fn admit(places: &Semaphore, request: Request, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::busy(1).into_response(),
    }
}
