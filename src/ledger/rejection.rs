//! The business "no": expected, cheap, without strings; one RESP error code each (commands.md C.9).

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Fewer credits available than asked for. Bound to the id.
    Insufficient {
        /// Available when it was decided.
        available: u64,
        /// Asked for.
        required: u64,
    },
    /// The balance would pass [`CREDITS_MAX`](super::credits::CREDITS_MAX). Bound to the id.
    Overflow {
        /// Balance when it was decided.
        balance: u64,
    },
    /// Too many active reservations on the account. Bound to the id.
    Limit {
        /// Active reservations when it was decided.
        holds: u64,
    },
    /// The id was used before, with another meaning.
    TxConflict(Conflict),
    /// No GRANT ever opened the account.
    NoAccount,
    /// The id is no reservation; `op` says what it is, where it is something.
    NoReservation {
        /// The verb that used the id.
        op: Option<Verb>,
    },
    /// The reservation's time was over.
    Expired {
        /// Its deadline, unix milliseconds.
        expires_at_ms: u64,
        /// Shard time of the command, unix milliseconds.
        now_ms: u64,
    },
    /// The reservation was released, or the id burned (then `amount` is 0).
    Released {
        /// What the hold was.
        amount: u64,
        /// Entry that released it.
        seq: u64,
    },
    /// The reservation was captured.
    Captured {
        /// What was taken.
        amount: u64,
        /// Entry that captured it.
        seq: u64,
    },
    /// More than the hold.
    Exceeds {
        /// The hold.
        limit: u64,
        /// Asked for.
        given: u64,
    },
    /// A table of the shard is full; nothing was executed.
    OutOfMemory(Table),
}

/// The first difference between a command and what its id already means (commands.md C.11, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another verb.
    Op {
        /// The verb that used the id first.
        have: Verb,
        /// The verb of this command.
        given: Verb,
    },
    /// The same verb with another amount.
    Amount {
        /// The remembered amount.
        have: u64,
        /// The amount of this command.
        given: u64,
    },
}

/// A verb's name in facts, lower case on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `grant`
    Grant,
    /// `debit`
    Debit,
    /// `reserve`
    Reserve,
    /// `capture`
    Capture,
    /// `release`
    Release,
    /// `claim`
    Claim,
}

/// A table whose size is bounded (design.md, limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `accounts-max`
    Accounts,
    /// `tx-index-memory`
    Transactions,
}
