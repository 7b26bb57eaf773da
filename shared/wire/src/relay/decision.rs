//! What the control plane sends back over the customer's decision queue.

use super::event::Label;
use crate::text::{EventId, RelayId};
use crate::{DecisionKind, Timestamp};
use serde::{Deserialize, Serialize};

/// The subject, or attribute, that marks a message on a decision queue as one of ours.
pub const DECISION_SUBJECT: &str = "hybrid-ci.decision";

/// What a routing rule decided about an event. It names the event and the rule, and repeats nothing of the event: whoever
/// receives it has the webhook. It may arrive twice, with the same `event_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The version of this form: 1.
    pub version: u32,
    /// The event.
    pub event_id: EventId,
    /// The relay that sent it.
    pub relay_id: RelayId,
    /// Whether something is to be done, or somebody is to know.
    pub kind: DecisionKind,
    /// To whom, or to what, in the customer's own word.
    pub target: Label,
    /// The rule, by its place among the rules of the tool, from 0.
    pub rule: u32,
    /// The version of the routing rules.
    pub routing_version: u64,
    /// When it was decided.
    pub decided_at: Timestamp,
}
