//! Where one may connect, and how a connection is made: the name is resolved once, every address is judged, and the
//! connection goes to the very address that was judged. So a name that answers differently the next time gains nothing.

use crate::address::is_global_unicast;
use crate::fetcher::FetchError;
use crate::tls::{Tls, Trust};
use crate::url::{Endpoint, IssuerUrl, Url, UrlFault};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Addresses of one name that are looked at, and how many of them are tried.
const MAX_ADDRESSES: usize = 32;
const MAX_TRIED: usize = 3;

/// How long one address may take to accept a connection, so that a dead one leaves time for the next.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Names that are resolved at once. The system's resolver cannot be stopped, so that those given up count as well.
const MAX_LOOKUPS: usize = 16;

/// Where one may connect. Clones share what they have learnt.
///
/// It has no default and reads no environment: which network a program has stands in its code.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    route: Route,
    tls: Tls,
    lookups: Arc<Semaphore>,
}

/// How a URL becomes an address.
enum Route {
    /// By DNS, to addresses that are anybody's.
    Public,
    /// The same, and one issuer on this machine.
    #[cfg(any(test, feature = "local"))]
    WithLocal(Url),
    /// To these alone.
    #[cfg(any(test, feature = "testing"))]
    Hosts {
        addresses: std::collections::BTreeMap<String, SocketAddr>,
        speaks_tls: bool,
    },
    /// By answers that a test gives instead of DNS, judged like those.
    #[cfg(test)]
    Scripted(crate::tests::script::Script),
}

/// What the servers speak that tests run themselves.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Clone)]
pub enum Speaks {
    /// HTTP without TLS, though the URLs say `https`.
    Plain,
    /// HTTP over TLS, with a certificate that this one vouches for.
    Tls {
        /// The certificate, in DER.
        anchor: Vec<u8>,
    },
}

impl Network {
    /// The public Internet: every function's.
    pub fn public() -> Self {
        Self::of(Route::Public, Trust::System)
    }

    /// The public Internet and the issuer at `http://127.0.0.1:<port>`.
    ///
    /// # Errors
    /// If the origin is anything else.
    #[cfg(any(test, feature = "local"))]
    pub fn local(origin: &str) -> Result<Self, UrlFault> {
        let url = Url::loopback(origin)?;
        if !url.path.is_empty() {
            return Err(UrlFault("must be an origin, without a path"));
        }
        Ok(Self::of(Route::WithLocal(url), Trust::System))
    }

    /// Nothing but these hosts, each at its address. What they serve is under `https://<host>`.
    #[cfg(any(test, feature = "testing"))]
    pub fn with_hosts(hosts: &[(&str, SocketAddr)], speaks: Speaks) -> Self {
        let addresses = hosts
            .iter()
            .map(|(host, address)| ((*host).to_owned(), *address))
            .collect();
        let (speaks_tls, trust) = match speaks {
            Speaks::Plain => (false, Trust::Anchor(Vec::new())),
            Speaks::Tls { anchor } => (true, Trust::Anchor(anchor)),
        };
        let route = Route::Hosts {
            addresses,
            speaks_tls,
        };
        Self::of(route, trust)
    }

    #[cfg(test)]
    pub(crate) fn scripted(script: crate::tests::script::Script, anchor: Vec<u8>) -> Self {
        Self::of(Route::Scripted(script), Trust::Anchor(anchor))
    }

    fn of(route: Route, trust: Trust) -> Self {
        Self(Arc::new(Inner {
            route,
            tls: Tls::new(trust),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }))
    }

