//! Which changes a shard takes: fewer while its disk is full or slow.
//!
//! Asked once, where a decision is about to become a record: what needs no record (reads, replays, declines of known
//! ids) is answered as ever, and what is refused was not executed.

use crate::ledger::event::Event;
use crate::ledger::lead::LeadChange;
use crate::ledger::rejection::{Busy, Rejection};

/// What may become a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Everything.
    #[default]
    All,
    /// The ends of reservations: the disk is full, and a reserve is kept for them.
    Endings,
    /// Nothing that a command asks for: the disk is slow.
    Later,
    /// Nothing at all, not even an expiry: the reserve is used up too.
    Nothing,
}

impl Admission {
    /// Why `event` may not become a record; `None`: it may.
    pub(super) fn refuses(self, event: &Event<'_>) -> Option<Rejection> {
        self.refuses_kind(event.ends_hold())
    }

    /// Why a record of a lead may not be made; `None`: it may. A claim whose hold is there goes on as long as anything does.
    pub(super) fn refuses_of_lead(self, change: &LeadChange<'_>) -> Option<Rejection> {
        match change {
            LeadChange::Open { .. } => self.refuses_kind(false),
            LeadChange::Close => self.refuses_kind(true),
            LeadChange::Claim { .. } | LeadChange::Expire => {
                self.refuses_an_ending().then_some(Rejection::DiskFull { reserve_is_used: true })
            }
        }
    }

    /// Whether not even what was begun may end.
    pub(super) fn refuses_an_ending(self) -> bool {
        self == Self::Nothing
    }

    fn refuses_kind(self, ends: bool) -> Option<Rejection> {
        match self {
            Self::All => None,
            Self::Endings if ends => None,
            Self::Endings => Some(Rejection::DiskFull { reserve_is_used: false }),
            Self::Later => Some(Rejection::TryAgain(Busy::Storage)),
            Self::Nothing => Some(Rejection::DiskFull { reserve_is_used: true }),
        }
    }

    /// Whether holds that nobody asks about expire meanwhile. If not, they do later, each at its deadline.
    pub(super) fn expires_the_idle(self) -> bool {
        matches!(self, Self::All | Self::Endings)
    }
}
