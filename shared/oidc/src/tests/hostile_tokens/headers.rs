//! Headers that choose: an algorithm, a key, a meaning.

use super::super::world::{KEYS, good};
use super::{BAD_HEADER, Case, EMPTY_PART, encode, forged, with_parameter};
use crate::JwtError::{Algorithm, Header, Signature, UnknownKey};
use crate::testing::SigningKey;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

pub(super) fn algorithms() -> Vec<Case> {
    let header = |name: Value| json!({"alg": name, "kid": "es256"});
    let unsigned = |name: &str| {
        let header = encode(&header(json!(name)).to_string());
        format!("{header}.{}.", encode(&good().to_string()))
    };
    vec![
        ("unsigned", unsigned("none"), EMPTY_PART),
        (
            "unsigned, with some signature",
            forged(&header(json!("none"))),
            Algorithm,
        ),
        (
            "unsigned, in mixed case",
            forged(&header(json!("nOnE"))),
            Algorithm,
        ),
        ("no algorithm", forged(&json!({"kid": "es256"})), Algorithm),
        ("an empty algorithm", forged(&header(json!(""))), Algorithm),
        (
            "no name of an algorithm",
            forged(&header(json!(["ES256"]))),
            Algorithm,
        ),
        (
            "no algorithm but null",
            forged(&header(Value::Null)),
            Algorithm,
        ),
        (
            "an algorithm in lower case",
            forged(&header(json!("es256"))),
            Algorithm,
        ),
        (
            "an algorithm after a space",
            forged(&header(json!(" ES256"))),
            Algorithm,
        ),
        ("PSS padding", forged(&header(json!("PS256"))), Algorithm),
        (
            "a longer digest",
            forged(&header(json!("RS512"))),
            Algorithm,
        ),
        (
            "a curve that is not taken",
            forged(&header(json!("ES512"))),
            Algorithm,
        ),
        (
            "another curve that is not taken",
            forged(&header(json!("ES256K"))),
            Algorithm,
        ),
        (
            "an Edwards curve",
            forged(&header(json!("EdDSA"))),
            Algorithm,
        ),
        (
            "the RSA modulus as a shared secret",
            hmac("HS256", "rs256", &member("n")),
            Algorithm,
        ),
        (
            "the published RSA key as a shared secret",
            hmac("HS256", "rs256", &jwk()),
            Algorithm,
        ),
        (
            "an empty shared secret",
            hmac("HS512", "es256", b""),
            Algorithm,
        ),
    ]
}

fn jwk() -> Vec<u8> {
    KEYS.rs256.jwk().to_string().into_bytes()
}

fn member(name: &str) -> Vec<u8> {
    let jwk = KEYS.rs256.jwk();
    BASE64URL_NOPAD
        .decode(jwk[name].as_str().unwrap().as_bytes())
        .unwrap()
}

