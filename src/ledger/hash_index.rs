//! A hash index that grows in small steps and costs the same memory an entry at any size.
//!
//! ```text
//!   key (evenly spread): | directory bits | place in the table ... |
//!   directory --> table: [ bucket | bucket | bucket | ... ]      full buckets spill into the next one, the last into
//!   bucket = 8 keys, then their 8 values                         the first; keys fill a bucket from the front
//! ```
//! A bucket's keys fill one cache line (or less): a key that is not there costs one access to main memory, seldom two.
//! Many look-ups can wait for theirs together, if short loops read the same of each ([`HashIndex::touch_keys`]). A table grows by a quarter at a time
//! and splits at about [`LEN_MAX`]: a step moves at most that many entries (a tenth of a millisecond), and the memory of an
//! entry swings by a fifth, not by half as in one table that doubles. Tables split at different sizes, so that they do not all
//! grow at once and the allocator finds what one gives back a use in another.
//!
//! Invariant: a bucket with a free lane ends the search. Absent on purpose: removal of one entry ([`HashIndex::retain`]
//! builds a table anew), uniqueness of keys (the owner of the values knows what is equal).

use std::fmt::Debug;
use std::hint::black_box;

/// Entries of a bucket.
const LANES: usize = 8;

/// Room of the largest table, in entries. So large that what a look-up reads of tables and directory stays in the nearest
/// caches with millions of entries.
const LEN_MAX: usize = 16_384;

/// Room of the smallest table, in entries.
const LEN_MIN: usize = 64;

/// What tables differ by in the size at which they split, and how many such sizes there are.
const SPLIT_STEP: usize = 512;
const SPLIT_SIZES: usize = 8;

/// A key, evenly spread. The default one stands for a free lane and is never inserted.
pub(crate) trait Key: Copy + Eq + Default + Debug {
    /// The key's bits, the highest first.
    fn spread(self) -> u64;
}

impl Key for u64 {
    fn spread(self) -> u64 {
        self
    }
}

impl Key for u32 {
    fn spread(self) -> u64 {
        u64::from(self) << 32
    }
}

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

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Bucket<K, V> {
    keys: [K; LANES],
    values: [V; LANES],
}

impl<K: Key, V> Bucket<K, V> {
    /// Whether it has the key. No branch: what a search meets cannot be foreseen.
    fn has(&self, key: K) -> bool {
        self.keys.iter().fold(false, |has, other| has | (*other == key))
    }

    /// How many lanes of a bucket that is not full are used: the first free one. Without a branch too.
    fn used(&self) -> usize {
        let is_used = |lane: usize| usize::from(self.keys[lane] != K::default());
        let lane = is_used(3) * 4;
        let lane = lane + is_used(lane + 1) * 2;
        lane + is_used(lane)
    }

    /// Whether a search goes on in the next bucket.
    fn is_full(&self) -> bool {
        self.keys[LANES - 1] != K::default()
    }
}

/// The entries whose keys share their first `depth` bits.
#[derive(Debug)]
struct Table<K, V> {
    buckets: Vec<Bucket<K, V>>,
    len: usize,
    depth: u32,
}

/// Values by key.
#[derive(Debug)]
pub(crate) struct HashIndex<K, V> {
    tables: Vec<Table<K, V>>,
    /// Which table has the keys that start with these `depth` bits.
    directory: Vec<u32>,
    depth: u32,
    bytes: usize,
    len: usize,
    /// How many times entries have moved; not 0.
    moves: u32,
}

impl<K: Key, V: Copy + Default> HashIndex<K, V> {
    /// No entries.
    pub(crate) fn new() -> Self {
        let table = Table::build(LEN_MIN, 0, std::iter::empty());
        Self { bytes: table.bytes(), tables: vec![table], directory: vec![0], depth: 0, len: 0, moves: 1 }
    }

    /// The entry of `key` that `is_it` says yes to.
    pub(crate) fn find(&self, key: K, is_it: impl Fn(&V) -> bool) -> Option<Place> {
        let table = self.table_of(key);
        let spot = self.tables[table].find(key, is_it)?;
        Some(self.place(table, spot))
    }

    /// The value of an entry.
    pub(crate) fn get(&self, at: Place) -> &V {
        &self.tables[at.table as usize].buckets[at.bucket as usize].values[at.lane as usize]
    }

