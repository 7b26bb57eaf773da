//! A tool file, read: what is wrong with it is said with file, line and field, before the first webhook arrives.

use super::raw::{RawCondition, RawEvent, RawMapping, RawTool, RawVerify};
use super::shape::{self, Misshapen};
use super::{Condition, Event, Field, Mapping, Source, Test, Tool, ToolFault};
use crate::verify::{Algorithm, Encoding, HmacHeader, Method};
use http::HeaderName;
use serde_json_path::JsonPath;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use wire::relay::Label;
use wire::{EventKind, ToolName, looks_like_a_credential};

/// How many events a tool may have.
const MAX_EVENTS: usize = 64;

/// How many of anything else: values, conditions, words, paths.
const MAX_ITEMS: usize = 64;

/// Reads the text of a tool file.
pub(crate) fn parse(file: &str, text: &str) -> Result<Tool, Vec<ToolFault>> {
    let mut faults = Faults {
        file,
        found: Vec::new(),
    };
    let tool = match shape::read(text) {
        Ok(raw) => faults.tool(raw),
        Err(Misshapen {
            line,
            field,
            message,
        }) => {
            faults.found.push(ToolFault {
                file: file.to_owned(),
                line,
                field,
                message,
            });
            None
        }
    };
    match tool {
        Some(tool) if faults.found.is_empty() => Ok(tool),
        _ => Err(faults.found),
    }
}

/// The method that has no settings of its own.
#[cfg(test)]
pub(crate) fn method_named(name: &str) -> Option<Method> {
    preset(name)
}

fn preset(name: &str) -> Option<Method> {
    let sha256 = |name, prefix: &str| HmacHeader {
        name: HeaderName::from_static(name),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefix: prefix.to_owned(),
    };
    let method = match name {
        "github" => Method::Hmac(vec![sha256("x-hub-signature-256", "sha256=")]),
        "bitbucket" => Method::Hmac(vec![sha256("x-hub-signature", "sha256=")]),
        "gitea" => Method::Hmac(vec![
            sha256("x-forgejo-signature", ""),
            sha256("x-gitea-signature", ""),
            sha256("x-hub-signature-256", "sha256="),
        ]),
        "terraform" => Method::Hmac(vec![HmacHeader {
            algorithm: Algorithm::Sha512,
            ..sha256("x-tfe-notification-signature", "")
        }]),
        "gitlab" => Method::Gitlab,
        "standard_webhooks" => Method::StandardWebhooks,
        "jenkins" => Method::Token {
            headers: vec![HeaderName::from_static("x-jenkins-token")],
            is_bearer: true,
        },
        "alertmanager" => Method::Token {
            headers: Vec::new(),
            is_bearer: true,
        },
        _ => return None,
    };
    Some(method)
}

const METHODS: &str = "github, gitlab, bitbucket, gitea, terraform, jenkins, alertmanager, standard_webhooks, \
                       hmac (with header, algorithm, encoding and prefix), token (with header)";

struct Faults<'a> {
    file: &'a str,
    found: Vec<ToolFault>,
}

