//! Commands that need records which are no longer in memory, on their way to a reader thread and back.
//!
//! ```text
//!  Shard::execute --Errand--> reader thread: Errand::run(&Reader) --> Shard::returned
//! ```
//! The parked command travels with its errand, so a shard keeps no table of what waits; a core thread never waits.

use super::batch::Ticket;
use crate::journal::Reader;
use crate::journal::storage::SegmentSource;
use crate::ledger::id::Lsn;

/// One command that waits for old records.
pub struct Errand {
    #[expect(dead_code, reason = "skeleton")]
    ticket: Ticket,
    #[expect(dead_code, reason = "skeleton")]
    gate: Lsn,
}

impl Errand {
    /// Reads what the command needs. On any thread that may wait for the disk.
    pub fn run<R: SegmentSource>(&mut self, _reader: &Reader<R>) {}
}
