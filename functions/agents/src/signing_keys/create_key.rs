//! Makes a signing key.

use super::{MAX_KEYS, SigningKeyView};
use crate::credentials::{
    KEY_IDS_TRIED, YEAR_SECONDS, check_name, check_span, end_after, make_room, record_creation,
};
use auth::{Action, Api, Caller, Identities, OrProblem, Resource, check_ed25519};
use axum::extract::State;
use axum::{Extension, Json};
use data_encoding::BASE64;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{
    AgentCredential, AgentCredentialEntry, Creation, KeyId, NewSigningKey, VerifyingMaterial,
};
use utoipa::ToSchema;
use web::{ApiJson, Problem, ProblemCode};
use wire::{Check, Fault, PoolName, ShortText, SigningAlgorithm};

/// A key to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSigningKeyRequest {
    /// What it is for, in 1 to 64 characters.
    #[schema(max_length = 64)]
    name: ShortText,
    /// The only pool that its agents may join.
    pool_name: PoolName,
    /// How it signs. `ED25519` is preferred: the key that signs never leaves its owner.
    algorithm: SigningAlgorithm,
    /// For `ED25519`: the 32 bytes of the public key in Base64. For `HMAC_SHA256` there is none.
    public_key: Option<String>,
    /// How long it is good, and with it the sessions of its agents: a minute to 365 days, 365 days unless said otherwise.
    #[serde(default = "a_year")]
    #[schema(minimum = 60, maximum = 31_536_000, default = 31_536_000)]
    expires_in_seconds: u32,
}

const fn a_year() -> u32 {
    YEAR_SECONDS
}

impl CreateSigningKeyRequest {
    /// The public key, if it is one that signatures can be verified with.
    fn public_key(&self) -> Option<[u8; 32]> {
        let text = self.public_key.as_ref()?;
        let bytes: [u8; 32] = BASE64.decode(text.as_bytes()).ok()?.try_into().ok()?;
        check_ed25519(&bytes).then_some(bytes)
    }
}

impl Check for CreateSigningKeyRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name(faults, &self.name);
        check_span(faults, self.expires_in_seconds, YEAR_SECONDS);
        let detail = match self.algorithm {
            SigningAlgorithm::Ed25519 if self.public_key().is_none() => {
                "must be the 32 bytes of an Ed25519 public key, in Base64"
            }
            SigningAlgorithm::HmacSha256 if self.public_key.is_some() => {
                "must be left out: the key is made here"
            }
            SigningAlgorithm::Ed25519 | SigningAlgorithm::HmacSha256 => return,
        };
        faults.push(Fault {
            pointer: "/public_key".to_owned(),
            detail: detail.to_owned(),
        });
    }
}

/// A signing key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningKeyCreated {
    /// For `HMAC_SHA256`: the 32 bytes of the key itself in Base64. They are shown this once.
    secret_key: Option<String>,
    /// What is known of it.
    signing_key: SigningKeyView,
}

/// Make a signing key.
///
/// The answer is the only one that shows the key of an HMAC. A control plane that is not set up to keep such keys encrypted
/// answers 409 `not_configured`. Each request makes a key, so it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/agents/signing-keys",
    tag = "enrolment",
    request_body = CreateSigningKeyRequest,
    responses((status = 201, description = "The key.", body = SigningKeyCreated))
)]
pub(crate) async fn create_signing_key(
    State(api): State<Api>,
    Extension(identities): Extension<Identities>,
    caller: Caller,
    ApiJson(request): ApiJson<CreateSigningKeyRequest>,
) -> Result<(StatusCode, Json<SigningKeyCreated>), Problem> {
    let limit = (MAX_KEYS, "signing keys");
    make_room(&api, &caller, AgentCredential::SigningKey, limit).await?;
    for _ in 0..KEY_IDS_TRIED {
        let key_id = KeyId::new(api.entropy.bytes());
        let (material, secret_key) =
            material(&api, &identities, &caller, (&request, &key_id)).await?;
        let new = (&key_id, material);
        if let Some(signing_key) = create(&api, &caller, &request, new).await? {
            let created = SigningKeyCreated {
                secret_key,
                signing_key,
            };
            return Ok((StatusCode::CREATED, Json(created)));
        }
    }
    Err(Problem::busy(1))
}

/// What is kept of the key, and what is shown.
async fn material(
    api: &Api,
    identities: &Identities,
    caller: &Caller,
    (request, key_id): (&CreateSigningKeyRequest, &KeyId),
) -> Result<(VerifyingMaterial, Option<String>), Problem> {
    if let Some(public) = request.public_key() {
        return Ok((VerifyingMaterial::Ed25519(public), None));
    }
    let encryption = identities.key_encryption.get(api.now()).await;
    let encryption = encryption.or_problem()?;
    let secret: [u8; 32] = api.entropy.bytes();
    let sealed = encryption.seal((caller.tenant(), key_id), &secret, &api.entropy);
    let sealed = sealed.ok_or_else(|| {
        Problem::conflict(
            ProblemCode::NotConfigured,
            "this control plane is not set up to keep HMAC keys; use ED25519",
        )
    })?;
    let shown = BASE64.encode(&secret);
    Ok((VerifyingMaterial::HmacSha256(sealed), Some(shown)))
}

/// Writes the key; `None` if its random key id is taken.
async fn create(
    api: &Api,
    caller: &Caller,
    request: &CreateSigningKeyRequest,
    (key_id, material): (&KeyId, VerifyingMaterial),
) -> Result<Option<SigningKeyView>, Problem> {
    let now = api.now();
    let new = NewSigningKey {
        key_id: key_id.clone(),
        material,
        name: request.name.to_string(),
        pool: request.pool_name.clone(),
        created_by: caller.created_by(),
        expires_at: Some(end_after(request.expires_in_seconds, now)),
    };
    let created = async {
        let tenant = api.store.tenant(&caller.scope);
        let created = tenant.create_signing_key(&new, now, &api.write_id()).await;
        Ok((created.or_problem()? == Creation::Created).then(|| {
            SigningKeyView::from(AgentCredentialEntry {
                key_id: key_id.clone(),
                name: new.name.clone(),
                pool: new.pool.clone(),
                algorithm: Some(request.algorithm),
                created_by: new.created_by.clone(),
                created_at: now,
                expires_at: new.expires_at,
                last_used_at: None,
                rotated_to: None,
            })
        }))
    };
    let resource = Resource::new("signing_key", key_id);
    record_creation(api, caller, (Action::SigningKeyCreate, resource), created).await
}
