//! Whatever is done to a chain of records is found, and the record that it was done to is named.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use proptest::sample::Index;
use wire::audit::{
    Broken, ChainFault, Detail, Draft, Expected, Head, Link, Outcome, Record, Verdict, Verifier,
    verify,
};
use wire::{Sha256Hex, TenantId, Timestamp};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn draft() -> impl Strategy<Value = Draft> {
    let digest = || proptest::option::of(any::<[u8; 32]>().prop_map(Sha256Hex::from_digest));
    let text = || "[ -~é]{0,12}";
    (
        (
            0_i64..4_000_000_000_000,
            text(),
            proptest::option::of(text()),
        ),
        (text(), text(), any::<bool>()),
        (digest(), digest()),
        (proptest::option::of(text()), proptest::option::of(text())),
        proptest::collection::btree_map("[a-z]{1,5}", text(), 0..3),
    )
        .prop_map(|(who, what, hashes, request, detail)| Draft {
            at: Timestamp::from_millis(who.0),
            actor: who.1,
            credential_id: who.2,
            action: what.0,
            resource: what.1,
            outcome: if what.2 {
                Outcome::Done
            } else {
                Outcome::Unknown
            },
            before_sha256: hashes.0,
            after_sha256: hashes.1,
            request_id: request.0,
            address: request.1,
            detail: detail.into_iter().collect::<Detail>(),
        })
}

fn chained(drafts: Vec<Draft>) -> Vec<Record> {
    let mut end = Link::start();
    let mut records = Vec::new();
    for draft in drafts {
        let record = Record::following(&end, tenant("acme"), draft);
        end = record.link();
        records.push(record);
    }
    records
}

/// A chain of at least so many records.
fn chain(least: usize) -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(draft(), least..12).prop_map(chained)
}

fn verdict(records: &[Record]) -> Verdict {
    verify(records, Expected::default())
}

fn broken(records: &[Record]) -> Broken {
    match verdict(records) {
        Verdict::Broken(broken) => broken,
        Verdict::Whole(whole) => panic!("no fault found: {whole:?}"),
    }
}

const FIELDS: usize = 15;

/// The record with one of its fields changed.
fn changed(record: &Record, field: usize) -> Record {
    let mut record = record.clone();
    let other = |seen: &Option<Sha256Hex>| match seen {
        Some(_) => None,
        None => Some(Sha256Hex::from_digest([1; 32])),
    };
    let flip = |seen: &Option<String>| match seen {
        Some(_) => None,
        None => Some(String::new()),
    };
    match field {
        0 => record.sequence += 1,
        1 => record.tenant_id = tenant("globex"),
        2 => record.at = record.at.plus_millis(1),
        3 => record.actor.push('x'),
        4 => record.credential_id = flip(&record.credential_id),
        5 => record.action.push('x'),
        6 => record.resource.push('x'),
        7 => {
            record.outcome = match record.outcome {
                Outcome::Done => Outcome::Unknown,
                Outcome::Unknown => Outcome::Done,
            }
        }
        8 => record.before_sha256 = other(&record.before_sha256),
        9 => record.after_sha256 = other(&record.after_sha256),
        10 => record.request_id = flip(&record.request_id),
        11 => record.address = flip(&record.address),
        12 => drop(record.detail.insert("x".repeat(9), String::new())),
        13 => record.previous_hash = Sha256Hex::from_digest([2; 32]),
        _ => record.hash = Sha256Hex::from_digest([3; 32]),
    }
    record
}

