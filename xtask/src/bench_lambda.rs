//! `cargo xtask bench-lambda`: the functions as the binaries that Lambda runs, measured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::document::write_part;
use crate::process::Process;
use crate::project_root;
use crate::table::table;

/// Long enough to build everything for release on two cores.
const TIMEOUT: Duration = Duration::from_hours(1);

/// The packages of the functions.
const PACKAGES: [&str; 7] = [
    "queue",
    "agents",
    "dashboard",
    "auth-function",
    "relays",
    "orchestrator",
    "maintenance",
];

/// The functions, in the order of the table.
const FUNCTIONS: [&str; 7] = [
    "queue",
    "agents",
    "dashboard",
    "auth",
    "relays",
    "orchestrator",
    "maintenance",
];

/// The part of the documentation that has the table.
const PART: &str = "cargo xtask bench-lambda";

const MB: f64 = 1e6;

/// A row of the table: what it is, where it stands, how it is shown, and what it should be at most.
struct Row {
    name: &'static str,
    place: &'static [&'static str],
    show: fn(f64) -> String,
    goal: Option<f64>,
}

const ROWS: [Row; 16] = [
    row(
        "size of the binary",
        &["size_bytes"],
        megabytes,
        Some(12.0 * MB),
    ),
    row(
        "start to first answer, p50",
        &["first_answer_ms", "p50"],
        milliseconds,
        Some(10.0),
    ),
    row("p95", &["first_answer_ms", "p95"], milliseconds, None),
    row("p99", &["first_answer_ms", "p99"], milliseconds, None),
    row(
        "of which the processor works",
        &["first_answer_processor_ms"],
        milliseconds,
        None,
    ),
    row(
        "start to first answer with DynamoDB, p50",
        &["first_dynamodb_answer_ms", "p50"],
        milliseconds,
        Some(30.0),
    ),
    row(
        "p95",
        &["first_dynamodb_answer_ms", "p95"],
        milliseconds,
        None,
    ),
    row(
        "p99",
        &["first_dynamodb_answer_ms", "p99"],
        milliseconds,
        None,
    ),
    row(
        "of which the processor works",
        &["first_dynamodb_answer_processor_ms"],
        milliseconds,
        None,
    ),
    row("warm answer, p50", &["warm_ms", "p50"], milliseconds, None),
    row("p95", &["warm_ms", "p95"], milliseconds, None),
    row("p99", &["warm_ms", "p99"], milliseconds, None),
    row(
        "of which the processor works",
        &["warm_processor_ms"],
        milliseconds,
        None,
    ),
    row(
        "resident at the start",
        &["resident_at_start_bytes"],
        megabytes,
        Some(30.0 * MB),
    ),
    row(
        "resident after 1,000 calls",
        &["resident_after_calls_bytes"],
        megabytes,
        Some(30.0 * MB),
    ),
    row("log of a call", &["log_bytes_of_call"], bytes, None),
];

const fn row(
    name: &'static str,
    place: &'static [&'static str],
    show: fn(f64) -> String,
    goal: Option<f64>,
) -> Row {
    Row {
        name,
        place,
        show,
        goal,
    }
}

/// Builds the functions, runs `tests/benches/functions`, and shows what it measured.
///
/// `dev` measures debug builds, which says nothing but that everything works; `record` writes what was measured to the
/// documentation.
///
/// # Errors
///
/// If it does not build, or a function does not answer.
pub(crate) fn run(dev: bool, record: bool) -> Result<()> {
    let root = project_root();
    let mut build = Process::new("cargo", TIMEOUT).args(["build", "--quiet"]);
    for package in PACKAGES {
        build = build.args(["--package", package]);
    }
    let profile: &[&str] = if dev { &[] } else { &["--release"] };
    build.args(profile).current_dir(&root).run()?;
    Process::new("cargo", TIMEOUT)
        .args([if dev { "test" } else { "bench" }])
        .args(["--quiet", "--package", "flows", "--bench", "functions"])
        .current_dir(&root)
        .run()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let measured = target.join("bench-lambda.json");
    print!("{}", of_file(&measured)?);
    println!("Written to {}", measured.display());
    if record {
        let docs = root.join("docs");
        let kept = docs.join("bench-lambda.json");
        std::fs::copy(&measured, &kept)
            .with_context(|| format!("cannot write {}", kept.display()))?;
        write_part(&docs.join("performance.md"), PART, &of_file(&kept)?)?;
    }
    Ok(())
}

/// The table of what a run measured.
fn of_file(file: &Path) -> Result<String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let measured: Value =
        serde_json::from_str(&text).with_context(|| format!("{shown} is malformed"))?;
    Ok(render(&measured))
}

fn render(measured: &Value) -> String {
    let header: Vec<&str> = std::iter::once("")
        .chain(FUNCTIONS)
        .chain(["goal", "which is"])
        .collect();
    let rows: Vec<Vec<String>> = ROWS
        .iter()
        .map(|row| {
            let values = FUNCTIONS.map(|function| {
                let own = &measured["functions"][function];
                let found = row.place.iter().fold(own, |value, name| &value[*name]);
                found.as_f64()
            });
            let shown = values.map(|value| value.map_or_else(|| "—".to_owned(), row.show));
            let goal = row.goal.map(|goal| {
                let met = values.iter().flatten().all(|value| *value <= goal);
                [
                    (row.show)(goal),
                    if met { "met" } else { "missed" }.to_owned(),
                ]
            });
            std::iter::once(row.name.to_owned())
                .chain(shown)
                .chain(goal.unwrap_or_default())
                .collect()
        })
        .collect();
    table(&header, &rows)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / MB)
}

fn milliseconds(time: f64) -> String {
    format!("{time:.1} ms")
}

fn bytes(size: f64) -> String {
    format!("{size:.0} B")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::document::expect_part;
    use serde_json::json;

    #[test]
    fn the_documentation_has_what_was_measured_of_the_functions() {
        let docs = project_root().join("docs");
        let kept = docs.join("bench-lambda.json");
        expect_part(&docs.join("performance.md"), PART, &of_file(&kept).unwrap());
        let text = std::fs::read_to_string(kept).unwrap();
        let measured: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(measured["profile"], "release");
    }

    #[test]
    fn a_goal_that_one_function_misses_is_missed() {
        let of_size = |bytes: u64| json!({ "size_bytes": bytes });
        let small = json!({ "functions": { "queue": of_size(12_000_000) } });
        let large = json!({ "functions": { "queue": of_size(1), "auth": of_size(12_100_000) } });
        let size = |measured: &Value| render(measured).lines().nth(2).unwrap().to_owned();
        assert!(size(&small).contains(" met |"), "{}", size(&small));
        assert!(size(&large).contains(" missed |"), "{}", size(&large));
    }
}
