//! The identity providers: who somebody is, as they say.

mod github;
mod google;

pub(crate) use github::GitHub;
pub(crate) use google::Google;

use crate::attempts::Attempts;
use crate::pre_login::PreLogin;
use oidc::{CallError, RETRY_SECONDS};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Identity;
use web::{Problem, ProblemCode};
use wire::{ShortText, Timestamp};

/// A provider that we know how to speak with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProviderName {
    GitHub,
    Google,
}

impl ProviderName {
    const ALL: [Self; 2] = [Self::GitHub, Self::Google];

    /// The name as it stands in a path.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Google => "google",
        }
    }

    /// The provider of that name, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str().eq_ignore_ascii_case(text))
    }
}

/// The providers that people can sign in with here.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    pub(crate) github: Option<Arc<GitHub>>,
    pub(crate) google: Option<Arc<Google>>,
    /// What tools have tried of late.
    pub(crate) attempts: Attempts,
}

impl SignIn {
    /// No providers: whoever wants to sign in is told that there is none of that name.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same, with the people of each provider under a name of its own instead of that of its host: for providers whose
    /// address changes.
    pub fn known_as(mut self, github: &str, google: &str) -> Self {
        if let Some(provider) = &mut self.github {
            github.clone_into(&mut Arc::make_mut(provider).known_as);
        }
        if let Some(provider) = &mut self.google {
            google.clone_into(&mut Arc::make_mut(provider).known_as);
        }
        self
    }

    /// The provider of that name.
    ///
    /// # Errors
    /// 404 if there is none, or if nobody can sign in with it here.
    pub(crate) fn provider(&self, name: &str) -> Result<Provider<'_>, Problem> {
        let found = match ProviderName::parse(name) {
            Some(ProviderName::GitHub) => self.github.as_deref().map(Provider::GitHub),
            Some(ProviderName::Google) => self.google.as_deref().map(Provider::Google),
            None => None,
        };
        found.ok_or_else(|| Problem::not_found("provider"))
    }
}

/// A provider that people can sign in with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Provider<'a> {
    GitHub(&'a GitHub),
    Google(&'a Google),
}

/// Somebody, as a provider knows them.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    pub(crate) display_name: ShortText,
}

/// What a browser comes back with from a provider.
#[derive(Debug)]
pub(crate) struct CameBack<'a> {
    pub(crate) code: &'a SecretString,
    pub(crate) verifier: &'a SecretString,
    pub(crate) redirect_uri: &'a str,
    pub(crate) nonce: &'a str,
}

impl Provider<'_> {
    pub(crate) fn name(self) -> ProviderName {
        match self {
            Self::GitHub(_) => ProviderName::GitHub,
            Self::Google(_) => ProviderName::Google,
        }
    }

    /// Where a browser is sent, to come back to `redirect_uri`.
    pub(crate) fn authorise_url(self, login: &PreLogin, redirect_uri: &str) -> String {
        match self {
            Self::GitHub(github) => github.authorise_url(login, redirect_uri),
            Self::Google(google) => google.authorise_url(login, redirect_uri),
        }
    }

    /// Who has come back with the code. What the provider gives for it is used once, and dropped.
    pub(crate) async fn exchange(
        self,
        back: &CameBack<'_>,
        now: Timestamp,
    ) -> Result<Known, SignInError> {
        match self {
            Self::GitHub(github) => github.exchange(back, now).await,
            Self::Google(google) => google.exchange(back, now).await,
        }
    }

    /// Whether this provider issues tokens that look like that.
    pub(crate) fn may_have_issued(self, token: &SecretString) -> bool {
        match self {
            Self::GitHub(_) => GitHub::is_token(token.expose_secret()),
            Self::Google(_) => Google::is_token(token.expose_secret()),
        }
    }

    /// Whose access token it is, if it was issued to our application. A token of another application would let that
    /// application in as everybody who ever signed in there.
    pub(crate) async fn whose_token(
        self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Known, SignInError> {
        match self {
            Self::GitHub(github) => github.whose_token(token, now).await,
            Self::Google(google) => google.whose_token(token, now).await,
        }
    }
}

