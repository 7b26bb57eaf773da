//! What both forms do at their start.

use crate::clock::Clock;
use crate::journal::{Entry, Journal};
use crate::plane::Plane;
use crate::relay::{Parts, Relay};
use crate::settings::Settings;
use crate::tool::Tools;
use crate::vault::{Vault, open_files};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use data_encoding::HEXLOWER;
use queues::{Access, Opener, Queue, QueueAddress, QueueError};
use std::time::SystemTime;
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
    let references = settings.references();
    let vault = Vault::new(&settings.vault, &references).await;
    let vault = vault.map_err(|wrong| faults.extend(wrong)).ok();
    let queue = queue(&settings).await;
    let queue = queue.map_err(|why| faults.push(why)).ok();
    let instance = new_instance().map_err(|why| faults.push(why)).ok();
    match (plane, tools, vault, queue, instance) {
        (Some(plane), Some(tools), Some(vault), Some(queue), Some(instance))
            if faults.is_empty() =>
        {
            let relay = Relay::new(Parts {
                settings,
                tools,
                vault,
                queue,
                journal,
                clock: Clock::system(),
                instance,
            });
            for reference in open_files(&references) {
                relay.0.write(Entry::FileIsOpen { reference });
            }
            Ok((relay, plane))
        }
        _ => Err(faults),
    }
}

/// The queue, as this process itself.
async fn queue(settings: &Settings) -> Result<Queue, String> {
    let region = match QueueAddress::parse(&settings.queue)? {
        QueueAddress::Sqs(address) => address.region().to_owned(),
        // No other calls AWS.
        _ => "us-east-1".to_owned(),
    };
    let sqs = aws_sdk_sqs::Client::new(&aws(&region).await);
    let opener = Opener::of_relay(sqs, &|name| std::env::var(name).ok());
    let queue = opener.open(&settings.queue, &Access::Ambient, SystemTime::now());
    queue.await.map_err(|error| match error {
        // What the environment says of this machine is wrong, and names the variable.
        QueueError::Refused(why) => why,
        _ => "HYBRID_RELAY_QUEUE_PROVIDER: this relay cannot reach that queue".to_owned(),
    })
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
