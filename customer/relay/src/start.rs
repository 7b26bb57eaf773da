//! What both forms do at their start.

use crate::clock::Clock;
use crate::journal::Journal;
use crate::plane::Plane;
use crate::relay::{Parts, Relay};
use crate::settings::Settings;
use crate::tool::Tools;
use crate::vault::Vault;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use data_encoding::HEXLOWER;
use queues::{Queue, QueueAddress, Sqs};
use wire::relay::RelayInstance;

/// Builds a relay and its way to the control plane.
///
/// # Errors
/// Everything that is wrong with the configuration and the tool files, each as a line.
pub async fn start(settings: Settings, journal: Journal) -> Result<(Relay, Plane), Vec<String>> {
    let mut faults = Vec::new();
    let plane = Plane::new(&settings.url, settings.insecure_http);
    let plane = plane.map_err(|why| faults.push(why)).ok();
    let tools = Tools::load(settings.tools_directory.as_deref());
    let tools = tools
        .map_err(|wrong| faults.extend(wrong.0.iter().map(ToString::to_string)))
        .ok();
    if let Some(tools) = &tools {
        let unknown = |name: &&wire::ToolName| tools.get(name.as_str()).is_none();
        let unknown = settings.secrets.keys().filter(unknown);
        faults.extend(unknown.map(|name| {
            format!("HYBRID_RELAY_SECRETS: there is no tool `{name}`; add a file for it, or take it away")
        }));
    }
    let queue = queue(&settings).await;
    let queue = queue.map_err(|why| faults.push(why)).ok();
    let instance = new_instance().map_err(|why| faults.push(why)).ok();
    match (plane, tools, queue, instance) {
        (Some(plane), Some(tools), Some(queue), Some(instance)) if faults.is_empty() => {
            let relay = Relay::new(Parts {
                settings,
                tools,
                vault: Vault::default(),
                queue,
                journal,
                clock: Clock::system(),
                instance,
            });
            Ok((relay, plane))
        }
        _ => Err(faults),
    }
}

/// The queue, with the credentials of this process.
async fn queue(settings: &Settings) -> Result<Queue, String> {
    let address = QueueAddress::parse(&settings.queue)?;
    #[allow(
        irrefutable_let_patterns,
        reason = "without the feature `local` there is one kind of queue"
    )]
    let QueueAddress::Sqs(address) = address else {
        return Err("HYBRID_RELAY_QUEUE_PROVIDER: this relay cannot reach that queue".to_owned());
    };
    let config = aws(address.region()).await;
    let client = aws_sdk_sqs::Client::new(&config);
    Ok(Queue::Sqs(Sqs::new(client, address)))
}

/// The SDK's own configuration: credentials of the environment, the container, the cluster's identity or the machine.
async fn aws(region: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .load()
        .await
}

/// A name for this process that no other has.
///
/// # Errors
/// The machine gives no randomness.
pub fn new_instance() -> Result<RelayInstance, String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    RelayInstance::parse(&HEXLOWER.encode(&random)).map_err(|why| why.to_string())
}
