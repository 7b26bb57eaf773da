//! Tools that are Python packages.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{DOWNLOAD_TIMEOUT, Tools, Version, on_path, version_of};
use crate::process::Process;

const OLDEST_PYTHON: Version = Version(3, 8, 0);

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
        Process::new(&python, DOWNLOAD_TIMEOUT)
            .args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--no-input",
                "--no-deps",
            ])
            .args([
                "--only-binary",
                ":all:",
                "--root-user-action",
                "ignore",
                "--target",
            ])
            .args([partial.as_os_str()])
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
