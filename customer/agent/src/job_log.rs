//! The log of one attempt: a file with a time stamp on each line, and no secret in it.

use crate::event::{Event, Observer};
use crate::redact::Redactor;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use wire::{HeldJob, Timestamp};

/// A longer line is broken. Secrets are hidden before lines are, so that none shows at the break.
const MAX_LINE_BYTES: usize = 16 * 1024;
/// How many lines a [`Event::JobEnded`] repeats, and how much of each.
const TAIL_LINES: usize = 20;
const TAIL_LINE_CHARS: usize = 1_000;

/// The log of one attempt.
pub(crate) struct JobLog {
    job: HeldJob,
    path: PathBuf,
    file: File,
    bytes_left: u64,
    is_full: bool,
    fault: Option<io::Error>,
    redactor: Redactor,
    line: Vec<u8>,
    tail: VecDeque<String>,
    observer: Arc<dyn Observer>,
}

impl JobLog {
    /// The name of an attempt's log.
    pub(crate) fn file_name(job: &HeldJob) -> String {
        format!("{}-{}.log", job.job_id, job.attempt)
    }

    /// Begins the log of an attempt; secrets known so far are hidden from the first line on.
    pub(crate) fn create(
        directory: &Path,
        job: HeldJob,
        limit_bytes: u64,
        redactor: Redactor,
        observer: Arc<dyn Observer>,
    ) -> io::Result<Self> {
        let path = directory.join(Self::file_name(&job));
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            job,
            path,
            file,
            bytes_left: limit_bytes,
            is_full: false,
            fault: None,
            redactor,
            line: Vec::new(),
            tail: VecDeque::new(),
            observer,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The last lines, oldest first.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    /// From here on these secrets are hidden.
    pub(crate) fn hide(&mut self, redactor: Redactor) {
        self.flush();
        self.redactor = redactor;
    }

    /// Takes a piece of a command's output.
    pub(crate) fn output(&mut self, piece: &[u8]) {
        let mut clean = Vec::with_capacity(piece.len());
        self.redactor.push(piece, &mut clean);
        self.append(&clean);
    }

    /// A command has ended, and with it its last line.
    pub(crate) fn flush(&mut self) {
        let mut clean = Vec::new();
        self.redactor.finish(&mut clean);
        self.append(&clean);
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    /// A message of the agent's own, one line or several.
    pub(crate) fn note(&mut self, text: &str) {
        self.flush();
        for line in self.redactor.redact(text).lines() {
            self.append(format!("[hybrid-agent] {line}\n").as_bytes());
        }
    }

    /// What went wrong with the file, once.
    pub(crate) fn take_fault(&mut self) -> Option<io::Error> {
        self.fault.take()
    }

    fn append(&mut self, clean: &[u8]) {
        for part in clean.split_inclusive(|byte| *byte == b'\n') {
            let (mut rest, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            while self.line.len() + rest.len() > MAX_LINE_BYTES {
                let (fits, more) = rest.split_at(MAX_LINE_BYTES - self.line.len());
                self.line.extend_from_slice(fits);
                self.end_line();
                rest = more;
            }
            self.line.extend_from_slice(rest);
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let mut bytes = std::mem::take(&mut self.line);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        self.write_line(&bytes);
        let line = String::from_utf8_lossy(&bytes).into_owned();
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail
            .push_back(line.chars().take(TAIL_LINE_CHARS).collect());
        self.observer.observe(&Event::LogLine {
            job: self.job.clone(),
            line,
        });
        bytes.clear();
        self.line = bytes;
    }

    fn write_line(&mut self, text: &[u8]) {
        if self.is_full {
            return;
        }
        let mut line = format!("{} ", now()).into_bytes();
        let size = (line.len() + text.len() + 1) as u64;
        if size > self.bytes_left {
            self.is_full = true;
            line.extend_from_slice(
                b"[hybrid-agent] the log is full (log_limit_mib); the rest is left out",
            );
        } else {
            self.bytes_left -= size;
            line.extend_from_slice(text);
        }
        line.push(b'\n');
        // A full disk must not fail the job; it is reported once at its end.
        if let Err(error) = self.file.write_all(&line)
            && self.fault.is_none()
        {
            self.fault = Some(error);
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use wire::JobId;

    fn log(directory: &Path, limit: u64, secrets: &[&str]) -> JobLog {
        let job_id = JobId::parse("job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE").unwrap();
        let job = HeldJob { job_id, attempt: 1 };
        let redactor = Redactor::new(secrets.iter().copied());
        JobLog::create(directory, job, limit, redactor, Arc::new(|_: &Event| {})).unwrap()
    }

    fn texts(log: &JobLog) -> Vec<String> {
        let text = std::fs::read_to_string(log.path()).unwrap();
        text.lines()
            .map(|line| {
                let (stamp, text) = line.split_once(' ').unwrap();
                assert!(stamp.len() == 24 && stamp.ends_with('Z'), "{stamp}");
                text.to_owned()
            })
            .collect()
    }

    #[test]
    fn every_line_has_a_time_stamp_however_the_output_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path(), 10_000, &[]);
        for piece in ["on", "e\r\ntw", "o\n\nlast"] {
            log.output(piece.as_bytes());
        }
        log.note("a note\nof two lines");
        let want = [
            "one",
            "two",
            "",
            "last",
            "[hybrid-agent] a note",
            "[hybrid-agent] of two lines",
        ];
        assert_eq!(texts(&log), want);
        assert_eq!(log.tail(), want);
    }

    #[test]
    fn a_secret_at_the_break_of_a_long_line_does_not_show() {
        let directory = tempfile::tempdir().unwrap();
        let secret = "abcdefghijklmnop";
        for before in MAX_LINE_BYTES - 20..MAX_LINE_BYTES + 4 {
            let mut log = log(directory.path(), 100_000, &[secret]);
            log.output(format!("{}{secret}{}\n", "x".repeat(before), "y".repeat(100)).as_bytes());
            let text = texts(&log).concat();
            assert!(text.contains("x***y"), "{before}");
            assert!(!text.contains("abc") && !text.contains("nop"), "{before}");
        }
    }

    #[test]
    fn a_log_that_is_full_says_so_once_and_the_tail_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path(), 200, &[]);
        for number in 0..100 {
            log.output(format!("line {number}\n").as_bytes());
        }
        let lines = texts(&log);
        assert!(lines.last().unwrap().contains("the log is full"));
        assert!(lines.len() < 10);
        assert_eq!(log.tail().last().unwrap(), "line 99");
        assert_eq!(log.tail().len(), TAIL_LINES);
    }

    #[test]
    fn the_agents_own_messages_hide_secrets_too() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path(), 10_000, &["hunter2"]);
        log.note("cannot find hunter2");
        assert_eq!(texts(&log), ["[hybrid-agent] cannot find ***"]);
    }
}
