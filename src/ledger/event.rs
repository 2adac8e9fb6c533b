//! What happened to an account: the unit of the journal, the trail and the feed.
//!
//! An event is self-contained: it says what the id now answers (so replays need no other state), what the account
//! looked like after it (so the trail reads without replaying from the start), and where its neighbours are
//! (`prev_lsn`, `skip_lsn`, `opened_lsn`). Recovery applies events and decides nothing.

use super::id::Lsn;
use super::lead::Refusal;

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

/// The deadline of what has none.
pub const NEVER_MS: u64 = u64::MAX;

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
        /// Unix milliseconds; the hold is valid before it, gone at it. [`NEVER_MS`] for a claim, which ends by its lead.
        expires_at_ms: u64,
        /// The lead that a claim holds for; empty for a plain reservation.
        lead: &'a [u8],
    },
    /// The end of a claim that got a slot: `balance -= amount`, `reserved -= amount`. A CAPTURE.
    Claimed {
        /// The RESERVE that this ends.
        opened_lsn: Lsn,
        /// As in the RESERVE.
        lead: &'a [u8],
        /// The slot, 1..=[`MAX_CLAIMS`](super::lead::MAX_CLAIMS).
        claim: u32,
        /// Slots that the lead had left after it.
        remaining: u32,
    },
    /// The end of a claim that got none: `reserved -= amount`. A RELEASE.
    Refused {
        /// The RESERVE that this ends.
        opened_lsn: Lsn,
        /// As in the RESERVE.
        lead: &'a [u8],
        /// Why; what the id answers from now on.
        refusal: Refusal<'a>,
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
        /// What a refused REFUND would have refunded; empty otherwise.
        of: &'a [u8],
        /// The lead of a refused claim; empty otherwise.
        lead: &'a [u8],
    },
    /// A RELEASE of an unknown id: the id is burned (commands.md C.2).
    Void,
    /// `balance += amount`, back from a debit or a capture.
    Refund {
        /// The transaction that is refunded.
        of: &'a [u8],
        /// The DEBIT or CAPTURE of `of`.
        opened_lsn: Lsn,
        /// Sum of all refunds of `of`, this one included.
        refunded_total: u64,
        /// What is left of `of` to refund after this: with `refunded_total` all that it took (I10).
        refundable: u64,
    },
}

/// The kind of an entry, by itself. In the order of their names on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryType {
    /// GRANT
    Grant,
    /// DEBIT
    Debit,
    /// RESERVE
    Reserve,
    /// CAPTURE
    Capture,
    /// RELEASE
    Release,
    /// EXPIRE
    Expire,
    /// REFUND
    Refund,
    /// DECLINE
    Decline,
    /// VOID
    Void,
}

impl EntryType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Grant,
        Self::Debit,
        Self::Reserve,
        Self::Capture,
        Self::Release,
        Self::Expire,
        Self::Refund,
        Self::Decline,
        Self::Void,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grant => "GRANT",
            Self::Debit => "DEBIT",
            Self::Reserve => "RESERVE",
            Self::Capture => "CAPTURE",
            Self::Release => "RELEASE",
            Self::Expire => "EXPIRE",
            Self::Refund => "REFUND",
            Self::Decline => "DECLINE",
            Self::Void => "VOID",
        }
    }
}

/// A set of [`EntryType`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryTypes(u16);

impl EntryTypes {
    /// All types.
    pub const ALL: Self = Self((1 << EntryType::ALL.len()) - 1);
    /// No type.
    pub const NONE: Self = Self(0);

    /// This set and `entry_type`.
    #[must_use]
    pub fn with(self, entry_type: EntryType) -> Self {
        Self(self.0 | 1 << entry_type as u16)
    }

    /// Whether `entry_type` is in the set.
    pub fn has(self, entry_type: EntryType) -> bool {
        self.0 >> entry_type as u16 & 1 == 1
    }
}

/// Names an entry of an account, as `<time>-<seq>` on the wire. Both grow along a trail, so ids order it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    /// Unix milliseconds.
    pub time_ms: u64,
    /// The account's sequence number.
    pub seq: u64,
}

impl EntryId {
    /// Before every entry.
    pub const MIN: Self = Self { time_ms: 0, seq: 0 };
    /// After every entry.
    pub const MAX: Self = Self { time_ms: u64::MAX, seq: u64::MAX };

    /// The newest id that is before this one; of [`Self::MIN`] itself.
    #[must_use]
    pub fn before(self) -> Self {
        match (self.time_ms, self.seq) {
            (0, 0) => self,
            (time_ms, 0) => Self { time_ms: time_ms - 1, seq: u64::MAX },
            (time_ms, seq) => Self { time_ms, seq: seq - 1 },
        }
    }

    /// The oldest id that is after this one; of [`Self::MAX`] itself.
    #[must_use]
    pub fn after(self) -> Self {
        match (self.time_ms, self.seq) {
            (u64::MAX, u64::MAX) => self,
            (time_ms, u64::MAX) => Self { time_ms: time_ms + 1, seq: 0 },
            (time_ms, seq) => Self { time_ms, seq: seq + 1 },
        }
    }
}

/// What an entry shows beside the fields that all types have; those that do not apply are `None` or empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Particulars<'a> {
    /// `amount` of the trail: what was taken for CAPTURE, the whole hold for RELEASE and EXPIRE.
    pub amount: u64,
    /// RESERVE: the deadline, unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// CAPTURE: what was taken.
    pub captured: Option<u64>,
    /// CAPTURE: what went back of the hold.
    pub returned: Option<u64>,
    /// The lead of a claim.
    pub lead: &'a [u8],
    /// REFUND, also a declined one: what it refunds.
    pub of: &'a [u8],
    /// Who ended a hold or burned an id.
    pub cause: Option<&'static str>,
    /// Why a command was declined, or a claim refused: the code of the error.
    pub code: Option<&'static str>,
}

