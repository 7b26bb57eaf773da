//! Runs one command in a process group of its own, and ends all of it.
//!
//! The group's first process is a guard, and only then is the command started: an agent that is killed or frozen on any
//! line of this file leaves no command behind that runs on for ever.

use crate::holdings::Stop;
use crate::lease::{Lease, Moment};
use crate::sync::lock;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long the output of a process that left its group, and cannot be killed with it, is still read.
const STRAGGLER_OUTPUT: Duration = Duration::from_secs(1);
/// How long a killed process may take to go; one that hangs in the kernel is left to it.
const KILLED_GRACE: Duration = Duration::from_secs(10);

/// The process group that a job runs at the moment, for those who must end it whatever the job itself is doing.
#[derive(Debug, Default)]
pub(crate) struct ProcessSlot(Mutex<Option<Group>>);

#[derive(Debug)]
struct Group {
    id: Pid,
    /// Tells the guard how long the group may go on; closed, that it must not.
    time_left: PipeWriter,
}

impl ProcessSlot {
    /// Sends a signal to the whole group, if there is one. Its guard has not been reaped while the slot is full, so the
    /// number cannot have become another group's.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = lock(&self.0).as_ref() {
            // The group may have ended by itself in the meantime, which is as good.
            let _ = killpg(group.id, signal);
        }
    }

    /// Tells the group's guard how long it may go on.
    pub(crate) fn renew(&self, lease: &Lease) {
        let left = Moment::now().until(lease.kill_at());
        if let Some(group) = lock(&self.0).as_mut() {
            let line = format!("{:.3}\n", left.as_secs_f64());
            // A full pipe means a guard that has been stopped together with its job; it will read this when it goes on.
            let _ = group.time_left.write_all(line.as_bytes());
        }
    }

    fn fill(&self, group: Group) {
        *lock(&self.0) = Some(group);
    }

    /// Kills what is left of the group and empties the slot, before the guard is reaped.
    fn end(&self) {
        if let Some(group) = lock(&self.0).take() {
            let _ = killpg(group.id, Signal::SIGKILL);
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this exit code; a signal's is 128 and its number.
    Exited(i32),
    /// It was stopped because its time was up.
    TimedOut,
    /// It was stopped because the job was.
    Stopped(Stop),
}

/// What a command runs under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// Where the group is entered while it runs.
    pub(crate) slot: &'a ProcessSlot,
    /// The lease that ends the group if nobody renews it.
    pub(crate) lease: &'a Lease,
    /// Says when and why the job is to stop.
    pub(crate) stop: &'a watch::Receiver<Option<Stop>>,
    /// When its time is up.
    pub(crate) deadline: Instant,
    /// How long it has between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
}

/// What is read of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output and standard error, in the order they were written.
    Both,
    /// Standard output alone.
    Stdout,
}

/// Runs the command until it ends by itself or has to be stopped, passing on its output as it comes. Nothing of its
/// process group is left afterwards.
pub(crate) async fn run(
    mut command: Command,
    output: Output,
    limits: Limits<'_>,
    sink: &mut (dyn FnMut(&[u8]) + Send),
) -> io::Result<Ending> {
    let (reader, writer) = io::pipe()?;
    let stderr = match output {
        Output::Both => Stdio::from(writer.try_clone()?),
        Output::Stdout => Stdio::null(),
    };
    let mut output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let (mut guard, time_left) = spawn_guard(limits.lease)?;
    let group = guard.id().cast_signed();
    let child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(stderr)
        .process_group(group)
        .spawn();
    // The command holds the pipe's writing end; with it open the output would never end.
    drop(command);
    limits.slot.fill(Group {
        id: Pid::from_raw(group),
        time_left,
    });
    // The lease may have been renewed between the guard's start and its entry in the slot.
    limits.slot.renew(limits.lease);
    let ending = match child {
        Ok(mut child) => {
            let ended = tokio::task::spawn_blocking(move || child.wait());
            supervise(ended, &mut output, limits, sink).await
        }
        Err(error) => Err(error),
    };
    limits.slot.end();
    let reaped = tokio::task::spawn_blocking(move || guard.wait());
    let (status, stopped) = ending?;
    let drained = Instant::now() + STRAGGLER_OUTPUT;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(Ok(length @ 1..)) = timeout_at(drained, output.read(&mut buffer)).await {
        sink(&buffer[..length]);
    }
    reaped.await.map_err(io::Error::other)??;
    Ok(stopped.unwrap_or_else(|| Ending::Exited(status.map_or(137, exit_code))))
}

