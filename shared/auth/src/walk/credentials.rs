//! The credentials of a walk.

use super::client::Sent;
use super::people::{Member, Person};
use super::relays::WalkingRelay;
use crate::{Api, Environment, Scope, Token};
use store::{
    CredentialKind, KeyId, NewAgentKey, NewApiToken, NewEnrolment, StoreError, TenantScope,
    TenantStore,
};
use wire::{AgentId, PoolName, Role, Timestamp};

/// A credential that must be refused, and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) what: &'static str,
    pub(super) sent: Sent,
    /// Whether an agent may be registered with it, and nothing else done.
    pub(super) registers: bool,
}

impl Refused {
    fn new(what: &'static str, sent: Sent) -> Self {
        Self {
            what,
            sent,
            registers: false,
        }
    }
}

/// The good credentials of one tenant, as `Authorization` headers.
#[derive(Debug)]
pub(super) struct Tenant {
    api: Api,
    scope: TenantScope,
    parent: KeyId,
    /// A token for each scope alone.
    pub(super) tokens: Vec<(Scope, String)>,
    /// A token for `admin`.
    pub(super) admin: String,
    /// An agent key.
    pub(super) key: String,
    /// A person of each role, with tokens.
    pub(super) members: Vec<Member>,
    /// A relay.
    pub(super) relay: WalkingRelay,
}

/// A session and its agent.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) header: String,
    pub(super) agent_id: AgentId,
}

impl Tenant {
    pub(super) async fn create(api: &Api, scope: &TenantScope) -> Result<Self, StoreError> {
        let maker = Maker { api, scope };
        let mut tokens = Vec::new();
        for granted in Scope::ALL {
            tokens.push((*granted, maker.token(*granted, None).await?.bearer()));
        }
        let key = maker.key(None).await?;
        let parent = key.presented.key_id.clone();
        Ok(Self {
            api: api.clone(),
            scope: scope.clone(),
            parent,
            tokens,
            admin: maker.token(Scope::Admin, None).await?.bearer(),
            key: key.bearer(),
            members: Member::of_each_role(api, scope).await?,
            relay: WalkingRelay::create(api, scope).await?,
        })
    }

    /// A new session of a member of that role, as an `Authorization` header.
    pub(super) async fn session_of(&self, role: Role) -> Result<String, StoreError> {
        match self.members.iter().find(|member| member.role == role) {
            Some(member) => {
                let session = member.person.session(&self.api, self.api.now()).await?;
                Ok(session.bearer())
            }
            None => Ok(String::new()),
        }
    }

    /// A new enrolment token, as an `Authorization` header.
    pub(super) async fn enrolment(&self) -> Result<String, StoreError> {
        let maker = Maker {
            api: &self.api,
            scope: &self.scope,
        };
        Ok(maker.enrolment().await?.bearer())
    }

    /// A session of a new agent.
    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        let maker = Maker {
            api: &self.api,
            scope: &self.scope,
        };
        let end = self.api.now().plus_seconds(3600);
        let (token, agent_id) = maker.session(&self.parent, end).await?;
        Ok(Session {
            header: token.bearer(),
            agent_id,
        })
    }
}

