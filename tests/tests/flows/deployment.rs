//! What the control plane needs of AWS: its tables, and of each function the routes, the environment and the very
//! permissions. All of it is derived from the code, kept in `terraform/plane.json`, and compared with the templates.

mod altered;
mod description;
mod drive;
mod functions;
mod operations;
mod template;
mod terraform;

use crate::harness::project_root;
use functions::Functions;

/// The description as it is kept.
const FILE: &str = "terraform/plane.json";

#[tokio::test]
async fn the_description_of_the_plane_is_what_the_code_does() {
    let functions = Functions::start().await;
    drive::everything(&functions).await;
    // What was not done was not recorded.
    let described = description::routes(&functions);
    let left: Vec<_> = described.difference(&functions.called()).cloned().collect();
    assert!(left.is_empty(), "routes that were not called: {left:?}");
    let left = operations::not_performed(&functions);
    assert!(
        left.is_empty(),
        "operations that no function performed: {left:?}"
    );

    let described = description::of(&functions);
    let generated = serde_json::to_string_pretty(&described).unwrap() + "\n";
    let path = project_root().join(FILE);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, generated).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == generated,
        "{FILE} is not what the code does; `cargo xtask openapi` writes it anew"
    );
}

#[test]
fn the_sam_template_describes_the_same_plane() {
    let faults = template::faults(&template::read());
    let faults: Vec<_> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn whatever_is_otherwise_in_the_sam_template_is_named() {
    let template = template::read();
    let before = template::faults(&template);
    for altered::Alteration {
        place,
        value,
        fault,
    } in altered::all()
    {
        let mut altered = template.clone();
        let there = altered.pointer_mut(&place);
        let there = there.unwrap_or_else(|| panic!("the template has no {place}"));
        assert_ne!(*there, value, "{place}");
        *there = value;
        let faults = template::faults(&altered);
        let new: Vec<_> = faults.difference(&before).collect();
        let is_named = new.iter().any(|said| said.contains(fault));
        assert!(is_named, "{place}: {fault} is not among {new:?}");
    }
}

#[test]
fn terraform_reads_what_it_makes_and_says_nothing_of_it_itself() {
    assert_eq!(terraform::own_descriptions(), Vec::<String>::new());
    let files = [
        "plane.json",
        "alarms.json",
        "throttles.json",
        "access-log.json",
    ];
    for file in files {
        assert!(terraform::reads(file), "no module reads {file}");
    }
}
