//! What the relay says of itself: one JSON line for each thing that happens.
//!
//! What can be said is a closed set of entries with ids, words and counts. None has room for a body, a header or a secret,
//! so none of these can get into a log by mistake.

use crate::refusal::Reason;
use crate::tool::Field;
use serde::Serialize;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use wire::relay::VaultReference;
use wire::{EventId, RelayHealth, RelayId, Timestamp, ToolName};

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $name:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum $type {
            $($(#[$each])* #[serde(rename = $code)] $name,)+
        }

        impl $type {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word for logs and programs.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }
        }
    };
}

words! {
    /// Why a verified webhook is no event.
    Ignored {
        /// Nothing says which event it is.
        NoEvent = "no_event",
        /// The tool's file has no such event.
        UnknownEvent = "unknown_event",
        /// The file has the event, and none of its conditions holds.
        ConditionsUnmet = "conditions_unmet",
        /// What says which event it is, or what a condition is about, is no one text: it is a list or an object, it is found
        /// several times, or it is a header in no text.
        Unreadable = "unreadable",
        /// The file says to ignore it.
        ByFile = "ignored_by_file",
    }
}

words! {
    /// How a webhook is known to have been put on the queue before.
    Repeated {
        /// It is the delivery that was, as far as its id says.
        SameDelivery = "same_delivery",
        /// It has the body of one that was, under another delivery id.
        SameBody = "same_body",
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry {
    /// The relay takes webhooks.
    Started {
        /// Its version.
        version: &'static str,
        /// The tools that it knows.
        tools: Vec<ToolName>,
        /// The tools of these that it has no secret for: it refuses what they send.
        without_secret: Vec<ToolName>,
    },
    /// A file with a secret can be read by more people than its owner.
    FileIsOpen {
        /// The reference to it.
        reference: VaultReference,
    },
    /// An event was put on the queue.
    Forwarded {
        /// The tool that sent the webhook.
        tool: ToolName,
        /// The event.
        event_id: EventId,
        /// The number of the message.
        sequence: u64,
        /// The fields that the webhook had values for which the contract does not allow, and that were left out.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<Field>,
    },
    /// The same webhook was put on the queue before.
    Duplicate {
        /// The tool that sent the webhook.
        tool: ToolName,
        /// The event.
        event_id: EventId,
        /// How that is known.
        reason: Repeated,
    },
    /// The webhook is no event.
    Ignored {
        /// Why.
        reason: Ignored,
        /// The request, as the answer's `x-request-id` names it.
        request: String,
        /// The tool that sent the webhook.
        tool: ToolName,
    },
    /// A webhook was refused.
    Refused {
        /// Why.
        reason: Reason,
        /// The request, as the answer names it.
        request: String,
        /// The tool, if it is a known one.
        #[serde(skip_serializing_if = "Option::is_none")]
        tool: Option<ToolName>,
        /// The fields that the contract needs.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Field>,
        /// The word of whatever did not work.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'static str>,
    },
    /// The control plane was told how the relay does.
    Heartbeat {
        /// The relay.
        relay_id: RelayId,
        /// How the control plane says that it stands.
        health: RelayHealth,
        /// When the key that it signs with ends.
        key_expires_at: Timestamp,
    },
    /// The control plane could not be told.
    HeartbeatFailed {
        /// Why: the status, or what failed below HTTP.
        why: String,
    },
}

impl Entry {
    fn level(&self) -> &'static str {
        match self {
            Self::Started { .. }
            | Self::Forwarded { .. }
            | Self::Duplicate { .. }
            | Self::Ignored { .. }
            | Self::Heartbeat { .. } => "INFO",
            Self::FileIsOpen { .. } | Self::Refused { .. } | Self::HeartbeatFailed { .. } => "WARN",
        }
    }
}

/// An entry with its time: one line of the log.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// When it happened.
    pub at: Timestamp,
    /// How bad it is: `INFO` or `WARN`.
    pub level: &'static str,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Where entries go.
#[derive(Clone)]
pub struct Journal(Arc<dyn Fn(&Line) + Send + Sync>);

impl Journal {
    /// One JSON line an entry, on the standard output.
    pub fn stdout() -> Self {
        Self::new(|line| {
            if let Ok(mut text) = serde_json::to_vec(line) {
                text.push(b'\n');
                // Whoever closed the output wants to know nothing; the webhooks are served all the same.
                let _ = std::io::stdout().write_all(&text);
            }
        })
    }

    /// To that function.
    pub fn new(write: impl Fn(&Line) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    pub(crate) fn write(&self, at: Timestamp, entry: Entry) {
        let level = entry.level();
        (self.0)(&Line { at, level, entry });
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}
