//! What every operation of the OpenAPI document has in common: security, `x-access`, and the ways in which it can fail.

use crate::access::Need;
use crate::{Access, Scope, cookie};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::info::LicenseBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, OpenApi,
    OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use web::ProblemCode;
use wire::{
    ProblemDetails, SIGNED_KEY_ID, SIGNED_NONCE, SIGNED_SIGNATURE, SIGNED_TIMESTAMP, SignedParts,
};

/// The extension that names who may call an operation.
pub(crate) const X_ACCESS: &str = "x-access";
/// Its value for an operation that anybody may call.
pub(crate) const PUBLIC: &str = "public";

const API_TOKEN: &str = "apiToken";
const PERSON_SESSION: &str = "personSession";
const SESSION_COOKIE: &str = "sessionCookie";
const AGENT_SESSION: &str = "agentSession";
const AGENT_KEY: &str = "agentKey";
const ENROLMENT_TOKEN: &str = "enrolmentToken";
const WORKLOAD_TOKEN: &str = "workloadToken";
const SIGNED_REQUEST: &str = "signedRequest";

/// What agents register with: the security scheme of each, and what people call it.
pub(crate) const REGISTERING: [(&str, &str); 4] = [
    (AGENT_KEY, "agent key"),
    (ENROLMENT_TOKEN, "enrolment token"),
    (WORKLOAD_TOKEN, "workload's token"),
    (SIGNED_REQUEST, "signed request"),
];

/// The names of the error responses that operations refer to, by status.
const ERRORS: [(u16, &str); 12] = [
    (400, "Invalid"),
    (401, "Unauthenticated"),
    (403, "Forbidden"),
    (404, "NotFound"),
    (409, "Conflict"),
    (412, "PreconditionFailed"),
    (413, "TooLarge"),
    (415, "UnsupportedMediaType"),
    (428, "PreconditionRequired"),
    (429, "TooManyRequests"),
    (500, "InternalError"),
    (503, "Unavailable"),
];

/// What the operations are about.
const TAGS: [(&str, &str); 11] = [
    (
        "queue",
        "Jobs: put in line, claimed, started, completed, cancelled, retried.",
    ),
    ("agents", "Agents: registered, heard of, drained."),
    (
        "pools",
        "Pools of agents, and how many agents they should have.",
    ),
    (
        "enrolment",
        "What agents register with: keys, single-use tokens, signing keys, and rules by which tokens of their platform are taken.",
    ),
    (
        "dashboard",
        "What people look at: jobs with their history, the summary.",
    ),
    ("deployments", "What was deployed where, and when."),
    (
        "relays",
        "Relays: set up, given their keys, heard of; the rules by which their events become jobs and decisions, and those events.",
    ),
    (
        "sign-in",
        "People sign in with a provider, and look after their sessions.",
    ),
    (
        "tokens",
        "API tokens: made, shown once, listed, rotated, revoked.",
    ),
    (
        "members",
        "Who is in an organisation, and as what; invitations; the organisations that a person is in.",
    ),
    ("service", "The control plane itself. Anybody may ask."),
];

/// A document without operations.
pub(crate) fn base(version: &str) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Hybrid CI/CD")
        .version(version)
        .description(Some(
            "The control plane of CI/CD whose secrets, source code and logs stay in the customer's own cloud.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let tags = TAGS.map(|(name, meaning)| {
        TagBuilder::new()
            .name(name)
            .description(Some(meaning))
            .build()
    });
    let here = ServerBuilder::new()
        .url("/")
        .description(Some("The host that this document came from."))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([here]))
        .tags(Some(tags))
        .components(Some(components()))
        .build()
}

fn components() -> Components {
    let scheme = |description: &str| {
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("hcp_<env>_<kind>_<key id>_<secret>_<checksum>")
                .description(Some(description))
                .build(),
        )
    };
    let mut schemas = vec![(
        ProblemDetails::name().into_owned(),
        ProblemDetails::schema(),
    )];
    <ProblemDetails as ToSchema>::schemas(&mut schemas);
    let mut components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(
            API_TOKEN,
            scheme("An API token, of a person or of a service."),
        )
        .security_scheme(
            PERSON_SESSION,
            scheme("The session of a person who has signed in with a tool."),
        )
        .security_scheme(
            SESSION_COOKIE,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                cookie::SESSION,
                "The session of a person who has signed in with a browser. Anything but GET, HEAD and OPTIONS needs the control \
                 plane's own `Origin`, and JSON or the header `x-hcp-csrf: 1`.",
            ))),
        )
        .security_scheme(
            AGENT_SESSION,
            scheme("The session of a registered agent, which its heartbeats renew."),
        )
        .security_scheme(
            AGENT_KEY,
            scheme("The key of a pool, with which its agents register."),
        );
    components = with_enrolment(components, scheme);
    for (status, name) in ERRORS {
        components = components.response(name, error_response(status));
    }
    components.build()
}

