//! What an agent needs to know.

use crate::identity::{ENROLMENT_VARIABLE, Identity};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::{LogsUrl, PoolName, ShortText, Tags};

/// The environment variable that holds the agent's key.
pub const KEY_VARIABLE: &str = "HYBRID_AGENT_KEY";

/// The variables of the agent's own environment that steps find in theirs.
pub const DEFAULT_ENV_ALLOW: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "CARGO_HOME",
    "RUSTUP_HOME",
];

/// The most jobs that one agent may run at a time.
pub(crate) const MAX_JOBS: u32 = 100;

/// What an agent needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The control plane's base address. `http://` only to this machine, unless `insecure_http`.
    pub url: String,
    /// The pool; the one that the key is bound to.
    pub pool: PoolName,
    /// How the agent proves who it is when it registers.
    pub identity: Identity,
    /// How many jobs to run at a time, 1 to 100.
    pub jobs: u32,
    /// Where mirrors of repositories and working directories are.
    pub work_dir: PathBuf,
    /// Where the logs of jobs are.
    pub log_dir: PathBuf,
    /// Where results wait that could not be delivered yet.
    pub state_dir: PathBuf,
    /// Labels that the control plane shows beside the agent.
    pub tags: Tags,
    /// The machine's name as the control plane shows it.
    pub hostname: Option<ShortText>,
    /// Variables that steps get from `environment`, besides [`DEFAULT_ENV_ALLOW`].
    pub env_allow: Vec<String>,
    /// The environment that the allow list and `env://` secrets are read from.
    pub environment: BTreeMap<OsString, OsString>,
    /// What `<job>-<attempt>.log` is appended to for the `logs_url` of a result; without it none is reported.
    pub logs_url_prefix: Option<String>,
    /// How many bytes a log may have; the rest is left out.
    pub log_limit_bytes: u64,
    /// How long a job that is cancelled or timed out has between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// Whether `http://` to another machine is allowed. Then keys and reports can be read on the way.
    pub insecure_http: bool,
}

impl Config {
    /// Defaults with an agent key, all directories in `directory` and the environment of this process.
    pub fn new(
        url: impl Into<String>,
        pool: PoolName,
        key: SecretString,
        directory: &Path,
    ) -> Self {
        Self {
            url: url.into(),
            pool,
            identity: Identity::Key(key),
            jobs: 1,
            work_dir: directory.join("work"),
            log_dir: directory.join("logs"),
            state_dir: directory.join("state"),
            tags: Tags::new(),
            hostname: this_host(),
            env_allow: Vec::new(),
            environment: std::env::vars_os()
                .filter(|(name, _)| name != KEY_VARIABLE && name != ENROLMENT_VARIABLE)
                .collect(),
            logs_url_prefix: None,
            log_limit_bytes: 100 * 1024 * 1024,
            stop_grace: Duration::from_secs(10),
            insecure_http: false,
        }
    }

    fn identity_fault(&self) -> Option<String> {
        let is_empty = |secret: &SecretString| secret.expose_secret().trim().is_empty();
        match &self.identity {
            Identity::Key(key) if is_empty(key) => Some(format!(
                "key: is empty; set {KEY_VARIABLE} or name a key_file"
            )),
            Identity::Enrolment(token) if is_empty(token) => Some(format!(
                "enrolment token: is empty; set {ENROLMENT_VARIABLE} or name an enrolment_file"
            )),
            Identity::Workload(workload) if workload.audience.is_empty() => {
                Some("audience: is missing; the trust rule shows it, or name the tenant".to_owned())
            }
            Identity::Key(_) | Identity::Enrolment(_) | Identity::Workload(_) => None,
        }
    }

