//! What a release needs, from `terraform/plane.json` of its own commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The functions, and the variables that each cannot start without.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) functions: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
struct Plane {
    tables: BTreeMap<String, Table>,
    functions: BTreeMap<String, Function>,
}

#[derive(Debug, Deserialize)]
struct Table {
    variable: String,
}

#[derive(Debug, Deserialize)]
struct Function {
    tables: Vec<String>,
    environment: Variables,
}

#[derive(Debug, Deserialize)]
struct Variables {
    required: Vec<String>,
}

impl Plan {
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let plane: Plane =
            serde_json::from_str(text).context("plane.json is not as it should be")?;
        let mut functions = BTreeMap::new();
        for (name, function) in plane.functions {
            let mut needs: BTreeSet<_> = function.environment.required.into_iter().collect();
            for table in &function.tables {
                let table = plane
                    .tables
                    .get(table)
                    .with_context(|| format!("there is no table {table}"))?;
                needs.insert(table.variable.clone());
            }
            functions.insert(name, needs);
        }
        ensure!(!functions.is_empty(), "plane.json has no functions");
        Ok(Self { functions })
    }

    /// That there is an archive of each function.
    pub(super) fn check_archives(&self, directory: &Path) -> Result<()> {
        let missing: Vec<_> = self
            .functions
            .keys()
            .map(|function| directory.join(format!("{function}.zip")))
            .filter(|file| !file.is_file())
            .collect();
        ensure!(missing.is_empty(), "there is no {missing:?}");
        Ok(())
    }
}
