//! A hash index that grows in small steps and costs the same memory an entry at any size.
//!
//! ```text
//!   key (evenly spread): | directory bits | place in the table ... |
//!   directory --> table: [ page | page | ... ]        pages of one size, so that one table's serves another
//!   page = 128 buckets;  bucket = 8 keys, then their 8 values; filled from the front
//!   full buckets spill into the next one, the last of a table into its first
//! ```
//! A bucket's keys fill one cache line (or less): a key that is not there costs one access to main memory, seldom two.
//! Many look-ups can wait for theirs together, if short loops read the same of each ([`HashIndex::touch_keys`]).
//!
//! A table grows by a quarter at a time, in place, and splits at about [`PAGES_MAX`]: a step moves one table's entries
//! (a tenth of a millisecond), and the memory of an entry swings by a fifth, not by half as in one table that doubles.
//! Pages go from table to table, not to the system and back: zeroed memory costs more than all look-ups. Tables split
//! at different sizes, so that not all of them grow at once.
//!
//! Invariant: a bucket with a free lane ends the search. Absent on purpose: removal of one entry ([`HashIndex::retain`]
//! spreads a table anew), uniqueness of keys (the owner of the values knows what is equal).

mod table;

use std::hint::black_box;
use table::{Bucket, PAGE_BUCKETS, PAGE_LEN, Page, Table, first_bits, pages_for};

pub(crate) use table::Key;

/// Pages of the largest table. So many that what a look-up reads of tables and directory stays in the nearest caches
/// with millions of entries.
const PAGES_MAX: usize = 16;

/// Of how many pages that tables have one may be unused: what a sweep frees is soon needed again.
const UNUSED_SHARE: usize = 8;

/// In how many sizes tables split, each a page below the one before.
const SPLIT_SIZES: usize = 4;

/// Where an entry stands, or one would stand. Good until entries move; [`HashIndex::glance`] knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    table: u32,
    bucket: u32,
    lane: u32,
    moves: u32,
}

impl Place {
    /// Never good.
    pub(crate) const NOWHERE: Self = Self { table: 0, bucket: 0, lane: 0, moves: 0 };
}

/// What stands at a place.
pub(crate) enum Glance<'a, V> {
    /// It says nothing about the key: entries have moved, or another key has come there.
    Nothing,
    /// No entry of the key is in the index.
    Free,
    /// An entry of the key; there may be more.
    Value(&'a V),
}

/// Values by key.
#[derive(Debug)]
pub(crate) struct HashIndex<K, V> {
    tables: Vec<Table<K, V>>,
    /// Which table has the keys that start with these `depth` bits.
    directory: Vec<u32>,
    depth: u32,
    /// Pages that no table has any more.
    unused: Vec<Page<K, V>>,
    /// Pages that tables have.
    pages: usize,
    len: usize,
    /// How many times entries have moved; not 0.
    moves: u32,
}

/// Entries whose look-ups wait for main memory together.
const TOGETHER: usize = 32;

impl HashIndex<u32, u32> {
    /// The numbers below `len` by their hashes: many look-ups at a time, in tables that do not grow. `None` if two are the
    /// same.
    pub(crate) fn of_numbers(len: u32, hash: impl Fn(u32) -> u32, are_same: impl Fn(u32, u32) -> bool) -> Option<Self> {
        let mut index = Self::with_room(len as usize);
        for first in (0..len).step_by(TOGETHER) {
            let last = len.min(first + TOGETHER as u32);
            let mut together = [(0, Place::NOWHERE); TOGETHER];
            for (number, (key, home)) in (first..last).zip(&mut together) {
                *key = hash(number);
                *home = index.home(*key);
            }
            together.iter().for_each(|(_, home)| index.touch_keys(*home));
            for (number, (key, _)) in (first..last).zip(together) {
                if index.find(key, |&other| are_same(number, other)).is_some() {
                    return None;
                }
                index.insert(key, number, Place::NOWHERE);
            }
        }
        Some(index)
    }
}

