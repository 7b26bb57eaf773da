//! The search for what must be nowhere: every form in which a secret could have been written down.
//!
//! Looked for are the halves of a secret, so that a line that was cut, or that holds a part, is found as well.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use std::collections::HashMap;

/// How many bytes of each form lead to it. No form is shorter.
const LEAD: usize = 8;

/// A secret, and the one place that may show it.
#[derive(Debug, Clone)]
pub(super) struct Canary {
    name: String,
    /// The secret part of it, as it is written.
    text: String,
    /// The bytes that are encoded in the text.
    bytes: Vec<u8>,
    shown_by: Option<String>,
}

impl Canary {
    /// A secret that no place may show: text that is Base64 of random bytes.
    pub(super) fn new(name: &str, text: &str) -> Self {
        // Whoever writes it down may leave the padding out.
        let plain = text.trim_end_matches('=');
        let bytes = BASE64URL_NOPAD
            .decode(plain.as_bytes())
            .or_else(|_| BASE64_NOPAD.decode(plain.as_bytes()))
            .unwrap_or_else(|error| panic!("{name} is no Base64: {error}"));
        assert!(bytes.len() >= 32, "{name} is too short to be looked for");
        Self {
            name: name.to_owned(),
            text: plain.to_owned(),
            bytes,
            shown_by: None,
        }
    }

    /// What it is.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A token of ours, `hcp_<env>_<kind>_<keyid12>_<secret43>_<crc6>`: all of it but the secret is public.
    pub(super) fn token(name: &str, token: &str) -> Self {
        assert!(
            token.len() == 74 && token.starts_with("hcp_test_"),
            "{name}"
        );
        Self::new(name, &token[24..67])
    }

    /// A JSON web token: whoever knows the signature knows the rest.
    pub(super) fn jwt(name: &str, token: &str) -> Self {
        Self::new(name, token.rsplit('.').next().unwrap())
    }

    /// That place shows it, and has to.
    pub(super) fn shown_by(mut self, place: &str) -> Self {
        self.shown_by = Some(place.to_owned());
        self
    }

    /// Each form, with its name.
    fn forms(&self) -> Vec<(String, Vec<u8>)> {
        let mut forms = Vec::new();
        for (part, bytes) in [("text", self.text.as_bytes()), ("bytes", &self.bytes[..])] {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            for (half, bytes) in [("first", first), ("second", second)] {
                for (form, written) in written(bytes) {
                    forms.push((format!("the {half} half of its {part}, {form}"), written));
                }
            }
        }
        forms
    }
}

/// Bytes in every form in which they could have been written.
fn written(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let percent = |hex: &Encoding| {
        let digits = hex.encode(bytes);
        let (pairs, _) = digits.as_bytes().as_chunks::<2>();
        pairs.iter().flat_map(|[a, b]| [b'%', *a, *b]).collect()
    };
    let decimal = |between: &str| {
        let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
        numbers.join(between).into_bytes()
    };
    let needed = bytes.iter().flat_map(|byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            vec![*byte]
        } else {
            format!("%{byte:02X}").into_bytes()
        }
    });
    let mut forms = vec![
        ("plain", bytes.to_vec()),
        ("percent-encoded where it must be", needed.collect()),
        (
            "in small hexadecimal digits",
            HEXLOWER.encode(bytes).into_bytes(),
        ),
        (
            "in large hexadecimal digits",
            HEXUPPER.encode(bytes).into_bytes(),
        ),
        ("percent-encoded in small digits", percent(&HEXLOWER)),
        ("percent-encoded in large digits", percent(&HEXUPPER)),
        ("as a list of numbers", decimal(",")),
        ("as a list of numbers, apart", decimal(", ")),
    ];
    for (name, encoding) in [
        ("Base64", &BASE64_NOPAD),
        ("Base64 for URLs", &BASE64URL_NOPAD),
    ] {
        forms.extend(aligned(bytes, encoding).map(|form| (name, form)));
    }
    forms
}

/// The characters of the encoding that the bytes alone decide, wherever they begin among the bytes that are encoded.
fn aligned<'a>(bytes: &'a [u8], encoding: &'a Encoding) -> impl Iterator<Item = Vec<u8>> + 'a {
    (0..3).map(move |before| {
        let mut padded = vec![0; before];
        padded.extend(bytes);
        let encoded = encoding.encode(&padded).into_bytes();
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        encoded[first..last].to_vec()
    })
}

