//! A browser: it keeps cookies as browsers do, follows no redirect unless it is told to, and says which site a request
//! comes from.

use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, redirect};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which site leads a browser to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// One of our own pages.
    OurOwn,
    /// Another one, such as a provider: cookies that are `Strict` stay behind.
    AnotherSite,
}

/// A browser with its cookies of one control plane.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    client: Client,
    url: String,
    /// By name: the value, and whether it is `Strict`.
    cookies: BTreeMap<String, (String, bool)>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) text: String,
    /// Null if it was not JSON.
    pub(crate) json: Value,
}

impl Page {
    /// Where the browser is sent.
    pub(crate) fn location(&self) -> String {
        self.header("location").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no {name}: {} {}", self.status, self.text));
        value.to_str().unwrap()
    }
}

impl Browser {
    /// A browser without cookies.
    pub(crate) fn new(url: &str) -> Self {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            client,
            url: url.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// Opens a page of the control plane.
    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let address = format!("{}{path}", self.url);
        self.follow(&address, From::OurOwn).await
    }

    /// Opens an address of the control plane that somebody led to.
    pub(crate) async fn follow(&mut self, address: &str, from: From) -> Page {
        assert!(address.starts_with(&self.url), "{address}");
        let request = self.client.get(address);
        self.send(request, from).await
    }

    /// Opens a page of somebody else's, who is not sent our cookies.
    pub(crate) async fn get_elsewhere(&self, address: &str) -> Page {
        assert!(!address.starts_with(&self.url), "{address}");
        read(self.client.get(address)).await
    }

    /// Says to the provider who one is. The address that it leads to.
    pub(crate) async fn pick(&self, question: &str, person: &str) -> String {
        let picked = self
            .get_elsewhere(&format!("{question}&person={person}"))
            .await;
        assert_eq!(picked.status, 302, "{}", picked.text);
        picked.location()
    }

    /// Changes something, as a script of our own pages does.
    pub(crate) async fn change(&mut self, method: &str, path: &str, body: Option<&Value>) -> Page {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let address = format!("{}{path}", self.url);
        let mut request = self
            .client
            .request(method, address)
            .header("origin", &self.url)
            .header("x-hcp-csrf", "1");
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request, From::OurOwn).await
    }

    /// What a browser would send that did not look at `SameSite`.
    pub(crate) async fn forged(
        &self,
        method: &str,
        path: &str,
        (origin, kind): (Option<&str>, Option<&str>),
    ) -> Page {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header(COOKIE, self.header(From::OurOwn))
            .body("{}");
        for (name, value) in [("origin", origin), ("content-type", kind)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        read(request).await
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.cookies.contains_key(name)
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.get(name).map(|(value, _)| value.clone())
    }

    /// Plants a cookie.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let strict = name == auth::cookie::SESSION;
        self.cookies
            .insert(name.to_owned(), (value.to_owned(), strict));
    }

    fn header(&self, from: From) -> String {
        let sent = self
            .cookies
            .iter()
            .filter(|(_, (_, strict))| from == From::OurOwn || !strict);
        let pairs: Vec<_> = sent
            .map(|(name, (value, _))| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    async fn send(&mut self, request: RequestBuilder, from: From) -> Page {
        let page = read(request.header(COOKIE, self.header(from))).await;
        for cookie in page.headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        page
    }

    /// Keeps a cookie, or drops it, if it is one that a browser takes under a `__Host-` name.
    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<_> = parts.collect();
        assert!(name.starts_with("__Host-"), "{cookie}");
        for needed in ["Secure", "HttpOnly", "Path=/"] {
            assert!(attributes.contains(&needed), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        if attributes.contains(&"Max-Age=0") {
            self.cookies.remove(name);
        } else {
            let strict = attributes.contains(&"SameSite=Strict");
            self.cookies
                .insert(name.to_owned(), (value.to_owned(), strict));
        }
    }
}

async fn read(request: RequestBuilder) -> Page {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Page {
        status,
        headers,
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}
