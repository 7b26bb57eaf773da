//! The key of a relay is replaced: by the relay itself, which signs for the next one, or by a person, who is given a token for
//! it.

use crate::keys::{ENROLMENT_SECONDS, OVERLAP_SECONDS, answer, answer_new, new_key, public_key};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, RelayCaller, Resource, Token};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::{CredentialKind, KeyId, NewRelayEnrolment, RelayKeyRotation};
use utoipa::ToSchema;
use web::{ApiJsonOrEmpty, ApiPath, Problem, ProblemCode};
use wire::relay::EnrolRelayResponse;
use wire::{Check, Fault, RelayId, Timestamp, check_range};

/// How to replace a relay's key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateRelayKeyRequest {
    /// The next Ed25519 public key, 32 bytes in Base64 (standard alphabet, padded). The relay itself brings one; people do not.
    public_key: Option<String>,
    /// For how long the present key stays good once there is another: a day at most, and unless said otherwise. With 0, for a
    /// key that may be in the wrong hands, it ends at once: when a person asks for it, before there is another.
    #[serde(default = "a_day")]
    #[schema(maximum = 86_400, default = 86_400)]
    overlap_seconds: u32,
}

const fn a_day() -> u32 {
    OVERLAP_SECONDS
}

impl Check for RotateRelayKeyRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        let pointer = "/overlap_seconds";
        check_range(faults, pointer, self.overlap_seconds, (0, OVERLAP_SECONDS));
    }
}

/// What the next key is brought with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelayEnrolmentCreated {
    /// The relay.
    relay_id: RelayId,
    /// The token for `hybrid-relay enrol`, with which the relay brings its next key. It is shown this once, and is good for one
    /// key. The one before it is good for nothing any more.
    enrolment_token: String,
    /// Until when.
    expires_at: Timestamp,
}

/// To a relay, the next key; to a person, what it is brought with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum RelayKeyRotated {
    /// The relay's next key is known.
    Key(EnrolRelayResponse),
    /// A person was given a token.
    Token(RelayEnrolmentCreated),
}

/// Replace a relay's key.
///
/// The relay itself brings its next key, in a request that it signs with the present one. If the answer was lost, the same
/// again, still signed with the old one, is answered the same. There are two good keys at most, so while the one before the present
/// one is good, only an `overlap_seconds` of 0 replaces it. A person is given an enrolment token, with which the relay
/// brings its next key.
#[utoipa::path(
    post,
    path = "/api/relays/{id}/rotate-key",
    tag = "relays",
    params(("id" = RelayId, Path, description = "The relay.")),
    request_body(content = RotateRelayKeyRequest, description = "People may leave it out."),
    responses((status = 200, description = "The relay's next key, or the token to bring it with.", body = RelayKeyRotated))
)]
pub(crate) async fn rotate_relay_key(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<RelayId>,
    ApiJsonOrEmpty(request): ApiJsonOrEmpty<RotateRelayKeyRequest>,
) -> Result<Json<RelayKeyRotated>, Problem> {
    let rotated = match RelayCaller::of(&caller) {
        Some(relay) => {
            let key = by_itself(&api, &caller, &relay, &request).await?;
            RelayKeyRotated::Key(key)
        }
        None => RelayKeyRotated::Token(by_a_person(&api, &caller, &id, &request).await?),
    };
    Ok(Json(rotated))
}

async fn by_itself(
    api: &Api,
    caller: &Caller,
    relay: &RelayCaller,
    request: &RotateRelayKeyRequest,
) -> Result<EnrolRelayResponse, Problem> {
    let Some(text) = &request.public_key else {
        return Err(Problem::invalid_at("/public_key", "missing field"));
    };
    let public = public_key(text)?;
    let tenant = api.store.tenant(&relay.scope);
    let now = api.now();
    let seen = tenant.relay(&relay.relay_id).await.or_problem()?;
    let (current, previous) = match seen {
        Some(seen) => (seen.current_key, seen.previous_key),
        None => (None, None),
    };
    let current = current.ok_or_else(|| Problem::not_found("relay"))?;
    let current = KeyId::parse(current.as_str()).map_err(|_| Problem::internal())?;
    let there = api.store.relay_key(&current, now).await.or_problem()?;
    if let Some(there) = there.filter(|there| there.public_key == public) {
        if there.key_id == relay.key_id {
            let detail = "is the key that is to be replaced";
            return Err(Problem::invalid_at("/public_key", detail));
        }
        // It was brought before, with the key that signs this.
        return answer(&there);
    }
    let overlap = previous
        .map(|(_, until)| until)
        .filter(|until| now < *until);
    let is_present = relay.key_id == current;
    if let Some(until) = overlap.filter(|_| is_present && request.overlap_seconds > 0) {
        let detail = format!(
            "the key before the present one is good until {until}, and would end now: replace the present one then, or with an \
             `overlap_seconds` of 0"
        );
        return Err(Problem::conflict(ProblemCode::IllegalTransition, detail));
    }
    let new = new_key(api.entropy.bytes(), public, &relay.relay_id, now);
    let until = now.plus_seconds(i64::from(request.overlap_seconds));
    let rotate = async {
        let write_id = api.write_id();
        let rotated = tenant.rotate_relay_key(&relay.key_id, &new, (now, until), &write_id);
        match rotated.await.or_problem()? {
            RelayKeyRotation::Added => {
                let change = Change::new()
                    .with("key_id", &new.key_id)
                    .with("overlap_seconds", request.overlap_seconds);
                Ok(Audited::Changed((), change))
            }
            RelayKeyRotation::NotGood => Err(Problem::conflict(
                ProblemCode::IllegalTransition,
                "the key was replaced before: sign with the one that took its place",
            )),
        }
    };
    let subject = (Action::RelayRotate, Resource::relay(&relay.relay_id));
    api.audited(caller, subject, rotate).await?;
    answer_new(&new)
}

async fn by_a_person(
    api: &Api,
    caller: &Caller,
    id: &RelayId,
    request: &RotateRelayKeyRequest,
) -> Result<RelayEnrolmentCreated, Problem> {
    if request.public_key.is_some() {
        let detail = "the relay itself brings its key: with its present one, or with the token that is answered here";
        return Err(Problem::invalid_at("/public_key", detail));
    }
    let now = api.now();
    let token = Token::issue(api.environment, CredentialKind::Enrolment, &api.entropy);
    let new = NewRelayEnrolment {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        relay_id: id.clone(),
        expires_at: now.plus_seconds(ENROLMENT_SECONDS),
        overlap_seconds: i64::from(request.overlap_seconds),
    };
    let create = async {
        let tenant = api.store.tenant(&caller.scope);
        let write_id = api.write_id();
        let made = tenant.create_relay_enrolment(&new, now, &write_id).await;
        if !made.or_problem()? {
            return Err(Problem::not_found("relay"));
        }
        let change = Change::new()
            .with("enrolment", &new.key_id)
            .with("overlap_seconds", request.overlap_seconds);
        Ok(Audited::Changed((), change))
    };
    let subject = (Action::RelayRotate, Resource::relay(id));
    api.audited(caller, subject, create).await?;
    Ok(RelayEnrolmentCreated {
        relay_id: id.clone(),
        enrolment_token: token.expose().to_owned(),
        expires_at: new.expires_at,
    })
}