impl Faults<'_> {
    fn add<T>(&mut self, at: &Spanned<T>, field: &str, message: impl Into<String>) {
        let line = at.referenced.line();
        self.found.push(ToolFault {
            file: self.file.to_owned(),
            line: (line > 0).then_some(line),
            field: field.to_owned(),
            message: message.into(),
        });
    }

    fn tool(&mut self, raw: RawTool) -> Option<Tool> {
        if raw.version.value != 1 {
            self.add(&raw.version, "version", "must be 1");
        }
        let name = ToolName::parse(&raw.tool.value);
        if let Err(why) = &name {
            self.add(&raw.tool, "tool", why.to_string());
        }
        let verify = self.verify(&raw.verify);
        let delivery_id = raw
            .delivery_id
            .and_then(|name| self.header(&name, "delivery_id", &name.value));
        let content_types = self.content_types(raw.content_types);
        let select = &raw.select;
        let source = (select.value.path.clone(), select.value.header.clone());
        let select = self.source(select, "select", source, None);
        let changed_paths = self.paths(raw.changed_paths.unwrap_or_default());
        let fields = self.fields(raw.map.unwrap_or_default(), "map");
        let count = raw.events.value.len();
        if count == 0 || count > MAX_EVENTS {
            let message = format!("must have 1 to {MAX_EVENTS} events, not {count}");
            self.add(&raw.events, "events", message);
        }
        let events = raw.events.value.into_iter().take(MAX_EVENTS).enumerate();
        let events = events.filter_map(|(index, event)| self.event(event, index, &fields));
        Some(Tool {
            events: events.collect(),
            name: name.ok()?,
            verify: verify?,
            delivery_id,
            content_types,
            select: select?,
            fields,
            changed_paths,
        })
    }

    fn verify(&mut self, raw: &Spanned<RawVerify>) -> Option<Method> {
        let settings = &raw.value;
        let own = [
            &settings.header,
            &settings.algorithm,
            &settings.encoding,
            &settings.prefix,
        ];
        if let Some(method) = preset(&settings.method) {
            if own.iter().any(|setting| setting.is_some()) {
                let message = "this method has no settings; `hmac` and `token` do";
                self.add(raw, "verify", message);
            }
            return Some(method);
        }
        let name = settings.header.clone().unwrap_or_default();
        match settings.method.as_str() {
            "hmac" => {
                let name = self.header(raw, "verify.header", &name)?;
                let algorithm = match settings.algorithm.as_deref() {
                    Some("sha256") => Algorithm::Sha256,
                    Some("sha512") => Algorithm::Sha512,
                    _ => {
                        self.add(raw, "verify.algorithm", "must be sha256 or sha512");
                        return None;
                    }
                };
                let encoding = match settings.encoding.as_deref() {
                    Some("hex") => Encoding::Hex,
                    Some("base64") => Encoding::Base64,
                    _ => {
                        self.add(raw, "verify.encoding", "must be hex or base64");
                        return None;
                    }
                };
                Some(Method::Hmac(vec![HmacHeader {
                    name,
                    algorithm,
                    encoding,
                    prefix: settings.prefix.clone().unwrap_or_default(),
                }]))
            }
            "token" => Some(Method::Token {
                headers: vec![self.header(raw, "verify.header", &name)?],
                is_bearer: false,
            }),
            _ => {
                let message = format!("must be one of {METHODS}");
                self.add(raw, "verify.method", message);
                None
            }
        }
    }

    fn header<T>(&mut self, at: &Spanned<T>, field: &str, name: &str) -> Option<HeaderName> {
        let header = HeaderName::try_from(name).ok();
        if header.is_none() {
            self.add(at, field, "must be the name of a header");
        }
        header
    }

    fn content_types(&mut self, raw: Option<Vec<Spanned<String>>>) -> Vec<String> {
        let Some(raw) = raw else {
            return vec!["application/json".to_owned()];
        };
        for (index, name) in raw.iter().enumerate() {
            let text = name.value.as_str();
            let is_json = text == "application/json"
                || (text.starts_with("application/") && text.ends_with("+json"));
            if !is_json || text.contains([';', ' ']) || index >= MAX_ITEMS {
                let message =
                    "must be application/json or application/…+json: nothing else is read";
                self.add(name, &format!("content_types[{index}]"), message);
            }
        }
        raw.into_iter().map(|name| name.value).collect()
    }

    fn path<T>(&mut self, at: &Spanned<T>, field: &str, text: &str) -> Option<JsonPath> {
        match JsonPath::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                let message = format!("is no JSONPath of RFC 9535, such as $.a.b[0]: {error}");
                self.add(at, field, message);
                None
            }
        }
    }

    fn paths(&mut self, raw: Vec<Spanned<String>>) -> Vec<JsonPath> {
        let raw = raw.into_iter().take(MAX_ITEMS).enumerate();
        raw.filter_map(|(index, text)| {
            self.path(&text, &format!("changed_paths[{index}]"), &text.value)
        })
        .collect()
    }

    /// A source, of which exactly one is there.
    fn source<T>(
        &mut self,
        at: &Spanned<T>,
        field: &str,
        (path, header): (Option<String>, Option<String>),
        value: Option<String>,
    ) -> Option<Source> {
        match (path, header, value) {
            (Some(path), None, None) => self.path(at, field, &path).map(Source::Path),
            (None, Some(name), None) => self.header(at, field, &name).map(Source::Header),
            (None, None, Some(value)) => Some(Source::Value(value)),
            _ => {
                self.add(at, field, "must have exactly one of path, header and value");
                None
            }
        }
    }

    fn fields(
        &mut self,
        raw: BTreeMap<String, Spanned<RawMapping>>,
        parent: &str,
    ) -> BTreeMap<Field, Mapping> {
        let mut fields = BTreeMap::new();
        for (name, raw) in raw {
            let at = format!("{parent}.{name}");
            let Some(field) = Field::named(&name) else {
                let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
                let message = format!(
                    "is no field that a tool file may fill; these are {}",
                    names.join(", ")
                );
                self.add(&raw, &at, message);
                continue;
            };
            if let Some(mapping) = self.mapping(raw, &at) {
                fields.insert(field, mapping);
            }
        }
        fields
    }

    fn mapping(&mut self, raw: Spanned<RawMapping>, at: &str) -> Option<Mapping> {
        let settings = &raw.value;
        let source = (settings.path.clone(), settings.header.clone());
        let source = self.source(&raw, at, source, settings.value.clone());
        if settings.clone_url && !at.ends_with(".git_repo") {
            self.add(&raw, at, "clone_url is for git_repo");
        }
        let words = settings.words.as_ref();
        if words.is_some_and(|words| words.is_empty() || words.len() > MAX_ITEMS) {
            let message = format!("words must have 1 to {MAX_ITEMS} words");
            self.add(&raw, at, message);
        }
        for word in words.into_iter().flat_map(BTreeMap::values) {
            // The control plane would refuse every event with it. The fault does not repeat it.
            if looks_like_a_credential(word) {
                self.add(&raw, at, "words: one of them looks like a credential");
            } else if let Err(why) = Label::parse(word) {
                self.add(&raw, at, format!("words: `{word}` {why}"));
            }
        }
        let settings = raw.value;
        Some(Mapping {
            source: source?,
            strip_prefix: settings.strip_prefix,
            lower: settings.lower,
            words: settings.words,
            clone_url: settings.clone_url,
        })
    }

    fn event(
        &mut self,
        raw: Spanned<RawEvent>,
        index: usize,
        shared: &BTreeMap<Field, Mapping>,
    ) -> Option<Event> {
        let parent = format!("events[{index}]");
        let count = raw.value.values.len();
        if count == 0 || count > MAX_ITEMS {
            let message = format!("must have 1 to {MAX_ITEMS} values, not {count}");
            self.add(&raw, &format!("{parent}.values"), message);
        }
        if raw.value.ignore == raw.value.event.is_some() {
            let message = "must have either an event or `ignore: true`";
            self.add(&raw, &parent, message);
        }
        let settings = raw.value;
        let kind = match &settings.event {
            Some(name) => Some(self.kind(name, &format!("{parent}.event"))?),
            None => None,
        };
        let fields = self.fields(settings.map.unwrap_or_default(), &format!("{parent}.map"));
        let mut required = Vec::new();
        for name in settings.required.unwrap_or_default() {
            match Field::named(&name.value) {
                Some(field) if fields.contains_key(&field) || shared.contains_key(&field) => {
                    required.push(field);
                }
                Some(_) | None => {
                    let message =
                        format!("`{}` is not mapped, so it would never be there", name.value);
                    self.add(&name, &format!("{parent}.required"), message);
                }
            }
        }
        let conditions = settings.when.unwrap_or_default().into_iter();
        let conditions = conditions.take(MAX_ITEMS).enumerate();
        Some(Event {
            values: settings.values,
            conditions: conditions
                .filter_map(|(place, raw)| self.condition(&raw, &format!("{parent}.when[{place}]")))
                .collect(),
            kind,
            fields,
            required,
        })
    }

    fn kind(&mut self, name: &Spanned<String>, field: &str) -> Option<EventKind> {
        let kind = EventKind::ALL
            .iter()
            .find(|kind| kind.as_str() == name.value);
        if kind.is_none() {
            let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
            self.add(name, field, format!("must be one of {}", names.join(", ")));
        }
        kind.copied()
    }

    fn condition(&mut self, raw: &Spanned<RawCondition>, at: &str) -> Option<Condition> {
        let settings = &raw.value;
        let source = (settings.path.clone(), settings.header.clone());
        let source = self.source(raw, at, source, None)?;
        let test = match (settings.one_of.clone(), settings.prefix.clone()) {
            (Some(texts), None) if !texts.is_empty() && texts.len() <= MAX_ITEMS => {
                Test::OneOf(texts)
            }
            (None, Some(prefix)) if !prefix.is_empty() => Test::Prefix(prefix),
            _ => {
                let message = "must have exactly one of one_of, a list, and prefix, a text";
                self.add(raw, at, message);
                return None;
            }
        };
        Some(Condition { source, test })
    }
}
