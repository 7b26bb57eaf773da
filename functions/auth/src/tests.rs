//! The function through its routes, on the embedded engine, with providers that the tests run themselves.

mod invitations;
mod kept_secrets;
mod members;
mod organisations;
mod records;
mod refusals;
mod sessions;
mod sign_in;
mod stub;
mod tokens;
mod world;
