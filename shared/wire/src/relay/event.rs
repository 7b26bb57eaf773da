//! The metadata contract: everything that may be said of a webhook. A closed set of fields, each with a length and a
//! character set; what is not here does not reach the control plane.

use crate::check::{Check, Fault, check_no_credential, check_range};
use crate::text::{
    EventId, RelayId, ToolName, check_name, check_printable, checked_text, invalid,
    refuse_credentials,
};
use crate::{
    CommitSha, CommitmentAlgorithm, EventKind, GitRef, GitRepo, Invalid, Sha256Hex, Timestamp,
};
use serde::{Deserialize, Serialize};

checked_text! {
    /// The name of a repository, such as `example/shop`, or its pseudonym: 1 to 200 of `A-Z a-z 0-9 . _ - /`.
    RepositoryName, check_repository, { max_length = 200, example = "example/shop" }
}
checked_text! {
    /// The name of a branch or tag without `refs/…/`, or its pseudonym: 1 to 200 characters, as git allows them.
    Branch, check_branch, { max_length = 200, example = "main" }
}
checked_text! {
    /// The account of whoever caused the event: 1 to 100 of `A-Z a-z 0-9 . _ - @ + [ ]`. Never a person's full name.
    Login, check_login, { max_length = 100, example = "octocat" }
}
checked_text! {
    /// A word of a tool or of the customer's own, such as `opened` or `staging`: 1 to 64 of `a-z 0-9 - _ .`.
    Label, check_label, { max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "opened" }
}
checked_text! {
    /// Which running relay numbered an event: 32 lower-case hexadecimal digits, made anew at each start.
    RelayInstance, check_instance, { pattern = "^[0-9a-f]{32}$" }
}

/// How many classes of changed paths an event may have.
pub const MAX_PATH_CLASSES: usize = 8;

fn check_repository(text: &str) -> Result<(), Invalid> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    if text.is_empty() || text.len() > 200 || !text.bytes().all(allowed) || text.contains("..") {
        return invalid("must be 1 to 200 of A-Z a-z 0-9 . _ - /, without `..`");
    }
    refuse_credentials(text)
}

fn check_branch(text: &str) -> Result<(), Invalid> {
    check_printable(text, 1, 200)?;
    GitRef::parse(text).map(|_| ())
}

fn check_label(text: &str) -> Result<(), Invalid> {
    check_name(text)?;
    refuse_credentials(text)
}

fn check_login(text: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'-' | b'@' | b'+' | b'[' | b']')
    };
    if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
        return invalid("must be 1 to 100 of A-Z a-z 0-9 . _ - @ + [ ]");
    }
    refuse_credentials(text)
}

fn check_instance(text: &str) -> Result<(), Invalid> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 32 && text.bytes().all(hex) {
        Ok(())
    } else {
        invalid("must be 32 lower-case hexadecimal digits")
    }
}

/// What a relay says of one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RelayEvent {
    /// The version of this contract: 1.
    pub version: u32,
    /// The relay.
    pub relay_id: RelayId,
    /// Which of the relay's processes this is.
    pub instance: RelayInstance,
    /// The number of this message of that process: 1, 2, 3, … A gap is a message that did not arrive.
    pub sequence: u64,
    /// When the relay put it on the queue.
    pub sent_at: Timestamp,
    /// What happened.
    pub event: EventMetadata,
}

