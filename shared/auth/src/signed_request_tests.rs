#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;
use ed25519_dalek::{Signer, SigningKey};
use http::Request;
use web::Entropy;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);
const NONCE: &str = "0123456789abcdef";
const PATH: &str = "/api/agents/register?a=%20b&a";
const BODY: &[u8] = b"{}";
const SECRET: [u8; 32] = [5; 32];

fn origin() -> Origin {
    Origin::parse("https://ci.example.com").unwrap()
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn key_id() -> KeyId {
    KeyId::parse("signsignsign").unwrap()
}

fn encryption() -> KeyEncryption {
    KeyEncryption::parse(&BASE64.encode(&[1; 32])).unwrap()
}

fn hmac_material() -> VerifyingMaterial {
    let sealed = encryption().seal((&tenant(), &key_id()), &SECRET, &Entropy::seeded(1));
    VerifyingMaterial::HmacSha256(sealed.unwrap())
}

fn ed25519_material() -> VerifyingMaterial {
    let key = SigningKey::from_bytes(&SECRET);
    VerifyingMaterial::Ed25519(key.verifying_key().to_bytes())
}

fn message() -> String {
    // Written out, so that the form cannot change without this test.
    format!(
        "hcp-v1\n1700000000\n{NONCE}\nPOST\nci.example.com\n/api/agents/register\na=%20b&a\n{}",
        HEXLOWER.encode(&Sha256::digest(BODY))
    )
}

fn ed25519_signature() -> Vec<u8> {
    let key = SigningKey::from_bytes(&SECRET);
    key.sign(message().as_bytes()).to_bytes().to_vec()
}

fn hmac_signature() -> Vec<u8> {
    let hmac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    hmac.chain_update(message())
        .finalize()
        .into_bytes()
        .to_vec()
}

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::post(PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn headers(signature: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("host", "ci.example.com".to_owned()),
        (SIGNED_KEY_ID, "signsignsign".to_owned()),
        (SIGNED_TIMESTAMP, "1700000000".to_owned()),
        (SIGNED_NONCE, NONCE.to_owned()),
        (SIGNED_SIGNATURE, BASE64.encode(signature)),
    ]
}

fn borrowed(headers: &[(&'static str, String)]) -> Parts {
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    parts(&headers)
}

fn read(signature: &[u8]) -> Signed {
    Signed::read(&borrowed(&headers(signature)), &origin(), NOW).unwrap()
}

fn verifies(signed: &Signed, material: &VerifyingMaterial, body: &[u8]) -> bool {
    signed.is_by(material, &tenant(), &encryption(), body)
}

#[test]
fn a_signature_holds_for_its_algorithm_and_its_body_alone() {
    let by_ed25519 = read(&ed25519_signature());
    let by_hmac = read(&hmac_signature());
    assert!(verifies(&by_ed25519, &ed25519_material(), BODY));
    assert!(verifies(&by_hmac, &hmac_material(), BODY));
    for (signed, material) in [
        (&by_ed25519, hmac_material()),
        (&by_hmac, ed25519_material()),
    ] {
        assert!(!verifies(signed, &material, BODY), "{material:?}");
    }
    for (signed, material) in [
        (&by_ed25519, ed25519_material()),
        (&by_hmac, hmac_material()),
    ] {
        assert!(!verifies(signed, &material, b"{ }"), "{material:?}");
        let globex = TenantId::parse("globex").unwrap();
        let elsewhere = signed.is_by(&material, &globex, &encryption(), BODY);
        assert_eq!(
            elsewhere,
            material.algorithm() == wire::SigningAlgorithm::Ed25519
        );
        let off = signed.is_by(&material, &tenant(), &KeyEncryption::Off, BODY);
        assert_eq!(off, material.algorithm() == wire::SigningAlgorithm::Ed25519);
    }
    assert_eq!(
        by_hmac.good_until(),
        Timestamp::from_millis(1_700_000_301_000)
    );
}

#[test]
fn what_was_signed_is_the_path_that_was_called_and_not_the_route_behind_it() {
    let mut routed = borrowed(&headers(&ed25519_signature()));
    let sent = SentPath("/api/agents/register".to_owned());
    routed.uri = "/register?a=%20b&a".parse().unwrap();
    let verified = |parts: &Parts| {
        let signed = Signed::read(parts, &origin(), NOW).unwrap();
        verifies(&signed, &ed25519_material(), BODY)
    };
    assert!(!verified(&routed));
    routed.extensions.insert(sent);
    assert!(verified(&routed));
}

/// The order of the group. Added to S, it gives another signature to whoever does not reduce S.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a_signature_cannot_be_cut_off_lengthened_or_rewritten() {
    for (signature, material) in [
        (ed25519_signature(), ed25519_material()),
        (hmac_signature(), hmac_material()),
    ] {
        for length in 0..signature.len() {
            let cut = read(&signature[..length]);
            assert!(!verifies(&cut, &material, BODY), "{length}");
        }
        let mut longer = signature.clone();
        longer.push(0);
        assert!(!verifies(&read(&longer), &material, BODY));
    }
    let mut rewritten = ed25519_signature();
    let mut carry = 0;
    for (byte, order) in rewritten[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert!(!verifies(&read(&rewritten), &ed25519_material(), BODY));
}

#[test]
fn a_key_of_small_order_is_none() {
    let mut identity = [0; 32];
    identity[0] = 1;
    for weak in [identity, [0; 32]] {
        assert!(!check_ed25519(&weak));
        // R of the identity and S of zero fit every message under such a key, unless one looks closely.
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!verifies(
            &read(&signature),
            &VerifyingMaterial::Ed25519(weak),
            BODY
        ));
    }
    let VerifyingMaterial::Ed25519(good) = ed25519_material() else {
        panic!("not a public key");
    };
    assert!(check_ed25519(&good));
    let no_point = (0..=u8::MAX)
        .map(|byte| [byte; 32])
        .find(|bytes| VerifyingKey::from_bytes(bytes).is_err());
    assert!(!check_ed25519(&no_point.unwrap()));
}

#[test]
fn everything_that_is_signed_matters() {
    let signature = ed25519_signature();
    let changed = [
        (SIGNED_TIMESTAMP, "1700000001"),
        (SIGNED_NONCE, "0123456789abcdeF"),
    ];
    for (name, value) in changed {
        let mut headers = headers(&signature);
        headers.iter_mut().find(|(n, _)| *n == name).unwrap().1 = value.to_owned();
        let signed = Signed::read(&borrowed(&headers), &origin(), NOW).unwrap();
        assert!(!verifies(&signed, &ed25519_material(), BODY), "{name}");
    }
    for (method, path) in [
        ("PUT", PATH),
        ("POST", "/api/agents/register"),
        ("POST", "/api/agents/register?a=%20b&a="),
        ("POST", "/api/agents/register?a=+b&a"),
        ("POST", "/api/agents/Register?a=%20b&a"),
        ("POST", "/api/agents//register?a=%20b&a"),
    ] {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers(&signature) {
            request = request.header(name, value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let signed = Signed::read(&parts, &origin(), NOW).unwrap();
        assert!(
            !verifies(&signed, &ed25519_material(), BODY),
            "{method} {path}"
        );
    }
    let here = Origin::local(8642);
    for host in ["127.0.0.1:8642", "localhost:8642"] {
        let mut headers = headers(&signature);
        headers[0].1 = host.to_owned();
        let signed = Signed::read(&borrowed(&headers), &here, NOW).unwrap();
        assert!(!verifies(&signed, &ed25519_material(), BODY), "{host}");
    }
}

#[test]
fn headers_that_are_not_as_they_should_be_are_refused_before_anything_is_looked_up() {
    let good = headers(&ed25519_signature());
    assert!(is_signed(&borrowed(&good).headers));
    assert!(!is_signed(&parts(&[("host", "ci.example.com")]).headers));
    let refusal = |headers: &[(&'static str, String)], now| {
        Signed::read(&borrowed(headers), &origin(), now).unwrap_err()
    };
    for place in 0..good.len() {
        let mut without = good.clone();
        without.remove(place);
        assert_eq!(
            refusal(&without, NOW),
            Unsigned::Malformed,
            "without {place}"
        );
        let mut twice = good.clone();
        twice.push(good[place].clone());
        assert_eq!(refusal(&twice, NOW), Unsigned::Malformed, "twice {place}");
    }
    for (name, value) in [
        (SIGNED_KEY_ID, "SIGNSIGNSIGN"),
        (SIGNED_TIMESTAMP, ""),
        (SIGNED_TIMESTAMP, "+1700000000"),
        (SIGNED_TIMESTAMP, "01700000000"),
        (SIGNED_TIMESTAMP, "1700000000.5"),
        (SIGNED_TIMESTAMP, "999999999999999"),
        (SIGNED_TIMESTAMP, "2023-11-14T22:13:20Z"),
        (SIGNED_NONCE, "short"),
        (SIGNED_NONCE, "0123456789abcde/"),
        (
            SIGNED_NONCE,
            "01234567890123456789012345678901234567890123456789012345678901234",
        ),
        (SIGNED_SIGNATURE, "not base64!"),
        (SIGNED_SIGNATURE, "AAA"),
        (SIGNED_SIGNATURE, "AAB="),
    ] {
        let mut headers = good.clone();
        headers.iter_mut().find(|(n, _)| *n == name).unwrap().1 = value.to_owned();
        assert_eq!(
            refusal(&headers, NOW),
            Unsigned::Malformed,
            "{name} {value}"
        );
    }
    for host in [
        "evil.example",
        "ci.example.com:443",
        "CI.example.com",
        "ci.example.com.",
    ] {
        let mut headers = good.clone();
        headers[0].1 = host.to_owned();
        assert_eq!(refusal(&headers, NOW), Unsigned::Host, "{host}");
    }
    for (seconds, expected) in [(299, true), (301, false), (-300, true), (-302, false)] {
        let now = NOW.plus_seconds(seconds);
        let read = Signed::read(&borrowed(&good), &origin(), now);
        assert_eq!(read.is_ok(), expected, "{seconds}");
        assert!(expected || read.unwrap_err() == Unsigned::Time, "{seconds}");
    }
}

#[test]
fn what_openssl_signs_as_the_documentation_says_is_signed() {
    let public = BASE64.decode(b"prb5Dl6sYEt57ZyoWJm2BTo8Mazjlb/lQ563a0BKVCE=");
    let material = VerifyingMaterial::Ed25519(public.unwrap().try_into().unwrap());
    let request = Request::post("/api/agents/register")
        .header("host", "ci.example.com")
        .header(SIGNED_KEY_ID, "signsignsign")
        .header(SIGNED_TIMESTAMP, "1795259317")
        .header(SIGNED_NONCE, "ea69277d7551a6ce953cd5576cdd1cfe")
        .header(
            SIGNED_SIGNATURE,
            "CPNDCgeeVgj9Jtj1z5by+37IHmZsqMT7Yy4OZ+HSU3rqVwTopOvV7sRgRyWUtPXMbTX38IyvtXmXeBYU6+ScBg==",
        );
    let parts = request.body(()).unwrap().into_parts().0;
    let now = Timestamp::from_millis(1_795_259_320_000);
    let signed = Signed::read(&parts, &origin(), now).unwrap();
    assert!(verifies(&signed, &material, b"{\"a\":1}"));
    assert!(!verifies(&signed, &material, b"{\"a\":2}"));
}
