//! A corpus of tokens that must not verify, each with the reason that is logged.

mod claims;
mod headers;

use super::world::{KEYS, good, verify, with};
use crate::JwtError::{self, Signature};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Case = (&'static str, String, JwtError);

const NOT_THREE: JwtError = JwtError::Malformed("not three parts");
const EMPTY_PART: JwtError = JwtError::Malformed("an empty part");
const NOT_BASE64: JwtError = JwtError::Malformed("not base64url");
const BAD_HEADER: JwtError = JwtError::Malformed("header");
const BAD_PAYLOAD: JwtError = JwtError::Malformed("payload");
const NO_TOKEN: JwtError = JwtError::Malformed("not a JSON Web Token");

#[test]
fn no_hostile_token_verifies() {
    let tables = [
        shapes(),
        headers::algorithms(),
        headers::keys(),
        headers::headers(),
        signatures(),
        texts(),
        claims::times(),
        claims::parties(),
        claims::subjects(),
    ];
    let cases = tables.concat();
    let names: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), cases.len(), "names are unique");
    assert!(cases.len() >= 30);
    for (name, token, why) in cases {
        assert_eq!(verify(&token).map(|_| ()), Err(why), "{name}");
    }
}

fn encode(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// A token of this header and the good claims, under a signature of the stranger's.
fn forged(header: &Value) -> String {
    KEYS.stranger.token_with(header, &good())
}

/// A token with the usual header and one more parameter, truly signed.
fn with_parameter(name: &str, value: Value) -> String {
    let mut header = json!({"alg": "ES256", "kid": "es256"});
    header[name] = value;
    KEYS.es256.token_with(&header, &good())
}

fn token(claims: &Value) -> String {
    KEYS.es256.token(claims)
}

fn shapes() -> Vec<Case> {
    let good = token(&good());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let long = token(&with("padding", "x".repeat(16 * 1024)));
    vec![
        ("nothing", String::new(), NOT_THREE),
        ("two dots", "..".to_owned(), EMPTY_PART),
        ("one part", header.to_owned(), NOT_THREE),
        ("two parts", signed.to_owned(), NOT_THREE),
        ("four parts", format!("{good}.x"), NOT_THREE),
        (
            "five parts, as if encrypted",
            format!("{good}.x.y"),
            NOT_THREE,
        ),
        ("the signature cut off", format!("{signed}."), EMPTY_PART),
        (
            "the payload cut out",
            format!("{header}..{signature}"),
            EMPTY_PART,
        ),
        (
            "the header cut off",
            format!(".{payload}.{signature}"),
            EMPTY_PART,
        ),
        ("longer than 16 KiB", long, JwtError::Malformed("too long")),
        ("a space before it", format!(" {good}"), NOT_BASE64),
        ("a line after it", format!("{good}\n"), NO_TOKEN),
        (
            "the word Bearer before it",
            format!("Bearer {good}"),
            NOT_BASE64,
        ),
        (
            "padding in the header",
            format!("{header}=.{payload}.{signature}"),
            NOT_BASE64,
        ),
        ("padding in the signature", format!("{good}=="), NO_TOKEN),
        (
            "a letter that looks like one of ASCII",
            good.replacen('e', "е", 1),
            NOT_BASE64,
        ),
        ("percent signs", good.replace('.', "%2e"), NOT_THREE),
    ]
}

fn signatures() -> Vec<Case> {
    let good_token = token(&good());
    let (signed, signature) = good_token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let sign = |bytes: &[u8]| format!("{signed}.{}", BASE64URL_NOPAD.encode(bytes));
    let mut flipped = bytes.clone();
    flipped[63] ^= 1;
    // 64 bytes are 86 letters; the last has four bits to spare, which must be zero.
    let spare = &signature[..85];
    let last = signature.chars().last().unwrap();
    let spare = format!("{signed}.{spare}{}", char::from(last as u8 + 1));
    let admin = encode(&with("sub", "admin").to_string());
    let other_header = encode(r#"{"alg":"ES256","kid":"es256","typ":"JOSE"}"#);
    let rsa = KEYS.rs256.token(&good());
    vec![
        ("one bit of the signature turned", sign(&flipped), Signature),
        ("a signature of zeros", sign(&[0; 64]), Signature),
        ("a signature of ones", sign(&[0xff; 64]), Signature),
        ("half a signature", sign(&bytes[..32]), Signature),
        (
            "a signature and a byte",
            sign(&[&bytes[..], &[0]].concat()),
            Signature,
        ),
        (
            "a signature as certificates have it",
            sign(&der(&bytes)),
            Signature,
        ),
        ("a signature with bits to spare", spare, NO_TOKEN),
        (
            "another payload under the signature",
            format!("{header}.{admin}.{signature}"),
            Signature,
        ),
        (
            "another header under the signature",
            format!("{other_header}.{payload}.{signature}"),
            Signature,
        ),
        (
            "an RSA signature cut short",
            rsa[..rsa.len() - 6].to_owned(),
            Signature,
        ),
    ]
}

/// A pair of numbers in DER.
fn der(pair: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| [&[2, 33, 0], bytes].concat();
    let (r, s) = pair.split_at(32);
    [&[0x30, 70], &number(r)[..], &number(s)].concat()
}

fn texts() -> Vec<Case> {
    let raw = |claims: &str| {
        KEYS.es256
            .token_of(r#"{"alg":"ES256","kid":"es256"}"#, claims)
    };
    let open = |more: &str| {
        let text = good().to_string();
        raw(&format!("{},{more}}}", text.trim_end_matches('}')))
    };
    let deep = format!(r#""x":{}{}"#, "[".repeat(4000), "]".repeat(4000));
    vec![
        ("a payload that is no JSON", raw("sub=admin"), NO_TOKEN),
        ("a payload that is a list", raw("[]"), NO_TOKEN),
        ("a subject twice", open(r#""sub":"admin""#), NO_TOKEN),
        (
            "a subject twice, once escaped",
            open(r#""\u0073ub":"admin""#),
            NO_TOKEN,
        ),
        ("an issuing time twice", open(r#""iat":1"#), BAD_PAYLOAD),
        (
            "a claim of others twice",
            open(r#""a":1,"a":2"#),
            BAD_PAYLOAD,
        ),
        (
            "a claim nested twice inside",
            open(r#""a":{"b":1,"b":2}"#),
            BAD_PAYLOAD,
        ),
        (
            "a payload nested 9 deep",
            open(r#""x":[[[[[[[[1]]]]]]]]"#),
            BAD_PAYLOAD,
        ),
        ("a payload nested 4000 deep", open(&deep), BAD_PAYLOAD),
        ("a number too large", open(r#""x":1e999"#), BAD_PAYLOAD),
    ]
}