/// What happened, as far as the control plane may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventMetadata {
    /// The id that the event is acted on once by. The same delivery has the same id, however often and wherever it arrives.
    pub event_id: EventId,
    /// The tool that sent the webhook.
    pub tool: ToolName,
    /// What kind of thing happened.
    pub event: EventKind,
    /// What exactly, in the tool's own word, such as `opened`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Label>,
    /// In which repository, or project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryName>,
    /// The address that an agent can clone it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_repo: Option<GitRepo>,
    /// The branch it happened on; of a pull request, the branch that is to be merged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Branch>,
    /// The tag that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Branch>,
    /// The commit that it happened to; of a pull request, its head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<CommitSha>,
    /// The account of whoever caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Login>,
    /// The number of the pull request, build or run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// How a build, run or alert stands, such as `success` or `firing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Label>,
    /// How grave an alert is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Label>,
    /// Which environment it is about, such as `staging`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Label>,
    /// Which classes of paths were changed, by the relay's own configuration: never the paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path_classes: Vec<Label>,
    /// When the webhook arrived at the relay.
    pub received_at: Timestamp,
    /// How many bytes its body had.
    pub body_bytes: u64,
    /// What the relay can later prove to have received.
    pub commitment: Commitment,
}

/// A commitment to the body of a webhook: it says nothing of the body, and fits no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Commitment {
    /// How it was made.
    pub algorithm: CommitmentAlgorithm,
    /// The digest.
    pub digest: Sha256Hex,
}

impl Check for RelayEvent {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_range(faults, "/version", self.version, (1, 1));
        check_range(faults, "/sequence", self.sequence, (1, u64::MAX >> 11));
        check_range(
            faults,
            "/event/path_classes",
            self.event.path_classes.len(),
            (0, MAX_PATH_CLASSES),
        );
        let event = &self.event;
        for (pointer, text) in [
            ("/event/action", event.action.as_ref().map(Label::as_str)),
            (
                "/event/repository",
                event.repository.as_ref().map(RepositoryName::as_str),
            ),
            (
                "/event/git_repo",
                event.git_repo.as_ref().map(GitRepo::as_str),
            ),
            ("/event/branch", event.branch.as_ref().map(Branch::as_str)),
            ("/event/tag", event.tag.as_ref().map(Branch::as_str)),
            ("/event/author", event.author.as_ref().map(Login::as_str)),
            ("/event/status", event.status.as_ref().map(Label::as_str)),
            (
                "/event/severity",
                event.severity.as_ref().map(Label::as_str),
            ),
            (
                "/event/environment",
                event.environment.as_ref().map(Label::as_str),
            ),
        ] {
            check_no_credential(faults, pointer, text);
        }
        for class in &event.path_classes {
            check_no_credential(faults, "/event/path_classes", Some(class.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::{Value, json};

    fn faults(field: &str, value: &Value) -> Vec<String> {
        let mut event = json!({
            "version": 1,
            "relay_id": "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE",
            "instance": "0".repeat(32),
            "sequence": 1,
            "sent_at": "2026-01-01T00:00:00.000Z",
            "event": {
                "event_id": "evt-01JAB3Z5K8Q4V6W7X9Y0ZABCDE",
                "tool": "github",
                "event": "PUSH",
                "received_at": "2026-01-01T00:00:00.000Z",
                "body_bytes": 1,
                "commitment": { "algorithm": "SHA256", "digest": "0".repeat(64) },
            },
        });
        event["event"][field] = value.clone();
        let event: RelayEvent = serde_json::from_value(event).unwrap();
        let mut faults = Vec::new();
        event.check(&mut faults);
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    /// As a relay that does not look at it, or makes it lower-case, would send it.
    #[test]
    fn no_field_of_an_event_may_look_like_a_credential() {
        let credential = "npm_q7m2zk9xv4bt6ny8rc3wd5q7m2zk9xv4bt6n";
        for field in [
            "action",
            "repository",
            "branch",
            "tag",
            "author",
            "status",
            "severity",
            "environment",
        ] {
            let pointer = format!("/event/{field}");
            assert_eq!(faults(field, &json!(credential)), [pointer], "{field}");
            assert!(faults(field, &json!("npm_update")).is_empty(), "{field}");
        }
        let address = json!(format!("https://git.example.com/a/{credential}.git"));
        assert_eq!(faults("git_repo", &address), ["/event/git_repo"]);
        let classes = json!(["docs", credential]);
        assert_eq!(faults("path_classes", &classes), ["/event/path_classes"]);
    }
}
