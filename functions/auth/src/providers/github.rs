//! GitHub: OAuth 2.0 with PKCE. It has no ID tokens, so who somebody is is asked with their access token, which is then
//! dropped.

use super::{CameBack, Known, SignInError, display_name};
use crate::pre_login::PreLogin;
use crate::settings::{Application, Reader};
use oidc::{CallError, Endpoint, Form, HttpsClient, Network};
use secrecy::SecretString;
use secrets::{Lookup, Secret};
use serde::Deserialize;
use store::Identity;
use wire::{ShortText, Timestamp};

/// GitHub as people sign in with it here.
#[derive(Clone)]
pub(crate) struct GitHub {
    client_id: String,
    client_secret: Secret<SecretString>,
    /// What the numbers of its users are kept under.
    pub(super) known_as: String,
    authorise: Endpoint,
    token: Endpoint,
    user: Endpoint,
    check: Endpoint,
    client: HttpsClient,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<SecretString>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct IssuedTo {
    client_id: String,
}

#[derive(Deserialize)]
struct Checked {
    app: IssuedTo,
    user: Option<User>,
}

impl GitHub {
    /// Reads `GITHUB_CLIENT_ID`, without which it is off, `GITHUB_CLIENT_SECRET` or `GITHUB_CLIENT_SECRET_ARN`, and where it is.
    pub(crate) fn read(
        network: &Network,
        lookup: Lookup<'_>,
        faults: &mut Vec<String>,
    ) -> Option<Self> {
        let application = Application {
            prefix: "GITHUB",
            secret: "GITHUB_CLIENT_SECRET",
        };
        let mut reader = Reader::new(application, network, lookup, faults);
        let others = [
            "CLIENT_SECRET",
            "CLIENT_SECRET_ARN",
            "AUTHORIZE_URL",
            "TOKEN_URL",
            "API_URL",
        ];
        if reader.is_off(&others) {
            return None;
        }
        let client_id = reader.client_id();
        let client_secret = reader.client_secret();
        let authorise = reader.url("AUTHORIZE_URL", "https://github.com/login/oauth/authorize");
        let token = reader.url("TOKEN_URL", "https://github.com/login/oauth/access_token");
        let api = "https://api.github.com";
        let user = reader.url_below("API_URL", api, "/user");
        let application = client_id.as_deref().unwrap_or_default();
        let check = format!("/applications/{application}/token");
        let check = reader.url_below("API_URL", api, &check);
        let authorise = authorise?;
        Some(Self {
            known_as: origin_of(authorise.as_str()),
            client_id: client_id?,
            client_secret: client_secret?,
            authorise,
            token: token?,
            user: user?,
            check: check?,
            client: HttpsClient::new(network.clone()),
        })
    }

    pub(super) fn authorise_url(&self, login: &PreLogin, redirect_uri: &str) -> String {
        // Without a scope the token opens what is public, and we want no more than a number.
        let query = [
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", redirect_uri),
            ("state", &login.state),
            ("code_challenge", &login.challenge()),
            ("code_challenge_method", "S256"),
        ];
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        format!("{}?{query}", self.authorise.as_str())
    }

    pub(super) async fn exchange(
        &self,
        back: &CameBack<'_>,
        now: Timestamp,
    ) -> Result<Known, SignInError> {
        let client_secret = self.client_secret.get(now).await?;
        let form = Form::new()
            .text("client_id", &self.client_id)
            .secret("client_secret", &client_secret)
            .secret("code", back.code)
            .text("redirect_uri", back.redirect_uri)
            .secret("code_verifier", back.verifier);
        let answer: TokenAnswer = self
            .client
            .post_form(&self.token, form)
            .await
            .map_err(|error| SignInError::of_call(error, &[403]))?;
        // GitHub says what it refuses with status 200.
        if let Some(error) = answer.error {
            let rejected = CallError::Rejected {
                status: 200,
                error: Some(error.chars().take(64).collect()),
            };
            return Err(SignInError::of_call(rejected, &[]));
        }
        let token = answer.access_token.ok_or_else(|| {
            SignInError::Unavailable("there is no token in the answer".to_owned())
        })?;
        let user: User = self
            .client
            .get_json(&self.user, &token)
            .await
            // 403 is what GitHub answers to whoever asks it too often. The code is used up, but nothing is wrong with it.
            .map_err(|error| SignInError::of_call(error, &[403]))?;
        self.known(&user)
    }

    /// Whether it looks like a token that GitHub gives an application for a person. What does not is not shown to it.
    pub(super) fn is_token(text: &str) -> bool {
        let rest = ["gho_", "ghu_"]
            .iter()
            .find_map(|kind| text.strip_prefix(kind));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        rest.is_some_and(|rest| (1..=1024).contains(&rest.len()) && rest.bytes().all(allowed))
    }

    pub(super) async fn whose_token(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Known, SignInError> {
        let client_secret = self.client_secret.get(now).await?;
        let checked: Checked = self
            .client
            .post_json(
                &self.check,
                (&self.client_id, &client_secret),
                ("access_token", token),
            )
            .await
            .map_err(|error| SignInError::of_call(error, &[401, 403]))?;
        if checked.app.client_id != self.client_id {
            return Err(SignInError::refused("a token of another application"));
        }
        let user = checked
            .user
            .ok_or_else(|| SignInError::refused("a token of nobody"))?;
        self.known(&user)
    }

    /// By number: a login can be given up and be taken by somebody else.
    fn known(&self, user: &User) -> Result<Known, SignInError> {
        let identity = Identity::new(&self.known_as, &user.id.to_string())
            .map_err(|error| SignInError::Unavailable(error.to_string()))?;
        let name = display_name(&[user.name.as_deref(), Some(&user.login)]);
        Ok(Known {
            identity,
            display_name: name
                .map_or_else(|| ShortText::parse("somebody at GitHub"), Ok)
                .map_err(SignInError::refused)?,
        })
    }
}

/// Scheme and host: numbers of users are those of one GitHub, and an enterprise has its own.
fn origin_of(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHub")
            .field("client_id", &self.client_id)
            .field("known_as", &self.known_as)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_people_of_a_github_are_kept_under_its_host() {
        for (url, origin) in [
            (
                "https://github.com/login/oauth/authorize",
                "https://github.com",
            ),
            (
                "https://git.example.com:8443/a",
                "https://git.example.com:8443",
            ),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }

    #[test]
    fn a_token_of_a_person_is_told_from_other_text() {
        assert!(GitHub::is_token("gho_16C7e42F292c6912E7710c838347Ae178B4a"));
        assert!(GitHub::is_token("ghu_a.b-c_d"));
        let long = format!("gho_{}", "x".repeat(1025));
        for bad in [
            "", "gho_", "ghp_abc", "ghs_abc", "Gho_abc", "xgho_abc", "gho_a b", "gho_a/b", &long,
        ] {
            assert!(!GitHub::is_token(bad), "{bad}");
        }
    }
}
