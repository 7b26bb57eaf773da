//! Whole flows: the real programs, a git repository, and the API between them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod access;
mod audit;
mod bad_input;
mod canary;
mod compat;
mod deployment;
mod ends;
mod events;
mod gateway;
mod harness;
mod hold;
mod identities;
mod jobs;
mod lambda;
mod local;
mod losses;
mod many_claimers;
mod net_zero;
mod observed;
mod openapi;
mod outages;
mod overload;
mod plane;
mod restart;
mod sender;
mod sign_in;
mod smoke;
mod tenants;
mod units;
