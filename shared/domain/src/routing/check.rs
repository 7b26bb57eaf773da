//! Whether a document of routing rules can be used: everything that is wrong with it, and where.

use wire::Fault;
use wire::relay::{MAX_RULES, MAX_TOOLS, Pattern, RoutingCondition, RoutingDocument};

/// How deep conditions may stand in each other.
pub const MAX_DEPTH: usize = 5;
/// How many conditions a rule may have, itself and all inside it.
pub const MAX_NODES: usize = 64;
/// How many groups of alternatives a pattern may have.
const MAX_BRACES: usize = 8;

/// Everything that is wrong with a document.
pub fn check(document: &RoutingDocument) -> Vec<Fault> {
    let mut faults = Vec::new();
    if document.tools.len() > MAX_TOOLS {
        fault(&mut faults, "/tools", format!("at most {MAX_TOOLS} tools"));
    }
    for (tool, rules) in &document.tools {
        let pointer = format!("/tools/{tool}");
        if rules.len() > MAX_RULES {
            fault(&mut faults, &pointer, format!("at most {MAX_RULES} rules"));
        }
        for (place, rule) in rules.iter().enumerate().take(MAX_RULES) {
            let pointer = format!("{pointer}/{place}/when");
            let mut nodes = 0;
            check_condition(&rule.when, (&pointer, 1), &mut nodes, &mut faults);
            if nodes > MAX_NODES {
                let detail = format!("at most {MAX_NODES} conditions in a rule, not {nodes}");
                fault(&mut faults, &pointer, detail);
            }
        }
    }
    faults
}

fn check_condition(
    when: &RoutingCondition,
    (pointer, depth): (&str, usize),
    nodes: &mut usize,
    faults: &mut Vec<Fault>,
) {
    *nodes += 1;
    if depth > MAX_DEPTH {
        let detail = format!("conditions may stand in each other {MAX_DEPTH} deep");
        fault(faults, pointer, detail);
        return;
    }
    for (name, pattern) in patterns_of(when) {
        if let Some(detail) = pattern.and_then(fault_of_pattern) {
            fault(faults, &format!("{pointer}/{name}"), detail);
        }
    }
    let mut inside = |pointer: String, condition: &RoutingCondition| {
        check_condition(condition, (&pointer, depth + 1), nodes, faults);
    };
    for (place, condition) in when.all.iter().enumerate() {
        inside(format!("{pointer}/all/{place}"), condition);
    }
    for (place, condition) in when.any.iter().flatten().enumerate() {
        inside(format!("{pointer}/any/{place}"), condition);
    }
    if let Some(condition) = &when.not {
        inside(format!("{pointer}/not"), condition);
    }
    if when.any.as_ref().is_some_and(Vec::is_empty) {
        let detail = "an empty list never holds; leave it out".to_owned();
        fault(faults, &format!("{pointer}/any"), detail);
    }
}

fn patterns_of(when: &RoutingCondition) -> [(&'static str, Option<&Pattern>); 9] {
    [
        ("action", when.action.as_ref()),
        ("repository", when.repository.as_ref()),
        ("branch", when.branch.as_ref()),
        ("tag", when.tag.as_ref()),
        ("author", when.author.as_ref()),
        ("status", when.status.as_ref()),
        ("severity", when.severity.as_ref()),
        ("environment", when.environment.as_ref()),
        ("path_class", when.path_class.as_ref()),
    ]
}

/// The matcher takes every text for a pattern; one that is cut short would silently match nothing.
fn fault_of_pattern(pattern: &Pattern) -> Option<String> {
    let text = pattern.as_str();
    if text.starts_with('!') {
        return Some("begins with `!`; use `not`".to_owned());
    }
    if text.contains('\\') {
        return Some("has a backslash, which nothing here needs".to_owned());
    }
    let (mut in_class, mut open, mut groups) = (false, 0_usize, 0);
    for character in text.chars() {
        match character {
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            '{' if open > 0 => return Some("has `{` inside `{}`".to_owned()),
            '{' => {
                open += 1;
                groups += 1;
            }
            '}' if open == 0 => return Some("has a `}` without `{`".to_owned()),
            '}' => open -= 1,
            _ => {}
        }
    }
    if in_class {
        return Some("has a `[` without `]`".to_owned());
    }
    if open > 0 {
        return Some("has a `{` without `}`".to_owned());
    }
    (groups > MAX_BRACES).then(|| format!("has more than {MAX_BRACES} groups in braces"))
}

fn fault(faults: &mut Vec<Fault>, pointer: &str, detail: String) {
    faults.push(Fault {
        pointer: pointer.to_owned(),
        detail,
    });
}