/// Passes output on and stops the command when it must be; returns when it has ended, with the reason if it was stopped.
/// One that does not end even when killed has no exit status.
async fn supervise(
    mut ended: tokio::task::JoinHandle<io::Result<ExitStatus>>,
    output: &mut pipe::Receiver,
    limits: Limits<'_>,
    sink: &mut (dyn FnMut(&[u8]) + Send),
) -> io::Result<(Option<ExitStatus>, Option<Ending>)> {
    let mut stop = limits.stop.clone();
    stop.mark_changed();
    let mut stopped: Option<Ending> = None;
    let mut kill_at: Option<Instant> = None;
    let mut killed = false;
    let mut open = true;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let next_kill = kill_at.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            Ok(()) = stop.changed() => {
                let reason = *stop.borrow_and_update();
                if let Some(reason) = reason {
                    stopped = Some(Ending::Stopped(reason));
                    let grace = grace(reason, limits);
                    let at = Instant::now() + grace;
                    if !grace.is_zero() {
                        limits.slot.signal(Signal::SIGTERM);
                    }
                    kill_at = Some(kill_at.map_or(at, |before| before.min(at)));
                }
            }
            () = sleep_until(next_kill), if kill_at.is_some() => {
                if killed {
                    return Ok((None, stopped));
                }
                limits.slot.signal(Signal::SIGKILL);
                killed = true;
                kill_at = Some(Instant::now() + KILLED_GRACE);
            }
            () = sleep_until(limits.deadline), if stopped.is_none() => {
                stopped = Some(Ending::TimedOut);
                limits.slot.signal(Signal::SIGTERM);
                kill_at = Some(Instant::now() + limits.grace);
            }
            status = &mut ended => {
                return Ok((Some(status.map_err(io::Error::other)??), stopped));
            }
            read = output.read(&mut buffer), if open => match read {
                Ok(length @ 1..) => sink(&buffer[..length]),
                Ok(0) | Err(_) => open = false,
            },
        }
    }
}

/// How long a command has between being asked to stop and being killed.
fn grace(reason: Stop, limits: Limits<'_>) -> Duration {
    match reason {
        Stop::Cancelled => limits.grace,
        // What is left of the lease; nothing if it is over.
        Stop::LeaseOver => Moment::now()
            .until(limits.lease.kill_at())
            .min(limits.grace),
        // Somebody else may be running the job at this moment, or is about to.
        Stop::Shutdown | Stop::Dropped | Stop::SessionOver => Duration::ZERO,
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

/// Starts the guard of a process group: a shell that leads the group and kills it when the agent is gone, or has been
/// frozen for longer than the lease. Nothing else could: a killed agent cannot clean up, and a frozen one does not notice.
///
/// It reads from a pipe how many seconds the group may go on; the agent's end closes the pipe. A shell without `read -t`
/// does the first half only.
fn spawn_guard(lease: &Lease) -> io::Result<(Child, PipeWriter)> {
    const TIMED: &str = "trap '' TERM INT HUP; t=$1; while IFS= read -r -t \"$t\" t; do :; done; kill -s KILL -- \"-$$\"";
    const UNTIMED: &str =
        "trap '' TERM INT HUP; while IFS= read -r t; do :; done; kill -s KILL -- \"-$$\"";
    let (program, script) = match find_program("bash", DEFAULT_PATH.as_ref()) {
        Some(bash) => (bash, TIMED),
        None => ("sh".into(), UNTIMED),
    };
    let left = Moment::now().until(lease.kill_at()).as_secs_f64();
    let (reader, writer) = io::pipe()?;
    // The heartbeat's thread writes here and must never wait.
    let non_blocking = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&writer, non_blocking)?;
    let guard = Command::new(program)
        .args(["-c", script, "hybrid-agent-guard", &format!("{left:.3}")])
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .current_dir("/")
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok((guard, writer))
}

/// Where programs are looked for if nobody says where.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The first file of that name that can be executed, in the directories of a `PATH`.
pub(crate) fn find_program(name: &str, path: &OsStr) -> Option<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| {
            file.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
