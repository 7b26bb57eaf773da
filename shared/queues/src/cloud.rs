//! What Azure and Google Cloud are called by: HTTP, and tokens that end by themselves.

mod http;
mod machine;
mod shorten;
mod source;
mod tokens;

pub(crate) use http::{Answer, CALL_TIMEOUT, Call, Http};
pub(crate) use machine::Machine;
pub(crate) use source::Source;
pub(crate) use tokens::Tokens;
