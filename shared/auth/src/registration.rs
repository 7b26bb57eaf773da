//! Who registers an agent: by an agent key, a single-use enrolment token, a token of the workload's own issuer, or a signed
//! request. Whatever is wrong with any of them, the answer is the same.

use crate::caller::{Caller, KeyCaller, known_caller};
use crate::cookie::{Brought, SESSION, brought};
use crate::guard::{Denied, Guard, authenticate, bearer, enter, go_on};
use crate::signed_request::{Signed, Unsigned, is_signed};
use crate::{Api, KeyEncryption, OrProblem, Principal, Token, workload};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use oidc::{KeyFetcher, Network};
use secrets::{Lookup, Secret};
use std::sync::Arc;
use store::{CredentialKind, KeyId, Presented, Proof, Subject, TenantScope, UsedOnce, Verified};
use web::{BODY_LIMIT, Problem, ProblemCode};
use wire::{PoolName, Timestamp};

/// How agents may prove who they are besides by an agent key or an enrolment token.
#[derive(Debug, Clone)]
pub struct Identities {
    /// Where the keys of issuers come from.
    pub issuers: KeyFetcher,
    /// How the keys of HMAC signatures are kept.
    pub key_encryption: Secret<KeyEncryption>,
}

impl Identities {
    /// Reads the environment: `HMAC_KEY_ENCRYPTION_KEY` or `HMAC_KEY_ENCRYPTION_KEY_ARN` (optional). Issuers are those of the
    /// Internet.
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
    pub fn read(lookup: Lookup<'_>) -> Result<Self, Vec<String>> {
        let key_encryption = KeyEncryption::read(lookup)?;
        Ok(Self::new(Network::public(), key_encryption))
    }

    /// Issuers are those that the network leads to.
    pub fn new(network: Network, key_encryption: impl Into<Secret<KeyEncryption>>) -> Self {
        Self {
            issuers: KeyFetcher::new(network),
            key_encryption: key_encryption.into(),
        }
    }

    /// What opens a key that is stored encrypted. Another process may have encrypted it with a data key that is newer than
    /// what is known here, so whoever does not know that data key looks for it.
    async fn encryption_of(
        &self,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<Arc<KeyEncryption>, Problem> {
        let known = self.key_encryption.get(now).await.or_problem()?;
        if known.knows(sealed) {
            return Ok(known);
        }
        let newer = self.key_encryption.newer(&known, now).await.or_problem()?;
        Ok(newer.unwrap_or(known))
    }
}

/// One pool that somebody may register for, and the credential behind that.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) pool: PoolName,
    pub(crate) verified: Verified,
}

/// A proof that was verified for this request, and what it is good for.
#[derive(Debug, Clone)]
pub(crate) struct Proven {
    /// Never empty.
    candidates: Vec<Candidate>,
    proof: Proof,
    /// What the limits know the caller by.
    sha256: [u8; 32],
}

impl Proven {
    /// `None` if it is good for nothing.
    pub(crate) fn new(candidates: Vec<Candidate>, proof: Proof, sha256: [u8; 32]) -> Option<Self> {
        (!candidates.is_empty()).then_some(Self {
            candidates,
            proof,
            sha256,
        })
    }

    fn one(verified: Verified, proof: Proof, sha256: [u8; 32]) -> Option<Self> {
        let Subject::AgentKey { pool } = verified.subject.clone() else {
            return None;
        };
        Self::new(vec![Candidate { pool, verified }], proof, sha256)
    }
}

/// 401 for something that is good but for its time, which whoever made it may know: a machine whose clock is wrong is told
/// ours.
pub(crate) fn refused_for_time(why: &str, what: &str, now: Timestamp) -> Problem {
    tracing::info!(why, "a credential was refused");
    let detail = format!("{what} too far from the control plane's, which is {now}");
    Problem::new(ProblemCode::Unauthenticated, detail)
}

/// 401, and why in the log.
pub(crate) fn refused(why: &str) -> Problem {
    tracing::info!(why, "a credential was refused");
    Problem::unauthenticated()
}

/// As every route's guard, with more ways of proving who one is.
pub(crate) async fn guard_registration(
    State((guard, identities)): State<(Guard, Identities)>,
    request: Request,
    next: Next,
) -> Response {
    let admitted = async {
        let (caller, request) = identify(&guard, &identities, request).await?;
        enter(&guard, caller, request).await
    };
    // There are many ways, and each of them waits.
    let admitted = Box::pin(admitted).await;
    go_on(admitted, next).await
}

/// Who registers, and the request with what its handler needs to know of the proof.
async fn identify(
    guard: &Guard,
    identities: &Identities,
    request: Request,
) -> Result<(Caller, Request), Denied> {
    let (proven, mut request) = if is_signed(request.headers()) {
        let (proven, request) = signed(&guard.api, identities, request).await?;
        (Some(proven), request)
    } else {
        (
            borne(&guard.api, identities, request.headers()).await?,
            request,
        )
    };
    let Some(proven) = proven else {
        // An agent key, or somebody who may not register at all.
        let caller = authenticate(guard, request.method(), request.headers()).await?;
        return Ok((caller, request));
    };
    let Some(Candidate { verified, .. }) = proven.candidates.first() else {
        return Err(Problem::internal().into());
    };
    let presented = Presented {
        kind: CredentialKind::AgentKey,
        key_id: verified.key_id.clone(),
        secret_sha256: proven.sha256,
    };
    let api = &guard.api;
    if let Some(admission) = api.usage.refusal(&presented, api.now()) {
        return Err(Denied::OverLimit(admission));
    }
    // Before the request is counted, room is taken and an intent is put: who has seen a proof can send it as often as they
    // like, and it would be the tenant's limits that they use up.
    if let Proof::Once(used) = &proven.proof
        && api.store.was_used(used).await.or_problem()?
    {
        return Err(refused("used before").into());
    }
    let caller = Caller::new(verified.clone(), presented);
    request.extensions_mut().insert(proven);
    Ok((caller, request))
}

