//! One request and its answer: a connection of its own, no redirects, a limit on everything that is read.

use crate::fetcher::FetchError;
use crate::keys::MAX_DOCUMENT_BYTES;
use crate::network::Network;
use crate::url::Url;
use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST,
    HeaderMap, USER_AGENT,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Bytes that the head of an answer may have.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// What is sent besides the URL.
pub(crate) enum Content<'a> {
    /// A `GET`.
    Nothing,
    /// A `GET` by somebody.
    Bearer(&'a SecretString),
    /// A `POST` of an encoded form.
    Form(SecretString),
    /// A `POST` of JSON by an application, which names itself by HTTP Basic.
    Json {
        /// The credentials, as the header has them.
        basic: SecretString,
        /// The body.
        body: SecretString,
    },
}

/// An answer that is no redirect.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Does something within a time; what is not done by then is dropped, its connection with it.
pub(crate) async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    timeout(limit, what).await.unwrap_or_else(|_| {
        Err(FetchError::Unavailable(format!(
            "no answer within {} s",
            limit.as_secs()
        )))
    })
}

/// Sends one request, once, and reads its answer.
pub(crate) async fn exchange(
    network: &Network,
    url: &Url,
    content: Content<'_>,
) -> Result<Answer, FetchError> {
    let request = request(url, content)?;
    let connection = network.connect(url).await?;
    let (mut sender, driver) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(connection))
        .await
        .map_err(|error| unavailable(&error))?;
    // Dropped with this call, the set ends the connection, whoever gave up on it.
    let mut drivers = JoinSet::new();
    drivers.spawn(driver);
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| unavailable(&error))?;
    if answer.status().is_redirection() {
        return Err(FetchError::Refused(format!(
            "{} redirects ({})",
            url.host,
            answer.status().as_u16()
        )));
    }
    if answer
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return Err(FetchError::Unavailable("an encoded body".to_owned()));
    }
    let status = answer.status();
    let body = read_body(answer).await?;
    Ok(Answer { status, body })
}

fn request(url: &Url, content: Content<'_>) -> Result<Request<Full<Bytes>>, FetchError> {
    let invalid = |_| FetchError::Refused("not a request".to_owned());
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(USER_AGENT, HeaderValue::from_static("hybrid-control-plane"));
    let default_port = if url.is_plain { 80 } else { 443 };
    let host = if url.port == default_port {
        url.host.clone()
    } else {
        format!("{}:{}", url.host, url.port)
    };
    headers.insert(HOST, HeaderValue::try_from(host).map_err(invalid)?);
    let (method, body) = match content {
        Content::Nothing => (Method::GET, Bytes::new()),
        Content::Bearer(token) => {
            headers.insert(AUTHORIZATION, authorization("Bearer", token)?);
            (Method::GET, Bytes::new())
        }
        Content::Form(form) => {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, kind);
            let encoded = form.expose_secret().to_owned();
            (Method::POST, Bytes::from(encoded))
        }
        Content::Json { basic, body } => {
            headers.insert(AUTHORIZATION, authorization("Basic", &basic)?);
            let kind = HeaderValue::from_static("application/json");
            headers.insert(CONTENT_TYPE, kind);
            let encoded = body.expose_secret().to_owned();
            (Method::POST, Bytes::from(encoded))
        }
    };
    let path = if url.path.is_empty() { "/" } else { &url.path };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path
        .parse()
        .map_err(|_| FetchError::Refused("not a path".to_owned()))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The value of an `Authorization` header, which is not shown.
fn authorization(scheme: &str, secret: &SecretString) -> Result<HeaderValue, FetchError> {
    let mut value = HeaderValue::try_from(format!("{scheme} {}", secret.expose_secret()))
        .map_err(|_| FetchError::Refused("not a credential".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a body to its end, whatever length it claims to have.
async fn read_body(answer: Response<Incoming>) -> Result<Bytes, FetchError> {
    let too_long = || FetchError::Unavailable("an answer longer than 256 KiB".to_owned());
    let mut body = answer.into_body();
    if body.size_hint().lower() > MAX_DOCUMENT_BYTES as u64 {
        return Err(too_long());
    }
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| unavailable(&error))?.into_data() else {
            continue;
        };
        if read.len() + data.len() > MAX_DOCUMENT_BYTES {
            return Err(too_long());
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

fn unavailable(error: &hyper::Error) -> FetchError {
    FetchError::Unavailable(format!("HTTP: {error}"))
}
