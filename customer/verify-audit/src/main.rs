//! Verifies an exported record of who did what, on the customer's own machine, from the file alone.
//!
//! The exit code is 0 if the record is whole, 1 if it is not or the file is empty, and 2 if the file cannot be read.

use clap::Parser;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use wire::audit::{Expected, Head, Verdict, Verifier, Whole};
use wire::{Sha256Hex, TenantId};

/// The longest line that is read, in bytes. A record takes about 700; one of this length was not exported.
const MAX_LINE: u64 = 64 * 1024;

/// Verifies an exported audit record: names the first record that is altered, missing or out of order.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The exported lines; `-` reads from standard input.
    file: PathBuf,
    /// The hash of a record that is known to have been written, with or without its number and a colon in front. Only
    /// this shows that the end was cut off, or that everything was written anew.
    #[arg(long, value_name = "[NUMBER:]HASH")]
    expect_head: Option<Head>,
    /// The hash of the record before the first one in the file, for a part of a chain.
    #[arg(long, value_name = "HASH")]
    after: Option<Sha256Hex>,
    /// The organisation whose record it is to be. Without it, that of the first record is printed.
    #[arg(long, value_name = "ID", value_parser = parse_tenant)]
    tenant: Option<TenantId>,
}

fn parse_tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let options = Options::parse();
    let expected = Expected {
        after: options.after,
        head: options.expect_head,
        tenant: options.tenant,
    };
    // A part may have nothing in it, and a head says that something is missing. Otherwise an empty file shows nothing.
    let may_be_empty = expected.after.is_some() || expected.head.is_some();
    let read = if options.file.as_os_str() == "-" {
        verify(io::stdin().lock(), expected)
    } else {
        File::open(&options.file).and_then(|file| verify(BufReader::new(file), expected))
    };
    match read {
        Ok(Verdict::Whole(whole)) if whole.records == 0 && !may_be_empty => {
            println!("EMPTY: no records, so nothing is verified");
            caveat(&whole);
            ExitCode::from(1)
        }
        Ok(Verdict::Whole(whole)) => {
            report(&whole);
            caveat(&whole);
            ExitCode::SUCCESS
        }
        Ok(Verdict::Broken(broken)) => {
            println!("BROKEN: {broken}");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("{}: {error}", options.file.display());
            ExitCode::from(2)
        }
    }
}

/// Reads line by line; what is kept does not grow with the file.
fn verify(mut input: impl BufRead, expected: Expected) -> io::Result<Verdict> {
    let mut verifier = Verifier::new(expected);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(verifier.finish());
        }
        let is_cut = read as u64 == MAX_LINE && line.last() != Some(&b'\n');
        let may_go_on = if is_cut {
            verifier.push_unreadable(format!("a line of more than {MAX_LINE} bytes"))
        } else {
            verifier.push_line(line.trim_ascii_end())
        };
        // The rest of a line that is too long would pass for a line of its own.
        if !may_go_on || is_cut {
            return Ok(verifier.finish());
        }
    }
}

fn report(whole: &Whole) {
    let tenant = whole.tenant.as_ref();
    let (Some(first), Some(tenant)) = (whole.first, tenant) else {
        println!("OK: no records");
        return;
    };
    let last = whole.end.sequence;
    let count = whole.records;
    println!("OK: {count} records of {tenant}, {first} to {last}");
    println!("head: {last}:{}", whole.end.hash);
}

/// What a file cannot show.
fn caveat(whole: &Whole) {
    if whole.has_head.is_some() {
        return;
    }
    let cut_off = match whole.first {
        Some(_) => format!("records after {}", whole.end.sequence),
        None => "records".to_owned(),
    };
    println!(
        "not known from this file alone: whether {cut_off} were cut off, and whether all of it was written anew; \
         --expect-head with a head that was noted before tells"
    );
}
