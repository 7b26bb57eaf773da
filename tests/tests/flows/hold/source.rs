//! What the source says that is stored: the fields of every struct that is written into an item. An attribute that no story
//! has written yet is among them.

use crate::harness::project_root;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How many files are read at most.
const MOST_FILES: usize = 400;

/// Fields by `<file>#<struct>`.
pub(super) type Structs = BTreeMap<String, Vec<String>>;

/// The structs of the store.
pub(super) fn of_the_store() -> Structs {
    read(&project_root().join("shared/store/src"), "")
}

/// The structs of the vocabulary, some of which are stored as they are.
pub(super) fn of_the_vocabulary() -> Structs {
    read(&project_root().join("shared/wire/src"), "wire:")
}

fn read(directory: &Path, prefix: &str) -> Structs {
    let mut structs = Structs::new();
    for path in sources(directory) {
        let text = fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(directory).unwrap().display();
        for (name, fields) in written(&text) {
            structs.insert(format!("{prefix}{file}#{name}"), fields);
        }
    }
    structs
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            if is_test {
                continue;
            }
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
        assert!(found.len() < MOST_FILES, "too many files");
    }
    found
}

/// The structs of a file that can be written, with the names under which their fields are. The file is as rustfmt leaves it.
fn written(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    let mut derives = false;
    while let Some(line) = lines.next() {
        if let Some(list) = line.strip_prefix("#[derive(") {
            derives = list.split([',', ')']).any(|one| one.trim() == "Serialize");
        } else if let Some(name) = struct_name(line) {
            if derives {
                let body = lines.by_ref().take_while(|line| *line != "}");
                found.push((name.to_owned(), fields(body)));
            }
            derives = false;
        } else if !line.starts_with(['#', '/', ' ', ')']) {
            derives = false;
        }
    }
    found
}

/// The name of a struct with named fields that begins at this line.
fn struct_name(line: &str) -> Option<&str> {
    let declared = line
        .split_once("struct ")
        .filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?;
    let name = declared.1.strip_suffix(" {")?;
    Some(name.split('<').next().unwrap_or(name))
}

fn fields<'a>(body: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut renamed = None;
    let mut fields = Vec::new();
    for line in body {
        let line = line.trim();
        if let Some((_, name)) = line.split_once("rename = \"") {
            renamed = name.split('"').next().map(str::to_owned);
        }
        if line.starts_with(['#', '/', ')']) {
            continue;
        }
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("pub(super) ").unwrap_or(line);
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        let Some((name, _)) = line.split_once(": ") else {
            continue;
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.bytes().all(is_name) {
            fields.push(renamed.take().unwrap_or_else(|| name.to_owned()));
        }
    }
    fields
}

#[test]
fn the_fields_of_what_is_written_are_read_from_its_source() {
    let source = "
#[derive(Debug)]
struct NotWritten {
    one: u32,
}

/// Written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    default,
)]
pub(super) struct Slot<'a> {
    #[serde(rename = \"t\")]
    pub(super) start_ms: i64,
    /// Why: because.
    counts: BTreeMap<String, Vec<u64>>,
    #[serde(default, skip_serializing_if = \"Option::is_none\")]
    pub name: Option<&'a str>,
}

#[derive(Deserialize)]
struct OnlyRead {
    two: u32,
}

#[derive(Serialize)]
pub struct Position(String);

struct Plain {
    three: u32,
}
";
    let names = ["t", "counts", "name"].map(str::to_owned).to_vec();
    assert_eq!(written(source), [("Slot".to_owned(), names)]);
}