/// A token whose "signature" is made with what everybody knows.
fn hmac(algorithm: &str, kid: &str, secret: &[u8]) -> String {
    let header = json!({"alg": algorithm, "kid": kid}).to_string();
    let signed = format!("{}.{}", encode(&header), encode(&good().to_string()));
    let digest = if algorithm == "HS256" {
        aws_lc_rs::hmac::HMAC_SHA256
    } else {
        aws_lc_rs::hmac::HMAC_SHA512
    };
    let key = aws_lc_rs::hmac::Key::new(digest, secret);
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

pub(super) fn keys() -> Vec<Case> {
    let signed = |key: &SigningKey, header: Value| key.token_with(&header, &good());
    let kid = |kid: Value| with_parameter("kid", kid);
    vec![
        (
            "an RSA signature by the id of a curve's key",
            signed(&KEYS.rs256, json!({"alg": "RS256", "kid": "es256"})),
            UnknownKey,
        ),
        (
            "a curve's signature by the id of the RSA key",
            signed(&KEYS.es256, json!({"alg": "ES256", "kid": "rs256"})),
            UnknownKey,
        ),
        (
            "the larger curve's name by the id of the smaller one's key",
            signed(&KEYS.es256, json!({"alg": "ES384", "kid": "es256"})),
            UnknownKey,
        ),
        (
            "the larger curve's name and key, the smaller one's signature",
            signed(&KEYS.es256, json!({"alg": "ES384", "kid": "es384"})),
            Signature,
        ),
        (
            "the RSA key's name, a curve's signature",
            signed(&KEYS.es256, json!({"alg": "RS256", "kid": "rs256"})),
            Signature,
        ),
        (
            "a stranger's key under our id",
            KEYS.stranger.token(&good()),
            Signature,
        ),
        (
            "a stranger's key under none",
            forged(&json!({"alg": "ES256"})),
            Signature,
        ),
        ("an unknown id", kid(json!("other")), UnknownKey),
        (
            "an id that is a path",
            kid(json!("../../../dev/null")),
            UnknownKey,
        ),
        (
            "an id that is a query",
            kid(json!("' OR '1'='1")),
            UnknownKey,
        ),
        (
            "an id that is an address",
            kid(json!("https://evil.example.com/k")),
            UnknownKey,
        ),
        ("an id in other letters", kid(json!("ES256")), UnknownKey),
        (
            "an id with a zero byte",
            kid(json!("es256\u{0}")),
            UnknownKey,
        ),
        ("an id that is a number", kid(json!(1)), Header("kid")),
        ("an id that is null", kid(Value::Null), Header("kid")),
        ("an id that is empty", kid(json!("")), Header("kid")),
        (
            "an id of 300 letters",
            kid(json!("k".repeat(300))),
            Header("kid"),
        ),
    ]
}

pub(super) fn headers() -> Vec<Case> {
    let own_key = forged(&json!({"alg": "ES256", "kid": "es256", "jwk": KEYS.stranger.jwk()}));
    let raw = |header: &str| KEYS.es256.token_of(header, &good().to_string());
    let deep = format!(
        r#"{{"alg":"ES256","kid":"es256","x":{}{}}}"#,
        "[".repeat(4000),
        "]".repeat(4000)
    );
    vec![
        ("a key of its own", own_key, Header("jwk")),
        (
            "an address of keys",
            with_parameter("jku", json!("https://e.com")),
            Header("jku"),
        ),
        (
            "an address of a certificate",
            with_parameter("x5u", json!("u")),
            Header("x5u"),
        ),
        (
            "a certificate",
            with_parameter("x5c", json!(["MIIB"])),
            Header("x5c"),
        ),
        (
            "critical extensions",
            with_parameter("crit", json!(["exp"])),
            Header("crit"),
        ),
        (
            "an empty list of critical extensions",
            with_parameter("crit", json!([])),
            Header("crit"),
        ),
        (
            "a payload that is not encoded",
            with_parameter("b64", json!(false)),
            Header("b64"),
        ),
        (
            "a payload that is encoded, said aloud",
            with_parameter("b64", json!(true)),
            Header("b64"),
        ),
        (
            "a token inside of the token",
            with_parameter("cty", json!("JWT")),
            Header("cty"),
        ),
        (
            "a compressed payload",
            with_parameter("zip", json!("DEF")),
            Header("zip"),
        ),
        (
            "an encrypted payload",
            with_parameter("enc", json!("A128GCM")),
            Header("enc"),
        ),
        (
            "a token for another purpose",
            with_parameter("typ", json!("at+jwt")),
            Header("typ"),
        ),
        (
            "a type that is a number",
            with_parameter("typ", json!(1)),
            Header("typ"),
        ),
        ("a header that is a list", raw(r#"["ES256"]"#), BAD_HEADER),
        ("a header that is no JSON", raw("alg=ES256"), BAD_HEADER),
        (
            "a header with something after it",
            raw(r#"{"alg":"ES256"}{}"#),
            BAD_HEADER,
        ),
        (
            "an algorithm twice",
            raw(r#"{"alg":"ES256","kid":"es256","alg":"none"}"#),
            BAD_HEADER,
        ),
        (
            "a key id twice, once escaped",
            raw(r#"{"alg":"ES256","kid":"es256","\u006bid":"rs256"}"#),
            BAD_HEADER,
        ),
        ("a header nested 4000 deep", raw(&deep), BAD_HEADER),
    ]
}
