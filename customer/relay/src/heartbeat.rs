//! The control plane is told that the relay is there and how it does: every minute in the server form, at each scheduled event
//! on Lambda.

use crate::journal::Entry;
use crate::plane::{CallError, Plane, Stamp};
use crate::relay::Relay;
use std::sync::atomic::Ordering;
use std::time::Duration;
use wire::relay::{Label, RelayHeartbeatRequest, RelayHeartbeatResponse};

/// When to be heard of again after a call that failed.
const RETRY: Duration = Duration::from_secs(20);

/// The bounds of what the control plane may ask for, in seconds.
const LEAST_SECONDS: u32 = 10;
const MOST_SECONDS: u32 = 600;

/// Tells the control plane once, and says in the journal how that went. Gives when to tell it next.
pub async fn beat(relay: &Relay, plane: &Plane) -> Duration {
    match tell(relay, plane).await {
        Ok(answer) => {
            let next = answer.next_heartbeat_seconds;
            relay.0.write(Entry::Heartbeat {
                relay_id: answer.relay_id,
                health: answer.health,
                key_expires_at: answer.key_expires_at,
            });
            Duration::from_secs(next.clamp(LEAST_SECONDS, MOST_SECONDS).into())
        }
        Err(error) => {
            let why = error.to_string();
            relay.0.write(Entry::HeartbeatFailed { why });
            RETRY
        }
    }
}

async fn tell(relay: &Relay, plane: &Plane) -> Result<RelayHeartbeatResponse, CallError> {
    let inner = &relay.0;
    let now = inner.clock.now();
    let identity = inner.identity().await.map_err(|refusal| {
        let cause = refusal.cause.unwrap_or_default();
        CallError::Refused(format!("the relay's key cannot be read: {cause}"))
    })?;
    let version = Label::parse(env!("CARGO_PKG_VERSION"));
    let version = version.map_err(|why| CallError::Refused(why.to_string()))?;
    let attributes = inner.queue.attributes().await;
    let request = RelayHeartbeatRequest {
        version,
        instance: inner.instance.clone(),
        sent: inner.counts.sequence.load(Ordering::Relaxed),
        refused: inner.counts.refused.load(Ordering::Relaxed),
        duplicates: inner.counts.duplicates.load(Ordering::Relaxed),
        queue_reachable: attributes.is_ok() && inner.may_send.load(Ordering::Relaxed),
        vault_reachable: inner.secrets.are_readable().await,
        queue_depth: attributes.ok().and_then(|attributes| attributes.waiting),
    };
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| CallError::Unreachable(error.to_string()))?;
    let stamp = Stamp { at: now, nonce };
    plane.heartbeat(&identity, &request, &stamp).await
}

/// Tells the control plane until the task is dropped.
pub async fn keep_beating(relay: Relay, plane: Plane) {
    loop {
        let next = beat(&relay, &plane).await;
        tokio::time::sleep(next).await;
    }
}
