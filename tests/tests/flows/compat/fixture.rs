//! What is recorded of a version, in a directory of its own: what its tables held, and what it answered then.

use super::call::{Answer, Call, Known, differences, random_places};
use super::items::Items;
use super::words::{self, Words};
use super::world::World;
use super::{calls, story};
use oidc::testing::{SigningKey, key_document};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use wire::Timestamp;
use wire::audit::Record;

/// Bytes that a version may take. There will be many versions.
const MOST_BYTES: usize = 300 * 1024;

/// What is recorded of a version.
pub(super) struct Fixture {
    pub(super) version: String,
    /// When its calls were made.
    now: Timestamp,
    /// What the issuer of workloads published.
    keys: String,
    pub(super) items: Items,
    /// What the requests know of the story.
    known: Known,
    pub(super) calls: Vec<Recorded>,
    /// The words that it knew.
    pub(super) words: Words,
    /// Routes of which nothing is recorded.
    untold: Vec<String>,
}

/// A request, and what was answered.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Recorded {
    pub(super) call: Call,
    pub(super) answer: Answer,
    /// Where the answer is random.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    random: BTreeSet<String>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// One member a line, so that a change of one shows as one.
fn lines<'a, T: Serialize + 'a>(values: impl IntoIterator<Item = &'a T>) -> String {
    let lines: Vec<_> = values
        .into_iter()
        .map(|value| serde_json::to_string(value).unwrap())
        .collect();
    lines.join(",\n")
}

impl Fixture {
    /// Everything that is recorded.
    pub(super) fn all() -> Vec<Self> {
        let entries = fs::read_dir(directory()).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let read = |name: &str| -> Value {
            let text = fs::read_to_string(path.join(name)).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        let mut about = read("calls.json");
        Self {
            version: path.file_name().unwrap().to_str().unwrap().to_owned(),
            now: Timestamp::from_millis(about["now_ms"].as_i64().unwrap()),
            keys: about["issuer_keys"].to_string(),
            items: serde_json::from_value(read("items.json")).unwrap(),
            known: serde_json::from_value(about["known"].take()).unwrap(),
            calls: serde_json::from_value(about["calls"].take()).unwrap(),
            words: serde_json::from_value(about["words"].take()).unwrap(),
            untold: Vec::new(),
        }
    }

    /// Records this version.
    pub(super) async fn record() -> Self {
        let issuer = SigningKey::es256("compat");
        let keys = key_document(&[&issuer]);
        let mut world = World::start(story::BEGIN, 1, &keys).await;
        story::tell(&mut world, &issuer).await;
        let (now, items) = (world.now(), world.items().await);
        let calls = calls::all(&world);
        let text = serde_json::to_string(&calls).unwrap();
        let known = world.known.into_iter();
        let known: Known = known
            .filter(|(name, _)| text.contains(&format!("{{{{{name}}}}}")))
            .collect();
        // What differs between two processes is random, and not recorded.
        let mut one = World::with(&items, now, 2, &keys).await;
        let mut other = World::with(&items, now, 3, &keys).await;
        one.performed.clone_from(&world.performed);
        one.known.clone_from(&known);
        other.known.clone_from(&known);
        let mut recorded = Vec::new();
        for call in calls {
            let (one, other) = (one.perform(&call).await, other.perform(&call).await);
            assert_eq!((one.status, &one.cookies), (other.status, &other.cookies));
            recorded.push(Recorded {
                call,
                random: random_places(&one.body, &other.body),
                answer: one,
            });
        }
        Self {
            version: format!("v{}", env!("CARGO_PKG_VERSION")),
            now,
            keys,
            items,
            known,
            calls: recorded,
            words: words::known(),
            untold: one.untold(),
        }
    }

    /// Writes it where it will be found. Every route is in it, so that each is kept working.
    pub(super) fn write(&self) {
        let directory = directory().join(&self.version);
        fs::create_dir_all(&directory).unwrap();
        let mut items = String::from("{\n");
        for (place, (table, rows)) in self.items.iter().enumerate() {
            let comma = if place == 0 { "" } else { ",\n" };
            write!(items, "{comma}\"{table}\": [\n{}\n]", lines(rows)).unwrap();
        }
        items.push_str("\n}\n");
        let keys: Value = serde_json::from_str(&self.keys).unwrap();
        let about = [
            ("now_ms", json!(self.now.as_millis())),
            ("issuer_keys", keys),
            ("words", json!(self.words)),
            ("known", json!(self.known)),
        ];
        let about = about.map(|(name, value)| format!("\"{name}\": {value},\n"));
        let calls = lines(&self.calls);
        let calls = format!("{{\n{}\"calls\": [\n{calls}\n]\n}}\n", about.concat());
        assert!(
            self.untold.is_empty(),
            "nothing is told of {:?}",
            self.untold
        );
        let bytes = items.len() + calls.len();
        assert!(bytes <= MOST_BYTES, "{bytes} bytes are too many");
        fs::write(directory.join("items.json"), items).unwrap();
        fs::write(directory.join("calls.json"), calls).unwrap();
    }

    /// Makes the requests again, of today's code, on what was there: what is answered now.
    pub(super) async fn replay(&self) -> Replay {
        self.replay_on(&self.items).await
    }

    /// The same on other items.
    pub(super) async fn replay_on(&self, items: &Items) -> Replay {
        let mut world = World::with(items, self.now, 4, &self.keys).await;
        world.known.clone_from(&self.known);
        let mut calls = Vec::new();
        let mut differing = Vec::new();
        for (place, recorded) in self.calls.iter().enumerate() {
            let answer = world.perform(&recorded.call).await;
            let of = format!(
                "call {place}, {} {}",
                recorded.call.method, recorded.call.path
            );
            let was = &recorded.answer;
            if (answer.status, &answer.cookies) == (was.status, &was.cookies) {
                let body = (&was.body, &recorded.random);
                let found = differences(body, &answer.body, "");
                differing.extend(found.into_iter().map(|what| format!("{of}: {what}")));
            } else {
                let (was, is) = (json!(was), json!(answer));
                differing.push(format!("{of}: was {was} and is {is}"));
            }
            calls.push(Recorded {
                answer,
                ..recorded.clone()
            });
        }
        Replay {
            calls,
            differing,
            records: world.records().await,
            items: world.items().await,
        }
    }
}

/// What became of the requests of a version when they were made again.
pub(super) struct Replay {
    /// Each with what is answered now.
    pub(super) calls: Vec<Recorded>,
    /// What is answered otherwise than it was.
    pub(super) differing: Vec<String>,
    /// The whole record of who did what in Ada's organisation, as it is exported in the end.
    pub(super) records: Vec<Record>,
    /// What the tables hold in the end.
    pub(super) items: Items,
}
