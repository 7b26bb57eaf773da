//! The program itself: signals, a kill, a freeze, and its command line.

use crate::plane::KEY;
use crate::repo::Repo;
use crate::world::{World, until};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use wire::{Cause, HeldJob};

/// An agent that does not outlive its test, also if that fails while the agent is stopped.
struct Agent(Option<Child>);

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Agent {
    fn signal(&self, name: &str) {
        let pid = self.0.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    async fn output(mut self) -> Output {
        let child = self.0.take().unwrap();
        tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
            .await
            .unwrap()
    }
}

fn agent(world: &World) -> Agent {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybrid-agent"));
    command
        .args([
            "run",
            "--url",
            &format!("http://{}", world.address),
            "--pool",
            "default",
            "--directory",
        ])
        .arg(world.directory.path())
        .env("HYBRID_AGENT_KEY", KEY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Agent(Some(command.spawn().unwrap()))
}

async fn written(file: &Path) -> String {
    until("a file", || {
        std::fs::read_to_string(file)
            .ok()
            .filter(|text| text.ends_with('\n'))
    })
    .await
}

async fn dead(pid: &str) {
    until("the end of a process", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.map_or(true, |stat| stat.contains(") Z "))
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_drains_and_the_end_of_a_failed_jobs_log_is_printed() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let (repo, sha) = Repo::with_script(&format!(
        "echo $$ > {}; sleep 0.5; echo the end; exit 9",
        pid.display()
    ));
    let world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = agent(&world);
    written(&pid).await;
    agent.signal("TERM");
    let output = agent.output().await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("| the end"), "{text}");
    assert!(text.contains("EXIT_CODE, exit code 9"), "{text}");
    assert!(text.contains("deregistered"), "{text}");
    assert_eq!(world.result(&id).await.exit_code, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_kills_the_jobs_and_deregisters() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let (repo, sha) = Repo::with_script(&format!(
        "trap '' TERM; echo $$ > {}; while :; do sleep 0.01; done",
        pid.display()
    ));
    let world = World::new().await;
    world.enqueue(&repo.url(), &sha);
    let agent = agent(&world);
    let pid = written(&pid).await;
    agent.signal("INT");
    agent.signal("TERM");
    let output = agent.output().await;
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    dead(&pid).await;
    assert!(world.plane().completions.is_empty());
    assert_eq!(
        world.plane().deregistered.len(),
        1,
        "its job goes back at once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agents_job_dies_with_it() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let (repo, sha) = Repo::with_script(&format!(
        "trap '' TERM HUP; echo $$ > {}; kill -s KILL $PPID; while :; do sleep 0.01; done",
        pid.display()
    ));
    let world = World::new().await;
    world.enqueue(&repo.url(), &sha);
    let agent = agent(&world);
    // The step itself kills the agent, as early as anybody could.
    agent.output().await;
    dead(&written(&pid).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_frozen_past_its_lease_reports_nothing_of_what_it_held() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    // The step itself freezes the agent, as early as anybody could.
    let (repo, sha) = Repo::with_script(&format!(
        "kill -s STOP $PPID; echo $$ > {}; while :; do sleep 0.01; done",
        pid.display()
    ));
    let world = World::new().await;
    world.plane().lease_seconds = 4;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = agent(&world);
    let step = written(&pid).await;
    // The guard ends the step although the agent cannot.
    dead(&step).await;
    world.plane().drop.push(HeldJob {
        job_id: id,
        attempt: 1,
    });
    let beats = world.plane().heartbeats.len();
    agent.signal("CONT");
    world
        .until("a heartbeat", |plane| {
            (plane.heartbeats.len() > beats + 1).then_some(())
        })
        .await;
    agent.signal("TERM");
    let output = agent.output().await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(world.plane().completions.is_empty(), "{text}");
    assert!(text.contains("abandoned"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_agent_whose_job_nobody_took_gives_it_up_and_does_not_call_it_done() {
    let (repo, sha) = Repo::with_script("sleep 1");
    let world = World::new().await;
    world.plane().lease_seconds = 2;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = agent(&world);
    world
        .until("the start", |plane| plane.started.first().map(|_| ()))
        .await;
    agent.signal("STOP");
    // Longer than the lease: the step ends by itself in the meantime.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    agent.signal("CONT");
    let result = world.result(&id).await;
    assert_eq!(result.cause, Some(Cause::AgentLost), "{result:?}");
    agent.signal("TERM");
    agent.output().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_cannot_read_the_key_out_of_the_agents_process() {
    let (repo, sha) = Repo::with_script(
        "cat /proc/$PPID/environ | tr '\\0' '\\n' | grep -c HYBRID_AGENT_KEY || true",
    );
    let world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = agent(&world);
    world.result(&id).await;
    agent.signal("TERM");
    agent.output().await;
    let log = world.log(&id);
    // Root may read every process's environment; nobody else may.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    assert!(is_root || log.contains("Permission denied"), "{log}");
    assert!(!log.contains(KEY));
}

#[test]
fn a_bad_command_line_is_answered_with_every_fault() {
    let binary = env!("CARGO_BIN_EXE_hybrid-agent");
    let output = Command::new(binary)
        .args(["run", "--url", "http://ci.example.com", "--jobs", "0"])
        .env_remove("HYBRID_AGENT_KEY")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for part in [
        "pool: is missing",
        "jobs: must be",
        "url: http://",
        "key: is empty",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let output = Command::new(binary).arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        concat!("hybrid-agent ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
