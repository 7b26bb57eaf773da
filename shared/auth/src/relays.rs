//! Relays that call: by a request signed with the relay's own key, or, to bring that key, with a single-use token. Whatever is
//! wrong with either, the answer is the same.

use crate::caller::Caller;
use crate::guard::{Denied, Guard, authenticate, bearer, enter, go_on};
use crate::registration::{only_credential, refused, refused_for_time};
use crate::signed_request::{Signed, Unsigned, is_signed};
use crate::{Api, KeyEncryption, OrProblem, Principal, Token};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest, Sha256};
use store::{
    CredentialKind, KeyId, Presented, RelayEnrolment, RelayKey, TenantScope, UsedOnce,
    VerifyingMaterial,
};
use web::{BODY_LIMIT, Problem};
use wire::{KeyName, RelayId, Timestamp};

/// As every route's guard, for relays besides whom that lets in.
pub(crate) async fn guard_relays(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Response {
    let admitted = async {
        let (caller, request) = identify(&guard, request).await?;
        enter(&guard, caller, request).await
    };
    // There are several ways, and each of them waits.
    let admitted = Box::pin(admitted).await;
    go_on(admitted, next).await
}

/// Who calls, and the request with what its handler needs to know of the proof.
async fn identify(guard: &Guard, request: Request) -> Result<(Caller, Request), Denied> {
    let api = &guard.api;
    if is_signed(request.headers()) {
        return signed(api, request).await;
    }
    let Some(enrolment) = enrolling(api, request.headers()).await? else {
        let caller = authenticate(guard, request.method(), request.headers()).await?;
        return Ok((caller, request));
    };
    let (presented, enrolment) = enrolment;
    let principal = Principal::RelayEnrolment {
        relay_id: enrolment.relay_id.clone(),
    };
    let caller = Caller::relay(enrolment.scope.clone(), principal, presented, None);
    let mut request = request;
    request.extensions_mut().insert(enrolment);
    Ok((caller, request))
}

/// The token that a relay's key is brought with, if the request has one.
async fn enrolling(
    api: &Api,
    headers: &HeaderMap,
) -> Result<Option<(Presented, RelayEnrolment)>, Problem> {
    let presented = bearer(headers).and_then(|text| Token::parse(api.environment, text).ok());
    let is_one = |presented: &Presented| presented.kind == CredentialKind::Enrolment;
    let Some(presented) = presented.filter(is_one) else {
        return Ok(None);
    };
    only_credential(headers)?;
    let good = api.store.relay_enrolment(&presented, api.now()).await;
    match good.or_problem()? {
        Some(enrolment) => Ok(Some((presented, enrolment))),
        None => Err(refused("an enrolment token that is not good")),
    }
}

/// Verifies a signed request, whose body has to be read for that, and uses it up.
async fn signed(api: &Api, request: Request) -> Result<(Caller, Request), Denied> {
    let now = api.now();
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key(AUTHORIZATION) {
        return Err(refused("signed, and with a token").into());
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
    let key = signer(api, &signed, &body, now).await?;
    let key = key.ok_or_else(|| refused("not signed with a relay's good key"))?;
    let presented = Presented {
        kind: CredentialKind::RelayKey,
        key_id: key.key_id.clone(),
        secret_sha256: Sha256::digest(key.public_key).into(),
    };
    if let Some(admission) = api.usage.refusal(&presented, now) {
        return Err(Denied::OverLimit(admission));
    }
    // Before the request is counted: who has seen it can send it as often as they like, and it would be the tenant's limits
    // that they use up.
    let used = UsedOnce::nonce(&signed.key_id, &signed.nonce, signed.good_until());
    let is_new = api.store.use_up(&used, &api.write_id()).await;
    if !is_new.or_problem()? {
        return Err(refused("used before").into());
    }
    let principal = Principal::Relay {
        relay_id: key.relay_id,
    };
    let caller = Caller::relay(key.scope, principal, presented, Some(key.expires_at));
    Ok((caller, Request::from_parts(parts, Body::from(body))))
}

/// The key that the request is signed with, if its relay signs with it now.
async fn signer(
    api: &Api,
    signed: &Signed,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<RelayKey>, Problem> {
    let key = api.store.relay_key(&signed.key_id, now).await;
    let Some(key) = key.or_problem()? else {
        return Ok(None);
    };
    let material = VerifyingMaterial::Ed25519(key.public_key);
    if !signed.is_by(&material, key.scope.tenant(), &KeyEncryption::Off, body) {
        return Ok(None);
    }
    let relay = api.store.tenant(&key.scope).relay(&key.relay_id).await;
    let name = KeyName::parse(key.key_id.as_str());
    let is_its_own = match (relay.or_problem()?, name) {
        (Some(relay), Ok(name)) => relay.signs_with(&name, now),
        _ => false,
    };
    Ok(is_its_own.then_some(key))
}

/// A relay that has signed the request. Anybody else gets 403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayCaller {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// The relay.
    pub relay_id: RelayId,
    /// The key that it has signed with.
    pub key_id: KeyId,
    /// When that key ends.
    pub key_expires_at: Timestamp,
}

impl<S: Send + Sync> FromRequestParts<S> for RelayCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let of_relay = Self::of(&caller);
        of_relay.ok_or_else(|| Problem::wrong_principal("only a relay may do this"))
    }
}

impl RelayCaller {
    /// The relay, if it is one that calls.
    pub fn of(caller: &Caller) -> Option<Self> {
        match (&caller.principal, caller.expires_at) {
            (Principal::Relay { relay_id }, Some(key_expires_at)) => Some(Self {
                scope: caller.scope.clone(),
                relay_id: relay_id.clone(),
                key_id: caller.presented.key_id.clone(),
                key_expires_at,
            }),
            _ => None,
        }
    }
}

/// Whoever brings a relay's key with a token. Anybody else gets 403. The token may have been used: its key alone may be brought
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollingRelay(pub RelayEnrolment);

impl<S: Send + Sync> FromRequestParts<S> for EnrollingRelay {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let enrolment = parts.extensions.get::<RelayEnrolment>().cloned();
        enrolment
            .map(Self)
            .ok_or_else(|| Problem::wrong_principal("only an enrolment token of a relay does this"))
    }
}
