//! Why an agent ends before it was asked to.

use std::path::PathBuf;

/// Why an agent ends before it was asked to. Each says what to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used. Every fault is listed.
    #[error("the configuration has faults:\n  {}", .0.join("\n  "))]
    Config(Vec<String>),
    /// The control plane refuses the agent for good.
    #[error(
        "the control plane refuses to {what}: {reason}. Check that the key, or the trust rule, is meant for this pool and has \
         not been revoked, and that the URL is the control plane's"
    )]
    Refused {
        /// What was refused.
        what: &'static str,
        /// The status and what the control plane says.
        reason: String,
    },
    /// The enrolment token does not register this agent, or not again.
    #[error(
        "the enrolment token is refused: it is good for one registration, which it may have served though the answer was lost, \
         and for as long as it was made for. Make another (POST /api/agents/enrolment-tokens) and start the agent with it; for \
         agents that start again by themselves use a key or an identity of the platform"
    )]
    Enrolment,
    /// Somebody deregistered the agent.
    #[error("this agent was deregistered by somebody else; start it again to register it anew")]
    Terminated,
    /// A directory cannot be used.
    #[error("cannot use the directory {}: {source}. Make it writable for this user, or choose another", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Another agent uses a directory.
    #[error("another agent is using {}. Stop it, or give this one directories of its own with --directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The HTTP client cannot be made.
    #[error(
        "cannot make an HTTP client: {0}. For https:// the machine needs its certificates (package ca-certificates)"
    )]
    Client(String),
    /// The heartbeat's thread cannot be started, or ended by itself.
    #[error("the heartbeat's thread failed: {0}")]
    Heartbeat(String),
}
