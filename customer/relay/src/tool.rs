//! What a tool's webhooks are: how they are signed, which events they say, and which leaves of them are which fields of the
//! metadata contract. Each tool is one file of `tools/`; adding a tool is adding a file.

mod file;
mod mapping;
mod raw;
mod set;
mod shape;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use file::method_named;
pub(crate) use file::parse;
pub(crate) use mapping::{Broken, Condition, Delivery, Mapping, Source, Test};
pub use set::{ToolFault, ToolFaults, Tools};

use crate::journal::Ignored;
use crate::verify::Method;
use http::HeaderName;
use serde::Serialize;
use serde_json_path::JsonPath;
use std::collections::BTreeMap;
use wire::{EventKind, ToolName};

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// A field of the metadata contract that a tool file may give a value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Field {
            $($(#[$doc])* $name,)+
        }

        impl Field {
            /// Every field.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name, as in the contract.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub(crate) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|field| field.name() == name)
            }
        }
    };
}

fields! {
    /// What exactly happened.
    Action = "action",
    /// In which repository.
    Repository = "repository",
    /// Where it can be cloned from.
    GitRepo = "git_repo",
    /// On which branch.
    Branch = "branch",
    /// The tag that was made.
    Tag = "tag",
    /// The commit that it happened to.
    CommitSha = "commit_sha",
    /// The account of whoever caused it.
    Author = "author",
    /// The number of the pull request, build or run.
    Number = "number",
    /// How a build, run or alert stands.
    Status = "status",
    /// How grave an alert is.
    Severity = "severity",
    /// Which environment it is about.
    Environment = "environment",
}

/// A tool, as its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: ToolName,
    pub(crate) verify: Method,
    /// The header with the id of a delivery.
    pub(crate) delivery_id: Option<HeaderName>,
    /// The types that a body may be of; JSON, all of them.
    pub(crate) content_types: Vec<String>,
    /// What says which event it is.
    pub(crate) select: Source,
    /// The fields of every event.
    pub(crate) fields: BTreeMap<Field, Mapping>,
    /// Where the paths of changed files are.
    pub(crate) changed_paths: Vec<JsonPath>,
    /// The events. The first that fits is it.
    pub(crate) events: Vec<Event>,
}

/// An event of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// What the tool calls it, one of these.
    pub(crate) values: Vec<String>,
    /// What else has to hold.
    pub(crate) conditions: Vec<Condition>,
    /// The kind that it is; none if it is to be ignored.
    pub(crate) kind: Option<EventKind>,
    /// Fields of this event, instead of those of every event.
    pub(crate) fields: BTreeMap<Field, Mapping>,
    /// The fields without which it is refused.
    pub(crate) required: Vec<Field>,
}

impl Tool {
    /// The event that a delivery is, or why it is none. The first that fits is it.
    pub(crate) fn event_of(&self, delivery: &Delivery<'_>) -> Result<&Event, Ignored> {
        let value = match self.select.read(delivery) {
            Ok(Some(value)) => value,
            Ok(None) => return Err(Ignored::NoEvent),
            Err(Broken) => return Err(Ignored::Unreadable),
        };
        let mut why = Ignored::UnknownEvent;
        for event in &self.events {
            if !event.values.contains(&value) {
                continue;
            }
            match event.holds_for(delivery) {
                Ok(true) => return Ok(event),
                // What could not be read is the better reason: it may be what the event was missed by.
                Ok(false) if why == Ignored::UnknownEvent => why = Ignored::ConditionsUnmet,
                Ok(false) => {}
                Err(Broken) => why = Ignored::Unreadable,
            }
        }
        Err(why)
    }
}

impl Event {
    fn holds_for(&self, delivery: &Delivery<'_>) -> Result<bool, Broken> {
        for condition in &self.conditions {
            if !condition.holds_for(delivery)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How each field is found: the event's own way, or the tool's.
    pub(crate) fn mapping<'a>(&'a self, tool: &'a Tool, field: Field) -> Option<&'a Mapping> {
        self.fields.get(&field).or_else(|| tool.fields.get(&field))
    }
}
