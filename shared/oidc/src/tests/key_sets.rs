//! Documents of keys: what is left out, and what is refused.

use super::world::KEYS;
use crate::KeySet;
use crate::testing::key_document;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

fn parse(keys: &[Value]) -> Result<usize, String> {
    let document = json!({ "keys": keys }).to_string();
    KeySet::parse(document.as_bytes())
        .map(|set| set.len())
        .map_err(|fault| fault.to_string())
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
    let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    json!({"kty": "RSA", "kid": "k", "n": text(modulus), "e": text(exponent)})
}

#[test]
fn keys_that_cannot_be_used_are_left_out() {
    let good = KEYS.es256.jwk();
    let odd = [&[0xff; 255], &[1][..]].concat();
    assert_eq!(parse(&[rsa(&odd, &[1, 0, 1])]), Ok(1), "2040 bits and 8");
    for (name, key) in [
        (
            "an unknown kind",
            json!({"kty": "future", "kid": "k", "pub": [1]}),
        ),
        ("a shared secret", json!({"kty": "oct", "k": "c2VjcmV0"})),
        (
            "an Edwards curve",
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        ),
        (
            "a curve that is not taken",
            with(good.clone(), "crv", json!("secp256k1")),
        ),
        (
            "a curve without a name",
            json!({"kty": "EC", "x": "AA", "y": "AA"}),
        ),
        ("an RSA key of 1024 bits", rsa(&[0xff; 128], &[1, 0, 1])),
        (
            "an RSA key of 2047 bits",
            rsa(&[&[0x7f], &odd[1..]].concat(), &[1, 0, 1]),
        ),
        (
            "an RSA key of 1024 bits, made longer by zeros",
            rsa(&[[0; 128], [0xff; 128]].concat(), &[3]),
        ),
        ("an RSA key of 16384 bits", rsa(&[0xff; 2048], &[1, 0, 1])),
        ("an RSA exponent of one", rsa(&odd, &[1])),
        ("an RSA exponent that is even", rsa(&odd, &[2])),
        ("an RSA exponent that is empty", rsa(&odd, &[])),
        ("an RSA exponent of 40 bits", rsa(&odd, &[1, 0, 0, 0, 1])),
        (
            "a key for encryption",
            with(good.clone(), "use", json!("enc")),
        ),
        (
            "a use that is a number",
            with(good.clone(), "use", json!(1)),
        ),
        (
            "a key that may only sign",
            with(good.clone(), "key_ops", json!(["sign"])),
        ),
        (
            "a key of another algorithm",
            with(good.clone(), "alg", json!("ES384")),
        ),
        (
            "a key of an algorithm that is not taken",
            with(KEYS.rs256.jwk(), "alg", json!("PS256")),
        ),
        (
            "a key with its private half",
            with(good.clone(), "d", json!("AA")),
        ),
    ] {
        assert_eq!(parse(&[key, good.clone()]), Ok(1), "{name}");
    }
    assert_eq!(parse(&[good.clone(), good]), Ok(1), "the same key twice");
    assert_eq!(parse(&[]), Ok(0));
    assert!(KeySet::parse(b"{\"keys\":[]}").unwrap().is_empty());
}

#[test]
fn documents_that_are_malformed_are_refused() {
    let good = KEYS.es256.jwk();
    for (name, key) in [
        ("no kind", json!({"kid": "k"})),
        ("a kind that is a number", json!({"kty": 1})),
        ("no object", json!("key")),
        (
            "an id that is a number",
            with(good.clone(), "kid", json!(1)),
        ),
        (
            "a number that is not base64url",
            with(good.clone(), "x", json!("+/==")),
        ),
        (
            "a number that is a number",
            with(good.clone(), "x", json!(5)),
        ),
        (
            "a coordinate of 31 bytes",
            with(good.clone(), "x", json!("AA")),
        ),
        ("no coordinates", json!({"kty": "EC", "crv": "P-256"})),
        ("no modulus", json!({"kty": "RSA", "e": "AQAB"})),
    ] {
        assert!(parse(&[key, good.clone()]).is_err(), "{name}");
    }
    let many = vec![good; 101];
    assert!(parse(&many).unwrap_err().contains("100 keys"));
    assert_eq!(parse(&many[..100]), Ok(1));
    for (name, document) in [
        ("nothing", String::new()),
        ("a list", "[]".to_owned()),
        ("no keys", "{}".to_owned()),
        ("keys that are an object", r#"{"keys":{}}"#.to_owned()),
        ("keys twice", r#"{"keys":[],"keys":[]}"#.to_owned()),
        ("HTML", "<html></html>".to_owned()),
        (
            "a long one",
            format!("{}{}", r#"{"keys":[]}"#, " ".repeat(256 * 1024)),
        ),
    ] {
        assert!(KeySet::parse(document.as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn a_set_shows_its_ids_and_algorithms_alone() {
    let set = KeySet::parse(key_document(&KEYS.own()).as_bytes()).unwrap();
    assert_eq!(
        format!("{set:?}"),
        r#"KeySet { keys: [(Some("es256"), Es256), (Some("es384"), Es384), (Some("rs256"), Rs256)] }"#
    );
}

#[test]
fn two_keys_of_one_id_and_algorithm_verify_nothing() {
    let twice = key_document(&[&KEYS.es256, &KEYS.stranger]);
    let set = KeySet::parse(twice.as_bytes()).unwrap();
    assert_eq!(set.len(), 2);
    let token = KEYS.es256.token(&super::world::good());
    let answer = crate::Verifier.verify(&token, &super::world::workload(), &set, super::world::NOW);
    assert_eq!(answer.unwrap_err(), crate::JwtError::UnknownKey);
}

#[test]
fn a_point_off_its_curve_verifies_nothing() {
    let off = with(
        KEYS.es256.jwk(),
        "y",
        json!(BASE64URL_NOPAD.encode(&[7; 32])),
    );
    let set = KeySet::parse(json!({ "keys": [off] }).to_string().as_bytes()).unwrap();
    let token = KEYS.es256.token(&super::world::good());
    let answer = crate::Verifier.verify(&token, &super::world::workload(), &set, super::world::NOW);
    assert_eq!(answer.unwrap_err(), crate::JwtError::Signature);
}
