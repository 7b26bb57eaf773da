//! Tenants and their credentials, made with the library as an endpoint will make them.

use auth::{Api, Scope, Token};
use store::{Creation, CredentialKind, NewAgentKey, NewApiToken};
use wire::{PoolName, TenantId};

/// What gives access to a new tenant.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// An API token that may do everything a person may.
    pub(crate) api_token: String,
    /// An agent key for the pool `default`.
    pub(crate) agent_key: String,
}

impl Credentials {
    /// Creates a tenant.
    pub(crate) async fn create(api: &Api, tenant: &str) -> Self {
        const NAME: &str = "test";
        let id = TenantId::parse(tenant).unwrap();
        let scope = api.store.create_tenant(&id, api.now()).await.unwrap();
        let tenant = api.store.tenant(&scope);
        let token = Token::issue(api.environment, CredentialKind::ApiToken, &api.entropy);
        let new = NewApiToken {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            name: NAME.to_owned(),
            scopes: vec![Scope::Admin.to_string()],
            member: None,
            created_by: NAME.to_owned(),
            expires_at: None,
        };
        let created = tenant.create_api_token(&new, api.now()).await.unwrap();
        assert_eq!(created, Creation::Created);
        let key = Token::issue(api.environment, CredentialKind::AgentKey, &api.entropy);
        let new = NewAgentKey {
            key_id: key.presented.key_id.clone(),
            secret_sha256: key.presented.secret_sha256,
            name: NAME.to_owned(),
            pool: PoolName::parse("default").unwrap(),
            created_by: NAME.to_owned(),
            expires_at: None,
        };
        let created = tenant.create_agent_key(&new, api.now()).await.unwrap();
        assert_eq!(created, Creation::Created);
        Self {
            api_token: token.expose().to_owned(),
            agent_key: key.expose().to_owned(),
        }
    }
}
