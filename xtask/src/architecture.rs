//! The import table of `ARCHITECTURE.md` holds, and the map names every crate and every top-level entry.

use std::collections::{BTreeMap, BTreeSet};

/// Crates that do I/O, or only make sense for a program that does. A trailing `*` stands for any ending.
const IO_CRATES: [&str; 13] = [
    "aws*",
    "axum*",
    "dynoxide*",
    "getrandom",
    "http-body*",
    "hyper*",
    "lambda_*",
    "mio",
    "reqwest",
    "rusqlite",
    "socket2",
    "tokio*",
    "tower*",
];

/// A row of the table `crate | path | meaning | may import`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    path: String,
    may_import: BTreeSet<String>,
}

/// The crates of a build, with what each needs to be built and run (not to be tested).
#[derive(Debug, Clone, Default)]
struct Graph {
    /// Crates of the workspace, and their directories.
    members: BTreeMap<String, String>,
    /// Every crate and what it depends on directly, crates from elsewhere included.
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn direct(&self, name: &str) -> impl Iterator<Item = &String> {
        self.imports.get(name).into_iter().flatten()
    }

    /// Everything that `from` depends on, directly or not.
    fn reach(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.direct(from).map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                open.extend(self.direct(name).map(String::as_str));
            }
        }
        reached
    }
}

/// The rows of the Markdown table whose head starts with `head`, cell by cell, without code marks.
fn table<'a>(document: &'a str, head: &[&str]) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| -> Option<Vec<&'a str>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(str::trim).collect())
    };
    let mut lines = document.lines();
    for line in lines.by_ref() {
        if cells(line).is_some_and(|found| found == head) {
            break;
        }
    }
    // The line after the head is the rule under it.
    lines.skip(1).map_while(cells).collect()
}

/// What stands between back-ticks in a cell.
fn code_spans(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn import_table(document: &str) -> BTreeMap<String, Row> {
    table(document, &["crate", "path", "meaning", "may import"])
        .iter()
        .filter_map(|cells| {
            let name = code_spans(cells.first()?).pop()?;
            let path = code_spans(cells.get(1)?).pop()?;
            let may_import = code_spans(cells.get(3)?).into_iter().collect();
            Some((name, Row { path, may_import }))
        })
        .collect()
}

/// Everything about `graph` that `allowed` or a rule of the architecture forbids, one sentence each.
fn violations(graph: &Graph, allowed: &BTreeMap<String, Row>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, path) in &graph.members {
        let Some(row) = allowed.get(name) else {
            found.push(format!("{name} is not in the import table"));
            continue;
        };
        if &row.path != path {
            found.push(format!(
                "{name} is in {path}, the import table says {}",
                row.path
            ));
        }
        for import in graph
            .direct(name)
            .filter(|import| graph.members.contains_key(*import))
        {
            if !row.may_import.contains(import) {
                found.push(format!(
                    "{name} imports {import}, which the import table does not allow"
                ));
            }
        }
        found.extend(forbidden_reach(graph, name, path));
    }
    for name in allowed
        .keys()
        .filter(|name| !graph.members.contains_key(*name))
    {
        found.push(format!(
            "{name} is in the import table but not in the workspace"
        ));
    }
    found
}

/// Rules about what a crate may not reach by any way, whatever the table says.
fn forbidden_reach(graph: &Graph, name: &str, path: &str) -> Vec<String> {
    let forbidden: &[&str] = if path.starts_with("customer/") {
        &["store", "domain"]
    } else if path.starts_with("functions/") {
        &["hybrid-local", "embedded-dynamodb"]
    } else if name == "domain" {
        &IO_CRATES
    } else {
        &[]
    };
    let is_forbidden = |reached: &str| {
        forbidden
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => reached.starts_with(start),
                None => reached == *pattern,
            })
    };
    graph
        .reach(name)
        .into_iter()
        .filter(|reached| is_forbidden(reached))
        .map(|reached| format!("{name} reaches {reached}"))
        .collect()
}

