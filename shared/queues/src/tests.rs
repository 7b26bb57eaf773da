//! Queues of Azure and Google Cloud, against servers on this machine that speak as their documentation says.

mod opening;
mod pubsub;
mod pubsub_server;
mod server;
mod service_bus;
mod service_bus_server;
mod tokens;
