//! Runs one command in a process group of its own, and ends all of it.

use crate::holdings::Stop;
use crate::lease::{Lease, Moment};
use crate::sync::lock;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long the output of a process that left its group, and cannot be killed with it, is still read.
const STRAGGLER_OUTPUT: Duration = Duration::from_secs(1);
/// The exit code of what was killed.
const KILLED: i32 = 128 + Signal::SIGKILL as i32;
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
    /// When the guard ends the group, as it was last told.
    until: Moment,
}

impl ProcessSlot {
    /// Sends a signal to the whole group, if there is one. The leader has not been reaped while the slot is full, so the
    /// number cannot have become another group's.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = lock(&self.0).as_ref() {
            // The group may have ended by itself in the meantime, which is as good.
            let _ = killpg(group.id, signal);
        }
    }

    /// Tells the group's guard how long it may go on.
    pub(crate) fn renew(&self, lease: &Lease) {
        if let Some(group) = lock(&self.0).as_mut() {
            let until = lease.kill_at();
            let line = format!("{}\n", time_left(until));
            // A full pipe means a guard that has been stopped together with its job; it will read what is there when it goes
            // on. A broken one means that it has ended the group.
            if group.time_left.write_all(line.as_bytes()).is_ok() {
                group.until = until;
            }
        }
    }

    fn fill(&self, group: Group) {
        *lock(&self.0) = Some(group);
    }

    /// Kills what is left of the group and empties the slot, before the leader is reaped. Whether the guard's time was over,
    /// so that the group may have been ended by that.
    fn end(&self) -> bool {
        let group = lock(&self.0).take();
        group.is_some_and(|group| {
            let _ = killpg(group.id, Signal::SIGKILL);
            Moment::now() >= group.until
        })
    }
}

/// How long a group may go on, as its guard reads it, in seconds. Never nothing, which would not be waited for.
fn time_left(until: Moment) -> String {
    let left = Moment::now().until(until).as_secs_f64();
    format!("{:.3}", left.max(0.001))
}

/// A command behind a gate: a shell in its place, which becomes the command when its group has a guard. So an agent that is
/// killed or frozen meanwhile leaves nothing behind that runs on.
#[derive(Debug)]
pub(crate) struct GatedCommand(Command);

impl GatedCommand {
    pub(crate) fn new(program: &Path) -> Self {
        // Shut by the end of the agent, the gate does not open.
        const GATE: &str = "IFS= read -r go && exec \"$@\" </dev/null";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", GATE, "hybrid-agent-gate"]).arg(program);
        Self(shell)
    }

