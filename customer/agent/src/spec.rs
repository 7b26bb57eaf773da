//! `.hybrid-ci.yml`: what a customer's repository says its jobs are.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;
use wire::JobType;

/// The name of the file, at the root of the repository.
pub const SPEC_FILE: &str = ".hybrid-ci.yml";

/// The most bytes such a file may have.
pub const MAX_SPEC_BYTES: usize = 64 * 1024;

const MAX_JOBS: usize = 100;
const MAX_STEPS: usize = 100;
const MAX_VARIABLES: usize = 100;
const MAX_NAME_CHARS: usize = 100;
const MAX_TIMEOUT_SECONDS: i64 = 86_400;

/// Everything that a `.hybrid-ci.yml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The jobs by their types.
    pub jobs: BTreeMap<JobType, JobSpec>,
}

/// One job: what its steps find in their environment, and the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Variables that every step gets.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are in a vault: every step gets them, and no log shows them.
    pub secrets: BTreeMap<String, SecretRef>,
    /// The steps, run one after the other until one fails.
    pub steps: Vec<StepSpec>,
}

/// One step: a script for the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSpec {
    /// What it is called in the log; `step 2` if the file does not say.
    pub name: String,
    /// The script.
    pub run: String,
    /// How long it may run, in seconds. The job's own limit holds as well.
    pub timeout_seconds: Option<u32>,
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env://NAME`: a variable of the agent's own environment.
    Env(String),
    /// `file:///path`: a file on the agent's machine, less one newline at its end.
    File(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env://{name}"),
            Self::File(path) => write!(f, "file://{path}"),
        }
    }
}

/// A `.hybrid-ci.yml` that cannot be used. Shown as one line for each fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SpecError {
    /// Every fault that was found, at least one.
    pub faults: Vec<SpecFault>,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong with a `.hybrid-ci.yml`, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFault {
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// The field, like `jobs.build.steps[0].run`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for SpecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl Spec {
    /// Reads the text of a `.hybrid-ci.yml`.
    ///
    /// # Errors
    /// [`SpecError`] with the first fault of syntax, or else with every fault of content.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        if text.len() > MAX_SPEC_BYTES {
            let message = format!(
                "the file has {} bytes; at most {MAX_SPEC_BYTES} are read",
                text.len()
            );
            return Err(SpecError::of(None, "", message));
        }
        let options = serde_saphyr::options! { with_snippet: false };
        let raw: RawSpec = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| SpecError::of_yaml(&error))?;
        let mut faults = Faults::default();
        let spec = check_spec(raw, &mut faults);
        if faults.0.is_empty() {
            Ok(spec)
        } else {
            Err(SpecError { faults: faults.0 })
        }
    }

    /// The job of that type, if the file has one.
    pub fn job(&self, job_type: &JobType) -> Option<&JobSpec> {
        self.jobs.get(job_type)
    }
}

impl SpecError {
    fn of(line: Option<u64>, field: &str, message: String) -> Self {
        let field = field.to_owned();
        Self {
            faults: vec![SpecFault {
                line,
                field,
                message,
            }],
        }
    }

