//! The closed sets of words on the wire: UPPER_SNAKE_CASE in answers, any case in requests.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;

/// A word that is not in the set it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of {allowed}")]
pub struct UnknownWord {
    word: String,
    allowed: String,
}

macro_rules! vocabulary {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every word of the set, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        // By hand, because utoipa's derive shows the names of the variants where a macro has renamed them for serde.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let doc = concat!($($doc, "\n"),*).trim();
                let words = Self::ALL.iter().map(|word| word.as_str());
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some(doc))
                    .enum_values(Some(words))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|known| known.as_str().eq_ignore_ascii_case(word))
                    .ok_or_else(|| UnknownWord {
                        word: word.chars().take(40).collect(),
                        allowed: Self::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", "),
                    })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

vocabulary! {
    /// Where a job stands.
    JobStatus {
        /// Waits for an agent, or for its back-off to pass.
        Queued = "QUEUED",
        /// An agent has it and has 30 s to start it.
        Claimed = "CLAIMED",
        /// An agent runs it.
        Running = "RUNNING",
        /// It ended with exit code 0.
        Completed = "COMPLETED",
        /// It failed and had one attempt only.
        Failed = "FAILED",
        /// It failed, or was lost, as often as it may.
        DeadLettered = "DEAD_LETTERED",
        /// Somebody cancelled it.
        Cancelled = "CANCELLED",
    }
}

impl JobStatus {
    /// Whether a job in this status stays there unless a person retries it.
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::DeadLettered | Self::Cancelled => true,
            Self::Queued | Self::Claimed | Self::Running => false,
        }
    }
}

vocabulary! {
    /// How urgent a job is. Claims go strictly by priority, then by the time queued.
    Priority {
        /// Before everything else.
        Critical = "CRITICAL",
        /// Before normal work.
        High = "HIGH",
        /// The default.
        Normal = "NORMAL",
        /// When nothing else waits.
        Low = "LOW",
    }
}

vocabulary! {
    /// Why an attempt did not succeed.
    Cause {
        /// A step ended with an exit code other than 0. A failure.
        ExitCode = "EXIT_CODE",
        /// It ran longer than `timeout_seconds`. A failure.
        Timeout = "TIMEOUT",
        /// The agent could not run it: no such commit, no such job type, a malformed `.hybrid-ci.yml`. A failure.
        AgentError = "AGENT_ERROR",
        /// The agent was not heard of for a whole lease, or gave the job up. A loss.
        AgentLost = "AGENT_LOST",
        /// The agent claimed it and did not start it in time. A loss.
        NotStarted = "NOT_STARTED",
        /// The agent stopped it because somebody had asked for that.
        Cancelled = "CANCELLED",
    }
}

vocabulary! {
    /// What an agent is fit for, computed at the moment of asking.
    AgentStatus {
        /// Takes work.
        Healthy = "HEALTHY",
        /// Takes work, and is short of processor, memory or disk.
        Degraded = "DEGRADED",
        /// Finishes what it has and takes nothing more.
        Draining = "DRAINING",
        /// Takes nothing until it is set `HEALTHY` again.
        Paused = "PAUSED",
        /// Silent for a whole lease.
        Offline = "OFFLINE",
        /// Deregistered; it does not come back.
        Terminated = "TERMINATED",
    }
}

vocabulary! {
    /// What the control plane asks of an agent in the answer to its heartbeat.
    Directive {
        /// Take work.
        Run = "RUN",
        /// Finish what you have, take nothing more, then end.
        Drain = "DRAIN",
        /// Finish what you have and wait.
        Pause = "PAUSE",
    }
}

vocabulary! {
    /// Where a deployment stands.
    DeploymentStatus {
        /// Created, not on staging yet.
        Pending = "PENDING",
        /// On staging.
        Staged = "STAGED",
        /// In production.
        Live = "LIVE",
        /// Was in production until a later one took its place.
        Superseded = "SUPERSEDED",
        /// Was in production until it was rolled back.
        RolledBack = "ROLLED_BACK",
        /// Given up before production.
        Failed = "FAILED",
    }
}

