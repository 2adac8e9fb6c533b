//! Copying: the state as items, a step at a time.

use super::Section;
use super::form::{put, put_sum, put_transaction};
use crate::ledger::Ledger;
use crate::ledger::id::Lsn;

/// Accounts and holds of a step, at most, but for an account that has more holds: some 30 us.
const STEP_ITEMS: u64 = 512;

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    begin: Lsn,
    /// The next table; `None`: the sizes come first.
    table: Option<usize>,
    account: u32,
    /// How many there were at the begin; later ones the log opens again.
    accounts: u32,
    holds: u64,
    transactions: u64,
    /// The oldest record that what was copied points to.
    needed: Lsn,
}

/// What a step appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// Items of one section; none, if a table of the index had nothing to copy.
    Items {
        /// Which.
        section: Section,
        /// How many.
        count: u32,
    },
    /// Nothing: all is copied, the footer is next.
    Done,
}

impl Ledger {
    /// Begins a copy. `begin`: a position at which a block ends that is durable. Every record below it is applied.
    pub fn copying(&self, begin: Lsn) -> Copying {
        let accounts = self.accounts.len();
        Copying { begin, table: None, account: 0, accounts, holds: 0, transactions: 0, needed: begin }
    }

    /// Appends a step to `out`: a table of the index (390 KB at most), or some hundred accounts with their holds.
    pub fn copy(&self, copying: &mut Copying, out: &mut Vec<u8>) -> Copied {
        self.copy_some(copying, STEP_ITEMS, out)
    }

    /// As [`Ledger::copy`], with steps of so many accounts and holds.
    pub(in crate::ledger) fn copy_some(&self, copying: &mut Copying, items: u64, out: &mut Vec<u8>) -> Copied {
        let Some(table) = copying.table else {
            put(&[self.index.len() as u64], out);
            copying.table = Some(0);
            return Copied::Items { section: Section::Sizes, count: 1 };
        };
        // Tables that split off once accounts are copied hold nothing that was not copied from the table they were part of.
        if copying.account == 0 && table < self.index.tables() {
            let count = self.copy_table(table, copying, out);
            copying.table = Some(table + 1);
            return Copied::Items { section: Section::Transactions, count };
        }
        let first = copying.account;
        let items_max = u64::from(first) + copying.holds + items;
        while copying.account < copying.accounts && u64::from(copying.account) + copying.holds < items_max {
            self.copy_account(copying, out);
        }
        match copying.account - first {
            0 => Copied::Done,
            count => Copied::Items { section: Section::Accounts, count },
        }
    }

    /// Appends the footer, when all is copied. Every record so far stands below `end`. Gives the oldest position that a
    /// log below this snapshot needs: of records that remembered ids and active holds point to.
    pub fn footer(&self, copying: &Copying, end: Lsn, out: &mut Vec<u8>) -> Lsn {
        assert!(end >= copying.begin && copying.account == copying.accounts, "the footer comes last");
        put(&[copying.accounts.into(), copying.holds, copying.transactions], out);
        let (counts, sums) = self.sums.parts();
        put(&counts, out);
        sums.into_iter().for_each(|sum| put_sum(sum, out));
        put(&[end], out);
        self.retention.rows().for_each(|row| put(&row, out));
        copying.needed.min(self.retention.needed())
    }

    fn copy_table(&self, table: usize, copying: &mut Copying, out: &mut Vec<u8>) -> u32 {
        let mut count = 0;
        for (key, lsn) in self.index.recorded(table).filter(|(_, lsn)| *lsn < copying.begin) {
            put_transaction(key, lsn, out);
            count += 1;
            copying.needed = copying.needed.min(lsn);
        }
        copying.transactions += u64::from(count);
        count
    }

    fn copy_account(&self, copying: &mut Copying, out: &mut Vec<u8>) {
        let (account, seldom) = (self.accounts.get(copying.account), self.accounts.seldom(copying.account));
        let id = account.id();
        out.extend_from_slice(&seldom.holds.len.to_le_bytes());
        out.extend_from_slice(&[id.len() as u8, 0, 0, 0]);
        put(&[account.balance, account.reserved, account.seq, account.last_lsn, seldom.anchor_lsn], out);
        out.extend_from_slice(id);
        for (_, hold) in self.holds.of(&seldom.holds) {
            let tx = hold.tx();
            out.extend_from_slice(&[tx.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
            put(&[hold.amount, hold.created_at_ms, hold.expires_at_ms(), hold.seq], out);
            put(&[hold.opened_lsn, hold.balance, hold.reserved], out);
            out.extend_from_slice(tx);
            copying.needed = copying.needed.min(hold.opened_lsn);
        }
        copying.holds += u64::from(seldom.holds.len);
        copying.account += 1;
    }
}
