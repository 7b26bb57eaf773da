//! A relay brings its key.

use crate::keys::{answer, answer_new, new_key, public_key};
use auth::{Action, Api, Audited, Caller, Change, EnrollingRelay, OrProblem, Resource};
use axum::Json;
use axum::extract::State;
use store::{KeyId, RelayEnrolment, RelayKeyRotation};
use web::{ApiJson, Problem};
use wire::KeyName;
use wire::relay::{EnrolRelayRequest, EnrolRelayResponse};

/// Bring the key of a relay.
///
/// With the enrolment token as `Authorization: Bearer`, which is good for one key. If the answer was lost, the same token with
/// the same key is answered the same. What the relay has signed with before stays good for as long as was said when the token was
/// made.
#[utoipa::path(
    post,
    path = "/api/relays/enrol",
    tag = "relays",
    request_body = EnrolRelayRequest,
    responses((status = 200, description = "The key is what the relay signs with.", body = EnrolRelayResponse))
)]
pub(crate) async fn enrol_relay(
    State(api): State<Api>,
    caller: Caller,
    EnrollingRelay(with): EnrollingRelay,
    ApiJson(request): ApiJson<EnrolRelayRequest>,
) -> Result<Json<EnrolRelayResponse>, Problem> {
    let public = public_key(&request.public_key)?;
    if let Some(key_id) = &with.used_by {
        return again(&api, &with, (key_id, &public)).await;
    }
    let now = api.now();
    let new = new_key(api.entropy.bytes(), public, &with.relay_id, now);
    let enrol = async {
        let tenant = api.store.tenant(&with.scope);
        let write_id = api.write_id();
        let enrolled = tenant.enrol_relay(&with, &new, now, &write_id).await;
        Ok(match enrolled.or_problem()? {
            RelayKeyRotation::Added => {
                let change = Change::new().with("key_id", &new.key_id);
                Audited::Changed(true, change)
            }
            RelayKeyRotation::NotGood => Audited::Unchanged(false),
        })
    };
    let subject = (Action::RelayEnrol, Resource::relay(&with.relay_id));
    if api.audited(&caller, subject, enrol).await? {
        return answer_new(&new).map(Json);
    }
    // Of two at the same moment the other one was first: with the same key, it was the same relay that asked twice.
    let there = api.store.relay_enrolment(&caller.presented, now).await;
    match there.or_problem()?.and_then(|there| there.used_by) {
        Some(key_id) => again(&api, &with, (&key_id, &public)).await,
        None => Err(Problem::unauthenticated()),
    }
}

/// What was answered to whoever has brought that key, as long as its relay signs with it. To anybody else the token is good for
/// nothing any more.
async fn again(
    api: &Api,
    with: &RelayEnrolment,
    (key_id, public): (&KeyId, &[u8; 32]),
) -> Result<Json<EnrolRelayResponse>, Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&with.scope);
    let relay = tenant.relay(&with.relay_id).await.or_problem()?;
    let name = KeyName::parse(key_id.as_str()).map_err(|_| Problem::internal())?;
    let signs = relay.is_some_and(|relay| relay.signs_with(&name, now));
    let key = api.store.relay_key(key_id, now).await.or_problem()?;
    match key.filter(|key| signs && key.public_key == *public) {
        Some(key) => answer(&key).map(Json),
        None => Err(Problem::unauthenticated()),
    }
}