proptest! {
    #[test]
    fn a_chain_as_it_was_written_is_whole(records in chain(0)) {
        let Verdict::Whole(whole) = verdict(&records) else {
            panic!("{:?}", verdict(&records));
        };
        prop_assert_eq!(whole.records, records.len() as u64);
        prop_assert_eq!(whole.end, records.last().map_or_else(Link::start, Record::link));
        prop_assert_eq!(whole.has_head, None);
    }

    #[test]
    fn a_changed_field_names_its_record(records in chain(1), place: Index, field in 0..FIELDS) {
        let place = place.index(records.len());
        let mut altered = records.clone();
        altered[place] = changed(&records[place], field);
        let broken = broken(&altered);
        prop_assert_eq!(broken.sequence, place as u64 + 1);
        prop_assert_eq!(broken.line, place as u64 + 1);
        prop_assert_eq!(broken.fault, ChainFault::Altered);
    }

    /// The last record is left out: nothing in the chain bears witness to it.
    #[test]
    fn a_record_written_anew_with_a_hash_to_match_is_named_by_its_neighbours(
        records in chain(3), place: Index, field in 1..FIELDS - 1
    ) {
        let place = place.index(records.len() - 1);
        let mut altered = records.clone();
        altered[place] = changed(&records[place], field);
        altered[place].hash = altered[place].computed_hash();
        let broken = broken(&altered);
        // A record of another organisation is told by the one after it if it is the first.
        let expected = place as u64 + 1 + u64::from(place == 0 && field == 1);
        prop_assert_eq!(broken.sequence, expected);
    }

    #[test]
    fn a_deleted_record_is_missing(records in chain(2), place: Index) {
        let place = place.index(records.len() - 1);
        let mut altered = records.clone();
        altered.remove(place);
        let broken = broken(&altered);
        prop_assert_eq!(broken.sequence, place as u64 + 1);
        prop_assert_eq!(broken.fault, ChainFault::Missing { next: place as u64 + 2 });
    }

    #[test]
    fn two_records_that_changed_places_are_reordered(records in chain(2), one: Index, two: Index) {
        let (one, two) = (one.index(records.len()), two.index(records.len()));
        prop_assume!(one != two);
        let mut altered = records.clone();
        altered.swap(one, two);
        let (low, high) = (one.min(two) as u64 + 1, one.max(two) as u64 + 1);
        let broken = broken(&altered);
        prop_assert_eq!(broken.sequence, low);
        prop_assert_eq!(broken.line, low);
        prop_assert_eq!(broken.fault, ChainFault::Reordered { before: high });
    }

    #[test]
    fn a_record_that_stands_there_twice_is_found(records in chain(1), which: Index, place: Index) {
        let (which, place) = (which.index(records.len()), place.index(records.len() + 1));
        let mut altered = records.clone();
        altered.insert(place, records[which].clone());
        let broken = broken(&altered);
        // Beside itself, the second of the two is one too many.
        let one_too_many = place + usize::from(place == which);
        prop_assert_eq!(broken.line, one_too_many as u64 + 1);
    }

    #[test]
    fn records_cut_off_at_the_head_are_missing(records in chain(2), count: Index) {
        let count = count.index(records.len() - 1) + 1;
        let broken = broken(&records[count..]);
        prop_assert_eq!(broken.sequence, 1);
        prop_assert_eq!(broken.fault, ChainFault::Missing { next: count as u64 + 1 });
    }

    /// The chain alone cannot show it, and says up to where it is known; a head that was noted shows it.
    #[test]
    fn records_cut_off_at_the_end_need_a_head_that_was_noted(records in chain(2), count: Index) {
        let left = count.index(records.len() - 1) + 1;
        let cut = &records[..left];
        let Verdict::Whole(whole) = verdict(cut) else { panic!("{:?}", verdict(cut)) };
        prop_assert_eq!((whole.end.sequence, whole.has_head), (left as u64, None));
        let last = records.last().unwrap();
        let head = |sequence| Expected {
            head: Some(Head { sequence, hash: last.hash.clone() }),
            ..Expected::default()
        };
        let Verdict::Broken(broken) = verify(cut, head(Some(last.sequence))) else { panic!() };
        prop_assert_eq!((broken.sequence, broken.fault), (left as u64 + 1, ChainFault::CutOff));
        let Verdict::Broken(broken) = verify(cut, head(None)) else { panic!() };
        prop_assert_eq!((broken.sequence, broken.fault), (left as u64, ChainFault::NoHead));
        let Verdict::Whole(whole) = verify(&records, head(None)) else { panic!() };
        prop_assert_eq!(whole.has_head, Some(true));
    }

    #[test]
    fn a_chain_written_anew_from_some_record_on_is_shown_by_a_head(records in chain(2), place: Index) {
        let place = place.index(records.len());
        let noted = records.last().unwrap();
        let mut drafts: Vec<_> = records.iter().map(as_draft).collect();
        drafts[place].actor.push('x');
        let forged = chained(drafts);
        prop_assert!(matches!(verdict(&forged), Verdict::Whole(_)));
        let head: Head = format!("{}:{}", noted.sequence, noted.hash).parse().unwrap();
        let expected = Expected { head: Some(head), ..Expected::default() };
        let Verdict::Broken(broken) = verify(&forged, expected) else { panic!() };
        prop_assert_eq!((broken.sequence, broken.fault), (noted.sequence, ChainFault::OtherHead));
    }

    #[test]
    fn a_part_of_a_chain_goes_on_from_the_hash_before_it(records in chain(2), count: Index) {
        let count = count.index(records.len() - 1) + 1;
        let after = Expected { after: Some(records[count - 1].hash.clone()), ..Expected::default() };
        let part = &records[count..];
        let Verdict::Whole(whole) = verify(part, after.clone()) else { panic!() };
        prop_assert_eq!(whole.first, Some(count as u64 + 1));
        let Verdict::Broken(broken) = verify(&records, after) else { panic!() };
        prop_assert_eq!((broken.sequence, broken.fault), (1, ChainFault::NotAfter));
    }

    /// A head that was noted before a partial export tells of the record before the part, and of nothing that lies further back.
    #[test]
    fn a_head_before_a_part_is_compared_or_said_to_lie_before_it(records in chain(3), count: Index) {
        let count = count.index(records.len() - 2) + 2;
        let (earlier, last) = (&records[count - 2], &records[count - 1]);
        let verdict = |sequence, hash: &Sha256Hex| {
            let head = Some(Head { sequence, hash: hash.clone() });
            let after = Some(last.hash.clone());
            verify(&records[count..], Expected { after, head, tenant: None })
        };
        for sequence in [None, Some(last.sequence)] {
            let Verdict::Whole(whole) = verdict(sequence, &last.hash) else { panic!() };
            prop_assert_eq!(whole.has_head, Some(true));
        }
        let Verdict::Broken(broken) = verdict(Some(last.sequence), &earlier.hash) else { panic!() };
        prop_assert_eq!((broken.sequence, broken.fault), (last.sequence, ChainFault::OtherHead));
        for hash in [&earlier.hash, &last.hash] {
            let Verdict::Broken(broken) = verdict(Some(earlier.sequence), hash) else { panic!() };
            let first = last.sequence + 1;
            prop_assert_eq!(broken.sequence, earlier.sequence);
            prop_assert_eq!(broken.fault, ChainFault::BeforeFirst { first });
        }
    }

    #[test]
    fn another_organisations_chain_is_found_if_one_was_named(records in chain(1)) {
        let of = |name| Expected { tenant: Some(tenant(name)), ..Expected::default() };
        let Verdict::Whole(whole) = verify(&records, of("acme")) else { panic!() };
        prop_assert_eq!(whole.tenant, Some(tenant("acme")));
        let Verdict::Broken(broken) = verify(&records, of("globex")) else { panic!() };
        let fault = ChainFault::OtherTenant(tenant("acme"));
        prop_assert_eq!((broken.sequence, broken.fault), (1, fault));
    }

    #[test]
    fn every_record_is_read_back_from_its_line(records in chain(1)) {
        let mut verifier = Verifier::new(Expected::default());
        for record in &records {
            let line = serde_json::to_vec(record).unwrap();
            prop_assert!(verifier.push_line(&line));
        }
        prop_assert!(matches!(verifier.finish(), Verdict::Whole(_)));
    }
}

