//! Queues are opened here, whoever runs them: with what it takes to use them, kept for as long as it is good.

#[cfg(feature = "local")]
use crate::LocalQueues;
use crate::cloud::{Http, Machine, Source, Tokens};
use crate::lazy::Lazy;
use crate::pubsub::PubSub;
use crate::service_bus::ServiceBus;
use crate::{Access, AssumeError, ExternalId, Queue, QueueAddress, QueueError, Roles, Sqs};
use aws_credential_types::Credentials;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use wire::relay::{Federation, QueueReference};

/// How many identities' tokens a process keeps.
const MAX_KEPT: usize = 1_000;

/// Reads the environment.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Opens queues. Clones share the credentials and tokens that were fetched: a process has one.
#[derive(Debug, Clone)]
pub struct Opener {
    sqs: Lazy<aws_sdk_sqs::Client>,
    sts: Lazy<aws_sdk_sts::Client>,
    roles: Roles,
    http: Http,
    /// What this machine is in a cloud: on the customer's side alone.
    machine: Option<Machine>,
    tokens: Arc<Mutex<HashMap<(Federation, ExternalId), Tokens>>>,
    #[cfg(feature = "local")]
    local: Option<LocalQueues>,
}

impl Opener {
    /// With what Lambda sets: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` (absent for
    /// long-lived keys), and for tests `AWS_ENDPOINT_URL_SQS` and `AWS_ENDPOINT_URL_STS`. Lambda replaces the process before
    /// its credentials end, so they are read once; no client is made before it is needed.
    ///
    /// # Errors
    /// Every variable that is missing.
    pub fn of_function(lookup: Lookup<'_>) -> Result<Self, Vec<String>> {
        let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut faults = Vec::new();
        let mut required = |name: &str| {
            variable(name).unwrap_or_else(|| {
                faults.push(format!("{name} is missing"));
                String::new()
            })
        };
        let region = Region::new(required("AWS_REGION"));
        let access = required("AWS_ACCESS_KEY_ID");
        let secret = required("AWS_SECRET_ACCESS_KEY");
        if !faults.is_empty() {
            return Err(faults);
        }
        let session = variable("AWS_SESSION_TOKEN");
        let credentials = Credentials::new(access, secret, session, None, "environment");
        let sqs = sqs_client(
            region.clone(),
            Some(credentials.clone()),
            variable("AWS_ENDPOINT_URL_SQS"),
        );
        let sts = sts_client(region, Some(credentials), variable("AWS_ENDPOINT_URL_STS"));
        Ok(Self::new(sqs, sts, Http::public()))
    }

    /// Of a relay in the customer's account: AWS with a client that has the process's own credentials, the other clouds as the
    /// machine that this is, which the environment says in the words of those clouds' own libraries.
    pub fn of_relay(sqs: aws_sdk_sqs::Client, lookup: Lookup<'_>) -> Self {
        let sts = sts_client(Region::from_static("us-east-1"), None, None);
        Self {
            machine: Some(Machine::read(lookup)),
            ..Self::new(Lazy::ready(sqs), sts, Http::any())
        }
    }

    /// Of queues in this process, and no others: the clouds cannot be reached.
    #[cfg(feature = "local")]
    pub fn local(queues: LocalQueues) -> Self {
        let region = Region::from_static("us-east-1");
        let sqs = sqs_client(region.clone(), None, None);
        let sts = sts_client(region, None, None);
        Self::new(sqs, sts, Http::public()).with_local(queues)
    }

    /// The same, and queues in this process.
    #[cfg(feature = "local")]
    pub fn with_local(self, queues: LocalQueues) -> Self {
        Self {
            local: Some(queues),
            ..self
        }
    }

    pub(crate) fn new(
        sqs: Lazy<aws_sdk_sqs::Client>,
        sts: Lazy<aws_sdk_sts::Client>,
        http: Http,
    ) -> Self {
        Self {
            sqs,
            roles: Roles::lazy(sts.clone()),
            sts,
            http,
            machine: None,
            tokens: Arc::default(),
            #[cfg(feature = "local")]
            local: None,
        }
    }

