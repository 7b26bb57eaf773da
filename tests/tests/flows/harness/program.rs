//! A program that a test has started. It does not outlive the test.

use crate::harness::until;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How many lines of each output a failed test shows.
const SHOWN_LINES: usize = 40;

/// A running program, with its output in files.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Program {
    /// Starts it. Its output goes to files in `directory` that are named after it.
    pub(crate) fn start(name: &str, command: &mut Command, directory: &Path) -> Self {
        let file = |ending: &str| directory.join(format!("{name}.{ending}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self {
            name: name.to_owned(),
            child,
            ended: None,
            stdout,
            stderr,
        }
    }

    /// What it has written to its standard output.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap()).into_owned()
    }

    /// What it has written to its standard error.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.ended.is_none(), "{} has ended already", self.name);
        kill(pid(self.child.id()), signal).unwrap();
    }

    /// How it has ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self, within: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        until(&what, within, async || self.has_ended()).await
    }

    /// Waits for its end, and gives back the exit code.
    pub(crate) async fn exit_code(&mut self, within: Duration) -> i32 {
        let status = self.end(within).await;
        status
            .code()
            .unwrap_or_else(|| panic!("{} was ended: {status}", self.name))
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if self.has_ended().is_none() {
            self.child.kill().unwrap();
            self.ended = Some(self.child.wait().unwrap());
        }
    }

    fn show(&self) {
        for (kind, path) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let bytes = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("--- {} of {}:\n{}", kind, self.name, tail.join("\n"));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show();
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap())
}

/// Whether a process exists and is more than an entry that nobody has asked for.
pub(crate) fn is_alive(id: u32) -> bool {
    if kill(pid(id), None) == Err(Errno::ESRCH) {
        return false;
    }
    // Where there is a /proc: the state stands behind the name, which is in brackets.
    let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
        return !Path::new("/proc/self/stat").exists();
    };
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X'))
}
