//! What was found, step by step.

use crate::options::Format;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::time::Duration;

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Step {
    name: &'static str,
    ok: bool,
    seconds: f64,
    detail: String,
}

/// How the run ended. It never holds a secret: whatever a control plane answers, the token is taken out.
#[derive(Debug)]
pub(crate) struct Report {
    format: Format,
    url: String,
    pool: String,
    steps: Vec<Step>,
    secrets: Vec<SecretString>,
}

/// What JSON readers are given.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    ok: bool,
    url: &'a str,
    pool: &'a str,
    steps: &'a [Step],
}

impl Report {
    pub(crate) fn new(format: Format, url: &str, pool: &str) -> Self {
        let (url, pool) = (url.to_owned(), pool.to_owned());
        Self {
            format,
            url,
            pool,
            steps: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// From now on this is not shown.
    pub(crate) fn hide(&mut self, secret: &SecretString) {
        self.secrets.push(secret.clone());
    }

    /// Takes note of a step, and shows it if somebody may be watching.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        took: Duration,
        outcome: Result<String, String>,
    ) {
        let ok = outcome.is_ok();
        let text = outcome.unwrap_or_else(|error| error);
        let detail = self.secrets.iter().fold(one_line(&text), |text, secret| {
            text.replace(secret.expose_secret(), "***")
        });
        let seconds = (took.as_secs_f64() * 1000.0).round() / 1000.0;
        let step = Step {
            name,
            ok,
            seconds,
            detail,
        };
        if self.format == Format::Text {
            println!("{}", line(&step));
        }
        self.steps.push(step);
    }

    /// Whether everything holds. Nothing does if nothing was looked at.
    pub(crate) fn is_ok(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.ok)
    }

    /// Shows what is shown at the end.
    pub(crate) fn finish(&self) {
        println!("{}", self.end());
    }

    fn end(&self) -> String {
        let ok = self.is_ok();
        let whole = Whole {
            ok,
            url: &self.url,
            pool: &self.pool,
            steps: &self.steps,
        };
        match self.format {
            Format::Json => serde_json::to_string_pretty(&whole).unwrap_or_default(),
            Format::Text if ok => format!("the control plane at {} works", self.url),
            Format::Text => format!(
                "the control plane at {} does NOT work as it should",
                self.url
            ),
        }
    }
}

fn line(step: &Step) -> String {
    let mark = if step.ok { "ok    " } else { "FAILED" };
    format!(
        "{mark} {:<10} {:>7.3} s  {}",
        step.name, step.seconds, step.detail
    )
}

/// Text of others cannot pass for lines of ours.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_secret_is_shown_neither_in_a_step_nor_at_the_end() {
        let mut report = Report::new(Format::Json, "https://a", "smoke-1");
        report.hide(&SecretString::from("hunter2".to_owned()));
        report.add("health", Duration::from_millis(1234), Ok("fine".to_owned()));
        assert!(report.is_ok());
        report.add(
            "claim",
            Duration::ZERO,
            Err("you sent hunter2\nok     fake".to_owned()),
        );
        let end: serde_json::Value = serde_json::from_str(&report.end()).unwrap();
        assert_eq!(end["ok"], false);
        assert_eq!(end["steps"][0]["seconds"], 1.234);
        assert_eq!(end["steps"][1]["detail"], "you sent *** ok     fake");
        assert_eq!(line(&report.steps[0]), "ok     health       1.234 s  fine");
    }

    #[test]
    fn a_run_without_a_step_is_no_success() {
        assert!(!Report::new(Format::Text, "https://a", "smoke-1").is_ok());
    }
}
