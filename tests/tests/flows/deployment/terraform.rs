//! What Terraform's modules say themselves, as text. That what they plan is the plane of the description is tested by
//! `terraform test`; here, without Terraform, that they have no description of their own which could differ from it.

use crate::harness::project_root;
use std::fs;
use std::path::Path;

/// What stands in the description alone: actions, variables of tables, routes.
const OF_THE_DESCRIPTION: [&str; 7] = [
    "\"dynamodb:",
    "DYNAMODB_TABLE_",
    "\"GET /",
    "\"POST /",
    "\"PUT /",
    "\"PATCH /",
    "\"DELETE /",
];

/// Where a module has something that only the description is to have.
pub(super) fn own_descriptions() -> Vec<String> {
    let mut found = Vec::new();
    collect(&project_root().join("terraform"), &mut |path, text| {
        let said = OF_THE_DESCRIPTION
            .iter()
            .filter(|said| text.contains(**said));
        found.extend(said.map(|said| format!("{} has {said}", path.display())));
    });
    found
}

/// Whether the module of the plane reads a file that lies beside the modules.
pub(super) fn reads(name: &str) -> bool {
    let read = format!("jsondecode(file(\"${{path.module}}/../../{name}\"))");
    let mut reads = false;
    collect(
        &project_root().join("terraform/modules/plane"),
        &mut |_, text| {
            reads |= text.contains(&read);
        },
    );
    reads
}

/// The memory in MB and the time-out in seconds of the functions with that trigger.
pub(super) fn size(trigger: &str) -> (u64, u64) {
    let main = project_root().join("terraform/modules/plane/main.tf");
    let main = fs::read_to_string(main).unwrap();
    let begin = format!("{trigger} = {{ memory_mb = ");
    let (_, rest) = main.split_once(&begin).unwrap();
    let (memory, rest) = rest.split_once(", timeout_seconds = ").unwrap();
    let (timeout, _) = rest.split_once(' ').unwrap();
    (memory.parse().unwrap(), timeout.parse().unwrap())
}

/// Every file of a module or an environment, but for those of tests and of what Terraform has downloaded.
fn collect(directory: &Path, found: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" && !name.starts_with('.') {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "tf") {
            found(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
