//! Which changes a shard takes: fewer while its disk is full or slow.
//!
//! Asked once, where a decision is about to become a record: what needs no record (reads, replays, declines of known
//! ids) is answered as ever, and what is refused was not executed.

use crate::ledger::event::{Change, Event};
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
        let ends = matches!(event.change, Change::Capture { .. } | Change::Release { .. } | Change::Expire { .. });
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