impl<K: Key, V: Copy + Default> HashIndex<K, V> {
    /// What one insertion can allocate at most: the pages of a new table, the directory apart.
    pub(crate) const STEP_BYTES_MAX: usize = PAGES_MAX * PAGE_BUCKETS * size_of::<Bucket<K, V>>() * 3 / 4;

    /// No entries.
    pub(crate) fn new() -> Self {
        Self::with_room(0)
    }

    /// No entries, and room for `len` of evenly spread keys.
    pub(crate) fn with_room(len: usize) -> Self {
        let pages = |depth: u32| pages_for(len >> depth);
        let depth = (0..).find(|depth| pages(*depth) <= PAGES_MAX - SPLIT_SIZES).expect("a half is less");
        let (tables, directory, unused) = (Vec::new(), (0..1 << depth).collect(), Vec::new());
        let mut index = Self { tables, directory, depth, unused, pages: 0, len: 0, moves: 1 };
        for _ in 0..1 << depth {
            let pages = index.take_pages(pages(depth));
            index.tables.push(Table { pages, len: 0, depth });
        }
        index
    }

    /// The entry of `key` that `is_it` says yes to.
    pub(crate) fn find(&self, key: K, is_it: impl Fn(&V) -> bool) -> Option<Place> {
        let table = self.table_of(key);
        let spot = self.tables[table].find(key, is_it)?;
        Some(self.place(table, spot))
    }

    /// The value of an entry.
    pub(crate) fn get(&self, at: Place) -> &V {
        &self.tables[at.table as usize].bucket(at.bucket as usize).values[at.lane as usize]
    }

    /// As [`HashIndex::get`], to change it.
    pub(crate) fn get_mut(&mut self, at: Place) -> &mut V {
        &mut self.tables[at.table as usize].bucket_mut(at.bucket as usize).values[at.lane as usize]
    }

    /// Adds an entry. `spot`: where it would stand, if that was looked up before.
    pub(crate) fn insert(&mut self, key: K, value: V, spot: Place) {
        assert_ne!(key, K::default(), "the default key stands for a free lane");
        let mut at = self.table_of(key);
        while self.tables[at].is_crowded() {
            self.grow(at, key);
            at = self.table_of(key);
        }
        let spot = match self.glance(spot, key) {
            Glance::Free => (spot.bucket as usize, spot.lane as usize),
            Glance::Nothing | Glance::Value(_) => self.tables[at].free(key),
        };
        self.tables[at].put(spot, key, value);
        self.len += 1;
    }

    /// Where the search for `key` begins.
    pub(crate) fn home(&self, key: K) -> Place {
        let table = self.table_of(key);
        self.place(table, (self.tables[table].home(key), 0))
    }

    /// Where an entry of `key` stands, or else where it would stand. `home`: where the search begins.
    pub(crate) fn spot(&self, home: Place, key: K) -> Place {
        let (bucket, lane) = self.tables[home.table as usize].spot(home.bucket as usize, key);
        Place { bucket: bucket as u32, lane: lane as u32, ..home }
    }

    /// Reads the keys at a place that was just found.
    pub(crate) fn touch_keys(&self, at: Place) {
        black_box(self.tables[at.table as usize].bucket(at.bucket as usize).keys[0]);
    }

    /// Reads the value at a place that was just found.
    pub(crate) fn touch_value(&self, at: Place) {
        black_box(*self.get(at));
    }

