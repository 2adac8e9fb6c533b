//! Copying: the state as items, a step at a time.

use super::Section;
use super::form::{put, put_sum, put_transaction};
use crate::ledger::Ledger;
use crate::ledger::id::Lsn;

/// Accounts and holds, leads or claims of a step, at most, but for an account that has more holds: some 30 us.
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
    lead: u32,
    /// As of accounts.
    leads: u32,
    /// The next claim.
    claim: u32,
    /// How many there were when all leads were copied.
    claims_end: Option<u32>,
    claims: u64,
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
        Copying {
            begin,
            table: None,
            account: 0,
            accounts: self.accounts.len(),
            holds: 0,
            lead: 0,
            leads: self.leads.len(),
            claim: 0,
            claims_end: None,
            claims: 0,
            transactions: 0,
            needed: begin,
        }
    }

    /// Appends a step to `out`: a table of the index (390 KB at most), or some hundred accounts with their
    /// holds, leads or claims.
    pub fn copy(&self, copying: &mut Copying, out: &mut Vec<u8>) -> Copied {
        self.copy_some(copying, STEP_ITEMS, out)
    }

    /// As [`Ledger::copy`], with steps of so many items.
    pub(in crate::ledger) fn copy_some(&self, copying: &mut Copying, items: u64, out: &mut Vec<u8>) -> Copied {
        let Some(table) = copying.table else {
            put(&[self.index.len() as u64], out);
            copying.table = Some(0);
            return Copied::Items { section: Section::Sizes, count: 1 };
        };
        // Tables that split off later hold nothing that was not copied from the table they were part of.
        if copying.account == 0 && copying.lead == 0 && table < self.index.tables() {
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
            0 => self.copy_leads(copying, items as u32, out),
            count => Copied::Items { section: Section::Accounts, count },
        }
    }

    /// Appends some leads, and when there are no more, some claims.
    fn copy_leads(&self, copying: &mut Copying, items: u32, out: &mut Vec<u8>) -> Copied {
        let (first, last) = (copying.lead, copying.leads.min(copying.lead + items));
        if first < last {
            (first..last).for_each(|number| self.leads.copy_lead(number, out));
            copying.lead = last;
            return Copied::Items { section: Section::Leads, count: last - first };
        }
        let end = *copying.claims_end.get_or_insert(self.leads.claim_count());
        let (first, last) = (copying.claim, end.min(copying.claim + items));
        if first == last {
            return Copied::Done;
        }
        copying.claim = last;
        let of_copied = |number: &u32| self.leads.claims.get(*number).lead < copying.leads;
        let count = (first..last).filter(of_copied).map(|number| self.leads.copy_claim(number, out)).count() as u32;
        copying.claims += u64::from(count);
        Copied::Items { section: Section::Claims, count }
    }

    /// Appends the footer, when all is copied. Every record so far stands below `end`. Gives the oldest position that a
    /// log below this snapshot needs: of records that remembered ids and active holds point to.
    pub fn footer(&self, copying: &Copying, end: Lsn, out: &mut Vec<u8>) -> Lsn {
        let is_done = copying.claims_end == Some(copying.claim);
        assert!(end >= copying.begin && is_done, "the footer comes last");
        put(&[copying.accounts.into(), copying.holds, copying.transactions], out);
        let (counts, sums) = self.sums.parts();
        put(&counts, out);
        sums.into_iter().for_each(|sum| put_sum(sum, out));
        put(&[end], out);
        self.retention.rows().for_each(|row| put(&row, out));
        put(&[copying.leads.into(), copying.claims], out);
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
        for (slot, hold) in self.holds.of(&seldom.holds) {
            let (tx, lead) = (hold.tx(), self.holds.lead(slot));
            out.extend_from_slice(&[tx.len() as u8, lead.len() as u8, 0, 0, 0, 0, 0, 0]);
            put(&[hold.amount, hold.created_at_ms, hold.expires_at_ms(), hold.seq], out);
            put(&[hold.opened_lsn, hold.balance, hold.reserved], out);
            out.extend_from_slice(tx);
            out.extend_from_slice(lead);
            copying.needed = copying.needed.min(hold.opened_lsn);
        }
        copying.holds += u64::from(seldom.holds.len);
        copying.account += 1;
    }
}
