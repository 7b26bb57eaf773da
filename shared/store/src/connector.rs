//! The SDK's own connector, made once and beside the rest of a start.
//!
//! The SDK makes it as the client is made, and again for the first call, and each time it reads the system's roots of trust,
//! which is half of what a start takes. Here a thread of its own does it while the function gets ready for its first
//! request; whatever calls before that is done waits for the rest.

use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// An HTTP client that is ready when it is needed. Clones share their connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prepared(Arc<OnceLock<Option<SharedHttpConnector>>>);

impl Prepared {
    /// Begins to make it.
    pub(crate) fn begin() -> Self {
        let prepared = Self::default();
        let own = prepared.clone();
        let making = std::thread::Builder::new().spawn(move || drop(own.connector()));
        if let Err(error) = making {
            // Then the first call makes it.
            tracing::debug!(%error, "no thread to make the HTTP client");
        }
        prepared
    }

    /// The connector. Whoever comes while another makes it waits for that one.
    fn connector(&self) -> Option<SharedHttpConnector> {
        self.0
            .get_or_init(|| {
                let settings = HttpConnectorSettings::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .build();
                aws_smithy_http_client::default_connector(&settings, None)
            })
            .clone()
    }
}

impl HttpClient for Prepared {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Prepared {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.connector() {
            Some(connector) => connector.call(request),
            None => HttpConnectorFuture::ready(Err(ConnectorError::user(
                "the SDK was built without TLS".into(),
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn it_is_made_once_whoever_asks_first() {
        let prepared = Prepared::begin();
        let clone = prepared.clone();
        assert!(clone.connector().is_some());
        // What is there is not made again.
        let made = AtomicBool::new(false);
        prepared.0.get_or_init(|| {
            made.store(true, Ordering::SeqCst);
            None
        });
        assert!(!made.load(Ordering::SeqCst));
    }
}
