//! The configuration: from the environment, and in the server form also from a TOML file. What is wrong is said all at once.

use crate::metadata::Pseudonyms;
use crate::path_classes::PathClasses;
use crate::plane::check_url;
use crate::vault::{Said, VaultSettings, read_settings};
use queues::QueueAddress;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use wire::relay::{QueueReference, VaultReference};
use wire::{QueueProvider, ToolName};

/// What the names of the variables begin with.
const PREFIX: &str = "HYBRID_RELAY_";

/// The largest body that is read: what GitHub sends at most, in bytes.
pub const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;

/// The variables, each with what it is. In a TOML file a name stands in lower case and without `HYBRID_RELAY_`.
pub const VARIABLES: [(&str, &str); 19] = [
    (
        "URL",
        "the control plane's address, such as https://ci.example.com",
    ),
    (
        "IDENTITY",
        "where the relay's id and key are: a vault reference, such as file:///etc/hybrid-relay/identity.json",
    ),
    (
        "QUEUE_PROVIDER",
        "whose queue it is: AWS_SQS (default), AZURE_SERVICE_BUS or GCP_PUBSUB",
    ),
    ("QUEUE", "where the queue is that events are put on"),
    (
        "SECRETS",
        "where each tool's secret is: github=<vault reference>,gitlab=<vault reference>",
    ),
    (
        "HASHICORP_ADDRESS",
        "where HashiCorp Vault is, such as https://vault.example.com:8200 (none)",
    ),
    ("HASHICORP_NAMESPACE", "the namespace in it (none)"),
    (
        "HASHICORP_TOKEN_FILE",
        "a file with a token of HashiCorp Vault (none: the variable VAULT_TOKEN)",
    ),
    (
        "HASHICORP_ROLE",
        "the role that the pod's service account logs in to HashiCorp Vault with (none)",
    ),
    (
        "HASHICORP_LOGIN",
        "where that method is mounted, below auth/ (kubernetes)",
    ),
    (
        "HASHICORP_JWT_FILE",
        "the file with the service account's token (where Kubernetes puts it)",
    ),
    (
        "TOOLS_DIRECTORY",
        "a directory with tool files of your own (none)",
    ),
    (
        "AUDIT_KEY",
        "where the key is that commitments to webhooks are made with (none: plain SHA-256)",
    ),
    (
        "PSEUDONYM_KEY",
        "where the key is that pseudonyms are made with",
    ),
    (
        "PSEUDONYMS",
        "what is replaced by pseudonyms: repository, branch, or both (nothing)",
    ),
    (
        "PATH_CLASSES",
        "classes of changed paths: docs=docs/**|*.md,infra=terraform/** (none)",
    ),
    (
        "MAX_BODY_BYTES",
        "the largest webhook that is read, in bytes (26214400, which is also the most)",
    ),
    ("LISTEN", "where the server form listens (0.0.0.0:8080)"),
    (
        "INSECURE_HTTP",
        "true to reach a control plane over http:// on another machine (false)",
    ),
];

/// How a relay is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The control plane's address.
    pub url: String,
    /// Whether that may be `http://` to another machine.
    pub insecure_http: bool,
    /// Where the relay's id and key are.
    pub identity: VaultReference,
    /// The queue that events are put on.
    pub queue: QueueReference,
    /// Where the secret of each tool is. A tool without one is refused.
    pub secrets: BTreeMap<ToolName, VaultReference>,
    /// What vaults need besides those references.
    pub vault: VaultSettings,
    /// Where tool files of the customer's own are.
    pub tools_directory: Option<PathBuf>,
    /// Where the key is that commitments are made with. Without it they are plain digests.
    pub audit_key: Option<VaultReference>,
    /// Where the key is that pseudonyms are made with.
    pub pseudonym_key: Option<VaultReference>,
    pub(crate) pseudonyms: Pseudonyms,
    /// Classes of changed paths.
    pub path_classes: PathClasses,
    /// The largest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// Where the server form listens.
    pub listen: SocketAddr,
}

/// The TOML file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    url: Option<String>,
    insecure_http: Option<bool>,
    identity: Option<String>,
    queue_provider: Option<String>,
    queue: Option<String>,
    secrets: BTreeMap<String, String>,
    hashicorp_address: Option<String>,
    hashicorp_namespace: Option<String>,
    hashicorp_token_file: Option<String>,
    hashicorp_role: Option<String>,
    hashicorp_login: Option<String>,
    hashicorp_jwt_file: Option<String>,
    tools_directory: Option<String>,
    audit_key: Option<String>,
    pseudonym_key: Option<String>,
    pseudonyms: Vec<String>,
    path_classes: BTreeMap<String, Vec<String>>,
    max_body_bytes: Option<u64>,
    listen: Option<String>,
}

