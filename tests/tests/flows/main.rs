//! Whole flows: the real programs, a git repository, and the API between them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod ends;
mod harness;
mod jobs;
mod lambda;
mod local;
mod losses;
mod many_claimers;
mod outages;
mod overload;
#[path = "../plane/mod.rs"]
mod plane;
mod restart;
mod tenants;
