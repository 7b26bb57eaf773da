//! Whether a condition holds for an event.

use wire::relay::{Branch, EventMetadata, Label, Login, Pattern, RepositoryName, RoutingCondition};

/// The first part of a condition that does not hold.
pub(super) struct Mismatch {
    /// Pointer from the condition to the part.
    pub(super) pointer: String,
    pub(super) reason: String,
}

/// The first part of the condition that does not hold, in the order of the fields.
pub(super) fn first_mismatch(when: &RoutingCondition, event: &EventMetadata) -> Option<Mismatch> {
    if let Some(kind) = when.event
        && kind != event.event
    {
        return Some(mismatch(
            "/event",
            format!("wants {kind}, not {}", event.event),
        ));
    }
    let texts = texts_of(when, event).into_iter();
    texts
        .filter_map(|(name, pattern, text)| Some((name, pattern?, text)))
        .find_map(|(name, pattern, text)| unmatched(name, pattern, text))
        .or_else(|| path_class_mismatch(when.path_class.as_ref(), &event.path_classes))
        .or_else(|| nested_mismatch(when, event))
}

/// Each field that is matched as a text: its name, what is wanted, what the event has.
fn texts_of<'a>(
    when: &'a RoutingCondition,
    event: &'a EventMetadata,
) -> [(&'static str, Option<&'a Pattern>, Option<&'a str>); 8] {
    let label = |label: &'a Option<Label>| label.as_ref().map(Label::as_str);
    let repository = event.repository.as_ref().map(RepositoryName::as_str);
    [
        ("action", when.action.as_ref(), label(&event.action)),
        ("repository", when.repository.as_ref(), repository),
        (
            "branch",
            when.branch.as_ref(),
            event.branch.as_ref().map(Branch::as_str),
        ),
        (
            "tag",
            when.tag.as_ref(),
            event.tag.as_ref().map(Branch::as_str),
        ),
        (
            "author",
            when.author.as_ref(),
            event.author.as_ref().map(Login::as_str),
        ),
        ("status", when.status.as_ref(), label(&event.status)),
        ("severity", when.severity.as_ref(), label(&event.severity)),
        (
            "environment",
            when.environment.as_ref(),
            label(&event.environment),
        ),
    ]
}

fn unmatched(name: &str, pattern: &Pattern, text: Option<&str>) -> Option<Mismatch> {
    let pointer = format!("/{name}");
    match text {
        None => Some(mismatch(
            pointer,
            format!("wants `{pattern}`, and the event has none"),
        )),
        Some(text) => (!accepts(pattern, text))
            .then(|| mismatch(pointer, format!("wants `{pattern}`, not `{text}`"))),
    }
}

fn path_class_mismatch(pattern: Option<&Pattern>, classes: &[Label]) -> Option<Mismatch> {
    let pattern = pattern?;
    if classes.iter().any(|class| accepts(pattern, class.as_str())) {
        return None;
    }
    let has: Vec<_> = classes.iter().map(Label::as_str).collect();
    let has = if has.is_empty() {
        "the event has none".to_owned()
    } else {
        format!("the event has {}", has.join(", "))
    };
    Some(mismatch(
        "/path_class",
        format!("wants `{pattern}`, and {has}"),
    ))
}

fn nested_mismatch(when: &RoutingCondition, event: &EventMetadata) -> Option<Mismatch> {
    for (place, condition) in when.all.iter().enumerate() {
        if let Some(inner) = first_mismatch(condition, event) {
            return Some(mismatch(
                format!("/all/{place}{}", inner.pointer),
                inner.reason,
            ));
        }
    }
    if let Some(any) = &when.any
        && !any
            .iter()
            .any(|condition| first_mismatch(condition, event).is_none())
    {
        return Some(mismatch("/any", format!("none of the {} holds", any.len())));
    }
    if let Some(condition) = &when.not
        && first_mismatch(condition, event).is_none()
    {
        return Some(mismatch("/not", "it holds".to_owned()));
    }
    None
}

fn accepts(pattern: &Pattern, text: &str) -> bool {
    fast_glob::glob_match(pattern.as_str(), text)
}

fn mismatch(pointer: impl Into<String>, reason: String) -> Mismatch {
    Mismatch {
        pointer: pointer.into(),
        reason,
    }
}
