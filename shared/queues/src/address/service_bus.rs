//! Where a queue of Azure Service Bus is.

use std::fmt;

/// What every namespace's host ends with.
const SUFFIX: &str = ".servicebus.windows.net";

/// The longest path of a queue, in bytes.
const MAX_ENTITY: usize = 200;

/// The address of a queue of Azure Service Bus: `https://<namespace>.servicebus.windows.net/<queue>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceBusAddress {
    namespace: String,
    entity: String,
}

impl ServiceBusAddress {
    /// Checks the URL of a queue.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(url: &str) -> Result<Self, String> {
        Self::read(url).ok_or_else(|| {
            "must be https://<namespace>.servicebus.windows.net/<queue>, the namespace in lower case"
                .to_owned()
        })
    }

    fn read(url: &str) -> Option<Self> {
        let (host, entity) = url.strip_prefix("https://")?.split_once('/')?;
        let namespace = host.strip_suffix(SUFFIX)?;
        let good = is_namespace(namespace)
            && entity.len() <= MAX_ENTITY
            && entity.split('/').all(is_segment);
        good.then(|| Self {
            namespace: namespace.to_owned(),
            entity: entity.to_owned(),
        })
    }

    /// A place under the queue.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{self}/{path}")
    }
}

impl fmt::Display for ServiceBusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{SUFFIX}/{}", self.namespace, self.entity)
    }
}

fn is_namespace(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (6..=50).contains(&text.len())
        && text.bytes().all(allowed)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
}

/// A part of a queue's path: of letters, digits, and between them `.`, `-` and `_`.
fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_end = |end: char| end.is_ascii_alphanumeric();
    text.bytes().all(allowed) && text.starts_with(is_end) && text.ends_with(is_end)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_service_bus_is_a_namespace_and_a_queue() {
        for url in [
            "https://example-ci.servicebus.windows.net/hybrid-ci.events",
            "https://example-ci.servicebus.windows.net/ci/events",
            "https://example-ci.servicebus.windows.net/events/subscriptions/hybrid-ci",
        ] {
            let address = ServiceBusAddress::parse(url).unwrap();
            assert_eq!(address.to_string(), url);
            assert_eq!(address.url("messages"), format!("{url}/messages"));
        }
    }

    #[test]
    fn what_is_no_address_of_service_bus_is_refused() {
        for bad in [
            "",
            "http://example-ci.servicebus.windows.net/events",
            "https://example-ci.servicebus.windows.net",
            "https://example-ci.servicebus.windows.net/",
            "https://example-ci.servicebus.windows.net:8443/events",
            "https://example-ci.servicebus.windows.net/events/",
            "https://example-ci.servicebus.windows.net//events",
            "https://example-ci.servicebus.windows.net/events/../other",
            "https://example-ci.servicebus.windows.net/events/$DeadLetterQueue",
            "https://example-ci.servicebus.windows.net/events?x=1",
            "https://example-ci.servicebus.windows.net/events%2f",
            "https://example-ci.servicebus.windows.net.evil.example/events",
            "https://evil.example/.servicebus.windows.net/events",
            "https://evil.example#.servicebus.windows.net/events",
            "https://evil@example.servicebus.windows.net/events",
            "https://a.b.servicebus.windows.net/events",
            "https://127.0.0.1/events",
        ] {
            assert!(ServiceBusAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