    /// What stands now where an entry of `key` stood or would have stood.
    pub(crate) fn glance(&self, at: Place, key: K) -> Glance<'_, V> {
        if at.moves != self.moves {
            return Glance::Nothing;
        }
        let bucket = self.tables[at.table as usize].bucket(at.bucket as usize);
        match bucket.keys[at.lane as usize] {
            found if found == key => Glance::Value(&bucket.values[at.lane as usize]),
            found if found == K::default() => Glance::Free,
            _ => Glance::Nothing,
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory, that of unused pages included.
    pub(crate) fn bytes(&self) -> usize {
        self.used_bytes() + self.unused.len() * PAGE_BUCKETS * size_of::<Bucket<K, V>>()
    }

    /// Memory without unused pages: what more entries need goes there first.
    pub(crate) fn used_bytes(&self) -> usize {
        self.pages * PAGE_BUCKETS * size_of::<Bucket<K, V>>()
            + self.tables.len() * size_of::<Table<K, V>>()
            + self.directory.len() * size_of::<u32>()
    }

    /// All entries, table by table.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (K, V)> {
        self.tables.iter().flat_map(Table::entries)
    }

    /// The entries of one table.
    pub(crate) fn table(&self, at: usize) -> impl Iterator<Item = (K, V)> {
        self.tables[at].entries()
    }

    /// How many tables there are.
    pub(crate) fn tables(&self) -> usize {
        self.tables.len()
    }

    /// Drops the entries of table `at` that `keep` says no to, and takes pages from it if most are empty then. Returns for how
    /// many entries the table had room.
    pub(crate) fn retain(&mut self, at: usize, keep: impl Fn(&V) -> bool) -> usize {
        let old = &self.tables[at];
        let (room, len, depth) = (old.pages.len() * PAGE_LEN, old.len, old.depth);
        let kept = old.entries().filter(|(_, value)| keep(value)).count();
        if kept < len {
            let ample = pages_for(kept);
            let pages = if ample * 4 < old.pages.len() * 3 { ample } else { old.pages.len() };
            self.respread(at, pages, depth, |_, value| keep(&value));
            self.len -= len - kept;
        }
        room
    }

    fn place(&self, table: usize, (bucket, lane): (usize, usize)) -> Place {
        Place { table: table as u32, bucket: bucket as u32, lane: lane as u32, moves: self.moves }
    }

    fn table_of(&self, key: K) -> usize {
        self.directory[first_bits(key, self.depth)] as usize
    }

    /// Makes room in `key`'s table.
    fn grow(&mut self, at: usize, key: K) {
        let (pages, depth) = (pages_for(self.tables[at].len), self.tables[at].depth);
        if pages <= PAGES_MAX - at % SPLIT_SIZES {
            self.respread(at, pages, depth, |_, _| true);
        } else {
            self.split(at, key);
        }
    }

