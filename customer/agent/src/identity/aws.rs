//! AWS: `sts:GetWebIdentityToken` (outbound identity federation) signs tokens for the role that the credentials are of.
//!
//! The call is made by hand: of the whole SDK it needs the signature alone. <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html>

use super::Workload;
use super::aws_credentials::{Keys, find_keys, find_region};
use super::http::{Http, call_for_any};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::time::SystemTime;

const WHAT: &str = "AWS STS";
const FORM: &str = "application/x-www-form-urlencoded";
/// How long a token is good for; it is sent at once.
const DURATION_SECONDS: &str = "300";

/// A token of the role that this process's credentials are of.
pub(super) async fn token(http: &Http, workload: &Workload) -> Result<SecretString, String> {
    let keys = find_keys(http, workload).await?;
    let region = find_region(http, workload).await?;
    let address = match &workload.addresses.aws_sts {
        Some(address) => address.clone(),
        // The global endpoint does not have this operation.
        None if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn"),
        None => format!("https://sts.{region}.amazonaws.com"),
    };
    let address = format!("{address}/");
    let body = form(&workload.audience);
    let mut request = http.for_address(&address).post(&address);
    let signed = signature(&keys, &region, &address, &body);
    for (name, value) in signed.map_err(|error| format!("{WHAT}: cannot sign: {error}"))? {
        request = request.header(name, value);
    }
    let request = request.header("content-type", FORM).body(body);
    let (status, _, answer) = call_for_any(WHAT, request).await?;
    if status != 200 {
        let code = element(&answer, "Code").filter(|code| is_word(code));
        return Err(format!(
            "{WHAT}: status {status}, {}",
            code.unwrap_or("without a reason")
        ));
    }
    let token = element(&answer, "WebIdentityToken");
    token
        .map(SecretString::from)
        .ok_or_else(|| format!("{WHAT}: the answer has no token"))
}

/// The parameters of the call.
fn form(audience: &str) -> String {
    let parameters = [
        ("Action", "GetWebIdentityToken"),
        ("Version", "2011-06-15"),
        ("Audience.member.1", audience),
        ("SigningAlgorithm", "ES384"),
        ("DurationSeconds", DURATION_SECONDS),
    ];
    // Any base will do: only its query is used.
    Url::parse_with_params("http://form/", parameters)
        .ok()
        .and_then(|url| url.query().map(str::to_owned))
        .unwrap_or_default()
}

/// The headers that sign the call.
fn signature(
    keys: &Keys,
    region: &str,
    address: &str,
    body: &str,
) -> Result<Vec<(String, String)>, SigningError> {
    let identity = Credentials::new(
        keys.id.clone(),
        keys.secret.expose_secret(),
        keys.session_token
            .as_ref()
            .map(|token| token.expose_secret().to_owned()),
        None,
        "hybrid-agent",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build();
    let params = match params {
        Ok(params) => params.into(),
        // All of its parts are above.
        Err(_) => return Ok(Vec::new()),
    };
    let request = SignableRequest::new(
        "POST",
        address,
        std::iter::once(("content-type", FORM)),
        SignableBody::Bytes(body.as_bytes()),
    )?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    let headers = instructions.headers();
    Ok(headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The text of the first element of that name. Tokens and codes have no character that XML would escape.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
