//! Who calls the plane, and keeps every answer.

use super::plane::Plane;
use super::provider::Provider;
use super::search::{Canary, Leak, Place, Search};
use crate::harness::Cloud;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wire::SignedParts;

pub(super) type Headers = Vec<(&'static str, String)>;

/// No body.
pub(super) const NOTHING: Value = Value::Null;

pub(super) fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}"))]
}

/// The plane, its provider, and all that was seen of them.
pub(super) struct Stage {
    client: Client,
    pub(super) plane: Plane,
    pub(super) provider: Provider,
    /// The customers' side of AWS.
    pub(super) cloud: Cloud,
    pub(super) canaries: Vec<Canary>,
    answers: Vec<Place>,
    /// The tokens of ours that there are, with their names.
    pub(super) tokens: Vec<(String, String)>,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) status: u16,
    headers: HeaderMap,
    /// Null if it was not JSON.
    pub(super) json: Value,
    /// Under which name the answer is kept.
    pub(super) place: String,
}

impl Shown {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().unwrap()
    }

    /// A member of the answer, which is text.
    pub(super) fn text(&self, pointer: &str) -> &str {
        let value = self.json.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no {pointer}: {self:?}"))
    }

    /// The value of a cookie that it sets.
    pub(super) fn cookie(&self, name: &str) -> String {
        let all = self.headers.get_all("set-cookie").iter();
        let mut pairs = all.filter_map(|cookie| cookie.to_str().unwrap().split(';').next());
        let found = pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
            .to_owned()
    }
}

impl Stage {
    pub(super) async fn start() -> Self {
        let provider = Provider::start().await;
        let cloud = Cloud::start().await;
        let plane = Plane::start(provider.address, &cloud.url, &provider.client_secret).await;
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy();
        Self {
            client: client.build().unwrap(),
            provider,
            plane,
            cloud,
            canaries: Vec::new(),
            answers: Vec::new(),
            tokens: Vec::new(),
        }
    }

    /// A call whose answer has this status.
    pub(super) async fn expect(
        &mut self,
        status: u16,
        operation: &str,
        headers: &Headers,
        body: &Value,
    ) -> Shown {
        let shown = self.call(operation, headers, body).await;
        assert_eq!(shown.status, status, "{operation}: {shown:?}");
        shown
    }

    /// A call, such as `GET /health`.
    pub(super) async fn call(&mut self, operation: &str, headers: &Headers, body: &Value) -> Shown {
        let (method, path) = operation.split_once(' ').unwrap();
        let address = format!("{}{path}", self.plane.url);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, address);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if !body.is_null() {
            request = request.header("content-type", "application/json");
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let place = format!("answer {} ({status}) to {operation}", self.answers.len());
        let mut seen = format!("{headers:?}\n").into_bytes();
        for (name, value) in &headers {
            seen.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
        }
        seen.extend(&bytes);
        self.answers.push(Place::new(&place, seen));
        Shown {
            status,
            headers,
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
            place,
        }
    }

    /// What there is to be seen at a path just now. It is not kept: whoever waits looks often.
    pub(super) async fn look(&self, path: &str, headers: &Headers) -> Value {
        let mut request = self.client.get(format!("{}{path}", self.plane.url));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default()
    }

    /// Keeps a token of ours that an answer has just shown.
    pub(super) fn keep(&mut self, name: &str, token: &str, shown: &Shown) -> String {
        let canary = Canary::token(name, token).shown_by(&shown.place);
        self.canaries.push(canary);
        self.tokens.push((name.to_owned(), token.to_owned()));
        token.to_owned()
    }

    /// Makes a token of ours. `pointer` is where its answer shows it.
    pub(super) async fn make(
        &mut self,
        name: &str,
        (operation, pointer): (&str, &str),
        headers: &Headers,
        body: &Value,
    ) -> String {
        let shown = self.expect(201, operation, headers, body).await;
        self.keep(name, shown.text(pointer), &shown)
    }

    /// The headers of a change by a page of ours, in a browser with this session.
    pub(super) fn page(&self, session: &str) -> Headers {
        vec![
            ("cookie", format!("{}={session}", auth::cookie::SESSION)),
            ("origin", self.plane.url.clone()),
            ("x-hcp-csrf", "1".to_owned()),
        ]
    }

    /// The headers of a registration that is signed with the key of an HMAC.
    pub(super) fn signed(&self, key_id: &str, key: &[u8], body: &Value) -> Headers {
        let timestamp = (web::Clock::system().now().as_millis() / 1000).to_string();
        let nonce = super::provider::random();
        let host = self.plane.url.trim_start_matches("http://");
        let parts = SignedParts {
            timestamp: &timestamp,
            nonce: &nonce,
            method: "POST",
            host,
            path: "/api/agents/register",
            query: "",
            body_sha256: &HEXLOWER.encode(&Sha256::digest(body.to_string())),
        };
        let signature = Hmac::<Sha256>::new_from_slice(key).unwrap();
        let signature = signature.chain_update(parts.string_to_sign()).finalize();
        vec![
            (wire::SIGNED_KEY_ID, key_id.to_owned()),
            (wire::SIGNED_TIMESTAMP, timestamp.clone()),
            (wire::SIGNED_NONCE, nonce.clone()),
            (
                wire::SIGNED_SIGNATURE,
                data_encoding::BASE64.encode(&signature.into_bytes()),
            ),
        ]
    }

    /// Ends the plane, and looks for everything everywhere.
    pub(super) async fn leaks(mut self) -> Found {
        self.canaries.extend(self.plane.canaries.clone());
        self.canaries.extend(self.provider.canaries());
        for secret in self.cloud.secrets() {
            self.canaries
                .push(Canary::new("a session of a customer's role", &secret));
        }
        let mut places = self.answers;
        for (number, message) in self.cloud.sent().into_iter().enumerate() {
            places.push(Place::new(format!("queue message {number}"), message));
        }
        let (written, unsaid) = self.plane.written().await;
        places.extend(written);
        Found {
            leaks: Search::new(&self.canaries).leaks(&places),
            places,
            unsaid,
        }
    }
}

/// What was found of a plane that has ended.
pub(super) struct Found {
    pub(super) leaks: Vec<Leak>,
    /// Where it was looked for.
    pub(super) places: Vec<Place>,
    /// What its tables hold that is nowhere said to be held.
    pub(super) unsaid: Vec<String>,
}

/// What is in the cookie of a sign-in under way.
pub(super) fn login(cookie: &str) -> Value {
    let json = BASE64URL_NOPAD.decode(cookie.as_bytes()).unwrap();
    serde_json::from_slice(&json).unwrap()
}