    /// Gives the upper half of a table's keys, `key`'s table, to a new one.
    fn split(&mut self, at: usize, key: K) {
        if self.tables[at].depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&table| [table, table]).collect();
            self.depth += 1;
        }
        let depth = self.tables[at].depth + 1;
        let is_upper = |key: K| first_bits(key, depth) & 1 == 1;
        let uppers = self.tables[at].entries().filter(|(key, _)| is_upper(*key)).count();
        let lowers = self.tables[at].len - uppers;
        let mut upper = Table { pages: self.take_pages(pages_for(uppers)), len: 0, depth };
        self.respread(at, pages_for(lowers), depth, |key, value| {
            if is_upper(key) {
                upper.put(upper.free(key), key, value);
            }
            !is_upper(key)
        });
        let number = u32::try_from(self.tables.len()).expect("the memory limit comes first");
        let share = 1 << (self.depth - depth);
        let start = (first_bits(key, depth) | 1) * share;
        assert!(
            self.directory[start..start + share].iter().all(|table| *table == at as u32),
            "the directory agrees with its tables"
        );
        self.directory[start..start + share].fill(number);
        self.tables.push(upper);
    }

    /// Gives table `at` so many pages and a depth, and each entry that `stays` its place in them.
    fn respread(&mut self, at: usize, pages: usize, depth: u32, stays: impl FnMut(K, V) -> bool) {
        self.moves = self.moves.wrapping_add(1).max(1);
        let more = self.take_pages(pages.saturating_sub(self.tables[at].pages.len()));
        let left = self.tables[at].respread(more, pages, depth, stays);
        self.pages -= left.len();
        self.unused.extend(left);
        self.unused.truncate(self.pages / UNUSED_SHARE);
    }

    fn take_pages(&mut self, count: usize) -> Vec<Page<K, V>> {
        let mut pages = self.unused.split_off(self.unused.len().saturating_sub(count));
        self.pages += count;
        pages.resize_with(count, || vec![Bucket::free(); PAGE_BUCKETS].into_boxed_slice());
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even, and different for every `n`.
    fn key(n: u32) -> u32 {
        n.wrapping_mul(0x9E37_79B1).max(1)
    }

    #[test]
    fn equal_keys_stand_side_by_side_and_the_last_bucket_spills_into_the_first() {
        let mut index = HashIndex::new();
        for n in 0..40u32 {
            index.insert(u32::MAX, n, Place::NOWHERE);
        }
        for n in 0..40 {
            let place = index.find(u32::MAX, |value| *value == n).expect("inserted");
            *index.get_mut(place) += 100;
        }
        assert_eq!(index.find(u32::MAX, |_| true).map(|place| place.bucket as usize), Some(PAGE_BUCKETS - 1));
        assert!((0..40).all(|n| index.find(u32::MAX, |value| *value == n).is_none()));
        assert_eq!(index.find(7, |_| true).map(|place| *index.get(place)), None);
        assert_eq!((index.entries().count(), index.len(), index.tables()), (40, 40, 1));
    }

    #[test]
    fn memory_is_counted_and_tables_split_one_at_a_time() {
        let mut index = HashIndex::new();
        for n in 1..=200_000u32 {
            let tables = index.tables();
            index.insert(key(n), n, Place::NOWHERE);
            assert!(index.tables() <= tables + 1);
        }
        assert!((1..=200_000).all(|n| index.find(key(n), |value| *value == n).is_some()));
        let pages = |index: &HashIndex<u32, u32>| index.tables.iter().map(|table| table.pages.len()).sum::<usize>();
        assert_eq!(index.pages, pages(&index));
        let (bytes, an_entry) = (index.bytes(), index.bytes() as f64 / index.len() as f64);
        assert!(an_entry < 11.0, "{an_entry} bytes for 8");
        for at in 0..index.tables() {
            index.retain(at, |n| n % 10 == 0);
        }
        assert_eq!((index.len(), index.entries().count()), (20_000, 20_000));
        assert!((1..=20_000).all(|n| index.find(key(n * 10), |value| *value == n * 10).is_some()));
        assert!(index.bytes() < bytes / 5, "a tenth of the entries left gives memory back");
        assert_eq!(index.pages, pages(&index));
    }

    #[test]
    fn a_place_is_good_until_something_moves_or_comes_there() {
        let mut index = HashIndex::new();
        let (mine, other) = (u32::MAX, u32::MAX - 1);
        let spot = index.spot(index.home(mine), mine);
        assert!(matches!(index.glance(spot, mine), Glance::Free));
        index.insert(other, 1, Place::NOWHERE);
        assert!(matches!(index.glance(spot, mine), Glance::Nothing), "the other has the lane");
        index.insert(mine, 2, spot);
        let spot = index.spot(index.home(mine), mine);
        assert!(matches!(index.glance(spot, mine), Glance::Value(2)));
        let tables = (index.tables(), index.bytes());
        (1..=1000).for_each(|n| index.insert(key(n), n, index.spot(index.home(key(n)), key(n))));
        assert_ne!(tables, (index.tables(), index.bytes()));
        assert!(matches!(index.glance(spot, mine), Glance::Nothing), "the table has grown");
        assert!((1..=1000).all(|n| index.find(key(n), |value| *value == n).is_some()));
        assert!(matches!(index.glance(Place::NOWHERE, mine), Glance::Nothing));
    }

    #[test]
    #[should_panic(expected = "free lane")]
    fn the_default_key_is_none() {
        HashIndex::new().insert(0u64, (), Place::NOWHERE);
    }
}
