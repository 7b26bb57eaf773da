//! Classes of changed paths: the control plane is told that documentation changed, and never which file.

use serde_json::Value;
use serde_json_path::JsonPath;
use wire::looks_like_a_credential;
use wire::relay::{Label, MAX_PATH_CLASSES};

/// How many paths of one webhook are looked at.
const MAX_PATHS: usize = 10_000;

/// The longest path that is looked at, in bytes.
const MAX_PATH: usize = 4096;

/// How many globs a class may have.
const MAX_GLOBS: usize = 32;

/// The longest glob, in bytes.
const MAX_GLOB: usize = 200;

/// Classes of paths, each with the globs of which a path of it matches one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathClasses(Vec<(Label, Vec<String>)>);

impl PathClasses {
    /// Checks the classes that a configuration has.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(
        classes: impl IntoIterator<Item = (String, Vec<String>)>,
    ) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut checked = Vec::new();
        for (name, globs) in classes {
            // The control plane would refuse every event with it. A fault does not repeat it.
            if looks_like_a_credential(&name) {
                faults.push("the name of a class looks like a credential".to_owned());
                continue;
            }
            if globs.is_empty() || globs.len() > MAX_GLOBS {
                faults.push(format!("`{name}` must have 1 to {MAX_GLOBS} globs"));
            }
            if globs
                .iter()
                .any(|glob| glob.is_empty() || glob.len() > MAX_GLOB)
            {
                faults.push(format!(
                    "a glob of `{name}` must have 1 to {MAX_GLOB} bytes"
                ));
            }
            match Label::parse(&name) {
                Ok(label) => checked.push((label, globs)),
                Err(why) => faults.push(format!("`{name}` {why}")),
            }
        }
        if checked.len() > MAX_PATH_CLASSES {
            faults.push(format!("at most {MAX_PATH_CLASSES} classes"));
        }
        checked.sort();
        if faults.is_empty() {
            Ok(Self(checked))
        } else {
            Err(faults)
        }
    }

    /// The classes of the paths that these find in a body, in the order of their names.
    pub(crate) fn of(&self, paths: &[JsonPath], body: &Value) -> Vec<Label> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut found = vec![false; self.0.len()];
        let changed = paths
            .iter()
            .flat_map(|path| path.query(body).all())
            .filter_map(Value::as_str)
            .filter(|path| path.len() <= MAX_PATH)
            .take(MAX_PATHS);
        for path in changed {
            for ((_, globs), found) in self.0.iter().zip(&mut found) {
                *found = *found || globs.iter().any(|glob| fast_glob::glob_match(glob, path));
            }
        }
        let classes = self.0.iter().zip(found);
        classes
            .filter(|(_, found)| *found)
            .map(|((label, _), _)| label.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_credential_is_a_fault_that_does_not_repeat_it() {
        let classes = |name: &str| PathClasses::new([(name.to_owned(), vec!["*.md".to_owned()])]);
        assert!(classes("docs").is_ok());
        assert!(classes("npm_update").is_ok());
        for name in [
            "npm_q7m2zk9xv4bt6ny8rc3wd5q7m2zk9xv4bt6n",
            "asiaiosfodnn7example",
            "ghp_docs",
        ] {
            let faults = classes(name).unwrap_err();
            assert_eq!(faults, ["the name of a class looks like a credential"]);
        }
    }
}
