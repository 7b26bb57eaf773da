//! A browser begins to sign in.

use crate::browser::with_cookie;
use crate::pre_login::PreLogin;
use crate::providers::SignIn;
use crate::return_to::ReturnTo;
use auth::{Api, cookie};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use web::{ApiPath, ApiQuery, Problem};
use wire::Check;

/// Where to go in the end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoginQuery {
    /// A path of this host, to which the browser is sent once its person has signed in; `/` unless said otherwise.
    #[serde(default)]
    #[param(value_type = Option<String>, max_length = 400, example = "/jobs")]
    return_to: ReturnTo,
}

impl Check for LoginQuery {}

/// Sign in with a browser.
///
/// Sends the browser to the provider (`github`, `google`), with PKCE, and with a state that only this browser can bring back,
/// within ten minutes. Nobody is asked anything and nothing is kept, so it may be called as often as anybody likes.
#[utoipa::path(
    get,
    path = "/auth/login/{provider}",
    tag = "sign-in",
    params(("provider" = String, Path, description = "`github` or `google`."), LoginQuery),
    responses((status = 302, description = "To the provider, with a cookie for the way back."))
)]
pub(crate) async fn begin_login(
    State(api): State<Api>,
    Extension(sign_in): Extension<SignIn>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<LoginQuery>,
) -> Result<Response, Problem> {
    let provider = sign_in.provider(&name)?;
    let login = PreLogin::begin(provider.name(), query.return_to, &api.entropy, api.now());
    let redirect_uri = redirect_uri(&api, provider.name().as_str());
    let location = HeaderValue::from_str(&provider.authorise_url(&login, &redirect_uri))
        .map_err(|_| Problem::internal())?;
    let response = (StatusCode::FOUND, [(LOCATION, location)]).into_response();
    with_cookie(response, cookie::login(&login.to_cookie()))
}

/// Where the provider sends the browser back to. Each provider has a path of its own, so that what one of them answers is
/// never taken for the answer of another.
pub(crate) fn redirect_uri(api: &Api, provider: &str) -> String {
    format!("{}/auth/callback/{provider}", api.origin.as_str())
}
