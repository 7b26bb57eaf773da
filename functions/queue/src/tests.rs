//! Stories of the queue, told through its routes on the embedded engine.

mod audit;
mod bad_input;
mod batch;
mod idempotency;
mod known_agents;
mod life;
mod lists;
mod world;