vocabulary! {
    /// What a person is in an organisation. What each role may do is one table, in the documentation of access.
    Role {
        /// Everything, and alone may make, demote and remove owners. There is always one.
        Owner = "OWNER",
        /// Everything but what concerns owners.
        Admin = "ADMIN",
        /// Works with jobs and deployments.
        Developer = "DEVELOPER",
        /// Looks on.
        Viewer = "VIEWER",
        /// Looks on, and reads the record of who did what.
        Auditor = "AUDITOR",
    }
}

vocabulary! {
    /// How requests are signed with a signing key.
    SigningAlgorithm {
        /// Ed25519: we keep the public key alone.
        Ed25519 = "ED25519",
        /// HMAC with SHA-256: we keep the key itself, encrypted, because verifying needs it.
        HmacSha256 = "HMAC_SHA256",
    }
}

vocabulary! {
    /// What kind of thing a webhook tells of.
    EventKind {
        /// Commits were pushed to a branch.
        Push = "PUSH",
        /// A pull request, or merge request, changed.
        PullRequest = "PULL_REQUEST",
        /// A tag was made.
        Tag = "TAG",
        /// A release was made.
        Release = "RELEASE",
        /// A run of another CI system changed.
        WorkflowRun = "WORKFLOW_RUN",
        /// A build of another tool changed.
        Build = "BUILD",
        /// A run of an infrastructure tool changed.
        Run = "RUN",
        /// An alert fires or is over.
        Alert = "ALERT",
        /// Something else, of the customer's own.
        Custom = "CUSTOM",
    }
}

vocabulary! {
    /// How a relay commits to the body of a webhook.
    CommitmentAlgorithm {
        /// SHA-256 of the body. Whoever can guess the body can tell.
        Sha256 = "SHA256",
        /// HMAC with SHA-256 under a key that the customer keeps: nobody else can tell.
        HmacSha256 = "HMAC_SHA256",
    }
}

vocabulary! {
    /// What a decision asks for.
    DecisionKind {
        /// Somebody is to know.
        Notify = "NOTIFY",
        /// Something is to be done.
        Decide = "DECIDE",
    }
}

vocabulary! {
    /// Whose queue it is.
    QueueProvider {
        /// Amazon SQS.
        AwsSqs = "AWS_SQS",
        /// Azure Service Bus.
        AzureServiceBus = "AZURE_SERVICE_BUS",
        /// Google Cloud Pub/Sub.
        GcpPubsub = "GCP_PUBSUB",
        /// A queue in the process of `hybrid-local`. No function knows it.
        Local = "LOCAL",
    }
}

vocabulary! {
    /// How a relay stands, computed at the moment of asking.
    RelayHealth {
        /// Not heard of yet.
        Pending = "PENDING",
        /// Heard of, and everything it needs works.
        Healthy = "HEALTHY",
        /// Heard of, and its queue or its vault does not work, or the control plane cannot read the queue.
        Degraded = "DEGRADED",
        /// Silent for longer than three heartbeats.
        Offline = "OFFLINE",
    }
}

vocabulary! {
    /// What became of an event.
    EventOutcome {
        /// A job was put in line.
        Enqueued = "ENQUEUED",
        /// A decision was sent.
        Decided = "DECIDED",
        /// Somebody was told.
        Notified = "NOTIFIED",
        /// A rule said to ignore it.
        Ignored = "IGNORED",
        /// No rule was for it.
        Unmatched = "UNMATCHED",
        /// It could not be acted on.
        Refused = "REFUSED",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn input_is_accepted_in_any_case_and_output_is_upper_snake_case() {
        let status: JobStatus = serde_json::from_str("\"dead_Lettered\"").unwrap();
        assert_eq!(status, JobStatus::DeadLettered);
        assert_eq!(serde_json::to_string(&status).unwrap(), "\"DEAD_LETTERED\"");
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_words_that_are_known() {
        let error = "URGENT".parse::<Priority>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`URGENT` is not one of CRITICAL, HIGH, NORMAL, LOW"
        );
    }
}