    /// As [`HashIndex::get`], to change it.
    pub(crate) fn get_mut(&mut self, at: Place) -> &mut V {
        &mut self.tables[at.table as usize].buckets[at.bucket as usize].values[at.lane as usize]
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

    /// Where an entry of `key` stands, or else where it would stand.
    pub(crate) fn spot(&self, key: K) -> Place {
        let table = self.table_of(key);
        self.place(table, self.tables[table].spot(key))
    }

    /// Reads the keys at a place that was just found.
    pub(crate) fn touch_keys(&self, at: Place) {
        black_box(self.tables[at.table as usize].buckets[at.bucket as usize].keys[0]);
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
        let bucket = &self.tables[at.table as usize].buckets[at.bucket as usize];
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

    /// Memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.directory.len() * size_of::<u32>()
    }

    /// All entries, table by table.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (K, V)> {
        self.tables.iter().flat_map(Table::entries)
    }

    /// How many tables there are.
    pub(crate) fn tables(&self) -> usize {
        self.tables.len()
    }

    /// Drops the entries of table `at` that `keep` says no to, and memory if most of it is empty then. Returns how many
    /// lanes it looked at.
    pub(crate) fn retain(&mut self, at: usize, keep: impl Fn(&V) -> bool) -> usize {
        let old = &self.tables[at];
        let (seen, room) = (old.room(), room_for(old.entries().filter(|(_, value)| keep(value)).count()));
        let kept = old.entries().filter(|(_, value)| keep(value));
        let table = Table::build(if room * 4 < seen * 3 { room } else { seen }, old.depth, kept);
        if table.len < old.len {
            self.len -= old.len - table.len;
            self.replace(at, table);
        }
        seen
    }

    fn place(&self, table: usize, (bucket, lane): (usize, usize)) -> Place {
        Place { table: table as u32, bucket: bucket as u32, lane: lane as u32, moves: self.moves }
    }

    fn table_of(&self, key: K) -> usize {
        self.directory[first_bits(key, self.depth)] as usize
    }

    /// Makes room in `key`'s table.
    fn grow(&mut self, at: usize, key: K) {
        let old = &self.tables[at];
        let room = room_for(old.len);
        if room <= LEN_MAX - at % SPLIT_SIZES * SPLIT_STEP {
            self.replace(at, Table::build(room, old.depth, old.entries()));
        } else {
            self.split(at, key);
        }
    }

    fn replace(&mut self, at: usize, table: Table<K, V>) {
        self.moves = self.moves.wrapping_add(1).max(1);
        self.bytes = self.bytes + table.bytes() - self.tables[at].bytes();
        self.tables[at] = table;
    }

    /// Gives the upper half of a table's keys, `key`'s table, to a new one.
    fn split(&mut self, at: usize, key: K) {
        if self.tables[at].depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&table| [table, table]).collect();
            self.depth += 1;
        }
        let old = &self.tables[at];
        let depth = old.depth + 1;
        let [lower, upper] = [0, 1].map(|half| {
            let mine = || old.entries().filter(|(key, _)| first_bits(*key, depth) & 1 == half);
            Table::build(room_for(mine().count()), depth, mine())
        });
        let number = u32::try_from(self.tables.len()).expect("the memory limit comes first");
        let share = 1 << (self.depth - depth);
        let start = (first_bits(key, depth) | 1) * share;
        assert!(
            self.directory[start..start + share].iter().all(|table| *table == at as u32),
            "the directory agrees with its tables"
        );
        self.directory[start..start + share].fill(number);
        self.bytes += upper.bytes();
        self.replace(at, lower);
        self.tables.push(upper);
    }
}

impl<K: Key, V: Copy + Default> Table<K, V> {
    /// A table with room for `room` entries, a multiple of [`LANES`], and these entries.
    fn build(room: usize, depth: u32, entries: impl Iterator<Item = (K, V)>) -> Self {
        let free = Bucket { keys: [K::default(); LANES], values: [V::default(); LANES] };
        let mut table = Self { buckets: vec![free; room / LANES], len: 0, depth };
        let mut filled = vec![0u8; table.buckets.len()]; // spares a look at the keys
        for (key, value) in entries {
            let mut at = table.home(key);
            while usize::from(filled[at]) == LANES {
                at = table.after(at);
            }
            table.put((at, filled[at].into()), key, value);
            filled[at] += 1;
        }
        table
    }

    fn room(&self) -> usize {
        self.buckets.len() * LANES
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.buckets.capacity() * size_of::<Bucket<K, V>>()
    }

