//! What a caller may ask of an account, after parsing: every field is within its limits.

use super::event::{EntryId, EntryTypes};

/// One request for one account. Borrows its ids from wherever the caller keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// 1..=[`ACCOUNT_LEN_MAX`](super::id::ACCOUNT_LEN_MAX) bytes; empty where only a lead is asked.
    pub account: &'a [u8],
    /// 1..=[`TX_LEN_MAX`](super::id::TX_LEN_MAX) bytes; empty for reads other than [`Op::Tx`]. Never `*`: the server has
    /// put an id there.
    pub tx: &'a [u8],
    /// [`Op::Refund`]: the transaction to refund; empty otherwise.
    pub of: &'a [u8],
    /// The lead of a claim, and of what asks a lead; empty otherwise.
    pub lead: &'a [u8],
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
        Self { account, tx, of: b"", lead: b"", reason: b"", meta: b"", op }
    }

    /// What asks a lead and no account.
    pub const fn of_lead(lead: &'a [u8], op: Op) -> Self {
        Self { lead, ..Self::new(b"", b"", op) }
    }

    /// The name of what executes it: the lead, or the account.
    pub fn owner(&self) -> &'a [u8] {
        if self.op.is_of_lead() { self.lead } else { self.account }
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
    /// Claims a slot of the lead for the account, at `cost` credits.
    Claim {
        /// 0..=[`CREDITS_MAX`](super::credits::CREDITS_MAX).
        cost: u64,
    },
    /// Asks or changes a lead.
    Lead(LeadOp),
    /// How many events the shard's feed has had, those that the log has let go of among them. Names no account: whoever asks knows the shard.
    EventCount,
}

/// What may be asked of a lead. The last two are steps of a claim: its account's shard asks them, no client can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadOp {
    /// Creates it.
    Open {
        /// Slots, 1..=[`MAX_CLAIMS`](super::lead::MAX_CLAIMS).
        max: u32,
        /// Until when it is open; `None`: until it is full or closed.
        ttl_ms: Option<u64>,
    },
    /// Ends it.
    Close,
    /// Reads it.
    Get,
    /// Reads its claims.
    Claims {
        /// The first wanted, from 1.
        from: u32,
        /// At most so many, 1..=[`CLAIMS_COUNT_MAX`].
        count: u16,
    },
    /// Whether the account could claim it now. Changes nothing.
    Peek,
    /// Gives the account a slot, or again the one that it has by the same command.
    Take {
        /// As in the claim.
        cost: u64,
        /// Of the RESERVE that pays for it: tells a claim from another with the same id.
        account_seq: u64,
    },
}

/// Most claims of one LEAD.CLAIMS (commands.md C.11, 13).
pub const CLAIMS_COUNT_MAX: u16 = 1000;

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
            Op::Capture { .. } | Op::Release | Op::Refund { .. } | Op::Claim { .. } => true,
            Op::Balance | Op::Holds | Op::BalanceAt { .. } | Op::Tx | Op::History(_) | Op::Audit => false,
            Op::Lead(_) | Op::EventCount => false,
        }
    }

    /// Whether a lead executes the command, not an account.
    pub fn is_of_lead(&self) -> bool {
        matches!(self, Op::Lead(_))
    }

    /// Whether the command names a transaction id of its account.
    pub fn has_tx(&self) -> bool {
        self.is_write() || matches!(self, Op::Tx)
    }
}
