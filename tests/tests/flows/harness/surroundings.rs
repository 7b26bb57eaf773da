//! Where the tests find things. `cargo xtask test` says so; `CONTRIBUTING.md` lists the variables.

use std::env;
use std::path::{Path, PathBuf};

/// The project's directory.
pub(crate) fn project_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A binary of the workspace: where the surroundings say, or else beside this test's own directory.
pub(crate) fn binary(name: &str) -> PathBuf {
    let directory = env::var_os("HYBRID_TEST_BIN_DIR").map_or_else(
        || {
            let deps = env::current_exe().unwrap();
            deps.ancestors().nth(2).unwrap().to_owned()
        },
        PathBuf::from,
    );
    let path = directory.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "there is no {}: `cargo build --workspace --bins` builds it, `cargo xtask test` does by itself",
        path.display()
    );
    path
}

/// The address of a DynamoDB Local, unless the test is to be skipped.
pub(crate) fn dynamodb_local() -> Option<String> {
    variable("HYBRID_TEST_DYNAMODB_LOCAL", "there is no DynamoDB Local")
}

/// cargo-lambda, unless the test is to be skipped.
pub(crate) fn cargo_lambda() -> Option<PathBuf> {
    variable("HYBRID_TEST_CARGO_LAMBDA", "there is no cargo-lambda").map(PathBuf::from)
}

/// The address of a moto, unless the test is to be skipped.
pub(crate) fn moto() -> Option<String> {
    variable("HYBRID_TEST_MOTO", "there is no moto")
}

fn variable(name: &str, otherwise: &str) -> Option<String> {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        println!("skipped: {otherwise} ({name} is not set)");
        let in_ci = env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "with CI=true nothing is skipped");
    }
    value
}
