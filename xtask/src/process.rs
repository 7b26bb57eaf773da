//! External commands: each has a time-out, and none outlives this program.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long a command may take to end once it has been asked to.
const GRACE: Duration = Duration::from_secs(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C, SIGTERM and SIGHUP end the running command first and this program after it.
///
/// # Errors
///
/// If the system refuses the handler.
pub(crate) fn watch_for_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("cannot handle Ctrl-C")
}

/// Whether this program has been asked to end.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// A command of its own process group, so that it can be ended with everything that it started.
#[derive(Debug)]
pub(crate) struct Process {
    command: std::process::Command,
    shown: String,
    timeout: Duration,
}

impl Process {
    /// A command that may run for `timeout`.
    pub(crate) fn new(program: impl AsRef<OsStr>, timeout: Duration) -> Self {
        let program = program.as_ref();
        let mut command = std::process::Command::new(program);
        command.stdin(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let shown = Path::new(program)
            .file_name()
            .unwrap_or(program)
            .to_string_lossy()
            .into_owned();
        Self {
            command,
            shown,
            timeout,
        }
    }

    /// Appends arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        for argument in arguments {
            self.shown.push(' ');
            self.shown.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    pub(crate) fn current_dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Shows the command and runs it with its output on the terminal.
    ///
    /// # Errors
    ///
    /// If it cannot be started, fails, or takes too long.
    pub(crate) fn run(mut self) -> Result<()> {
        eprintln!("$ {}", self.shown);
        let running = self.spawn()?;
        self.finish(running)
    }

    /// Runs the command with its output in a file, whose end is part of the error if it fails.
    ///
    /// # Errors
    ///
    /// If it cannot be started, fails, or takes too long.
    pub(crate) fn run_logged(mut self, log: &Path) -> Result<()> {
        eprintln!("$ {}", self.shown);
        let running = self.spawn_logged(log)?;
        self.finish(running).with_context(|| last_lines(log, 15))
    }

    /// Runs the command with its output on the terminal, and shows `line` each line of its standard output.
    ///
    /// # Errors
    ///
    /// If it cannot be started, fails, or takes too long.
    pub(crate) fn run_watched(mut self, mut line: impl FnMut(&str) + Send) -> Result<()> {
        eprintln!("$ {}", self.shown);
        self.command.stdout(Stdio::piped());
        let mut running = self.spawn()?;
        let output = running.child.stdout.take().context("no standard output")?;
        thread::scope(|scope| {
            scope.spawn(move || {
                for text in BufReader::new(output).lines().map_while(Result::ok) {
                    println!("{text}");
                    line(&text);
                }
            });
            self.finish(running)
        })
    }

    /// Runs the command and gives back what it wrote on both outputs.
    ///
    /// # Errors
    ///
    /// If it cannot be started, fails, or takes too long.
    pub(crate) fn output(mut self) -> Result<String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = self.spawn()?;
        let mut stdout = running.child.stdout.take().context("no standard output")?;
        let mut stderr = running.child.stderr.take().context("no standard error")?;
        thread::scope(|scope| {
            let out = scope.spawn(move || {
                let mut text = String::new();
                stdout.read_to_string(&mut text).map(|_| text)
            });
            let err = scope.spawn(move || {
                let mut text = String::new();
                stderr.read_to_string(&mut text).map(|_| text)
            });
            let finished = self.finish(running);
            let mut text = out.join().unwrap_or_else(|_| Ok(String::new()))?;
            text.push_str(&err.join().unwrap_or_else(|_| Ok(String::new()))?);
            finished.map(|()| text)
        })
    }

    /// Runs the command and gives back what it wrote on its standard output; the rest is on the terminal.
    ///
    /// # Errors
    ///
    /// If it cannot be started, fails, or takes too long.
    pub(crate) fn stdout(mut self) -> Result<String> {
        self.command.stdout(Stdio::piped());
        let mut running = self.spawn()?;
        let mut stdout = running.child.stdout.take().context("no standard output")?;
        thread::scope(|scope| {
            let out = scope.spawn(move || {
                let mut text = String::new();
                stdout.read_to_string(&mut text).map(|_| text)
            });
            let finished = self.finish(running);
            let text = out.join().unwrap_or_else(|_| Ok(String::new()))?;
            finished.map(|()| text)
        })
    }

    /// Starts the command and leaves it running until the handle is dropped. Its output goes to a file.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn spawn_logged(&mut self, log: &Path) -> Result<Running> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        self.command.stdout(file.try_clone()?).stderr(file);
        self.spawn()
    }

    fn spawn(&mut self) -> Result<Running> {
        let child = self
            .command
            .spawn()
            .with_context(|| format!("cannot start {}", self.shown))?;
        Ok(Running { child })
    }

    fn finish(&self, mut running: Running) -> Result<()> {
        let status = running
            .wait(self.timeout)
            .with_context(|| self.shown.clone())?;
        if !status.success() {
            bail!("failed ({status}): {}", self.shown);
        }
        Ok(())
    }
}

/// A command that runs. Dropping it ends the command.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// How the command ended, if it has.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if is_interrupted() {
                self.end();
                bail!("interrupted");
            }
            if start.elapsed() > timeout {
                self.end();
                bail!("took longer than {} s and was ended", timeout.as_secs());
            }
            thread::sleep(POLL);
        }
    }

    /// Asks the command's whole group to end, and ends it if it does not.
    fn end(&mut self) {
        self.ask_to_end();
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(POLL);
        }
        self.kill();
    }

    #[cfg(unix)]
    fn ask_to_end(&mut self) {
        self.signal_group(nix::sys::signal::Signal::SIGTERM);
    }

    #[cfg(not(unix))]
    fn ask_to_end(&mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        #[cfg(unix)]
        self.signal_group(nix::sys::signal::Signal::SIGKILL);
        // Both only fail if the command has ended by itself in the meantime.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    #[cfg(unix)]
    fn signal_group(&self, signal: nix::sys::signal::Signal) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            // Fails only if the group has ended by itself in the meantime.
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// The last `count` lines of a file, for an error message.
pub(crate) fn last_lines(file: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines
        .get(lines.len().saturating_sub(count)..)
        .unwrap_or_default();
    format!("{} ends with\n{}\n", file.display(), tail.join("\n"))
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str, timeout: Duration) -> Process {
        Process::new("sh", timeout).args(["-c", script])
    }

    #[test]
    fn output_holds_both_streams() {
        let text = shell("echo out; echo err >&2", LONG).output().unwrap();
        assert_eq!(text, "out\nerr\n");
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = shell("exit 3", LONG).output().unwrap_err();
        assert!(format!("{error:#}").contains("sh -c exit 3"), "{error:#}");
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_its_children() {
        let start = Instant::now();
        // The child of the shell holds the pipe: reading it to its end shows that the whole group is gone.
        let error = shell("sleep 60 & wait", Duration::from_millis(100))
            .output()
            .unwrap_err();
        assert!(format!("{error:#}").contains("took longer"), "{error:#}");
        assert!(start.elapsed() < Duration::from_secs(9));
    }

    #[test]
    fn dropping_a_running_command_ends_it() {
        let mut running = shell("sleep 60", LONG).spawn().unwrap();
        assert!(running.try_wait().unwrap().is_none());
        let group = nix::unistd::Pid::from_raw(i32::try_from(running.child.id()).unwrap());
        drop(running);
        // The child of the shell is reaped by whoever inherits it, which may take a moment.
        let start = Instant::now();
        while nix::sys::signal::killpg(group, None).is_ok() {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "the group is still there"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}
