//! A verified webhook becomes the fields of the metadata contract, and nothing else of it goes anywhere.

use crate::journal::Ignored;
use crate::path_classes::PathClasses;
use crate::tool::{Delivery, Event, Field, Tool};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::str::FromStr;
use wire::relay::{Branch, Label, Login, RepositoryName};
use wire::{CommitSha, EventKind, GitRepo};

/// Names that are replaced by pseudonyms: the same name by the same one, which only the key's owner can find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pseudonyms {
    pub(crate) repository: bool,
    /// Of branches and tags.
    pub(crate) branch: bool,
}

/// What the customer's configuration makes of every tool's fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) path_classes: &'a PathClasses,
    pub(crate) pseudonyms: Pseudonyms,
    /// There if a name is to be replaced.
    pub(crate) pseudonym_key: Option<&'a [u8]>,
}

/// The fields that a webhook has values for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fields {
    pub(crate) action: Option<Label>,
    pub(crate) repository: Option<RepositoryName>,
    pub(crate) git_repo: Option<GitRepo>,
    pub(crate) branch: Option<Branch>,
    pub(crate) tag: Option<Branch>,
    pub(crate) commit_sha: Option<CommitSha>,
    pub(crate) author: Option<Login>,
    pub(crate) number: Option<u64>,
    pub(crate) status: Option<Label>,
    pub(crate) severity: Option<Label>,
    pub(crate) environment: Option<Label>,
    pub(crate) path_classes: Vec<Label>,
}

/// An event, as far as the control plane may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) kind: EventKind,
    pub(crate) fields: Fields,
    /// The fields whose values the contract does not allow.
    pub(crate) left_out: Vec<Field>,
}

/// The event that a delivery is, or why it is none.
///
/// Fails with the fields that the event needs and the delivery does not have, or has in a form that the contract does not allow.
pub(crate) fn map(
    tool: &Tool,
    delivery: &Delivery<'_>,
    rules: &Rules<'_>,
) -> Result<Result<Mapped, Ignored>, Vec<Field>> {
    let event = match tool.event_of(delivery) {
        Ok(event) => event,
        Err(why) => return Ok(Err(why)),
    };
    let Some(kind) = event.kind else {
        return Ok(Err(Ignored::ByFile));
    };
    let mut reader = Reader {
        tool,
        event,
        delivery,
        rules,
        left_out: Vec::new(),
        found: Vec::new(),
    };
    let fields = Fields {
        action: reader.read(Field::Action),
        repository: reader.name(Field::Repository, rules.pseudonyms.repository),
        // The address would say what the pseudonym hides.
        git_repo: if rules.pseudonyms.repository {
            None
        } else {
            reader.read(Field::GitRepo)
        },
        branch: reader.name(Field::Branch, rules.pseudonyms.branch),
        tag: reader.name(Field::Tag, rules.pseudonyms.branch),
        commit_sha: reader.read(Field::CommitSha),
        author: reader.read(Field::Author),
        number: reader.read(Field::Number),
        status: reader.read(Field::Status),
        severity: reader.read(Field::Severity),
        environment: reader.read(Field::Environment),
        path_classes: rules.path_classes.of(&tool.changed_paths, delivery.body),
    };
    let missing: Vec<_> = event
        .required
        .iter()
        .copied()
        .filter(|field| !reader.found.contains(field))
        .collect();
    if missing.is_empty() {
        Ok(Ok(Mapped {
            kind,
            fields,
            left_out: reader.left_out,
        }))
    } else {
        Err(missing)
    }
}

struct Reader<'a> {
    tool: &'a Tool,
    event: &'a Event,
    delivery: &'a Delivery<'a>,
    rules: &'a Rules<'a>,
    left_out: Vec<Field>,
    found: Vec<Field>,
}

impl Reader<'_> {
    /// The text of a field, before the contract is asked.
    fn text(&mut self, field: Field) -> Option<String> {
        let mapping = self.event.mapping(self.tool, field)?;
        let text = mapping.read(self.delivery);
        if text.is_err() {
            self.left_out.push(field);
        }
        text.ok().flatten()
    }

    /// A field, if the contract allows what stands there.
    fn read<T: FromStr>(&mut self, field: Field) -> Option<T> {
        let text = self.text(field)?;
        self.check(field, &text)
    }

    /// A name, or its pseudonym.
    fn name<T: FromStr>(&mut self, field: Field, is_replaced: bool) -> Option<T> {
        let text = self.text(field)?;
        if !is_replaced {
            return self.check(field, &text);
        }
        // Without a key there is no pseudonym, and then there is no name either.
        let pseudonym = self
            .rules
            .pseudonym_key
            .and_then(|key| pseudonym(key, field, &text));
        self.check(field, &pseudonym.unwrap_or_default())
    }

    fn check<T: FromStr>(&mut self, field: Field, text: &str) -> Option<T> {
        if let Ok(value) = text.parse() {
            self.found.push(field);
            Some(value)
        } else {
            self.left_out.push(field);
            None
        }
    }
}

/// 32 hexadecimal digits: half of an HMAC with SHA-256 of the field's name and the text.
fn pseudonym(key: &[u8], field: Field, text: &str) -> Option<String> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    let name = field.name();
    let digest = mac
        .chain_update(format!("hcp-pseudonym-v1\n{name}\n"))
        .chain_update(text)
        .finalize()
        .into_bytes();
    Some(HEXLOWER.encode(&digest[..16]))
}
