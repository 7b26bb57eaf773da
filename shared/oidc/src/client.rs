//! Calls to a sign-in provider.

use crate::exchange::{Answer, Content, exchange, within};
use crate::fetcher::FetchError;
use crate::json::read_object;
use crate::network::Network;
use crate::url::{Endpoint, UrlFault};
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// How long a question may take, and how long the exchange of a code for tokens.
const GET_LIMIT: Duration = Duration::from_secs(3);
const POST_LIMIT: Duration = Duration::from_secs(5);

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The provider did not answer in time, or not with what was asked for: try again later. The text is for the log.
    #[error("provider unavailable: {0}")]
    Unavailable(String),
    /// The provider's address, or its answer, leads where we do not go. The text is for the log.
    #[error("provider refused: {0}")]
    Refused(String),
    /// The provider says no.
    #[error("provider answered {status}")]
    Rejected {
        /// HTTP status, 400 to 499.
        status: u16,
        /// OAuth's code for what is wrong, like `invalid_grant`, if the provider gave one.
        error: Option<String>,
    },
}

impl From<FetchError> for CallError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Unavailable(why) => Self::Unavailable(why),
            FetchError::Refused(why) => Self::Refused(why),
        }
    }
}

/// The fields of a form; some are secret, and so it shows none.
#[derive(Default)]
pub struct Form(Vec<(String, SecretString)>);

impl Form {
    /// An empty form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.secret(name, &SecretString::from(value))
    }

    /// Adds a field that is secret.
    pub fn secret(mut self, name: &str, value: &SecretString) -> Self {
        self.0.push((name.to_owned(), value.clone()));
        self
    }

    fn encode(&self) -> Result<SecretString, CallError> {
        let pairs: Vec<(&str, &str)> = self
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        serde_urlencoded::to_string(pairs)
            .map(SecretString::from)
            .map_err(|_| CallError::Refused("not a form".to_owned()))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Calls the endpoints of a provider: no redirects, answers of 256 KiB at most, nothing sent twice.
#[derive(Clone)]
pub struct HttpsClient {
    network: Network,
}

impl HttpsClient {
    /// A client on a network.
    pub fn new(network: Network) -> Self {
        Self { network }
    }

    /// Reads an endpoint by the rules of this client's network.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn endpoint(&self, text: &str) -> Result<Endpoint, UrlFault> {
        self.network.endpoint(text)
    }

    /// Asks for a JSON object as the bearer of a token. It may take 3 s.
    ///
    /// # Errors
    /// [`CallError`]; the call may be repeated.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        url: &Endpoint,
        bearer: &SecretString,
    ) -> Result<T, CallError> {
        let call = exchange(&self.network, &url.0, Content::Bearer(bearer));
        read(&within(GET_LIMIT, call).await?)
    }

    /// Sends a form and reads the JSON object that answers it. It may take 5 s.
    ///
    /// # Errors
    /// [`CallError`]. After [`CallError::Unavailable`] the provider may have done what the form asks for: a code that was
    /// sent may be used up.
    pub async fn post_form<T: DeserializeOwned>(
        &self,
        url: &Endpoint,
        form: Form,
    ) -> Result<T, CallError> {
        let content = Content::Form(form.encode()?);
        let call = exchange(&self.network, &url.0, content);
        read(&within(POST_LIMIT, call).await?)
    }

    /// Sends a JSON object of one secret member, as the application of that name and password, and reads the JSON object that
    /// answers it. It may take 5 s.
    ///
    /// # Errors
    /// [`CallError`], as for [`post_form`](Self::post_form).
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        url: &Endpoint,
        (name, password): (&str, &SecretString),
        (member, secret): (&str, &SecretString),
    ) -> Result<T, CallError> {
        let basic = format!("{name}:{}", password.expose_secret());
        let body = serde_json::json!({ member: secret.expose_secret() });
        let content = Content::Json {
            basic: SecretString::from(BASE64.encode(basic.as_bytes())),
            body: SecretString::from(body.to_string()),
        };
        let call = exchange(&self.network, &url.0, content);
        read(&within(POST_LIMIT, call).await?)
    }
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpsClient")
    }
}

/// The text of an answer never goes into an error: it may hold tokens.
fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    let status = answer.status;
    let later = status.as_u16() == 429 || status.as_u16() == 408;
    if status.is_client_error() && !later {
        return Err(CallError::Rejected {
            status: status.as_u16(),
            error: oauth_error(&answer.body),
        });
    }
    if !status.is_success() {
        return Err(CallError::Unavailable(format!(
            "status {}",
            status.as_u16()
        )));
    }
    let unusable = |_| CallError::Unavailable("an answer of another shape".to_owned());
    let members = read_object(&answer.body).map_err(unusable)?;
    serde_json::from_value(Value::Object(members)).map_err(unusable)
}

/// The member `error`, if it looks like one of OAuth's codes.
fn oauth_error(body: &[u8]) -> Option<String> {
    let members = read_object(body).ok()?;
    let code = members.get("error")?.as_str()?;
    let is_code = (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_code.then(|| code.to_owned())
}
