//! The relays of a walk: one that signs its requests, and the tokens that keys are brought with.

use super::client::Sent;
use crate::{Api, Token};
use data_encoding::{BASE64, HEXLOWER};
use domain::relay::Relay;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use store::{
    CredentialKind, KeyId, NewRelayEnrolment, NewRelayKey, RelayCreation, RelayKeyRotation,
    StoreError, TenantScope,
};
use wire::relay::{QueueReference, RelayName};
use wire::{
    QueueProvider, RelayId, SIGNED_KEY_ID, SIGNED_NONCE, SIGNED_SIGNATURE, SIGNED_TIMESTAMP,
    SignedParts, Timestamp,
};

/// A relay of a tenant, with its key.
#[derive(Debug, Clone)]
pub(super) struct WalkingRelay {
    pub(super) relay_id: RelayId,
    api: Api,
    scope: TenantScope,
    signer: RelaySigner,
}

/// What signs requests.
#[derive(Debug, Clone)]
pub(super) struct RelaySigner {
    key_id: KeyId,
    key: SigningKey,
    at: Timestamp,
    nonce: String,
    host: String,
}

impl WalkingRelay {
    pub(super) async fn create(api: &Api, scope: &TenantScope) -> Result<Self, StoreError> {
        let now = api.now();
        let key = SigningKey::from_bytes(&api.entropy.bytes());
        let relay_id = RelayId::new(now, api.entropy.bytes());
        let relay = Relay {
            relay_id: relay_id.clone(),
            name: RelayName::parse("walk").map_err(unlikely)?,
            inbound_queue: QueueReference {
                provider: QueueProvider::Local,
                address: "walk".to_owned(),
            },
            decision_queue: None,
            dead_letter_queue: None,
            role_arn: None,
            federation: None,
            external_id: String::new(),
            vault: None,
            created_by: "walk".to_owned(),
            created_at: now,
            current_key: None,
            previous_key: None,
            heard: None,
            polled: None,
        };
        let (token, enrolment) = enrolment(api, &relay_id);
        let tenant = api.store.tenant(scope);
        let created = tenant
            .create_relay(&relay, &enrolment, &api.write_id())
            .await?;
        let with = api.store.relay_enrolment(&token.presented, now).await?;
        let with = with.ok_or_else(|| unlikely("a token is not good"))?;
        let new = NewRelayKey {
            key_id: KeyId::new(api.entropy.bytes()),
            public_key: *key.verifying_key().as_bytes(),
            relay_id: relay_id.clone(),
            expires_at: now.plus_seconds(365 * 24 * 3600),
        };
        let enrolled = tenant
            .enrol_relay(&with, &new, now, &api.write_id())
            .await?;
        if (created, enrolled) != (RelayCreation::Created, RelayKeyRotation::Added) {
            return Err(unlikely("a relay was not set up"));
        }
        let origin = api.origin.as_str();
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        Ok(Self {
            relay_id,
            api: api.clone(),
            scope: scope.clone(),
            signer: RelaySigner {
                key_id: new.key_id,
                key,
                at: now,
                nonce: String::new(),
                host: host.to_owned(),
            },
        })
    }

    /// A request that it has signed, and nobody has sent yet.
    pub(super) fn signed(&self) -> Sent {
        let nonce = HEXLOWER.encode(&self.api.entropy.bytes::<16>());
        Sent {
            signer: Some(RelaySigner {
                nonce,
                ..self.signer.clone()
            }),
            ..Sent::default()
        }
    }

    /// A new token with which it could bring another key.
    pub(super) async fn token(&self) -> Result<Token, StoreError> {
        let (token, new) = enrolment(&self.api, &self.relay_id);
        let tenant = self.api.store.tenant(&self.scope);
        let write_id = self.api.write_id();
        let made = tenant.create_relay_enrolment(&new, self.api.now(), &write_id);
        if made.await? {
            Ok(token)
        } else {
            Err(unlikely("a relay is gone"))
        }
    }
}

fn enrolment(api: &Api, relay_id: &RelayId) -> (Token, NewRelayEnrolment) {
    let token = Token::issue(api.environment, CredentialKind::Enrolment, &api.entropy);
    let new = NewRelayEnrolment {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        relay_id: relay_id.clone(),
        expires_at: api.now().plus_seconds(3600),
        overlap_seconds: 3600,
    };
    (token, new)
}

impl RelaySigner {
    /// The headers of a request.
    pub(super) fn headers(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> [(&'static str, String); 5] {
        let timestamp = (self.at.as_millis() / 1000).to_string();
        let parts = SignedParts {
            timestamp: &timestamp,
            nonce: &self.nonce,
            method,
            host: &self.host,
            path,
            query: "",
            body_sha256: &HEXLOWER.encode(&Sha256::digest(body)),
        };
        let signature = self.key.sign(parts.string_to_sign().as_bytes());
        [
            ("host", self.host.clone()),
            (SIGNED_KEY_ID, self.key_id.to_string()),
            (SIGNED_TIMESTAMP, timestamp.clone()),
            (SIGNED_NONCE, self.nonce.clone()),
            (SIGNED_SIGNATURE, BASE64.encode(&signature.to_bytes())),
        ]
    }
}

fn unlikely(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable {
        operation: "walk",
        reason: reason.to_string(),
    }
}
