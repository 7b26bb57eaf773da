//! The settings and where they come from: flags, environment variables, a TOML file.

use crate::cli::Environment;
use clap::ArgMatches;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

/// The most bytes that a configuration or key file may have.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What kind of value a setting has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Switch,
    /// Separated by commas on the command line and in the environment.
    List,
}

/// One setting. Its flag is `--name` with dashes, its variable `HYBRID_AGENT_NAME`, its TOML field `name`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

const fn setting(name: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting { name, kind, help }
}

/// Every setting, in the order that the help lists them. `docs/agent.md` lists the same.
pub(crate) const SETTINGS: [Setting; 21] = [
    setting(
        "url",
        Kind::Text,
        "The control plane's address, like https://ci.example.com. Required",
    ),
    setting(
        "pool",
        Kind::Text,
        "The pool to join; the key is bound to one. Required",
    ),
    setting(
        "jobs",
        Kind::Number,
        "How many jobs to run at a time, 1 to 100. Default 1",
    ),
    setting(
        "key_file",
        Kind::Text,
        "A file with the agent key. Default: the variable HYBRID_AGENT_KEY",
    ),
    setting(
        "identity",
        Kind::Text,
        "How to prove who this is: key, enrolment, aws, gcp, azure, kubernetes, github or file. Default key",
    ),
    setting(
        "enrolment_file",
        Kind::Text,
        "A file with a single-use token. Default: the variable HYBRID_AGENT_ENROLMENT_TOKEN",
    ),
    setting(
        "tenant",
        Kind::Text,
        "The organisation's id: tokens of the platform are made for <url>/agents/<tenant>",
    ),
    setting(
        "audience",
        Kind::Text,
        "What tokens of the platform are made for, as the trust rule shows it. Default: from url and tenant",
    ),
    setting(
        "token_file",
        Kind::Text,
        "The token of identity file or kubernetes. Default for kubernetes /var/run/secrets/tokens/hybrid-agent",
    ),
    setting(
        "azure_resource",
        Kind::Text,
        "The Application ID URI that tokens of Azure are made for. Default: the audience",
    ),
    setting(
        "directory",
        Kind::Text,
        "Where work/, logs/ and state/ are. Default ~/.local/state/hybrid-agent",
    ),
    setting(
        "work_dir",
        Kind::Text,
        "Mirrors and working directories. Default <directory>/work",
    ),
    setting(
        "log_dir",
        Kind::Text,
        "Logs of jobs. Default <directory>/logs",
    ),
    setting(
        "state_dir",
        Kind::Text,
        "Results not delivered yet. Default <directory>/state",
    ),
    setting(
        "tags",
        Kind::List,
        "Labels shown beside the agent, like os=linux,gpu=none. Default none",
    ),
    setting(
        "hostname",
        Kind::Text,
        "The machine's name as the control plane shows it. Default: the machine's",
    ),
    setting(
        "env_allow",
        Kind::List,
        "Further variables of the agent's that steps get. Default none",
    ),
    setting(
        "logs_url_prefix",
        Kind::Text,
        "Where logs are kept, for the link in a result. Default: no link",
    ),
    setting(
        "log_limit_mib",
        Kind::Number,
        "How large a log may get, in MiB, 1 to 10240. Default 100",
    ),
    setting(
        "stop_grace_seconds",
        Kind::Number,
        "Time between SIGTERM and SIGKILL, 0 to 20. Default 10",
    ),
    setting(
        "insecure_http",
        Kind::Switch,
        "Allow http:// to another machine: the key can be read on the way",
    ),
];

/// The values of one source, by the names of the settings.
pub(crate) type Layer = BTreeMap<&'static str, Vec<String>>;

/// The environment variable of a setting.
pub(crate) fn variable(name: &str) -> String {
    format!("HYBRID_AGENT_{}", name.to_ascii_uppercase())
}

pub(crate) fn from_flags(matches: &ArgMatches) -> Layer {
    let mut layer = Layer::new();
    for setting in &SETTINGS {
        if setting.kind == Kind::Switch {
            if matches.get_flag(setting.name) {
                layer.insert(setting.name, vec!["true".to_owned()]);
            }
        } else if let Some(values) = matches.get_many::<String>(setting.name) {
            layer.insert(setting.name, values.cloned().collect());
        }
    }
    layer
}

pub(crate) fn from_environment(environment: &Environment, faults: &mut Vec<String>) -> Layer {
    let mut layer = Layer::new();
    for setting in &SETTINGS {
        let name = variable(setting.name);
        let Some(value) = environment.get(OsStr::new(&name)) else {
            continue;
        };
        match value.to_str() {
            None => faults.push(format!("{name}: is not UTF-8")),
            Some(text) if setting.kind == Kind::List => {
                layer.insert(setting.name, text.split(',').map(str::to_owned).collect());
            }
            Some(text) => {
                layer.insert(setting.name, vec![text.to_owned()]);
            }
        }
    }
    layer
}

pub(crate) fn from_file(path: &Path, faults: &mut Vec<String>) -> Layer {
    let shown = path.display();
    let table = match read_small(path) {
        Ok(text) => match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                faults.push(format!("{shown}: {}", error.to_string().trim_end()));
                return Layer::new();
            }
        },
        Err(error) => {
            faults.push(format!("{shown}: {error}"));
            return Layer::new();
        }
    };
    let mut layer = Layer::new();
    for (field, value) in table {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == field) else {
            let known: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
            faults.push(format!(
                "{shown}: there is no field `{field}`; there are {}",
                known.join(", ")
            ));
            continue;
        };
        match texts(setting, value) {
            Ok(values) => {
                layer.insert(setting.name, values);
            }
            Err(want) => faults.push(format!("{shown}: {field}: must be {want}")),
        }
    }
    layer
}

/// A TOML value as the texts that a flag would have.
fn texts(setting: &Setting, value: toml::Value) -> Result<Vec<String>, &'static str> {
    use toml::Value::{Array, Boolean, Integer, String as Text, Table};
    let list = |items: Vec<toml::Value>| {
        items
            .into_iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    };
    let pairs = |table: toml::Table| {
        let pair = |(name, value): (String, toml::Value)| {
            value.as_str().map(|value| format!("{name}={value}"))
        };
        table.into_iter().map(pair).collect::<Option<Vec<_>>>()
    };
    match (setting.kind, value) {
        (Kind::Text, Text(text)) => Ok(vec![text]),
        (Kind::Number, Integer(number)) => Ok(vec![number.to_string()]),
        (Kind::Switch, Boolean(on)) => Ok(vec![on.to_string()]),
        (Kind::List, Array(items)) => list(items).ok_or("a list of texts"),
        (Kind::List, Table(table)) if setting.name == "tags" => {
            pairs(table).ok_or("a table of texts")
        }
        (Kind::Text, _) => Err("a text in quotes"),
        (Kind::Number, _) => Err("a whole number"),
        (Kind::Switch, _) => Err("true or false"),
        (Kind::List, _) => Err("a list of texts"),
    }
}

/// The text of a file that is small if it is what it should be.
pub(crate) fn read_small(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(std::io::Error::other(format!(
            "has more than {MAX_FILE_BYTES} bytes"
        )));
    }
    Ok(text)
}