/// Credentials that were never good, or are not any more.
pub(super) async fn refused(api: &Api, scope: &TenantScope) -> Result<Vec<Refused>, StoreError> {
    let maker = Maker { api, scope };
    let now = api.now();
    let good = maker.token(Scope::Admin, None).await?;
    let mut all = forms(api, &good);
    all.extend(of_people(api, scope, &good).await?);
    all.push(Refused {
        registers: true,
        ..Refused::new(
            "an enrolment token",
            Sent::bearer(&maker.enrolment().await?.bearer()),
        )
    });
    let mut add = |what, token: &Token| {
        all.push(Refused::new(what, Sent::bearer(&token.bearer())));
    };
    add(
        "unknown",
        &Token::issue(api.environment, CredentialKind::ApiToken, &api.entropy),
    );
    add(
        "an expired token",
        &maker.token(Scope::Admin, Some(now)).await?,
    );
    let revoked = maker.token(Scope::Admin, None).await?;
    maker.revoke(&revoked).await?;
    add("a revoked token", &revoked);
    add("an expired agent key", &maker.key(Some(now)).await?);
    let key = maker.key(None).await?;
    let (expired, _) = maker.session(&key.presented.key_id, now).await?;
    add("an expired session", &expired);
    let (ended, _) = maker
        .session(&key.presented.key_id, now.plus_seconds(3600))
        .await?;
    maker
        .tenant()
        .end_agent_session(&ended.presented.session())
        .await?;
    add("an ended session", &ended);
    let unknown = Token::issue_session(api.environment, &key.presented.key_id, &api.entropy);
    add("a session that nobody began", &unknown);
    let revoked = maker.key(None).await?;
    let (orphan, _) = maker
        .session(&revoked.presented.key_id, now.plus_seconds(3600))
        .await?;
    maker.revoke(&revoked).await?;
    add("a revoked agent key", &revoked);
    add("a session of a revoked agent key", &orphan);
    Ok(all)
}

/// A good token in forms in which it is none.
fn forms(api: &Api, good: &Token) -> Vec<Refused> {
    let text = good.expose();
    let other = match api.environment {
        Environment::Live => Environment::Test,
        Environment::Test => Environment::Live,
    };
    let elsewhere = Token::issue(other, CredentialKind::ApiToken, &api.entropy);
    // The same public part with another secret, and a checksum that fits.
    let (head, tail) = text.split_at(24);
    let forged = Token::forge(&format!("{head}{}", swap_first(&tail[..43])));
    let broken = format!(
        "{}{}",
        &text[..text.len() - 1],
        if text.ends_with('0') { '1' } else { '0' }
    );
    [
        ("empty", String::new()),
        ("junk", "Bearer junk".to_owned()),
        ("of another scheme", format!("Basic {text}")),
        ("without a scheme", text.to_owned()),
        ("of a wrong checksum", format!("Bearer {broken}")),
        ("of a wrong secret", format!("Bearer {forged}")),
        ("of the other environment", elsewhere.bearer()),
        ("very long", format!("Bearer {}", "x".repeat(6000))),
        (
            "a workload's token of nobody",
            "Bearer e30.e30.e30".to_owned(),
        ),
    ]
    .into_iter()
    .map(|(what, header)| Refused::new(what, Sent::bearer(&header)))
    .collect()
}

/// Sessions and tokens of people that were never good, or are not any more, each also as a cookie.
async fn of_people(
    api: &Api,
    scope: &TenantScope,
    good: &Token,
) -> Result<Vec<Refused>, StoreError> {
    let now = api.now();
    let origin = api.origin.as_str();
    let person = Person::join(api, scope, Role::Owner).await?;
    let removed = Person::join(api, scope, Role::Owner).await?;
    let unknown = Token::issue_for_member(
        api.environment,
        CredentialKind::PersonSession,
        &person.membership.handle,
        &api.entropy,
    );
    let ended = person.session(api, now).await?;
    api.store.end_presented_session(&ended.presented).await?;
    let of_removed = person_gone(api, scope, &removed).await?;
    let mut all = Vec::new();
    let good_session = person.session(api, now).await?;
    for (what, token) in [
        ("a person's session that nobody began", &unknown),
        ("a person's session that was ended", &ended),
        (
            "a person's session that was idle",
            &person.idle_session(api).await?,
        ),
        (
            "a person's session of a day ago",
            &person.old_session(api).await?,
        ),
        ("a session of a member who was removed", &of_removed.0),
        ("a token of a member who was removed", &of_removed.1),
        (
            "an invitation",
            &Token::issue(api.environment, CredentialKind::Invitation, &api.entropy),
        ),
    ] {
        all.push(Refused::new(what, Sent::bearer(&token.bearer())));
        all.push(Refused::new(what, Sent::cookie(token.expose(), origin)));
    }
    let session = Sent::cookie(good_session.expose(), origin);
    let with = |change: fn(&mut Sent, String), value: String| {
        let mut sent = session.clone();
        change(&mut sent, value);
        sent
    };
    all.extend([
        Refused::new(
            "a token in the place of a session cookie",
            Sent::cookie(good.expose(), origin),
        ),
        Refused::new("a junk cookie", Sent::cookie("junk", origin)),
        Refused::new("an empty cookie", Sent::cookie("", origin)),
        Refused::new(
            "two cookies",
            with(
                |sent, again| sent.cookies.push(again),
                session.cookies[0].clone(),
            ),
        ),
        Refused::new(
            "a cookie and a token",
            with(
                |sent, token| sent.authorization = Some(token),
                good.bearer(),
            ),
        ),
    ]);
    Ok(all)
}

