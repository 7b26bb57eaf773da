//! Routing rules: what becomes of an event.

use super::event::Label;
use crate::text::{JobType, PoolName, ShortText, ToolName, check_printable, checked_text};
use crate::{EventKind, Priority};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many tools a document may have rules for.
pub const MAX_TOOLS: usize = 16;
/// How many rules a tool may have.
pub const MAX_RULES: usize = 50;

checked_text! {
    /// A glob that a whole text must match: `*` is anything but `/`, `**` anything, `?` one character but `/`, `[a-z]` one of
    /// these, `{a,b}` either. 1 to 200 printable characters.
    Pattern, |text| check_printable(text, 1, 200), { max_length = 200, example = "release/*" }
}

/// The rules of a relay, by tool. Of a tool's rules the first whose condition holds is applied; if none does, nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoutingDocument {
    /// The rules of each tool.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(inline))]
    pub tools: BTreeMap<ToolName, Vec<RoutingRule>>,
}

/// When this holds, that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoutingRule {
    /// What the rule is for, in a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ShortText>,
    /// The condition. An empty one always holds.
    #[serde(default)]
    pub when: RoutingCondition,
    /// What is done.
    pub then: RoutingAction,
}

/// A condition: it holds if each field that is there does. A field that the event does not have matches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoutingCondition {
    /// The event is of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventKind>,
    /// Its action matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Pattern>,
    /// Its repository matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Pattern>,
    /// Its branch matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Pattern>,
    /// Its tag matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Pattern>,
    /// Its author matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Pattern>,
    /// Its status matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Pattern>,
    /// Its severity matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Pattern>,
    /// Its environment matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Pattern>,
    /// One of its path classes matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_class: Option<Pattern>,
    /// All of these hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub all: Vec<RoutingCondition>,
    /// One of these holds. None does if the list is there and empty, so an empty list is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub any: Option<Vec<RoutingCondition>>,
    /// This does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub not: Option<Box<RoutingCondition>>,
}

/// What becomes of an event that a rule's condition holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "action",
    rename_all = "SCREAMING_SNAKE_CASE",
    deny_unknown_fields
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RoutingAction {
    /// A job is put in line, for the event's repository and commit.
    EnqueueJob {
        /// Which job of `.hybrid-ci.yml` to run.
        job_type: JobType,
        /// The pool whose agents may run it.
        pool_name: PoolName,
        /// How urgent it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
    },
    /// Somebody is to know: a decision is sent to the customer's decision queue.
    Notify {
        /// Who, in the customer's own word.
        target: Label,
    },
    /// Something is to be done on the customer's side: a decision is sent to the customer's decision queue.
    Decide {
        /// What, in the customer's own word.
        target: Label,
    },
    /// Nothing, on purpose: no later rule is looked at.
    Ignore {},
}
