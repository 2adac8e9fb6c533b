//! What a caller may ask of an account, after parsing: every field is within its limits.

use super::event::{EntryId, EntryTypes};

/// One request for one account. Borrows its ids from wherever the caller keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// 1..=[`ACCOUNT_LEN_MAX`](super::id::ACCOUNT_LEN_MAX) bytes.
    pub account: &'a [u8],
    /// 1..=[`TX_LEN_MAX`](super::id::TX_LEN_MAX) bytes; empty for reads other than [`Op::Tx`]. Never `*`: the server has
    /// put an id there.
    pub tx: &'a [u8],
    /// [`Op::Refund`]: the transaction to refund; empty otherwise.
    pub of: &'a [u8],
    /// Stored with the entry; empty = none.
    pub reason: &'a [u8],
    /// Stored with the entry; empty = none.
    pub meta: &'a [u8],
    /// What to do.
    pub op: Op,
}

impl<'a> Command<'a> {
    /// A command with what every command has; `tx` is empty for reads that name none.
    pub const fn new(account: &'a [u8], tx: &'a [u8], op: Op) -> Self {
        Self { account, tx, of: b"", reason: b"", meta: b"", op }
    }
}

/// The verb of a [`Command`] and its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Adds credits; opens the account.
    Grant {
        /// 1..=[`CREDITS_MAX`](super::credits::CREDITS_MAX).
        amount: u64,
    },
    /// Takes credits if that many are available.
    Debit {
        /// 1..=[`CREDITS_MAX`](super::credits::CREDITS_MAX).
        amount: u64,
    },
    /// Holds credits until `now + ttl_ms`.
    Reserve {
        /// 1..=[`CREDITS_MAX`](super::credits::CREDITS_MAX).
        amount: u64,
        /// [`TTL_MS_MIN`](super::credits::TTL_MS_MIN)..=[`TTL_MS_MAX`](super::credits::TTL_MS_MAX).
        ttl_ms: u64,
    },
    /// Turns a hold into a debit of `amount`, returns the rest.
    Capture {
        /// `None`: all of the hold.
        amount: Option<u64>,
    },
    /// Ends a hold, or burns an id that was never used.
    Release,
    /// Gives back a debit or a capture, or a part of it.
    Refund {
        /// `None`: all that is still refundable.
        amount: Option<u64>,
    },
    /// Reads the account's figures.
    Balance,
    /// Reads the account's figures and its active reservations.
    Holds,
    /// Reads the account's figures as they were at a past moment.
    BalanceAt {
        /// Unix milliseconds.
        at_ms: u64,
    },
    /// Reads what became of a transaction id.
    Tx,
    /// Reads entries of the account's trail.
    History(HistoryQuery),
    /// Recomputes the account from its trail.
    Audit,
}

/// Which entries CREDIT.HISTORY shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Oldest entry wanted, inclusive.
    pub start: EntryId,
    /// Newest entry wanted, inclusive.
    pub end: EntryId,
    /// At most so many, 1..=[`HISTORY_COUNT_MAX`].
    pub count: u16,
    /// Newest first.
    pub newest_first: bool,
    /// Only these.
    pub types: EntryTypes,
}

/// Most entries of one CREDIT.HISTORY (commands.md C.11, 7).
pub const HISTORY_COUNT_MAX: u16 = 1000;

impl Op {
    /// Whether the command may change the account; then it carries a transaction id.
    pub fn is_write(&self) -> bool {
        match self {
            Op::Grant { .. } | Op::Debit { .. } | Op::Reserve { .. } => true,
            Op::Capture { .. } | Op::Release | Op::Refund { .. } => true,
            Op::Balance | Op::Holds | Op::BalanceAt { .. } | Op::Tx | Op::History(_) | Op::Audit => false,
        }
    }

    /// Whether the command names a transaction id.
    pub fn has_tx(&self) -> bool {
        self.is_write() || matches!(self, Op::Tx)
    }
}
