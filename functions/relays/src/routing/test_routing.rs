//! Tries routing rules on an event: which one is for it, and why the others are not.

use super::Rules;
use crate::get_relay;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::routing::{Explanation, decide, explain};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{ApiJson, ApiPath, Problem};
use wire::relay::{
    Branch, Commitment, EventMetadata, Label, Login, MAX_PATH_CLASSES, RepositoryName,
    RoutingAction, RoutingDocument,
};
use wire::{
    Check, CommitSha, CommitmentAlgorithm, EventId, EventKind, Fault, GitRepo, RelayId, Sha256Hex,
    ShortText, Timestamp, ToolName, check_range,
};

/// An event, and rules that need not be in use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestRoutingRequest {
    /// The event.
    event: TestedEvent,
    /// The rules to try, instead of the relay's own.
    #[schema(value_type = Option<RoutingDocument>)]
    routing: Option<Rules>,
}

/// An event as relays send it, where everything that no rule looks at may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestedEvent {
    /// Of no meaning here.
    event_id: Option<EventId>,
    /// The tool that sent the webhook.
    tool: ToolName,
    /// What kind of thing happened.
    event: EventKind,
    /// What exactly.
    action: Option<Label>,
    /// In which repository.
    repository: Option<RepositoryName>,
    /// Of no meaning here.
    git_repo: Option<GitRepo>,
    /// The branch it happened on.
    branch: Option<Branch>,
    /// The tag that was made.
    tag: Option<Branch>,
    /// Of no meaning here.
    commit_sha: Option<CommitSha>,
    /// The account of whoever caused it.
    author: Option<Login>,
    /// Of no meaning here.
    number: Option<u64>,
    /// How a build, run or alert stands.
    status: Option<Label>,
    /// How grave an alert is.
    severity: Option<Label>,
    /// Which environment it is about.
    environment: Option<Label>,
    /// Which classes of paths were changed.
    #[serde(default)]
    path_classes: Vec<Label>,
    /// Of no meaning here.
    received_at: Option<Timestamp>,
    /// Of no meaning here.
    body_bytes: Option<u64>,
    /// Of no meaning here.
    commitment: Option<Commitment>,
}

impl Check for TestRoutingRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        let classes = self.event.path_classes.len();
        check_range(
            faults,
            "/event/path_classes",
            classes,
            (0, MAX_PATH_CLASSES),
        );
        let mut inside = Vec::new();
        if let Some(rules) = &self.routing {
            rules.check(&mut inside);
        }
        faults.extend(inside.into_iter().map(|fault| Fault {
            pointer: format!("/routing{}", fault.pointer),
            ..fault
        }));
    }
}

impl TestedEvent {
    fn into_metadata(self, now: Timestamp) -> EventMetadata {
        EventMetadata {
            event_id: self
                .event_id
                .unwrap_or_else(|| EventId::from_digest([0; 16])),
            tool: self.tool,
            event: self.event,
            action: self.action,
            repository: self.repository,
            git_repo: self.git_repo,
            branch: self.branch,
            tag: self.tag,
            commit_sha: self.commit_sha,
            author: self.author,
            number: self.number,
            status: self.status,
            severity: self.severity,
            environment: self.environment,
            path_classes: self.path_classes,
            received_at: self.received_at.unwrap_or(now),
            body_bytes: self.body_bytes.unwrap_or_default(),
            commitment: self.commitment.unwrap_or_else(|| Commitment {
                algorithm: CommitmentAlgorithm::Sha256,
                digest: Sha256Hex::from_digest([0; 32]),
            }),
        }
    }
}

/// What would become of the event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestRoutingResponse {
    /// The version of the rules that were tried; null for rules that came with the request.
    routing_version: Option<u64>,
    /// The rule that is for the event; null if none is, and then nothing would happen.
    matched: Option<MatchedRule>,
    /// Each rule of the event's tool, in order.
    rules: Vec<TriedRule>,
}

/// The rule that is for an event.
#[derive(Debug, Serialize, ToSchema)]
struct MatchedRule {
    /// Its place among the rules of the tool, from 0.
    rule: usize,
    /// What it is for, in a person's words.
    name: Option<ShortText>,
    /// What would be done.
    then: RoutingAction,
}

/// What became of a rule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum TriedOutcome {
    /// Its condition holds, and no rule before it is for the event.
    Matched,
    /// Its condition holds, but a rule before it is for the event.
    NotReached,
    /// Its condition does not hold.
    Mismatched,
}

/// A rule that was tried.
#[derive(Debug, Serialize, ToSchema)]
struct TriedRule {
    /// Its place among the rules of the tool, from 0.
    rule: usize,
    /// What it is for, in a person's words.
    name: Option<ShortText>,
    /// What became of it.
    outcome: TriedOutcome,
    /// The first part of its condition that does not hold, as a pointer into the rule, such as `/when/all/0/branch`.
    pointer: Option<String>,
    /// What was wanted there, and what the event has.
    reason: Option<String>,
}

/// Try a relay's routing rules on an event.
///
/// Nothing happens. The rules are those of the relay, or those that come with the request, to try them before they are in
/// use. An event of `GET /api/relays/{id}/events` can be tried as it is there.
#[utoipa::path(
    post,
    path = "/api/relays/{id}/routing/test",
    tag = "relays",
    params(("id" = RelayId, Path, description = "The relay.")),
    request_body = TestRoutingRequest,
    responses((status = 200, description = "What would become of the event.", body = TestRoutingResponse))
)]
pub(crate) async fn test_relay_routing(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<RelayId>,
    ApiJson(request): ApiJson<TestRoutingRequest>,
) -> Result<Json<TestRoutingResponse>, Problem> {
    get_relay::relay(&api, &caller, &id).await?;
    let (version, document) = if let Some(Rules(document)) = request.routing {
        (None, document)
    } else {
        let routing = api.store.tenant(&caller.scope).routing(&id).await;
        let routing = routing.or_problem()?;
        (Some(routing.version), routing.document)
    };
    let event = request.event.into_metadata(api.now());
    Ok(Json(tried(&document, &event, version)))
}

fn tried(
    document: &RoutingDocument,
    event: &EventMetadata,
    version: Option<u64>,
) -> TestRoutingResponse {
    let rules = document.tools.get(&event.tool);
    let name_of = |place: usize| {
        let rule = rules.and_then(|rules| rules.get(place));
        rule.and_then(|rule| rule.name.clone())
    };
    let matched = decide(document, event).map(|matched| MatchedRule {
        rule: matched.rule,
        name: name_of(matched.rule),
        then: matched.action.clone(),
    });
    let explained = explain(document, event).into_iter().enumerate();
    let rules = explained.map(|(rule, explanation)| {
        let (outcome, pointer, reason) = match explanation {
            Explanation::Matched => (TriedOutcome::Matched, None, None),
            Explanation::NotReached => (TriedOutcome::NotReached, None, None),
            Explanation::Mismatched { pointer, reason } => {
                (TriedOutcome::Mismatched, Some(pointer), Some(reason))
            }
        };
        TriedRule {
            rule,
            name: name_of(rule),
            outcome,
            pointer,
            reason,
        }
    });
    TestRoutingResponse {
        routing_version: version,
        matched,
        rules: rules.collect(),
    }
}
