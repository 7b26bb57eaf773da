//! The tools that a relay knows: those that are built in, and the customer's own.

use super::{Tool, parse};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use wire::ToolName;

/// How many files a directory of tools may have.
const MAX_FILES: usize = 64;

/// The largest tool file, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The files that are built in.
pub(crate) const BUILT_IN: [(&str, &str); 7] = [
    ("bitbucket.yaml", include_str!("../../tools/bitbucket.yaml")),
    ("gitea.yaml", include_str!("../../tools/gitea.yaml")),
    ("github.yaml", include_str!("../../tools/github.yaml")),
    ("gitlab.yaml", include_str!("../../tools/gitlab.yaml")),
    ("jenkins.yaml", include_str!("../../tools/jenkins.yaml")),
    (
        "prometheus.yaml",
        include_str!("../../tools/prometheus.yaml"),
    ),
    ("terraform.yaml", include_str!("../../tools/terraform.yaml")),
];

/// One thing that is wrong with a tool file, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFault {
    /// The file.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// The field, like `events[0].map.branch`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for ToolFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with the tool files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ToolFaults(pub Vec<ToolFault>);

/// The tools that a relay knows.
#[derive(Debug, Clone)]
pub struct Tools(BTreeMap<ToolName, Tool>);

impl Tools {
    /// The tools that are built in, and those of the `*.yaml` files in a directory: one of these takes the place of a tool
    /// of the same name that is built in.
    ///
    /// # Errors
    /// [`ToolFaults`], with every fault of every file.
    pub fn load(directory: Option<&Path>) -> Result<Self, ToolFaults> {
        let mut faults = Vec::new();
        let mut tools = BTreeMap::new();
        for (file, text) in BUILT_IN {
            add(&mut tools, &mut faults, file, text);
        }
        let mut own = BTreeMap::new();
        for (file, text) in directory.map_or_else(Vec::new, |at| read(at, &mut faults)) {
            add(&mut own, &mut faults, &file, &text);
        }
        tools.extend(own);
        if faults.is_empty() {
            Ok(Self(tools))
        } else {
            Err(ToolFaults(faults))
        }
    }

    /// The tool of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Tool> {
        // Only what is a name can be one of a tool.
        self.0.get(&ToolName::parse(name).ok()?)
    }

    /// The names of the tools.
    pub fn names(&self) -> impl Iterator<Item = &ToolName> {
        self.0.keys()
    }
}

fn add(tools: &mut BTreeMap<ToolName, Tool>, faults: &mut Vec<ToolFault>, file: &str, text: &str) {
    match parse(file, text) {
        Ok(tool) => {
            let name = tool.name.clone();
            if tools.insert(name.clone(), tool).is_some() {
                let message = format!("another file is for the tool `{name}` too");
                faults.push(fault(file, message));
            }
        }
        Err(more) => faults.extend(more),
    }
}

fn fault(file: &str, message: String) -> ToolFault {
    ToolFault {
        file: file.to_owned(),
        line: None,
        field: String::new(),
        message,
    }
}

/// The texts of the files, in the order of their names.
fn read(directory: &Path, faults: &mut Vec<ToolFault>) -> Vec<(String, String)> {
    let shown = directory.display().to_string();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            faults.push(fault(&shown, format!("cannot be read: {error}")));
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .take(MAX_FILES + 1)
        .collect();
    if paths.len() > MAX_FILES {
        faults.push(fault(&shown, format!("has more than {MAX_FILES} files")));
        return Vec::new();
    }
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        let file = path.display().to_string();
        match read_file(&path) {
            Ok(text) => texts.push((file, text)),
            Err(why) => faults.push(fault(&file, why)),
        }
    }
    texts
}

fn read_file(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    Ok(text)
}
