//! Bodies, parsed within limits: a body that is verified can still be hostile, or a mistake.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// How deeply values may be nested.
pub(crate) const MAX_DEPTH: usize = 64;

/// How many values a body may have, those inside of others included.
pub(crate) const MAX_NODES: usize = 100_000;

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    NotJson,
    TooDeep,
    TooManyNodes,
    DuplicateKey,
}

/// Parses a body, and stops at the first thing that is wrong with it.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Malformed> {
    let limits = Limits::default();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let node = Node {
        limits: &limits,
        depth: 0,
    };
    let parsed = node
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    parsed.map_err(|_| limits.broken.get().unwrap_or(Malformed::NotJson))
}

#[derive(Default)]
struct Limits {
    nodes: Cell<usize>,
    broken: Cell<Option<Malformed>>,
}

impl Limits {
    fn refuse<T, E: Error>(&self, why: Malformed) -> Result<T, E> {
        self.broken.set(Some(why));
        Err(E::custom("refused"))
    }
}

/// A value that is about to be read.
#[derive(Clone, Copy)]
struct Node<'a> {
    limits: &'a Limits,
    depth: usize,
}

impl Node<'_> {
    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return self.limits.refuse(Malformed::TooDeep);
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let nodes = self.limits.nodes.get() + 1;
        if nodes > MAX_NODES {
            return self.limits.refuse(Malformed::TooManyNodes);
        }
        self.limits.nodes.set(nodes);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if values.contains_key(&key) {
                return self.limits.refuse(Malformed::DuplicateKey);
            }
            values.insert(key, entries.next_value_seed(inside)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_the_limits_is_read_as_it_stands() {
        let text = r#"{"a":[1,-2,3.5,"x",true,null],"b":{"c":{}}}"#;
        assert_eq!(
            parse(text.as_bytes()),
            Ok(serde_json::json!({"a": [1, -2, 3.5, "x", true, null], "b": {"c": {}}}))
        );
    }

    #[test]
    fn each_limit_is_named_when_it_is_broken() {
        let deep = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let objects = format!("{}1{}", "{\"a\":".repeat(1_000_000), "}".repeat(1_000_000));
        let wide = format!("[{}1]", "1,".repeat(1_000_000));
        let keys: Vec<_> = (0..1_000_000).map(|key| format!("\"{key}\":1")).collect();
        let keys = format!("{{{}}}", keys.join(","));
        for (body, why) in [
            (deep.as_str(), Malformed::TooDeep),
            (&objects, Malformed::TooDeep),
            (&wide, Malformed::TooManyNodes),
            (&keys, Malformed::TooManyNodes),
            (r#"{"a":1,"a":1}"#, Malformed::DuplicateKey),
            (r#"{"a":{"b":1,"\u0062":2}}"#, Malformed::DuplicateKey),
            ("", Malformed::NotJson),
            ("{} {}", Malformed::NotJson),
            ("a=b", Malformed::NotJson),
            ("{\"a\":NaN}", Malformed::NotJson),
            ("\"\u{1}\"", Malformed::NotJson),
        ] {
            assert_eq!(parse(body.as_bytes()), Err(why));
        }
        assert_eq!(parse(b"\"\xff\""), Err(Malformed::NotJson));
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
            let deeper = parse(nested(MAX_DEPTH + 1).as_bytes());
            assert_eq!(deeper, Err(Malformed::TooDeep));
        }
    }
}
