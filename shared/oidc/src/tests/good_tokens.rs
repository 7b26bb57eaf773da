//! Tokens that verify, and how far they may be stretched.

use super::world::{
    AUDIENCE, ISSUER, KEYS, NOW, NOW_SECONDS, good, issuer, verify, verify_as, with, workload,
};
use crate::testing::key_document;
use crate::{Expected, JwtError, KeySet, Unverified, Verifier};
use serde_json::{Value, json};
use wire::Timestamp;

#[test]
fn a_token_of_every_algorithm_verifies_so_a_cryptographic_backend_is_built_in() {
    for key in KEYS.own() {
        let claims = verify(&key.token(&good())).unwrap();
        assert_eq!(claims.issuer(), ISSUER, "{}", key.algorithm());
        assert_eq!(claims.subject(), "workload-1");
        assert_eq!(claims.audiences(), [AUDIENCE]);
        assert_eq!(claims.issued_at(), NOW.plus_seconds(-5));
        assert_eq!(claims.expires_at(), NOW.plus_seconds(300));
        assert_eq!(claims.usable_until(), NOW.plus_seconds(360));
    }
}

#[test]
fn what_issuers_do_differently_is_taken() {
    let kid_and_type = json!({"alg": "ES256", "kid": "es256", "typ": "jwt", "x5t": "abc"});
    let bare = json!({"alg": "ES256", "kid": "es256"});
    for (name, header, claims) in [
        (
            "a list of one audience",
            &bare,
            with("aud", json!([AUDIENCE])),
        ),
        (
            "a list of audiences",
            &bare,
            with("aud", json!(["other", AUDIENCE])),
        ),
        (
            "fractions of seconds",
            &bare,
            with("exp", json!(1_700_000_000.75)),
        ),
        ("an exponent", &bare, with("exp", json!(1.7e9))),
        (
            "a time before which it is not valid",
            &bare,
            with("nbf", NOW_SECONDS - 5),
        ),
        (
            "a type in lower case and a thumbprint",
            &kid_and_type,
            good(),
        ),
        ("an empty claim of others", &bare, with("scope", "")),
        (
            "a nested claim",
            &bare,
            with("kubernetes.io", json!({"pod": {"labels": [{}]}})),
        ),
    ] {
        let token = KEYS.es256.token_with(header, &claims);
        assert!(verify(&token).is_ok(), "{name}: {:?}", verify(&token));
    }
}

#[test]
fn a_token_without_key_id_is_verified_by_the_only_key_that_fits() {
    let token = KEYS.es256.token_with(&json!({"alg": "ES256"}), &good());
    assert!(
        verify(&token).is_ok(),
        "the other keys are of other algorithms"
    );

    let mut two: Value = serde_json::from_str(&key_document(&[&KEYS.es256])).unwrap();
    let mut second = KEYS.stranger.jwk();
    second["kid"] = json!("second");
    two["keys"].as_array_mut().unwrap().push(second);
    let two = KeySet::parse(two.to_string().as_bytes()).unwrap();
    assert_eq!(
        Verifier.verify(&token, &workload(), &two, NOW).unwrap_err(),
        JwtError::UnknownKey
    );
}

#[test]
fn a_clock_that_is_off_by_a_minute_is_tolerated_and_one_by_ten_is_told_so() {
    let token = KEYS.es256.token(&json!({
        "iss": ISSUER, "sub": "s", "aud": AUDIENCE, "iat": NOW_SECONDS, "exp": NOW_SECONDS + 300,
    }));
    let at = |seconds: i64| {
        let moment = NOW.plus_seconds(seconds);
        Verifier.verify(&token, &workload(), &KEYS.set(), moment)
    };
    assert!(at(-60).is_ok());
    assert_eq!(at(-61).unwrap_err(), JwtError::NotYetValid { seconds: 61 });
    assert_eq!(
        at(-600).unwrap_err(),
        JwtError::NotYetValid { seconds: 600 }
    );
    assert!(at(359).is_ok());
    assert_eq!(at(360).unwrap_err(), JwtError::Expired { seconds: 60 });
    assert_eq!(at(900).unwrap_err(), JwtError::Expired { seconds: 600 });
    assert!(at(900).unwrap_err().is_about_time());
    assert!(!JwtError::Signature.is_about_time());
}

#[test]
fn a_long_lived_token_of_a_workload_is_good_for_ten_minutes() {
    let token = KEYS.es256.token(&json!({
        "iss": ISSUER, "sub": "s", "aud": AUDIENCE, "iat": NOW_SECONDS, "exp": NOW_SECONDS + 86_400,
    }));
    let at = |seconds: i64, expected: &Expected| {
        let moment = NOW.plus_seconds(seconds);
        Verifier.verify(&token, expected, &KEYS.set(), moment)
    };
    let claims = at(659, &workload()).unwrap();
    assert_eq!(claims.usable_until(), NOW.plus_seconds(660));
    assert_eq!(
        at(660, &workload()).unwrap_err(),
        JwtError::TooOld { seconds: 660 }
    );
    let unlimited = Expected {
        max_age_seconds: None,
        ..workload()
    };
    assert!(at(660, &unlimited).is_ok());
    assert!(at(86_460, &unlimited).unwrap_err().is_about_time());
}

