//! Agents and the control plane are of two versions most of the time: each reads what the other says.

use super::fixture::Recorded;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::{
    AgentConfig, ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse, HeartbeatRequest,
    HeartbeatResponse, JobResponse, ProblemDetails, RegisterRequest, RegisterResponse,
    StartRequest,
};

/// What agents say and are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Speech {
    Register,
    Heartbeat,
    Config,
    Claim,
    Start,
    Complete,
}

impl Speech {
    fn of(recorded: &Recorded) -> Option<Self> {
        let path = recorded.call.path.as_str();
        let last = path.rsplit('/').next()?;
        match (recorded.call.method.as_str(), last) {
            ("POST", "register") => Some(Self::Register),
            ("POST", "heartbeat") => Some(Self::Heartbeat),
            ("GET", "config") => Some(Self::Config),
            ("POST", "claim") => Some(Self::Claim),
            ("PATCH", "start") => Some(Self::Start),
            ("PATCH", "complete") if path.starts_with("/api/queue/") => Some(Self::Complete),
            _ => None,
        }
    }

    /// Reads an answer as today's agent does.
    fn read(self, status: u16, body: &Value) -> Result<(), String> {
        if status >= 400 {
            return reads::<ProblemDetails>(body);
        }
        match self {
            Self::Register => reads::<RegisterResponse>(body),
            Self::Heartbeat => reads::<HeartbeatResponse>(body),
            Self::Config => reads::<AgentConfig>(body),
            Self::Claim => reads::<ClaimResponse>(body),
            Self::Start => reads::<JobResponse>(body),
            Self::Complete => reads::<CompleteResponse>(body),
        }
    }

    /// A request as today's agent would send it.
    fn said_again(self, body: &str) -> Value {
        match self {
            Self::Register => again::<RegisterRequest>(body),
            Self::Heartbeat => again::<HeartbeatRequest>(body),
            Self::Claim => again::<ClaimRequest>(body),
            Self::Start => again::<StartRequest>(body),
            Self::Complete => again::<CompleteRequest>(body),
            Self::Config => Value::Null,
        }
    }
}

fn reads<T: DeserializeOwned>(body: &Value) -> Result<(), String> {
    let read = serde_json::from_value::<T>(body.clone());
    read.map(drop).map_err(|error| error.to_string())
}

fn again<T: DeserializeOwned + Serialize>(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let jobs = body.get_mut("jobs").and_then(Value::as_array_mut);
    // Jobs stand in it by what the story knows them by.
    for job in jobs.into_iter().flatten() {
        job["job_id"] = json!("job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE");
    }
    let request: T = serde_json::from_value(body).unwrap();
    serde_json::to_value(request).unwrap()
}

/// The same with a member in every object that nobody knows.
fn with_more(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            let mut more: serde_json::Map<_, _> = members
                .map(|(name, value)| (name.clone(), with_more(value)))
                .collect();
            more.insert("of_a_later_version".to_owned(), json!("x"));
            Value::Object(more)
        }
        Value::Array(values) => values.iter().map(with_more).collect(),
        other => other.clone(),
    }
}

/// Names of members, as pointers without the numbers of places.
fn names(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}/{name}");
                names(value, &at, into);
                into.push(at);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, at, into)),
        _ => {}
    }
}

/// What an agent cannot read of what it is answered; with `more`, of the same with members in it that it does not know.
pub(super) fn not_understood(calls: &[Recorded], more: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for recorded in calls {
        let Some(speech) = Speech::of(recorded) else {
            continue;
        };
        let (status, body) = (recorded.answer.status, &recorded.answer.body);
        let body = if more { with_more(body) } else { body.clone() };
        if let Err(why) = speech.read(status, &body) {
            found.push(format!("{speech:?} {status}: {why} in {body}"));
        }
        seen.push((speech, status < 400));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(
        seen.iter().filter(|(_, is_good)| *is_good).count(),
        6,
        "{seen:?}"
    );
    found
}

/// What today's agent would say of itself that an older control plane does not know, and refuses.
pub(super) fn not_known_before(calls: &[Recorded]) -> Vec<String> {
    let mut found = Vec::new();
    for recorded in calls {
        let Some((speech, body)) = Speech::of(recorded).zip(recorded.call.body.as_deref()) else {
            continue;
        };
        let (mut known, mut said) = (Vec::new(), Vec::new());
        names(&serde_json::from_str(body).unwrap(), "", &mut known);
        names(&speech.said_again(body), "", &mut said);
        let unknown = said.iter().filter(|name| !known.contains(name));
        found.extend(unknown.map(|name| format!("{speech:?}: {name}")));
    }
    found
}
