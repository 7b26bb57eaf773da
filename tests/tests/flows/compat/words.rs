//! The closed sets of words that stand in requests, answers and items.

use std::collections::{BTreeMap, BTreeSet};
use wire::audit::Action;
use wire::{
    AgentStatus, Cause, DeploymentStatus, Directive, JobStatus, Priority, Role, SigningAlgorithm,
};

/// Words by the name of their set.
pub(super) type Words = BTreeMap<String, BTreeSet<String>>;

/// All that this version knows.
pub(super) fn known() -> Words {
    fn texts<T: ToString>(words: &[T]) -> BTreeSet<String> {
        words.iter().map(ToString::to_string).collect()
    }
    let sets = [
        ("agent status", texts(AgentStatus::ALL)),
        ("audit action", texts(Action::ALL)),
        ("cause", texts(Cause::ALL)),
        ("deployment status", texts(DeploymentStatus::ALL)),
        ("directive", texts(Directive::ALL)),
        ("job status", texts(JobStatus::ALL)),
        ("priority", texts(Priority::ALL)),
        ("role", texts(Role::ALL)),
        ("scope", texts(auth::Scope::ALL)),
        ("signing algorithm", texts(SigningAlgorithm::ALL)),
    ];
    sets.map(|(name, words)| (name.to_owned(), words)).into()
}

/// Words that were known and are not any more, though items, requests and tokens still have them.
pub(super) fn forgotten(before: &Words) -> Vec<String> {
    let today = known();
    let mut found = Vec::new();
    for (set, words) in before {
        let kept = today.get(set);
        let gone = words
            .iter()
            .filter(|word| !kept.is_some_and(|kept| kept.contains(*word)));
        found.extend(gone.map(|word| format!("{set} {word}")));
    }
    found
}
