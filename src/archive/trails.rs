//! The accounts of one shard, each told as the log goes by.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::ledger::event::Event;
use crate::ledger::id::{Lsn, NO_LSN};
use crate::ledger::invariants::Trail;

/// All accounts that were met, by the number that each got then.
#[derive(Default)]
pub(super) struct Trails {
    numbers: HashTable<u32>,
    trails: Vec<Trail>,
    hasher: FixedState,
    opening: u128,
}

impl Trails {
    /// The number of the event's account. One that is met for the first time begins here, in the middle if
    /// `is_gone` says so of the entry before.
    pub fn number(&mut self, lsn: Lsn, event: &Event<'_>, is_gone: impl FnOnce(Lsn) -> bool) -> usize {
        let Self { numbers, trails, hasher, opening } = self;
        let hash = hasher.hash_one(event.account);
        if let Some(number) = numbers.find(hash, |number| trails[*number as usize].account() == event.account) {
            return *number as usize;
        }
        let number = trails.len();
        let is_cut = event.prev_lsn != NO_LSN && is_gone(event.prev_lsn);
        let trail = if is_cut { Trail::starting_at(lsn, event) } else { Trail::new(event.account) };
        *opening += u128::from(trail.state().balance);
        trails.push(trail);
        let rehash = |number: &u32| hasher.hash_one(trails[*number as usize].account());
        numbers.insert_unique(hash, u32::try_from(number).expect("a shard has fewer than 2^32 accounts"), rehash);
        number
    }

    /// The trail of an account.
    pub fn trail(&mut self, number: usize) -> &mut Trail {
        &mut self.trails[number]
    }

    /// Sum of the balances that trails began with.
    pub fn opening(&self) -> u128 {
        self.opening
    }

    /// All of them.
    pub fn all(&self) -> &[Trail] {
        &self.trails
    }
}
