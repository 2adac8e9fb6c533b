//! The accounts of one shard, each told as the log goes by.
//!
//! ```text
//!  entries of a block ─ hash ─▶ place in the table ─▶ number ─▶ story
//!                       all     all                   all       one after the other
//! ```
//! With many accounts every step is a miss of the cache. Each step is done for all entries of a block before the next
//! one is, so that memory answers many of them at a time; that is three times as fast as one entry after the other.

use std::hash::BuildHasher;
use std::hint::black_box;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::ledger::event::Event;
use crate::ledger::id::{Lsn, NO_LSN};
use crate::ledger::invariants::Story;

/// All accounts that were met, by the number that each got then.
#[derive(Default)]
pub(super) struct Stories {
    places: HashTable<Place>,
    stories: Vec<Slot>,
    hasher: FixedState,
    opening: u128,
    sought: Vec<Sought>,
}

/// A story in cache lines of its own: two.
#[repr(align(64))]
struct Slot(Story);

/// An account in the table.
#[derive(Clone, Copy)]
struct Place {
    /// Tells most accounts apart without a look at their names.
    hash: u32,
    number: u32,
}

/// An account that was looked for.
#[derive(Clone, Copy)]
struct Sought {
    hash: u64,
    /// Where it is, unless another account has the same 32 bits of hash.
    number: Option<u32>,
}

impl Stories {
    /// Looks for the accounts of entries that are asked for next.
    pub fn seek<'a>(&mut self, accounts: impl Iterator<Item = &'a [u8]>) {
        self.sought.clear();
        let hasher = &self.hasher;
        self.sought.extend(accounts.map(|account| Sought { hash: hasher.hash_one(account), number: None }));
        for sought in &mut self.sought {
            let found = self.places.find(sought.hash, |place| place.hash == short(sought.hash));
            sought.number = found.map(|place| place.number);
        }
        let numbers = self.sought.iter().filter_map(|sought| sought.number);
        // Read, to be in the cache; the sum is of no use.
        black_box(numbers.fold(0, |sum, number| {
            let story = &self.stories[number as usize].0;
            sum ^ story.state().balance ^ story.account().last().map_or(0, |byte| u64::from(*byte))
        }));
    }

    /// The story of the event's account, which was the `i`th to be looked for. One that is met for the first time begins
    /// here: in the middle, if `is_gone` says so of the entry before.
    pub fn story(&mut self, i: usize, lsn: Lsn, event: &Event<'_>, is_gone: impl FnOnce(Lsn) -> bool) -> &mut Story {
        let Sought { hash, number } = self.sought[i];
        let is_it = |number: u32| self.stories[number as usize].0.account() == event.account;
        let exact = |place: &Place| place.hash == short(hash) && is_it(place.number);
        // Not found then: it may have been met since, earlier in the same block.
        let number = number.filter(|number| is_it(*number)).or_else(|| self.places.find(hash, exact).map(|p| p.number));
        let number = number.unwrap_or_else(|| self.begin(hash, lsn, event, is_gone));
        &mut self.stories[number as usize].0
    }

    fn begin(&mut self, hash: u64, lsn: Lsn, event: &Event<'_>, is_gone: impl FnOnce(Lsn) -> bool) -> u32 {
        let Self { places, stories, hasher, opening, .. } = self;
        let number = u32::try_from(stories.len()).expect("a shard has fewer than 2^32 accounts");
        let is_cut = event.prev_lsn != NO_LSN && is_gone(event.prev_lsn);
        let story = if is_cut { Story::starting_at(lsn, event) } else { Story::new(event.account) };
        *opening += u128::from(story.state().balance);
        stories.push(Slot(story));
        let rehash = |place: &Place| hasher.hash_one(stories[place.number as usize].0.account());
        places.insert_unique(hash, Place { hash: short(hash), number }, rehash);
        number
    }

    /// Sum of the balances that stories began with.
    pub fn opening(&self) -> u128 {
        self.opening
    }

    /// All of them.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Story> {
        self.stories.iter().map(|slot| &slot.0)
    }
}

/// Bits of the hash that the table itself makes little use of.
fn short(hash: u64) -> u32 {
    (hash >> 24) as u32
}
