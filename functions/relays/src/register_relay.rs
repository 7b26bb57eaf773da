//! A relay is set up.

use crate::RoleGuard;
use crate::keys::{ENROLMENT_SECONDS, OVERLAP_SECONDS};
use crate::view::{self, RelayView};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource, Token};
use axum::extract::State;
use axum::{Extension, Json};
use domain::relay::Relay;
use http::StatusCode;
use queues::{Access, ExternalId, QueueAddress};
use serde::{Deserialize, Serialize};
use store::{CredentialKind, MAX_RELAYS, NewRelayEnrolment, RelayCreation};
use utoipa::ToSchema;
use web::{ApiJson, Problem, ProblemCode};
use wire::relay::{CreateRelayRequest, QueueReference};
use wire::{Check, Fault, QueueProvider, RelayId, Timestamp};

/// After how many seconds somebody may look again who has as many relays as they may: one of them has to go first.
const FULL_RETRY_SECONDS: u32 = 60;

/// A request whose queues can be reached by what it grants.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct RegisterRelay(CreateRelayRequest);

impl Check for RegisterRelay {
    fn check(&self, faults: &mut Vec<Fault>) {
        let request = &self.0;
        request.check(faults);
        let mut fault = |pointer: &str, detail: &str| {
            faults.push(Fault {
                pointer: pointer.to_owned(),
                detail: detail.to_owned(),
            });
        };
        let inbound = QueueAddress::parse(&request.inbound_queue);
        match inbound {
            Err(why) => fault("/inbound_queue/address", &why),
            Ok(address) if !address.can_be_read() => {
                fault("/inbound_queue/address", "must be one that is read from");
            }
            Ok(_) => {}
        }
        for (pointer, queue) in queues_of(request).skip(1) {
            let pointer = format!("{pointer}/address");
            match QueueAddress::parse(queue) {
                Err(why) => fault(&pointer, &why),
                Ok(address) if !address.can_be_sent_to() => {
                    fault(&pointer, "must be one that is sent to");
                }
                Ok(_) => {}
            }
        }
        for (pointer, queue) in queues_of(request).skip(1) {
            // What is sent there would be read as an event, and refused again and again.
            if *queue == request.inbound_queue {
                fault(pointer, "must not be the queue that is read from");
            }
        }
        // Any ExternalId does, to see whether there is a way.
        let any = ExternalId::new([0; 16]);
        let (role, federation) = (request.role_arn.as_ref(), request.federation.as_ref());
        for (pointer, queue) in queues_of(request) {
            // A queue of SQS may trigger the control plane, which then does not reach for it.
            let triggers = pointer == INBOUND && is_of_aws(queue) && role.is_none();
            match Access::of(queue, role, federation, &any) {
                Err(why) if !triggers => fault(pointer, &why),
                Err(_) | Ok(_) => {}
            }
        }
        let has_aws = queues_of(request).any(|(_, queue)| is_of_aws(queue));
        if request.role_arn.is_some() && !has_aws {
            fault("/role_arn", "is for queues of AWS, and there is none");
        }
    }
}

/// Where a request names the queue that is read from.
const INBOUND: &str = "/inbound_queue";

fn is_of_aws(queue: &QueueReference) -> bool {
    queue.provider == QueueProvider::AwsSqs
}

/// The queue that is read from, and after it those that are sent to.
fn queues_of(
    request: &CreateRelayRequest,
) -> impl Iterator<Item = (&'static str, &QueueReference)> {
    let inbound = (INBOUND, &request.inbound_queue);
    let decisions = request.decision_queue.as_ref();
    let dead_letters = request.dead_letter_queue.as_ref();
    [inbound]
        .into_iter()
        .chain(decisions.map(|queue| ("/decision_queue", queue)))
        .chain(dead_letters.map(|queue| ("/dead_letter_queue", queue)))
}

/// A relay that was just set up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelayRegistered {
    /// The relay. Its `external_id` belongs into the trust policy of its role.
    relay: RelayView,
    /// The token for `hybrid-relay enrol`, with which the relay brings its key. It is shown this once, and is good for one key
    /// and a day.
    enrolment_token: String,
}

/// Set up a relay.
///
/// The role need not exist yet: its trust policy has to ask for the `external_id` that is answered here. If it does exist, it
/// is tried without an ExternalId and with a wrong one, and refused with `role_open` if either lets the control plane in. A
/// role belongs to the first organisation that names it. A queue of SQS without a role has to trigger the control plane, and
/// belongs to the first organisation that names it as well; decisions to a queue of SQS take a role.
///
/// The answer is the only one that shows the token: if it is lost, rotate the relay's key, or delete the relay. Each request
/// makes a relay, so it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/relays/register",
    tag = "relays",
    request_body = CreateRelayRequest,
    responses((status = 201, description = "The relay and its enrolment token.", body = RelayRegistered))
)]
pub(crate) async fn register_relay(
    State(api): State<Api>,
    Extension(roles): Extension<RoleGuard>,
    caller: Caller,
    ApiJson(RegisterRelay(request)): ApiJson<RegisterRelay>,
) -> Result<(StatusCode, Json<RelayRegistered>), Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    if tenant.relays().await.or_problem()?.len() >= MAX_RELAYS {
        let detail = format!("the organisation may have {MAX_RELAYS} relays; one has to go first");
        let problem = Problem::new(ProblemCode::TooManyRequests, detail);
        return Err(problem.retry_after(FULL_RETRY_SECONDS));
    }
    if let Some(role) = &request.role_arn {
        let wrong = ExternalId::new(api.entropy.bytes());
        Box::pin(roles.check(role, &wrong)).await?;
    }
    let relay = new_relay(&api, &caller, request, now);
    let token = Token::issue(api.environment, CredentialKind::Enrolment, &api.entropy);
    let enrolment = NewRelayEnrolment {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        relay_id: relay.relay_id.clone(),
        expires_at: now.plus_seconds(ENROLMENT_SECONDS),
        overlap_seconds: i64::from(OVERLAP_SECONDS),
    };
    let create = async {
        let write_id = api.write_id();
        let created = tenant.create_relay(&relay, &enrolment, &write_id).await;
        match created.or_problem()? {
            RelayCreation::Created => {
                let view = view::relay(&relay, now);
                let change = Change::new().after(&view);
                Ok(Audited::Changed(view, change))
            }
            RelayCreation::RoleTaken => Err(Problem::conflict(
                ProblemCode::RoleTaken,
                "the role belongs to another organisation; make one for this organisation alone",
            )),
            RelayCreation::QueueTaken => Err(Problem::conflict(
                ProblemCode::QueueTaken,
                "a queue belongs to another organisation; make one for this organisation alone, or grant a role",
            )),
        }
    };
    let subject = (Action::RelayCreate, Resource::relay(&relay.relay_id));
    let view = api.audited(&caller, subject, create).await?;
    let registered = RelayRegistered {
        relay: view,
        enrolment_token: token.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(registered)))
}

fn new_relay(api: &Api, caller: &Caller, request: CreateRelayRequest, now: Timestamp) -> Relay {
    Relay {
        relay_id: RelayId::new(now, api.entropy.bytes()),
        name: request.name,
        inbound_queue: request.inbound_queue,
        decision_queue: request.decision_queue,
        dead_letter_queue: request.dead_letter_queue,
        role_arn: request.role_arn,
        federation: request.federation,
        external_id: ExternalId::new(api.entropy.bytes()).to_string(),
        vault: request.vault,
        created_by: caller.created_by(),
        created_at: now,
        current_key: None,
        previous_key: None,
        heard: None,
        polled: None,
    }
}
