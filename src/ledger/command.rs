//! What a caller may ask of an account, after parsing: every field is within its limits.

/// One request for one account. Borrows its ids from wherever the caller keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// 1..=[`ACCOUNT_LEN_MAX`](super::id::ACCOUNT_LEN_MAX) bytes.
    pub account: &'a [u8],
    /// 1..=[`TX_LEN_MAX`](super::id::TX_LEN_MAX) bytes; empty for reads. Never `*`: the server has put an id there.
    pub tx: &'a [u8],
    /// Stored with the entry; empty = none.
    pub reason: &'a [u8],
    /// Stored with the entry; empty = none.
    pub meta: &'a [u8],
    /// What to do.
    pub op: Op,
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
    /// Reads the account's figures.
    Balance,
    /// Reads the account's figures and its active reservations.
    Holds,
}

impl Op {
    /// Whether the command carries a transaction id and may change the account.
    pub fn is_write(&self) -> bool {
        !matches!(self, Op::Balance | Op::Holds)
    }
}
