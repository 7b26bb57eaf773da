//! What hostile issuers say of themselves and of their keys.

use super::ISSUER;
use crate::testing::{Reply, key_document};
use crate::tests::world::KEYS;
use serde_json::json;

/// What a fetch must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Keys,
    Unavailable,
    Refused,
}
use Outcome::{Keys, Refused, Unavailable};

/// What an issuer says of itself and of its keys.
pub(super) type Case = (&'static str, Outcome, fn() -> Reply, fn() -> Reply);

pub(super) fn described(issuer: &str, keys: &str) -> Reply {
    Reply::json(
        200,
        &json!({"issuer": issuer, "jwks_uri": keys}).to_string(),
    )
}

pub(super) fn good_description() -> Reply {
    described(ISSUER, "https://issuer.example.com/keys")
}

fn keys_at(place: &str) -> Reply {
    described(ISSUER, place)
}

pub(super) fn good_keys() -> Reply {
    Reply::json(200, &key_document(&KEYS.own()))
}

fn raw(text: &str) -> Reply {
    Reply::Bytes(text.as_bytes().to_vec())
}

fn redirect(status: u16, to: &str) -> Reply {
    raw(&format!(
        "HTTP/1.1 {status} Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
    ))
}

fn long_keys(head: &str) -> Reply {
    let body = format!("{}{}", key_document(&[&KEYS.es256]), " ".repeat(256 * 1024));
    raw(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"))
}

fn keys_with(head: &str) -> Reply {
    let body = key_document(&[&KEYS.es256]);
    raw(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"))
}

pub(super) const DESCRIPTIONS: [Case; 22] = [
    ("all is well", Keys, good_description, good_keys),
    (
        "redirects to itself",
        Refused,
        || redirect(302, "/x"),
        good_keys,
    ),
    (
        "redirects for good",
        Refused,
        || redirect(301, "https://issuer.example.com/x"),
        good_keys,
    ),
    (
        "redirects to the metadata",
        Refused,
        || redirect(307, "http://169.254.169.254/"),
        good_keys,
    ),
    (
        "redirects to a socket",
        Refused,
        || redirect(308, "file:///run/s.sock"),
        good_keys,
    ),
    (
        "is another",
        Refused,
        || {
            described(
                "https://other.example.com",
                "https://issuer.example.com/keys",
            )
        },
        good_keys,
    ),
    (
        "has a slash more",
        Refused,
        || {
            described(
                "https://issuer.example.com/",
                "https://issuer.example.com/keys",
            )
        },
        good_keys,
    ),
    (
        "does not say who it is",
        Refused,
        || Reply::json(200, r#"{"jwks_uri":"https://issuer.example.com/keys"}"#),
        good_keys,
    ),
    (
        "is two",
        Unavailable,
        || {
            Reply::json(
                200,
                r#"{"issuer":"https://evil.example.com","issuer":"https://issuer.example.com"}"#,
            )
        },
        good_keys,
    ),
    (
        "does not say where its keys are",
        Refused,
        || Reply::json(200, r#"{"issuer":"https://issuer.example.com"}"#),
        good_keys,
    ),
    (
        "has keys at another host",
        Refused,
        || keys_at("https://other.example.com/keys"),
        good_keys,
    ),
    (
        "has keys at Google's, without being Google",
        Refused,
        || keys_at("https://www.googleapis.com/oauth2/v3/certs"),
        good_keys,
    ),
    (
        "has keys below itself",
        Refused,
        || keys_at("https://keys.issuer.example.com/keys"),
        good_keys,
    ),
    (
        "has keys over plain HTTP",
        Refused,
        || keys_at("http://issuer.example.com/keys"),
        good_keys,
    ),
    (
        "has keys on this machine",
        Refused,
        || keys_at("http://127.0.0.1:9001/2018-06-01"),
        good_keys,
    ),
    (
        "has keys in the metadata",
        Refused,
        || keys_at("https://169.254.169.254/keys"),
        good_keys,
    ),
    (
        "has keys at another port",
        Refused,
        || keys_at("https://issuer.example.com:8443/keys"),
        good_keys,
    ),
    (
        "has keys behind a user",
        Refused,
        || keys_at("https://issuer.example.com@evil.example.com/keys"),
        good_keys,
    ),
    (
        "has keys in a file",
        Refused,
        || keys_at("file:///etc/passwd"),
        good_keys,
    ),
    (
        "is not found",
        Unavailable,
        || Reply::json(404, "{}"),
        good_keys,
    ),
    (
        "is out of order",
        Unavailable,
        || Reply::json(500, "{}"),
        good_keys,
    ),
    (
        "is a page",
        Unavailable,
        || Reply::json(200, "<html>Sign in</html>"),
        good_keys,
    ),
];

pub(super) const DOCUMENTS: [Case; 22] = [
    ("keys redirect", Refused, good_description, || {
        redirect(302, "https://other.example.com/keys")
    }),
    (
        "keys are out of order",
        Unavailable,
        good_description,
        || Reply::json(503, "{}"),
    ),
    ("keys are not there", Unavailable, good_description, || {
        raw("HTTP/1.1 204 X\r\n\r\n")
    }),
    ("keys are a list", Unavailable, good_description, || {
        Reply::json(200, "[]")
    }),
    ("keys are malformed", Unavailable, good_description, || {
        Reply::json(200, r#"{"keys":[{"kty":1}]}"#)
    }),
    (
        "keys are long, and say so",
        Unavailable,
        good_description,
        || long_keys("content-length: 300000"),
    ),
    (
        "keys are long, and say less",
        Keys,
        good_description,
        || {
            let length = key_document(&[&KEYS.es256]).len();
            long_keys(&format!("content-length: {length}"))
        },
    ),
    (
        "keys are long, and say nothing",
        Unavailable,
        good_description,
        || long_keys("connection: close"),
    ),
    (
        "keys are long, in pieces",
        Unavailable,
        good_description,
        || {
            let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            raw(&format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
                piece.repeat(5)
            ))
        },
    ),
    ("keys never end", Unavailable, good_description, || {
        Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n{".to_vec())
    }),
    (
        "keys are shorter than they say",
        Unavailable,
        good_description,
        || keys_with("content-length: 200000"),
    ),
    (
        "keys have two lengths",
        Unavailable,
        good_description,
        || keys_with("content-length: 5\r\ncontent-length: 6"),
    ),
    (
        "keys have a length below zero",
        Unavailable,
        good_description,
        || keys_with("content-length: -1"),
    ),
    ("keys are compressed", Unavailable, good_description, || {
        keys_with("content-encoding: gzip\r\nconnection: close")
    }),
    ("keys come without a length", Keys, good_description, || {
        keys_with("connection: close")
    }),
    ("a head never ends", Unavailable, good_description, || {
        Reply::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec())
    }),
    (
        "a head has many lines",
        Unavailable,
        good_description,
        || keys_with(&"x: y\r\n".repeat(2000)),
    ),
    ("a head is no head", Unavailable, good_description, || {
        raw("hello\r\n\r\n")
    }),
    ("nothing is answered", Unavailable, good_description, || {
        raw("")
    }),
    (
        "a piece is longer than it says",
        Unavailable,
        good_description,
        || {
            raw(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{\"keys\":[]}\r\n0\r\n\r\n",
            )
        },
    ),
    (
        "a piece has a wild length",
        Unavailable,
        good_description,
        || raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
    ),
    (
        "another protocol is spoken",
        Unavailable,
        good_description,
        || raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n{}"),
    ),
];
