//! The agent: runs the jobs of one pool on a machine of the customer's.
//!
//! It claims jobs from the control plane, checks out the commit, runs the steps that the repository's own
//! [`.hybrid-ci.yml`](spec) names, and reports how that ended. Source code, secrets and logs stay on this machine: the
//! control plane is told exit codes, causes and times.
//!
//! [`run`] is the whole program but the command line, so that others can run an agent in a process of their own.

mod agent;
mod backoff;
mod checkout;
mod claim;
pub mod cli;
mod client;
mod config;
mod delivery;
mod directories;
mod environment;
mod error;
mod event;
mod git;
mod heartbeat;
mod holdings;
mod identity;
mod job;
mod job_log;
mod lease;
mod metrics;
mod outbox;
mod process;
mod redact;
mod session;
mod settings;
mod shutdown;
pub mod spec;
mod steps;
mod sync;
mod trace;

pub use agent::{Exit, run};
pub use config::{Config, DEFAULT_ENV_ALLOW, KEY_VARIABLE};
pub use error::Error;
pub use event::{Event, Observer};
pub use identity::{ENROLMENT_VARIABLE, Identity, MetadataAddresses, TokenSource, Workload};
pub use shutdown::{Shutdown, ShutdownHandle, shutdown};
pub use spec::{JobSpec, SPEC_FILE, SecretRef, Spec, SpecError, SpecFault, StepSpec};
