//! Relays: what a customer runs to receive webhooks, and how one stands.

use crate::Timestamp;
use wire::relay::{Federation, Label, QueueReference, RelayName, RoleArn, VaultReference};
use wire::{KeyName, RelayHealth, RelayId};

/// How often a relay is to be heard of, in seconds.
pub const HEARTBEAT_SECONDS: i64 = 60;

/// How long a relay may be silent before it is offline, in seconds: three heartbeats.
pub const SILENCE_SECONDS: i64 = 3 * HEARTBEAT_SECONDS;

/// A relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its id.
    pub relay_id: RelayId,
    /// What people call it.
    pub name: RelayName,
    /// The queue that it puts events on.
    pub inbound_queue: QueueReference,
    /// The queue that decisions are sent to.
    pub decision_queue: Option<QueueReference>,
    /// The queue that messages go to which are not believed.
    pub dead_letter_queue: Option<QueueReference>,
    /// The role that is assumed to reach them.
    pub role_arn: Option<RoleArn>,
    /// Who the control plane is in the customer's cloud, if that is not AWS.
    pub federation: Option<Federation>,
    /// What that role must ask for, and what a federation must take for an audience. Ours, and never changed.
    pub external_id: String,
    /// Where it finds the secrets of its webhooks.
    pub vault: Option<VaultReference>,
    /// Who set it up.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// The key that it signs with, once it has brought one.
    pub current_key: Option<KeyName>,
    /// What it signed with before, and until when that is good.
    pub previous_key: Option<(KeyName, Timestamp)>,
    /// What it last said of itself.
    pub heard: Option<Heard>,
    /// How its queue was last read.
    pub polled: Option<Polled>,
}

/// What a relay said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Timestamp,
    /// The relay's version.
    pub version: Label,
    /// Whether its queue takes messages.
    pub queue_reachable: bool,
    /// Whether its vault gives secrets.
    pub vault_reachable: bool,
    /// How many messages that process has sent.
    pub sent: u64,
    /// How many webhooks it has refused.
    pub refused: u64,
    /// How many deliveries it had seen before.
    pub duplicates: u64,
    /// How many messages wait on its queue.
    pub queue_depth: Option<u64>,
}

/// How a relay's queue was last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// When.
    pub at: Timestamp,
    /// Why it could not be; none if it could.
    pub failure: Option<String>,
}

impl Relay {
    /// Whether it signs with that key at that moment.
    pub fn signs_with(&self, key: &KeyName, now: Timestamp) -> bool {
        let previous = self.previous_key.as_ref();
        self.current_key.as_ref() == Some(key)
            || previous.is_some_and(|(previous, until)| previous == key && now < *until)
    }

    /// How it stands at that moment.
    pub fn health(&self, now: Timestamp) -> RelayHealth {
        let Some(heard) = &self.heard else {
            return RelayHealth::Pending;
        };
        if now.millis_since(heard.at) > SILENCE_SECONDS * 1000 {
            return RelayHealth::Offline;
        }
        let is_read = self
            .polled
            .as_ref()
            .is_none_or(|polled| polled.failure.is_none());
        if heard.queue_reachable && heard.vault_reachable && is_read {
            RelayHealth::Healthy
        } else {
            RelayHealth::Degraded
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use wire::QueueProvider;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn relay(heard: Option<Heard>, polled: Option<Polled>) -> Relay {
        Relay {
            relay_id: RelayId::new(NOW, [1; 10]),
            name: RelayName::parse("eu").unwrap(),
            inbound_queue: QueueReference {
                provider: QueueProvider::Local,
                address: "events".to_owned(),
            },
            decision_queue: None,
            dead_letter_queue: None,
            role_arn: None,
            federation: None,
            external_id: String::new(),
            vault: None,
            created_by: "token:aaaaaaaaaaaa".to_owned(),
            created_at: NOW,
            current_key: None,
            previous_key: None,
            heard,
            polled,
        }
    }

    fn heard(queue_reachable: bool, vault_reachable: bool) -> Heard {
        Heard {
            at: NOW,
            version: Label::parse("0.1.0").unwrap(),
            queue_reachable,
            vault_reachable,
            sent: 0,
            refused: 0,
            duplicates: 0,
            queue_depth: None,
        }
    }

    #[test]
    fn a_relay_is_as_it_was_last_heard_of() {
        let health = |heard, polled| relay(heard, polled).health(NOW.plus_seconds(SILENCE_SECONDS));
        assert_eq!(health(None, None), RelayHealth::Pending);
        assert_eq!(health(Some(heard(true, true)), None), RelayHealth::Healthy);
        for (queue, vault) in [(false, true), (true, false)] {
            let said = Some(heard(queue, vault));
            assert_eq!(health(said, None), RelayHealth::Degraded);
        }
        let polled = |failure: Option<&str>| {
            Some(Polled {
                at: NOW,
                failure: failure.map(str::to_owned),
            })
        };
        let said = || Some(heard(true, true));
        assert_eq!(health(said(), polled(None)), RelayHealth::Healthy);
        assert_eq!(
            health(said(), polled(Some("denied"))),
            RelayHealth::Degraded
        );
        let late = NOW.plus_seconds(SILENCE_SECONDS + 1);
        assert_eq!(relay(said(), None).health(late), RelayHealth::Offline);
    }

    #[test]
    fn what_a_relay_signed_with_before_is_good_for_a_while() {
        let key = |text: &str| KeyName::parse(text).unwrap();
        let (old, new) = (key("oldkeyoldkey"), key("newkeynewkey"));
        let until = NOW.plus_seconds(60);
        let relay = Relay {
            current_key: Some(new.clone()),
            previous_key: Some((old.clone(), until)),
            ..relay(None, None)
        };
        assert!(relay.signs_with(&new, NOW) && relay.signs_with(&old, NOW));
        assert!(relay.signs_with(&new, until) && !relay.signs_with(&old, until));
        assert!(!relay.signs_with(&key("otherkeyothe"), NOW));
    }
}
