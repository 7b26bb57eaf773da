//! The JSON that the control plane and the programs in the customer's account both speak.
//!
//! Requests refuse unknown fields, because a typo must not pass in silence. Answers tolerate them, because an agent may
//! be older than the control plane that answers it.

mod agent;
pub mod audit;
mod check;
mod enqueue;
mod git;
mod identity;
mod job;
mod problem;
pub mod relay;
mod text;
mod time;
mod vocabulary;

pub use agent::{
    AgentConfig, HeartbeatRequest, HeartbeatResponse, HeldJob, RegisterRequest, RegisterResponse,
};
pub use check::{Check, Fault, check_percent, check_range, check_tags};
pub use enqueue::{CreateJobRequest, EnqueueRequest, Sha256Hex, SpecRef};
pub use git::{CommitSha, GitAuthor, GitRef, GitRepo};
pub use identity::{
    ClaimMatch, ClaimName, ClaimValue, SIGNED_KEY_ID, SIGNED_NONCE, SIGNED_SIGNATURE,
    SIGNED_TIMESTAMP, SignedParts, agents_audience, azure_audience, tenant_of_audience,
};
pub use job::{
    ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse, Job, JobResponse, LogsUrl,
    StartRequest,
};
pub use problem::ProblemDetails;
pub use text::{
    AgentId, DeploymentId, EventId, Invalid, JobId, JobType, KeyName, PoolName, RelayId,
    ServiceName, ServiceVersion, SessionId, ShortText, Tags, TenantId, ToolName, UserId,
    looks_like_a_credential,
};
pub use time::Timestamp;
pub use vocabulary::{
    AgentStatus, Cause, CommitmentAlgorithm, DecisionKind, DeploymentStatus, Directive, EventKind,
    EventOutcome, JobStatus, Priority, QueueProvider, RelayHealth, Role, SigningAlgorithm,
    UnknownWord,
};
