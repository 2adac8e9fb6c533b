//! THE WIRE. Bytes of a client in, bytes out; what they mean is `commands`' business, what becomes of them the host's.
//!
//! Absent on purpose: ledger state, shards, other cores. A connection hands commands to its [`connection::Host`].

pub mod connection;
pub mod listener;
pub mod replies;
pub mod resp;
pub mod tls;