/// Top-level entries of the project that the map does not name.
fn unnamed_entries(document: &str, files: &[String]) -> BTreeSet<String> {
    let rows = table(document, &["top level", "what lives there"]);
    let named: BTreeSet<String> = rows
        .iter()
        .flat_map(|cells| code_spans(cells.first().copied().unwrap_or_default()))
        .map(|name| name.trim_end_matches('/').to_owned())
        .collect();
    let entries = files
        .iter()
        .filter_map(|file| file.split('/').next())
        .map(str::to_owned);
    entries.filter(|entry| !named.contains(entry)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use serde_json::Value;

    use super::*;
    use crate::project_root;
    use crate::tree::project_files;

    fn architecture() -> String {
        std::fs::read_to_string(project_root().join("ARCHITECTURE.md")).unwrap()
    }

    /// The workspace's graph as Cargo resolves it: normal and build dependencies, without those of tests.
    fn workspace_graph() -> Graph {
        let answer = std::process::Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(project_root())
            .output()
            .unwrap();
        assert!(
            answer.status.success(),
            "{}",
            String::from_utf8_lossy(&answer.stderr)
        );
        graph_of(&serde_json::from_slice(&answer.stdout).unwrap())
    }

    fn graph_of(metadata: &Value) -> Graph {
        let root = metadata["workspace_root"].as_str().unwrap();
        let names: BTreeMap<&str, &str> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| {
                (
                    package["id"].as_str().unwrap(),
                    package["name"].as_str().unwrap(),
                )
            })
            .collect();
        let members = metadata["workspace_members"].as_array().unwrap();
        let mut graph = Graph::default();
        for package in metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|p| members.contains(&p["id"]))
        {
            let manifest = package["manifest_path"].as_str().unwrap();
            let directory = manifest
                .strip_prefix(root)
                .unwrap()
                .strip_suffix("/Cargo.toml")
                .unwrap();
            let name = package["name"].as_str().unwrap();
            graph.members.insert(
                name.to_owned(),
                directory.trim_start_matches('/').to_owned(),
            );
        }
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let imports = graph
                .imports
                .entry(names[node["id"].as_str().unwrap()].to_owned())
                .or_default();
            for dependency in node["deps"].as_array().unwrap() {
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                if kinds.iter().any(|kind| kind["kind"] != "dev") {
                    imports.insert(names[dependency["pkg"].as_str().unwrap()].to_owned());
                }
            }
        }
        graph
    }

    #[test]
    fn the_workspace_keeps_to_the_import_table() {
        let graph = workspace_graph();
        assert!(
            graph.reach("store").contains("aws-sdk-dynamodb"),
            "crates from elsewhere are in the graph"
        );
        let found = violations(&graph, &import_table(&architecture()));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn the_map_names_every_top_level_entry() {
        let unnamed = unnamed_entries(&architecture(), &project_files());
        assert!(
            unnamed.is_empty(),
            "add to the table \"top level\" in ARCHITECTURE.md: {unnamed:?}"
        );
    }

    const TABLE: &str = "
Some prose, and another table:

| crate | path |
|---|---|
| `not` | `this` |

| crate | path | meaning | may import |
|---|---|---|---|
| `wire` | `shared/wire` | what is said | — |
| `domain` | `shared/domain` | rules | `wire` |
| `store` | `shared/store` | keeps | `domain`, `wire` |
| `queue` | `functions/queue` | a function | `store`, `hybrid-local` |
| `hybrid-agent` | `customer/agent` | the agent | `wire`, `helper` |
| `helper` | `shared/helper` | a way around | `store` |
| `hybrid-local` | `local` | all in one | `store` |

| `after` | `the` | table | `wire` |
";

    /// A workspace that keeps to [`TABLE`] and breaks no rule, with `extra` imports.
    fn graph_with(extra: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (name, row) in import_table(TABLE) {
            graph.members.insert(name, row.path);
        }
        let good = [
            ("domain", "wire"),
            ("store", "domain"),
            ("store", "tokio"),
            ("wire", "serde"),
            ("queue", "store"),
        ];
        for (from, to) in good.iter().chain(extra) {
            graph
                .imports
                .entry((*from).to_owned())
                .or_default()
                .insert((*to).to_owned());
        }
        graph
    }

    fn violations_with(extra: &[(&str, &str)]) -> Vec<String> {
        violations(&graph_with(extra), &import_table(TABLE))
    }

    #[test]
    fn the_table_is_read_from_the_document() {
        let rows = import_table(TABLE);
        assert_eq!(rows.len(), 7);
        assert!(rows["wire"].may_import.is_empty());
        assert_eq!(rows["store"].path, "shared/store");
        assert_eq!(
            rows["store"].may_import,
            ["domain", "wire"].map(str::to_owned).into()
        );
    }

    #[test]
    fn a_workspace_that_keeps_to_the_table_has_no_violations() {
        assert_eq!(violations_with(&[]), Vec::<String>::new());
    }

    #[test]
    fn an_import_that_the_table_does_not_allow_is_found() {
        let expected = ["domain imports store, which the import table does not allow"];
        assert_eq!(
            violations_with(&[("domain", "store")])
                .first()
                .map(String::as_str),
            Some(expected[0])
        );
        let expected = ["wire imports domain, which the import table does not allow"];
        assert_eq!(violations_with(&[("wire", "domain")]), expected);
    }

    #[test]
    fn a_crate_missing_from_the_table_is_found() {
        let mut graph = graph_with(&[]);
        graph
            .members
            .insert("stranger".to_owned(), "shared/stranger".to_owned());
        assert_eq!(
            violations(&graph, &import_table(TABLE)),
            ["stranger is not in the import table"]
        );
    }

    #[test]
    fn a_crate_in_another_place_than_the_table_says_is_found() {
        let mut graph = graph_with(&[]);
        graph
            .members
            .insert("wire".to_owned(), "shared/cable".to_owned());
        assert_eq!(
            violations(&graph, &import_table(TABLE)),
            ["wire is in shared/cable, the import table says shared/wire"]
        );
    }

    #[test]
    fn a_row_of_a_crate_that_is_gone_is_found() {
        let mut graph = graph_with(&[]);
        graph.members.remove("helper");
        assert_eq!(
            violations(&graph, &import_table(TABLE)),
            ["helper is in the import table but not in the workspace"]
        );
    }

    #[test]
    fn a_customer_program_that_reaches_the_store_by_a_detour_is_found() {
        assert_eq!(
            violations_with(&[("hybrid-agent", "helper"), ("helper", "store")]),
            ["hybrid-agent reaches domain", "hybrid-agent reaches store"]
        );
    }

    #[test]
    fn a_function_that_reaches_local_is_found_even_if_the_table_allows_it() {
        assert_eq!(
            violations_with(&[("queue", "hybrid-local")]),
            ["queue reaches hybrid-local"]
        );
    }

    #[test]
    fn a_domain_that_reaches_an_io_crate_is_found() {
        assert_eq!(
            violations_with(&[("domain", "tokio")]),
            ["domain reaches tokio"]
        );
        assert_eq!(
            violations_with(&[("serde", "aws-config")]),
            ["domain reaches aws-config"]
        );
    }

    #[test]
    fn a_top_level_entry_missing_from_the_map_is_found() {
        let document =
            "| top level | what lives there |\n|---|---|\n| `shared/`, `Cargo.toml` | a |\n";
        let files = ["shared/a/b.rs", "Cargo.toml", "STATUS.md", "new/file"].map(str::to_owned);
        assert_eq!(
            unnamed_entries(document, &files),
            ["STATUS.md", "new"].map(str::to_owned).into()
        );
    }

    #[test]
    fn dependencies_of_tests_are_no_imports() {
        let id = |name: &str| format!("path+file:///p/{name}#0.1.0");
        let package = |name: &str| serde_json::json!({"id": id(name), "name": name, "manifest_path": format!("/p/{name}/Cargo.toml")});
        let metadata = serde_json::json!({
            "workspace_root": "/p",
            "workspace_members": [id("a"), id("b")],
            "packages": [package("a"), package("b"), package("c")],
            "resolve": {"nodes": [{"id": id("a"), "deps": [
                {"pkg": id("b"), "dep_kinds": [{"kind": "dev"}]},
                {"pkg": id("c"), "dep_kinds": [{"kind": "dev"}, {"kind": null}]},
            ]}]},
        });
        let graph = graph_of(&metadata);
        assert_eq!(graph.reach("a"), ["c"].into());
        assert_eq!(graph.members["b"], "b");
    }

    #[test]
    fn cargo_lambda_can_run_every_function_of_its_router() {
        // It starts a function with `cargo run --bin <function>`, which looks among the default members alone; then
        // `cargo run` by itself needs to be told which of their binaries is meant.
        let read = |file: &str| -> toml::Table {
            toml::from_str(&std::fs::read_to_string(project_root().join(file)).unwrap()).unwrap()
        };
        let workspace = &read("Cargo.toml")["workspace"];
        let defaults = workspace["default-members"].as_array().unwrap();
        let router = workspace["metadata"]["lambda"]["watch"]["router"]
            .as_table()
            .unwrap();
        let mut functions: BTreeSet<String> = workspace_graph().members.into_values().collect();
        functions.retain(|directory| directory.starts_with("functions/"));
        for function in &functions {
            assert!(
                defaults.contains(&function.as_str().into()),
                "{function} is not among default-members"
            );
        }
        for function in router.values() {
            let directory = format!("functions/{}", function.as_str().unwrap());
            assert!(
                functions.contains(&directory),
                "the router names {directory}"
            );
        }
        let local = read("local/Cargo.toml");
        let default_run = local["package"]
            .get("default-run")
            .and_then(toml::Value::as_str);
        assert_eq!(
            default_run,
            Some("hybrid-local"),
            "default-run in local/Cargo.toml"
        );
    }
}
