//! Relays as callers see them.

use domain::relay::{Heard, Polled, Relay};
use serde::Serialize;
use utoipa::ToSchema;
use wire::relay::{Federation, Label, QueueReference, RelayName, RoleArn, VaultReference};
use wire::{KeyName, RelayHealth, RelayId, Timestamp};

/// A relay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Relay)]
pub(crate) struct RelayView {
    /// Its id.
    relay_id: RelayId,
    /// What people call it.
    name: RelayName,
    /// How it stands now.
    health: RelayHealth,
    /// The queue that it puts events on.
    inbound_queue: QueueReference,
    /// The queue that decisions are sent to.
    decision_queue: Option<QueueReference>,
    /// The queue that messages go to which are not believed.
    dead_letter_queue: Option<QueueReference>,
    /// The role that the control plane assumes to reach them.
    role_arn: Option<RoleArn>,
    /// Who the control plane is in the customer's cloud, if that is not AWS.
    federation: Option<Federation>,
    /// What the role's trust policy must ask for as `sts:ExternalId`, and a federation as the audience. It is no secret, and
    /// never changes.
    external_id: String,
    /// Where it finds the secrets of its webhooks.
    vault: Option<VaultReference>,
    /// Who set it up.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// The key that it signs with; none before it has brought one.
    current_key: Option<KeyName>,
    /// What it signed with before, while that is good.
    previous_key: Option<KeyName>,
    /// Until when that is.
    previous_key_until: Option<Timestamp>,
    /// What it last said of itself.
    heartbeat: Option<HeartbeatView>,
    /// How its queue was last read, if the control plane reads it.
    poll: Option<PollView>,
}

/// What a relay said of itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RelayHeartbeat)]
struct HeartbeatView {
    /// When.
    at: Timestamp,
    /// Its version.
    version: Label,
    /// Whether its queue takes messages.
    queue_reachable: bool,
    /// Whether its vault gives the secrets.
    vault_reachable: bool,
    /// How many messages it has sent since it was started.
    sent: u64,
    /// How many webhooks it has refused since then.
    refused: u64,
    /// How many of those it had seen before.
    duplicates: u64,
    /// How many messages wait on its queue, if that says so.
    queue_depth: Option<u64>,
}

/// How a relay's queue was read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RelayPoll)]
struct PollView {
    /// When.
    at: Timestamp,
    /// Why it could not be, in a word; null if it could.
    failure: Option<String>,
}

/// An answer with one relay.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelayResponse {
    /// The relay.
    pub(crate) relay: RelayView,
}

impl From<&Heard> for HeartbeatView {
    fn from(heard: &Heard) -> Self {
        Self {
            at: heard.at,
            version: heard.version.clone(),
            queue_reachable: heard.queue_reachable,
            vault_reachable: heard.vault_reachable,
            sent: heard.sent,
            refused: heard.refused,
            duplicates: heard.duplicates,
            queue_depth: heard.queue_depth,
        }
    }
}

impl From<&Polled> for PollView {
    fn from(polled: &Polled) -> Self {
        Self {
            at: polled.at,
            failure: polled.failure.clone(),
        }
    }
}

/// A relay as it stands at that moment.
pub(crate) fn relay(relay: &Relay, now: Timestamp) -> RelayView {
    let previous = relay.previous_key.as_ref();
    let previous = previous.filter(|(_, until)| now < *until);
    RelayView {
        relay_id: relay.relay_id.clone(),
        name: relay.name.clone(),
        health: relay.health(now),
        inbound_queue: relay.inbound_queue.clone(),
        decision_queue: relay.decision_queue.clone(),
        dead_letter_queue: relay.dead_letter_queue.clone(),
        role_arn: relay.role_arn.clone(),
        federation: relay.federation.clone(),
        external_id: relay.external_id.clone(),
        vault: relay.vault.clone(),
        created_by: relay.created_by.clone(),
        created_at: relay.created_at,
        current_key: relay.current_key.clone(),
        previous_key: previous.map(|(key, _)| key.clone()),
        previous_key_until: previous.map(|(_, until)| *until),
        heartbeat: relay.heard.as_ref().map(HeartbeatView::from),
        poll: relay.polled.as_ref().map(PollView::from),
    }
}
