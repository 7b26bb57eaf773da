//! What a reference says: which vault, which secret in it, which field of that.

use super::VaultSettings;
use std::path::PathBuf;
use wire::relay::VaultReference;

/// A reference, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) place: Place,
    /// What stands after `#`: a field of a secret that is a JSON object.
    pub(super) field: Option<String>,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A variable of the process.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// AWS.
    Aws(AwsSecret),
    /// HashiCorp Vault, version 2 of its key-value engine.
    Hashicorp(HashicorpSecret),
    /// Google Cloud's Secret Manager: `projects/…/secrets/…/versions/…`.
    Gcp(String),
    /// Azure Key Vault.
    Azure(AzureSecret),
}

/// A secret of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AwsSecret {
    pub(super) service: AwsService,
    /// Its name or ARN.
    pub(super) id: String,
    pub(super) region: String,
}

/// The services of AWS that keep secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AwsService {
    SecretsManager,
    ParameterStore,
}

/// A secret of HashiCorp Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HashicorpSecret {
    /// Where the engine is mounted.
    pub(super) mount: String,
    pub(super) path: String,
}

/// A secret of Azure Key Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AzureSecret {
    pub(super) vault: String,
    pub(super) name: String,
    /// None for the newest.
    pub(super) version: Option<String>,
}

impl Reference {
    /// # Errors
    /// What the reference must be.
    pub(super) fn parse(
        reference: &VaultReference,
        settings: &VaultSettings,
    ) -> Result<Self, String> {
        let text = reference.as_str();
        let (provider, rest) = text.split_once("://").unwrap_or_default();
        let (rest, field) = match rest.split_once('#') {
            Some((rest, field)) => (rest, Some(field)),
            None => (rest, None),
        };
        if field.is_some_and(|field| !is_made_of(field, "_-.")) {
            return Err("a field, after #, has letters, digits and _ - .".to_owned());
        }
        let place = match provider {
            "env" => variable(rest),
            "file" => file(rest),
            "aws-secrets-manager" => aws(AwsService::SecretsManager, rest, settings),
            "aws-ssm" => aws(AwsService::ParameterStore, rest, settings),
            "hashicorp" => hashicorp(rest, settings),
            "gcp" => gcp(rest),
            "azure" => azure(rest),
            _ => Err("this relay does not know that vault".to_owned()),
        };
        Ok(Self {
            place: place?,
            field: field.map(str::to_owned),
        })
    }
}

/// The path of a reference to a file.
pub(super) fn path_of(reference: &VaultReference) -> Option<PathBuf> {
    let rest = reference.as_str().strip_prefix("file://")?;
    Some(PathBuf::from(rest.split('#').next()?))
}

fn variable(name: &str) -> Result<Place, String> {
    let good = is_made_of(name, "_") && !name.starts_with(|first: char| first.is_ascii_digit());
    good.then(|| Place::Variable(name.to_owned()))
        .ok_or_else(|| "must be env://<name of a variable>".to_owned())
}

/// Where the process was started must not decide what it reads.
fn file(path: &str) -> Result<Place, String> {
    let path = PathBuf::from(path);
    if path.is_absolute() {
        Ok(Place::File(path))
    } else {
        Err("must be file:///<path>, from the root on".to_owned())
    }
}

fn aws(service: AwsService, id: &str, settings: &VaultSettings) -> Result<Place, String> {
    let (word, kind) = match service {
        AwsService::SecretsManager => ("secretsmanager", "secret:"),
        AwsService::ParameterStore => ("ssm", "parameter/"),
    };
    if !is_made_of(id, "/_+=.@-:") {
        return Err(
            "must be the name or ARN of a secret, of letters, digits and / _ + = . @ -".to_owned(),
        );
    }
    let (id, region) = if id.starts_with("arn:") {
        let parts: Vec<_> = id.splitn(6, ':').collect();
        let region = match parts[..] {
            ["arn", partition, service, region, account, resource]
                if partition.starts_with("aws")
                    && service == word
                    && account.len() == 12
                    && resource.starts_with(kind) =>
            {
                region.to_owned()
            }
            _ => return Err(format!("must be an ARN of {word}, or a name")),
        };
        (id.to_owned(), region)
    } else {
        let region = settings.aws_region.clone();
        let region = region.ok_or("no region is known: set AWS_REGION, or write the ARN")?;
        // Names in a tree begin at its root.
        let is_in_tree = service == AwsService::ParameterStore && id.contains('/');
        let id = if is_in_tree && !id.starts_with('/') {
            format!("/{id}")
        } else {
            id.to_owned()
        };
        (id, region)
    };
    // It becomes a part of a host's name.
    if !is_lower(&region) || region.starts_with('-') || region.len() > 32 {
        return Err(format!("`{region}` is no region"));
    }
    Ok(Place::Aws(AwsSecret {
        service,
        id,
        region,
    }))
}

