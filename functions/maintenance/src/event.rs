//! What starts an invocation.

use serde::Deserialize;

/// What EventBridge sends on a schedule. Nothing else can be read as one: an event that was meant for somebody else fails
/// its invocation, instead of being taken for the minute's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Envelope")]
pub struct Event(());

/// What every event of EventBridge says of itself.
#[derive(Deserialize)]
struct Envelope {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
}

impl TryFrom<Envelope> for Event {
    type Error = &'static str;

    fn try_from(envelope: Envelope) -> Result<Self, Self::Error> {
        let Envelope {
            source,
            detail_type,
        } = envelope;
        if source == "aws.events" && detail_type == "Scheduled Event" {
            Ok(Self(()))
        } else {
            Err("an event of EventBridge, but not a scheduled one")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(event: Value) -> Result<Event, String> {
        serde_json::from_value(event).map_err(|error| error.to_string())
    }

    #[test]
    fn a_scheduled_event_is_the_only_one() {
        let scheduled = json!({
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
            "source": "aws.events", "time": "2025-02-27T12:00:00Z", "resources": [], "detail": {},
        });
        assert_eq!(read(scheduled), Ok(Event(())));
        for other in [
            json!({}),
            json!([]),
            json!("Scheduled Event"),
            json!({ "source": "aws.events", "detail-type": 1 }),
            json!({ "source": "aws.events", "detail-type": "Object Created", "detail": {} }),
            json!({ "source": "somebody", "detail-type": "Scheduled Event", "detail": {} }),
            json!({ "Records": [{ "eventSource": "aws:sqs", "body": "{}" }] }),
            json!({ "version": "2.0", "rawPath": "/health", "requestContext": { "http": { "method": "GET" } } }),
        ] {
            let refused = read(other.clone());
            assert!(refused.is_err(), "{other}");
        }
    }
}