/// Somewhere that secrets could have ended up.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Place {
    pub(super) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leak {
    pub(super) canary: String,
    pub(super) place: String,
    pub(super) form: String,
}

/// All forms of all canaries, by how they begin.
pub(super) struct Search<'a> {
    canaries: &'a [Canary],
    forms: Vec<(usize, String, Vec<u8>)>,
    by_lead: HashMap<[u8; LEAD], Vec<usize>>,
    /// Whether any form begins with these two bytes: most places of a text are passed over by this alone.
    begins: Vec<bool>,
}

impl<'a> Search<'a> {
    pub(super) fn new(canaries: &'a [Canary]) -> Self {
        let mut search = Self {
            canaries,
            forms: Vec::new(),
            by_lead: HashMap::new(),
            begins: vec![false; 1 << 16],
        };
        for (place, canary) in canaries.iter().enumerate() {
            for (form, bytes) in canary.forms() {
                let lead = *bytes.first_chunk().unwrap();
                let number = search.forms.len();
                search.by_lead.entry(lead).or_default().push(number);
                search.begins[pair(&bytes)] = true;
                search.forms.push((place, form, bytes));
            }
        }
        search
    }

    /// Every secret that is where it must not be, and every one that is not where it has to be.
    pub(super) fn leaks(&self, places: &[Place]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        let mut shown = vec![false; self.canaries.len()];
        for place in places {
            for number in self.found(&place.bytes) {
                let (canary, form, _) = &self.forms[number];
                if self.canaries[*canary].shown_by.as_ref() == Some(&place.name) {
                    shown[*canary] = true;
                } else {
                    leaks.push(self.leak(*canary, &place.name, form));
                }
            }
        }
        for (number, canary) in self.canaries.iter().enumerate() {
            if let Some(place) = &canary.shown_by
                && !shown[number]
            {
                leaks.push(self.leak(number, place, "not even where it is shown"));
            }
        }
        leaks.sort();
        leaks.dedup();
        leaks
    }

    fn leak(&self, canary: usize, place: &str, form: &str) -> Leak {
        Leak {
            canary: self.canaries[canary].name.clone(),
            place: place.to_owned(),
            form: form.to_owned(),
        }
    }

    fn found(&self, bytes: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        for (at, lead) in bytes.windows(LEAD).enumerate() {
            if !self.begins[pair(lead)] {
                continue;
            }
            let Some(numbers) = self.by_lead.get(lead) else {
                continue;
            };
            let here = numbers.iter().copied();
            found.extend(here.filter(|number| bytes[at..].starts_with(&self.forms[*number].2)));
        }
        found
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
}

#[test]
fn a_secret_is_found_in_whatever_form_it_was_written() {
    let secret: [u8; 32] = web::Entropy::seeded(9).bytes();
    let text = BASE64URL_NOPAD.encode(&secret);
    let canaries = [Canary::new("a secret", &text)];
    let search = Search::new(&canaries);
    let is_found = |bytes: &[u8]| !search.leaks(&[Place::new("somewhere", bytes)]).is_empty();
    assert!(!is_found(b"") && !is_found(&text.as_bytes()[..20]));
    let token = format!("hcp_test_u_abcdefghijkl_{text}_000000");
    for bytes in [
        &secret[..],
        text.as_bytes(),
        token.as_bytes(),
        &text.as_bytes()[..30],
    ] {
        for before in ["", "\"", "{\"", "{\"k"] {
            let around = [before.as_bytes(), bytes, b"\"}"].concat();
            assert!(is_found(&around), "{before}");
            for (form, bytes) in written(bytes) {
                let around = [before.as_bytes(), &bytes[..], b"\"}"].concat();
                assert!(is_found(&around), "{form} after {before}");
            }
            for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
                assert!(is_found(encoding.encode(&around).as_bytes()), "{before}");
            }
        }
    }
    assert!(is_found(format!("{secret:?}").as_bytes()));
    let shown = [Canary::new("a secret", &text).shown_by("its answer")];
    let search = Search::new(&shown);
    assert_eq!(search.leaks(&[Place::new("its answer", text.clone())]), []);
    for place in [Place::new("another", text), Place::new("its answer", "")] {
        assert!(!search.leaks(&[place]).is_empty());
    }
}