fn hashicorp(rest: &str, settings: &VaultSettings) -> Result<Place, String> {
    if settings.hashicorp.is_none() {
        return Err("needs HYBRID_RELAY_HASHICORP_ADDRESS".to_owned());
    }
    let (mount, path) = rest.split_once('/').unwrap_or_default();
    let is_plain =
        |segment: &str| is_made_of(segment, "_-.") && !segment.trim_matches('.').is_empty();
    if is_plain(mount) && path.split('/').all(is_plain) {
        Ok(Place::Hashicorp(HashicorpSecret {
            mount: mount.to_owned(),
            path: path.to_owned(),
        }))
    } else {
        Err("must be hashicorp://<mount>/<path>, of letters, digits and _ - .".to_owned())
    }
}

fn gcp(rest: &str) -> Result<Place, String> {
    const WHAT: &str = "must be gcp://<project>/<secret> or gcp://<project>/<secret>/<version>";
    let parts: Vec<_> = rest.split('/').collect();
    let (project, secret, version) = match parts[..] {
        [project, secret] => (project, secret, "latest"),
        [project, secret, version] => (project, secret, version),
        _ => return Err(WHAT.to_owned()),
    };
    if is_lower(project) && is_made_of(secret, "_-") && is_made_of(version, "_-") {
        let path = format!("projects/{project}/secrets/{secret}/versions/{version}");
        Ok(Place::Gcp(path))
    } else {
        Err(WHAT.to_owned())
    }
}

fn azure(rest: &str) -> Result<Place, String> {
    const WHAT: &str = "must be azure://<vault>/<secret> or azure://<vault>/<secret>/<version>";
    let parts: Vec<_> = rest.split('/').collect();
    let (vault, name, version) = match parts[..] {
        [vault, name] => (vault, name, None),
        [vault, name, version] => (vault, name, Some(version)),
        _ => return Err(WHAT.to_owned()),
    };
    // The vault becomes a part of a host's name.
    let is_vault = (3..=24).contains(&vault.len()) && is_made_of(vault, "-");
    let is_edged = vault.starts_with('-') || vault.ends_with('-');
    if is_vault && !is_edged && is_made_of(name, "-") && version.is_none_or(is_lower) {
        Ok(Place::Azure(AzureSecret {
            vault: vault.to_owned(),
            name: name.to_owned(),
            version: version.map(str::to_owned),
        }))
    } else {
        Err(WHAT.to_owned())
    }
}

/// Letters, digits, and some others; at least one.
fn is_made_of(text: &str, others: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
    !text.is_empty() && text.chars().all(allowed)
}

