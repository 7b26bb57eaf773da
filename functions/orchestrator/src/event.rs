//! What starts an invocation: messages of a customer's queue, or the minute.

use serde::Deserialize;

/// An event of SQS or of EventBridge's schedule. Nothing else can be read as one: an event that was meant for somebody else
/// fails its invocation, and is never taken for handled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Envelope")]
pub enum Event {
    /// Messages of a queue.
    Messages(Vec<Record>),
    /// A minute has passed.
    Scheduled,
}

/// A message as Lambda hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What the answer names it by.
    pub message_id: String,
    /// What was sent.
    pub body: String,
    event_source: String,
    /// The queue.
    #[serde(rename = "eventSourceARN")]
    pub queue_arn: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Envelope {
    Messages {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    Bridged {
        source: String,
        #[serde(rename = "detail-type")]
        detail_type: String,
    },
}

impl TryFrom<Envelope> for Event {
    type Error = &'static str;

    fn try_from(envelope: Envelope) -> Result<Self, Self::Error> {
        match envelope {
            Envelope::Messages { records } if records.is_empty() => Err("no messages"),
            Envelope::Messages { records } => {
                if records.iter().all(|one| one.event_source == "aws:sqs") {
                    Ok(Self::Messages(records))
                } else {
                    Err("records, but not of SQS")
                }
            }
            Envelope::Bridged {
                source,
                detail_type,
            } => {
                if source == "aws.events" && detail_type == "Scheduled Event" {
                    Ok(Self::Scheduled)
                } else {
                    Err("an event of EventBridge, but not a scheduled one")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::{Value, json};

    fn read(event: Value) -> Result<Event, String> {
        serde_json::from_value(event).map_err(|error| error.to_string())
    }

    fn record() -> Value {
        json!({
            "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78", "receiptHandle": "a", "body": "{}",
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:events",
            "awsRegion": "eu-central-1",
        })
    }

    #[test]
    fn messages_of_a_queue_and_a_scheduled_event_are_told_apart() {
        let scheduled = json!({
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
            "source": "aws.events", "time": "2025-02-27T12:00:00Z", "resources": [], "detail": {},
        });
        assert_eq!(read(scheduled), Ok(Event::Scheduled));
        let Event::Messages(records) = read(json!({ "Records": [record(), record()] })).unwrap()
        else {
            panic!("no messages");
        };
        assert_eq!(records.len(), 2);
        assert_eq!(
            records[0].queue_arn,
            "arn:aws:sqs:eu-central-1:123456789012:events"
        );
    }

    #[test]
    fn every_other_event_is_refused() {
        let mut of_a_stream = record();
        of_a_stream["eventSource"] = json!("aws:kinesis");
        let mut without_an_id = record();
        without_an_id.as_object_mut().unwrap().remove("messageId");
        for other in [
            json!({}),
            json!([]),
            json!("Scheduled Event"),
            json!({ "Records": [] }),
            json!({ "Records": [of_a_stream] }),
            json!({ "Records": [record(), without_an_id] }),
            json!({ "Records": "aws:sqs" }),
            json!({ "source": "aws.events", "detail-type": "Object Created", "detail": {} }),
            json!({ "source": "somebody", "detail-type": "Scheduled Event", "detail": {} }),
            json!({ "version": "2.0", "rawPath": "/health", "requestContext": { "http": { "method": "GET" } } }),
        ] {
            assert!(read(other.clone()).is_err(), "{other}");
        }
    }
}
