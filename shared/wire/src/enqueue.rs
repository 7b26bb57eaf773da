//! What somebody asks to have run.

use crate::check::{Check, Fault, check_no_credential, check_range, check_tags};
use crate::text::{
    Invalid, JobType, PoolName, Tags, check_printable, checked_text, invalid, refuse_credentials,
};
use crate::{CommitSha, GitAuthor, GitRef, GitRepo, Priority};
use serde::{Deserialize, Serialize};

checked_text! {
    /// A reference to a specification that the customer keeps: 1 to 256 printable ASCII characters without spaces.
    SpecRef, check_spec_ref, { max_length = 256, example = "s3://ci-specs/build.json" }
}
checked_text! {
    /// A SHA-256 in lower-case hexadecimal.
    Sha256Hex, check_sha256, { pattern = "^[0-9a-f]{64}$" }
}

impl Sha256Hex {
    /// The text of a digest.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from(DIGITS[usize::from(digit)]));
        Self(digits.collect())
    }
}

fn check_spec_ref(text: &str) -> Result<(), Invalid> {
    check_printable(text, 1, 256)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid("must be printable ASCII without spaces");
    }
    refuse_credentials(text)
}

fn check_sha256(text: &str) -> Result<(), Invalid> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 64 && text.bytes().all(hex) {
        Ok(())
    } else {
        invalid("must be 64 lower-case hexadecimal digits")
    }
}

const fn normal() -> Priority {
    Priority::Normal
}

const fn an_hour() -> u32 {
    3600
}

const fn three() -> u32 {
    3
}

macro_rules! new_job {
    ($(#[$doc:meta])* $name:ident { $(#[$pool:meta])* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name {
            /// Which job of `.hybrid-ci.yml` to run.
            pub job_type: JobType,
            $(#[$pool])*
            pub pool_name: PoolName,
            /// How urgent it is.
            #[serde(default = "normal")]
            #[cfg_attr(feature = "openapi", schema(default = "NORMAL"))]
            pub priority: Priority,
            /// The repository.
            pub git_repo: GitRepo,
            /// The branch or tag the commit was taken from.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub git_ref: Option<GitRef>,
            /// The commit to check out.
            pub git_commit_sha: CommitSha,
            /// The commit's author.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub git_author: Option<GitAuthor>,
            /// Labels of your own: up to 16, 512 bytes in all.
            #[serde(default, skip_serializing_if = "Tags::is_empty")]
            #[cfg_attr(feature = "openapi", schema(inline))]
            pub tags: Tags,
            /// A reference to a specification that you keep.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub spec_ref: Option<SpecRef>,
            /// The SHA-256 of that specification.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub spec_sha256: Option<Sha256Hex>,
            /// How long an attempt may run, from its start.
            #[serde(default = "an_hour")]
            #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 86_400, default = 3600))]
            pub timeout_seconds: u32,
            /// How many failures end the job.
            #[serde(default = "three")]
            #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10, default = 3))]
            pub max_attempts: u32,
        }

        impl Check for $name {
            fn check(&self, faults: &mut Vec<Fault>) {
                check_tags(faults, "/tags", &self.tags);
                for (key, value) in &self.tags {
                    check_no_credential(faults, "/tags", Some(key));
                    check_no_credential(faults, "/tags", Some(value));
                }
                let git_ref = self.git_ref.as_ref().map(GitRef::as_str);
                let git_author = self.git_author.as_ref().map(GitAuthor::as_str);
                let spec_ref = self.spec_ref.as_ref().map(SpecRef::as_str);
                check_no_credential(faults, "/git_repo", Some(self.git_repo.as_str()));
                check_no_credential(faults, "/git_ref", git_ref);
                check_no_credential(faults, "/git_author", git_author);
                check_no_credential(faults, "/spec_ref", spec_ref);
                check_range(faults, "/timeout_seconds", self.timeout_seconds, (1, 86_400));
                check_range(faults, "/max_attempts", self.max_attempts, (1, 10));
            }
        }
    };
}

new_job! {
    /// A job to be put in line.
    EnqueueRequest {
        /// The pool whose agents may run it. It is created on first use.
    }
}

new_job! {
    /// A job to be put in line, as the dashboard takes it: the pool need not be named.
    CreateJobRequest {
        /// The pool whose agents may run it. It is created on first use.
        #[serde(default = "PoolName::default_pool")]
        #[cfg_attr(feature = "openapi", schema(default = "default"))]
    }
}

impl From<CreateJobRequest> for EnqueueRequest {
    fn from(request: CreateJobRequest) -> Self {
        Self {
            job_type: request.job_type,
            pool_name: request.pool_name,
            priority: request.priority,
            git_repo: request.git_repo,
            git_ref: request.git_ref,
            git_commit_sha: request.git_commit_sha,
            git_author: request.git_author,
            tags: request.tags,
            spec_ref: request.spec_ref,
            spec_sha256: request.spec_sha256,
            timeout_seconds: request.timeout_seconds,
            max_attempts: request.max_attempts,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::json;

    #[test]
    fn no_text_of_a_new_job_may_look_like_a_credential() {
        let credential = "npm_Q7m2Zk9Xv4Bt6Ny8Rc3Wd5Q7m2Zk9Xv4Bt6N";
        for (field, pointer, value) in [
            (
                "git_repo",
                "/git_repo",
                json!(format!("https://git.example.com/{credential}")),
            ),
            ("git_ref", "/git_ref", json!(credential)),
            ("git_author", "/git_author", json!(credential)),
            ("spec_ref", "/spec_ref", json!(credential)),
            ("tags", "/tags", json!({ "token": credential })),
            ("tags", "/tags", json!({ credential.to_lowercase(): "" })),
        ] {
            let mut job: serde_json::Value = serde_json::from_str(LEAST).unwrap();
            job[field] = value;
            let job: CreateJobRequest = serde_json::from_value(job).unwrap();
            let mut faults = Vec::new();
            job.check(&mut faults);
            let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(pointers, [pointer], "{field}");
        }
    }

    const LEAST: &str = r#"{"job_type":"build","git_repo":"https://git.example.com/a",
        "git_commit_sha":"4b825dc642cb6eb9a060e54bf8d69288fbee4904"}"#;

    #[test]
    fn what_is_left_out_has_a_default() {
        let request: CreateJobRequest = serde_json::from_str(LEAST).unwrap();
        assert_eq!(request.pool_name.as_str(), "default");
        assert_eq!(PoolName::parse("default").unwrap(), request.pool_name);
        assert_eq!((request.timeout_seconds, request.max_attempts), (3600, 3));
        assert_eq!(request.priority, Priority::Normal);
        let refused = serde_json::from_str::<EnqueueRequest>(LEAST).unwrap_err();
        assert!(refused.to_string().contains("missing field `pool_name`"));
    }

    #[test]
    fn references_and_digests_are_checked() {
        for bad in ["", "a b", "s3://x/ghp_abc", "\u{202e}", &"x".repeat(257)] {
            assert!(SpecRef::parse(bad).is_err(), "{bad}");
        }
        assert!(SpecRef::parse("s3://ci-specs/build.json").is_ok());
        assert!(Sha256Hex::parse(&"0f".repeat(32)).is_ok());
        assert_eq!(Sha256Hex::from_digest([0x0f; 32]).as_str(), "0f".repeat(32));
        for bad in ["", "0F", &"0F".repeat(32), &"0".repeat(63)] {
            assert!(Sha256Hex::parse(bad).is_err(), "{bad}");
        }
    }
}
