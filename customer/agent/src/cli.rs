//! The command line: `hybrid-agent run` with flags, environment variables and a TOML file that all say the same things.

use crate::config::{Config, KEY_VARIABLE};
use crate::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Command};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::{PoolName, ShortText};

/// The process's environment, handed in so that nothing here reads global state.
pub type Environment = BTreeMap<OsString, OsString>;

/// The most bytes that a configuration or key file may have.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What kind of value a setting has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Switch,
    /// Separated by commas on the command line and in the environment.
    List,
}

/// One setting. Its flag is `--name` with dashes, its variable `HYBRID_AGENT_NAME`, its TOML field `name`.
#[derive(Debug, Clone, Copy)]
struct Setting {
    name: &'static str,
    kind: Kind,
    help: &'static str,
}

const fn setting(name: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting { name, kind, help }
}

/// Every setting, in the order that the help lists them. `docs/agent.md` lists the same.
const SETTINGS: [Setting; 15] = [
    setting("url", Kind::Text, "The control plane's address, like https://ci.example.com. Required"),
    setting("pool", Kind::Text, "The pool to join; the key is bound to one. Required"),
    setting("jobs", Kind::Number, "How many jobs to run at a time, 1 to 100. Default 1"),
    setting("key_file", Kind::Text, "A file with the agent key. Default: the variable HYBRID_AGENT_KEY"),
    setting("directory", Kind::Text, "Where work/, logs/ and state/ are. Default ~/.local/state/hybrid-agent"),
    setting("work_dir", Kind::Text, "Mirrors and working directories. Default <directory>/work"),
    setting("log_dir", Kind::Text, "Logs of jobs. Default <directory>/logs"),
    setting("state_dir", Kind::Text, "Results not delivered yet. Default <directory>/state"),
    setting("tags", Kind::List, "Labels shown beside the agent, like os=linux,gpu=none. Default none"),
    setting("hostname", Kind::Text, "The machine's name as the control plane shows it. Default: the machine's"),
    setting("env_allow", Kind::List, "Further variables of the agent's that steps get. Default none"),
    setting("logs_url_prefix", Kind::Text, "Where logs are kept, for the link in a result. Default: no link"),
    setting("log_limit_mib", Kind::Number, "How large a log may get, in MiB, 1 to 10240. Default 100"),
    setting("stop_grace_seconds", Kind::Number, "Time between SIGTERM and SIGKILL, 0 to 20. Default 10"),
    setting("insecure_http", Kind::Switch, "Allow http:// to another machine: the key can be read on the way"),
];

/// The values of one source, by the names of the settings.
type Layer = BTreeMap<&'static str, Vec<String>>;

