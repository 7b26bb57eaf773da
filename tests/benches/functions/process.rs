//! A function as Lambda starts it: its binary, with nothing in its environment but what Lambda and the deployment set.

use crate::runtime_api::{Outcome, RuntimeApi};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::{TABLES, Tables};

/// A running function. It ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    pub(crate) runtime: RuntimeApi,
    pub(crate) begun: Instant,
}

impl Process {
    /// Starts it. If there is an event, it finds it as soon as it asks for one.
    pub(crate) async fn start(
        binary: &Path,
        dynamodb_url: &str,
        event: Option<(String, Duration)>,
    ) -> Self {
        let runtime = RuntimeApi::start().await;
        if let Some((event, time)) = event {
            runtime.give(event, time);
        }
        let log = binary.with_file_name("bench-lambda.log");
        let tables = Tables::default();
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url)
            .env("ENVIRONMENT", "test")
            .env("PUBLIC_ORIGIN", "https://ci.example.com")
            .env("GITHUB_CLIENT_ID", "bench")
            .env("GITHUB_CLIENT_SECRET", "bench")
            .envs(TABLES.map(|table| (table.variable, tables.name(table.kind).to_owned())))
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap());
        let begun = Instant::now();
        let child = command.spawn().unwrap();
        Self {
            child,
            log,
            runtime,
            begun,
        }
    }

    /// Gives it an event and waits for its answer.
    pub(crate) async fn invoke(&mut self, event: String, time: Duration) -> Outcome {
        self.runtime.give(event, time);
        self.outcome().await
    }

    /// Waits for the answer to the event that it was given, and insists on a good one.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        let outcome = tokio::time::timeout(Duration::from_mins(1), self.runtime.outcome()).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("no answer: {}", self.said()));
        if let Err(failure) = &outcome.result {
            panic!("{failure}: {}", self.said());
        }
        outcome
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How much it has written to its log.
    pub(crate) fn logged_bytes(&self) -> u64 {
        fs::metadata(&self.log).unwrap().len()
    }

    /// The resident set, as the kernel counts it.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// How long processors have worked for it, on all its threads.
    #[cfg(target_os = "linux")]
    pub(crate) fn processor_time(&self) -> Duration {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let clock = nix::time::clock_getcpuclockid(id).unwrap();
        clock.now().unwrap().into()
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "only Linux tells it of another process")]
    pub(crate) fn processor_time(&self) -> Duration {
        Duration::ZERO
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The status and the body of what an HTTP function answered.
pub(crate) fn http_answer(outcome: &Outcome) -> (u64, Value) {
    let answer = outcome.result.as_ref().unwrap();
    let body = answer["body"].as_str().unwrap_or_default();
    let body = serde_json::from_str(body).unwrap_or_default();
    (answer["statusCode"].as_u64().unwrap_or_default(), body)
}
