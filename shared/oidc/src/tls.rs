//! TLS towards others: the same library, cryptography and roots of trust as the AWS SDK's own client.

use crate::fetcher::FetchError;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom we believe that a host is who it says.
pub(crate) enum Trust {
    /// The roots of the system that this runs on.
    System,
    /// This certificate alone.
    #[cfg(any(test, feature = "testing"))]
    Anchor(Vec<u8>),
}

/// The client's side of TLS, made at its first use: reading the roots costs milliseconds that most starts need not spend.
pub(crate) struct Tls {
    trust: Trust,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn new(trust: Trust) -> Self {
        Self {
            trust,
            config: OnceCell::new(),
        }
    }

    /// Shakes hands with the host of that name on a connection.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, FetchError> {
        let config = self.config.get_or_try_init(|| self.config()).await?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| FetchError::Refused("no name of a host".to_owned()))?;
        TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(|error| FetchError::Unavailable(format!("TLS: {error}")))
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, FetchError> {
        let unusable = |why: String| FetchError::Unavailable(format!("TLS: {why}"));
        let certificates = match &self.trust {
            Trust::System => tokio::task::spawn_blocking(system_roots)
                .await
                .map_err(|error| unusable(error.to_string()))?
                .map_err(|error| unusable(error.to_string()))?,
            #[cfg(any(test, feature = "testing"))]
            Trust::Anchor(certificate) => vec![CertificateDer::from(certificate.clone())],
        };
        let mut roots = RootCertStore::empty();
        // Systems carry some certificates that cannot be read; the others still serve.
        roots.add_parsable_certificates(certificates);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn system_roots() -> io::Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(io::Error::other(format!("no roots: {:?}", found.errors)));
    }
    Ok(found.certs)
}
