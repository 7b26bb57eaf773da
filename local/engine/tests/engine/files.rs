use std::fs;
use std::path::{Path, PathBuf};

use embedded_dynamodb::{Engine, OpenError};
use tempfile::TempDir;

use crate::{attempt_of, create_table, put};

struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("control plane.db")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A closed database with a few hundred jobs, and its bytes.
    async fn with_jobs(jobs: usize) -> (Self, Vec<u8>) {
        let home = Self::new();
        let engine = Engine::open(home.database()).unwrap();
        let client = engine.client();
        create_table(&client).await;
        for job in 0..jobs {
            put(&client, &format!("job-{job:04}")).await;
        }
        drop((client, engine));
        let bytes = fs::read(home.database()).unwrap();
        (home, bytes)
    }
}

/// The error of opening `bytes`, which must be left as they are and get no other file beside them but the lock.
fn refusal_of(home: &Home, bytes: &[u8]) -> OpenError {
    fs::write(home.database(), bytes).unwrap();
    let error = Engine::open(home.database()).unwrap_err();
    assert!(
        fs::read(home.database()).unwrap() == bytes,
        "a refused file was changed: {error}"
    );
    assert_eq!(home.names(), ["control plane.db", "control plane.db.lock"]);
    error
}

#[tokio::test]
async fn a_database_is_found_again() {
    let (home, _) = Home::with_jobs(3).await;
    let client = Engine::open(home.database()).unwrap().client();
    assert_eq!(attempt_of(&client, "job-0002").await, "0");
}

#[tokio::test]
async fn a_closed_database_is_one_file_and_its_lock() {
    let (home, _) = Home::with_jobs(3).await;
    assert_eq!(home.names(), ["control plane.db", "control plane.db.lock"]);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let home = Home::new();
    let client = Engine::open(home.database()).unwrap().client();
    create_table(&client).await;
    put(&client, "job-1").await;
    // A process that is killed leaves the files as they are at this moment.
    let after = Home::new();
    for entry in fs::read_dir(home.directory.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), after.directory.path().join(entry.file_name())).unwrap();
    }
    let client = Engine::open(after.database()).unwrap().client();
    assert_eq!(attempt_of(&client, "job-1").await, "0");
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let home = Home::new();
    fs::write(home.database(), b"").unwrap();
    create_table(&Engine::open(home.database()).unwrap().client()).await;
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    let page_bytes: u32 = connection
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .unwrap();
    assert_eq!(page_bytes, 2048);
}

#[test]
fn something_else_than_a_database_is_refused_and_left_alone() {
    let home = Home::new();
    let texts = [
        "x",
        "name: value\n",
        &"a page of prose, longer than any header. ".repeat(500),
    ];
    for text in texts {
        let error = refusal_of(&home, text.as_bytes());
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_truncated_database_is_refused_and_left_alone() {
    let (home, bytes) = Home::with_jobs(200).await;
    for length in [
        17,
        100,
        4096,
        bytes.len() / 2,
        bytes.len() - 4096,
        bytes.len() - 1,
    ] {
        let error = refusal_of(&home, &bytes[..length]);
        assert!(
            matches!(error, OpenError::Corrupt { .. }),
            "{length} bytes of {}: {error}",
            bytes.len()
        );
    }
}

#[tokio::test]
async fn flipped_bytes_are_refused_or_harmless_wherever_they_are() {
    let (home, bytes) = Home::with_jobs(40).await;
    let whole = contents(&home.database()).await;
    let mut refused = 0;
    for start in (16..bytes.len() - 64).step_by(1024 + 64) {
        let mut flipped = bytes.clone();
        for byte in &mut flipped[start..start + 64] {
            *byte = !*byte;
        }
        fs::write(home.database(), &flipped).unwrap();
        match Engine::open(home.database()).map(drop) {
            Err(
                OpenError::Corrupt { .. }
                | OpenError::WrittenByNewerEngine { .. }
                | OpenError::NotADatabase { .. },
            ) => {
                assert!(
                    fs::read(home.database()).unwrap() == flipped,
                    "a refused file was changed"
                );
                refused += 1;
            }
            Err(error) => panic!("flipped from {start}: {error:?}"),
            Ok(()) => assert_eq!(
                contents(&home.database()).await,
                whole,
                "flipped from {start}"
            ),
        }
    }
    assert!(refused > 10, "only {refused} were noticed");
}

async fn contents(path: &Path) -> Vec<String> {
    let client = Engine::open(path).unwrap().client();
    let scan = client.scan().table_name("jobs").send().await.unwrap();
    let mut items: Vec<_> = scan
        .items()
        .iter()
        .map(|item| {
            let mut attributes: Vec<_> = item.iter().collect();
            attributes.sort_by_key(|(name, _)| *name);
            format!("{attributes:?}")
        })
        .collect();
    items.sort();
    items
}

#[tokio::test]
async fn a_damaged_database_is_refused_after_a_crash_too() {
    let (home, _) = Home::with_jobs(200).await;
    let client = Engine::open(home.database()).unwrap().client();
    put(&client, "job-9999").await;
    let after = Home::new();
    for entry in fs::read_dir(home.directory.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), after.directory.path().join(entry.file_name())).unwrap();
    }
    let mut bytes = fs::read(after.database()).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 4096] {
        *byte = !*byte;
    }
    fs::write(after.database(), &bytes).unwrap();
    let error = Engine::open(after.database()).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(
        fs::read(after.database()).unwrap() == bytes,
        "a refused file was changed"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_engine_is_refused_and_left_alone() {
    let (home, _) = Home::with_jobs(1).await;
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    connection
        .execute(
            "UPDATE _config SET value = '999' WHERE key = 'schema_version'",
            [],
        )
        .unwrap();
    drop(connection);
    let bytes = fs::read(home.database()).unwrap();
    let error = refusal_of(&home, &bytes);
    assert!(
        matches!(error, OpenError::WrittenByNewerEngine { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_in_use_is_locked_until_its_last_client_is_gone() {
    let home = Home::new();
    let client = Engine::open(home.database()).unwrap().client();
    let error = Engine::open(home.database()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    create_table(&client).await;
    drop(client);
    Engine::open(home.database()).unwrap();
}

#[test]
fn a_missing_directory_is_an_input_output_error() {
    let home = Home::new();
    let error = Engine::open(home.directory.path().join("missing/file.db")).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    let error = Engine::open(home.directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}
