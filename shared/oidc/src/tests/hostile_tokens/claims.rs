//! Claims of tokens that are truly signed: when, by whom, for whom.

use super::super::world::{AUDIENCE, ISSUER, KEYS, NOW_SECONDS, with, without};
use super::{Case, NO_TOKEN, token};
use crate::JwtError::{self, Audience, Claim, Issuer};
use serde_json::{Value, json};

pub(super) fn times() -> Vec<Case> {
    let raw = |exp: &str| {
        let text = without("exp").to_string();
        let claims = format!(r#"{},"exp":{exp}}}"#, text.trim_end_matches('}'));
        KEYS.es256
            .token_of(r#"{"alg":"ES256","kid":"es256"}"#, &claims)
    };
    let at = |name: &str, seconds: i64| token(&with(name, NOW_SECONDS + seconds));
    let exp = || Claim("exp");
    vec![
        ("no end", token(&without("exp")), exp()),
        (
            "an end as text",
            token(&with("exp", (NOW_SECONDS + 300).to_string())),
            exp(),
        ),
        ("an end that is null", raw("null"), exp()),
        ("an end that is true", raw("true"), exp()),
        ("an end below zero", raw("-1"), exp()),
        ("an end at zero", raw("0"), exp()),
        ("an end that is hardly above zero", raw("0.5"), exp()),
        ("an end in the year 10000", raw("253402300800"), exp()),
        ("an end in milliseconds", raw("1700000300000"), exp()),
        (
            "an end beyond 64 bits",
            raw("99999999999999999999999"),
            exp(),
        ),
        ("an end that is no number", raw("NaN"), NO_TOKEN),
        ("an end before the beginning", at("exp", -6), exp()),
        ("no time of issue", token(&without("iat")), Claim("iat")),
        (
            "a time of issue as text",
            token(&with("iat", "1700000000")),
            Claim("iat"),
        ),
        (
            "a time of issue below zero",
            token(&with("iat", -5)),
            Claim("iat"),
        ),
        (
            "a beginning as text",
            token(&with("nbf", "1700000000")),
            Claim("nbf"),
        ),
        (
            "a beginning that is null",
            token(&with("nbf", Value::Null)),
            Claim("nbf"),
        ),
        (
            "issued ten minutes from now",
            issued_at(600),
            JwtError::NotYetValid { seconds: 600 },
        ),
        (
            "valid ten minutes from now",
            at("nbf", 600),
            JwtError::NotYetValid { seconds: 600 },
        ),
        (
            "ended ten minutes ago",
            ended(600),
            JwtError::Expired { seconds: 600 },
        ),
        (
            "issued eleven minutes ago",
            issued_at(-660),
            JwtError::TooOld { seconds: 660 },
        ),
        (
            "issued in 1970",
            token(&with("iat", 1)),
            JwtError::TooOld {
                seconds: NOW_SECONDS - 1,
            },
        ),
    ]
}

fn issued_at(seconds: i64) -> String {
    let mut claims = with("iat", NOW_SECONDS + seconds);
    claims["exp"] = json!(NOW_SECONDS + 3600);
    token(&claims)
}

fn ended(seconds_ago: i64) -> String {
    let mut claims = with("exp", NOW_SECONDS - seconds_ago);
    claims["iat"] = json!(NOW_SECONDS - seconds_ago - 1);
    token(&claims)
}

pub(super) fn parties() -> Vec<Case> {
    let iss = |value: Value| token(&with("iss", value));
    let aud = |value: Value| token(&with("aud", value));
    let many: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    let many = [many, vec![AUDIENCE.to_owned()]].concat();
    vec![
        ("no issuer", token(&without("iss")), Claim("iss")),
        (
            "another issuer",
            iss(json!("https://evil.example.com")),
            Issuer,
        ),
        (
            "our issuer and a slash",
            iss(json!(format!("{ISSUER}/"))),
            Issuer,
        ),
        (
            "our issuer in capitals",
            iss(json!(ISSUER.to_uppercase())),
            Issuer,
        ),
        (
            "our issuer without its tenant",
            iss(json!("https://issuer.example.com")),
            Issuer,
        ),
        (
            "our issuer after a line",
            iss(json!(format!("\n{ISSUER}"))),
            Issuer,
        ),
        (
            "several issuers",
            iss(json!([ISSUER, "https://evil.example.com"])),
            Claim("iss"),
        ),
        ("no audience", token(&without("aud")), Claim("aud")),
        (
            "another audience",
            aud(json!("https://ci.example.com/other")),
            Audience,
        ),
        (
            "the beginning of our audience",
            aud(json!("https://ci.example.com/")),
            Audience,
        ),
        (
            "our audience and more",
            aud(json!(format!("{AUDIENCE}2"))),
            Audience,
        ),
        (
            "our audience in capitals",
            aud(json!(AUDIENCE.to_uppercase())),
            Audience,
        ),
        (
            "our audience and a space",
            aud(json!(format!("{AUDIENCE} "))),
            Audience,
        ),
        ("an empty list of audiences", aud(json!([])), Audience),
        (
            "our audience and a number",
            aud(json!([AUDIENCE, 1])),
            Claim("aud"),
        ),
        (
            "our audience and nothing",
            aud(json!([AUDIENCE, ""])),
            Claim("aud"),
        ),
        ("a list in a list", aud(json!([[AUDIENCE]])), Claim("aud")),
        (
            "our audience as a name",
            aud(json!({AUDIENCE: true})),
            Claim("aud"),
        ),
        ("seventeen audiences", aud(json!(many)), Claim("aud")),
    ]
}

pub(super) fn subjects() -> Vec<Case> {
    let sub = |value: Value| token(&with("sub", value));
    vec![
        ("no subject", token(&without("sub")), Claim("sub")),
        ("a subject that is empty", sub(json!("")), Claim("sub")),
        ("a subject that is a number", sub(json!(7)), Claim("sub")),
        ("a subject of two lines", sub(json!("a\r\nb")), Claim("sub")),
        (
            "a subject of 3000 letters",
            sub(json!("s".repeat(3000))),
            Claim("sub"),
        ),
        (
            "an id that is no text",
            token(&with("jti", 7)),
            Claim("jti"),
        ),
        (
            "a party that is no text",
            token(&with("azp", json!([AUDIENCE]))),
            Claim("azp"),
        ),
    ]
}