    /// To add arguments, the environment and the directory. The input is empty.
    pub(crate) fn command(&mut self) -> &mut Command {
        &mut self.0
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
    command: GatedCommand,
    output: Output,
    limits: Limits<'_>,
    sink: &mut (dyn FnMut(&[u8]) + Send),
) -> io::Result<Ending> {
    let (reader, writer) = io::pipe()?;
    let stderr = match output {
        Output::Both => Stdio::from(writer.try_clone()?),
        Output::Stdout => Stdio::null(),
    };
    let (gate, mut opener) = io::pipe()?;
    let GatedCommand(mut command) = command;
    command
        .stdin(gate)
        .stdout(writer)
        .stderr(stderr)
        .process_group(0);
    let mut output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut leader = command.spawn()?;
    // The command holds the pipes' other ends; with them open the output would never end.
    drop(command);
    let group = Pid::from_raw(leader.id().cast_signed());
    let until = limits.lease.kill_at();
    let (mut guard, time_left) = match spawn_guard(group, until) {
        Ok(guard) => guard,
        Err(error) => {
            drop(opener);
            tokio::task::spawn_blocking(move || leader.wait());
            let message = format!("its guard cannot be started: {error}");
            return Err(io::Error::other(message));
        }
    };
    limits.slot.fill(Group {
        id: group,
        time_left,
        until,
    });
    // The lease may have been renewed between the guard's start and its entry in the slot.
    limits.slot.renew(limits.lease);
    // Whoever was killed at the gate needs it no more.
    let _ = opener.write_all(b"\n");
    drop(opener);
    let ended = tokio::task::spawn_blocking(move || wait(leader));
    let ending = supervise(ended, &mut output, limits, sink).await;
    let guard_ended_it = limits.slot.end();
    let (mut leader, stopped) = ending?;
    let drained = Instant::now() + STRAGGLER_OUTPUT;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(Ok(length @ 1..)) = timeout_at(drained, output.read(&mut buffer)).await {
        sink(&buffer[..length]);
    }
    let status = tokio::task::spawn_blocking(move || {
        let _ = guard.wait();
        leader.as_mut().map(Child::wait).transpose()
    })
    .await
    .map_err(io::Error::other)??;
    let ending = stopped.unwrap_or_else(|| Ending::Exited(status.map_or(KILLED, exit_code)));
    Ok(match ending {
        // A lease that was renewed since, by an answer that had been under way, does not make it a failure of the command's own.
        Ending::Exited(KILLED) if guard_ended_it => Ending::Stopped(Stop::LeaseOver),
        ending => ending,
    })
}

/// Passes output on and stops the command when it must be; returns when its leader has ended, with the reason if it was
/// stopped. A leader that does not end even when killed is not returned.
async fn supervise(
    mut ended: tokio::task::JoinHandle<Child>,
    output: &mut pipe::Receiver,
    limits: Limits<'_>,
    sink: &mut (dyn FnMut(&[u8]) + Send),
) -> io::Result<(Option<Child>, Option<Ending>)> {
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
            leader = &mut ended => {
                return Ok((Some(leader.map_err(io::Error::other)?), stopped));
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

/// Waits until the leader has ended. On Linux it stays unreaped, so that its group can still be named.
#[cfg(target_os = "linux")]
fn wait(leader: Child) -> Child {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    if let Ok(id) = i32::try_from(leader.id()) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(Pid::from_raw(id)), flags) == Err(nix::errno::Errno::EINTR) {}
    }
    leader
}

#[cfg(not(target_os = "linux"))]
fn wait(mut leader: Child) -> Child {
    // `Child` remembers the status for the next `wait`.
    let _ = leader.wait();
    leader
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

/// Starts the guard of a process group: a shell inside the group that kills it when the agent is gone, or has been
/// frozen for longer than the lease. Nothing else could: a killed agent cannot clean up, and a frozen one does not notice.
///
/// It reads from a pipe how many seconds the group may go on; the agent's end closes the pipe. A bash before version 4, as on
/// macOS, knows whole seconds only, and a shell without `read -t` does the first half only.
fn spawn_guard(group: Pid, until: Moment) -> io::Result<(Child, PipeWriter)> {
    const TIMED: &str = "trap '' TERM INT HUP; t=$1; \
        while if [ \"${BASH_VERSINFO:-0}\" -lt 4 ]; then t=${t%.*}; [ \"$t\" -gt 0 ] || t=1; fi; \
        IFS= read -r -t \"$t\" t; do :; done; kill -s KILL -- \"-$2\"";
    const UNTIMED: &str =
        "trap '' TERM INT HUP; while IFS= read -r t; do :; done; kill -s KILL -- \"-$2\"";
    let (program, script) = match find_program("bash", DEFAULT_PATH.as_ref()) {
        Some(bash) => (bash, TIMED),
        None => ("/bin/sh".into(), UNTIMED),
    };
    let (reader, writer) = io::pipe()?;
    // The heartbeat's thread writes here and must never wait.
    let non_blocking = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&writer, non_blocking)?;
    let guard = Command::new(program)
        .args(["-c", script, "hybrid-agent-guard"])
        .args([time_left(until), group.to_string()])
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .current_dir("/")
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(group.as_raw())
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
