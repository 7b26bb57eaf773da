//! Where a queue is. An address is checked before anything connects to it: it comes from a customer.

mod pubsub;
mod service_bus;

pub use pubsub::PubSubAddress;
pub use service_bus::ServiceBusAddress;

use std::fmt;
use wire::QueueProvider;
use wire::relay::QueueReference;

/// The longest address of a queue, in bytes.
const MAX_ADDRESS: usize = 256;

/// The address of a queue, of one of the providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAddress {
    /// Amazon SQS.
    Sqs(SqsAddress),
    /// Azure Service Bus.
    ServiceBus(ServiceBusAddress),
    /// Google Cloud Pub/Sub.
    PubSub(PubSubAddress),
    /// A queue in this process, by its name.
    #[cfg(feature = "local")]
    Local(String),
}

impl QueueAddress {
    /// Checks a reference.
    ///
    /// # Errors
    /// What the address must be.
    pub fn parse(reference: &QueueReference) -> Result<Self, String> {
        let address = reference.address.as_str();
        match reference.provider {
            QueueProvider::AwsSqs => SqsAddress::parse(address).map(Self::Sqs),
            QueueProvider::AzureServiceBus => {
                ServiceBusAddress::parse(address).map(Self::ServiceBus)
            }
            QueueProvider::GcpPubsub => PubSubAddress::parse(address).map(Self::PubSub),
            #[cfg(feature = "local")]
            QueueProvider::Local => Ok(Self::Local(address.to_owned())),
            #[cfg(not(feature = "local"))]
            QueueProvider::Local => Err("LOCAL is not supported here".to_owned()),
        }
    }

    /// Whether messages are received here: from a topic of Pub/Sub they are not.
    pub fn can_be_read(&self) -> bool {
        !matches!(self, Self::PubSub(PubSubAddress::Topic(_)))
    }

    /// Whether messages are sent here: to a subscription of Pub/Sub they are not.
    pub fn can_be_sent_to(&self) -> bool {
        !matches!(self, Self::PubSub(PubSubAddress::Subscription(_)))
    }
}

/// The address of a queue of SQS: `https://sqs.<region>.amazonaws.com/<12 digits>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqsAddress {
    region: String,
    account: String,
    name: String,
    is_china: bool,
}

impl SqsAddress {
    /// Checks the URL of a queue.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(url: &str) -> Result<Self, String> {
        Self::read(url).ok_or_else(|| {
            "must be https://sqs.<region>.amazonaws.com/<12 digits>/<name>".to_owned()
        })
    }

    fn read(url: &str) -> Option<Self> {
        if url.len() > MAX_ADDRESS {
            return None;
        }
        let rest = url.strip_prefix("https://sqs.")?;
        let (host, path) = rest.split_once('/')?;
        let (region, suffix) = host.split_once('.')?;
        let is_china = suffix == "amazonaws.com.cn";
        let (account, name) = path.split_once('/')?;
        let good = (is_china || suffix == "amazonaws.com")
            && is_region(region)
            && is_account(account)
            && is_queue_name(name);
        good.then(|| Self {
            region: region.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
            is_china,
        })
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The name by which an event-source mapping calls the queue.
    pub fn arn(&self) -> String {
        let partition = if self.is_china {
            "aws-cn"
        } else if self.region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        };
        let (region, account, name) = (&self.region, &self.account, &self.name);
        format!("arn:{partition}:sqs:{region}:{account}:{name}")
    }

    /// Whether the queue keeps the order, and drops what it was sent twice.
    pub fn is_fifo(&self) -> bool {
        self.name.to_ascii_lowercase().ends_with(".fifo")
    }
}

impl fmt::Display for SqsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.is_china { ".cn" } else { "" };
        let (region, account, name) = (&self.region, &self.account, &self.name);
        write!(
            f,
            "https://sqs.{region}.amazonaws.com{suffix}/{account}/{name}"
        )
    }
}

fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_queue_name(text: &str) -> bool {
    let stem = text.strip_suffix(".fifo").unwrap_or(text);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !stem.is_empty() && text.len() <= 80 && stem.bytes().all(allowed)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_sqs_is_a_url_a_region_and_an_arn() {
        let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo";
        let address = SqsAddress::parse(url).unwrap();
        assert_eq!(address.to_string(), url);
        assert_eq!(address.region(), "eu-central-1");
        assert_eq!(
            address.arn(),
            "arn:aws:sqs:eu-central-1:123456789012:events.fifo"
        );
        assert!(address.is_fifo());
        let china = "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/events";
        let address = SqsAddress::parse(china).unwrap();
        assert_eq!(address.to_string(), china);
        assert!(address.arn().starts_with("arn:aws-cn:sqs:"));
    }

    #[test]
    fn what_is_no_address_of_sqs_is_refused() {
        for bad in [
            "",
            "http://sqs.eu-central-1.amazonaws.com/123456789012/events",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/",
            "https://sqs.eu-central-1.amazonaws.com/12345678901/events",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/a/b",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/events?x=1",
            "https://sqs.eu-central-1.amazonaws.com:8443/123456789012/events",
            "https://sqs.eu-central-1.amazonaws.com.evil.example/123456789012/events",
            "https://sqs.eu-central-1.amazonaws.com@evil.example/123456789012/events",
            "https://sqs.127.0.0.1/123456789012/events",
            "https://169.254.169.254/123456789012/events",
            "https://sqs..amazonaws.com/123456789012/events",
            "https://sqs.EU.amazonaws.com/123456789012/events",
        ] {
            assert!(SqsAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
