//! Issuers for tests: keys that sign, and servers on this machine that publish them. A function never enables this.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

mod key;
mod server;

pub use key::{SigningKey, key_document};
pub use server::read_request;
pub(crate) use server::{Reply, Server};

use crate::network::{Network, Speaks};
use crate::url::IssuerUrl;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// An issuer on this machine, over plain HTTP: it describes itself and publishes its keys. It ends when it is dropped.
pub struct FakeIssuer {
    url: IssuerUrl,
    server: Server,
    published: Arc<Mutex<Published>>,
}

struct Published {
    keys: String,
    is_up: bool,
}

impl FakeIssuer {
    /// Starts an issuer that goes by this URL, as `https://issuer.example.com`, and has these keys.
    pub async fn start(url: &str, keys: &[&SigningKey]) -> Self {
        let url = IssuerUrl::parse(url).expect("an issuer's URL");
        let published = Arc::new(Mutex::new(Published {
            keys: key_document(keys),
            is_up: true,
        }));
        let description = serde_json::json!({
            "issuer": url.as_str(),
            "jwks_uri": format!("https://{}/keys", url.host()),
        });
        let discovery = url.discovery().path;
        let shared = Arc::clone(&published);
        let server = Server::start(None, move |request| {
            let published = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let path = request.split(' ').nth(1).unwrap_or_default();
            if !published.is_up {
                Reply::json(503, "{}")
            } else if path == discovery {
                Reply::json(200, &description.to_string())
            } else if path == "/keys" {
                Reply::json(200, &published.keys)
            } else {
                Reply::json(404, "{}")
            }
        })
        .await;
        Self {
            url,
            server,
            published,
        }
    }

    /// A network on which this issuer is all there is.
    pub fn network(&self) -> Network {
        Network::with_hosts(&[(self.url.host(), self.address())], Speaks::Plain)
    }

    /// The issuer's URL.
    pub fn url(&self) -> IssuerUrl {
        self.url.clone()
    }

    /// Where it listens, for a network of several.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Publishes other keys.
    pub fn set_keys(&self, keys: &[&SigningKey]) {
        self.published().keys = key_document(keys);
    }

    /// Whether it answers, or is unavailable.
    pub fn set_up(&self, is_up: bool) {
        self.published().is_up = is_up;
    }

    /// How many requests it has had.
    pub fn requests(&self) -> usize {
        self.server.requests().len()
    }

    fn published(&self) -> std::sync::MutexGuard<'_, Published> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
