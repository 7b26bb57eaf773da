//! What the environment says.

use crate::testing::FakeSecretsManager;
use crate::{Secret, read};

const NAME: &str = "SIGN_IN_SECRET";
const ARN: &str = "SIGN_IN_SECRET_ARN";

fn of(variables: &[(&str, &str)]) -> Result<Option<Secret<String>>, Vec<String>> {
    let parse = |text: &str| {
        let is_good = text.starts_with("canary");
        is_good.then(|| text.to_owned()).ok_or("must be a canary")
    };
    read(NAME, parse, &|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];

#[test]
fn a_secret_is_given_or_named_or_neither() {
    assert!(of(&[]).unwrap().is_none());
    assert!(of(&[(NAME, ""), (ARN, "")]).unwrap().is_none());
    assert!(of(&[(NAME, "canary"), (ARN, "")]).unwrap().is_some());
    let arn = FakeSecretsManager::arn("a");
    let named = of(&[KEYS[0], KEYS[1], (NAME, ""), (ARN, &arn)]);
    assert!(named.unwrap().is_some());
}

#[test]
fn what_is_given_twice_or_malformed_is_a_fault_that_quotes_nothing() {
    let arn = FakeSecretsManager::arn("a");
    let both = of(&[KEYS[0], KEYS[1], (NAME, "canary"), (ARN, &arn)]).unwrap_err();
    assert_eq!(
        both,
        ["SIGN_IN_SECRET and SIGN_IN_SECRET_ARN are both there; one of them must go"]
    );
    let wrong = of(&[(NAME, "a tell-tale")]).unwrap_err();
    assert_eq!(wrong, ["SIGN_IN_SECRET must be a canary"]);
    // Somebody has put the secret itself where its name belongs.
    let malformed = of(&[KEYS[0], KEYS[1], (ARN, "canary-of-a-secret")]).unwrap_err();
    assert_eq!(malformed.len(), 1);
    assert!(malformed[0].starts_with("SIGN_IN_SECRET_ARN must be the ARN of a secret"));
    assert!(!malformed[0].contains("canary"));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let faults = of(&[(ARN, "x")]).unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults.contains(&"AWS_ACCESS_KEY_ID is missing".to_owned()));
    assert!(faults.contains(&"AWS_SECRET_ACCESS_KEY is missing".to_owned()));
    let arn = FakeSecretsManager::arn("a");
    let faults = of(&[(ARN, &arn), KEYS[0]]).unwrap_err();
    assert_eq!(faults, ["AWS_SECRET_ACCESS_KEY is missing"]);
}
