//! Tools that are crates.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::{Tools, Version, on_path, version_of};
use crate::process::Process;

/// The slowest of these takes about five minutes to build on two cores.
const BUILD_TIMEOUT: Duration = Duration::from_mins(20);

/// A crate with a binary of the same name.
#[derive(Debug)]
pub(crate) struct CargoTool {
    name: &'static str,
    /// The version that is installed.
    version: &'static str,
    /// The oldest version on the `PATH` that will do.
    oldest: Version,
    /// What makes the binary answer its version.
    version_arguments: &'static [&'static str],
}

/// Runs the tests: a process each, with time-outs and one summary.
pub(crate) const CARGO_NEXTEST: CargoTool = CargoTool {
    name: "cargo-nextest",
    version: "0.9.143",
    oldest: Version(0, 9, 100),
    version_arguments: &["--version"],
};

/// Finds dependencies that nothing uses.
pub(crate) const CARGO_MACHETE: CargoTool = CargoTool {
    name: "cargo-machete",
    version: "0.9.2",
    oldest: Version(0, 9, 0),
    version_arguments: &["--version"],
};

/// Checks licences and sources of dependencies.
pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    oldest: Version(0, 18, 0),
    version_arguments: &["--version"],
};

impl CargoTool {
    /// The tool's binary, if it is under `target/tools` or on the `PATH`.
    pub(crate) fn find(&self, tools: &Tools) -> Option<PathBuf> {
        let suits = |candidate: &Path| {
            version_of(candidate, self.version_arguments)
                .is_some_and(|version| version >= self.oldest)
        };
        let installed = self.installed(tools);
        if installed.is_file() && suits(&installed) {
            return Some(installed);
        }
        on_path(self.name).filter(|candidate| suits(candidate))
    }

    /// The tool's binary, built if it is not there yet.
    ///
    /// # Errors
    ///
    /// If it cannot be built.
    pub(crate) fn find_or_install(&self, tools: &Tools) -> Result<PathBuf> {
        if let Some(found) = self.find(tools) {
            return Ok(found);
        }
        eprintln!(
            "xtask: building {} {} (once, some minutes)",
            self.name, self.version
        );
        Process::new("cargo", BUILD_TIMEOUT)
            .args([
                "install",
                self.name,
                "--version",
                self.version,
                "--locked",
                "--force",
                "--root",
            ])
            .args([&tools.directory])
            .run_logged(&tools.log(self.name))?;
        Ok(self.installed(tools))
    }

    fn installed(&self, tools: &Tools) -> PathBuf {
        tools
            .path("bin")
            .join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX))
    }
}
