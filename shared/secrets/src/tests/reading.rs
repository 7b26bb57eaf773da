//! Reading, reading again, and not being able to.

use crate::testing::{FakeSecretsManager, Mood};
use crate::{Secret, Unavailable, read};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;
use wire::Timestamp;

const NAME: &str = "SIGN_IN_SECRET";
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn at(seconds: i64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

fn secret(manager: &FakeSecretsManager) -> Secret<String> {
    let parse = |text: &str| {
        let is_good = text.starts_with("canary") && !text.contains('\n');
        is_good.then(|| text.to_owned()).ok_or("must be a canary")
    };
    let named = read(NAME, parse, &|name| match name {
        "SIGN_IN_SECRET_ARN" => Some(FakeSecretsManager::arn("key")),
        name => manager.variable(name),
    });
    named.unwrap().unwrap()
}

async fn value(secret: &Secret<String>, now: Timestamp) -> Result<String, Unavailable> {
    secret.get(now).await.map(|value| value.as_str().to_owned())
}

#[tokio::test]
async fn a_secret_is_read_when_it_is_needed_and_then_kept() {
    let manager = FakeSecretsManager::start().await;
    manager.put("key", "canary 1");
    let secret = secret(&manager);
    assert!(manager.requests().is_empty());
    for seconds in [0, 1, 299] {
        assert_eq!(value(&secret, at(seconds)).await.unwrap(), "canary 1");
    }
    let requests = manager.requests();
    assert_eq!(requests.len(), 1);
    // By its ARN and the role of the function, in the region of the ARN.
    assert!(requests[0].contains(&FakeSecretsManager::arn("key")));
    assert!(requests[0].contains("AKIAIOSFODNN7EXAMPLE/"));
    assert!(requests[0].contains("a-session-token-of-the-role"));
    assert!(!requests[0].contains("wJalrXUtnFEMI"));
}

#[tokio::test]
async fn a_secret_that_was_replaced_takes_effect_within_five_minutes() {
    let manager = FakeSecretsManager::start().await;
    manager.put("key", "canary 1");
    let secret = secret(&manager);
    let clone = secret.clone();
    assert_eq!(value(&secret, at(0)).await.unwrap(), "canary 1");
    manager.put("key", "canary 2\r\n");
    assert_eq!(value(&secret, at(299)).await.unwrap(), "canary 1");
    assert_eq!(value(&secret, at(300)).await.unwrap(), "canary 2");
    assert_eq!(value(&clone, at(301)).await.unwrap(), "canary 2");
    assert_eq!(manager.requests().len(), 2);
}

#[tokio::test]
async fn whoever_needs_it_at_once_waits_for_one_read() {
    let manager = FakeSecretsManager::start().await;
    manager.put("key", "canary");
    let secret = secret(&manager);
    let (first, second, third) = tokio::join!(
        value(&secret, at(0)),
        value(&secret, at(0)),
        value(&secret, at(1))
    );
    for answer in [first, second, third] {
        assert_eq!(answer.unwrap(), "canary");
    }
    assert_eq!(manager.requests().len(), 1);
}

#[tokio::test]
async fn a_secret_without_a_value_is_unavailable_until_it_has_one() {
    let manager = FakeSecretsManager::start().await;
    let secret = secret(&manager);
    for seconds in [0, 9] {
        assert_eq!(value(&secret, at(seconds)).await, Err(Unavailable(NAME)));
    }
    assert_eq!(manager.requests().len(), 1, "a failure is remembered");
    manager.put_binary("key", "Y2FuYXJ5");
    assert!(value(&secret, at(10)).await.is_err());
    manager.put("key", "not what it should be");
    assert!(value(&secret, at(20)).await.is_err());
    manager.put("key", "canary");
    assert_eq!(value(&secret, at(30)).await.unwrap(), "canary");
}

#[tokio::test]
async fn what_was_read_goes_on_while_it_cannot_be_read() {
    let manager = FakeSecretsManager::start().await;
    manager.put("key", "canary 1");
    let secret = secret(&manager);
    assert_eq!(value(&secret, at(0)).await.unwrap(), "canary 1");
    manager.put("key", "canary 2");
    let mut now = 300;
    for mood in [Mood::Denies, Mood::Throttles, Mood::Garbles, Mood::HangsUp] {
        manager.set_mood(mood);
        let before = manager.requests().len();
        assert_eq!(value(&secret, at(now)).await.unwrap(), "canary 1");
        let asked = manager.requests().len() - before;
        assert!((1..=2).contains(&asked), "{mood:?}: {asked}");
        // Nobody waits again for a while.
        assert_eq!(value(&secret, at(now + 59)).await.unwrap(), "canary 1");
        assert_eq!(manager.requests().len() - before, asked, "{mood:?}");
        now += 60;
    }
    manager.set_mood(Mood::Answers);
    manager.delete("key");
    assert_eq!(value(&secret, at(now)).await.unwrap(), "canary 1");
    manager.put("key", "spoilt");
    assert_eq!(value(&secret, at(now + 60)).await.unwrap(), "canary 1");
    manager.put("key", "canary 3");
    assert_eq!(value(&secret, at(now + 120)).await.unwrap(), "canary 3");
}

#[tokio::test]
async fn nobody_waits_for_long_for_one_that_does_not_answer() {
    let manager = FakeSecretsManager::start().await;
    manager.put("key", "canary");
    let (before, after) = (secret(&manager), secret(&manager));
    assert_eq!(value(&before, at(0)).await.unwrap(), "canary");
    manager.set_mood(Mood::Stalls);
    // From here on the time goes on by itself whenever everybody waits.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(value(&before, at(300)).await.unwrap(), "canary");
    assert!(began.elapsed().as_secs() <= 4);
    assert_eq!(value(&after, at(300)).await, Err(Unavailable(NAME)));
    assert!(began.elapsed().as_secs() <= 8);
    tokio::time::resume();
    manager.set_mood(Mood::Answers);
    assert_eq!(value(&after, at(310)).await.unwrap(), "canary");
}

#[tokio::test]
async fn whoever_finds_that_it_does_not_fit_learns_of_a_newer_one() {
    let manager = FakeSecretsManager::start().await;
    manager.put("key", "canary 1");
    let secret = secret(&manager);
    let first = secret.get(at(0)).await.unwrap();
    manager.put("key", "canary 2");
    let too_early = secret.newer(&first, at(9)).await.unwrap();
    assert!(too_early.is_none());
    let second = secret.newer(&first, at(10)).await.unwrap().unwrap();
    assert_eq!(*second, "canary 2");
    // Somebody else who has the first learns of it without a read.
    let other = secret.newer(&first, at(11)).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&second, &other));
    assert!(secret.newer(&second, at(12)).await.unwrap().is_none());
    assert_eq!(manager.requests().len(), 2);
    manager.set_mood(Mood::Denies);
    for seconds in [20, 29] {
        let unknown = secret.newer(&second, at(seconds)).await;
        assert_eq!(unknown.unwrap_err(), Unavailable(NAME));
    }
    assert_eq!(manager.requests().len(), 3);
    assert_eq!(*secret.get(at(30)).await.unwrap(), "canary 2");
    let given = Secret::from("canary".to_owned());
    let known = given.get(at(0)).await.unwrap();
    assert!(given.newer(&known, at(10)).await.unwrap().is_none());
}