/// A proof that is borne like an agent key and is none.
async fn borne(
    api: &Api,
    identities: &Identities,
    headers: &HeaderMap,
) -> Result<Option<Proven>, Problem> {
    let Some(text) = bearer(headers) else {
        return Ok(None);
    };
    if workload::is_token(text) {
        only_credential(headers)?;
        return workload::prove(api, &identities.issuers, text)
            .await
            .map(Some);
    }
    let Ok(presented) = Token::parse(api.environment, text) else {
        return Ok(None);
    };
    if presented.kind != CredentialKind::Enrolment {
        return Ok(None);
    }
    only_credential(headers)?;
    let good = api.store.enrolment(&presented, api.now()).await;
    let good = good.or_problem()?;
    let proven =
        good.and_then(|verified| Proven::one(verified, Proof::Enrolment, presented.secret_sha256));
    match proven {
        Some(proven) => Ok(Some(proven)),
        None => Err(refused("an enrolment token that is not good")),
    }
}

/// A request with a person's session as well may not know as whom it acts.
pub(crate) fn only_credential(headers: &HeaderMap) -> Result<(), Problem> {
    match brought(headers, SESSION) {
        Brought::Nothing => Ok(()),
        Brought::One(_) | Brought::Unclear => Err(refused("with another one")),
    }
}

/// Verifies a signed request, whose body has to be read for that.
async fn signed(
    api: &Api,
    identities: &Identities,
    request: Request,
) -> Result<(Proven, Request), Problem> {
    let now = api.now();
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key(AUTHORIZATION) {
        return Err(refused("signed, and with a token"));
    }
    only_credential(&parts.headers)?;
    let signed = Signed::read(&parts, &api.origin, now).map_err(|why| match why {
        Unsigned::Time => {
            refused_for_time(&why.to_string(), "the request was signed at a time", now)
        }
        Unsigned::Malformed | Unsigned::Host => refused(&why.to_string()),
    })?;
    let body = to_bytes(body, BODY_LIMIT).await;
    let body = body.map_err(|_| Problem::too_large())?;
    let key = api.store.signing_key(&signed.key_id, now).await;
    let verified = match key.or_problem()? {
        Some(key) => {
            // What verifies with a public key needs no secret of ours, and is not kept waiting for it.
            let encryption = match key.sealed() {
                Some(sealed) => identities.encryption_of(sealed, now).await?,
                None => Arc::default(),
            };
            key.verify(|material, tenant| signed.is_by(material, tenant, &encryption, &body))
        }
        None => None,
    };
    let until = signed.good_until();
    let used = UsedOnce::nonce(&signed.key_id, &signed.nonce, until);
    let proven = verified.and_then(|verified| {
        let sha256 = used.sha256();
        Proven::one(verified, Proof::Once(used), sha256)
    });
    let proven = proven.ok_or_else(|| refused("not signed with a good key"))?;
    Ok((proven, Request::from_parts(parts, Body::from(body))))
}

/// Whoever may register an agent. Anybody else gets 403. What proves it was good a moment ago: a registration is on the
/// condition that it still is, and was not used before.
#[derive(Debug, Clone)]
pub struct Registrant {
    scope: TenantScope,
    /// What the registration is proven by.
    pub proof: Proof,
    pools: Vec<(PoolName, KeyId)>,
}

impl Registrant {
    /// The credential by which an agent of that pool may be registered.
    ///
    /// # Errors
    /// 403 if there is none: it is bound to another pool.
    pub fn key_for(&self, pool: &PoolName) -> Result<KeyCaller, Problem> {
        let mut pools = self.pools.iter();
        let Some((pool, key_id)) = pools.find(|(bound, _)| bound == pool) else {
            return Err(Problem::wrong_principal(
                "this key is bound to another pool",
            ));
        };
        Ok(KeyCaller {
            scope: self.scope.clone(),
            pool: pool.clone(),
            key_id: key_id.clone(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Registrant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = known_caller(parts)?;
        if let Some(proven) = parts.extensions.get::<Proven>() {
            let candidates = proven.candidates.iter();
            return Ok(Self {
                scope: caller.scope,
                proof: proven.proof.clone(),
                pools: candidates
                    .map(|candidate| (candidate.pool.clone(), candidate.verified.key_id.clone()))
                    .collect(),
            });
        }
        match caller.principal {
            Principal::AgentKey { pool } => Ok(Self {
                scope: caller.scope,
                proof: Proof::Key,
                pools: vec![(pool, caller.presented.key_id)],
            }),
            Principal::User { .. }
            | Principal::Token { .. }
            | Principal::Agent { .. }
            | Principal::Relay { .. }
            | Principal::RelayEnrolment { .. } => Err(Problem::wrong_principal(
                "only who may register agents may do this",
            )),
        }
    }
}