/// A session and a token of somebody who is a member no more.
async fn person_gone(
    api: &Api,
    scope: &TenantScope,
    person: &Person,
) -> Result<(Token, Token), StoreError> {
    let session = person.session(api, api.now()).await?;
    let token = person.token(api, scope, Scope::Admin).await?;
    person.leave(api, scope).await?;
    Ok((session, token))
}

fn swap_first(secret: &str) -> String {
    let first = if secret.starts_with('A') { 'B' } else { 'A' };
    format!("{first}{}", &secret[1..])
}

struct Maker<'a> {
    api: &'a Api,
    scope: &'a TenantScope,
}

impl Maker<'_> {
    fn tenant(&self) -> TenantStore<'_> {
        self.api.store.tenant(self.scope)
    }

    async fn token(
        &self,
        granted: Scope,
        expires_at: Option<Timestamp>,
    ) -> Result<Token, StoreError> {
        let token = Token::issue(
            self.api.environment,
            CredentialKind::ApiToken,
            &self.api.entropy,
        );
        let new = NewApiToken {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            name: granted.to_string(),
            scopes: vec![granted.to_string()],
            member: None,
            created_by: "walk".to_owned(),
            expires_at,
        };
        self.tenant().create_api_token(&new, self.api.now()).await?;
        Ok(token)
    }

    async fn key(&self, expires_at: Option<Timestamp>) -> Result<Token, StoreError> {
        let key = Token::issue(
            self.api.environment,
            CredentialKind::AgentKey,
            &self.api.entropy,
        );
        let new = NewAgentKey {
            key_id: key.presented.key_id.clone(),
            secret_sha256: key.presented.secret_sha256,
            name: "walk".to_owned(),
            pool: pool()?,
            created_by: "walk".to_owned(),
            expires_at,
        };
        self.tenant().create_agent_key(&new, self.api.now()).await?;
        Ok(key)
    }

    async fn enrolment(&self) -> Result<Token, StoreError> {
        let now = self.api.now();
        let token = Token::issue(
            self.api.environment,
            CredentialKind::Enrolment,
            &self.api.entropy,
        );
        let new = NewEnrolment {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            name: "walk".to_owned(),
            pool: pool()?,
            created_by: "walk".to_owned(),
            expires_at: now.plus_seconds(3600),
        };
        self.tenant().create_enrolment(&new, now).await?;
        Ok(token)
    }

    async fn session(
        &self,
        parent: &KeyId,
        expires_at: Timestamp,
    ) -> Result<(Token, AgentId), StoreError> {
        let now = self.api.now();
        let token = Token::issue_session(self.api.environment, parent, &self.api.entropy);
        let agent_id = AgentId::new(now, self.api.entropy.bytes());
        self.tenant()
            .create_agent_session(
                &token.presented.session(),
                &agent_id,
                &pool()?,
                expires_at,
                now,
            )
            .await?;
        Ok((token, agent_id))
    }

    async fn revoke(&self, token: &Token) -> Result<(), StoreError> {
        self.tenant()
            .revoke_credential(&token.presented.key_id, "walk", self.api.now(), || {
                self.api.entropy.bytes()
            })
            .await?;
        Ok(())
    }
}

fn pool() -> Result<PoolName, StoreError> {
    PoolName::parse("walk").map_err(|error| StoreError::Unreadable {
        operation: "walk",
        reason: error.to_string(),
    })
}
