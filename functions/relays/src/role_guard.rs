//! Customers' roles, looked at before they are believed: one that lets in whoever has heard of it is refused.

use queues::{AssumeError, ExternalId, Opener, Opening, Roles};
use web::{Problem, ProblemCode};
use wire::relay::RoleArn;

/// After how many seconds to come back when STS does not answer.
const RETRY_SECONDS: u32 = 5;

/// Tries customers' roles as somebody would who does not know their ExternalId.
#[derive(Debug, Clone)]
pub struct RoleGuard(Option<Roles>);

impl RoleGuard {
    /// Reads what Lambda sets. Nothing is connected to before the first role is tried.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// The same, from elsewhere than the environment.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        Ok(Self::new(Opener::of_function(lookup)?.roles().clone()))
    }

    /// With that STS.
    pub fn new(roles: Roles) -> Self {
        Self(Some(roles))
    }

    /// Without any STS, for one machine: then no relay can name a role.
    pub fn off() -> Self {
        Self(None)
    }

    /// Refuses a role that can be assumed without an ExternalId, or with that `wrong` one.
    ///
    /// # Errors
    /// 400 if it can, 409 if there is no STS to ask, 503 if it does not answer.
    pub(crate) async fn check(&self, role: &RoleArn, wrong: &ExternalId) -> Result<(), Problem> {
        let Some(roles) = &self.0 else {
            return Err(Problem::conflict(
                ProblemCode::NotConfigured,
                "this control plane is not on AWS and assumes no roles; leave out `role_arn`",
            ));
        };
        let how = match roles.opening(role, wrong).await {
            Ok(None) => return Ok(()),
            Ok(Some(Opening::Without)) => "without an ExternalId",
            Ok(Some(Opening::Wrong)) => "with a wrong ExternalId",
            Err(error @ (AssumeError::Unreachable(_) | AssumeError::Denied(_))) => {
                tracing::warn!(%error, "a role was not tried");
                return Err(Problem::busy(RETRY_SECONDS));
            }
        };
        let detail = format!(
            "the role could be assumed {how}: its trust policy must have the condition \
             `\"StringEquals\": {{\"sts:ExternalId\": …}}`"
        );
        Err(Problem::new(ProblemCode::RoleOpen, detail))
    }
}
