//! A snapshot of a living shard: its ledger, copied a step at a time between two turns; and the log that may go then.

use super::Shard;
use crate::journal::storage::SegmentSource;
use crate::ledger::id::Lsn;
use crate::ledger::snapshot::{Copied, Copying, Section};

/// What a step of a copy gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// Items of one section, or none.
    Items {
        /// Which.
        section: Section,
        /// How many.
        count: u32,
    },
    /// The ledger's part of the footer: all is copied.
    Done {
        /// Every record so far stands below it: the snapshot is good when the log is durable up to here.
        end: Lsn,
        /// Shard time, unix milliseconds.
        now_ms: u64,
        /// The oldest position that a log below this snapshot needs.
        needed: Lsn,
    },
}

impl<R: SegmentSource> Shard<R> {
    /// Begins a copy. `begin`: where the newest durable block ends.
    pub fn begin_copy(&self, begin: Lsn) -> Copying {
        assert!(begin <= self.log.durable_lsn(), "a snapshot begins where the log is durable");
        self.ledger.copying(begin)
    }

    /// Appends the next step to `out`, after which commands may go on. Bounded: some 500 accounts and holds, leads or
    /// claims, or a table of the index.
    pub fn copy_step(&self, copying: &mut Copying, out: &mut Vec<u8>) -> CopyStep {
        match self.ledger.copy(copying, out) {
            Copied::Items { section, count } => CopyStep::Items { section, count },
            Copied::Done => {
                let end = self.log.next_lsn();
                let needed = self.ledger.footer(copying, end, out);
                CopyStep::Done { end, now_ms: self.now_ms, needed }
            }
        }
    }

    /// Gives up the log below `floor`, which no snapshot needs, as far as no REFUND made since points further back; all
    /// stays while one waits for an old record. Returns where the log shall begin. What stands before is not refunded
    /// any more, although memory or a reader may still have it.
    pub fn let_go(&mut self, floor: Lsn) -> Lsn {
        if !self.parked.has_refund() {
            let begin = self.reader.segment_base(floor.min(self.ledger.needed()));
            self.kept_from = self.kept_from.max(begin);
        }
        self.kept_from
    }
}
