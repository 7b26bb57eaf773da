//! Tools that are Python packages.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{DOWNLOAD_TIMEOUT, Tools, Version, on_path, version_of};
use crate::process::Process;

const OLDEST_PYTHON: Version = Version(3, 8, 0);

/// The file in a set's directory that says what was installed, and for which Python.
const INSTALLED: &str = "installed.txt";

/// AWS's own tools for `template.yaml`.
pub(crate) const SAM: PackageSet = PackageSet {
    name: "sam",
    requirements: include_str!("sam.txt"),
    oldest_python: Version(3, 10, 0),
};

/// Policies for what describes a deployment.
pub(crate) const CHECKOV: PackageSet = PackageSet {
    name: "checkov",
    requirements: include_str!("checkov.txt"),
    oldest_python: Version(3, 11, 0),
};

/// Linters of workflows, shell scripts, containers and Kubernetes objects.
pub(crate) const LINTERS: PackageSet = PackageSet {
    name: "linters",
    requirements: include_str!("linters.txt"),
    oldest_python: Version(3, 10, 0),
};

/// What answers as SQS and STS do.
pub(crate) const MOTO: PackageSet = PackageSet {
    name: "moto",
    requirements: include_str!("moto.txt"),
    oldest_python: Version(3, 10, 0),
};

/// Packages with all that they need. Of each the version is pinned; what only another platform needs is left to pip.
#[derive(Debug)]
pub(crate) struct PackageSet {
    /// The directory under `target/tools`.
    pub(crate) name: &'static str,
    /// What pip is told to install.
    pub(crate) requirements: &'static str,
    /// The oldest Python that the packages run on.
    pub(crate) oldest_python: Version,
}

/// A set of packages that is installed.
#[derive(Debug)]
pub(crate) struct Installed {
    python: PathBuf,
    directory: PathBuf,
}

impl PackageSet {
    /// The packages, installed if they are not there yet, if they are others, or if they are for another Python.
    ///
    /// # Errors
    ///
    /// If there is no Python with pip that is new enough, or a package cannot be had for this platform.
    pub(crate) fn find_or_install(&self, tools: &Tools) -> Result<Installed> {
        let python = python_with_pip(tools)?;
        let version = version_of(&python, &["--version"])
            .filter(|version| *version >= self.oldest_python)
            .with_context(|| {
                let Version(major, minor, _) = self.oldest_python;
                format!("there is no Python {major}.{minor} or newer on the PATH")
            })?;
        let Version(major, minor, _) = version;
        let wanted = format!("# Python {major}.{minor}\n{}", self.requirements);
        let directory = tools.path(self.name);
        let has = |directory: &Path| {
            std::fs::read_to_string(directory.join(INSTALLED)).is_ok_and(|text| text == wanted)
        };
        if !has(&directory) {
            if directory.exists() {
                std::fs::remove_dir_all(&directory)?;
            }
            tools.install(self.name, |partial| {
                let list = partial.join(INSTALLED);
                std::fs::write(&list, &wanted)?;
                pip_install(&python, partial)
                    .args(["--requirement"])
                    .args([&list])
                    .run_logged(&tools.log(self.name))
            })?;
        }
        Ok(Installed { python, directory })
    }
}

impl Installed {
    /// Python, with the packages and nothing of the person's own.
    pub(crate) fn python(&self, timeout: Duration) -> Process {
        Process::new(&self.python, timeout)
            .env("PYTHONPATH", &self.directory)
            .env("PYTHONNOUSERSITE", "1")
    }

    /// A program that a package holds.
    pub(crate) fn program(&self, name: &str, timeout: Duration) -> Process {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        Process::new(self.directory.join("bin").join(file), timeout)
    }
}

/// pip, about to install wheels into a directory; what to install is to follow. Nothing of a package runs.
fn pip_install(python: &Path, directory: &Path) -> Process {
    Process::new(python, DOWNLOAD_TIMEOUT)
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args([
            "--only-binary",
            ":all:",
            "--root-user-action",
            "ignore",
            "--target",
        ])
        .args([directory])
}

/// Installs one package, without its dependencies, into the directory `name` under `target/tools`.
///
/// # Errors
///
/// If there is no Python with pip, or the package cannot be had for this platform.
pub(super) fn install_package(
    tools: &Tools,
    name: &str,
    package: &str,
    version: &str,
) -> Result<PathBuf> {
    let python = python_with_pip(tools)?;
    tools.install(name, |partial| {
        pip_install(&python, partial)
            .args(["--no-deps"])
            .args([format!("{package}=={version}")])
            .run_logged(&tools.log(package))
    })
}

/// A Python whose pip works: the machine's own, or else a virtual environment made with it.
fn python_with_pip(tools: &Tools) -> Result<PathBuf> {
    let Some(python) = ["python3", "python"]
        .into_iter()
        .filter_map(on_path)
        .find(|candidate| {
            version_of(candidate, &["--version"]).is_some_and(|version| version >= OLDEST_PYTHON)
        })
    else {
        bail!("there is no Python 3 on the PATH: install python3 with its pip or venv module");
    };
    if version_of(&python, &["-m", "pip", "--version"]).is_some() {
        return Ok(python);
    }
    let environment = tools.path("python");
    let own = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    if version_of(&own, &["-m", "pip", "--version"]).is_none() {
        let made = Process::new(&python, DOWNLOAD_TIMEOUT)
            .args(["-m", "venv", "--clear"])
            .args([&environment])
            .run_logged(&tools.log("python-venv"));
        if let Err(error) = made {
            bail!(
                "Python has neither pip nor a working venv module, install one of them: {error:#}"
            );
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_to_one_version() {
        for set in [SAM, CHECKOV, LINTERS, MOTO] {
            let text = set.requirements;
            let packages: Vec<&str> = text.lines().filter(|it| !it.starts_with('#')).collect();
            assert!(packages.len() >= 10, "{packages:?}");
            for package in packages {
                let version = package.split_once("==").map(|(_, version)| version);
                let is_pinned =
                    version.is_some_and(|it| it.starts_with(|digit: char| digit.is_ascii_digit()));
                assert!(is_pinned, "{package}");
            }
        }
    }
}
