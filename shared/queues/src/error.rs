//! Why a queue did not do what it was asked to.

/// Named after what the caller is to do about it. The text is for the log: it may name the customer's account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It cannot be reached, or says to come back: try again later.
    #[error("the queue cannot be reached: {0}")]
    Unreachable(String),
    /// It does not let us in: the customer has to.
    #[error("the queue does not let us in: {0}")]
    Denied(String),
    /// There is no such queue.
    #[error("there is no such queue: {0}")]
    Missing(String),
    /// It refuses what it was given.
    #[error("the queue refuses the call: {0}")]
    Refused(String),
}

impl QueueError {
    /// One word for a metric, a log line, or a relay's state.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Denied(_) => "denied",
            Self::Missing(_) => "missing",
            Self::Refused(_) => "refused",
        }
    }
}
