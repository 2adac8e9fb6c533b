//! Outcomes that wait for the disk.
//!
//! Gate: an outcome leaves only when everything that it shows is durable (journal.md 1.1). A write waits for its own
//! record, and those come in log order, so they form a queue, which mostly leaves as a whole. A read or a replay waits
//! for the newest record of its account, which may be older than the queue's end: those stand aside in a list that is
//! looked through once a commit, and no entry survives more commits than there are blocks under way.

use super::batch::{Reply, Ticket};
use crate::ledger::id::Lsn;
use crate::ledger::outcome::Outcome;
use std::collections::VecDeque;

/// The outcomes of one shard that may not leave yet.
#[derive(Debug, Default)]
pub struct Pending {
    writes: VecDeque<Reply>,
    /// Where the records of `writes` stand.
    lsns: VecDeque<Lsn>,
    reads: Vec<(Lsn, Reply)>,
}

impl Pending {
    /// Keeps a write's outcome until the record at `lsn` is durable. Calls come in log order.
    #[inline]
    pub fn hold_write(&mut self, lsn: Lsn, ticket: Ticket, outcome: Outcome) {
        assert!(self.lsns.back().is_none_or(|last| *last < lsn), "writes wait in log order");
        self.lsns.push_back(lsn);
        self.writes.push_back(Reply { ticket, outcome });
    }

    /// Keeps an outcome that shows state as of the record at `lsn` until that is durable.
    pub fn hold_read(&mut self, lsn: Lsn, ticket: Ticket, outcome: Outcome) {
        self.reads.push((lsn, Reply { ticket, outcome }));
    }

    /// Moves everything that shows only records below `durable` to `released`.
    pub fn release(&mut self, durable: Lsn, released: &mut Vec<Reply>) {
        let leaving = self.lsns.partition_point(|lsn| *lsn < durable);
        self.lsns.drain(..leaving);
        if leaving == self.writes.len() && released.is_empty() {
            // Two buffers change places: no outcome is copied.
            let writes = std::mem::replace(&mut self.writes, std::mem::take(released).into());
            *released = writes.into();
        } else {
            released.extend(self.writes.drain(..leaving));
        }
        let leaves = |lsn: Lsn| lsn < durable || planted!("waiting reads leave with any commit");
        released.extend(self.reads.extract_if(.., |(lsn, _)| leaves(*lsn)).map(|(_, reply)| reply));
    }

    /// How many outcomes wait.
    pub fn len(&self) -> usize {
        self.writes.len() + self.reads.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::outcome::Figures;

    fn ticket(slot: u32) -> Ticket {
        Ticket { core: 0, connection: 0, generation: 0, slot }
    }

    #[test]
    fn a_read_of_durable_state_overtakes_a_write_that_waits() {
        let outcome = || Outcome::Balance(Figures::default());
        let mut pending = Pending::default();
        pending.hold_write(100, ticket(0), outcome());
        pending.hold_write(9000, ticket(1), outcome());
        pending.hold_read(100, ticket(2), outcome());
        pending.hold_read(9000, ticket(3), outcome());

        let slots = |pending: &mut Pending, durable| {
            let mut released = Vec::new();
            pending.release(durable, &mut released);
            released.iter().map(|r| r.ticket.slot).collect::<Vec<_>>()
        };
        assert_eq!(slots(&mut pending, 100), [0u32; 0], "the record at 100 is not durable when 100 bytes are");
        assert_eq!(slots(&mut pending, 4096), [0, 2]);
        assert_eq!(slots(&mut pending, 12288), [1, 3]);
        assert!(pending.is_empty());
    }
}
