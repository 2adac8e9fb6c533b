//! What a command answers: numbers, not bytes. Encoding is the language's business.

use super::rejection::Rejection;

/// The answer to one [`Command`](super::command::Command).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A write that happened, now or (a replay) before.
    Written(Receipt),
    /// The figures of CREDIT.BALANCE.
    Balance(Figures),
    /// The figures and holds of CREDIT.HOLDS.
    Holds(Box<HoldsView>),
    /// A "no".
    Rejected(Rejection),
}

/// The write reply of commands.md C.1: the figures of the entry that decided the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What became of the id.
    pub status: Status,
    /// Balance after the deciding entry.
    pub balance: u64,
    /// Balance - reserved after the deciding entry.
    pub available: u64,
    /// The deciding entry.
    pub seq: u64,
    /// Fields of some verbs only.
    pub detail: Detail,
    /// Whether the deciding entry was there before this command.
    pub replayed: bool,
}

/// Reply fields that only some verbs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// None.
    None,
    /// RESERVE: the deadline, unix milliseconds.
    Expires(u64),
    /// CAPTURE.
    Captured {
        /// Taken.
        captured: u64,
        /// Returned to the account.
        returned: u64,
    },
}

/// The word after `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// GRANT
    Granted,
    /// DEBIT
    Debited,
    /// RESERVE, still held
    Active,
    /// CAPTURE, or a replayed RESERVE that was captured since
    Captured,
    /// RELEASE
    Released,
    /// RELEASE of a hold that had expired
    Expired,
    /// RELEASE of an id that held nothing
    Void,
}

/// An account's figures at one moment. Zeros for an unknown account (commands.md C.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// All credits, held ones included.
    pub balance: u64,
    /// Held by active reservations.
    pub reserved: u64,
    /// The account's newest entry.
    pub seq: u64,
    /// Shard time of the read, unix milliseconds.
    pub time_ms: u64,
}

/// CREDIT.HOLDS: one consistent snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldsView {
    /// The account's figures.
    pub figures: Figures,
    /// By deadline, then by age.
    pub holds: Vec<HoldView>,
}

/// One active reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// The reservation's transaction id.
    pub tx: Box<[u8]>,
    /// Credits held.
    pub amount: u64,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds.
    pub expires_at_ms: u64,
}
