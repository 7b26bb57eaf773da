//! Secrets Manager and the Parameter Store of AWS.

use super::*;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

#[tokio::test]
async fn secrets_manager_is_asked_by_name_with_a_signature() {
    let aws = Fake::start(|seen| {
        assert_eq!(seen.header("x-amz-target"), "secretsmanager.GetSecretValue");
        match seen.json()["SecretId"].as_str().unwrap() {
            "ci/github" => answer(200, &json!({ "Name": "ci/github", "SecretString": SECRET })),
            "ci/binary" => answer(200, &json!({ "SecretBinary": "czNjcmV0LWNhbmFyeQ==" })),
            "ci/bytes" => answer(200, &json!({ "SecretBinary": "//4=" })),
            "ci/all" => answer(
                200,
                &json!({ "SecretString": json!({ "github": SECRET, "n": 1 }).to_string() }),
            ),
            _ => answer(
                400,
                &json!({ "__type": "ResourceNotFoundException", "Message": "canary" }),
            ),
        }
    })
    .await;
    let vault = aws_at(&aws.url);
    for reference in [
        "aws-secrets-manager://ci/github",
        "aws-secrets-manager://ci/binary",
        "aws-secrets-manager://ci/all#github",
    ] {
        assert_eq!(
            read(&vault, reference).await.unwrap(),
            SECRET,
            "{reference}"
        );
    }
    for (reference, code) in [
        ("aws-secrets-manager://ci/none", "missing"),
        ("aws-secrets-manager://ci/bytes", "malformed"),
        ("aws-secrets-manager://ci/all#gitlab", "missing"),
        ("aws-secrets-manager://ci/all#n", "malformed"),
        ("aws-secrets-manager://ci/github#github", "malformed"),
    ] {
        assert_eq!(refused(&vault, reference).await, code, "{reference}");
    }
    let seen = &aws.seen()[0];
    assert_eq!((&seen.method, seen.path.as_str()), (&Method::POST, "/"));
    assert_eq!(seen.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(seen.header("x-amz-security-token"), "session");
    let expected = expected_signature(seen, "secretsmanager");
    assert_eq!(seen.header("authorization"), expected);
}

#[tokio::test]
async fn the_parameter_store_decrypts_what_it_is_asked_for() {
    let aws = Fake::start(|seen| {
        assert_eq!(seen.header("x-amz-target"), "AmazonSSM.GetParameter");
        assert_eq!(
            seen.json(),
            json!({ "Name": "/ci/github", "WithDecryption": true })
        );
        let parameter =
            json!({ "Name": "/ci/github", "Type": "SecureString", "Value": SECRET, "Version": 3 });
        answer(200, &json!({ "Parameter": parameter }))
    })
    .await;
    let vault = aws_at(&aws.url);
    assert_eq!(read(&vault, "aws-ssm://ci/github").await.unwrap(), SECRET);
    let seen = &aws.seen()[0];
    assert_eq!(
        seen.header("authorization"),
        expected_signature(seen, "ssm")
    );
}

#[tokio::test]
async fn what_aws_refuses_is_told_apart() {
    for (status, kind, code) in [
        (400, "ParameterNotFound", "missing"),
        (
            400,
            "com.amazonaws.secretsmanager#InvalidRequestException",
            "missing",
        ),
        (400, "AccessDeniedException", "denied"),
        (400, "ExpiredTokenException", "denied"),
        (400, "ThrottlingException", "unreachable"),
        (500, "InternalServiceError", "unreachable"),
        (503, "<canary>", "unreachable"),
        (400, "ValidationException", "malformed"),
    ] {
        let body = json!({ "__type": kind, "message": SECRET });
        let aws = Fake::start(move |_| answer(status, &body)).await;
        let outcome = refused(&aws_at(&aws.url), "aws-ssm://ci/github").await;
        assert_eq!(outcome, code, "{kind}");
    }
    let none = aws_at("http://127.0.0.1:9");
    assert_eq!(refused(&none, "aws-ssm://ci/github").await, "unreachable");
}

/// The signature of a request as AWS computes it (Signature Version 4), written down a second time.
fn expected_signature(seen: &Seen, service: &str) -> String {
    const SIGNED: &str = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    let date = seen.header("x-amz-date");
    let headers = SIGNED.split(';').fold(String::new(), |text, name| {
        format!("{text}{name}:{}\n", seen.header(name))
    });
    let body = HEXLOWER.encode(&Sha256::digest(&seen.body));
    let canonical = format!("POST\n{}\n\n{headers}\n{SIGNED}\n{body}", seen.path);
    let scope = format!("{}/eu-west-1/{service}/aws4_request", &date[..8]);
    let digest = HEXLOWER.encode(&Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    let mac = |key: &[u8], message: &str| -> Vec<u8> {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.chain_update(message).finalize().into_bytes().to_vec()
    };
    let mut key = b"AWS4wJalrXUtnFEMI".to_vec();
    for part in [&date[..8], "eu-west-1", service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = HEXLOWER.encode(&mac(&key, &to_sign));
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
    )
}
