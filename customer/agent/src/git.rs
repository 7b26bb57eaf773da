//! Runs git so that nothing in a repository can make it run anything else.

use crate::job::Outcome;
use crate::job_log::JobLog;
use crate::process::{DEFAULT_PATH, Ending, GatedCommand, Limits, Output, find_program, run};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The most output of one call that is kept.
const MAX_OUTPUT_BYTES: usize = 256 * 1024;

/// Variables that point git at a repository or change what it does there; the agent may have been started by a git hook.
const REPOSITORY_VARIABLES: [&str; 20] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Settings of every call: no hooks, no file system monitor, no clean-up that goes on in the background, and directories
/// of the agent's own are trusted whoever owns the volume that they are on.
const SETTINGS: [&str; 7] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    "advice.detachedHead=false",
    "safe.directory=*",
    "protocol.ext.allow=never",
];

/// A call's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    pub(crate) output: Vec<u8>,
}

/// Git, in the environment of the agent: its credential helpers, keys and address rewriting hold.
#[derive(Debug)]
pub(crate) struct Git {
    program: PathBuf,
    environment: BTreeMap<OsString, OsString>,
}

impl Git {
    /// Finds git.
    ///
    /// # Errors
    /// A message for the log.
    pub(crate) fn find(environment: &BTreeMap<OsString, OsString>) -> Result<Self, String> {
        let path = environment
            .get(OsStr::new("PATH"))
            .map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
        let program = find_program("git", path)
            .ok_or("there is no git on this machine; install it, or put it in the agent's PATH")?;
        let mut environment: BTreeMap<_, _> = environment
            .iter()
            .filter(|(name, _)| {
                !REPOSITORY_VARIABLES
                    .iter()
                    .any(|known| name.as_os_str() == OsStr::new(known))
                    && !name.to_string_lossy().starts_with("HYBRID_")
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in [
            // Nobody is there to answer.
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
            ("GIT_ALLOW_PROTOCOL", "file:https:ssh"),
        ] {
            environment.insert(name.into(), value.into());
        }
        Ok(Self {
            program,
            environment,
        })
    }

    /// Makes ssh fail instead of asking, unless the customer has a command of their own.
    pub(crate) async fn prepare_ssh(&mut self, limits: Limits<'_>) -> Result<(), Outcome> {
        let own = ["GIT_SSH_COMMAND", "GIT_SSH"]
            .iter()
            .any(|name| self.environment.contains_key(OsStr::new(name)));
        if own
            || self
                .try_run(
                    limits,
                    Output::Stdout,
                    &["config", "--get", "core.sshCommand"],
                )
                .await?
                .ok
        {
            return Ok(());
        }
        self.environment
            .insert("GIT_SSH_COMMAND".into(), "ssh -oBatchMode=yes".into());
        Ok(())
    }

    /// A call that may fail.
    pub(crate) async fn try_run(
        &self,
        limits: Limits<'_>,
        output: Output,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Answer, Outcome> {
        let mut gated = GatedCommand::new(&self.program);
        let command = gated.command();
        command.env_clear().envs(&self.environment).current_dir("/");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments);
        let mut text = Vec::new();
        let mut sink = |piece: &[u8]| {
            let room = MAX_OUTPUT_BYTES - text.len();
            text.extend_from_slice(&piece[..piece.len().min(room)]);
        };
        match run(gated, output, limits, &mut sink).await {
            Ok(Ending::Exited(code)) => Ok(Answer {
                ok: code == 0,
                output: text,
            }),
            Ok(Ending::TimedOut) => Err(Outcome::TimedOut("while git was at work".to_owned())),
            Ok(Ending::Stopped(reason)) => Err(Outcome::Stopped(reason)),
            Err(error) => Err(Outcome::AgentError(format!("git cannot be run: {error}"))),
        }
    }

    /// A call whose messages go to the log if it fails. Says whether it worked.
    pub(crate) async fn run(
        &self,
        limits: Limits<'_>,
        log: &mut JobLog,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<bool, Outcome> {
        let answer = self.try_run(limits, Output::Both, arguments).await?;
        if !answer.ok {
            log.output(&answer.output);
            log.flush();
        }
        Ok(answer.ok)
    }
}
