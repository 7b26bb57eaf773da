//! Google Cloud as its documentation describes it: token services, a topic, and a subscription to it.

use super::server::{Asked, Reply, Server, aws};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

pub(super) const TOPIC: &str = "projects/example-project/topics/events";
pub(super) const SUBSCRIPTION: &str = "projects/example-project/subscriptions/events";
pub(super) const PROVIDER: &str = "projects/123456789012/locations/global/workloadIdentityPools/hybrid-ci/providers/control-plane";
pub(super) const ACCOUNT: &str = "hybrid-ci@example-project.iam.gserviceaccount.com";
pub(super) const POOL_TOKEN: &str = "pool";
pub(super) const ACCOUNT_TOKEN: &str = "account";

/// What is on the topic and not acknowledged.
#[derive(Debug, Default)]
pub(super) struct State {
    messages: Vec<Held>,
    last: u64,
    /// Nobody may do anything.
    pub(super) is_closed: bool,
}

#[derive(Debug)]
struct Held {
    number: u64,
    message: Value,
    attempts: u32,
    is_out: bool,
}

impl State {
    /// Every acknowledgement deadline passes.
    pub(super) fn pass_deadlines(&mut self) {
        for held in &mut self.messages {
            held.is_out = false;
        }
    }

    pub(super) fn put(&mut self, data: &[u8]) {
        self.push(json!({ "data": BASE64.encode(data) }));
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    fn push(&mut self, message: Value) -> u64 {
        self.last += 1;
        self.messages.push(Held {
            number: self.last,
            message,
            attempts: 0,
            is_out: false,
        });
        self.last
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        match asked.header("host") {
            "sts.googleapis.com" => exchange(asked),
            "iamcredentials.googleapis.com" => impersonate(asked),
            host => {
                assert_eq!(
                    (host, asked.method.as_str()),
                    ("pubsub.googleapis.com", "POST")
                );
                assert_eq!(asked.header("content-type"), "application/json");
                self.pubsub(asked)
            }
        }
    }

    fn pubsub(&mut self, asked: &Asked) -> Reply {
        let bearer = asked.header("authorization");
        if !bearer.starts_with("Bearer ") {
            return Reply::status(401);
        }
        let (resource, method) = asked.path.rsplit_once(':').unwrap();
        let body = asked.json();
        match (resource.strip_prefix("/v1/").unwrap(), method) {
            (TOPIC | SUBSCRIPTION, "testIamPermissions") if self.is_closed => {
                Reply::json(200, &json!({}))
            }
            (TOPIC | SUBSCRIPTION, "testIamPermissions") => Reply::json(200, &body),
            (TOPIC, "publish") => {
                let messages = body["messages"].as_array().unwrap();
                let ids: Vec<String> = messages
                    .iter()
                    .map(|message| self.push(message.clone()).to_string())
                    .collect();
                Reply::json(200, &json!({ "messageIds": ids }))
            }
            (SUBSCRIPTION, "pull") => self.pull(&body),
            (SUBSCRIPTION, "acknowledge") => {
                let ids = body["ackIds"].as_array().unwrap();
                self.messages
                    .retain(|held| !ids.contains(&json!(ack_id(held))));
                Reply::json(200, &json!({}))
            }
            _ => Reply::json(
                404,
                &json!({ "error": { "code": 404, "status": "NOT_FOUND" } }),
            ),
        }
    }

    fn pull(&mut self, body: &Value) -> Reply {
        let max = usize::try_from(body["maxMessages"].as_u64().unwrap()).unwrap();
        let free = self.messages.iter_mut().filter(|held| !held.is_out);
        let given: Vec<Value> = free
            .take(max)
            .map(|held| {
                held.is_out = true;
                held.attempts += 1;
                let mut message = held.message.clone();
                message["messageId"] = json!(held.number.to_string());
                message["publishTime"] = json!("2026-11-19T00:00:00.000Z");
                json!({ "ackId": ack_id(held), "message": message, "deliveryAttempt": held.attempts })
            })
            .collect();
        match (given.is_empty(), body["returnImmediately"] == true) {
            (false, _) => Reply::json(200, &json!({ "receivedMessages": given })),
            (true, true) => Reply::json(200, &json!({})),
            (true, false) => Reply::hanging(),
        }
    }
}

fn ack_id(held: &Held) -> String {
    format!("ack/{}+{}=", held.number, held.attempts)
}

/// Google's token service: believes tokens of AWS.
fn exchange(asked: &Asked) -> Reply {
    assert_eq!(asked.line(), "POST sts.googleapis.com/v1/token");
    let form = asked.form();
    assert_eq!(form["audience"], format!("//iam.googleapis.com/{PROVIDER}"));
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(
        form["subject_token_type"],
        "urn:ietf:params:oauth:token-type:jwt"
    );
    assert_eq!(
        form["requested_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert!(form["subject_token"].starts_with("aws-for-hcp-"));
    let body = json!({
        "access_token": format!("{POOL_TOKEN} {}", form["scope"].rsplit('/').next().unwrap()),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer", "expires_in": 3600,
    });
    Reply::json(200, &body)
}

fn impersonate(asked: &Asked) -> Reply {
    assert_eq!(
        asked.line(),
        format!(
            "POST iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
        )
    );
    assert_eq!(
        asked.json(),
        json!({ "scope": ["https://www.googleapis.com/auth/pubsub"], "lifetime": "900s" })
    );
    assert_eq!(
        asked.header("authorization"),
        format!("Bearer {POOL_TOKEN} cloud-platform")
    );
    let body = json!({ "accessToken": ACCOUNT_TOKEN, "expireTime": "2026-11-19T00:15:00Z" });
    Reply::json(200, &body)
}

/// Starts it, with AWS beside it.
pub(super) async fn start() -> (Server, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State::default()));
    let own = Arc::clone(&state);
    let server = Server::start(move |asked| match aws(asked) {
        Some(reply) => reply,
        None => own.lock().unwrap().answer(asked),
    })
    .await;
    (server, state)
}
