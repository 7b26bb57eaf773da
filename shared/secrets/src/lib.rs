//! What a function must know and nobody may read in its configuration: held in AWS Secrets Manager, named by a variable.
//!
//! A variable `NAME` holds such a value itself, for tests and for one machine; `NAME_ARN` names the secret that holds it. The
//! secret is read when it is first needed and not before, so that a start neither waits for it nor fails with it. It is read
//! again after [`FRESH_SECONDS`], so that a value that was replaced takes effect by itself. While it cannot be read the value
//! before goes on; where there is none, whoever needs it is told to come back.

mod arn;
mod manager;
mod secret;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;

pub use arn::SecretArn;
pub use secret::{FRESH_SECONDS, Parse, RETRY_SECONDS, Secret, Unavailable};

use manager::Reader;

/// How a variable is looked up. An empty one is none.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads what the environment says of a secret: its value in `name`, or the ARN of the secret that holds it in `<name>_ARN`;
/// `None` if it says neither. Nothing is connected to.
///
/// # Errors
/// Every fault at once: both are there, the value or the ARN is not what it should be, or there are no credentials of AWS to
/// read the secret with.
pub fn read<T>(
    name: &'static str,
    parse: Parse<T>,
    lookup: Lookup<'_>,
) -> Result<Option<Secret<T>>, Vec<String>> {
    let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let by_reference = format!("{name}_ARN");
    match (variable(name), variable(&by_reference)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(vec![format!(
            "{name} and {by_reference} are both there; one of them must go"
        )]),
        (Some(value), None) => match parse(&value) {
            Ok(value) => Ok(Some(Secret::from(value))),
            Err(rule) => Err(vec![format!("{name} {rule}")]),
        },
        (None, Some(arn)) => {
            let arn = SecretArn::parse(&arn)
                .map_err(|malformed| vec![format!("{by_reference} {malformed}")]);
            let reader = match arn {
                Ok(arn) => Reader::new(arn, &variable)?,
                Err(mut faults) => {
                    faults.extend(Reader::missing(&variable));
                    return Err(faults);
                }
            };
            Ok(Some(Secret::kept(name, parse, reader)))
        }
    }
}