    fn of_yaml(error: &serde_saphyr::Error) -> Self {
        let line = error
            .location()
            .map(|place| place.line())
            .filter(|line| *line > 0);
        let text = error.to_string();
        // The line stands before the message already.
        let text = text
            .rsplit_once(" at line ")
            .map_or(&*text, |(what, _)| what);
        let mut message: String = text.chars().take(500).collect();
        if message.contains("mapping values are not allowed") {
            message.push_str("; put a text with `: ` in it in quotes, or in a block after `|`");
        }
        Self::of(line, "", message)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpec {
    version: Spanned<i64>,
    jobs: Spanned<BTreeMap<String, Spanned<RawJob>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJob {
    #[serde(default)]
    env: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    secrets: BTreeMap<String, Spanned<String>>,
    steps: Spanned<Vec<Spanned<RawStep>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    name: Option<Spanned<String>>,
    run: Spanned<String>,
    timeout_seconds: Option<Spanned<i64>>,
}

#[derive(Default)]
struct Faults(Vec<SpecFault>);

impl Faults {
    fn add<T>(&mut self, at: &Spanned<T>, field: &str, message: impl Into<String>) {
        let line = at.referenced.line();
        self.0.push(SpecFault {
            line: (line > 0).then_some(line),
            field: field.to_owned(),
            message: message.into(),
        });
    }
}

fn check_spec(raw: RawSpec, faults: &mut Faults) -> Spec {
    if raw.version.value != 1 {
        let message = format!("must be 1, not {}", raw.version.value);
        faults.add(&raw.version, "version", message);
    }
    let count = raw.jobs.value.len();
    if count == 0 || count > MAX_JOBS {
        let message = format!("must have 1 to {MAX_JOBS} jobs, not {count}");
        faults.add(&raw.jobs, "jobs", message);
    }
    let mut jobs = BTreeMap::new();
    for (name, job) in raw.jobs.value.into_iter().take(MAX_JOBS) {
        let field = format!("jobs.{}", shown(&name));
        match JobType::parse(&name) {
            Ok(job_type) => {
                jobs.insert(job_type, check_job(job, &field, faults));
            }
            Err(why) => faults.add(&job, &field, format!("the job's name {why}")),
        }
    }
    Spec { jobs }
}

fn check_job(raw: Spanned<RawJob>, field: &str, faults: &mut Faults) -> JobSpec {
    let variables = raw.value.env.len() + raw.value.secrets.len();
    if variables > MAX_VARIABLES {
        let message =
            format!("at most {MAX_VARIABLES} variables and secrets together, not {variables}");
        faults.add(&raw, field, message);
    }
    let raw = raw.value;
    let mut env = BTreeMap::new();
    for (name, value) in raw.env {
        let field = format!("{field}.env.{}", shown(&name));
        check_variable(&name, &value, &field, faults);
        if value.value.contains('\0') {
            faults.add(&value, &field, "must not have a NUL character");
        }
        env.insert(name, value.value);
    }
    let mut secrets = BTreeMap::new();
    for (name, value) in raw.secrets {
        let field = format!("{field}.secrets.{}", shown(&name));
        check_variable(&name, &value, &field, faults);
        if env.contains_key(&name) {
            faults.add(
                &value,
                &field,
                "is in `env` as well; name it in one of the two",
            );
        }
        match parse_secret(&value.value) {
            Ok(reference) => {
                secrets.insert(name, reference);
            }
            Err(message) => faults.add(&value, &field, message),
        }
    }
    let count = raw.steps.value.len();
    if count == 0 || count > MAX_STEPS {
        let message = format!("must have 1 to {MAX_STEPS} steps, not {count}");
        faults.add(&raw.steps, &format!("{field}.steps"), message);
    }
    let steps = raw
        .steps
        .value
        .into_iter()
        .take(MAX_STEPS)
        .enumerate()
        .map(|(index, step)| {
            let field = format!("{field}.steps[{index}]");
            check_step(step.value, index, &field, faults)
        })
        .collect();
    JobSpec {
        env,
        secrets,
        steps,
    }
}

fn check_step(raw: RawStep, index: usize, field: &str, faults: &mut Faults) -> StepSpec {
    let name = match raw.name {
        None => format!("step {}", index + 1),
        Some(name) => {
            let length = name.value.chars().count();
            if length == 0 || length > MAX_NAME_CHARS || name.value.chars().any(char::is_control) {
                let message = format!("must have 1 to {MAX_NAME_CHARS} characters on one line");
                faults.add(&name, &format!("{field}.name"), message);
            }
            name.value
        }
    };
    let run_field = format!("{field}.run");
    if raw.run.value.trim().is_empty() {
        let message = "is empty; write the command that the step runs";
        faults.add(&raw.run, &run_field, message);
    }
    if raw.run.value.contains('\0') {
        faults.add(&raw.run, &run_field, "must not have a NUL character");
    }
    let timeout_seconds = raw.timeout_seconds.and_then(|seconds| {
        let fits = (1..=MAX_TIMEOUT_SECONDS).contains(&seconds.value);
        if !fits {
            let message = format!(
                "must be from 1 to {MAX_TIMEOUT_SECONDS}, not {}",
                seconds.value
            );
            faults.add(&seconds, &format!("{field}.timeout_seconds"), message);
        }
        u32::try_from(seconds.value).ok().filter(|_| fits)
    });
    StepSpec {
        name,
        run: raw.run.value,
        timeout_seconds,
    }
}

fn check_variable<T>(name: &str, at: &Spanned<T>, field: &str, faults: &mut Faults) {
    if !is_variable_name(name) {
        let message = "a variable's name has letters, digits and _, does not begin with a digit, and has at most 128 characters";
        faults.add(at, field, message);
    } else if name.starts_with("HYBRID_") {
        let message = "names that begin with HYBRID_ are the agent's; choose another";
        faults.add(at, field, message);
    }
}

/// Whether every shell would take it as the name of a variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= 128
        && name.bytes().all(allowed)
        && name
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit())
}

fn parse_secret(text: &str) -> Result<SecretRef, &'static str> {
    if let Some(name) = text.strip_prefix("env://") {
        if [
            crate::config::KEY_VARIABLE,
            crate::identity::ENROLMENT_VARIABLE,
        ]
        .contains(&name)
        {
            return Err("the agent's own key is not given to jobs");
        }
        if is_variable_name(name) {
            return Ok(SecretRef::Env(name.to_owned()));
        }
    } else if let Some(path) = text.strip_prefix("file://")
        && path.starts_with('/')
        && !path.contains('\0')
    {
        return Ok(SecretRef::File(path.to_owned()));
    }
    // The text itself stays out of the message: somebody may have put the secret where its reference belongs.
    Err("must be a reference: env://NAME or file:///path, never the secret itself")
}

/// A name from the file as it may stand in a message.
fn shown(name: &str) -> String {
    name.chars()
        .take(64)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