/// The other ways in which an agent registers.
fn with_enrolment(
    components: ComponentsBuilder,
    token: impl Fn(&str) -> SecurityScheme,
) -> ComponentsBuilder {
    let workload = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "A token that a workload's own issuer has signed for it, under the organisation's trust rules. It is good once.",
        ))
        .build();
    let signature = ApiKeyValue::with_description(
        SIGNED_SIGNATURE.to_owned(),
        format!(
            "The Base64 of a signature by a signing key, or by a relay's key, beside `{SIGNED_KEY_ID}`, `{SIGNED_TIMESTAMP}` (whole seconds since 1970, \
             at most 300 from the control plane's) and `{SIGNED_NONCE}` (16 to 64 of `A-Z a-z 0-9 - _`, good once). It is over \
             these lines, without a newline at the end: `{}`, timestamp, nonce, method, `Host`, path, query, and the SHA-256 of \
             the body in lower-case hexadecimal digits.",
            SignedParts::VERSION
        ),
    );
    components
        .security_scheme(
            ENROLMENT_TOKEN,
            token("A token with which one agent registers, or one relay brings its key, once."),
        )
        .security_scheme(WORKLOAD_TOKEN, SecurityScheme::Http(workload))
        .security_scheme(
            SIGNED_REQUEST,
            SecurityScheme::ApiKey(ApiKey::Header(signature)),
        )
}

fn error_response(status: u16) -> Response {
    let codes: Vec<String> = ProblemCode::ALL
        .iter()
        .filter(|code| code.status().as_u16() == status)
        .map(|code| format!("- `{code}`: {}", code.meaning()))
        .collect();
    let response = ResponseBuilder::new()
        .description(format!("`code` is one of\n{}", codes.join("\n")))
        .content(
            "application/problem+json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(ProblemDetails::name())))
                .build(),
        );
    match status {
        429 | 503 => response.header(
            "Retry-After",
            HeaderBuilder::new()
                .description(Some("After how many seconds to try again."))
                .build(),
        ),
        _ => response,
    }
    .build()
}

/// Every operation of a path, with its method.
pub(crate) fn operations(
    item: &mut PathItem,
) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", item.get.as_mut()),
        ("PUT", item.put.as_mut()),
        ("POST", item.post.as_mut()),
        ("DELETE", item.delete.as_mut()),
        ("OPTIONS", item.options.as_mut()),
        ("HEAD", item.head.as_mut()),
        ("PATCH", item.patch.as_mut()),
        ("TRACE", item.trace.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// Writes into an operation who may call it (`None`: anybody) and how it can fail.
pub(crate) fn describe(
    path: &str,
    method: &str,
    operation: &mut Operation,
    access: Option<Access>,
) {
    operation.security = Some(access.map_or_else(Vec::new, security));
    let value = access.map_or_else(|| json!(PUBLIC), Access::to_extension);
    let extension = ExtensionsBuilder::new().add(X_ACCESS, value).build();
    match &mut operation.extensions {
        Some(extensions) => extensions.merge(extension),
        none @ None => *none = Some(extension),
    }
    let has_input = operation.request_body.is_some() || operation.parameters.is_some();
    let has_body = operation.request_body.is_some();
    let takes_version =
        operation.parameters.iter().flatten().any(
            |parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match"),
        );
    for (status, name) in ERRORS {
        let possible = match status {
            400 => has_input,
            401 | 403 | 429 | 503 => access.is_some(),
            404 => path.contains('{'),
            409 => method != "GET" && access.is_some(),
            412 | 428 => takes_version,
            413 | 415 => has_body,
            _ => true,
        };
        if possible {
            let responses: &mut BTreeMap<String, RefOr<Response>> =
                &mut operation.responses.responses;
            // What the handler says of itself is more exact.
            responses
                .entry(status.to_string())
                .or_insert_with(|| RefOr::Ref(Ref::from_response_name(name)));
        }
    }
}

fn security(access: Access) -> Vec<SecurityRequirement> {
    let scoped = |scheme: &str, scope: Scope| SecurityRequirement::new(scheme, [scope.as_str()]);
    let open = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
    let mut security = Vec::new();
    if let Some(scope) = access.people {
        security.extend([API_TOKEN, PERSON_SESSION, SESSION_COOKIE].map(|it| scoped(it, scope)));
    }
    match access.session {
        Some(Need::Nothing) => security.extend([PERSON_SESSION, SESSION_COOKIE].map(open)),
        Some(Need::Scope(scope)) => {
            security.extend([PERSON_SESSION, SESSION_COOKIE].map(|it| scoped(it, scope)));
        }
        None => {}
    }
    if access.token {
        security.push(open(API_TOKEN));
    }
    security.extend(access.agent.map(|agent| scoped(AGENT_SESSION, agent.scope)));
    let registering = access
        .agent_key
        .map(|scope| REGISTERING.map(|(scheme, _)| scoped(scheme, scope)));
    security.extend(registering.into_iter().flatten());
    security.extend(
        access
            .relay
            .map(|relay| scoped(SIGNED_REQUEST, relay.scope)),
    );
    security.extend(access.relay_enrolment.map(|it| scoped(ENROLMENT_TOKEN, it)));
    security
}

/// The `x-access` of an operation.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn access_of(operation: &Operation) -> Option<serde_json::Value> {
    let extensions = serde_json::to_value(operation.extensions.as_ref()?).ok()?;
    extensions.get(X_ACCESS).cloned()
}
