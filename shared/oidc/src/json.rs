//! JSON from people one has no reason to trust: a name that stands twice is refused, because two readers may take
//! different ones, and so is what is nested deeper than anything we read.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Levels of objects and arrays. Key documents need three, the tokens that we know need four.
const MAX_DEPTH: usize = 8;

/// Reads an object.
///
/// # Errors
/// If the text is no JSON object, holds a name twice or is nested too deep.
pub(crate) fn read_object(text: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: MAX_DEPTH }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

/// Reads one value, with so many levels left.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn an_object_is_read_as_serde_json_reads_it() {
        let text = r#"{"a":[1,-2,3.5,null,true],"b":{"c":"\u0041"}}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(read_object(text.as_bytes()).unwrap()), plain);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let deep = format!("{}1{}", "{\"a\":".repeat(9), "}".repeat(9));
        let very_deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for (name, text) in [
            ("a name twice", r#"{"a":1,"a":1}"#),
            ("a name twice, once escaped", r#"{"a":1,"\u0061":2}"#),
            ("a name twice, inside", r#"{"x":[{"a":1,"a":2}]}"#),
            ("nine levels", &deep),
            ("a hundred thousand levels", &very_deep),
            ("something after it", r#"{"a":1}{"a":2}"#),
            ("a number beyond doubles", r#"{"a":1e999}"#),
            ("an array", "[]"),
            ("a byte order mark", "\u{feff}{}"),
            ("a comment", "{/**/}"),
            ("nothing", ""),
        ] {
            assert!(read_object(text.as_bytes()).is_err(), "{name}");
        }
        assert!(read_object(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
    }
}
