//! Trust rules: which workloads of which issuer may register agents.
//!
//! Whoever runs an issuer for many (GitHub, a cloud) signs tokens for all of its customers alike. So a rule must name, by
//! exact values, the claims that say whose workload it is; which those are depends on the issuer.

use std::collections::BTreeMap;
use wire::{ClaimMatch, ClaimName, Fault};

/// How many claims a rule may name.
pub const MAX_CLAIMS: usize = 10;

/// How many bytes the names and values of a rule's claims have at most, so that all rules of a tenant are read at once.
const MAX_CLAIM_BYTES: usize = 4096;

/// What a rule asks of a token's claims, all at once.
pub type ClaimMatches = BTreeMap<ClaimName, ClaimMatch>;

/// Claims that the verifier itself looks at, or that say nothing about whose token it is.
const NOT_FOR_RULES: [&str; 7] = ["iss", "aud", "exp", "iat", "nbf", "jti", "nonce"];

/// Who runs an issuer, as far as that decides what a rule must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// GitHub Actions: of github.com, of a tenant of ghe.com, or of an enterprise server.
    GitHub,
    /// Microsoft Entra: managed identities of Azure.
    Azure,
    /// AWS outbound identity federation: every account has an issuer of its own.
    Aws,
    /// Google: service accounts of all of its customers.
    Google,
    /// Any other: a Kubernetes cluster, or somebody's own.
    Other,
}

impl Provider {
    /// The provider of an issuer's address, which is as the issuer itself writes it.
    pub fn of_issuer(issuer: &str) -> Self {
        let rest = issuer.strip_prefix("https://").unwrap_or(issuer);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.strip_suffix(":443").unwrap_or(host);
        let github_server = path == "_services/token" || path.starts_with("_services/token/");
        match host {
            "token.actions.githubusercontent.com" => Self::GitHub,
            _ if github_server || host.ends_with(".ghe.com") => Self::GitHub,
            "sts.windows.net"
            | "login.microsoftonline.com"
            | "login.microsoftonline.us"
            | "login.partner.microsoftonline.cn" => Self::Azure,
            _ if host.ends_with(".tokens.sts.global.api.aws") => Self::Aws,
            "accounts.google.com" => Self::Google,
            _ => Self::Other,
        }
    }

    /// The claims that a rule must name by exact values.
    pub fn required_claims(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["repository_id", "repository_owner_id"],
            Self::Azure => &["tid", "oid"],
            Self::Aws | Self::Google | Self::Other => &["sub"],
        }
    }
}

/// Everything that is wrong with the claims of a rule, with pointers into its request.
pub fn claim_faults(issuer: &str, claims: &ClaimMatches) -> Vec<Fault> {
    let provider = Provider::of_issuer(issuer);
    let mut faults = Vec::new();
    let mut add = |pointer: String, detail: String| faults.push(Fault { pointer, detail });
    if claims.len() > MAX_CLAIMS {
        add(
            "/claims".to_owned(),
            format!("at most {MAX_CLAIMS} claims, not {}", claims.len()),
        );
    }
    let bytes: usize = claims
        .iter()
        .map(|(name, wanted)| name.as_str().len() + wanted.text().len())
        .sum();
    if bytes > MAX_CLAIM_BYTES {
        add(
            "/claims".to_owned(),
            format!("at most {MAX_CLAIM_BYTES} bytes of names and values, not {bytes}"),
        );
    }
    let exact = |name: &str| {
        let mut named = claims.iter().filter(|(claim, _)| claim.as_str() == name);
        named.next().and_then(|(_, wanted)| wanted.exact())
    };
    for required in provider.required_claims() {
        if exact(required).is_none() {
            add(
                "/claims".to_owned(),
                format!(
                    "tokens of this issuer are told apart by `{required}`: name its exact value"
                ),
            );
        }
    }
    for name in claims.keys() {
        let pointer = || format!("/claims/{}", name.as_str().replace('/', "~1"));
        if NOT_FOR_RULES.contains(&name.as_str()) {
            add(pointer(), "is not for rules to decide on".to_owned());
        }
        if provider == Provider::GitHub && name.as_str() == "sub" {
            // Its form is the repository's own choice, and names can be taken over; the ids cannot.
            let detail = "has a form that others may change; name `repository_id`, `ref`, `environment`, `workflow_ref`";
            add(pointer(), detail.to_owned());
        }
    }
    if let Some(subject) = exact("sub")
        && let Some(wanted) = subject_fault(provider, subject)
    {
        add("/claims/sub".to_owned(), format!("must be {wanted}"));
    }
    faults
}