/// Small letters, digits and hyphens; at least one.
fn is_lower(text: &str) -> bool {
    is_made_of(text, "-") && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::vault::{HashicorpLogin, HashicorpSettings};

    fn settings() -> VaultSettings {
        VaultSettings {
            aws_region: Some("eu-central-1".to_owned()),
            hashicorp: Some(HashicorpSettings {
                address: "https://vault.example.com".to_owned(),
                namespace: None,
                login: HashicorpLogin::Variable,
            }),
        }
    }

    fn parse(text: &str) -> Result<Reference, String> {
        Reference::parse(&VaultReference::parse(text).unwrap(), &settings())
    }

    fn aws(service: AwsService, id: &str, region: &str) -> Place {
        Place::Aws(AwsSecret {
            service,
            id: id.to_owned(),
            region: region.to_owned(),
        })
    }

    #[test]
    fn a_reference_says_where_a_secret_is() {
        use AwsService::{ParameterStore, SecretsManager};
        let secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ci/github-AbCdEf";
        let parameter_arn = "arn:aws:ssm:us-east-1:123456789012:parameter/ci/github";
        let azure = |version: Option<&str>| {
            Place::Azure(AzureSecret {
                vault: "my-vault".to_owned(),
                name: "github".to_owned(),
                version: version.map(str::to_owned),
            })
        };
        let gcp = |version: &str| {
            Place::Gcp(format!(
                "projects/my-project/secrets/git_hub/versions/{version}"
            ))
        };
        for (text, place) in [
            (
                "env://GITHUB_SECRET",
                Place::Variable("GITHUB_SECRET".to_owned()),
            ),
            ("file:///run/github", Place::File("/run/github".into())),
            (
                "aws-secrets-manager://ci/github",
                aws(SecretsManager, "ci/github", "eu-central-1"),
            ),
            (
                &format!("aws-secrets-manager://{secret_arn}"),
                aws(SecretsManager, secret_arn, "us-east-1"),
            ),
            (
                "aws-ssm://github",
                aws(ParameterStore, "github", "eu-central-1"),
            ),
            (
                "aws-ssm://ci/github",
                aws(ParameterStore, "/ci/github", "eu-central-1"),
            ),
            (
                "aws-ssm:///ci/github",
                aws(ParameterStore, "/ci/github", "eu-central-1"),
            ),
            (
                &format!("aws-ssm://{parameter_arn}"),
                aws(ParameterStore, parameter_arn, "us-east-1"),
            ),
            (
                "hashicorp://secret/ci/github",
                Place::Hashicorp(HashicorpSecret {
                    mount: "secret".to_owned(),
                    path: "ci/github".to_owned(),
                }),
            ),
            ("gcp://my-project/git_hub", gcp("latest")),
            ("gcp://my-project/git_hub/7", gcp("7")),
            ("azure://my-vault/github", azure(None)),
            ("azure://my-vault/github/0a1b", azure(Some("0a1b"))),
        ] {
            let reference = parse(text).unwrap();
            assert_eq!((reference.place, reference.field), (place, None), "{text}");
        }
        let reference = parse("file:///run/all.json#github").unwrap();
        assert_eq!(reference.place, Place::File("/run/all.json".into()));
        assert_eq!(reference.field.as_deref(), Some("github"));
    }

    /// None of these may become another host, another path, or another secret than what it looks like.
    #[test]
    fn a_reference_that_is_not_understood_is_refused() {
        for text in [
            "env://A-B",
            "env://1A",
            "env://PATH#",
            "file://identity.json",
            "file://../identity.json",
            "aws-secrets-manager://a?b",
            "aws-secrets-manager://arn:aws:ssm:us-east-1:123456789012:parameter/a",
            "aws-secrets-manager://arn:aws:secretsmanager:evil.example/:123456789012:secret:a",
            "aws-secrets-manager://arn:aws:secretsmanager::123456789012:secret:a",
            "aws-ssm://arn:aws:ssm:us-east-1:1:parameter/a",
            "hashicorp://secret",
            "hashicorp://secret/",
            "hashicorp://secret/../sys/seal",
            "hashicorp://secret//a",
            "hashicorp://secret/a?version=1",
            "gcp://project",
            "gcp://project/secret/1/2",
            "gcp://project/..%2f/1",
            "gcp://Project/secret",
            "azure://evil.example/secret",
            "azure://my-vault/a_b",
            "azure://-vault/a",
            "azure://my-vault",
            "azure://my-vault/a/1/2",
            "gcp://project/secret#a/b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_vault_needs_besides_is_said() {
        let none = VaultSettings::default();
        for (text, part) in [
            ("aws-ssm://ci/github", "AWS_REGION"),
            ("hashicorp://secret/github", "HASHICORP_ADDRESS"),
        ] {
            let reference = VaultReference::parse(text).unwrap();
            let why = Reference::parse(&reference, &none).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