    /// Reads an issuer: as [`IssuerUrl::parse`], and the one on this machine if this network has one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn issuer(&self, text: &str) -> Result<IssuerUrl, UrlFault> {
        self.url(text).map(IssuerUrl)
    }

    /// Reads an endpoint: as [`Endpoint::parse`], and those of the issuer on this machine if this network has one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn endpoint(&self, text: &str) -> Result<Endpoint, UrlFault> {
        self.url(text).map(Endpoint)
    }

    /// Reads a URL that this network may go to.
    #[cfg_attr(
        not(any(test, feature = "local")),
        expect(
            clippy::unused_self,
            reason = "only some networks have an issuer of their own"
        )
    )]
    pub(crate) fn url(&self, text: &str) -> Result<Url, UrlFault> {
        #[cfg(any(test, feature = "local"))]
        if let Route::WithLocal(origin) = &self.0.route
            && let Ok(url) = Url::loopback(text)
            && url.is_same_origin(origin)
        {
            return Ok(url);
        }
        Url::https(text)
    }

    /// Connects to the host of a URL. The caller sets the time that all of it may take.
    pub(crate) async fn connect(&self, url: &Url) -> Result<Connection, FetchError> {
        let addresses = self.addresses(url).await?;
        let stream = self.dial(&addresses).await?;
        if url.is_plain || !self.speaks_tls() {
            return Ok(Box::new(stream));
        }
        Ok(Box::new(self.0.tls.connect(&url.host, stream).await?))
    }

    /// Where the URL's host is: each address judged, unless it was given to us with the network.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchError> {
        let found = match &self.0.route {
            Route::Public => self.look_up(url).await,
            #[cfg(any(test, feature = "local"))]
            Route::WithLocal(origin) if url.is_plain => {
                // The host was compared when the URL was read; it is compared again where it counts.
                return if url.is_same_origin(origin) {
                    Ok(vec![SocketAddr::from(([127, 0, 0, 1], origin.port))])
                } else {
                    Err(FetchError::Refused("not the issuer here".to_owned()))
                };
            }
            #[cfg(any(test, feature = "local"))]
            Route::WithLocal(_) => self.look_up(url).await,
            #[cfg(any(test, feature = "testing"))]
            Route::Hosts { addresses, .. } => {
                let known = addresses.get(&url.host).copied();
                return known.map(|address| vec![address]).ok_or_else(unresolved);
            }
            #[cfg(test)]
            Route::Scripted(script) => Ok(script.answer(&url.host)),
        };
        let mut found = found.map_err(|error| FetchError::Unavailable(format!("DNS: {error}")))?;
        if let Some(bad) = found.iter().find(|at| !is_global_unicast(at.ip())) {
            return Err(FetchError::Refused(format!(
                "{} is at {}",
                url.host,
                bad.ip()
            )));
        }
        // Where there is no way for IPv6, as in most of Lambda, its addresses would be tried in vain.
        found.sort_by_key(SocketAddr::is_ipv6);
        found.truncate(MAX_TRIED);
        if found.is_empty() {
            return Err(unresolved());
        }
        Ok(found)
    }

    async fn look_up(&self, url: &Url) -> io::Result<Vec<SocketAddr>> {
        let permit = Arc::clone(&self.0.lookups)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        // With a dot at its end a name is complete: the system adds none of its own domains to it.
        let name = format!("{}.", url.host);
        let port = url.port;
        let lookup = tokio::spawn(async move {
            let found = tokio::net::lookup_host((name, port)).await;
            drop(permit);
            found.map(|addresses| addresses.take(MAX_ADDRESSES).collect())
        });
        lookup.await.map_err(io::Error::other)?
    }

    /// Connects to the first of the addresses that answers.
    async fn dial(&self, addresses: &[SocketAddr]) -> Result<TcpStream, FetchError> {
        let mut last = String::new();
        for address in addresses {
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(self.socket(*address))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => "no answer".clone_into(&mut last),
            }
        }
        Err(FetchError::Unavailable(format!("connecting: {last}")))
    }

    /// The judged address itself. A test's script leads it to a server that the test runs, and notes what it was.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests look it up"))]
    fn socket(&self, judged: SocketAddr) -> SocketAddr {
        #[cfg(test)]
        if let Route::Scripted(script) = &self.0.route {
            return script.dialled(judged);
        }
        judged
    }

    fn speaks_tls(&self) -> bool {
        match &self.0.route {
            #[cfg(any(test, feature = "testing"))]
            Route::Hosts { speaks_tls, .. } => *speaks_tls,
            _ => true,
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

fn unresolved() -> FetchError {
    FetchError::Unavailable("DNS: no such name".to_owned())
}

/// A connection, encrypted but for issuers of tests and of this machine.
pub(crate) type Connection = Box<dyn Transport>;

/// What can be read from and written to.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}
