//! A vault that hangs: who waits for it, and who does not.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use crate::{HashicorpLogin, HashicorpSettings, VaultSettings};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// A vault on this machine.
#[derive(Clone, Default)]
struct Fake {
    hangs: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

async fn answer(State(fake): State<Fake>) -> Response {
    let number = fake.asked.fetch_add(1, Ordering::Relaxed) + 1;
    if fake.hangs.load(Ordering::Relaxed) {
        return std::future::pending().await;
    }
    let data = json!({ "value": format!("secret {number}") });
    axum::Json(json!({ "data": { "data": data } })).into_response()
}

struct World {
    _directory: tempfile::TempDir,
    fake: Fake,
    secrets: Secrets,
    reference: VaultReference,
    now: Arc<AtomicI64>,
}

impl World {
    async fn start() -> Self {
        let fake = Fake::default();
        let routes = Router::new().fallback(answer).with_state(fake.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("token");
        std::fs::write(&token, "hvs.good").unwrap();
        let settings = VaultSettings {
            aws_region: None,
            hashicorp: Some(HashicorpSettings {
                address,
                namespace: None,
                login: HashicorpLogin::File(token),
            }),
        };
        let reference = VaultReference::parse("hashicorp://secret/ci/github").unwrap();
        let references = [reference.clone()];
        let vault = Vault::new(&settings, &references).await.unwrap();
        let now = Arc::new(AtomicI64::new(1_767_225_600_000));
        let clock = now.clone();
        let clock = Clock::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
        Self {
            _directory: directory,
            fake,
            secrets: Secrets::new(vault, references, clock),
            reference,
            now,
        }
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// From now on the vault answers nothing, and time-outs come at once.
    fn hang(&self) {
        self.fake.hangs.store(true, Ordering::Relaxed);
        tokio::time::pause();
    }

    fn asked(&self) -> u64 {
        self.fake.asked.load(Ordering::Relaxed)
    }

    async fn get(&self) -> Result<String, SecretFault> {
        let secret = self.secrets.get(&self.reference).await?;
        Ok(secret.expose_secret().to_owned())
    }

    async fn get_fresh(&self) -> Result<String, SecretFault> {
        let secret = self.secrets.get_fresh(&self.reference).await?;
        Ok(secret.expose_secret().to_owned())
    }
}

const UNREACHABLE: SecretFault = SecretFault::Unavailable("unreachable");

#[tokio::test]
async fn while_a_vault_hangs_what_is_kept_is_there_at_once() {
    let world = World::start().await;
    assert_eq!(world.get().await.unwrap(), "secret 1");
    world.pass(11);
    world.hang();
    // Somebody sends a wrong signature.
    let mut reading = Box::pin(world.get_fresh());
    assert!(futures_util::poll!(reading.as_mut()).is_pending());
    // Good ones do not wait, and the next wrong one not for long.
    let kept = world.get().now_or_never();
    assert_eq!(kept.unwrap().unwrap(), "secret 1");
    assert_eq!(world.get_fresh().await, Err(SecretFault::Unavailable(BUSY)));
    assert_eq!(reading.await, Err(UNREACHABLE));
    assert_eq!(world.asked(), 2);
    // It failed just now, and is not asked again for a while.
    let failed = world.get_fresh().now_or_never();
    assert_eq!(failed.unwrap(), Err(UNREACHABLE));
    assert_eq!(world.get().await.unwrap(), "secret 1");
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn whoever_waited_for_a_vault_that_failed_does_not_ask_it_once_more() {
    let world = World::start().await;
    world.hang();
    let mut reading = Box::pin(world.get());
    assert!(futures_util::poll!(reading.as_mut()).is_pending());
    let mut waiting = Box::pin(world.get());
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    // A call can take longer than a failure is remembered.
    world.pass(9);
    assert_eq!(reading.await, Err(UNREACHABLE));
    assert_eq!(waiting.await, Err(UNREACHABLE));
    assert_eq!(world.asked(), 1);
    world.pass(4);
    assert_eq!(world.get().await, Err(UNREACHABLE));
    assert_eq!(world.asked(), 1);
    tokio::time::resume();
    world.fake.hangs.store(false, Ordering::Relaxed);
    world.pass(1);
    assert_eq!(world.get().await.unwrap(), "secret 2");
}

#[tokio::test]
async fn those_who_need_a_secret_at_the_same_time_read_it_once() {
    let world = World::start().await;
    let (first, second) = tokio::join!(world.get(), world.get());
    assert_eq!(
        (first.unwrap(), second.unwrap()),
        ("secret 1".to_owned(), "secret 1".to_owned())
    );
    assert_eq!(world.asked(), 1);
    // What was read is good for five minutes, and fresh for ten seconds.
    world.pass(9);
    assert_eq!(world.get_fresh().await.unwrap(), "secret 1");
    world.pass(1);
    assert_eq!(world.get_fresh().await.unwrap(), "secret 2");
    world.pass(299);
    assert_eq!(world.get().await.unwrap(), "secret 2");
    world.pass(1);
    assert_eq!(world.get().await.unwrap(), "secret 3");
}
