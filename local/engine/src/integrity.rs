//! Whether a database file is whole.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use dynoxide::DynoxideError;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::de::IgnoredAny;

use crate::open::OpenError;

/// Every SQLite database begins with this.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The length of the header that begins with [`MAGIC`].
const HEADER_BYTES: usize = 100;

/// Reads the whole database at `path` without writing anything, and says whether there is one.
///
/// SQLite keeps no checksums, so two checks stand in for them: its own of the pages, the order of the rows and their
/// agreement with the indexes, and one that each text is UTF-8 and each document JSON. What gets past both is a change
/// of one plausible value into another, outside of every key.
pub(crate) fn check(path: &Path) -> Result<bool, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let corrupt = |detail: String| OpenError::Corrupt {
        path: path.to_owned(),
        detail,
    };
    let log_bytes = length(&beside(path, "-wal"))
        .map_err(io)?
        .unwrap_or_default();
    // SQLite takes a file shorter than its header for an empty database, so this is looked at first.
    let Some(header) = header(path).map_err(io)? else {
        return Ok(false);
    };
    if !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase {
            path: path.to_owned(),
        });
    }
    // After a crash the last pages can be in the log alone.
    let file_bytes = length(path).map_err(io)?.unwrap_or_default();
    if header.len() < HEADER_BYTES || log_bytes == 0 && is_cut_off(&header, file_bytes) {
        return Err(corrupt("its end is missing".to_owned()));
    }
    let fault = connect(path, log_bytes > 0).and_then(|connection| first_fault(&connection));
    // What reading alone cannot get past is damage, unless it has another name.
    match fault
        .map_err(|error| of_sqlite(path, &error).unwrap_or_else(|| corrupt(error.to_string())))?
    {
        Some(detail) => Err(corrupt(detail)),
        None => Ok(true),
    }
}

/// The first bytes of the file, or nothing if there is no file or nothing in it: a crash before the first write leaves
/// an empty one.
fn header(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut header = Vec::with_capacity(HEADER_BYTES);
    file.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    Ok((!header.is_empty()).then_some(header))
}

fn length(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Compares the length with the page size and the number of pages in the header: <https://sqlite.org/fileformat.html>.
fn is_cut_off(header: &[u8], file_bytes: u64) -> bool {
    let number = |at: usize, bytes: usize| {
        header[at..at + bytes]
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte))
    };
    let page_bytes = match number(16, 2) {
        1 => 65_536,
        bytes => bytes,
    };
    file_bytes < page_bytes * number(28, 4)
}

/// A connection that cannot write. Without a log it is told that nobody else does either, which keeps it from making
/// files of its own beside the database.
fn connect(path: &Path, has_log: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if has_log {
        return Connection::open_with_flags(path, flags);
    }
    let name = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    Connection::open_with_flags(
        format!("file:{name}?immutable=1"),
        flags | OpenFlags::SQLITE_OPEN_URI,
    )
}

fn first_fault(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let finding: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if finding != "ok" {
        return Ok(Some(finding.replace('\n', " ")));
    }
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables = statement.query_map([], |row| row.get::<_, String>(0))?;
    for table in tables {
        let table = table?;
        if let Some(column) = first_unreadable_column(connection, &table)? {
            return Ok(Some(format!("a row of {table} has an unreadable {column}")));
        }
    }
    Ok(None)
}

fn first_unreadable_column(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Option<String>> {
    let mut statement =
        connection.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
    let columns: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (position, column) in columns.iter().enumerate() {
            let ValueRef::Text(bytes) = row.get_ref(position)? else {
                continue;
            };
            let readable = std::str::from_utf8(bytes).is_ok_and(|text| {
                !column.ends_with("_json") || serde_json::from_str::<IgnoredAny>(text).is_ok()
            });
            if !readable {
                return Ok(Some(column.clone()));
            }
        }
    }
    Ok(None)
}

/// The path of a file that belongs to the database.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// What an error of the database means to whoever opens it.
pub(crate) fn explain(path: &Path, error: &DynoxideError) -> OpenError {
    match error {
        DynoxideError::SqliteError(error) => {
            of_sqlite(path, error).unwrap_or_else(|| OpenError::Engine(error.to_string()))
        }
        // The database has no variant of its own for this; it looks before it writes.
        other if other.to_string().contains("newer version") => OpenError::WrittenByNewerEngine {
            path: path.to_owned(),
        },
        other => OpenError::Engine(other.to_string()),
    }
}

fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Option<OpenError> {
    let path = path.to_owned();
    match error.sqlite_error_code()? {
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => Some(OpenError::Corrupt {
            path,
            detail: error.to_string(),
        }),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(OpenError::Locked { path }),
        ErrorCode::CannotOpen
        | ErrorCode::DiskFull
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::SystemIoFailure => Some(OpenError::Io {
            path,
            source: io::Error::other(error.to_string()),
        }),
        _ => None,
    }
}
