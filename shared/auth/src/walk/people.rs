//! The people of a walk, and of tests.

use crate::{Api, Scope, Token};
use store::{
    Acceptance, CredentialKind, Identity, MemberHandle, MemberOutcome, Membership, NewApiToken,
    NewInvitation, NewOrganisation, NewPerson, NewPersonSession, PersonScope, SESSION_IDLE_SECONDS,
    SESSION_SECONDS, StoreError, TenantScope,
};
use wire::{Role, SessionId, ShortText, TenantId, Timestamp, UserId};

const HOUR: i64 = 3600;

/// Somebody in an organisation, who has one of their own too.
#[derive(Debug)]
pub struct Person {
    scope: PersonScope,
    /// Their membership of the organisation.
    pub membership: Membership,
    /// Their own organisation, which nobody else is in.
    pub own: TenantId,
}

/// A person of one role, with a token for each scope that a token can have.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) role: Role,
    pub(super) person: Person,
    /// As `Authorization` headers.
    pub(super) tokens: Vec<(Scope, String)>,
}

impl Member {
    /// One of each role, and a viewer who was an administrator when they made their tokens.
    pub(super) async fn of_each_role(
        api: &Api,
        scope: &TenantScope,
    ) -> Result<Vec<Self>, StoreError> {
        let mut members = Vec::new();
        for role in Role::ALL {
            members.push(Self::join(api, scope, *role).await?);
        }
        let mut demoted = Self::join(api, scope, Role::Admin).await?;
        demoted
            .person
            .become_another(api, scope, Role::Viewer)
            .await?;
        demoted.role = Role::Viewer;
        members.push(demoted);
        Ok(members)
    }

    async fn join(api: &Api, scope: &TenantScope, role: Role) -> Result<Self, StoreError> {
        let person = Person::join(api, scope, role).await?;
        let mut tokens = Vec::new();
        for granted in Scope::ALL {
            if !granted.is_of_machines_alone() {
                let token = person.token(api, scope, *granted).await?;
                tokens.push((*granted, token.bearer()));
            }
        }
        Ok(Self {
            role,
            person,
            tokens,
        })
    }
}

impl Person {
    /// Somebody who signs in for the first time, is invited and comes.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn join(api: &Api, scope: &TenantScope, role: Role) -> Result<Self, StoreError> {
        let now = api.now();
        let name = ShortText::parse("walker").map_err(unlikely)?;
        let tenant = api.store.tenant(scope);
        tenant.ensure_organisation(&name, now).await?;
        let user_id = UserId::new(now, api.entropy.bytes());
        let identity = Identity::new("https://idp.example.com", user_id.as_str());
        let new = NewPerson {
            user_id,
            display_name: name.clone(),
            organisation: NewOrganisation {
                tenant: TenantId::organisation(now, api.entropy.bytes()),
                name,
                handle: MemberHandle::new(api.entropy.bytes()),
            },
        };
        let identity = identity.map_err(unlikely)?;
        let own = new.organisation.tenant.clone();
        let signed_in = api
            .store
            .sign_in(&identity, &new, now, &api.write_id())
            .await?;
        let token = Token::issue(api.environment, CredentialKind::Invitation, &api.entropy);
        let invitation = NewInvitation {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            role,
            created_by: "walk".to_owned(),
            creator: None,
            expires_at: now.plus_seconds(HOUR),
        };
        tenant
            .create_invitation(&invitation, now, &api.write_id())
            .await?;
        let handle = MemberHandle::new(api.entropy.bytes());
        let accepted = api
            .store
            .person(&signed_in.scope)
            .accept_invitation(&token.presented, &handle, now, &api.write_id())
            .await?;
        match accepted {
            Acceptance::Joined(membership) => Ok(Self {
                scope: signed_in.scope,
                membership,
                own,
            }),
            Acceptance::AlreadyMember(_) | Acceptance::NotGood | Acceptance::TooMany => {
                Err(unlikely("an invitation was not taken"))
            }
        }
    }

    /// Gives them another role.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn become_another(
        &self,
        api: &Api,
        scope: &TenantScope,
        role: Role,
    ) -> Result<(), StoreError> {
        let tenant = api.store.tenant(scope);
        let seen = tenant.member(&self.membership.user_id).await?;
        let seen = seen.ok_or_else(|| unlikely("a member is gone"))?;
        match tenant.set_role(&seen, role, None, &api.write_id()).await? {
            MemberOutcome::Changed(_) => Ok(()),
            MemberOutcome::Stale(_)
            | MemberOutcome::LastOwner
            | MemberOutcome::NotAllowed
            | MemberOutcome::Missing => Err(unlikely("a role was not given")),
        }
    }

    /// Takes them out of the organisation.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn leave(&self, api: &Api, scope: &TenantScope) -> Result<(), StoreError> {
        let tenant = api.store.tenant(scope);
        let seen = tenant.member(&self.membership.user_id).await?;
        let seen = seen.ok_or_else(|| unlikely("a member is gone"))?;
        match tenant.remove_member(&seen, None, &api.write_id()).await? {
            MemberOutcome::Changed(_) => Ok(()),
            MemberOutcome::Stale(_)
            | MemberOutcome::LastOwner
            | MemberOutcome::NotAllowed
            | MemberOutcome::Missing => Err(unlikely("a member was not removed")),
        }
    }

    /// A new session.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn session(&self, api: &Api, now: Timestamp) -> Result<Token, StoreError> {
        let token = Token::issue_for_member(
            api.environment,
            CredentialKind::PersonSession,
            &self.membership.handle,
            &api.entropy,
        );
        let new = NewPersonSession {
            session_id: SessionId::new(now, api.entropy.bytes()),
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            user_agent: None,
            address: None,
        };
        api.store
            .person(&self.scope)
            .create_session(&self.membership, &new, now)
            .await?;
        Ok(token)
    }

    /// A session that was not used for too long.
    pub(crate) async fn idle_session(&self, api: &Api) -> Result<Token, StoreError> {
        let begun = api.now().plus_seconds(-SESSION_IDLE_SECONDS);
        self.session(api, begun).await
    }

    /// A session that was used all the time, for too long.
    pub(crate) async fn old_session(&self, api: &Api) -> Result<Token, StoreError> {
        let mut now = api.now().plus_seconds(-SESSION_SECONDS);
        let token = self.session(api, now).await?;
        while now < api.now() {
            let verified = api.store.authenticate(&token.presented, now).await?;
            verified.ok_or_else(|| unlikely("a session ended early"))?;
            now = now.plus_seconds(HOUR);
        }
        Ok(token)
    }

    /// A new token with one scope.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn token(
        &self,
        api: &Api,
        scope: &TenantScope,
        granted: Scope,
    ) -> Result<Token, StoreError> {
        let token = Token::issue_for_member(
            api.environment,
            CredentialKind::ApiToken,
            &self.membership.handle,
            &api.entropy,
        );
        let new = NewApiToken {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            name: granted.to_string(),
            scopes: vec![granted.to_string()],
            member: Some(self.membership.user_id.clone()),
            created_by: "walk".to_owned(),
            expires_at: None,
        };
        let tenant = api.store.tenant(scope);
        tenant.create_api_token(&new, api.now()).await?;
        Ok(token)
    }
}

fn unlikely(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable {
        operation: "walk",
        reason: reason.to_string(),
    }
}
