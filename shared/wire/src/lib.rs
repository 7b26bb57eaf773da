//! The JSON that the control plane and the programs in the customer's account both speak.
//!
//! Requests refuse unknown fields, because a typo must not pass in silence. Answers tolerate them, because an agent may
//! be older than the control plane that answers it.

mod agent;
mod check;
mod enqueue;
mod git;
mod job;
mod problem;
mod text;
mod time;
mod vocabulary;

pub use agent::{
    AgentConfig, HeartbeatRequest, HeartbeatResponse, HeldJob, RegisterRequest, RegisterResponse,
};
pub use check::{Check, Fault, check_percent, check_range, check_tags};
pub use enqueue::{CreateJobRequest, EnqueueRequest, Sha256Hex, SpecRef};
pub use git::{CommitSha, GitAuthor, GitRef, GitRepo};
pub use job::{
    ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse, Job, JobResponse, LogsUrl,
    StartRequest,
};
pub use problem::ProblemDetails;
pub use text::{
    AgentId, DeploymentId, Invalid, JobId, JobType, PoolName, ServiceName, ServiceVersion,
    ShortText, Tags, TenantId,
};
pub use time::Timestamp;
pub use vocabulary::{
    AgentStatus, Cause, DeploymentStatus, Directive, JobStatus, Priority, UnknownWord,
};
