//! Which events have subscribers, by core: nobody makes messages that nobody hears.

use crate::feed::Names;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// What is listened to, and what was lost on the way.
pub(in crate::server) struct Interests {
    cores: Box<[AtomicU16]>,
    lost: AtomicU64,
}

impl Interests {
    /// Nobody listens.
    pub(super) fn new(cores: usize) -> Self {
        Self { cores: (0..cores).map(|_| AtomicU16::new(0)).collect(), lost: AtomicU64::new(0) }
    }

    /// From now on `core` wants these. Returns whether that are more.
    pub(super) fn set(&self, core: u16, names: Names) -> bool {
        let was = self.cores[usize::from(core)].swap(names.bits(), Ordering::SeqCst);
        names.bits() & !was != 0
    }

    /// What a core wants.
    pub(super) fn of(&self, core: usize) -> Names {
        Names::from_bits(self.cores[core].load(Ordering::SeqCst))
    }

    /// What any core wants.
    pub(super) fn all(&self) -> Names {
        Names::from_bits(self.cores.iter().fold(0, |all, core| all | core.load(Ordering::SeqCst)))
    }

    /// Counts messages for which a core had no room.
    pub(super) fn lost(&self, messages: u64) {
        self.lost.fetch_add(messages, Ordering::Relaxed);
    }

    /// Messages lost so far.
    pub(in crate::server) fn lost_so_far(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Name;

    #[test]
    fn interests_add_up() {
        let interests = Interests::new(2);
        let names = |names: &[Name]| names.iter().fold(Names::NONE, |all, name| all.with(*name));
        let (debits, leads) = (names(&[Name::CreditDebited]), names(&[Name::LeadClaimed, Name::LeadFull]));
        assert!(interests.set(0, debits) && interests.set(1, leads), "more than nothing");
        assert!(interests.all().has(Name::CreditDebited) && interests.all().has(Name::LeadFull));
        assert!(!interests.of(0).has(Name::LeadFull) && !interests.all().has(Name::LeadOpened));
        assert!(!interests.set(1, names(&[Name::LeadFull])), "less");
        assert!(!interests.all().has(Name::LeadClaimed));
    }
}
