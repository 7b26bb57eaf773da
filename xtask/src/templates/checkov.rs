//! checkov finds nothing in what describes a deployment that `.checkov.yaml` does not give a reason for.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::or_skip;
use crate::tools::{CHECKOV, Tools};

/// A minute on a slow machine; most of it is checkov's own start.
const TIMEOUT: Duration = Duration::from_mins(5);

/// What is looked at: name, kind, and how checkov is told where it is.
const SUBJECTS: [(&str, &str, [&str; 2]); 4] = [
    ("terraform", "terraform", ["--directory", "terraform"]),
    ("template", "cloudformation", ["--file", "template.yaml"]),
    (
        "relay-terraform",
        "terraform",
        ["--directory", "customer/relay/deploy/terraform"],
    ),
    (
        "relay-template",
        "cloudformation",
        ["--file", "customer/relay/deploy/template.yaml"],
    ),
];

/// Looks at all.
///
/// # Errors
///
/// What it finds, or (with `CI=true`) that it could not look.
pub(super) fn check(root: &Path, tools: &Tools) -> Result<()> {
    let Some(installed) = or_skip("policies by checkov", CHECKOV.find_or_install(tools))? else {
        return Ok(());
    };
    for (name, framework, subject) in SUBJECTS {
        let log = tools.log(&format!("checkov-{name}"));
        installed
            .python(TIMEOUT)
            // Nobody is asked for a newer version.
            .env("CKV_SKIP_PACKAGE_UPDATE_CHECK", "true")
            .args(["-m", "checkov.main", "--config-file", ".checkov.yaml"])
            .args(["--framework", framework])
            .args(subject)
            .current_dir(root)
            .run_logged(&log)?;
        let said = std::fs::read_to_string(&log)?;
        ensure!(
            looked_at_everything(&said),
            "checkov could not read all of {name}:\n{said}"
        );
    }
    Ok(())
}

/// A file that checkov cannot parse is left out, which is no failure to it.
fn looked_at_everything(said: &str) -> bool {
    said.contains("Passed checks: ") && !said.contains("Parsing errors: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_left_out_is_noticed() {
        let line = "Passed checks: 45, Failed checks: 0, Skipped checks: 0";
        assert!(looked_at_everything(line));
        assert!(!looked_at_everything(&format!("{line}, Parsing errors: 1")));
        assert!(!looked_at_everything(""));
    }

    #[test]
    fn every_check_that_is_left_out_has_its_reason_above_it() {
        let file = crate::project_root().join(".checkov.yaml");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let skips = text.split("skip-check:").nth(1).unwrap_or_default();
        let lines: Vec<&str> = skips
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        assert!(!lines.is_empty());
        for pair in lines.windows(2) {
            if let [before, line] = pair
                && line.starts_with("- ")
            {
                assert!(before.starts_with("# "), "{line} has no reason");
            }
        }
    }
}
