//! Whether a tool file has the shape of one: which keys are there, and of which type each value is.

use super::raw::RawTool;
use serde::Deserialize;
use serde_path_to_error::{Deserializer, Path, Segment, Track};
use serde_saphyr::{Error, with_deserializer_from_str_with_options};

/// The longest message about a shape, in characters: it may repeat what stands in the file.
const MAX_MESSAGE: usize = 500;

/// The longest name of a field, in characters: its last part may be anything.
const MAX_FIELD: usize = 200;

/// The first thing that is wrong with the shape of a file.
pub(super) struct Misshapen {
    pub(super) line: Option<u64>,
    pub(super) field: String,
    pub(super) message: String,
}

/// Reads a file as far as its shape goes.
pub(super) fn read(text: &str) -> Result<RawTool, Misshapen> {
    let options = serde_saphyr::options! { with_snippet: false };
    let mut track = Track::new();
    let tool = with_deserializer_from_str_with_options(text, options, |reader| {
        RawTool::deserialize(Deserializer::new(reader, &mut track))
    });
    tool.map_err(|error| misshapen(&error, &track.path()))
}

fn misshapen(error: &Error, path: &Path) -> Misshapen {
    let line = error.location().map(|place| place.line());
    let message = match error {
        Error::DuplicateMappingKey { .. } => "is there twice".to_owned(),
        Error::MultipleDocuments { .. } => "the file has more than one document".to_owned(),
        _ => {
            let text = error.to_string();
            // The line stands before the message already.
            let text = text
                .rsplit_once(" at line ")
                .map_or(&*text, |(what, _)| what);
            text.chars().take(MAX_MESSAGE).collect()
        }
    };
    Misshapen {
        line: line.filter(|line| *line > 0),
        field: field(error, path),
        message,
    }
}

/// The field, as in `events[0].map.branch`; where the text is no YAML, the one that it was read for.
fn field(error: &Error, path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut may_be_spanned = false;
    for segment in path {
        match segment {
            // What knows its line is read as an object with a `value`, which the file does not have. The file's own `value`
            // stands in an object that knows its line, or is a word or a mistake at the top.
            Segment::Map { key } if key == "value" && may_be_spanned => may_be_spanned = false,
            Segment::Map { key } => {
                may_be_spanned = key != "words";
                parts.push(format!(".{key}"));
            }
            Segment::Seq { index } => {
                may_be_spanned = true;
                parts.push(format!("[{index}]"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    // These are reported at the object around them.
    match error {
        Error::SerdeMissingField { field, .. } => parts.push(format!(".{field}")),
        Error::DuplicateMappingKey { key: Some(key), .. } => parts.push(format!(".{key}")),
        _ => {}
    }
    let field = parts.concat();
    let field = field.trim_start_matches('.').chars();
    field.take(MAX_FIELD).collect()
}
