//! What happened to an account: the unit of the journal, the trail and the feed.
//!
//! An event is self-contained: it says what the id now answers (so replays need no other state), what the account
//! looked like after it (so the trail reads without replaying from the start), and where its neighbours are
//! (`prev_lsn`, `skip_lsn`, `opened_lsn`). Recovery applies events and decides nothing.

use super::id::Lsn;

/// One entry of an account's trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Whose entry.
    pub account: &'a [u8],
    /// The transaction that the entry decides or ends.
    pub tx: &'a [u8],
    /// The caller's REASON; empty = none.
    pub reason: &'a [u8],
    /// The caller's META; empty = none.
    pub meta: &'a [u8],
    /// Unix milliseconds of the shard clock; an expiry carries its deadline (commands.md R4).
    pub time_ms: u64,
    /// 1 for the account's first entry, then without gaps (I6).
    pub seq: u64,
    /// Granted, debited, held, asked for (declines); the whole hold for capture, release and expire; 0 for void.
    pub amount: u64,
    /// Balance after the entry.
    pub balance: u64,
    /// Reserved after the entry.
    pub reserved: u64,
    /// The account's entry before this one; [`NO_LSN`](super::id::NO_LSN) for the first.
    pub prev_lsn: Lsn,
    /// Where `seq % 256 == 0`: the account's entry 256 before this one, else [`NO_LSN`](super::id::NO_LSN).
    pub skip_lsn: Lsn,
    /// The kind of entry and its own fields.
    pub change: Change<'a>,
}

/// Every how many entries of an account a record carries `skip_lsn` (journal.md 3).
pub const SKIP_EVERY: u64 = 256;

/// The kind of an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// `balance += amount`.
    Grant,
    /// `balance -= amount`.
    Debit,
    /// `reserved += amount` until the deadline.
    Reserve {
        /// Unix milliseconds; the hold is valid before it, gone at it.
        expires_at_ms: u64,
        /// The lead that a claim holds for; empty for a plain reservation.
        lead: &'a [u8],
    },
    /// `balance -= captured`, `reserved -= amount`.
    Capture {
        /// Part of `amount` that was taken; the rest returned.
        captured: u64,
        /// The RESERVE that this ends.
        opened_lsn: Lsn,
        /// As in the RESERVE.
        lead: &'a [u8],
    },
    /// `reserved -= amount`, on request.
    Release {
        /// The RESERVE that this ends.
        opened_lsn: Lsn,
        /// As in the RESERVE.
        lead: &'a [u8],
    },
    /// `reserved -= amount`, at the deadline, which is `time_ms`.
    Expire {
        /// The RESERVE that this ends.
        opened_lsn: Lsn,
    },
    /// A command that the account's state refused; the refusal is the outcome of its id (commands.md D2).
    Decline {
        /// Which verb was refused.
        op: DeclinedOp,
        /// Why.
        code: DeclineCode,
    },
    /// A RELEASE of an unknown id: the id is burned (commands.md C.2).
    Void,
}

impl Event<'_> {
    /// Signed change of the balance (`delta` of the trail): before = after - delta.
    pub fn delta(&self) -> i64 {
        match self.change {
            Change::Grant => self.amount as i64,
            Change::Debit => -(self.amount as i64),
            Change::Capture { captured, .. } => -(captured as i64),
            _ => 0,
        }
    }

    /// Signed change of the reserved sum (`rdelta` of the trail): before = after - rdelta.
    pub fn rdelta(&self) -> i64 {
        match self.change {
            Change::Reserve { .. } => self.amount as i64,
            Change::Capture { .. } | Change::Release { .. } | Change::Expire { .. } => -(self.amount as i64),
            _ => 0,
        }
    }
}

/// Verbs whose refusal is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclinedOp {
    /// CREDIT.GRANT
    Grant,
    /// CREDIT.DEBIT
    Debit,
    /// CREDIT.RESERVE
    Reserve,
}

/// Why a command was declined, with the facts that its reply shows and that the event does not carry already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclineCode {
    /// `amount > balance - reserved`.
    Insufficient,
    /// `balance + amount > CREDITS_MAX`.
    Overflow,
    /// The account had `holds` active reservations, the limit of that day.
    Limit {
        /// Active reservations then.
        holds: u64,
    },
}
