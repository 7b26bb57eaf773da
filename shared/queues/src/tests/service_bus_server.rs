//! Azure as its documentation describes it: a directory that gives tokens, and a queue with locks.

use super::server::{Asked, Reply, Server, aws};
use serde_json::json;
use std::sync::{Arc, Mutex};

pub(super) const DIRECTORY: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
pub(super) const CLIENT: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
pub(super) const QUEUE: &str = "https://example-ci.servicebus.windows.net/events";
pub(super) const HOST: &str = "example-ci.servicebus.windows.net";

/// What is on the queue.
#[derive(Debug, Default)]
pub(super) struct State {
    messages: Vec<Held>,
    last: u64,
    /// The next calls of the queue are answered so.
    pub(super) fails: Vec<u16>,
    /// How long a token says to be good.
    pub(super) expires_in: u64,
}

#[derive(Debug)]
struct Held {
    number: u64,
    id: String,
    body: String,
    deliveries: u32,
    lock: Option<String>,
}

impl State {
    /// Every lock ends.
    pub(super) fn unlock(&mut self) {
        for held in &mut self.messages {
            held.lock = None;
        }
    }

    pub(super) fn put(&mut self, id: &str, body: &str) {
        self.last += 1;
        self.messages.push(Held {
            number: self.last,
            id: id.to_owned(),
            body: body.to_owned(),
            deliveries: 0,
            lock: None,
        });
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        if asked.header("host") == "login.microsoftonline.com" {
            return self.directory(asked);
        }
        assert_eq!(asked.header("host"), HOST);
        if !asked.header("authorization").starts_with("Bearer entra-") {
            return Reply::status(401);
        }
        if let Some(status) = self.fails.pop() {
            return Reply::status(status);
        }
        let path = asked.path.strip_prefix("/events/messages").unwrap_or("?");
        match (asked.method.as_str(), path) {
            ("POST", "") => {
                let properties = asked.header("brokerproperties");
                let properties: serde_json::Value = serde_json::from_str(properties).unwrap();
                self.put(properties["MessageId"].as_str().unwrap(), &asked.body);
                Reply::status(201)
            }
            ("POST", path) if path.starts_with("/head?timeout=") => self.lock(),
            ("DELETE", path) => {
                let is_it = |held: &Held| match &held.lock {
                    Some(lock) => path == format!("/{}/{lock}", held.number),
                    None => false,
                };
                let before = self.messages.len();
                self.messages.retain(|held| !is_it(held));
                Reply::status(if self.messages.len() < before {
                    200
                } else {
                    404
                })
            }
            ("POST", _) => Reply::status(404),
            _ => Reply::status(400),
        }
    }

    fn lock(&mut self) -> Reply {
        let Some(held) = self.messages.iter_mut().find(|held| held.lock.is_none()) else {
            return Reply::status(204);
        };
        held.deliveries += 1;
        let (number, deliveries) = (held.number, held.deliveries);
        let lock = format!("7da9cfd5-40d5-4bb1-8d64-{number:06x}{deliveries:06x}");
        let properties = json!({
            "DeliveryCount": deliveries, "EnqueuedSequenceNumber": 0, "EnqueuedTimeUtc": "Tue, 19 Nov 2026 00:00:00 GMT",
            "Label": "hybrid-ci.event", "LockToken": lock, "LockedUntilUtc": "Tue, 19 Nov 2026 00:01:00 GMT",
            "MessageId": held.id, "SequenceNumber": number, "State": "Active", "TimeToLive": 1_209_600,
        });
        held.lock = Some(lock.clone());
        Reply {
            headers: vec![
                ("Content-Type", "application/json".to_owned()),
                ("BrokerProperties", properties.to_string()),
                ("Location", format!("{QUEUE}/messages/{number}/{lock}")),
            ],
            body: held.body.clone().into_bytes(),
            ..Reply::status(201)
        }
    }

    /// Microsoft Entra: believes tokens of AWS, and says in the token for whom it was.
    fn directory(&self, asked: &Asked) -> Reply {
        assert_eq!(asked.path, format!("/{DIRECTORY}/oauth2/v2.0/token"));
        let form = asked.form();
        assert_eq!(form["client_id"], CLIENT);
        assert_eq!(form["grant_type"], "client_credentials");
        assert_eq!(form["scope"], "https://servicebus.azure.net/.default");
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let Some(whom) = form["client_assertion"].strip_prefix("aws-for-hcp-") else {
            let body =
                json!({ "error": "invalid_client", "error_description": "AADSTS700212: secret" });
            return Reply::json(401, &body);
        };
        let body = json!({
            "token_type": "Bearer", "expires_in": self.expires_in, "ext_expires_in": 3599,
            "access_token": format!("entra-{whom}"),
        });
        Reply::json(200, &body)
    }
}

/// Starts it, with AWS beside it.
pub(super) async fn start() -> (Server, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State {
        expires_in: 3599,
        ..State::default()
    }));
    let own = Arc::clone(&state);
    let server = Server::start(move |asked| match aws(asked) {
        Some(reply) => reply,
        None => own.lock().unwrap().answer(asked),
    })
    .await;
    (server, state)
}
