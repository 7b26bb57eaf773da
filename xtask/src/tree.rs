//! The files of the project: none says where some machine keeps something.

use std::process::Command;

use crate::project_root;

/// Starts of paths that exist on one machine only, in halves so that this file does not hold them.
const MACHINE_PATHS: [(&str, &str); 5] = [
    ("/ro", "ot/"),
    ("/wo", "rk/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("C:\\Us", "ers"),
];

/// Files that are, or are about to be, part of the project: known to git, or new and not ignored.
///
/// # Panics
///
/// If git does not answer.
pub(crate) fn project_files() -> Vec<String> {
    let answer = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(project_root())
        .output();
    let listed = match answer {
        Ok(answer) if answer.status.success() => answer.stdout,
        other => panic!("git ls-files: {other:?}"),
    };
    let mut files: Vec<String> = listed
        .split(|byte| *byte == 0)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    // Git still knows a file that has just been deleted.
    files.retain(|file| !file.is_empty() && project_root().join(file).is_file());
    files.sort();
    files.dedup();
    files
}

/// Lines of `text`, by number, that name a path of some machine.
fn machine_paths(text: &str) -> Vec<usize> {
    let patterns = MACHINE_PATHS.map(|(start, end)| format!("{start}{end}"));
    let is_path = |line: &str| {
        patterns.iter().any(|pattern| {
            line.match_indices(pattern.as_str()).any(|(at, _)| {
                // In an address, or in a path of the project itself, the same letters are part of something else.
                let before = line.get(..at).and_then(|start| start.chars().next_back());
                before.is_none_or(|character| {
                    !(character.is_alphanumeric() || "_-.}>".contains(character))
                })
            })
        })
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| is_path(line))
        .map(|(index, _)| index + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_names_a_path_of_some_machine() {
        let mut found = Vec::new();
        for file in project_files() {
            // Files that are not text hold no such thing.
            let text = std::fs::read_to_string(project_root().join(&file)).unwrap_or_default();
            found.extend(
                machine_paths(&text)
                    .into_iter()
                    .map(|line| format!("{file}:{line}")),
            );
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn a_path_of_some_machine_is_found_and_a_part_of_an_address_is_not() {
        let home = format!("{}{}", "/ho", "me/someone");
        assert_eq!(machine_paths(&home), [1]);
        assert_eq!(
            machine_paths(&format!("a\nsee `{home}`\nfile://{home}\n")),
            [2, 3]
        );
        assert_eq!(
            machine_paths(&format!("https://example.com{home} and target{home}")),
            Vec::<usize>::new()
        );
    }
}