    /// Everything that is wrong with it.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(fault) = check_url(&self.url, self.insecure_http) {
            faults.push(format!("url: {fault}"));
        }
        faults.extend(self.identity_fault());
        if !(1..=MAX_JOBS).contains(&self.jobs) {
            faults.push(format!(
                "jobs: must be from 1 to {MAX_JOBS}, not {}",
                self.jobs
            ));
        }
        let mut tag_faults = Vec::new();
        wire::check_tags(&mut tag_faults, "/tags", &self.tags);
        faults.extend(
            tag_faults
                .into_iter()
                .map(|fault| format!("tags: {}", fault.detail)),
        );
        for name in &self.env_allow {
            if !crate::spec::is_variable_name(name) || name.starts_with("HYBRID_") {
                let rule = "must be a variable's name and not begin with HYBRID_";
                faults.push(format!(
                    "env_allow: `{}` {rule}",
                    crate::event::harmless(name)
                ));
            }
        }
        if let Some(prefix) = &self.logs_url_prefix
            && let Err(fault) = LogsUrl::parse(&logs_url(prefix, &"x".repeat(50)))
        {
            faults.push(format!("logs_url_prefix: {fault}"));
        }
        if self.log_limit_bytes < 1024 {
            faults.push("log_limit_bytes: must be at least 1024".to_owned());
        }
        if self.stop_grace > Duration::from_secs(20) {
            // The control plane times a job out 30 s after its own limit; the agent must have reported by then.
            faults.push("stop_grace_seconds: must be at most 20".to_owned());
        }
        faults
    }
}

/// The address of a log under a prefix.
pub(crate) fn logs_url(prefix: &str, file: &str) -> String {
    format!("{}/{file}", prefix.trim_end_matches('/'))
}

/// The base address without a slash at its end.
pub(crate) fn check_url(text: &str, insecure_http: bool) -> Result<Url, String> {
    let url = Url::parse(text.trim_end_matches('/')).map_err(|error| {
        format!("is no address ({error}); write it like https://ci.example.com")
    })?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err("must begin with https:// or http:// and name a host".to_owned());
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err("must not have a user, a password, a query or a fragment".to_owned());
    }
    if url.scheme() == "http" && !is_loopback(&url) && !insecure_http {
        return Err(
            "http:// to another machine shows the key to everybody on the way; use https://, or allow it with --insecure-http"
                .to_owned(),
        );
    }
    Ok(url)
}

/// Whether the address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn this_host() -> Option<ShortText> {
    let name = nix::unistd::gethostname().ok()?;
    ShortText::parse(name.to_str()?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn every_fault_is_listed_at_once() {
        let pool = PoolName::parse("default").unwrap();
        let mut config = Config::new("ftp://x", pool, "".into(), Path::new("/tmp"));
        config.jobs = 0;
        config.env_allow = vec!["HYBRID_AGENT_KEY".to_owned()];
        config.tags.insert("Bad Key".to_owned(), String::new());
        config.stop_grace = Duration::from_secs(21);
        config.logs_url_prefix = Some("ftp://logs".to_owned());
        config.log_limit_bytes = 0;
        let faults = config.faults();
        let fields: Vec<_> = faults
            .iter()
            .filter_map(|fault| fault.split(':').next())
            .collect();
        let want = [
            "url",
            "key",
            "jobs",
            "tags",
            "env_allow",
            "logs_url_prefix",
            "log_limit_bytes",
            "stop_grace_seconds",
        ];
        assert_eq!(fields, want);
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://ci.example.com",
            "http://127.0.0.1:8080/",
            "http://[::1]:1",
            "http://localhost:9/x",
        ] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://ci.example.com",
            "https://u:p@x",
            "https://x?y",
            "x",
            "file:///x",
            "http://127.0.0.1.example.com",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
        assert!(check_url("http://10.0.0.1", true).is_ok());
    }

    #[test]
    fn the_key_is_not_in_the_environment_of_the_configuration() {
        let config = Config::new(
            "https://x",
            PoolName::parse("p").unwrap(),
            "k".into(),
            Path::new("/tmp"),
        );
        assert!(
            !config
                .environment
                .contains_key(std::ffi::OsStr::new(KEY_VARIABLE))
        );
        assert!(!DEFAULT_ENV_ALLOW.contains(&KEY_VARIABLE));
    }
}
