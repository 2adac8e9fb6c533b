//! creditd
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod journal;
pub mod ledger;
pub mod net;
pub mod server;
pub mod shard;
pub mod telemetry;
