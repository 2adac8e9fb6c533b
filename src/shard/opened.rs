//! How many accounts can be named before anybody: those whose first record is durable.
//!
//! Accounts are numbered in the order in which they open, and records become durable in the order of the log: so at each
//! commit a number is known below which all accounts will stay, whatever happens.

use crate::ledger::id::Lsn;
use std::collections::VecDeque;

/// The accounts of a shard that a crash cannot undo.
#[derive(Debug)]
pub(super) struct Opened {
    durable: u64,
    /// Ends of the log at which a block was given out, and how many accounts there were. One a commit that is under way.
    marks: VecDeque<(Lsn, u64)>,
}

impl Opened {
    /// After recovery: all of them.
    pub(super) fn all(accounts: u64) -> Self {
        Self { durable: accounts, marks: VecDeque::new() }
    }

    /// The log ends at `end` and has opened `accounts`.
    pub(super) fn mark(&mut self, end: Lsn, accounts: u64) {
        self.marks.push_back((end, accounts));
    }

    /// The log is durable up to `durable`.
    pub(super) fn committed(&mut self, durable: Lsn) {
        while let Some((_, accounts)) = self.marks.pop_front_if(|(end, _)| *end <= durable) {
            assert!(accounts >= self.durable, "accounts are never removed");
            self.durable = accounts;
        }
    }

    /// Accounts numbered below this are durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_count_when_the_log_is_durable_up_to_where_they_were_counted() {
        let mut opened = Opened::all(3);
        opened.mark(100, 5);
        opened.mark(200, 9);
        assert_eq!(opened.durable(), 3);
        opened.committed(150);
        assert_eq!(opened.durable(), 5);
        opened.committed(199);
        assert_eq!(opened.durable(), 5);
        opened.committed(200);
        assert_eq!((opened.durable(), opened.marks.len()), (9, 0));
    }
}
