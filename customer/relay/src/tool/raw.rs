//! A tool file as it is written, before anything of it is checked but its shape.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTool {
    pub(super) version: Spanned<i64>,
    pub(super) tool: Spanned<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    pub(super) verify: Spanned<RawVerify>,
    pub(super) delivery_id: Option<Spanned<String>>,
    pub(super) content_types: Option<Vec<Spanned<String>>>,
    pub(super) select: Spanned<RawSource>,
    pub(super) changed_paths: Option<Vec<Spanned<String>>>,
    pub(super) map: Option<BTreeMap<String, Spanned<RawMapping>>>,
    pub(super) events: Spanned<Vec<Spanned<RawEvent>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVerify {
    pub(super) method: String,
    pub(super) header: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) path: Option<String>,
    pub(super) header: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMapping {
    pub(super) path: Option<String>,
    pub(super) header: Option<String>,
    pub(super) value: Option<String>,
    pub(super) strip_prefix: Option<String>,
    #[serde(default)]
    pub(super) lower: bool,
    pub(super) words: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) clone_url: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvent {
    pub(super) values: Vec<String>,
    pub(super) when: Option<Vec<Spanned<RawCondition>>>,
    pub(super) event: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) ignore: bool,
    pub(super) map: Option<BTreeMap<String, Spanned<RawMapping>>>,
    pub(super) required: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    pub(super) path: Option<String>,
    pub(super) header: Option<String>,
    pub(super) one_of: Option<Vec<String>>,
    pub(super) prefix: Option<String>,
}
