//! Routing rules: which of them is for an event, and why the others are not. Pure, so that a dry run and the real thing are the
//! same code.

mod check;
mod matching;

pub use check::{MAX_DEPTH, MAX_NODES, check};

use matching::first_mismatch;
use wire::relay::{EventMetadata, RoutingAction, RoutingDocument, RoutingRule};

/// The rule that is for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched<'a> {
    /// Its place among the rules of the event's tool, from 0.
    pub rule: usize,
    /// What it says is done.
    pub action: &'a RoutingAction,
}

/// What a dry run says of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// Its condition holds, and no rule before it is for the event.
    Matched,
    /// Its condition holds, but a rule before it is for the event.
    NotReached,
    /// Its condition does not hold: the first part of it that does not, as a pointer into the rule, and why.
    Mismatched {
        /// RFC 6901 pointer into the rule, such as `/when/all/0/branch`.
        pointer: String,
        /// What was wanted, and what the event has.
        reason: String,
    },
}

/// The first rule of the event's tool whose condition holds. Costs one look at each part of each rule.
pub fn decide<'a>(document: &'a RoutingDocument, event: &EventMetadata) -> Option<Matched<'a>> {
    let rules = rules_of(document, event).iter().enumerate();
    let mut matching = rules.filter(|(_, rule)| first_mismatch(&rule.when, event).is_none());
    matching.next().map(|(rule, found)| Matched {
        rule,
        action: &found.then,
    })
}

/// What becomes of each rule of the event's tool, in order.
pub fn explain(document: &RoutingDocument, event: &EventMetadata) -> Vec<Explanation> {
    let mut is_decided = false;
    let rules = rules_of(document, event).iter();
    rules
        .map(|rule| match first_mismatch(&rule.when, event) {
            Some(mismatch) => Explanation::Mismatched {
                pointer: format!("/when{}", mismatch.pointer),
                reason: mismatch.reason,
            },
            None if is_decided => Explanation::NotReached,
            None => {
                is_decided = true;
                Explanation::Matched
            }
        })
        .collect()
}

fn rules_of<'a>(document: &'a RoutingDocument, event: &EventMetadata) -> &'a [RoutingRule] {
    document.tools.get(&event.tool).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