/// What is logged, at every level and by every crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_value_is_in_no_log_and_in_no_debug_output() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    // Of the whole process: where other threads have none, one of this thread alone might not be asked.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let manager = FakeSecretsManager::start().await;
    manager.put("key", "canary-of-a-value");
    let secret = secret(&manager);
    let first = value(&secret, at(0)).await.unwrap();
    assert_eq!(first, "canary-of-a-value");
    manager.put("key", "spoilt-canary-of-a-value");
    assert_eq!(value(&secret, at(300)).await.unwrap(), first);
    for (mood, seconds) in [(Mood::Garbles, 360), (Mood::Denies, 420)] {
        manager.set_mood(mood);
        assert_eq!(value(&secret, at(seconds)).await.unwrap(), first);
    }
    let said = log.text();
    for told in [
        "a secret was read",
        "00000000-0000-4000-8000-000000000001",
        "a secret cannot be read",
        "its value must be a canary",
        "AccessDeniedException",
        "goes_on=true",
        "transmitting request",
    ] {
        assert!(said.contains(told), "{told} is not in {said}");
    }
    assert!(!said.contains("canary-of-a-value"), "{said}");
    assert!(!said.contains("wJalrXUtnFEMI"));
    let shown = format!("{secret:?} {:?}", Secret::from(first));
    assert!(shown.contains("secret:key"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}
