//! Which trace a call belongs to: W3C's `traceparent`, and X-Ray's header where there is none.
//!
//! Specifications: <https://www.w3.org/TR/trace-context/>,
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// The trace that a call belongs to, and its own place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: NonZeroU128,
    span_id: NonZeroU64,
    parent: Option<NonZeroU64>,
    sampled: bool,
}

/// How many random bytes a context is made of: a trace's id, and that of a span in it.
const RANDOM: usize = 24;

/// Bytes of `traceparent` as version 00 has it.
const LENGTH: usize = 55;

impl TraceContext {
    /// The trace that an invocation belongs to, as Lambda says it; a new one, if it says none.
    pub fn of_invocation(xray: Option<&str>, random: [u8; RANDOM]) -> Self {
        xray.and_then(|header| Self::following_xray(header, random))
            .unwrap_or_else(|| Self::new(random))
    }

    /// A trace that begins here.
    pub fn new(random: [u8; RANDOM]) -> Self {
        let trace_id = random.first_chunk().copied().map(u128::from_be_bytes);
        Self {
            // Sixteen zeros do not come up; if they do, one is as good as another.
            trace_id: trace_id
                .and_then(NonZeroU128::new)
                .unwrap_or(NonZeroU128::MIN),
            span_id: span_id(random),
            parent: None,
            sampled: true,
        }
    }

    /// A call within the trace that a `traceparent` names. None if it is malformed: then, as the specification has it,
    /// a new trace begins. Of a version to come, what version 00 has of it is taken.
    pub fn following(traceparent: &str, random: [u8; RANDOM]) -> Option<Self> {
        let (known, rest) = traceparent.split_at_checked(LENGTH)?;
        let mut fields = known.split('-');
        let mut field = |digits| {
            let text = fields.next()?;
            (text.len() == digits).then_some(text)
        };
        let (version, trace_id, parent, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        match hex(version)? {
            0xff => return None,
            0 if !rest.is_empty() => return None,
            _ if !rest.is_empty() && !rest.starts_with('-') => return None,
            _ => {}
        }
        Some(Self {
            trace_id: NonZeroU128::new(hex(trace_id)?)?,
            span_id: span_id(random),
            parent: Some(NonZeroU64::new(u64::try_from(hex(parent)?).ok()?)?),
            sampled: hex(flags)? & 1 == 1,
        })
    }

    /// A call within the trace that X-Ray's header names: `Root=1-<8 digits>-<24 digits>;Parent=<16 digits>;Sampled=1`.
    /// None if it has no root that is well formed.
    ///
    /// X-Ray keeps nothing of a trace that it does not sample, as where it is not switched on. So such a one has no parent
    /// that could be found anywhere, and says nothing about whether others keep it.
    pub fn following_xray(header: &str, random: [u8; RANDOM]) -> Option<Self> {
        // More parts than anybody sends are not looked at.
        let value = |name: &str| {
            let mut parts = header.split(';').take(16).map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let (began, rest) = value("Root")?.strip_prefix("1-")?.split_once('-')?;
        if (began.len(), rest.len()) != (8, 24) {
            return None;
        }
        let trace_id = (hex(began)? << 96) | hex(rest)?;
        let parent = value("Parent").filter(|id| id.len() == 16 && value("Sampled") == Some("1"));
        Some(Self {
            trace_id: NonZeroU128::new(trace_id)?,
            span_id: span_id(random),
            parent: parent.and_then(|id| NonZeroU64::new(u64::try_from(hex(id)?).ok()?)),
            sampled: true,
        })
    }

    /// The trace, in 32 hexadecimal digits.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        Hex(self.trace_id.get(), 32)
    }

    /// This call in it, in 16 hexadecimal digits.
    pub fn span_id(&self) -> impl fmt::Display + use<> {
        Hex(self.span_id.get().into(), 16)
    }

    /// The call that this one is part of, unless it is the first.
    pub fn parent(&self) -> Option<u64> {
        self.parent.map(NonZeroU64::get)
    }

    /// Whether it is to be kept where traces are kept.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The `traceparent` of what this call causes.
    pub fn traceparent(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{}-{}-{flags:02x}", self.trace_id(), self.span_id())
    }
}

fn span_id(random: [u8; RANDOM]) -> NonZeroU64 {
    let span_id = random.last_chunk().copied().map(u64::from_be_bytes);
    span_id.and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN)
}