/// The program's command line.
pub fn command() -> Command {
    let run = SETTINGS.iter().fold(
        Command::new("run").about("Join a pool and run its jobs until SIGTERM").arg(
            Arg::new("config").long("config").value_name("FILE").help("A TOML file with any of these settings"),
        ),
        |run, setting| run.arg(flag(setting)),
    );
    Command::new("hybrid-agent")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs the jobs of a Hybrid CI/CD pool on this machine")
        .after_help("The key is read from HYBRID_AGENT_KEY, or from a file: --key-file.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run)
}

fn flag(setting: &Setting) -> Arg {
    let help = format!("{} [{}]", setting.help, variable(setting.name));
    let arg = Arg::new(setting.name).long(setting.name.replace('_', "-")).help(help);
    match setting.kind {
        Kind::Switch => arg.action(ArgAction::SetTrue),
        Kind::List => arg.action(ArgAction::Append).value_delimiter(',').value_name("LIST"),
        Kind::Number => arg.value_name("N"),
        Kind::Text => arg.value_name("TEXT"),
    }
}

/// The environment variable of a setting.
fn variable(name: &str) -> String {
    format!("HYBRID_AGENT_{}", name.to_ascii_uppercase())
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
    let key = key(&flags, &variables, &file, environment, &mut faults);
    let mut settings = file;
    settings.extend(variables);
    settings.extend(flags);
    let config = assemble(&settings, key, environment, &mut faults);
    faults.extend(config.faults());
    if faults.is_empty() { Ok(config) } else { Err(Error::Config(faults)) }
}

fn from_flags(matches: &ArgMatches) -> Layer {
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

fn from_environment(environment: &Environment, faults: &mut Vec<String>) -> Layer {
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

fn from_file(path: &Path, faults: &mut Vec<String>) -> Layer {
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
            faults.push(format!("{shown}: there is no field `{field}`; there are {}", known.join(", ")));
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
        items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    };
    let pairs = |table: toml::Table| {
        let pair = |(name, value): (String, toml::Value)| value.as_str().map(|value| format!("{name}={value}"));
        table.into_iter().map(pair).collect::<Option<Vec<_>>>()
    };
    match (setting.kind, value) {
        (Kind::Text, Text(text)) => Ok(vec![text]),
        (Kind::Number, Integer(number)) => Ok(vec![number.to_string()]),
        (Kind::Switch, Boolean(on)) => Ok(vec![on.to_string()]),
        (Kind::List, Array(items)) => list(items).ok_or("a list of texts"),
        (Kind::List, Table(table)) if setting.name == "tags" => pairs(table).ok_or("a table of texts"),
        (Kind::Text, _) => Err("a text in quotes"),
        (Kind::Number, _) => Err("a whole number"),
        (Kind::Switch, _) => Err("true or false"),
        (Kind::List, _) => Err("a list of texts"),
    }
}

/// The agent key: `--key-file`, else `HYBRID_AGENT_KEY`, else the key file that the environment or the file names.
fn key(flags: &Layer, variables: &Layer, file: &Layer, environment: &Environment, faults: &mut Vec<String>) -> SecretString {
    let named = |layer: &Layer| layer.get("key_file").and_then(|values| values.first()).cloned();
    let path = match (named(flags), environment.get(OsStr::new(KEY_VARIABLE))) {
        (Some(path), _) => Some(path),
        (None, Some(value)) => match value.to_str() {
            Some(text) => return SecretString::from(text.trim().to_owned()),
            None => {
                faults.push(format!("{KEY_VARIABLE}: is not UTF-8"));
                None
            }
        },
        (None, None) => named(variables).or_else(|| named(file)),
    };
    let Some(path) = path else {
        return SecretString::from(String::new());
    };
    match read_small(Path::new(&path)) {
        Ok(text) => SecretString::from(text.trim().to_owned()),
        Err(error) => {
            faults.push(format!("key_file: {path}: {error}"));
            SecretString::from(String::new())
        }
    }
}

fn read_small(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(std::io::Error::other(format!("has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

fn assemble(settings: &Layer, key: SecretString, environment: &Environment, faults: &mut Vec<String>) -> Config {
    let text = |name: &str| settings.get(name).and_then(|values| values.first()).cloned();
    let list = |name: &str| -> Vec<String> {
        let items = settings.get(name).into_iter().flatten();
        items.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    };
    let pool = text("pool").map_or(Err("is missing".to_owned()), |pool| {
        PoolName::parse(&pool).map_err(|fault| fault.to_string())
    });
    let pool = pool.map_err(|fault| faults.push(format!("pool: {fault}"))).ok();
    // The name stands in only where a fault has been noted.
    let pool = pool.or_else(|| PoolName::parse("default").ok());
    let Some(pool) = pool else {
        unreachable!("`default` is a pool's name")
    };
    let directory = text("directory").map_or_else(|| default_directory(environment), PathBuf::from);
    let url = text("url").unwrap_or_default();
    let mut config = Config::new(url, pool, key, &directory);
    config.environment = environment
        .iter()
        .filter(|(name, _)| name.as_os_str() != OsStr::new(KEY_VARIABLE))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, place) in [
        ("work_dir", &mut config.work_dir),
        ("log_dir", &mut config.log_dir),
        ("state_dir", &mut config.state_dir),
    ] {
        if let Some(path) = text(name) {
            *place = PathBuf::from(path);
        }
    }
    config.env_allow = list("env_allow");
    config.logs_url_prefix = text("logs_url_prefix");
    if let Some(name) = text("hostname") {
        match ShortText::parse(&name) {
            Ok(name) => config.hostname = Some(name),
            Err(fault) => faults.push(format!("hostname: {fault}")),
        }
    }
    for tag in list("tags") {
        match tag.split_once('=') {
            Some((name, value)) => {
                config.tags.insert(name.to_owned(), value.to_owned());
            }
            None => faults.push(format!("tags: `{tag}` must be name=value")),
        }
    }
    let mut number = |name: &str, default: u32, (least, most): (u32, u32)| {
        let Some(text) = text(name) else { return default };
        match text.trim().parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => number,
            Ok(_) | Err(_) => {
                faults.push(format!("{name}: must be a whole number from {least} to {most}, not `{text}`"));
                default
            }
        }
    };
    config.jobs = number("jobs", 1, (1, crate::config::MAX_JOBS));
    config.log_limit_bytes = u64::from(number("log_limit_mib", 100, (1, 10_240))) * 1024 * 1024;
    config.stop_grace = Duration::from_secs(u64::from(number("stop_grace_seconds", 10, (0, 20))));
    config.insecure_http = match text("insecure_http").as_deref() {
        None | Some("false" | "0" | "") => false,
        Some("true" | "1") => true,
        Some(other) => {
            faults.push(format!("insecure_http: must be true or false, not `{other}`"));
            false
        }
    };
    config
}

fn default_directory(environment: &Environment) -> PathBuf {
    let set = |name: &str| environment.get(OsStr::new(name)).filter(|value| !value.is_empty());
    match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(state), _) => Path::new(state).join("hybrid-agent"),
        (None, Some(home)) => Path::new(home).join(".local/state/hybrid-agent"),
        (None, None) => PathBuf::from("/var/lib/hybrid-agent"),
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
