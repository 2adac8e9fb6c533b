//! What happened to a lead: its records.

use crate::ledger::id::Lsn;
use crate::ledger::rejection::{OwnClaim, Rejection};

/// One record of a lead. Self-contained, as an [`Event`](crate::ledger::event::Event) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadEvent<'a> {
    /// Whose record.
    pub lead: &'a [u8],
    /// The caller's REASON; empty = none.
    pub reason: &'a [u8],
    /// The caller's META; empty = none.
    pub meta: &'a [u8],
    /// Unix milliseconds of the shard clock; an expiry carries its deadline.
    pub time_ms: u64,
    /// 1 for the lead's first record, then without gaps.
    pub seq: u64,
    /// The lead's record before this one; [`NO_LSN`](crate::ledger::id::NO_LSN) for the first.
    pub prev_lsn: Lsn,
    /// Slots of the lead, taken or not.
    pub max: u32,
    /// Slots taken after this.
    pub claims: u32,
    /// The kind of record and its own fields.
    pub change: LeadChange<'a>,
}

/// The kind of a [`LeadEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadChange<'a> {
    /// The lead is there.
    Open {
        /// Unix milliseconds; [`NEVER_MS`](crate::ledger::event::NEVER_MS): it has no deadline.
        expires_at_ms: u64,
    },
    /// The slot `claims` is taken.
    Claim {
        /// Who has it.
        account: &'a [u8],
        /// The account's transaction.
        tx: &'a [u8],
        /// What the account pays.
        cost: u64,
        /// Of the RESERVE that pays for it.
        account_seq: u64,
    },
    /// No more claims.
    Close,
    /// No more claims, from the deadline on, which is `time_ms`.
    Expire,
}

impl LeadEvent<'_> {
    /// Slots that are left after it. Nonsense, but no panic, where a damaged record has more claims than slots.
    pub fn remaining(&self) -> u32 {
        self.max.saturating_sub(self.claims)
    }
}

/// Why a lead gives an account no slot. Final: a lead that is not open never is again, a claim stands for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// There is no such lead.
    Unknown,
    /// All slots are taken.
    Full {
        /// How many there are.
        max: u32,
    },
    /// It was closed.
    Closed,
    /// Its time was over.
    Expired {
        /// Its deadline, unix milliseconds.
        expires_at_ms: u64,
    },
    /// The account has a slot already.
    Already {
        /// Its transaction.
        tx: &'a [u8],
        /// Its slot.
        claim: u32,
    },
}

impl Refusal<'_> {
    /// The code of the error.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "NOLEAD",
            Self::Full { .. } => "LEADFULL",
            Self::Closed => "LEADCLOSED",
            Self::Expired { .. } => "LEADEXPIRED",
            Self::Already { .. } => "ALREADYCLAIMED",
        }
    }

    /// As the claim's answer.
    pub fn rejection(self) -> Rejection {
        match self {
            Self::Unknown => Rejection::NoLead,
            Self::Full { max } => Rejection::LeadFull { max },
            Self::Closed => Rejection::LeadClosed,
            Self::Expired { expires_at_ms } => Rejection::LeadExpired { expires_at_ms },
            Self::Already { tx, claim } => Rejection::AlreadyClaimed(Box::new(OwnClaim { tx: tx.into(), claim })),
        }
    }
}
