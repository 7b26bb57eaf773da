//! What a step finds in its environment: nothing but what somebody named.

use crate::config::{Config, DEFAULT_ENV_ALLOW};
use crate::process::DEFAULT_PATH;
use crate::spec::{JobSpec, SecretRef};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use wire::HeldJob;

/// The most bytes a secret may have.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The values of a job's secrets by the names of their variables.
pub(crate) type Secrets = BTreeMap<String, SecretString>;

/// Looks up every secret that a job names.
///
/// # Errors
/// A message for the log that lists each secret that is not there, by its reference.
pub(crate) fn resolve_secrets(
    spec: &JobSpec,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<Secrets, String> {
    let mut secrets = Secrets::new();
    let mut faults = Vec::new();
    for (name, reference) in &spec.secrets {
        match resolve(reference, environment) {
            Ok(value) => {
                secrets.insert(name.clone(), SecretString::from(value));
            }
            Err(fault) => faults.push(format!("secret {name} ({reference}): {fault}")),
        }
    }
    if faults.is_empty() {
        Ok(secrets)
    } else {
        Err(faults.join("\n"))
    }
}

fn resolve(
    reference: &SecretRef,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<String, String> {
    let value = match reference {
        SecretRef::Env(name) => environment
            .get(OsStr::new(name))
            .ok_or("there is no such variable in the agent's environment; start the agent with it")?
            .to_str()
            .ok_or("is not UTF-8")?
            .to_owned(),
        SecretRef::File(path) => {
            read_secret(path).map_err(|error| format!("cannot be read: {error}"))?
        }
    };
    if value.is_empty() {
        return Err("is empty".to_owned());
    }
    if value.contains('\0') {
        return Err("has a NUL character, which no variable can hold".to_owned());
    }
    Ok(value)
}

/// The file's text without the newline that editors put at the end.
fn read_secret(path: &str) -> std::io::Result<String> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(std::io::Error::other(format!(
            "it has more than {MAX_SECRET_BYTES} bytes"
        )));
    }
    let bare = text.strip_suffix('\n').unwrap_or(&text);
    Ok(bare.strip_suffix('\r').unwrap_or(bare).to_owned())
}

/// The whole environment of a job's steps.
pub(crate) fn step_environment(
    config: &Config,
    job: &HeldJob,
    spec: &JobSpec,
    secrets: &Secrets,
) -> BTreeMap<OsString, OsString> {
    let mut environment = BTreeMap::new();
    environment.insert("PATH".into(), DEFAULT_PATH.into());
    let allowed = DEFAULT_ENV_ALLOW
        .into_iter()
        .chain(config.env_allow.iter().map(String::as_str));
    for name in allowed {
        if let Some(value) = config.environment.get(OsStr::new(name)) {
            environment.insert(name.into(), value.clone());
        }
    }
    environment.insert("CI".into(), "true".into());
    for (name, value) in &spec.env {
        environment.insert(name.into(), value.into());
    }
    for (name, value) in secrets {
        environment.insert(name.into(), value.expose_secret().into());
    }
    environment.insert("HYBRID_CI_JOB_ID".into(), job.job_id.as_str().into());
    environment.insert("HYBRID_CI_ATTEMPT".into(), job.attempt.to_string().into());
    environment
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn spec(secrets: &[(&str, SecretRef)]) -> JobSpec {
        let secrets = secrets
            .iter()
            .map(|(name, place)| ((*name).to_owned(), place.clone()))
            .collect();
        JobSpec {
            env: BTreeMap::new(),
            secrets,
            steps: Vec::new(),
        }
    }

    #[test]
    fn every_missing_secret_is_named_and_no_value_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(path("nul"), "a\0b").unwrap();
        std::fs::write(path("large"), "x".repeat(70_000)).unwrap();
        std::fs::write(path("empty"), "\n").unwrap();
        let spec = spec(&[
            ("A", SecretRef::Env("NOT_THERE".into())),
            ("B", SecretRef::File(path("missing"))),
            ("C", SecretRef::File(path("nul"))),
            ("D", SecretRef::File(path("large"))),
            ("E", SecretRef::File(path("empty"))),
            ("F", SecretRef::File(directory.path().display().to_string())),
        ]);
        let message = resolve_secrets(&spec, &BTreeMap::new()).unwrap_err();
        assert_eq!(message.lines().count(), 6, "{message}");
        assert!(message.contains("secret A (env://NOT_THERE): there is no such variable"));
    }

    #[test]
    fn a_secret_file_loses_the_newline_at_its_end_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, " a\nb\n\n").unwrap();
        let spec = spec(&[("K", SecretRef::File(path.display().to_string()))]);
        let secrets = resolve_secrets(&spec, &BTreeMap::new()).unwrap();
        assert_eq!(secrets["K"].expose_secret(), " a\nb\n");
    }
}
