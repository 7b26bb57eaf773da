//! Somebody who has signed in, without a provider.

use auth::{Api, Token};
use store::{CredentialKind, Identity, MemberHandle, NewOrganisation, NewPerson, NewPersonSession};
use wire::{SessionId, ShortText, TenantId, UserId};

/// A person with a session in their own organisation.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    /// The value of an `Authorization` header.
    pub(crate) bearer: String,
    pub(crate) user_id: String,
    pub(crate) session_id: String,
    pub(crate) organisation: String,
}

impl Guest {
    /// Signs in, whoever it is.
    pub(crate) async fn sign_in(api: &Api, subject: &str) -> Self {
        let now = api.now();
        let identity = Identity::new("https://idp.example.com", subject).unwrap();
        let name = ShortText::parse(subject).unwrap();
        let new = NewPerson {
            user_id: UserId::new(now, api.entropy.bytes()),
            organisation: NewOrganisation {
                tenant: TenantId::organisation(now, api.entropy.bytes()),
                name: name.clone(),
                handle: MemberHandle::new(api.entropy.bytes()),
            },
            display_name: name,
        };
        let signed_in = api
            .store
            .sign_in(&identity, &new, now, &api.write_id())
            .await
            .unwrap();
        let membership = &signed_in.memberships[0];
        let kind = CredentialKind::PersonSession;
        let handle = &membership.handle;
        let token = Token::issue_for_member(api.environment, kind, handle, &api.entropy);
        let session = NewPersonSession {
            session_id: SessionId::new(now, api.entropy.bytes()),
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            user_agent: None,
            address: None,
        };
        let own = api.store.person(&signed_in.scope);
        own.create_session(membership, &session, now).await.unwrap();
        Self {
            bearer: token.bearer(),
            user_id: signed_in.person.user_id.to_string(),
            session_id: session.session_id.to_string(),
            organisation: membership.scope.tenant().to_string(),
        }
    }
}
