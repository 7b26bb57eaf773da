//! What to test, and with which token.

use clap::{Parser, ValueEnum};
use reqwest::Url;
use secrecy::SecretString;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The variable that holds the token, unless a file does.
pub(crate) const TOKEN_VARIABLE: &str = "HYBRID_SMOKE_TOKEN";

/// Runs two jobs through a control plane and removes every trace of them.
#[derive(Debug, Parser)]
#[command(
    name = "hybrid-smoke",
    version,
    after_help = "The token is read from --token-file, or else from HYBRID_SMOKE_TOKEN; it is never a flag, which every user of the \
                  machine could see. It needs the scopes jobs:read, jobs:write, agents:read, agents:write and agents:enrol.\n\n\
                  Exit codes: 0 everything holds, 1 something does not, 2 the configuration has faults."
)]
pub(crate) struct Options {
    /// Where the control plane is: https://, or http:// on this machine.
    #[arg(long, env = "HYBRID_SMOKE_URL")]
    pub(crate) url: String,
    /// A file that holds the API token.
    #[arg(long, env = "HYBRID_SMOKE_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The version that /health must answer. Default: any.
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect_version: Option<String>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// How long a step may take. Those that wait for the control plane's own clock may take four times as long.
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=300))]
    step_timeout_seconds: u32,
    /// How long all steps may take together, before cleaning up.
    #[arg(long, default_value_t = 240, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout_seconds: u32,
    /// Send the token to another machine by http:// all the same.
    #[arg(long)]
    insecure_http: bool,
}

/// How the result is written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each step, as it ends.
    Text,
    /// One JSON object at the end.
    Json,
}

impl Options {
    pub(crate) fn step_timeout(&self) -> Duration {
        Duration::from_secs(self.step_timeout_seconds.into())
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.into())
    }

    /// The control plane's address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn checked_url(&self) -> Result<Url, String> {
        check_url(&self.url, self.insecure_http)
    }

    /// The token: of the file if there is one, else of the variable.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn token(&self, variable: Option<OsString>) -> Result<SecretString, String> {
        let (text, from) = if let Some(file) = &self.token_file {
            let shown = format!("the token's file {}", file.display());
            let read = std::fs::read_to_string(file);
            (read.map_err(|error| format!("{shown}: {error}"))?, shown)
        } else {
            let unset = format!(
                "there is no token: set {TOKEN_VARIABLE}, or name a file with --token-file"
            );
            let text = variable.ok_or(unset)?.into_string();
            let not_text = format!("{TOKEN_VARIABLE} is no text");
            (text.map_err(|_| not_text)?, TOKEN_VARIABLE.to_owned())
        };
        let token = text.trim();
        // What is no visible ASCII cannot stand in a header, and would be shown by the error that says so.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{from} holds no token"));
        }
        Ok(SecretString::from(token.to_owned()))
    }
}

fn check_url(text: &str, insecure_http: bool) -> Result<Url, String> {
    let url = Url::parse(text.trim_end_matches('/')).map_err(|error| {
        format!("the URL is no address ({error}); write it like https://ci.example.com")
    })?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err("the URL must begin with https:// or http:// and name a host".to_owned());
    }
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !bare || url.fragment().is_some() {
        return Err("the URL must not have a user, a password, a query or a fragment".to_owned());
    }
    if url.scheme() == "http" && !is_loopback(&url) && !insecure_http {
        return Err("http:// to another machine shows the token to everybody on the way: use https://, or allow it with \
                    --insecure-http"
            .to_owned());
    }
    Ok(url)
}

/// Whether the address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        let all = ["hybrid-smoke", "--url", "https://ci.example.com"];
        Options::try_parse_from(all.iter().chain(arguments)).unwrap()
    }

    #[test]
    fn addresses_that_would_give_the_token_away_are_refused() {
        for good in [
            "https://ci.example.com/",
            "http://127.0.0.1:8642",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ci.example.com",
            "ftp://a",
            "https://u:p@a",
            "https://a?q",
            "https://a#f",
            "http://10.0.0.1",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
        assert!(check_url("http://10.0.0.1", true).is_ok());
    }

    #[test]
    fn a_file_goes_before_the_variable_and_neither_is_ever_shown() {
        use secrecy::ExposeSecret;
        let variable = Some(OsString::from("hcp_test_u_variable"));
        let found = options(&[]).token(variable.clone()).unwrap();
        assert_eq!(found.expose_secret(), "hcp_test_u_variable");
        let missing = options(&["--token-file", "no/such/file"]);
        assert!(
            missing
                .token(variable)
                .unwrap_err()
                .contains("no/such/file")
        );
        for (bad, says) in [
            (None, "--token-file"),
            (Some(" "), "holds no token"),
            (Some("sec\nret"), "holds no token"),
        ] {
            let said = options(&[]).token(bad.map(OsString::from)).unwrap_err();
            assert!(said.contains(says) && !said.contains("ret"), "{said}");
        }
    }

    #[test]
    fn the_token_is_no_flag() {
        let all = [
            "hybrid-smoke",
            "--url",
            "https://a",
            "--token",
            "hcp_test_u_x",
        ];
        assert!(Options::try_parse_from(all).is_err());
    }
}
