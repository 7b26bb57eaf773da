//! Where a topic or a subscription of Google Cloud Pub/Sub is.

use std::fmt;

/// The name of something in a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    project: String,
    name: String,
}

/// The address of a queue of Pub/Sub, which has one name to read from and another to send to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PubSubAddress {
    /// `projects/<project>/subscriptions/<name>`: what is read from.
    Subscription(Named),
    /// `projects/<project>/topics/<name>`: what is sent to.
    Topic(Named),
}

impl PubSubAddress {
    /// Checks a name.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| {
            "must be projects/<project>/subscriptions/<name> or projects/<project>/topics/<name>"
                .to_owned()
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (project, rest) = text.strip_prefix("projects/")?.split_once('/')?;
        let (kind, name) = rest.split_once('/')?;
        let named = Named {
            project: project.to_owned(),
            name: name.to_owned(),
        };
        if !is_project(project) || !is_name(name) {
            return None;
        }
        match kind {
            "subscriptions" => Some(Self::Subscription(named)),
            "topics" => Some(Self::Topic(named)),
            _ => None,
        }
    }

    /// Where something is done with it.
    pub(crate) fn url(&self, method: &str) -> String {
        format!("https://pubsub.googleapis.com/v1/{self}:{method}")
    }
}

impl fmt::Display for PubSubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, named) = match self {
            Self::Subscription(named) => ("subscriptions", named),
            Self::Topic(named) => ("topics", named),
        };
        write!(f, "projects/{}/{kind}/{}", named.project, named.name)
    }
}

fn is_project(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (6..=30).contains(&text.len())
        && text.bytes().all(allowed)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
}

/// As Pub/Sub allows them, but for `%`, which a reader of addresses could take for an escape.
fn is_name(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+');
    (3..=200).contains(&text.len())
        && text.bytes().all(allowed)
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::QueueAddress;

    #[test]
    fn a_subscription_is_read_from_and_a_topic_is_sent_to() {
        let text = "projects/example-project/subscriptions/hybrid-ci.events";
        let subscription = PubSubAddress::parse(text).unwrap();
        assert_eq!(subscription.to_string(), text);
        assert_eq!(
            subscription.url("pull"),
            format!("https://pubsub.googleapis.com/v1/{text}:pull")
        );
        let subscription = QueueAddress::PubSub(subscription);
        assert!(subscription.can_be_read() && !subscription.can_be_sent_to());
        let topic = PubSubAddress::parse("projects/example-project/topics/decisions").unwrap();
        let topic = QueueAddress::PubSub(topic);
        assert!(topic.can_be_sent_to() && !topic.can_be_read());
    }

    #[test]
    fn what_is_no_address_of_pubsub_is_refused() {
        for bad in [
            "",
            "projects/example-project/topics/",
            "projects/example-project/snapshots/events",
            "projects/example-project/topics/a/b",
            "projects/example-project/topics/..",
            "projects/example-project/topics/events?x=1",
            "projects/example-project/topics/events%2f",
            "projects/Example/topics/events",
            "projects/../topics/events",
            "/projects/example-project/topics/events",
            "https://pubsub.googleapis.com/v1/projects/example-project/topics/events",
        ] {
            assert!(PubSubAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
