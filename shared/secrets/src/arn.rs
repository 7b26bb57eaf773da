//! The name of a secret.

/// The ARN of a secret in Secrets Manager: `arn:aws:secretsmanager:<region>:<account>:secret:<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretArn {
    text: String,
    region: String,
}

/// What an ARN should have been. It is not quoted: somebody may have put the secret itself in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the ARN of a secret in Secrets Manager, arn:aws:secretsmanager:<region>:<account>:secret:<name>"
)]
pub struct NotAnArn;

/// Characters that the name of a secret may have: 512, and seven that Secrets Manager puts behind them in the ARN.
const MOST_CHARACTERS: usize = 519;

impl SecretArn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// It is none of a secret.
    pub fn parse(text: &str) -> Result<Self, NotAnArn> {
        let parts: Vec<&str> = text.split(':').collect();
        let [
            "arn",
            partition,
            "secretsmanager",
            region,
            account,
            "secret",
            name,
        ] = parts[..]
        else {
            return Err(NotAnArn);
        };
        let is_label = |text: &str| {
            let mut bytes = text.bytes();
            (1..=32).contains(&text.len())
                && bytes
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        let is_good = partition.starts_with("aws")
            && is_label(partition)
            && is_label(region)
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=MOST_CHARACTERS).contains(&name.len())
            && name.bytes().all(in_name);
        if !is_good {
            return Err(NotAnArn);
        }
        Ok(Self {
            text: text.to_owned(),
            region: region.to_owned(),
        })
    }

    /// The ARN as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region that the secret is in, which need not be the function's own.
    pub fn region(&self) -> &str {
        &self.region
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_one_secret_and_its_region() {
        for (good, region) in [
            (
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hybrid-ci-live/key-AbCdEf",
                "eu-central-1",
            ),
            (
                "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a",
                "us-gov-west-1",
            ),
        ] {
            let arn = SecretArn::parse(good);
            assert_eq!(arn.as_ref().map(SecretArn::region), Ok(region));
            assert_eq!(arn.as_ref().map(SecretArn::as_str), Ok(good));
        }
    }

    #[test]
    fn what_is_no_arn_of_a_secret_is_refused() {
        let long = format!(
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:{}",
            "x".repeat(520)
        );
        for bad in [
            "",
            "GOCSPX-the-secret-itself",
            "hybrid-ci-live/key",
            "arn:aws:ssm:eu-central-1:123456789012:parameter:key",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
            "arn:aws:secretsmanager::123456789012:secret:key",
            "arn:aws:secretsmanager:eu-central-1:12345:secret:key",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key:json-key::",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:two words",
            "arn:aws:secretsmanager:evil.example.com/:123456789012:secret:key",
            " arn:aws:secretsmanager:eu-central-1:123456789012:secret:key",
            &long,
        ] {
            assert_eq!(SecretArn::parse(bad), Err(NotAnArn), "{bad}");
        }
    }
}
