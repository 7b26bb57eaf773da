//! The command line: `hybrid-agent run` with flags, environment variables and a TOML file that all say the same things.

mod identity;

use crate::config::{Config, KEY_VARIABLE, MAX_JOBS};
use crate::error::Error;
use crate::identity::ENROLMENT_VARIABLE;
use crate::settings::{
    Kind, Layer, SETTINGS, Setting, from_environment, from_file, from_flags, variable,
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::{PoolName, ShortText};

/// The process's environment, handed in so that nothing here reads global state.
pub type Environment = BTreeMap<OsString, OsString>;

/// The program's command line.
pub fn command() -> Command {
    let run = SETTINGS.iter().fold(
        Command::new("run")
            .about("Join a pool and run its jobs until SIGTERM")
            .arg(
                Arg::new("config")
                    .long("config")
                    .value_name("FILE")
                    .help("A TOML file with any of these settings"),
            ),
        |run, setting| run.arg(flag(setting)),
    );
    Command::new("hybrid-agent")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs the jobs of a Hybrid CI/CD pool on this machine")
        .after_help(
            "The key is read from HYBRID_AGENT_KEY, or from a file: --key-file. A single-use enrolment token is read from \
             HYBRID_AGENT_ENROLMENT_TOKEN, or from a file: --enrolment-file.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run)
}

fn flag(setting: &Setting) -> Arg {
    let help = format!("{} [{}]", setting.help, variable(setting.name));
    let arg = Arg::new(setting.name)
        .long(setting.name.replace('_', "-"))
        .help(help);
    match setting.kind {
        Kind::Switch => arg.action(ArgAction::SetTrue),
        Kind::List => arg
            .action(ArgAction::Append)
            .value_delimiter(',')
            .value_name("LIST"),
        Kind::Number => arg.value_name("N"),
        Kind::Text => arg.value_name("TEXT"),
    }
}

/// The configuration that the flags of `run`, the environment and the TOML file make together: a flag goes before a
/// variable, a variable before the file, the file before the default.
///
/// # Errors
/// [`Error::Config`] with every fault of every source.
pub fn configuration(matches: &ArgMatches, environment: &Environment) -> Result<Config, Error> {
    let mut faults = Vec::new();
    let flags = from_flags(matches);
    let variables = from_environment(environment, &mut faults);
    let config_file = matches
        .get_one::<String>("config")
        .map(OsString::from)
        .or_else(|| environment.get(OsStr::new("HYBRID_AGENT_CONFIG")).cloned());
    let file = config_file.map_or_else(Layer::new, |path| from_file(Path::new(&path), &mut faults));
    let sources = Sources {
        flags: flags.clone(),
    };
    let mut layer = file;
    layer.extend(variables);
    layer.extend(flags);
    let mut values = Values { layer, faults };
    let config = values.assemble(&sources, environment);
    let mut faults = values.faults;
    if let Some(config) = config {
        faults.extend(config.faults());
        if faults.is_empty() {
            return Ok(config);
        }
    }
    Err(Error::Config(faults))
}

/// What was said on the command line alone: a file that a flag names goes before the variable with the secret itself.
struct Sources {
    flags: Layer,
}

impl Sources {
    fn flag(&self, name: &str) -> Option<String> {
        let values = self.flags.get(name)?;
        values.first().cloned()
    }
}

/// The values that count, and what is wrong with them.
struct Values {
    layer: Layer,
    faults: Vec<String>,
}

impl Values {
    fn text(&self, name: &str) -> Option<String> {
        self.layer
            .get(name)
            .and_then(|values| values.first())
            .cloned()
    }

    fn list(&self, name: &str) -> Vec<String> {
        let items = self.layer.get(name).into_iter().flatten();
        items
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty())
            .collect()
    }

    fn number(&mut self, name: &str, default: u32, (least, most): (u32, u32)) -> u32 {
        let Some(text) = self.text(name) else {
            return default;
        };
        match text.trim().parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => number,
            Ok(_) | Err(_) => {
                let rule = format!("must be a whole number from {least} to {most}");
                self.faults.push(format!("{name}: {rule}, not `{text}`"));
                default
            }
        }
    }

    fn switch(&mut self, name: &str) -> bool {
        match self.text(name).as_deref() {
            None | Some("false" | "0" | "") => false,
            Some("true" | "1") => true,
            Some(other) => {
                self.faults
                    .push(format!("{name}: must be true or false, not `{other}`"));
                false
            }
        }
    }

    /// The pool's name; another name stands in for one with a fault, so that the other settings can be looked at.
    fn pool(&mut self) -> Option<PoolName> {
        let fault = match self.text("pool").as_deref().map(PoolName::parse) {
            Some(Ok(pool)) => return Some(pool),
            Some(Err(fault)) => fault.to_string(),
            None => "is missing".to_owned(),
        };
        self.faults.push(format!("pool: {fault}"));
        PoolName::parse("none").ok()
    }

    /// Everything but the checks that [`Config`] makes itself.
    fn assemble(&mut self, sources: &Sources, environment: &Environment) -> Option<Config> {
        let directory = self
            .text("directory")
            .map_or_else(|| default_directory(environment), PathBuf::from);
        let url = self.text("url").unwrap_or_default();
        let identity = self.identity(sources, environment);
        let mut config = Config::new(url, self.pool()?, SecretString::from(""), &directory);
        config.environment = environment.clone();
        let secrets = [KEY_VARIABLE, ENROLMENT_VARIABLE];
        for secret in secrets.iter().chain(identity.variables()) {
            config.environment.remove(OsStr::new(secret));
        }
        config.identity = identity;
        for (name, place) in [
            ("work_dir", &mut config.work_dir),
            ("log_dir", &mut config.log_dir),
            ("state_dir", &mut config.state_dir),
        ] {
            if let Some(path) = self.text(name) {
                *place = PathBuf::from(path);
            }
        }
        config.env_allow = self.list("env_allow");
        config.logs_url_prefix = self.text("logs_url_prefix");
        if let Some(name) = self.text("hostname") {
            match ShortText::parse(&name) {
                Ok(name) => config.hostname = Some(name),
                Err(fault) => self.faults.push(format!("hostname: {fault}")),
            }
        }
        for tag in self.list("tags") {
            match tag.split_once('=') {
                Some((name, value)) => {
                    config.tags.insert(name.to_owned(), value.to_owned());
                }
                None => self
                    .faults
                    .push(format!("tags: `{tag}` must be name=value")),
            }
        }
        config.jobs = self.number("jobs", 1, (1, MAX_JOBS));
        config.log_limit_bytes = u64::from(self.number("log_limit_mib", 100, (1, 10_240))) << 20;
        let grace = self.number("stop_grace_seconds", 10, (0, 20));
        config.stop_grace = Duration::from_secs(u64::from(grace));
        config.insecure_http = self.switch("insecure_http");
        Some(config)
    }
}

fn default_directory(environment: &Environment) -> PathBuf {
    let set = |name: &str| {
        environment
            .get(OsStr::new(name))
            .filter(|value| !value.is_empty())
    };
    match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(state), _) => Path::new(state).join("hybrid-agent"),
        (None, Some(home)) => Path::new(home).join(".local/state/hybrid-agent"),
        (None, None) => PathBuf::from("/var/lib/hybrid-agent"),
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
