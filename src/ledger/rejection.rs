//! The business "no": expected, cheap, without strings; one RESP error code each (commands.md C.9).

use super::event::EntryId;
use super::id::Lsn;
use super::outcome::TxState;

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// More than the hold, or than is left to refund.
    Exceeds {
        /// The hold, or what is left.
        limit: u64,
        /// Asked for; `None`: all that is left, and nothing is.
        given: Option<u64>,
    },
    /// The id that is to be refunded is unknown, as far back as history is kept.
    NoTx,
    /// The id that is to be refunded took nothing.
    NotRefundable {
        /// The verb that used it.
        op: Verb,
        /// What became of it.
        state: TxState,
    },
    /// CREDIT.AUDIT: the trail contradicts itself, or the account.
    Corrupt {
        /// The entry at which it does.
        seq: u64,
        /// Which figure, or which rule, in a word.
        field: &'static str,
    },
    /// A moment or an entry was asked for that is older than what is kept.
    HistoryStarts {
        /// The first entry that is kept.
        at: EntryId,
    },
    /// A moment was asked for that is not past.
    NotPast {
        /// The moment, unix milliseconds.
        at_ms: u64,
        /// Shard time, unix milliseconds.
        now_ms: u64,
    },
    /// The trail had to be followed further than one command may.
    WalkTooLong {
        /// Entries that were looked at (`history-walk-max`).
        entries: u64,
    },
    /// An old record cannot be read; nothing was executed.
    Unreadable {
        /// Where it stands in the shard's log.
        lsn: Lsn,
    },
    /// There is no such lead.
    NoLead,
    /// All slots of the lead are taken.
    LeadFull {
        /// How many it has.
        max: u32,
    },
    /// The lead was closed.
    LeadClosed,
    /// The lead's time was over.
    LeadExpired {
        /// Its deadline, unix milliseconds.
        expires_at_ms: u64,
    },
    /// The lead was opened before, with other parameters.
    LeadExists(LeadConflict),
    /// The account has a slot of the lead already.
    AlreadyClaimed(Box<OwnClaim>),
    /// The disk is full; nothing was executed. `reserve_is_used`: not even CAPTURE and RELEASE have room any more.
    DiskFull {
        /// Whether the room that is kept for the ends of reservations is used up too.
        reserve_is_used: bool,
    },
    /// A queue is full; nothing was executed.
    TryAgain(Busy),
    /// A table of the shard is full; nothing was executed.
    OutOfMemory(Table),
}

/// The first difference between a command and what its id already means (commands.md C.11, 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another verb.
    Op {
        /// The verb that used the id first.
        have: Verb,
        /// The verb of this command.
        given: Verb,
    },
    /// A REFUND of another transaction.
    Of(Box<OfConflict>),
    /// A claim of another lead.
    Lead(Box<OfConflict>),
    /// The same verb with another amount.
    Amount {
        /// The remembered amount.
        have: u64,
        /// The amount of this command.
        given: u64,
    },
}

/// The first difference between a LEAD.OPEN and what the lead is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadConflict {
    /// Another number of slots.
    Max {
        /// As it was opened.
        have: u32,
        /// As in this command.
        given: u32,
    },
    /// Another time to live, milliseconds; `None`: none.
    Ttl {
        /// As it was opened.
        have: Option<u64>,
        /// As in this command.
        given: Option<u64>,
    },
}

/// The claim that an account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnClaim {
    /// Its transaction id.
    pub tx: Box<[u8]>,
    /// Its slot, from 1.
    pub claim: u32,
}

/// Two transactions that one REFUND's id names, or two leads that a claim's id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfConflict {
    /// What the id refunded or claimed.
    pub have: Box<[u8]>,
    /// What this command names.
    pub given: Box<[u8]>,
}

/// A queue whose length is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Commands behind a REFUND of the same account whose transaction is being looked for.
    Refund,
    /// Commands that wait for old records to be read.
    Readers,
    /// Changes that wait for the disk, for too long already.
    Storage,
    /// Claims that run.
    Claims,
    /// The claim with this id runs: it may end well.
    Claim,
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
    /// `refund`
    Refund,
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
    /// `leads-max`
    Leads,
    /// `lead-slots-max`
    Slots,
}