#[test]
fn a_sign_in_is_for_us_by_the_nonce_and_the_party_it_was_given_to() {
    let expected = Expected::sign_in(issuer(), AUDIENCE, "n-1");
    let nobody = json!(null);
    let others = json!([AUDIENCE, "other"]);
    let ours = json!(AUDIENCE);
    for (name, audience, party, nonce, answer) in [
        ("one audience", &ours, &nobody, "n-1", None),
        ("one audience and the party", &ours, &ours, "n-1", None),
        ("two audiences and the party", &others, &ours, "n-1", None),
        (
            "two audiences",
            &others,
            &nobody,
            "n-1",
            Some(JwtError::AuthorizedParty),
        ),
        (
            "another party",
            &ours,
            &json!("other"),
            "n-1",
            Some(JwtError::AuthorizedParty),
        ),
        (
            "another nonce",
            &ours,
            &nobody,
            "n-2",
            Some(JwtError::Nonce),
        ),
        ("half a nonce", &ours, &nobody, "n-", Some(JwtError::Nonce)),
        ("no nonce", &ours, &nobody, "", Some(JwtError::Nonce)),
    ] {
        let mut claims = with("aud", audience.clone());
        if !party.is_null() {
            claims["azp"] = party.clone();
        }
        if !nonce.is_empty() {
            claims["nonce"] = json!(nonce);
        }
        let answered = verify_as(&KEYS.rs256.token(&claims), &expected).err();
        assert_eq!(answered, answer, "{name}");
    }
}

#[test]
fn nothing_is_expected_by_an_empty_nonce_or_audience() {
    let token = KEYS.es256.token(&with("nonce", "x"));
    let no_nonce = Expected::sign_in(issuer(), AUDIENCE, "");
    assert_eq!(verify_as(&token, &no_nonce).unwrap_err(), JwtError::Nonce);
    let no_audience = Expected::workload(issuer(), "");
    assert!(verify_as(&KEYS.es256.token(&with("aud", "")), &no_audience).is_err());
}

#[test]
fn a_token_is_known_again_whatever_was_done_to_its_signature() {
    let token = KEYS.es256.token(&good());
    let again = {
        // ECDSA signs with a fresh random number: the same claims, another signature.
        let (signed, _) = token.rsplit_once('.').unwrap();
        let signature = KEYS.es256.sign(signed.as_bytes());
        format!(
            "{signed}.{}",
            data_encoding::BASE64URL_NOPAD.encode(&signature)
        )
    };
    assert_ne!(token, again);
    let fingerprint = verify(&token).unwrap().fingerprint();
    assert_eq!(verify(&again).unwrap().fingerprint(), fingerprint);
    let other = verify(&KEYS.es256.token(&with("jti", "2"))).unwrap();
    assert_ne!(other.fingerprint(), fingerprint);
    assert_eq!(other.id(), Some("2"));
}

#[test]
fn claims_are_read_by_their_type_and_stay_out_of_logs() {
    let mut claims = with("email", "ada@example.com");
    claims["email_verified"] = json!("true");
    claims["repository_id"] = json!("74");
    claims["kubernetes.io"] = json!({"serviceaccount": {"name": "builder"}});
    let claims = verify(&KEYS.es256.token(&claims)).unwrap();
    assert_eq!(
        claims.flag("email_verified"),
        None,
        "text is no truth value"
    );
    assert_eq!(claims.text("repository_id"), Some("74"));
    assert_eq!(claims.text("exp"), None);
    assert_eq!(
        claims.text_at(&["kubernetes.io", "serviceaccount", "name"]),
        Some("builder")
    );
    assert_eq!(claims.text_at(&["kubernetes.io", "name"]), None);
    assert_eq!(claims.text_at(&[]), None);
    assert_eq!(claims.value("exp"), Some(&json!(NOW_SECONDS + 300)));
    let logged = format!("{claims:?}");
    assert!(
        logged.contains("email") && !logged.contains("ada"),
        "{logged}"
    );
}

#[test]
fn an_unverified_token_tells_whom_it_claims_to_be_by_and_for() {
    let said = Unverified::read(&KEYS.stranger.token(&good())).unwrap();
    assert_eq!(said.issuer(), ISSUER);
    assert_eq!(said.audiences(), [AUDIENCE]);
    for junk in ["", "a.b.c", "hcp_live_u_123"] {
        assert!(Unverified::read(junk).is_err(), "{junk}");
    }
}

#[test]
fn times_far_from_now_do_not_overflow() {
    for millis in [i64::MIN, 0, i64::MAX] {
        let answer = Verifier.verify(
            &KEYS.es256.token(&good()),
            &workload(),
            &KEYS.set(),
            Timestamp::from_millis(millis),
        );
        assert!(answer.unwrap_err().is_about_time(), "{millis}");
    }
}
