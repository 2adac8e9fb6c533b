//! Sums over all accounts of a shard, kept as events are applied (commands.md C.8, last line).

use super::account::Accounts;
use super::event::{Change, Event};
use super::id::Lsn;
use super::reservation::Reservations;
use super::transactions::Transactions;

/// What a shard holds and what passed through it since its log began. Credits where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accounts.
    pub accounts: u64,
    /// Active reservations.
    pub holds: u64,
    /// Records of the log: entries of all trails, and what happened to leads.
    pub entries: u64,
    /// Sum of all grants.
    pub granted: u128,
    /// Sum of all debits and captures.
    pub debited: u128,
    /// The part of `debited` that captures took.
    pub captured: u128,
    /// Sum of all refunds.
    pub refunded: u128,
    /// Sum of all balances: granted + refunded - debited (I2).
    pub balance: u128,
    /// Sum of all active reservations (I3).
    pub reserved: u128,
    /// Declined commands.
    pub declined: u64,
    /// Expired reservations.
    pub expired: u64,
    /// Memory of accounts and reservations.
    pub account_bytes: u64,
    /// Ids in the transaction index, forgotten but unswept ones included.
    pub index_entries: u64,
    /// Memory of the transaction index.
    pub index_bytes: u64,
}

/// The sums that no table knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    entries: u64,
    granted: u128,
    debited: u128,
    captured: u128,
    refunded: u128,
    reserved: u128,
    declined: u64,
    expired: u64,
    /// Records below this are counted.
    counted: Lsn,
}

impl Sums {
    /// Sums as a snapshot has them: what records below `end` gave. `None`: no records give these.
    pub(crate) fn from_parts([entries, declined, expired]: [u64; 3], sums: [u128; 5], end: Lsn) -> Option<Self> {
        let [granted, debited, captured, refunded, reserved] = sums;
        let balance = granted.checked_add(refunded)?.checked_sub(debited)?;
        (captured <= debited && reserved <= balance).then_some(Self {
            entries,
            granted,
            debited,
            captured,
            refunded,
            reserved,
            declined,
            expired,
            counted: end,
        })
    }

    /// Entries, declined, expired; granted, debited, captured, refunded, reserved.
    pub(crate) fn parts(&self) -> ([u64; 3], [u128; 5]) {
        let sums = [self.granted, self.debited, self.captured, self.refunded, self.reserved];
        ([self.entries, self.declined, self.expired], sums)
    }

    /// Counts the event at `lsn`, unless a snapshot has counted it.
    pub(crate) fn add(&mut self, event: &Event<'_>, lsn: Lsn) {
        if !self.count(lsn) {
            return;
        }
        let amount = u128::from(event.amount);
        match event.change {
            Change::Grant => self.granted += amount,
            Change::Debit => self.debited += amount,
            Change::Reserve { .. } => self.reserved += amount,
            Change::Capture { captured, .. } => {
                self.debited += u128::from(captured);
                self.captured += u128::from(captured);
                self.reserved -= amount;
            }
            Change::Claimed { .. } => {
                self.debited += amount;
                self.captured += amount;
                self.reserved -= amount;
            }
            Change::Release { .. } | Change::Refused { .. } => self.reserved -= amount,
            Change::Expire { .. } => {
                self.reserved -= amount;
                self.expired += 1;
            }
            Change::Decline { .. } => self.declined += 1,
            Change::Refund { .. } => self.refunded += amount,
            Change::Void => {}
        }
    }

    /// Counts a record, unless a snapshot has counted it.
    pub(crate) fn count(&mut self, lsn: Lsn) -> bool {
        let is_new = lsn >= self.counted || planted!("sums count the snapshot again");
        self.entries += u64::from(is_new);
        is_new
    }

    /// The sums, with the sizes of the tables.
    pub(crate) fn totals(&self, accounts: &Accounts, holds: &Reservations, index: &Transactions) -> Totals {
        Totals {
            accounts: u64::from(accounts.len()),
            holds: u64::from(holds.len()),
            entries: self.entries,
            granted: self.granted,
            debited: self.debited,
            captured: self.captured,
            refunded: self.refunded,
            balance: self.granted + self.refunded - self.debited,
            reserved: self.reserved,
            declined: self.declined,
            expired: self.expired,
            account_bytes: (accounts.bytes() + holds.bytes()) as u64,
            index_entries: index.len() as u64,
            index_bytes: index.bytes() as u64,
        }
    }
}