/// Why nobody was signed in. The texts are for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInError {
    /// What was shown is not good.
    #[error("{0}")]
    Refused(String),
    /// The provider cannot be asked, or does not take us for who we are. Nothing is known of what was shown.
    #[error("{0}")]
    Unavailable(String),
    /// What the provider knows us by cannot be read now. It was not asked, and a code that somebody came with is not used up.
    #[error(transparent)]
    NoSecret(#[from] secrets::Unavailable),
}

impl SignInError {
    pub(crate) fn refused(why: impl std::fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }

    /// What a failed call says, where a provider that answers `ours` of its statuses refuses us and not what was shown.
    fn of_call(error: CallError, ours: &[u16]) -> Self {
        match error {
            CallError::Unavailable(why) => Self::Unavailable(why),
            CallError::Refused(why) => {
                tracing::error!(why, "the address of a provider is none that is called");
                Self::Unavailable(why)
            }
            CallError::Rejected { status, error } => {
                let error = error.unwrap_or_default();
                let why = format!("the provider answered {status} {error}");
                if ours.contains(&status) || is_our_fault(&error) {
                    tracing::error!(
                        why,
                        "a provider refuses us, and not what somebody came with"
                    );
                    return Self::Unavailable(why);
                }
                Self::Refused(why)
            }
        }
    }
}

/// Whether an OAuth error says that the configuration is wrong, and not what somebody came with.
fn is_our_fault(error: &str) -> bool {
    const OURS: [&str; 6] = [
        "incorrect_client_credentials",
        "invalid_client",
        "redirect_uri_mismatch",
        "unauthorized_client",
        "unsupported_grant_type",
        "application_suspended",
    ];
    OURS.contains(&error)
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused(why) => {
                tracing::info!(why, "a sign-in was refused");
                refused()
            }
            SignInError::Unavailable(why) => {
                tracing::warn!(why, "a provider cannot be asked");
                Self::new(
                    ProblemCode::ProviderUnavailable,
                    "the identity provider does not answer; nobody was signed in",
                )
                .retry_after(RETRY_SECONDS)
            }
            SignInError::NoSecret(error) => {
                tracing::warn!(%error, "a provider cannot be asked");
                Self::busy(secrets::RETRY_SECONDS)
            }
        }
    }
}

/// 401. The same whatever was wrong with a sign-in.
pub(crate) fn refused() -> Problem {
    Problem::new(
        ProblemCode::Unauthenticated,
        "the sign-in was refused; begin it anew",
    )
}

/// The first of the names that can be shown, shortened to what a name may have.
fn display_name(candidates: &[Option<&str>]) -> Option<ShortText> {
    const MOST: usize = 200;
    candidates.iter().flatten().find_map(|name| {
        let short: String = name.trim().chars().take(MOST).collect();
        ShortText::parse(&short).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_hide_something_is_not_shown() {
        let name = |candidates: &[Option<&str>]| {
            display_name(candidates).map(|name| name.as_str().to_owned())
        };
        assert_eq!(name(&[None, Some(" Ada ")]).as_deref(), Some("Ada"));
        assert_eq!(
            name(&[Some("\u{202e}evil"), Some("ada")]).as_deref(),
            Some("ada")
        );
        assert_eq!(name(&[Some("a\r\nb"), Some("")]), None);
        let long = "x".repeat(500);
        assert_eq!(name(&[Some(&long)]).map(|name| name.len()), Some(200));
    }

    #[test]
    fn a_fault_of_ours_is_not_said_to_be_the_callers() {
        let rejected = |status, error: &str| CallError::Rejected {
            status,
            error: Some(error.to_owned()),
        };
        let is_refused = |error| matches!(error, SignInError::Refused(_));
        assert!(is_refused(SignInError::of_call(
            rejected(400, "invalid_grant"),
            &[]
        )));
        assert!(is_refused(SignInError::of_call(rejected(404, ""), &[401])));
        assert!(!is_refused(SignInError::of_call(rejected(401, ""), &[401])));
        assert!(!is_refused(SignInError::of_call(
            rejected(401, "invalid_client"),
            &[]
        )));
        let out_of_reach = CallError::Unavailable("no route".to_owned());
        assert!(!is_refused(SignInError::of_call(out_of_reach, &[])));
    }
}