    fn is_crowded(&self) -> bool {
        self.len >= self.room() / 8 * 7
    }

    fn entries(&self) -> impl Iterator<Item = (K, V)> {
        let lanes = self.buckets.iter().flat_map(|bucket| bucket.keys.into_iter().zip(bucket.values));
        lanes.filter(|(key, _)| *key != K::default())
    }

    /// The bucket in which the key stands if it is not full: proportional to the key.
    fn home(&self, key: K) -> usize {
        ((key.spread() << self.depth >> 32) as usize).wrapping_mul(self.buckets.len()) >> 32
    }

    fn find(&self, key: K, is_it: impl Fn(&V) -> bool) -> Option<(usize, usize)> {
        let mut at = self.home(key);
        loop {
            let bucket = &self.buckets[at];
            if bucket.has(key) {
                let mut lanes = bucket.keys.iter().zip(&bucket.values);
                if let Some(lane) = lanes.position(|(other, value)| *other == key && is_it(value)) {
                    return Some((at, lane));
                }
            }
            if !bucket.is_full() {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Where an entry of the key stands, or else the free lane that ends the search for it.
    fn spot(&self, key: K) -> (usize, usize) {
        let mut at = self.home(key);
        loop {
            let bucket = &self.buckets[at];
            if bucket.has(key) {
                return (at, bucket.keys.iter().position(|other| *other == key).expect("it was just seen"));
            }
            if !bucket.is_full() {
                return (at, bucket.used());
            }
            at = self.after(at);
        }
    }

    /// The free lane that ends the search for the key.
    fn free(&self, key: K) -> (usize, usize) {
        let mut at = self.home(key);
        while self.buckets[at].is_full() {
            at = self.after(at);
        }
        (at, self.buckets[at].used())
    }

    fn put(&mut self, (bucket, lane): (usize, usize), key: K, value: V) {
        let bucket = &mut self.buckets[bucket];
        (bucket.keys[lane], bucket.values[lane]) = (key, value);
        self.len += 1;
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() { 0 } else { at + 1 }
    }
}

/// The first `bits` bits, as a number.
fn first_bits(key: impl Key, bits: u32) -> usize {
    key.spread().checked_shr(u64::BITS - bits).unwrap_or(0) as usize
}

/// Room for `len` entries and a quarter more before the table is crowded.
fn room_for(len: usize) -> usize {
    (len * 10 / 7).next_multiple_of(LANES).max(LEN_MIN)
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
        let bytes: usize = index.tables.iter().map(Table::bytes).sum();
        assert_eq!(index.bytes(), bytes + 4 * index.directory.len());
        let an_entry = index.bytes() as f64 / index.len() as f64;
        assert!(an_entry < 11.0, "{an_entry} bytes for 8");
        for at in 0..index.tables() {
            index.retain(at, |n| n % 10 == 0);
        }
        assert_eq!((index.len(), index.entries().count()), (20_000, 20_000));
        assert!(index.bytes() < bytes / 8, "a tenth of the entries left gives memory back");
        let bytes: usize = index.tables.iter().map(Table::bytes).sum();
        assert_eq!(index.bytes(), bytes + 4 * index.directory.len());
    }

    #[test]
    fn a_place_is_good_until_something_moves_or_comes_there() {
        let mut index = HashIndex::new();
        let (mine, other) = (u32::MAX, u32::MAX - 1);
        let spot = index.spot(mine);
        assert!(matches!(index.glance(spot, mine), Glance::Free));
        index.insert(other, 1, Place::NOWHERE);
        assert!(matches!(index.glance(spot, mine), Glance::Nothing), "the other has the lane");
        index.insert(mine, 2, spot);
        let spot = index.spot(mine);
        assert!(matches!(index.glance(spot, mine), Glance::Value(2)));
        let tables = (index.tables(), index.bytes());
        (1..=100).for_each(|n| index.insert(key(n), n, index.spot(key(n))));
        assert_ne!(tables, (index.tables(), index.bytes()));
        assert!(matches!(index.glance(spot, mine), Glance::Nothing), "the table has grown");
        assert!((1..=100).all(|n| index.find(key(n), |value| *value == n).is_some()));
        assert!(matches!(index.glance(Place::NOWHERE, mine), Glance::Nothing));
    }

    #[test]
    #[should_panic(expected = "free lane")]
    fn the_default_key_is_none() {
        HashIndex::new().insert(0u64, (), Place::NOWHERE);
    }
}