impl Settings {
    /// Reads the configuration. A variable that `lookup` finds takes the place of what the text of the TOML file says.
    ///
    /// # Errors
    /// Everything that is wrong, each with the variable's name.
    pub fn read(
        lookup: &dyn Fn(&str) -> Option<String>,
        file: Option<&str>,
    ) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let file = file.map_or_else(Table::default, |text| {
            toml::from_str(text).unwrap_or_else(|error| {
                faults.push(format!("the configuration file: {error}"));
                Table::default()
            })
        });
        let mut reader = Reader { lookup, faults };
        let settings = reader.settings(file);
        match settings {
            Some(settings) if reader.faults.is_empty() => Ok(settings),
            _ => Err(reader.faults),
        }
    }

    /// Every reference to a vault: nothing else is read from one.
    pub(crate) fn references(&self) -> Vec<VaultReference> {
        let keys = [&self.audit_key, &self.pseudonym_key];
        let mut references: Vec<_> = self.secrets.values().cloned().collect();
        references.extend(keys.into_iter().flatten().cloned());
        references.push(self.identity.clone());
        references
    }
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, name: &str, message: impl std::fmt::Display) {
        self.faults.push(format!("{PREFIX}{name}: {message}"));
    }

    /// The variable, or else what the file says; nothing if that is empty.
    fn text(&self, name: &str, file: Option<String>) -> Option<String> {
        let variable = (self.lookup)(&format!("{PREFIX}{name}"));
        let text = variable.filter(|text| !text.trim().is_empty()).or(file)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn needed(&mut self, name: &str, file: Option<String>) -> Option<String> {
        let text = self.text(name, file);
        if text.is_none() {
            let what = VARIABLES.iter().find(|(known, _)| *known == name);
            self.fault(
                name,
                format!("is missing: {}", what.map_or("", |(_, what)| what)),
            );
        }
        text
    }

    fn parsed<T>(&mut self, name: &str, text: Option<String>) -> Option<T>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match text?.parse() {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(name, why);
                None
            }
        }
    }

    fn reference(&mut self, name: &str, file: Option<String>) -> Option<VaultReference> {
        let text = self.text(name, file);
        self.parsed(name, text)
    }

    fn settings(&mut self, file: Table) -> Option<Settings> {
        let insecure_http = self.text("INSECURE_HTTP", file.insecure_http.map(|is| is.to_string()));
        let insecure_http = self.parsed("INSECURE_HTTP", insecure_http).unwrap_or(false);
        let url = self.needed("URL", file.url);
        if let Some(Err(why)) = url.as_ref().map(|url| check_url(url, insecure_http)) {
            self.fault("URL", why);
        }
        let identity = self.needed("IDENTITY", file.identity);
        let identity = self.parsed("IDENTITY", identity);
        let queue = self.queue(file.queue_provider, file.queue);
        let secrets = self.secrets(file.secrets);
        let said = Said {
            address: self.text("HASHICORP_ADDRESS", file.hashicorp_address),
            namespace: self.text("HASHICORP_NAMESPACE", file.hashicorp_namespace),
            token_file: self.text("HASHICORP_TOKEN_FILE", file.hashicorp_token_file),
            role: self.text("HASHICORP_ROLE", file.hashicorp_role),
            login: self.text("HASHICORP_LOGIN", file.hashicorp_login),
            jwt_file: self.text("HASHICORP_JWT_FILE", file.hashicorp_jwt_file),
        };
        let vault = self.vault(said, queue.as_ref());
        let audit_key = self.reference("AUDIT_KEY", file.audit_key);
        let pseudonym_key = self.reference("PSEUDONYM_KEY", file.pseudonym_key);
        let pseudonyms = self.pseudonyms(&file.pseudonyms);
        if pseudonyms != Pseudonyms::default() && pseudonym_key.is_none() {
            self.fault("PSEUDONYM_KEY", "is needed for PSEUDONYMS");
        }
        let path_classes = self.path_classes(file.path_classes);
        let most = self.text(
            "MAX_BODY_BYTES",
            file.max_body_bytes.map(|most| most.to_string()),
        );
        let most = self
            .parsed("MAX_BODY_BYTES", most)
            .unwrap_or(MAX_BODY_BYTES);
        if most == 0 || most > MAX_BODY_BYTES {
            let message = format!("must be from 1 to {MAX_BODY_BYTES}, not {most}");
            self.fault("MAX_BODY_BYTES", message);
        }
        let listen = self.text("LISTEN", file.listen);
        let listen = self.parsed("LISTEN", listen);
        Some(Settings {
            url: url?,
            insecure_http,
            identity: identity?,
            queue: queue?,
            secrets,
            vault,
            tools_directory: self
                .text("TOOLS_DIRECTORY", file.tools_directory)
                .map(PathBuf::from),
            audit_key,
            pseudonym_key,
            pseudonyms,
            path_classes,
            max_body_bytes: most,
            listen: listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8080))),
        })
    }

    fn queue(
        &mut self,
        provider: Option<String>,
        address: Option<String>,
    ) -> Option<QueueReference> {
        let provider = self.text("QUEUE_PROVIDER", provider);
        let provider = match provider {
            Some(_) => self.parsed("QUEUE_PROVIDER", provider)?,
            None => QueueProvider::AwsSqs,
        };
        let address = self.needed("QUEUE", address)?;
        let queue = QueueReference { provider, address };
        match QueueAddress::parse(&queue) {
            Ok(address) if address.can_be_sent_to() => {}
            Ok(_) => self.fault("QUEUE", "must be a topic, which messages are sent to"),
            Err(why) => self.fault("QUEUE", why),
        }
        Some(queue)
    }

    fn vault(&mut self, said: Said, queue: Option<&QueueReference>) -> VaultSettings {
        let hashicorp = read_settings(said).unwrap_or_else(|faults| {
            for (name, why) in faults {
                self.fault(name, why);
            }
            None
        });
        let variable = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .into_iter()
            .filter_map(|name| (self.lookup)(name))
            .find(|region| !region.trim().is_empty());
        // Whoever has a queue in a region most likely has the secrets beside it.
        let of_queue = || match QueueAddress::parse(queue?) {
            Ok(QueueAddress::Sqs(address)) => Some(address.region().to_owned()),
            _ => None,
        };
        VaultSettings {
            aws_region: variable.or_else(of_queue),
            hashicorp,
        }
    }

    fn secrets(&mut self, file: BTreeMap<String, String>) -> BTreeMap<ToolName, VaultReference> {
        let pairs: Vec<_> = match self.text("SECRETS", None) {
            Some(text) => self.pairs("SECRETS", &text),
            None => file.into_iter().collect(),
        };
        let mut secrets = BTreeMap::new();
        for (tool, reference) in pairs {
            let tool = self.parsed("SECRETS", Some(tool));
            let reference = self.parsed("SECRETS", Some(reference));
            if let (Some(tool), Some(reference)) = (tool, reference) {
                secrets.insert(tool, reference);
            }
        }
        secrets
    }

    /// `a=b,c=d`.
    fn pairs(&mut self, name: &str, text: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            match pair.split_once('=') {
                Some((key, value)) => pairs.push((key.trim().to_owned(), value.trim().to_owned())),
                None => self.fault(name, "must be written name=value,name=value"),
            }
        }
        pairs
    }

    fn pseudonyms(&mut self, file: &[String]) -> Pseudonyms {
        let text = self.text("PSEUDONYMS", Some(file.join(",")));
        let mut pseudonyms = Pseudonyms::default();
        for word in text.unwrap_or_default().split(',').map(str::trim) {
            match word {
                "repository" => pseudonyms.repository = true,
                "branch" => pseudonyms.branch = true,
                "" => {}
                _ => self.fault("PSEUDONYMS", "must be repository, branch, or both"),
            }
        }
        pseudonyms
    }

    fn path_classes(&mut self, file: BTreeMap<String, Vec<String>>) -> PathClasses {
        let classes: Vec<_> = match self.text("PATH_CLASSES", None) {
            Some(text) => {
                let pairs = self.pairs("PATH_CLASSES", &text).into_iter();
                let globs = |text: String| text.split('|').map(str::to_owned).collect();
                pairs.map(|(name, text)| (name, globs(text))).collect()
            }
            None => file.into_iter().collect(),
        };
        PathClasses::new(classes).unwrap_or_else(|faults| {
            for fault in faults {
                self.fault("PATH_CLASSES", fault);
            }
            PathClasses::default()
        })
    }
}
