//! The feed: a shard's log, read as a stream of events (commands.md C.5).
//!
//! ```text
//!  log files ──▶ journal::BlockReader ──▶ walk: records from a position on ─┬─▶ page: a reply of XREAD, XRANGE, XREVRANGE
//!                (durable blocks)                                           └─▶ follow: whoever makes messages of them (json)
//! ```
//! Events come from records alone, so none is without its change and no change without its event. An event's id is
//! `<now_ms of the block>-<LSN>`: both grow along the log, over restarts too. The second event of a record has LSN + 1,
//! where no record can start.
//!
//! Absent on purpose: threads and waiting (the server's), state: who follows keeps a position or a last id.

mod fields;
mod follow;
mod json;
mod name;
mod page;
#[cfg(test)]
mod tests;

pub use follow::{events, follow};
pub use json::json;
pub use name::{Name, Names, names_of};
pub use page::{Page, Query, page};

use crate::journal::{Lsn, ReadError};
use crate::ledger::codec::DecodeError;

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A block could not be read; [`ReadError::Gone`]: the log let go of it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A whole block holds what is no record.
    #[error("no record of the ledger at lsn {lsn}: {source}")]
    Decode {
        /// Where it stands.
        lsn: Lsn,
        /// What is wrong with it.
        source: DecodeError,
    },
}
