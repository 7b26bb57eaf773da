use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use embedded_dynamodb::Engine;

use crate::{create_table, put};

/// The longest a tick of one millisecond took while 64 tasks wrote without a pause.
async fn longest_tick_beside_busy_writers(engine: &Engine) -> Duration {
    let client = engine.client();
    create_table(&client).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..64)
        .map(|writer| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    put(&client, &format!("job-{writer}")).await;
                }
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let started = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        longest = longest.max(started.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    println!("the longest tick took {longest:?}");
    longest
}

#[tokio::test]
async fn timers_fire_on_one_thread_while_64_tasks_write() {
    let longest = longest_tick_beside_busy_writers(&Engine::memory().unwrap()).await;
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_fire_on_two_threads_while_64_tasks_write_to_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let engine = Engine::open(home.path().join("busy.db")).unwrap();
    let longest = longest_tick_beside_busy_writers(&engine).await;
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}