/// A number of up to 32 hexadecimal digits in lower case: others are malformed.
fn hex(digits: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits.bytes().all(is_digit).then_some(())?;
    u128::from_str_radix(digits, 16).ok()
}

/// A number in so many digits.
struct Hex(u128, usize);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.0, width = self.1)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_followed_by_a_span_of_its_own() {
        let followed = TraceContext::following(GOOD, [7; 24]).unwrap();
        assert_eq!(followed.trace_id().to_string(), TRACE);
        assert_eq!(followed.span_id().to_string(), "07".repeat(8));
        assert_eq!(followed.parent(), Some(0x00f0_67aa_0ba9_02b7));
        assert!(followed.is_sampled());
        let next = format!("00-{TRACE}-{}-01", "07".repeat(8));
        assert_eq!(followed.traceparent(), next);
        let unsampled = TraceContext::following(&GOOD.replace("-01", "-00"), [7; 24]).unwrap();
        assert!(!unsampled.is_sampled() && unsampled.traceparent().ends_with("-00"));
        // Flags that are not known yet are not passed on.
        let flags = TraceContext::following(&GOOD.replace("-01", "-ff"), [7; 24]).unwrap();
        assert!(flags.traceparent().ends_with("-01"));
    }

    #[test]
    fn of_a_version_to_come_what_is_known_is_taken() {
        for good in [
            GOOD.replacen("00", "01", 1),
            format!("{}-what-comes-then", GOOD.replacen("00", "cc", 1)),
        ] {
            let followed = TraceContext::following(&good, [7; 24]).unwrap();
            assert!(
                followed.traceparent().starts_with(&format!("00-{TRACE}-")),
                "{good}"
            );
        }
    }

    #[test]
    fn what_is_malformed_is_not_followed() {
        for bad in [
            String::new(),
            "00".to_owned(),
            GOOD.to_uppercase(),
            GOOD.replace('-', "_"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "0x", 1),
            GOOD.replacen("4bf9", "4bF9", 1),
            GOOD.replacen("4bf9", "+bf9", 1),
            GOOD.replace(TRACE, &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace("-01", "-0g"),
            format!("{GOOD}-more"),
            format!("{GOOD}x"),
            format!("{}x", GOOD.replacen("00", "01", 1)),
            format!(" {GOOD}"),
            format!("00-{TRACE}-00f067aa0ba902b-1-01"),
            GOOD.replace("a3ce", "é\u{301}"),
        ] {
            assert_eq!(TraceContext::following(&bad, [7; 24]), None, "{bad:?}");
        }
    }

    #[test]
    fn the_header_of_x_ray_is_understood() {
        let xray = |text: &str| TraceContext::following_xray(text, [7; 24]);
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let whole = xray(&format!(
            "Self=1-1-1; {root};Parent=53995c3f42cd8ad8;Sampled=1"
        ))
        .unwrap();
        let trace_id = whole.trace_id().to_string();
        assert_eq!(trace_id, "5759e988bd862e3fe1be46a994272793");
        assert_eq!(whole.parent(), Some(0x5399_5c3f_42cd_8ad8));
        for unsampled in [
            root.to_owned(),
            format!("{root};Parent=53995c3f42cd8ad8;Sampled=0"),
            format!("{root};Parent=53995c3f42cd8ad8;Sampled=?"),
            format!("{root};Parent=53995c3f;Sampled=1"),
        ] {
            let context = xray(&unsampled).unwrap();
            assert_eq!(context.trace_id().to_string(), trace_id, "{unsampled}");
            assert_eq!(
                (context.parent(), context.is_sampled()),
                (None, true),
                "{unsampled}"
            );
        }
        for bad in [
            "",
            "Root=",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e98-8bd862e3fe1be46a994272793",
            "Root=1-00000000-000000000000000000000000",
            "Root=1-5759E988-bd862e3fe1be46a994272793",
            "Parent=53995c3f42cd8ad8;Sampled=1",
        ] {
            assert_eq!(xray(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_trace_that_begins_here_has_no_parent() {
        let begun = TraceContext::new([0; 24]);
        assert_eq!(begun.parent(), None);
        let again = TraceContext::following(&begun.traceparent(), [1; 24]).unwrap();
        assert_eq!(again.trace_id().to_string(), begun.trace_id().to_string());
    }
}