/// What the subject of a rule should have been, if it can be none of that provider's.
fn subject_fault(provider: Provider, subject: &str) -> Option<&'static str> {
    let fits = match provider {
        Provider::Aws => {
            return (!is_role_arn(subject))
                .then_some("a role, like arn:aws:iam::123456789012:role/ci");
        }
        Provider::Google => {
            return (!subject.bytes().all(|byte| byte.is_ascii_digit()))
                .then_some("the service account's unique id, which is digits alone");
        }
        Provider::GitHub | Provider::Azure | Provider::Other => subject
            .strip_prefix("system:serviceaccount:")
            .is_none_or(|account| {
                account
                    .split_once(':')
                    .is_some_and(|(namespace, name)| !namespace.is_empty() && is_part(name))
            }),
    };
    (!fits).then_some("system:serviceaccount:<namespace>:<name>")
}

fn is_part(text: &str) -> bool {
    !text.is_empty() && !text.contains(':')
}

/// `arn:<partition>:iam::<account>:role/<path and name>`
fn is_role_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts.as_slice() else {
        return false;
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    *arn == "arn"
        && partition.starts_with("aws")
        && *service == "iam"
        && region.is_empty()
        && is_account
        && resource.strip_prefix("role/").is_some_and(is_part)
}

/// Whether a token's claims are as a rule asks: each that it names is there, is text, and is as it must be. A rule that
/// names nothing is no rule.
pub fn admits<'a>(claims: &ClaimMatches, claim: impl Fn(&str) -> Option<&'a str>) -> bool {
    !claims.is_empty()
        && claims
            .iter()
            .all(|(name, wanted)| claim(name.as_str()).is_some_and(|found| wanted.accepts(found)))
}

