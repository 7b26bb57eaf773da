//! The credentials of a plane on a laptop: made once, at random, and kept where only their owner can read them.

use anyhow::{Context, Result, bail};
use auth::{Api, Environment, Scope, Token};
use secrecy::{ExposeSecret, SecretString};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use store::{
    Creation, CredentialKind, NewAgentKey, NewApiToken, NewInvitation, Presented, TenantScope,
};
use wire::{PoolName, Role, ShortText, TenantId};

/// The file, in the data directory, that holds the API token.
pub const API_TOKEN_FILE: &str = "api-token";

/// The file, in the data directory, that holds the agent key.
pub const AGENT_KEY_FILE: &str = "agent-key";

/// The file, in the data directory, that holds the invitation into the plane's own organisation, while it has no owner.
pub const INVITATION_FILE: &str = "invitation";

/// Who creates and uses them, as `created_by` shows it.
const NAME: &str = "local";

/// How long they are good. After that new ones take their place at the next start.
const GOOD_SECONDS: i64 = 365 * 24 * 3600;

/// How long an invitation is good, as everybody's.
const INVITED_SECONDS: i64 = 7 * 24 * 3600;

/// What gives access to the plane.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// May do everything a person may.
    pub(crate) api_token: SecretString,
    /// Registers agents of one pool.
    pub(crate) agent_key: SecretString,
}

/// Makes the data directory, for its owner alone, and keeps it out of the repository it may stand in.
pub(crate) fn prepare_directory(directory: &Path) -> Result<()> {
    let shown = directory.display();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot create the data directory {shown}"))?;
    let ignore = directory.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n")
            .with_context(|| format!("cannot write in the data directory {shown}"))?;
    }
    Ok(())
}

/// The credentials in the data directory, known to the database; made where they are missing or no longer good.
pub(crate) async fn ensure(api: &Api, directory: &Path, pool: &PoolName) -> Result<Credentials> {
    let tenant = TenantId::parse(NAME)?;
    let scope = api.store.create_tenant(&tenant, api.now()).await?;
    // So that people who sign in can be invited to what the token is for.
    let name = ShortText::parse(NAME)?;
    let organisation = api.store.tenant(&scope);
    organisation.ensure_organisation(&name, api.now()).await?;
    let api_token = ensure_one(api, &scope, &directory.join(API_TOKEN_FILE), None).await?;
    let agent_key = ensure_one(api, &scope, &directory.join(AGENT_KEY_FILE), Some(pool)).await?;
    ensure_invitation(api, &scope, &directory.join(INVITATION_FILE)).await?;
    Ok(Credentials {
        api_token,
        agent_key,
    })
}

/// An invitation for whoever is to be the owner of the plane's own organisation, until there is one: it takes a person to
/// invite others, and a token cannot.
async fn ensure_invitation(api: &Api, scope: &TenantScope, path: &Path) -> Result<()> {
    let (tenant, now) = (api.store.tenant(scope), api.now());
    if !tenant.members(1, None).await?.members.is_empty() {
        return remove(path);
    }
    if let Some(text) = read(path)?
        && let Ok(known) = Token::parse(api.environment, text.expose_secret())
        && api.store.invitation(&known, now).await?.is_some()
    {
        return Ok(());
    }
    let token = Token::issue(api.environment, CredentialKind::Invitation, &api.entropy);
    let new = NewInvitation {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        role: Role::Owner,
        created_by: NAME.to_owned(),
        creator: None,
        expires_at: now.plus_seconds(INVITED_SECONDS),
    };
    let created = tenant.create_invitation(&new, now, &api.write_id()).await?;
    if created != Creation::Created {
        bail!("a random key id was taken; try again");
    }
    write(path, &SecretString::from(token.expose().to_owned()))
}

/// One credential: the API token, or the agent key of a pool.
async fn ensure_one(
    api: &Api,
    scope: &TenantScope,
    path: &Path,
    pool: Option<&PoolName>,
) -> Result<SecretString> {
    if let Some(text) = read(path)? {
        let known = Token::parse(api.environment, text.expose_secret()).with_context(|| {
            format!(
                "{} does not hold a credential; remove it to get a new one",
                path.display()
            )
        })?;
        let verified = api.store.authenticate(&known, api.now()).await?;
        let fits = |kind: CredentialKind| kind == kind_of(pool) && known.kind == kind;
        match verified {
            Some(verified) if fits(known.kind) && bound_to(&verified, pool) => return Ok(text),
            // The database is new, or in memory: it learns the credential that is in the file.
            None if create(api, scope, &known, pool).await? == Creation::Created
                && api.store.authenticate(&known, api.now()).await?.is_some() =>
            {
                return Ok(text);
            }
            Some(_) | None => {}
        }
    }
    let token = Token::issue(api.environment, kind_of(pool), &api.entropy);
    if create(api, scope, &token.presented, pool).await? != Creation::Created {
        bail!("a random key id was taken; try again");
    }
    let text = SecretString::from(token.expose().to_owned());
    write(path, &text)?;
    Ok(text)
}

fn kind_of(pool: Option<&PoolName>) -> CredentialKind {
    if pool.is_some() {
        CredentialKind::AgentKey
    } else {
        CredentialKind::ApiToken
    }
}

fn bound_to(verified: &store::Verified, pool: Option<&PoolName>) -> bool {
    match (&verified.subject, pool) {
        (store::Subject::AgentKey { pool: bound }, Some(pool)) => bound == pool,
        (store::Subject::Token { .. }, None) => true,
        (
            store::Subject::AgentKey { .. }
            | store::Subject::Token { .. }
            | store::Subject::Person { .. }
            | store::Subject::AgentSession { .. },
            _,
        ) => false,
    }
}

async fn create(
    api: &Api,
    scope: &TenantScope,
    presented: &Presented,
    pool: Option<&PoolName>,
) -> Result<Creation> {
    let now = api.now();
    let tenant = api.store.tenant(scope);
    let (key_id, secret_sha256) = (presented.key_id.clone(), presented.secret_sha256);
    let expires_at = Some(now.plus_seconds(GOOD_SECONDS));
    let created_by = NAME.to_owned();
    let name = NAME.to_owned();
    if let Some(pool) = pool {
        let pool = pool.clone();
        let new = NewAgentKey {
            key_id,
            secret_sha256,
            name,
            pool,
            created_by,
            expires_at,
        };
        return Ok(tenant.create_agent_key(&new, now).await?);
    }
    let scopes = vec![Scope::Admin.as_str().to_owned()];
    let new = NewApiToken {
        key_id,
        secret_sha256,
        name,
        scopes,
        member: None,
        created_by,
        expires_at,
    };
    Ok(tenant.create_api_token(&new, now).await?)
}

pub(crate) fn read(path: &Path) -> Result<Option<SecretString>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(SecretString::from(text.trim().to_owned()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// Writes a credential readable to the owner only, whole or not at all.
pub(crate) fn write(path: &Path, text: &SecretString) -> Result<()> {
    let whole = path.with_extension("new");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&whole)
        .and_then(|mut file| {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(text.expose_secret().as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&whole, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// The environment of every plane on a laptop: its credentials are refused by a deployed one.
pub(crate) const ENVIRONMENT: Environment = Environment::Test;
