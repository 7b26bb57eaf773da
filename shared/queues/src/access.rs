//! As whom a queue is used.

use crate::ExternalId;
use wire::QueueProvider;
use wire::relay::{Federation, QueueReference, RoleArn};

/// As whom a queue is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// As this process itself: a relay in the customer's account is.
    Ambient,
    /// In a role of AWS that the customer grants us.
    Role {
        /// The role.
        role: RoleArn,
        /// What it asks for.
        external_id: ExternalId,
    },
    /// As an identity of Azure or Google Cloud that believes our own.
    Federation {
        /// The identity.
        federation: Federation,
        /// For whom our token is made out.
        external_id: ExternalId,
    },
}

impl Access {
    /// How the control plane reaches a queue of a relay. It never does as itself: a queue that lets the control plane in
    /// whoever asked it to would be open to every other customer who has heard of its address. Role and federation ask for
    /// the relay's ExternalId.
    ///
    /// # Errors
    /// What is missing, for people.
    pub fn of(
        queue: &QueueReference,
        role: Option<&RoleArn>,
        federation: Option<&Federation>,
        external_id: &ExternalId,
    ) -> Result<Self, String> {
        let external_id = external_id.clone();
        match (queue.provider, role, federation) {
            (QueueProvider::Local, _, _) => Ok(Self::Ambient),
            (QueueProvider::AwsSqs, Some(role), _) => Ok(Self::Role {
                role: role.clone(),
                external_id,
            }),
            (QueueProvider::AwsSqs, None, _) => {
                Err("role_arn is needed for a queue of AWS_SQS".to_owned())
            }
            (QueueProvider::AzureServiceBus, _, Some(federation @ Federation::Azure { .. }))
            | (QueueProvider::GcpPubsub, _, Some(federation @ Federation::Gcp { .. })) => {
                Ok(Self::Federation {
                    federation: federation.clone(),
                    external_id,
                })
            }
            (QueueProvider::AzureServiceBus, _, _) => Err(
                "federation of the kind AZURE is needed for a queue of AZURE_SERVICE_BUS"
                    .to_owned(),
            ),
            (QueueProvider::GcpPubsub, _, _) => {
                Err("federation of the kind GCP is needed for a queue of GCP_PUBSUB".to_owned())
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_control_plane_reaches_a_queue_by_what_asks_for_the_external_id() {
        let id = ExternalId::new([1; 16]);
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/hybrid-ci").unwrap();
        let azure: Federation = serde_json::from_str(
            r#"{"kind":"AZURE","directory_id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","client_id":"00000000-0000-0000-0000-000000000001"}"#,
        )
        .unwrap();
        let of = |provider, role, federation| {
            let queue = QueueReference {
                provider,
                address: String::new(),
            };
            Access::of(&queue, role, federation, &id)
        };
        assert!(matches!(
            of(QueueProvider::AwsSqs, Some(&role), Some(&azure)),
            Ok(Access::Role { external_id, .. }) if external_id == id
        ));
        assert!(matches!(
            of(QueueProvider::AzureServiceBus, Some(&role), Some(&azure)),
            Ok(Access::Federation { external_id, .. }) if external_id == id
        ));
        for (provider, what) in [
            (QueueProvider::AwsSqs, "role_arn"),
            (QueueProvider::AzureServiceBus, "AZURE"),
            (QueueProvider::GcpPubsub, "GCP"),
        ] {
            assert!(of(provider, None, None).unwrap_err().contains(what));
        }
        assert!(of(QueueProvider::GcpPubsub, Some(&role), Some(&azure)).is_err());
    }
}
