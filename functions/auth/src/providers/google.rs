//! Google: OpenID Connect with PKCE. Who somebody is stands in the ID token, which `oidc` verifies.

use super::{CameBack, Known, SignInError, display_name};
use crate::pre_login::PreLogin;
use crate::settings::{Application, Reader};
use oidc::{
    Endpoint, Expected, FetchError, Form, HttpsClient, IssuerUrl, KeyFetcher, Network, TokenError,
};
use secrecy::{ExposeSecret, SecretString};
use secrets::{Lookup, Secret};
use serde::Deserialize;
use store::Identity;
use wire::{ShortText, Timestamp};

/// Google as people sign in with it here.
#[derive(Clone)]
pub(crate) struct Google {
    client_id: String,
    client_secret: Secret<SecretString>,
    issuer: IssuerUrl,
    /// What its people are kept under.
    pub(super) known_as: String,
    authorise: Endpoint,
    token: Endpoint,
    token_info: Endpoint,
    user_info: Endpoint,
    client: HttpsClient,
    keys: KeyFetcher,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: SecretString,
}

#[derive(Deserialize)]
struct TokenInfo {
    aud: String,
    #[serde(default)]
    sub: Option<String>,
    /// Seconds since 1970, as text.
    #[serde(default)]
    exp: Option<String>,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    #[serde(default)]
    name: Option<String>,
}

impl Google {
    /// Reads `GOOGLE_CLIENT_ID`, without which it is off, `GOOGLE_CLIENT_SECRET` or `GOOGLE_CLIENT_SECRET_ARN`, and where it is.
    pub(crate) fn read(
        network: &Network,
        lookup: Lookup<'_>,
        faults: &mut Vec<String>,
    ) -> Option<Self> {
        let application = Application {
            prefix: "GOOGLE",
            secret: "GOOGLE_CLIENT_SECRET",
        };
        let mut reader = Reader::new(application, network, lookup, faults);
        let others = [
            "CLIENT_SECRET",
            "CLIENT_SECRET_ARN",
            "ISSUER",
            "AUTHORIZE_URL",
            "TOKEN_URL",
            "TOKENINFO_URL",
            "USERINFO_URL",
        ];
        if reader.is_off(&others) {
            return None;
        }
        let client_id = reader.client_id();
        let client_secret = reader.client_secret();
        let issuer = reader.issuer("ISSUER", "https://accounts.google.com");
        let authorise = reader.url(
            "AUTHORIZE_URL",
            "https://accounts.google.com/o/oauth2/v2/auth",
        );
        let token = reader.url("TOKEN_URL", "https://oauth2.googleapis.com/token");
        let token_info = reader.url("TOKENINFO_URL", "https://oauth2.googleapis.com/tokeninfo");
        let user_info = reader.url(
            "USERINFO_URL",
            "https://openidconnect.googleapis.com/v1/userinfo",
        );
        let issuer = issuer?;
        Some(Self {
            known_as: issuer.as_str().to_owned(),
            client_id: client_id?,
            client_secret: client_secret?,
            issuer,
            authorise: authorise?,
            token: token?,
            token_info: token_info?,
            user_info: user_info?,
            client: HttpsClient::new(network.clone()),
            keys: KeyFetcher::new(network.clone()),
        })
    }

    pub(super) fn authorise_url(&self, login: &PreLogin, redirect_uri: &str) -> String {
        let query = [
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("state", &login.state),
            ("nonce", &login.nonce),
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
            .text("grant_type", "authorization_code")
            .text("client_id", &self.client_id)
            .secret("client_secret", &client_secret)
            .secret("code", back.code)
            .text("redirect_uri", back.redirect_uri)
            .secret("code_verifier", back.verifier);
        let answer: TokenAnswer = self
            .client
            .post_form(&self.token, form)
            .await
            .map_err(|error| SignInError::of_call(error, &[]))?;
        let expected = Expected::sign_in(self.issuer.clone(), &self.client_id, back.nonce);
        let claims = self
            .keys
            .verify(answer.id_token.expose_secret(), &expected, now)
            .await
            .map_err(|error| match error {
                TokenError::Jwt(error) => SignInError::refused(error),
                TokenError::Fetch(FetchError::Unavailable(why) | FetchError::Refused(why)) => {
                    SignInError::Unavailable(why)
                }
            })?;
        self.known(claims.subject(), claims.text("name"))
    }

    /// Whether it has a form that Google's tokens may have (RFC 6750, 2.1). They begin with nothing that could be relied on.
    pub(super) fn is_token(text: &str) -> bool {
        let bare = text.trim_end_matches('=');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        (1..=2048).contains(&text.len()) && !bare.is_empty() && bare.bytes().all(allowed)
    }

    pub(super) async fn whose_token(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Known, SignInError> {
        // In a form and not in the query: addresses end up in logs.
        let form = Form::new().secret("access_token", token);
        let info: TokenInfo = self
            .client
            .post_form(&self.token_info, form)
            .await
            .map_err(|error| SignInError::of_call(error, &[]))?;
        if info.aud != self.client_id {
            return Err(SignInError::refused("a token of another application"));
        }
        let ends = info.exp.and_then(|seconds| seconds.parse::<i64>().ok());
        if ends.is_none_or(|seconds| seconds <= now.as_millis() / 1000) {
            return Err(SignInError::refused("a token that has expired"));
        }
        let subject = info
            .sub
            .ok_or_else(|| SignInError::refused("a token without the scope `openid`"))?;
        let user: UserInfo = self
            .client
            .get_json(&self.user_info, token)
            .await
            .map_err(|error| SignInError::of_call(error, &[]))?;
        if user.sub != subject {
            return Err(SignInError::refused("two answers about one token differ"));
        }
        self.known(&subject, user.name.as_deref())
    }

    /// By subject: an address can be given up and be taken by somebody else.
    fn known(&self, subject: &str, name: Option<&str>) -> Result<Known, SignInError> {
        let identity = Identity::new(&self.known_as, subject).map_err(SignInError::refused)?;
        Ok(Known {
            identity,
            display_name: display_name(&[name])
                .map_or_else(|| ShortText::parse("somebody at Google"), Ok)
                .map_err(SignInError::refused)?,
        })
    }
}

impl std::fmt::Debug for Google {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Google")
            .field("client_id", &self.client_id)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
