//! How the agent proves who it is when it registers.
//!
//! A proof is a key, an enrolment token, or a token that the platform makes for this very workload. The last two are good
//! for one registration each, so what was sent before is remembered, and a platform that hands out the same token again is
//! asked until it has another.

mod aws;
mod aws_credentials;
mod azure;
mod file;
mod gcp;
mod github;
mod http;

use crate::cli::Environment;
use crate::sync::lock;
use http::Http;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::sync::Mutex;

/// The environment variable that holds a single-use enrolment token.
pub const ENROLMENT_VARIABLE: &str = "HYBRID_AGENT_ENROLMENT_TOKEN";

/// How often tokens that were never sent before may be refused before the agent believes it.
const MAX_REFUSALS: u32 = 3;

/// How an agent proves who it is.
#[derive(Debug, Clone)]
pub enum Identity {
    /// An agent key.
    Key(SecretString),
    /// An enrolment token, for one registration.
    Enrolment(SecretString),
    /// Tokens that the platform makes for this workload, each for one registration.
    Workload(Workload),
}

/// Where the tokens of a workload come from.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Whom the tokens are for: what a trust rule shows as its `audience`.
    pub audience: String,
    /// Who makes them.
    pub source: TokenSource,
    /// Where the platforms' own services are.
    pub addresses: MetadataAddresses,
    /// The process's environment, in which platforms leave what is needed to ask them.
    pub environment: Environment,
}

/// Who makes the tokens of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// AWS: `sts:GetWebIdentityToken`, with the credentials of the machine, task or environment.
    Aws,
    /// Google Cloud: the metadata server.
    Gcp,
    /// Azure: the instance metadata service.
    Azure,
    /// GitHub Actions.
    GitHub,
    /// A file that somebody else keeps fresh: Kubernetes, or any other. It is read anew each time.
    File(PathBuf),
}

/// Where platforms answer their own workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataAddresses {
    /// The metadata service of an AWS instance.
    pub aws_instance: String,
    /// The credentials service of an AWS container.
    pub aws_container: String,
    /// AWS STS; `None` for that of the region.
    pub aws_sts: Option<String>,
    /// Google Cloud's metadata server.
    pub gcp: String,
    /// Azure's instance metadata service.
    pub azure: String,
}

impl Default for MetadataAddresses {
    fn default() -> Self {
        Self {
            aws_instance: "http://169.254.169.254".to_owned(),
            aws_container: "http://169.254.170.2".to_owned(),
            aws_sts: None,
            gcp: "http://metadata.google.internal".to_owned(),
            azure: "http://169.254.169.254".to_owned(),
        }
    }
}

impl Identity {
    /// The variables by which anybody could prove the same: jobs must not have them.
    pub(crate) fn variables(&self) -> &'static [&'static str] {
        match self {
            Self::Workload(Workload {
                source: TokenSource::GitHub,
                ..
            }) => &[github::ADDRESS, github::BEARER],
            Self::Key(_) | Self::Enrolment(_) | Self::Workload(_) => &[],
        }
    }

    /// The secret that does not change, if there is one: jobs must not print it.
    pub(crate) fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Key(secret) | Self::Enrolment(secret) => Some(secret),
            Self::Workload(_) => None,
        }
    }
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoProof {
    /// Not now. The text says what is missing; another try may go better.
    Yet(String),
    /// There will never be another: the enrolment token is used up.
    Any,
}

/// What to make of a refusal (401) of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another proof may be accepted.
    TryAnother,
    /// It will not be granted however often it is asked for.
    Final,
}

/// Hands out proofs, and remembers which are spent.
pub(crate) struct Prover {
    identity: Identity,
    http: Http,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The single-use proof that was sent last.
    sent: Option<SecretString>,
    /// Whether it can still be good: its last try was not answered.
    is_open: bool,
    /// How many proofs in a row were refused the first time they were sent.
    refusals: u32,
}

