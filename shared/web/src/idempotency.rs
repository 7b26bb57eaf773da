//! The `Idempotency-Key` header.

use crate::Problem;
use axum::extract::OptionalFromRequestParts;
use http::request::Parts;

/// A key that a caller gives a request, so that the request can be repeated and takes effect once. Extract it as an
/// `Option`: it may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key: 1 to 255 visible ASCII characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Problem> {
        const NAME: &str = "idempotency-key";
        let refused = |detail: &str| Problem::invalid_at("/header/idempotency-key", detail);
        let mut values = parts.headers.get_all(NAME).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(refused("must be given once"));
        }
        let bytes = value.as_bytes();
        if !(1..=255).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(refused("must be 1 to 255 visible ASCII characters"));
        }
        Ok(Some(Self(bytes.iter().copied().map(char::from).collect())))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use http::{HeaderValue, Request};

    async fn key(values: &[&[u8]]) -> Result<Option<IdempotencyKey>, Problem> {
        let (mut parts, ()) = Request::new(()).into_parts();
        for value in values {
            parts
                .headers
                .append("idempotency-key", HeaderValue::from_bytes(value).unwrap());
        }
        IdempotencyKey::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn a_key_is_one_header_of_visible_characters() {
        assert_eq!(key(&[]).await.unwrap(), None);
        assert_eq!(
            key(&[b"order-1"]).await.unwrap().unwrap().as_str(),
            "order-1"
        );
        assert!(key(&[&[b'x'; 255]]).await.is_ok());
        for bad in [
            &[&b""[..]][..],
            &[b"a b"],
            &[&[b'x'; 256]],
            &[b"a", b"b"],
            &[b"\xe9"],
        ] {
            assert_eq!(key(bad).await.unwrap_err().status(), 400, "{bad:?}");
        }
    }
}