impl<'a> Event<'a> {
    /// The fields of its type alone, as CREDIT.HISTORY and exports show them (commands.md C.3; C.11, 7).
    pub fn particulars(&self) -> Particulars<'a> {
        let none = Particulars { amount: self.amount, ..Particulars::default() };
        match self.change {
            Change::Grant | Change::Debit => none,
            Change::Reserve { expires_at_ms: NEVER_MS, lead } => Particulars { lead, ..none },
            Change::Reserve { expires_at_ms, lead } => Particulars { expires_at_ms: Some(expires_at_ms), lead, ..none },
            Change::Claimed { lead, .. } => {
                Particulars { captured: Some(self.amount), returned: Some(0), lead, ..none }
            }
            Change::Refused { lead, refusal, .. } => {
                Particulars { cause: Some("lead"), code: Some(refusal.word()), lead, ..none }
            }
            Change::Capture { captured, lead, .. } => Particulars {
                amount: captured,
                captured: Some(captured),
                // A record that says otherwise is AUDIT's to name; to show it must not end the process.
                returned: Some(self.amount.saturating_sub(captured)),
                lead,
                ..none
            },
            Change::Release { lead, .. } => Particulars { cause: Some("client"), lead, ..none },
            Change::Expire { .. } => Particulars { cause: Some("expired"), ..none },
            Change::Void => Particulars { cause: Some("client"), ..none },
            Change::Refund { of, .. } => Particulars { of, ..none },
            Change::Decline { code, of, lead, .. } => Particulars { code: Some(code.word()), of, lead, ..none },
        }
    }
}

impl Event<'_> {
    /// The entry's name in its account's trail.
    pub fn id(&self) -> EntryId {
        EntryId { time_ms: self.time_ms, seq: self.seq }
    }

    /// The entry that this one ends or refunds.
    pub fn opened_lsn(&self) -> Option<Lsn> {
        match self.change {
            Change::Capture { opened_lsn, .. } | Change::Release { opened_lsn, .. } => Some(opened_lsn),
            Change::Claimed { opened_lsn, .. } | Change::Refused { opened_lsn, .. } => Some(opened_lsn),
            Change::Expire { opened_lsn } | Change::Refund { opened_lsn, .. } => Some(opened_lsn),
            _ => None,
        }
    }

    /// Whether the entry ends a reservation.
    pub fn ends_hold(&self) -> bool {
        matches!(self.entry_type(), EntryType::Capture | EntryType::Release | EntryType::Expire)
    }

    /// The lead of an entry of a claim; empty otherwise.
    pub fn lead(&self) -> &[u8] {
        match self.change {
            Change::Reserve { lead, .. } | Change::Capture { lead, .. } | Change::Release { lead, .. } => lead,
            Change::Claimed { lead, .. } | Change::Refused { lead, .. } | Change::Decline { lead, .. } => lead,
            _ => b"",
        }
    }

    /// Whether the entry is one of a claim.
    pub fn is_of_claim(&self) -> bool {
        match self.change {
            Change::Reserve { lead, .. } => !lead.is_empty(),
            Change::Claimed { .. } | Change::Refused { .. } => true,
            Change::Decline { op, .. } => op == DeclinedOp::Claim,
            _ => false,
        }
    }

    /// The transaction that a REFUND, also a declined one, refunds; empty otherwise.
    pub fn of(&self) -> &[u8] {
        match self.change {
            Change::Refund { of, .. } | Change::Decline { of, .. } => of,
            _ => b"",
        }
    }

    /// What a DEBIT or a CAPTURE took: as much can be refunded. `None`: nothing of this can.
    pub fn taken(&self) -> Option<u64> {
        match self.change {
            Change::Debit | Change::Claimed { .. } => Some(self.amount),
            Change::Capture { captured, .. } => Some(captured),
            _ => None,
        }
    }

    /// The kind of entry.
    pub fn entry_type(&self) -> EntryType {
        match self.change {
            Change::Grant => EntryType::Grant,
            Change::Debit => EntryType::Debit,
            Change::Reserve { .. } => EntryType::Reserve,
            Change::Capture { .. } | Change::Claimed { .. } => EntryType::Capture,
            Change::Release { .. } | Change::Refused { .. } => EntryType::Release,
            Change::Expire { .. } => EntryType::Expire,
            Change::Decline { .. } => EntryType::Decline,
            Change::Void => EntryType::Void,
            Change::Refund { .. } => EntryType::Refund,
        }
    }

    /// Signed change of the balance (`delta` of the trail): before = after - delta. Nonsense, but no panic, where the
    /// figures are beyond all limits: damaged records are judged by it.
    pub fn delta(&self) -> i64 {
        match self.change {
            Change::Grant | Change::Refund { .. } => self.amount as i64,
            Change::Debit | Change::Claimed { .. } => (self.amount as i64).wrapping_neg(),
            Change::Capture { captured, .. } => (captured as i64).wrapping_neg(),
            _ => 0,
        }
    }

    /// Signed change of the reserved sum (`rdelta` of the trail): before = after - rdelta. As [`Event::delta`].
    pub fn rdelta(&self) -> i64 {
        match self.change {
            Change::Reserve { .. } => self.amount as i64,
            _ if self.ends_hold() => (self.amount as i64).wrapping_neg(),
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
    /// CREDIT.REFUND
    Refund,
    /// LEAD.CLAIM
    Claim,
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

impl DeclineCode {
    /// The code of the error that the command was answered with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Insufficient => "INSUFFICIENT",
            Self::Overflow => "OVERFLOW",
            Self::Limit { .. } => "LIMIT",
        }
    }
}
