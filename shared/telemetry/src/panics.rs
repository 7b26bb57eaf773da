//! What the log says of a panic: where it was, and why as far as that cannot quote a request.

use std::panic::PanicHookInfo;

/// How much of a message is logged, in bytes.
const LONGEST: usize = 200;

/// How messages begin that the standard library makes of values. Only this part of them is logged: the values come from anywhere.
const STANDARD: [&str; 15] = [
    "called `Result::unwrap()` on an `Err` value",
    "called `Result::unwrap_err()` on an `Ok` value",
    "index out of bounds",
    "range start index",
    "range end index",
    "slice index starts at",
    "byte index",
    "start byte index",
    "end byte index",
    "assertion `left == right` failed",
    "assertion `left != right` failed",
    "mid > len",
    "source slice length",
    "overflow when",
    "internal error: entered unreachable code",
];

/// Stands for every other message that was made at run time.
const MADE: &str = "a message that was made at run time, and may quote a request";

/// Writes a panic to the log, in one line, on the span that it was in.
pub(crate) fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map_or_else(String::new, ToString::to_string);
    let payload = panic.payload();
    let why = match (
        payload.downcast_ref::<&'static str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => written(text),
        (None, Some(message)) => made(message),
        (None, None) => "",
    };
    tracing::error!(place, why, "panicked");
}

/// A message that stands in the program as it is.
fn written(text: &'static str) -> &'static str {
    let end = text.floor_char_boundary(LONGEST);
    text.get(..end).unwrap_or_default()
}

/// What may be told of a message that was made of values.
fn made(message: &str) -> &'static str {
    let known = STANDARD.iter().find(|begin| message.starts_with(**begin));
    known.unwrap_or(&MADE)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    /// The message of a panic, as a program makes it.
    fn message(panicking: impl FnOnce() + std::panic::UnwindSafe) -> &'static str {
        let payload = std::panic::catch_unwind(panicking).unwrap_err();
        match (
            payload.downcast_ref::<&'static str>(),
            payload.downcast_ref::<String>(),
        ) {
            (Some(text), _) => written(text),
            (None, Some(text)) => made(text),
            (None, None) => "",
        }
    }

    #[test]
    #[expect(clippy::unnecessary_literal_unwrap, reason = "it is to panic")]
    fn a_message_that_the_program_has_written_is_told_and_no_value_in_it() {
        let secret = String::from("hcp_test_u_canary");
        let number = secret.len();
        assert_eq!(message(|| panic!("a bug of ours")), "a bug of ours");
        let none = "called `Option::unwrap()` on a `None` value";
        assert_eq!(message(|| None::<()>.unwrap()), none);
        for told in [
            message(|| panic!("{secret}")),
            message(|| panic!("{{\"authorization\": {secret}")),
            message(|| std::panic::panic_any(secret.clone())),
        ] {
            assert_eq!(told, MADE);
        }
        let unwrapped = message(|| Err::<(), _>(secret.clone()).unwrap());
        assert_eq!(unwrapped, "called `Result::unwrap()` on an `Err` value");
        let index = message(|| assert_eq!(secret.as_bytes()[number], 0));
        assert_eq!(index, "index out of bounds");
        let equal = message(|| assert_eq!(secret, "x", "{secret}"));
        assert_eq!(equal, "assertion `left == right` failed");
        assert_eq!(message(|| std::panic::panic_any(number)), "");
    }

    #[test]
    fn a_long_message_is_cut() {
        let long: &'static str = Box::leak("é".repeat(LONGEST).into_boxed_str());
        assert_eq!(written(long).len(), LONGEST);
        let odd: &'static str = Box::leak(format!("x{long}").into_boxed_str());
        assert_eq!(written(odd).len(), LONGEST - 1);
    }
}
