//! What events are called, which is also what their channels are called, and which of them a record is.

use crate::ledger::codec::Record;
use crate::ledger::event::EntryType;
use crate::ledger::lead::LeadChange;

/// The name of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// GRANT
    CreditGranted,
    /// DEBIT, CAPTURE
    CreditDebited,
    /// RESERVE
    CreditReserved,
    /// RELEASE, EXPIRE, VOID
    CreditReleased,
    /// DECLINE
    CreditDeclined,
    /// REFUND
    CreditRefunded,
    /// LEAD.OPEN
    LeadOpened,
    /// LEAD.CLAIM
    LeadClaimed,
    /// Second event of a LEAD.CLAIM that took the last slot.
    LeadFull,
    /// LEAD.CLOSE
    LeadClosed,
    /// LEAD.EXPIRE
    LeadExpired,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::CreditGranted,
        Self::CreditDebited,
        Self::CreditReserved,
        Self::CreditReleased,
        Self::CreditDeclined,
        Self::CreditRefunded,
        Self::LeadOpened,
        Self::LeadClaimed,
        Self::LeadFull,
        Self::LeadClosed,
        Self::LeadExpired,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::CreditGranted => "credit.granted",
            Self::CreditDebited => "credit.debited",
            Self::CreditReserved => "credit.reserved",
            Self::CreditReleased => "credit.released",
            Self::CreditDeclined => "credit.declined",
            Self::CreditRefunded => "credit.refunded",
            Self::LeadOpened => "lead.opened",
            Self::LeadClaimed => "lead.claimed",
            Self::LeadFull => "lead.full",
            Self::LeadClosed => "lead.closed",
            Self::LeadExpired => "lead.expired",
        }
    }
}

/// A set of [`Name`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names(u16);

impl Names {
    /// No name.
    pub const NONE: Self = Self(0);

    /// The set that has these [`Self::bits`]; others mean nothing.
    pub fn from_bits(bits: u16) -> Self {
        Self(bits & ((1 << Name::ALL.len()) - 1))
    }

    /// The set as a number.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// This set and `name`.
    #[must_use]
    pub fn with(self, name: Name) -> Self {
        Self(self.0 | 1 << name as u16)
    }

    /// Whether `name` is in the set.
    pub fn has(self, name: Name) -> bool {
        self.0 >> name as u16 & 1 == 1
    }

    /// Whether no name is in the set.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

/// The event that a record is, and the second one if it is two.
pub fn names_of(record: &Record<'_>) -> (Name, Option<Name>) {
    let name = match record {
        Record::Entry(event) => match event.entry_type() {
            EntryType::Grant => Name::CreditGranted,
            EntryType::Debit | EntryType::Capture => Name::CreditDebited,
            EntryType::Reserve => Name::CreditReserved,
            EntryType::Release | EntryType::Expire | EntryType::Void => Name::CreditReleased,
            EntryType::Refund => Name::CreditRefunded,
            EntryType::Decline => Name::CreditDeclined,
        },
        Record::Lead(event) => match event.change {
            LeadChange::Open { .. } => Name::LeadOpened,
            LeadChange::Claim { .. } if event.remaining() == 0 && !planted!("lead.full not told") => {
                return (Name::LeadClaimed, Some(Name::LeadFull));
            }
            LeadChange::Claim { .. } => Name::LeadClaimed,
            LeadChange::Close => Name::LeadClosed,
            LeadChange::Expire => Name::LeadExpired,
        },
    };
    (name, None)
}
