//! Query strings: flat, each name once, nothing unknown.

use crate::Problem;
use crate::pointer::{escape, fault};
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::value::{MapDeserializer, StringDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use wire::{Check, Fault};

/// The query, as a flat struct whose fields all have a default or are optional. An unknown name, a name given twice, a
/// wrong type and whatever [`Check`] finds are 400 with the pointer `/query/<name>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned + Check, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(pairs(parts)?).map(Self)
    }
}

/// The longest query, in bytes.
const QUERY_LIMIT: usize = 4096;

/// The decoded names and values, each name once.
pub(crate) fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    if query.len() > QUERY_LIMIT {
        return Err(Problem::invalid_at(
            "/query",
            format!("at most {QUERY_LIMIT} bytes"),
        ));
    }
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(|_| {
        Problem::invalid_at("/query", "must be `name=value` pairs, percent-encoded")
    })?;
    let twice: Vec<Fault> = pairs
        .iter()
        .enumerate()
        .filter(|(place, (name, _))| {
            // Reported once, at its second place.
            pairs[..*place]
                .iter()
                .filter(|(other, _)| other == name)
                .count()
                == 1
        })
        .map(|(_, (name, _))| at(name, "must be given once"))
        .collect();
    if twice.is_empty() {
        Ok(pairs)
    } else {
        Err(Problem::invalid(twice))
    }
}

fn at(name: &str, detail: &str) -> Fault {
    Fault {
        pointer: format!("/query/{}", escape(name)),
        detail: detail.to_owned(),
    }
}

/// The pairs as a struct.
pub(crate) fn parse<T: DeserializeOwned + Check>(
    pairs: Vec<(String, String)>,
) -> Result<T, Problem> {
    let value: T = serde_path_to_error::deserialize(Query(pairs)).map_err(|error| {
        Problem::invalid(vec![fault(
            "/query",
            error.path(),
            &error.inner().to_string(),
        )])
    })?;
    let mut faults = Vec::new();
    value.check(&mut faults);
    if faults.is_empty() {
        return Ok(value);
    }
    for fault in &mut faults {
        fault.pointer.insert_str(0, "/query");
    }
    Err(Problem::invalid(faults))
}

type QueryError = serde::de::value::Error;

/// Pairs of text, read by a struct that names its fields. Names that it does not have are refused here, whether or not
/// the struct says `deny_unknown_fields`.
struct Query(Vec<(String, String)>);

impl<'de> Deserializer<'de> for Query {
    type Error = QueryError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_map(MapDeserializer::new(
            self.0.into_iter().map(|(name, value)| (name, Value(value))),
        ))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, QueryError> {
        if let Some((unknown, _)) = self
            .0
            .iter()
            .find(|(name, _)| !fields.contains(&name.as_str()))
        {
            return Err(serde::de::Error::unknown_field(unknown, fields));
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// One value, which is text until its field says what it is.
struct Value(String);

impl IntoDeserializer<'_, QueryError> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident, $expected:literal;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
            match self.0.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(serde::de::Error::custom(concat!("must be ", $expected))),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Value {
    type Error = QueryError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, QueryError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, QueryError> {
        visitor.visit_enum(self)
    }

    parsed! {
        deserialize_bool => visit_bool, "true or false";
        deserialize_u8 => visit_u8, "a whole number from 0 to 255";
        deserialize_u16 => visit_u16, "a whole number from 0 to 65535";
        deserialize_u32 => visit_u32, "a whole number, 0 or more";
        deserialize_u64 => visit_u64, "a whole number, 0 or more";
        deserialize_i32 => visit_i32, "a whole number";
        deserialize_i64 => visit_i64, "a whole number";
        deserialize_f64 => visit_f64, "a number";
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Value {
    type Error = QueryError;
    type Variant = <StringDeserializer<QueryError> as EnumAccess<'de>>::Variant;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), QueryError> {
        let text: StringDeserializer<QueryError> = self.0.into_deserializer();
        text.variant_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use http::Request;
    use serde::Deserialize;
    use wire::{JobStatus, PoolName};

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Order {
        #[default]
        NewestFirst,
        OldestFirst,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Filters {
        status: Option<JobStatus>,
        pool_name: Option<PoolName>,
        #[serde(default)]
        depth: u32,
        #[serde(default)]
        order: Order,
        #[serde(default)]
        all: bool,
    }

    impl Check for Filters {
        fn check(&self, faults: &mut Vec<Fault>) {
            wire::check_range(faults, "/depth", self.depth, (0, 3));
        }
    }

    async fn filters(query: &str) -> Result<Filters, Problem> {
        let (mut parts, ()) = Request::get(format!("/x?{query}"))
            .body(())
            .unwrap()
            .into_parts();
        ApiQuery::from_request_parts(&mut parts, &())
            .await
            .map(|ApiQuery(filters)| filters)
    }

    #[tokio::test]
    async fn values_are_read_as_what_their_fields_are() {
        let read = filters("status=queued&pool_name=l%69nux&depth=2&order=oldest_first&all=true")
            .await
            .unwrap();
        assert_eq!(
            read,
            Filters {
                status: Some(JobStatus::Queued),
                pool_name: Some(PoolName::parse("linux").unwrap()),
                depth: 2,
                order: Order::OldestFirst,
                all: true,
            }
        );
        assert_eq!(filters("").await.unwrap().status, None);
    }

    #[tokio::test]
    async fn unknown_repeated_and_wrong_parameters_are_refused_by_name() {
        for (query, pointer) in [
            ("statsu=QUEUED", "/query/statsu"),
            ("a%2Fb=1", "/query/a~1b"),
            ("depth=1&depth=1", "/query/depth"),
            ("depth=1&depth=1&depth=1", "/query/depth"),
            ("depth=-1", "/query/depth"),
            ("depth=4", "/query/depth"),
            ("depth=", "/query/depth"),
            ("status=NOPE", "/query/status"),
            ("pool_name=UPPER", "/query/pool_name"),
            ("order=sideways", "/query/order"),
            ("all=yes", "/query/all"),
        ] {
            let problem = filters(query).await.unwrap_err();
            assert_eq!(problem.status(), 400);
            assert_eq!(problem.errors().len(), 1, "{query}");
            assert_eq!(
                problem.errors()[0].pointer,
                pointer,
                "{query}: {:?}",
                problem.errors()
            );
        }
        assert!(
            filters(&format!("pool_name={}", "x".repeat(5000)))
                .await
                .is_err()
        );
    }
}