    /// The roles of AWS that queues are reached by.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Opens a queue. That it can be opened does not say that it is there, or lets us in; see [`Queue::verify_access`]. `now`
    /// is what the time is here, which decides for how long credentials are good.
    ///
    /// # Errors
    /// [`QueueError`]: its address is none, or the role to reach it by cannot be assumed.
    pub async fn open(
        &self,
        queue: &QueueReference,
        access: &Access,
        now: SystemTime,
    ) -> Result<Queue, QueueError> {
        match QueueAddress::parse(queue).map_err(QueueError::Refused)? {
            QueueAddress::Sqs(address) => {
                let sqs = Sqs::new(self.sqs.get().clone(), address);
                match access {
                    Access::Ambient => Ok(Queue::Sqs(sqs)),
                    Access::Role { role, external_id } => {
                        let credentials = self.roles.assume(role, external_id, now).await?;
                        Ok(Queue::Sqs(sqs.with_credentials(credentials)))
                    }
                    Access::Federation { .. } => Err(wrong_access()),
                }
            }
            QueueAddress::ServiceBus(address) => {
                let tokens = match access {
                    Access::Ambient => self.own(Machine::entra)?,
                    Access::Federation {
                        federation: federation @ Federation::Azure { .. },
                        external_id,
                    } => self.federated(federation, external_id),
                    _ => return Err(wrong_access()),
                };
                let queue = ServiceBus::new(tokens, address);
                Ok(Queue::ServiceBus(queue))
            }
            QueueAddress::PubSub(address) => {
                let tokens = match access {
                    Access::Ambient => self.own(|machine| Ok(machine.google()))?,
                    Access::Federation {
                        federation: federation @ Federation::Gcp { .. },
                        external_id,
                    } => self.federated(federation, external_id),
                    _ => return Err(wrong_access()),
                };
                let queue = PubSub::new(tokens, address);
                Ok(Queue::PubSub(queue))
            }
            #[cfg(feature = "local")]
            QueueAddress::Local(name) => match &self.local {
                Some(queues) => Ok(Queue::Local(queues.queue(&name))),
                None => Err(QueueError::Missing("no queues in this process".to_owned())),
            },
        }
    }

    /// Tokens of the machine that this is. A queue keeps them, and a relay opens one queue.
    fn own(
        &self,
        source: impl Fn(&Machine) -> Result<Source, QueueError>,
    ) -> Result<Tokens, QueueError> {
        let Some(machine) = &self.machine else {
            return Err(wrong_access());
        };
        Ok(Tokens::new(self.http.clone(), source(machine)?))
    }

    fn federated(&self, federation: &Federation, external_id: &ExternalId) -> Tokens {
        let key = (federation.clone(), external_id.clone());
        let mut kept = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&key) {
            return known.clone();
        }
        let source = Source::federated(self.sts.clone(), federation, external_id);
        let tokens = Tokens::new(self.http.clone(), source);
        if kept.len() < MAX_KEPT {
            kept.insert(key, tokens.clone());
        }
        tokens
    }
}

/// Nobody can be let in that way.
fn wrong_access() -> QueueError {
    QueueError::Denied("this queue is not reached that way".to_owned())
}

impl From<AssumeError> for QueueError {
    fn from(error: AssumeError) -> Self {
        let text = error.to_string();
        match error {
            AssumeError::Denied(_) => Self::Denied(text),
            AssumeError::Unreachable(_) => Self::Unreachable(text),
        }
    }
}

pub(crate) fn sqs_client(
    region: Region,
    credentials: Option<Credentials>,
    endpoint: Option<String>,
) -> Lazy<aws_sdk_sqs::Client> {
    Lazy::new(move || {
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone());
        if let Some(credentials) = credentials.clone() {
            config = config.credentials_provider(credentials);
        }
        config.set_endpoint_url(endpoint.clone());
        aws_sdk_sqs::Client::from_conf(config.build())
    })
}

pub(crate) fn sts_client(
    region: Region,
    credentials: Option<Credentials>,
    endpoint: Option<String>,
) -> Lazy<aws_sdk_sts::Client> {
    Lazy::new(move || {
        let timeouts = aws_sdk_sts::config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(Duration::from_secs(6))
            .build();
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
            .timeout_config(timeouts)
            .region(region.clone());
        if let Some(credentials) = credentials.clone() {
            config = config.credentials_provider(credentials);
        }
        config.set_endpoint_url(endpoint.clone());
        aws_sdk_sts::Client::from_conf(config.build())
    })
}