fn as_draft(record: &Record) -> Draft {
    let mut value = serde_json::to_value(record).unwrap();
    let fields = value.as_object_mut().unwrap();
    for field in ["sequence", "tenant_id", "previous_hash", "hash"] {
        fields.remove(field);
    }
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_line_that_is_no_record_is_named_by_the_record_that_should_stand_there() {
    for line in ["", "{", "null", "[1]", "{\"sequence\":1}", "\u{0}"] {
        let mut verifier = Verifier::new(Expected::default());
        assert!(!verifier.push_line(line.as_bytes()), "{line}");
        let Verdict::Broken(broken) = verifier.finish() else {
            panic!("{line}")
        };
        assert_eq!((broken.line, broken.sequence), (1, 1), "{line}");
        assert!(matches!(broken.fault, ChainFault::NotARecord(_)), "{line}");
    }
}

#[test]
fn what_is_quoted_of_a_line_is_short_and_steers_no_terminal() {
    let record = chained(vec![plain()]).remove(0);
    let line = serde_json::to_string(&record).unwrap();
    let hostile = format!("\\u001b[2J{}", "x".repeat(9_000));
    let mut verifier = Verifier::new(Expected::default());
    verifier.push_line(line.replacen("DONE", &hostile, 1).as_bytes());
    let Verdict::Broken(broken) = verifier.finish() else {
        panic!()
    };
    let said = broken.to_string();
    assert!(said.chars().count() < 300, "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

fn plain() -> Draft {
    Draft {
        at: Timestamp::from_millis(0),
        actor: String::new(),
        credential_id: None,
        action: String::new(),
        resource: String::new(),
        outcome: Outcome::Done,
        before_sha256: None,
        after_sha256: None,
        request_id: None,
        address: None,
        detail: Detail::new(),
    }
}

#[test]
fn the_head_of_a_chain_without_records_is_before_its_first() {
    let start = Link::start();
    for records in [Vec::new(), chained(vec![plain()])] {
        let head = Head {
            sequence: Some(0),
            hash: start.hash.clone(),
        };
        let expected = Expected {
            head: Some(head),
            ..Expected::default()
        };
        let Verdict::Whole(whole) = verify(&records, expected) else {
            panic!()
        };
        assert_eq!(whole.has_head, Some(true));
    }
}

#[test]
fn a_head_is_a_hash_with_or_without_its_number() {
    let hash = "0f".repeat(32);
    let head: Head = hash.parse().unwrap();
    assert_eq!((head.sequence, head.hash.as_str()), (None, hash.as_str()));
    let head: Head = format!("17:{hash}").parse().unwrap();
    assert_eq!(head.sequence, Some(17));
    for bad in [
        "",
        "17",
        "17:",
        ":",
        "x:0f",
        &hash[1..],
        &hash.to_uppercase(),
    ] {
        assert!(bad.parse::<Head>().is_err(), "{bad}");
    }
}
