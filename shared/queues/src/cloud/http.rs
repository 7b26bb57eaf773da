//! Calls over HTTP, by the AWS SDK's own connector, which is in every program that has a queue: no redirects, a time-out for
//! each call and a limit on each answer.

use super::shorten::Shortener;
use crate::QueueError;
use crate::lazy::Lazy;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, USER_AGENT};
use http::{HeaderValue, Method, Request};
use oidc::is_global_unicast;
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What a call may take, unless it waits for messages.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 32;

/// What is asked of a server.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: SecretString,
    timeout: Duration,
    most: usize,
    /// How many bytes of each text of an answer in JSON are kept.
    most_of_a_text: Option<usize>,
}

/// What a server says.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// It was longer, and the rest was not read.
    pub(crate) is_cut: bool,
}

impl Call {
    /// A call that may take [`CALL_TIMEOUT`], and whose answer may have 64 KiB.
    pub(crate) fn new(method: Method, url: String) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: SecretString::default(),
            timeout: CALL_TIMEOUT,
            most: 64 * 1024,
            most_of_a_text: None,
        }
    }

    /// With a header. What cannot be one is an error.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self, QueueError> {
        let value = HeaderValue::try_from(value).map_err(|_| not_a_header())?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// With a header that is not shown.
    pub(crate) fn secret(
        mut self,
        name: HeaderName,
        value: &SecretString,
    ) -> Result<Self, QueueError> {
        let value = HeaderValue::try_from(value.expose_secret());
        let mut value = value.map_err(|_| not_a_header())?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// By the bearer of a token.
    pub(crate) fn bearer(self, token: &SecretString) -> Result<Self, QueueError> {
        let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
        self.secret(AUTHORIZATION, &value)
    }

    /// With a body.
    pub(crate) fn body(mut self, kind: &'static str, body: String) -> Self {
        let kind = HeaderValue::from_static(kind);
        self.headers.insert(CONTENT_TYPE, kind);
        self.body = SecretString::from(body);
        self
    }

    /// It may take that much longer.
    pub(crate) fn waiting(mut self, wait: Duration) -> Self {
        self.timeout += wait;
        self
    }

    /// Its answer is JSON, of which so many bytes are kept, and of each text in it so many.
    pub(crate) fn shortened(mut self, most: usize, most_of_a_text: usize) -> Self {
        (self.most, self.most_of_a_text) = (most, Some(most_of_a_text));
        self
    }
}

fn not_a_header() -> QueueError {
    QueueError::Refused("not a header".to_owned())
}

/// Makes calls. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    connector: Lazy<SharedHttpConnector>,
    /// A server on this machine that stands in for all others.
    #[cfg(test)]
    instead: Option<String>,
}

impl Http {
    /// To the public Internet alone: a name that leads into a network of our own is not followed.
    pub(crate) fn public() -> Self {
        Self::of(Lazy::new(|| connector(true)))
    }

    /// To wherever a name leads: the customer's network is the customer's.
    pub(crate) fn any() -> Self {
        Self::of(Lazy::new(|| connector(false)))
    }

    fn of(connector: Lazy<SharedHttpConnector>) -> Self {
        Self {
            connector,
            #[cfg(test)]
            instead: None,
        }
    }

    /// Every call goes to that server, with the name of the real one in the header `Host`.
    #[cfg(test)]
    pub(crate) fn instead(self, base: &str) -> Self {
        Self {
            instead: Some(base.to_owned()),
            ..self
        }
    }

    /// Sends one request, once, and reads its answer.
    ///
    /// # Errors
    /// [`QueueError::Unreachable`]; the server may have done what it was asked all the same.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, QueueError> {
        let (limit, most) = (call.timeout, call.most);
        let shortener = call.most_of_a_text.map(Shortener::new);
        #[cfg(test)]
        let call = self.redirected(call);
        let request = request(call)?;
        let exchange = async {
            let answer = self.connector.get().call(request).await;
            let answer = answer.map_err(|_| unreachable("no connection"))?;
            let answer = answer.try_into_http1x();
            let answer = answer.map_err(|_| unreachable("the answer could not be read"))?;
            let (head, body) = answer.into_parts();
            let (body, is_cut) = read(body, most, shortener).await?;
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
                is_cut,
            })
        };
        timeout(limit, exchange)
            .await
            .unwrap_or_else(|_| Err(unreachable("time-out")))
    }

    #[cfg(test)]
    fn redirected(&self, mut call: Call) -> Call {
        if let Some(base) = &self.instead {
            let (_, rest) = call.url.split_once("://").unwrap_or_default();
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = HeaderValue::try_from(host);
            call.headers
                .extend(host.map(|host| (http::header::HOST, host)));
            call.url = format!("{base}/{path}");
        }
        call
    }
}

fn request(call: Call) -> Result<HttpRequest, QueueError> {
    let refused = || QueueError::Refused("not a request".to_owned());
    let mut request = Request::builder()
        .method(call.method)
        .uri(call.url)
        .body(SdkBody::from(call.body.expose_secret()))
        .map_err(|_| refused())?;
    *request.headers_mut() = call.headers;
    let agent = HeaderValue::from_static("hybrid-ci");
    request.headers_mut().insert(USER_AGENT, agent);
    HttpRequest::try_from(request).map_err(|_| refused())
}

fn connector(is_public: bool) -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let builder = Connector::builder()
        .connector_settings(settings)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    SharedHttpConnector::new(if is_public {
        builder.build_with_resolver(PublicOnly)
    } else {
        builder.build()
    })
}

fn unreachable(what: &str) -> QueueError {
    QueueError::Unreachable(what.to_owned())
}

/// Reads a body, and says whether there is more of it.
async fn read(
    body: SdkBody,
    most: usize,
    mut shortener: Option<Shortener>,
) -> Result<(Vec<u8>, bool), QueueError> {
    let mut body = ByteStream::new(body);
    let mut read = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| unreachable("the answer ended early"))?;
        match &mut shortener {
            Some(shortener) => shortener.copy(&piece, &mut read),
            None => read.extend_from_slice(&piece),
        }
        if read.len() > most {
            read.truncate(most);
            return Ok((read, true));
        }
    }
    Ok((read, false))
}

/// Resolves names as the system does, and refuses those that lead anywhere but to addresses of the public Internet.
#[derive(Debug, Clone)]
struct PublicOnly;

impl ResolveDns for PublicOnly {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 443)).await;
            let found = found.map_err(ResolveDnsError::new)?;
            judged(
                found
                    .map(|address| address.ip())
                    .take(MAX_ADDRESSES)
                    .collect(),
            )
        })
    }
}

fn judged(addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, ResolveDnsError> {
    if addresses.iter().all(|address| is_global_unicast(*address)) {
        Ok(addresses)
    } else {
        Err(ResolveDnsError::new("an address that is not public"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_to_one_private_address_leads_nowhere() {
        let public: IpAddr = [20, 42, 0, 1].into();
        assert!(judged(vec![public]).is_ok());
        for private in [[10, 0, 0, 1], [127, 0, 0, 1], [169, 254, 169, 254]] {
            assert!(judged(vec![public, private.into()]).is_err());
        }
    }
}