/// Whether the rule names an address of electronic mail: it only says something if its issuer has verified it.
pub fn needs_verified_email(claims: &ClaimMatches) -> bool {
    claims.keys().any(|name| name.as_str() == "email")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use wire::ClaimValue;

    const GITHUB: &str = "https://token.actions.githubusercontent.com";
    const AZURE: &str = "https://sts.windows.net/8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5b/";
    const AWS: &str = "https://abc123-def456.tokens.sts.global.api.aws";
    const GOOGLE: &str = "https://accounts.google.com";
    const CLUSTER: &str = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC";

    fn exact(text: &str) -> ClaimMatch {
        ClaimMatch::Exact(ClaimValue::parse(text).unwrap())
    }

    fn prefix(text: &str) -> ClaimMatch {
        ClaimMatch::Prefix {
            prefix: ClaimValue::parse(text).unwrap(),
        }
    }

    fn claims(named: &[(&str, ClaimMatch)]) -> ClaimMatches {
        let named = named.iter();
        named
            .map(|(name, wanted)| (ClaimName::parse(name).unwrap(), wanted.clone()))
            .collect()
    }

    #[test]
    fn each_provider_is_known_by_its_issuer() {
        for (issuer, provider) in [
            (GITHUB, Provider::GitHub),
            (
                "https://token.actions.githubusercontent.com/acme",
                Provider::GitHub,
            ),
            ("https://token.actions.acme.ghe.com", Provider::GitHub),
            (
                "https://github.acme.example/_services/token",
                Provider::GitHub,
            ),
            (
                "https://token.actions.githubusercontent.com:443",
                Provider::GitHub,
            ),
            (AZURE, Provider::Azure),
            ("https://login.microsoftonline.com/x/v2.0", Provider::Azure),
            (AWS, Provider::Aws),
            (GOOGLE, Provider::Google),
            (CLUSTER, Provider::Other),
            (
                "https://token.actions.githubusercontent.com.evil.example",
                Provider::Other,
            ),
            (
                "https://evil.example/token.actions.githubusercontent.com",
                Provider::Other,
            ),
        ] {
            assert_eq!(Provider::of_issuer(issuer), provider, "{issuer}");
        }
    }

    #[test]
    fn a_rule_that_says_whose_workload_it_is_is_taken() {
        let account = "system:serviceaccount:ci:agent";
        for (issuer, named) in [
            (
                GITHUB,
                vec![
                    ("repository_id", exact("1")),
                    ("repository_owner_id", exact("2")),
                ],
            ),
            (
                GITHUB,
                vec![
                    ("repository_id", exact("1")),
                    ("repository_owner_id", exact("2")),
                    ("ref", prefix("refs/heads/release/")),
                ],
            ),
            (AZURE, vec![("tid", exact("t")), ("oid", exact("o"))]),
            (
                AWS,
                vec![("sub", exact("arn:aws:iam::123456789012:role/ci/agent"))],
            ),
            (
                AWS,
                vec![("sub", exact("arn:aws-us-gov:iam::123456789012:role/agent"))],
            ),
            (
                GOOGLE,
                vec![
                    ("sub", exact("104123")),
                    ("email", exact("a@b.iam.gserviceaccount.com")),
                ],
            ),
            (CLUSTER, vec![("sub", exact(account))]),
            ("https://id.example.com", vec![("sub", exact("build-7"))]),
        ] {
            assert_eq!(
                claim_faults(issuer, &claims(&named)),
                [],
                "{issuer} {named:?}"
            );
        }
    }

    #[test]
    fn a_rule_that_would_let_strangers_in_is_refused() {
        let repository = ("repository_id", exact("1"));
        let owner = ("repository_owner_id", exact("2"));
        for (issuer, named) in [
            (GITHUB, vec![]),
            (GITHUB, vec![repository.clone()]),
            (GITHUB, vec![("sub", exact("repo:a/b:ref:refs/heads/main"))]),
            (
                GITHUB,
                vec![
                    repository.clone(),
                    owner.clone(),
                    ("sub", prefix("repo:a/")),
                ],
            ),
            (
                GITHUB,
                vec![repository.clone(), ("repository_owner_id", prefix("2"))],
            ),
            (GITHUB, vec![repository.clone(), owner, ("aud", exact("x"))]),
            (AZURE, vec![("tid", exact("t"))]),
            (AZURE, vec![("sub", exact("s")), ("oid", exact("o"))]),
            (
                AWS,
                vec![("sub", prefix("arn:aws:iam::123456789012:role/"))],
            ),
            (AWS, vec![("sub", exact("arn:aws:iam::123456789012:role/"))]),
            (AWS, vec![("sub", exact("arn:aws:iam::12345678901:role/x"))]),
            (
                AWS,
                vec![("sub", exact("arn:aws:sts::123456789012:assumed-role/x/y"))],
            ),
            (GOOGLE, vec![("email", exact("a@b.c"))]),
            (GOOGLE, vec![("sub", exact("a@b.c"))]),
            (CLUSTER, vec![("sub", prefix("system:serviceaccount:ci:"))]),
            (CLUSTER, vec![("sub", exact("system:serviceaccount:ci:"))]),
            (CLUSTER, vec![("sub", exact("system:serviceaccount:ci"))]),
            (
                CLUSTER,
                vec![("sub", exact("system:serviceaccount:ci:a:b"))],
            ),
            (CLUSTER, vec![("sub", exact("system:serviceaccount::a"))]),
            ("https://id.example.com", vec![("name", exact("x"))]),
            (
                "https://id.example.com",
                vec![("sub", exact("x")), ("exp", exact("1"))],
            ),
        ] {
            assert_ne!(
                claim_faults(issuer, &claims(&named)),
                [],
                "{issuer} {named:?}"
            );
        }
        let eleven: ClaimMatches = (0..11)
            .map(|n| (ClaimName::parse(&format!("c{n}")).unwrap(), exact("x")))
            .chain(claims(&[("sub", exact("x"))]))
            .collect();
        assert_eq!(claim_faults("https://id.example.com", &eleven).len(), 1);
        let wide: ClaimMatches = (0..9)
            .map(|n| {
                (
                    ClaimName::parse(&format!("c{n}")).unwrap(),
                    exact(&"x".repeat(500)),
                )
            })
            .chain(claims(&[("sub", exact("x"))]))
            .collect();
        assert_eq!(claim_faults("https://id.example.com", &wide).len(), 1);
    }

    #[test]
    fn a_token_must_have_every_claim_that_the_rule_names() {
        let rule = claims(&[("sub", exact("a")), ("ref", prefix("refs/tags/"))]);
        let token = |sub: Option<&'static str>, reference: Option<&'static str>| {
            move |name: &str| match name {
                "sub" => sub,
                "ref" => reference,
                _ => None,
            }
        };
        assert!(admits(&rule, token(Some("a"), Some("refs/tags/v1"))));
        for other in [
            token(Some("b"), Some("refs/tags/v1")),
            token(Some("a"), Some("x/refs/tags/v1")),
            token(Some("a"), Some("refs/tag")),
            token(Some("a"), None),
            token(None, Some("refs/tags/v1")),
        ] {
            assert!(!admits(&rule, other));
        }
        assert!(!admits(&ClaimMatches::new(), token(Some("a"), None)));
    }
}