impl Prover {
    /// Nothing is asked for yet.
    ///
    /// # Errors
    /// The text says why no HTTP client can be made.
    pub(crate) fn new(identity: Identity) -> Result<Self, String> {
        let needs_tls = matches!(
            &identity,
            Identity::Workload(Workload {
                source: TokenSource::Aws | TokenSource::GitHub,
                ..
            })
        );
        Ok(Self {
            identity,
            http: Http::new(needs_tls)?,
            state: Mutex::default(),
        })
    }

    /// A proof to register with.
    pub(crate) async fn proof(&self) -> Result<SecretString, NoProof> {
        let proof = match &self.identity {
            Identity::Key(key) => return Ok(key.clone()),
            Identity::Enrolment(token) => token.clone(),
            Identity::Workload(workload) => self.token(workload).await.map_err(NoProof::Yet)?,
        };
        let mut state = lock(&self.state);
        if state.is_last(&proof) && !state.is_open {
            return Err(match &self.identity {
                Identity::Workload(_) => NoProof::Yet(
                    "the platform still hands out the token that was used before or refused; a token is good for one registration"
                        .to_owned(),
                ),
                Identity::Key(_) | Identity::Enrolment(_) => NoProof::Any,
            });
        }
        if !state.is_last(&proof) {
            state.sent = None;
        }
        Ok(proof)
    }

    async fn token(&self, workload: &Workload) -> Result<SecretString, String> {
        let token = match &workload.source {
            TokenSource::Aws => aws::token(&self.http, workload).await,
            TokenSource::Gcp => gcp::token(&self.http, workload).await,
            TokenSource::Azure => azure::token(&self.http, workload).await,
            TokenSource::GitHub => github::token(&self.http, workload).await,
            TokenSource::File(path) => file::token(path),
        }?;
        check_token(&token)
    }

    /// The proof was accepted.
    pub(crate) fn accepted(&self, proof: &SecretString) {
        let mut state = lock(&self.state);
        *state = State {
            sent: Some(proof.clone()),
            is_open: false,
            refusals: 0,
        };
    }

    /// Nobody knows whether the proof was accepted.
    pub(crate) fn unanswered(&self, proof: &SecretString) {
        let mut state = lock(&self.state);
        state.sent = Some(proof.clone());
        state.is_open = true;
    }

    /// The proof was refused.
    pub(crate) fn refused(&self, proof: &SecretString) -> Refusal {
        let mut state = lock(&self.state);
        let was_sent = state.is_last(proof);
        state.sent = Some(proof.clone());
        state.is_open = false;
        if !matches!(self.identity, Identity::Workload(_)) {
            return Refusal::Final;
        }
        // One that was sent before may have been taken then, though the answer was lost.
        if !was_sent {
            state.refusals += 1;
        }
        if state.refusals >= MAX_REFUSALS {
            Refusal::Final
        } else {
            Refusal::TryAnother
        }
    }

    /// Whether there is one proof alone, for one registration.
    pub(crate) fn is_single_use(&self) -> bool {
        matches!(self.identity, Identity::Enrolment(_))
    }
}

impl State {
    fn is_last(&self, proof: &SecretString) -> bool {
        self.sent
            .as_ref()
            .is_some_and(|sent| sent.expose_secret() == proof.expose_secret())
    }
}

/// The token without white space around it, if it looks like one. The text itself stays out of the message.
fn check_token(token: &SecretString) -> Result<SecretString, String> {
    const MAX_BYTES: usize = 16 * 1024;
    let text = token.expose_secret().trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.len() > MAX_BYTES || text.split('.').count() != 3 || !text.bytes().all(allowed) {
        return Err("what was handed out is no JSON Web Token".to_owned());
    }
    Ok(SecretString::from(text))
}

/// A variable of the environment that is set to something.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    let value = environment.get(std::ffi::OsStr::new(name))?.to_str()?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "identity/metadata_tests.rs"]
mod metadata_tests;
