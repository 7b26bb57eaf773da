#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;
use std::path::Path;

struct World {
    slot: ProcessSlot,
    lease: Lease,
    stop: watch::Sender<Option<Stop>>,
}

impl World {
    fn new(lease_seconds: u64) -> Self {
        Self {
            slot: ProcessSlot::default(),
            lease: Lease::new(Duration::from_secs(lease_seconds), Moment::now()),
            stop: watch::channel(None).0,
        }
    }

    async fn run(&self, script: &str, limit: Duration, grace: Duration) -> (Ending, String) {
        let mut shell = GatedCommand::new("bash".as_ref());
        shell.command().args(["-c", script]);
        let stop = self.stop.subscribe();
        let limits = Limits {
            slot: &self.slot,
            lease: &self.lease,
            stop: &stop,
            deadline: Instant::now() + limit,
            grace,
        };
        let mut text = Vec::new();
        let mut sink = |piece: &[u8]| text.extend_from_slice(piece);
        let ending = run(shell, Output::Both, limits, &mut sink).await.unwrap();
        (ending, String::from_utf8(text).unwrap())
    }
}

const LONG: Duration = Duration::from_mins(1);

fn is_alive(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // A zombie is dead; that nobody has reaped it yet is not this test's business.
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

async fn dies(pid_file: &Path) {
    let until = Instant::now() + Duration::from_secs(10);
    while is_alive(pid_file) {
        assert!(Instant::now() < until, "the process is still alive");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn output_and_errors_arrive_in_the_order_they_were_written() {
    let world = World::new(30);
    let (ending, text) = world
        .run("echo a; echo b >&2; echo c; exit 7", LONG, LONG)
        .await;
    assert_eq!((ending, text.as_str()), (Ending::Exited(7), "a\nb\nc\n"));
}

#[tokio::test]
async fn standard_input_is_empty_and_a_signal_is_an_exit_code() {
    let world = World::new(30);
    let (ending, _) = world.run("cat; kill -SEGV $$", LONG, LONG).await;
    assert_eq!(ending, Ending::Exited(139));
}

#[tokio::test]
async fn a_background_child_does_not_outlive_its_command() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; echo done", file.display());
    let (ending, text) = World::new(30).run(&script, LONG, LONG).await;
    assert_eq!((ending, text.as_str()), (Ending::Exited(0), "done\n"));
    dies(&file).await;
}

/// Runs a script until its time is up, and waits for the end of the process whose number it writes to `$PID_FILE`.
async fn times_out_with_its_child(script: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let script = format!("PID_FILE={}; {script}", file.display());
    let world = World::new(30);
    let (ending, _) = world
        .run(&script, Duration::from_secs(2), Duration::from_millis(200))
        .await;
    assert_eq!(ending, Ending::TimedOut);
    dies(&file).await;
}

/// `timeout` leaves the group that it is in unless it leads that.
#[tokio::test]
async fn a_command_that_replaces_its_shell_leads_the_group() {
    times_out_with_its_child(
        "export PID_FILE; timeout 1000 bash -c 'echo $$ > $PID_FILE; sleep 1000'",
    )
    .await;
}

#[tokio::test]
async fn a_time_out_ends_grandchildren_that_ignore_sigterm() {
    times_out_with_its_child("trap '' TERM; (sleep 1000 & echo $! > $PID_FILE; wait); sleep 1000")
        .await;
}

/// Waits for a command to say that it has come so far.
async fn exists(file: &Path) {
    let until = Instant::now() + Duration::from_secs(10);
    while !file.exists() {
        assert!(Instant::now() < until, "the command has not begun");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_cancelled_command_may_clean_up_in_its_grace() {
    let world = World::new(30);
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready");
    let script = format!(
        "trap 'echo cleaned; exit 3' TERM; > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let cancel = async {
        exists(&ready).await;
        world.stop.send_replace(Some(Stop::Cancelled));
    };
    let ((ending, text), ()) = tokio::join!(world.run(&script, LONG, LONG), cancel);
    assert_eq!(ending, Ending::Stopped(Stop::Cancelled));
    assert!(text.ends_with("cleaned\n"), "{text}");
}

#[tokio::test]
async fn a_more_urgent_reason_ends_the_grace() {
    let world = World::new(30);
    let directory = tempfile::tempdir().unwrap();
    let (ready, asked) = (
        directory.path().join("ready"),
        directory.path().join("asked"),
    );
    let script = format!(
        "trap '> {}' TERM; > {}; while :; do sleep 0.01; done",
        asked.display(),
        ready.display()
    );
    let reasons = async {
        exists(&ready).await;
        world.stop.send_replace(Some(Stop::Cancelled));
        exists(&asked).await;
        world.stop.send_replace(Some(Stop::Dropped));
    };
    let ((ending, _), ()) = tokio::join!(world.run(&script, LONG, LONG), reasons);
    assert_eq!(ending, Ending::Stopped(Stop::Dropped));
}

#[tokio::test]
async fn a_group_that_nobody_renews_is_ended_by_its_guard() {
    // Nobody watches this lease, as if the agent were frozen: only the guard is left.
    let world = World::new(2);
    let (ending, _) = world.run("sleep 1000", LONG, LONG).await;
    assert_eq!(ending, Ending::Stopped(Stop::LeaseOver));
    assert_eq!(world.lease.phase(Moment::now()), crate::lease::Phase::Over);
}

#[tokio::test]
async fn what_a_guard_ended_did_not_fail_by_itself_although_the_lease_is_renewed_since() {
    let world = World::new(2);
    let renew = async {
        loop {
            // The guard is not told, as if the agent were frozen.
            world.lease.renew(Moment::now());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let (ending, _) = tokio::select! {
        ended = world.run("sleep 1000", LONG, LONG) => ended,
        () = renew => unreachable!(),
    };
    assert_eq!(ending, Ending::Stopped(Stop::LeaseOver));
    assert_eq!(world.lease.phase(Moment::now()), crate::lease::Phase::Good);
}

#[tokio::test]
async fn a_renewed_lease_keeps_the_guard_quiet() {
    let world = World::new(2);
    let renew = async {
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.lease.renew(Moment::now());
            world.slot.renew(&world.lease);
        }
    };
    let ((ending, _), ()) = tokio::join!(world.run("sleep 2.5", LONG, LONG), renew);
    assert_eq!(ending, Ending::Exited(0));
}

#[test]
fn programs_are_looked_for_in_absolute_directories_only() {
    assert!(find_program("sh", DEFAULT_PATH.as_ref()).is_some());
    assert!(find_program("sh", OsStr::new("bin:.")).is_none());
}
