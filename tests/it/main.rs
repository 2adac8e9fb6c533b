//! The built server, as a process, at its socket.
//!
//! ```text
//!  test ──bytes──▶ creditd (a child process, a free port, its own data directory) ──▶ disk
//!       ◀─bytes──
//! ```
//!
//! Every test starts its own server and waits for events, never for time: replies, the end of a stream, the end of a
//! process; all waits are bounded. Absent on purpose: anything that looks into the server past its replies, its exit
//! code and its standard error.

mod abuse;
mod access;
mod backup;
mod bench;
mod chance;
mod clients;
mod control;
mod disk;
mod events;
mod feed;
mod files;
mod frozen;
mod full;
mod hasty;
mod hostile;
mod inspection;
mod interrupted;
mod keys;
mod kill;
mod leads;
mod lifecycle;
mod load;
mod malformed;
mod messages;
mod metrics;
mod mount;
mod nested;
mod order;
mod past;
mod pipelines;
mod pubsub;
mod recovery;
mod repair;
mod replies;
mod rush;
mod scrape;
mod secrets;
mod secure;
mod server;
mod session;
mod slow;
mod snapshots;
mod steady;
mod storm;
mod tls;
mod tools;
mod trail;
mod wire;
mod words;

/// The judge of the kill tests speaks in the ledger's words.
use creditd::ledger;

#[path = "../linear/mod.rs"]
mod linear;
#[path = "../model/mod.rs"]
mod model;
#[path = "../torture/mod.rs"]
mod torture;
