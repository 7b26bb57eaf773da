//! What flows are made of: a control plane, agents, repositories, and callers.

mod agent;
mod api;
mod browser;
mod cloud;
mod collector;
mod credentials;
mod dance;
mod database;
mod function;
mod gateway;
mod guest;
mod plane;
mod program;
mod relay;
mod repo;
mod runtime_api;
mod scripted;
mod surroundings;
mod wait;

pub(crate) use agent::Agent;
pub(crate) use api::{Answer, Api};
pub(crate) use browser::{Browser, From};
pub(crate) use cloud::Cloud;
pub(crate) use collector::Collector;
pub(crate) use credentials::Credentials;
pub(crate) use dance::{Dance, access_token};
pub(crate) use database::served;
pub(crate) use function::{Function, KEY, REGION, bare, configuration};
pub(crate) use gateway::Gateway;
pub(crate) use guest::Guest;
pub(crate) use plane::{Plane, free_port};
pub(crate) use program::{Program, is_alive};
pub(crate) use relay::{Relay, Way, github};
pub(crate) use repo::{Repo, spec, with};
pub(crate) use runtime_api::RuntimeApi;
pub(crate) use scripted::Scripted;
pub(crate) use surroundings::{binary, cargo_lambda, dynamodb_local, moto, project_root};
pub(crate) use wait::{never, until};

use std::time::Duration;

/// How long anything may take that happens at once, on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Within what time the job of an agent that fell silent is in line again: the lease of 30 s, and 5 s to find out.
pub(crate) const LOSS_FOUND: Duration = Duration::from_secs(35);

/// How long until another agent has run the job of one that fell silent.
pub(crate) const LOSS_MADE_GOOD: Duration = Duration::from_mins(1);
