//! The roles that customers grant us, assumed with the ExternalId that we gave them.

use crate::lazy::Lazy;
use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use wire::relay::RoleArn;

/// For how long a role is assumed, in seconds: the least that STS gives.
const SESSION_SECONDS: i32 = 900;

/// Credentials that end sooner than this are not used any more.
const MARGIN: Duration = Duration::from_mins(2);

/// How many roles' credentials a process keeps.
const MAX_KEPT: usize = 1_000;

/// What the customer's role must ask for, so that nobody who has heard of the role gets us to use it: `hcp-` and 32
/// hexadecimal digits, ours, and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    /// Made of 128 random bits.
    pub fn new(random: [u8; 16]) -> Self {
        use fmt::Write;
        let mut text = "hcp-".to_owned();
        for byte in random {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// One that was made before.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("hcp-")?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (digits.len() == 32 && digits.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a role lets in whoever does not know its ExternalId.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Without one.
    Without,
    /// With a wrong one.
    Wrong,
}

/// Why a role was not assumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssumeError {
    /// It does not let us: its trust policy, or ours, says no.
    #[error("the role does not let us in: {0}")]
    Denied(String),
    /// STS cannot be reached, or says to come back.
    #[error("STS cannot be reached: {0}")]
    Unreachable(String),
}

/// Roles, assumed when they are needed and kept until shortly before they end.
#[derive(Debug, Clone)]
pub struct Roles {
    client: Lazy<Client>,
    kept: Arc<Mutex<HashMap<(RoleArn, ExternalId), Credentials>>>,
}

impl Roles {
    /// With a client of STS.
    pub fn new(client: Client) -> Self {
        Self::lazy(Lazy::ready(client))
    }

    pub(crate) fn lazy(client: Lazy<Client>) -> Self {
        Self {
            client,
            kept: Arc::default(),
        }
    }

    /// The role's credentials, for at least two minutes more. `now` is what the time is here.
    ///
    /// # Errors
    /// [`AssumeError`].
    pub async fn assume(
        &self,
        role: &RoleArn,
        external_id: &ExternalId,
        now: SystemTime,
    ) -> Result<Credentials, AssumeError> {
        let key = (role.clone(), external_id.clone());
        if let Some(known) = self.known(&key, now) {
            return Ok(known);
        }
        let credentials = self.call(role, Some(external_id)).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, credentials| is_good(credentials, now));
        if kept.len() < MAX_KEPT {
            kept.insert(key, credentials.clone());
        }
        Ok(credentials)
    }

    /// How the role lets in whoever does not know the ExternalId, if it does: without one, or with that `wrong` one.
    ///
    /// # Errors
    /// [`AssumeError::Unreachable`]; nothing is known then.
    pub async fn opening(
        &self,
        role: &RoleArn,
        wrong: &ExternalId,
    ) -> Result<Option<Opening>, AssumeError> {
        for (external_id, opening) in [(None, Opening::Without), (Some(wrong), Opening::Wrong)] {
            match self.call(role, external_id).await {
                Ok(_) => return Ok(Some(opening)),
                Err(AssumeError::Denied(_)) => {}
                Err(error @ AssumeError::Unreachable(_)) => return Err(error),
            }
        }
        Ok(None)
    }

    fn known(&self, key: &(RoleArn, ExternalId), now: SystemTime) -> Option<Credentials> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(key)?;
        is_good(known, now).then(|| known.clone())
    }

    async fn call(
        &self,
        role: &RoleArn,
        external_id: Option<&ExternalId>,
    ) -> Result<Credentials, AssumeError> {
        let answer = self
            .client
            .get()
            .assume_role()
            .role_arn(role.as_str())
            .role_session_name("hybrid-ci")
            .duration_seconds(SESSION_SECONDS)
            .set_external_id(external_id.map(|id| id.as_str().to_owned()))
            .send()
            .await
            .map_err(|error| error_of(&error))?;
        let Some(given) = answer.credentials else {
            return Err(AssumeError::Unreachable("no credentials".to_owned()));
        };
        let ends = SystemTime::try_from(given.expiration)
            .map_err(|_| AssumeError::Unreachable("no end".to_owned()))?;
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(ends),
            "AssumeRole",
        ))
    }
}

fn is_good(credentials: &Credentials, now: SystemTime) -> bool {
    credentials.expiry().is_some_and(|ends| ends > now + MARGIN)
}

/// Only an answer of STS that says no is a no: a region that is off, or a time-out, says nothing of the role.
fn error_of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> AssumeError {
    let code = error.as_service_error().and_then(|service| service.code());
    match code {
        Some(code @ ("AccessDenied" | "AccessDeniedException")) => {
            AssumeError::Denied(code.to_owned())
        }
        Some(code) => AssumeError::Unreachable(code.to_owned()),
        None => AssumeError::Unreachable("no answer".to_owned()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_is_ours_alone() {
        let id = ExternalId::new([0xab; 16]);
        assert_eq!(id.as_str(), format!("hcp-{}", "ab".repeat(16)));
        assert_eq!(ExternalId::parse(id.as_str()).unwrap(), id);
        for bad in ["", "hcp-", "hcp-AB", "customer-chosen", &"0".repeat(36)] {
            assert_eq!(ExternalId::parse(bad), None, "{bad}");
        }
    }
}
