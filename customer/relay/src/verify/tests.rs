//! The vendors' own published examples, and what is made from them by changing one thing.
//!
//! GitLab's secret token, Jenkins, Alertmanager, Terraform, Gitea and Forgejo publish no example: the first three send the secret
//! itself, and of the others' signatures only the header and the algorithm are documented. Terraform's is made here with another
//! implementation (`openssl dgst -sha512 -hmac …`); Gitea's and Forgejo's is the HMAC of GitHub's example under their headers.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;

/// A method as a tool file names it.
fn preset(name: &str) -> Method {
    crate::tool::method_named(name).unwrap()
}

fn check(
    method: &Method,
    secret: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<Option<String>, Unverified> {
    check_at(method, secret, headers, body, 1_614_265_330)
}

fn check_at(
    method: &Method,
    secret: &str,
    headers: &[(&'static str, &str)],
    body: &str,
    now: i64,
) -> Result<Option<String>, Unverified> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let secrets: Vec<_> = secret.lines().map(SecretString::from).collect();
    let now = Timestamp::from_millis(now * 1000);
    let body = Bytes::from(body.to_owned());
    verify(method, &secrets, &map, &body, now).map(|verified| verified.signed_delivery_id)
}

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
#[test]
fn githubs_own_example_is_verified_and_nothing_like_it() {
    let method = preset("github");
    let secret = "It's a Secret to Everybody";
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let header = "x-hub-signature-256";
    let good = [(header, signature)];
    assert_eq!(check(&method, secret, &good, "Hello, World!"), Ok(None));
    assert_eq!(
        check(&method, secret, &good, "Hello, World"),
        Err(Unverified::Wrong)
    );
    assert_eq!(
        check(&method, "another", &good, "Hello, World!"),
        Err(Unverified::Wrong)
    );
    assert_eq!(
        check(&method, "", &good, "Hello, World!"),
        Err(Unverified::Malformed)
    );
    for bad in [
        "",
        "sha256=",
        "sha1=757107ea0eb2509fc211221cce984b8a37570b6d",
        &signature[7..],
        &signature[..70],
        "sha256=zz",
    ] {
        let outcome = check(&method, secret, &[(header, bad)], "Hello, World!");
        assert!(outcome.is_err(), "{bad}");
    }
    // A signature for another tool is in another header, and two are one too many.
    let bitbucket = [("x-hub-signature", signature)];
    assert_eq!(
        check(&method, secret, &bitbucket, "Hello, World!"),
        Err(Unverified::Missing)
    );
    let twice = [(header, signature), (header, signature)];
    assert_eq!(
        check(&method, secret, &twice, "Hello, World!"),
        Err(Unverified::Missing)
    );
}

/// <https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/>.
#[test]
fn bitbuckets_own_example_is_verified() {
    let method = preset("bitbucket");
    let secret = "It's a Secret to Everybody";
    let signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
    let good = [("x-hub-signature", signature)];
    assert_eq!(check(&method, secret, &good, "Hello World!"), Ok(None));
    assert_eq!(
        check(&method, secret, &good, "Hello, World!"),
        Err(Unverified::Wrong)
    );
}

const SYMMETRIC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
const PAYLOAD: &str = r#"{"test": 2432232314}"#;
const V1: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const V1A: &str =
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
const DELIVERY: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

fn standard(signature: &str) -> [(&'static str, &str); 3] {
    [
        ("webhook-id", DELIVERY),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", signature),
    ]
}

/// The example that the reference implementations of `v1` and `v1a` are tested with.
#[test]
fn standard_webhooks_are_verified_by_either_kind_of_key() {
    let method = preset("standard_webhooks");
    let id = Ok(Some(DELIVERY.to_owned()));
    assert_eq!(check(&method, SYMMETRIC, &standard(V1), PAYLOAD), id);
    assert_eq!(check(&method, PUBLIC, &standard(V1A), PAYLOAD), id);
    let both = format!("v1,AAAA v2,x {V1} {V1A}");
    assert_eq!(check(&method, SYMMETRIC, &standard(&both), PAYLOAD), id);
    assert_eq!(check(&method, PUBLIC, &standard(&both), PAYLOAD), id);
    // While a secret is rotated both are good.
    let rotated = format!("whsec_AAAA\n{SYMMETRIC}");
    assert_eq!(check(&method, &rotated, &standard(V1), PAYLOAD), id);
}

#[test]
fn standard_webhooks_of_another_time_key_or_body_are_refused() {
    let method = preset("standard_webhooks");
    let wrong = Err(Unverified::Wrong);
    assert_eq!(check(&method, SYMMETRIC, &standard(V1), "{}"), wrong);
    // A public key is no HMAC key, and a signature of one kind is none of the other.
    assert_eq!(check(&method, SYMMETRIC, &standard(V1A), PAYLOAD), wrong);
    assert_eq!(check(&method, PUBLIC, &standard(V1), PAYLOAD), wrong);
    let relabelled = V1.replacen("v1,", "v1a,", 1);
    assert_eq!(
        check(&method, PUBLIC, &standard(&relabelled), PAYLOAD),
        wrong
    );
    for now in [1_614_265_330 - 301, 1_614_265_330 + 301] {
        assert_eq!(
            check_at(&method, SYMMETRIC, &standard(V1), PAYLOAD, now),
            Err(Unverified::Stale)
        );
    }
    for now in [1_614_265_330 - 300, 1_614_265_330 + 300] {
        assert!(check_at(&method, SYMMETRIC, &standard(V1), PAYLOAD, now).is_ok());
    }
    for secret in ["plain", "whsec_", "whsec_%", "whpk_AAAA"] {
        assert_eq!(
            check(&method, secret, &standard(V1), PAYLOAD),
            Err(Unverified::Malformed),
            "{secret}"
        );
    }
    for missing in 0..3 {
        let mut headers = standard(V1).to_vec();
        headers.remove(missing);
        assert_eq!(
            check(&method, SYMMETRIC, &headers, PAYLOAD),
            Err(Unverified::Missing)
        );
    }
}

/// Another id under the same signature, with the full stop moved.
#[test]
fn a_delivery_id_cannot_be_stretched_into_what_follows_it() {
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", V1),
    ];
    let outcome = check(&preset("standard_webhooks"), SYMMETRIC, &headers, PAYLOAD);
    assert_eq!(outcome, Err(Unverified::Missing));
}

/// <https://docs.gitlab.com/user/project/integrations/webhooks/>: a signing token is of Standard Webhooks.
#[test]
fn gitlabs_signing_token_never_opens_as_a_secret_token() {
    let method = preset("gitlab");
    let id = Ok(Some(DELIVERY.to_owned()));
    assert_eq!(check(&method, SYMMETRIC, &standard(V1), PAYLOAD), id);
    let token = [("x-gitlab-token", "s3cret")];
    assert_eq!(check(&method, "s3cret", &token, PAYLOAD), Ok(None));
    assert_eq!(
        check(&method, "s3cret2", &token, PAYLOAD),
        Err(Unverified::Wrong)
    );
    let shown = [("x-gitlab-token", SYMMETRIC)];
    assert_eq!(
        check(&method, SYMMETRIC, &shown, PAYLOAD),
        Err(Unverified::Missing)
    );
}

/// A tool's own HMAC, in each algorithm and encoding. The values are of <https://www.rfc-editor.org/rfc/rfc4231>, test case 2.
#[test]
fn a_generic_hmac_is_verified_as_its_tool_file_says() {
    const SHA256: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const SHA512: &str = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
    let base64 = |hex: &str| {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        data_encoding::BASE64.encode(&bytes)
    };
    let body = "what do ya want for nothing?";
    for (algorithm, hex) in [(Algorithm::Sha256, SHA256), (Algorithm::Sha512, SHA512)] {
        for (encoding, text) in [
            (Encoding::Hex, hex.to_owned()),
            (Encoding::Hex, hex.to_uppercase()),
            (Encoding::Base64, base64(hex)),
        ] {
            let method = Method::Hmac(vec![HmacHeader {
                name: HeaderName::from_static("x-signature"),
                algorithm,
                encoding,
                prefix: "v0=".to_owned(),
            }]);
            let signed = format!("v0={text}");
            let good = [("x-signature", signed.as_str())];
            assert_eq!(check(&method, "Jefe", &good, body), Ok(None), "{text}");
            let wrong = check(&method, "Jefe", &good, "something else");
            assert_eq!(wrong, Err(Unverified::Wrong), "{text}");
            // Without what stands before it, or cut short, it is no signature.
            for bad in [text.as_str(), &signed[..signed.len() - 4]] {
                let outcome = check(&method, "Jefe", &[("x-signature", bad)], body);
                assert!(outcome.is_err(), "{bad}");
            }
        }
    }
}

/// The headers of <https://docs.gitea.com/usage/webhooks> and <https://forgejo.org/docs/latest/user/webhooks/>; the HMAC is
/// GitHub's example.
#[test]
fn gitea_and_forgejo_are_verified_by_any_of_their_headers() {
    let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let prefixed = format!("sha256={hex}");
    let secret = "It's a Secret to Everybody";
    for (name, value) in [
        ("x-gitea-signature", hex),
        ("x-forgejo-signature", hex),
        ("x-hub-signature-256", &prefixed),
    ] {
        let outcome = check(&preset("gitea"), secret, &[(name, value)], "Hello, World!");
        assert_eq!(outcome, Ok(None), "{name}");
        let wrong = check(&preset("gitea"), secret, &[(name, value)], "Hello");
        assert_eq!(wrong, Err(Unverified::Wrong), "{name}");
    }
}

/// The header and the algorithm are of
/// <https://developer.hashicorp.com/terraform/cloud-docs/workspaces/settings/notifications>.
#[test]
fn terraform_is_verified_by_hmac_sha512() {
    let signature = "821e3e75902b2558816283e347c71eacf5707436d3c350264f627670c658f0777fc2f717093cb737ed3ce61d65f3d58b92b512ef889453393c865027707a6428";
    let good = [("x-tfe-notification-signature", signature)];
    let method = preset("terraform");
    assert_eq!(check(&method, "s3cret", &good, "{}"), Ok(None));
    assert_eq!(
        check(&method, "s3cret", &good, "{ }"),
        Err(Unverified::Wrong)
    );
}

#[test]
fn tokens_are_taken_from_their_header_or_as_a_bearer() {
    let jenkins = preset("jenkins");
    for headers in [
        [("x-jenkins-token", "s3cret")],
        [("authorization", "Bearer s3cret")],
        [("authorization", "bearer s3cret")],
    ] {
        assert_eq!(check(&jenkins, "s3cret", &headers, "{}"), Ok(None));
        let wrong = check(&jenkins, "other", &headers, "{}");
        assert_eq!(wrong, Err(Unverified::Wrong));
    }
    let alertmanager = preset("alertmanager");
    for bad in ["s3cret", "Basic s3cret", "Bearer", ""] {
        let outcome = check(&alertmanager, "s3cret", &[("authorization", bad)], "{}");
        assert_eq!(outcome, Err(Unverified::Missing), "{bad}");
    }
    let elsewhere = [("x-jenkins-token", "s3cret")];
    assert_eq!(
        check(&alertmanager, "s3cret", &elsewhere, "{}"),
        Err(Unverified::Missing)
    );
}
