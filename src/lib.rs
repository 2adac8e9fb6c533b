//! creditd: a sharded in-memory store of credit accounts that speaks the Redis protocol.
//!
//! # The house
//! ```text
//! cli ──▶ server ──▶ net ──▶ commands ──▶ ledger (types)
//!            │        └────▶ shard (batches)
//!            ├─────▶ shard ──▶ ledger, journal
//!            ├─────▶ admin ──▶ net (listener), telemetry, config
//!            ├─────▶ feed ───▶ journal, ledger (records)
//!            └─────▶ telemetry, config, clock
//!  └─▶ archive ──▶ ledger, journal
//! ```
//! - [`ledger`]: the rules. Pure.
//! - [`journal`]: the disk. Records are bytes to it.
//! - [`shard`]: the joint of both, and the replies that wait for durability.
//! - [`commands`]: the language. One table, one argument cursor, one reply encoder.
//! - [`access`]: who may come in, and what they may do.
//! - [`net`]: the wire. Parser, conversation, listener.
//! - [`server`]: the threads.
//! - [`admin`]: HTTP for operators: metrics and health.
//! - [`feed`]: the log read as streams of events.
//! - [`archive`]: a data directory without a server: verify, inspect, export, head.
//! - [`telemetry`], [`config`], [`clock`], [`cli`].
//!
//! # The life of `CREDIT.DEBIT tradie:42 txn-9 5`
//! 1. The socket's task on its core reads what is there; the parser yields words as slices of the read buffer
//!    ([`net::resp`]).
//! 2. The table finds the command, its file parses it ([`commands`]). A slot of the reply ring is taken
//!    ([`net::replies`]).
//! 3. The account's hash slot names shard and core; the command is copied into the batch of that core
//!    ([`shard::batch`]), which may be this one.
//! 4. The core's turn runs the batch: settle what is due on the account, recall what the id means, decide, append the
//!    event to the open block, apply it ([`shard::Shard::execute`]). The outcome waits under its log position.
//! 5. The turn commits the block, inline or through the journal thread ([`journal`]). What is durable now is released.
//! 6. Outcomes fill their slots, here or on the core that has the connection; what is ready in order is encoded and
//!    leaves in one write.
//!
//! A crash before 5: the client got no reply and sends txn-9 again: the same outcome or a fresh one, never two debits.

use std::sync::LazyLock;

/// Whether this bug is planted: never, but in a build with `--cfg planted`, in which `PLANTED_BUG` names one
/// (tests/planted.sh).
macro_rules! planted {
    ($bug:literal) => {
        cfg!(planted) && crate::is_planted($bug)
    };
}

pub mod access;
pub mod admin;
pub mod archive;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod feed;
pub mod journal;
pub mod ledger;
pub mod net;
pub mod server;
pub mod shard;
pub mod telemetry;

fn is_planted(bug: &str) -> bool {
    static BUG: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("PLANTED_BUG").ok());
    BUG.as_deref() == Some(bug)
}
