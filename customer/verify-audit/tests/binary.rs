//! The program as a customer runs it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use wire::audit::{Detail, Draft, Link, Outcome, Record};
use wire::{TenantId, Timestamp};

fn records(count: u64) -> Vec<Record> {
    let mut end = Link::start();
    let mut records = Vec::new();
    for number in 0..count {
        let draft = Draft {
            at: Timestamp::from_millis(1_700_000_000_000),
            actor: "user:1".to_owned(),
            credential_id: None,
            action: "pool.update".to_owned(),
            resource: format!("pool:p{number}"),
            outcome: Outcome::Done,
            before_sha256: None,
            after_sha256: None,
            request_id: None,
            address: None,
            detail: Detail::new(),
        };
        let record = Record::following(&end, TenantId::parse("acme").unwrap(), draft);
        end = record.link();
        records.push(record);
    }
    records
}

fn lines(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        writeln!(text, "{}", serde_json::to_string(record).unwrap()).unwrap();
    }
    text
}

fn run(text: &[u8], arguments: &[&str]) -> (i32, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_verify-audit"))
        .arg(file.path())
        .args(arguments)
        .output()
        .unwrap();
    said(&output)
}

fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

#[test]
fn a_whole_file_is_good_and_says_what_it_cannot_know() {
    let records = records(30);
    let (code, said) = run(lines(&records).as_bytes(), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("OK: 30 records of acme, 1 to 30"), "{said}");
    let head = format!("30:{}", records[29].hash);
    assert!(said.contains(&head) && said.contains("cut off"), "{said}");
    let (code, said) = run(lines(&records).as_bytes(), &["--expect-head", &head]);
    assert_eq!((code, said.contains("cut off")), (0, false), "{said}");
}

#[test]
fn an_empty_file_shows_nothing_unless_it_is_a_part() {
    let (code, said) = run(b"", &[]);
    assert_eq!((code, said.contains("cut off")), (1, true), "{said}");
    let (code, said) = run(b"", &["--tenant", "acme"]);
    assert_eq!(code, 1, "{said}");
    let hash = "0f".repeat(32);
    let (code, said) = run(b"", &["--after", &hash]);
    assert_eq!((code, said.contains("cut off")), (0, true), "{said}");
    let (code, said) = run(b"", &["--expect-head", &format!("3:{hash}")]);
    assert_eq!((code, said.contains("missing")), (1, true), "{said}");
}

#[test]
fn another_organisations_record_is_not_taken_for_the_one_that_was_named() {
    let whole = lines(&records(3));
    assert_eq!(run(whole.as_bytes(), &["--tenant", "acme"]).0, 0);
    let (code, said) = run(whole.as_bytes(), &["--tenant", "globex"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another organisation's: acme"), "{said}");
    assert_eq!(run(whole.as_bytes(), &["--tenant", "A B"]).0, 2);
}

#[test]
fn what_was_done_to_a_file_is_named() {
    let records = records(30);
    let whole = lines(&records);
    let altered = whole.replacen("pool:p16", "pool:px6", 1);
    let (code, said) = run(altered.as_bytes(), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("line 17: record 17 is altered"), "{said}");
    let mut missing = records.clone();
    missing.remove(4);
    let (code, said) = run(lines(&missing).as_bytes(), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("line 5: record 5 is missing"), "{said}");
    let mut swapped = records.clone();
    swapped.swap(7, 20);
    let (code, said) = run(lines(&swapped).as_bytes(), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("record 8 is not in its place"), "{said}");
    let head = format!("30:{}", records[29].hash);
    let (code, said) = run(lines(&records[..20]).as_bytes(), &["--expect-head", &head]);
    assert_eq!(code, 1);
    assert!(said.contains("record 21 and all after it"), "{said}");
}

#[test]
fn a_part_of_a_chain_goes_on_from_the_one_before() {
    let records = records(30);
    let part = lines(&records[10..]);
    assert_eq!(run(part.as_bytes(), &[]).0, 1);
    let after = records[9].hash.as_str();
    assert_eq!(run(part.as_bytes(), &["--after", after]).0, 0);
    let with_head = |head: &str| {
        let arguments = ["--after", after, "--expect-head", head];
        run(part.as_bytes(), &arguments)
    };
    let (code, said) = with_head(&format!("10:{after}"));
    assert_eq!(code, 0, "{said}");
    let (code, said) = with_head(&format!("4:{}", records[3].hash));
    assert_eq!(code, 1);
    assert!(said.contains("record 4 is known to have been"), "{said}");
    assert!(said.contains("begins with record 11"), "{said}");
}

#[test]
fn garbage_is_broken_however_long_its_lines_are() {
    for garbage in [
        vec![b'x'; 10],
        vec![b'['; 5_000_000],
        vec![0xff; 100],
        b"\n\n".to_vec(),
    ] {
        let (code, said) = run(&garbage, &[]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("line 1: record 1"), "{said}");
        assert!(said.len() < 400, "{}", said.len());
    }
}

#[test]
fn what_cannot_be_read_is_told_apart_from_what_is_broken() {
    let output = Command::new(env!("CARGO_BIN_EXE_verify-audit"))
        .arg("/no/such/file")
        .output()
        .unwrap();
    assert_eq!(said(&output).0, 2);
    assert_eq!(run(b"", &["--expect-head", "short"]).0, 2);
    assert_eq!(run(b"", &["--after", "short"]).0, 2);
}

#[test]
fn lines_are_read_from_standard_input_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_verify-audit"))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = lines(&records(3));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let (code, said) = said(&child.wait_with_output().unwrap());
    assert_eq!(
        (code, said.contains("3 records of acme")),
        (0, true),
        "{said}"
    );
}
