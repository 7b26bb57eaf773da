//! What a relay in the customer's account and the control plane say to each other, and what goes over the customer's queues
//! between them.

mod api;
mod decision;
mod envelope;
mod event;
mod federation;
mod routing;

pub use api::{
    CreateRelayRequest, EnrolRelayRequest, EnrolRelayResponse, QueueReference,
    RelayHeartbeatRequest, RelayHeartbeatResponse, RelayName, RoleArn, VaultReference,
};
pub use decision::{DECISION_SUBJECT, Decision};
pub use envelope::{Envelope, MAX_MESSAGE_BYTES, signed_bytes};
pub use event::{
    Branch, Commitment, EventMetadata, Label, Login, MAX_PATH_CLASSES, RelayEvent, RelayInstance,
    RepositoryName,
};
pub use federation::{EntraId, Federation, ServiceAccount, WorkloadProvider};
pub use routing::{
    MAX_RULES, MAX_TOOLS, Pattern, RoutingAction, RoutingCondition, RoutingDocument, RoutingRule,
};
