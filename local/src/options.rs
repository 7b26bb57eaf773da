//! The command line.

use clap::Parser;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use wire::{JobType, PoolName};

/// Runs the Hybrid CI/CD control plane on this machine, with an agent, and one job for the commit you are at.
#[derive(Debug, Clone, Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
#[command(name = "hybrid-local", version)]
pub struct Options {
    /// The port to listen on, on 127.0.0.1 only; 0 takes a free one.
    #[arg(long, default_value_t = 8642)]
    pub port: u16,

    /// The directory of the database, credentials, and the agent's work and logs.
    #[arg(long, default_value = ".hybrid-ci", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Keep the database in memory: nothing of it is left at the end.
    #[arg(long)]
    pub memory: bool,

    /// Start no agent.
    #[arg(long)]
    pub no_agent: bool,

    /// How many jobs the agent runs at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100), conflicts_with = "no_agent")]
    pub jobs: u32,

    /// An SQS of your own for the relay's queue, such as moto's at http://127.0.0.1:5000; `none` for a queue in this process.
    /// Default: a moto that is started for it where `moto_server` is installed, else a queue in this process.
    #[arg(long, value_name = "URL")]
    pub sqs: Option<Sqs>,

    /// The pool of the agent and of the job.
    #[arg(long, default_value = "default")]
    pub pool: PoolName,

    /// Submit no job, only serve.
    #[arg(long, conflicts_with_all = ["once", "job_type", "repository"])]
    pub serve: bool,

    /// End when the job has ended, with its exit code.
    #[arg(long)]
    pub once: bool,

    /// Which job of `.hybrid-ci.yml` to submit. Default: `build`, or the first.
    #[arg(long, value_name = "NAME")]
    pub job_type: Option<JobType>,

    /// The git repository whose HEAD the job is for. Default: the one around the current directory.
    #[arg(long, value_name = "DIR")]
    pub repository: Option<PathBuf>,
}

/// Where the relay's queue is to be.
#[derive(Debug, Clone)]
pub enum Sqs {
    /// At an SQS that answers there.
    At(String),
    /// In this process.
    None,
}

impl FromStr for Sqs {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" => Self::None,
            url => Self::At(url.to_owned()),
        })
    }
}
