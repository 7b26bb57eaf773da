//! Secrets as a function sees them: by its environment and the answers of a Secrets Manager.

mod reading;
mod variables;
