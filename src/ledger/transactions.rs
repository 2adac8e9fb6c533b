//! The transaction index: what an id answers, as 24 bytes an id.
//!
//! ```text
//!   (account, tx) --SipHash-1-3, 128 bits, keyed--> hi, lo
//!   hi: | directory bits | place in the table ... |
//!         directory --> table:  [ e . e e . e e e . . e e . ]   entries sorted by (hi, lo), with gaps
//!   entry = hi, lo, value;  value = LSN of the newest record that changes what the id answers (commands.md C.11, 15)
//!                                 | ACTIVE + slot of the hold, which answers from memory and is never forgotten
//! ```
//! Every table keeps its entries sorted and near their proportional place, so a search that fails ends after about as
//! few steps as one that succeeds, and growing, splitting and sweeping copy a table in order. A table grows by a
//! quarter at a time and splits at [`HOMES_MAX`]: a step moves at most that many entries (tens of microseconds), and
//! an entry costs about 31 bytes at any size, not 27 to 55 as in one table that doubles.
//!
//! Forgetting: `floor` is the LSN below which a hit is a miss ([`Retention`](super::retention::Retention)); a sweep
//! returns the memory later, some tables at a time. Absent on purpose: the ids themselves; whoever reads the record
//! behind a hit compares them.

use siphasher::sip128::SipHasher13;

use super::id::{ACCOUNT_LEN_MAX, Lsn, NO_LSN, TX_LEN_MAX};
use super::reservation::HoldSlot;

/// Largest table. At the fullest it holds 7/8 of it: 86 KiB of entries to move when it splits.
const HOMES_MAX: usize = 4096;

/// Smallest table.
const HOMES_MIN: usize = 64;

/// Room behind the last home, for the entries that the last homes push away.
const TAIL: usize = 16;

/// Set in a value that is a hold's slot. No log reaches 2^63 bytes.
const ACTIVE: u64 = 1 << 63;

/// More than two insertions (a REFUND's) can allocate, the directory apart.
const STEP_BYTES_MAX: usize = 64 * 1024;

const EMPTY: Entry = Entry { key: TxKey { hi: 0, lo: 0 }, value: NO_LSN };

/// The keyed hash of an account's transaction id; ordered, evenly spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TxKey {
    hi: u64,
    lo: u64,
}

impl TxKey {
    /// Hashes the pair. `account` is preceded by its length, so no two pairs give the same input.
    pub(crate) fn new(seed: [u64; 2], account: &[u8], tx: &[u8]) -> Self {
        let mut input = [0; 1 + ACCOUNT_LEN_MAX + TX_LEN_MAX];
        let (middle, end) = (1 + account.len(), 1 + account.len() + tx.len());
        input[0] = account.len() as u8;
        input[1..middle].copy_from_slice(account);
        input[middle..end].copy_from_slice(tx);
        let hash = SipHasher13::new_with_keys(seed[0], seed[1]).hash(&input[..end]);
        Self { hi: hash.h1, lo: hash.h2 }
    }
}

/// What the index says about an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    /// Never used, or forgotten.
    Unknown,
    /// An active reservation.
    Active(HoldSlot),
    /// Decided by the record at this LSN.
    Recorded(Lsn),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: TxKey,
    value: u64,
}

impl Entry {
    /// Whether there is an entry, and it is not forgotten. A hold's value is above every floor.
    fn is_kept(&self, floor: Lsn) -> bool {
        self.value >= floor.max(NO_LSN + 1)
    }
}

/// The keys that share their first `depth` bits.
#[derive(Debug)]
struct Table {
    slots: Vec<Entry>,
    homes: usize,
    len: usize,
    depth: u32,
}

/// The index of a shard.
#[derive(Debug)]
pub(crate) struct Transactions {
    tables: Vec<Table>,
    /// Which table has the keys that start with these `depth` bits.
    directory: Vec<u32>,
    depth: u32,
    bytes_max: usize,
    bytes: usize,
    len: usize,
    floor: Lsn,
    /// Next table to sweep; `None` between passes.
    cursor: Option<usize>,
    /// `floor` when the newest pass began.
    swept_floor: Lsn,
}

impl Transactions {
    /// No entries. `bytes_max` bounds the memory; at least one table fits always.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let table = Table::build(HOMES_MIN, 0, std::iter::empty());
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let (bytes, directory) = (table.bytes(), vec![0]);
        let tables = vec![table];
        Self { tables, directory, depth: 0, bytes_max, bytes, len: 0, floor: NO_LSN, cursor: None, swept_floor: NO_LSN }
    }

    /// What the id answers.
    pub(crate) fn lookup(&self, key: TxKey) -> Prior {
        match self.tables[self.table_of(key)].find(key).map(|(_, value)| value) {
            Some(value) if value & ACTIVE != 0 => Prior::Active(HoldSlot((value & !ACTIVE) as u32)),
            Some(lsn) if lsn >= self.floor => Prior::Recorded(lsn),
            _ => Prior::Unknown,
        }
    }

    /// Reads where the key stands or would stand, as long as few are in its way.
    pub(crate) fn touch(&self, key: TxKey) {
        let table = &self.tables[self.table_of(key)];
        let home = table.home(key);
        std::hint::black_box((table.slots[home].value, table.slots[home + TAIL / 4].value));
    }

    /// Whether a new id may come in. Says no a little early, never late; ids that are there change at any time.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes + self.directory.len() * size_of::<u32>() + STEP_BYTES_MAX > self.bytes_max
    }

    /// The record at `lsn` decides what the id answers from now on.
    pub(crate) fn record(&mut self, key: TxKey, lsn: Lsn) {
        assert!(lsn != NO_LSN && lsn & ACTIVE == 0, "a record has a position");
        self.set(key, lsn);
    }

    /// The hold answers for the id until [`Transactions::record`].
    pub(crate) fn hold(&mut self, key: TxKey, slot: HoldSlot) {
        self.set(key, ACTIVE | u64::from(slot.0));
    }

    /// Entries, forgotten but unswept ones included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory of the index.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.directory.len() * size_of::<u32>()
    }

    /// Makes hits below `floor` misses. Never goes back.
    pub(crate) fn forget_below(&mut self, floor: Lsn) {
        assert!(floor < ACTIVE, "holds are never forgotten");
        self.floor = self.floor.max(floor);
    }

    /// Starts a pass over all tables, if the floor has moved since the one before began.
    pub(crate) fn start_sweep(&mut self) {
        if self.cursor.is_none() && self.floor > self.swept_floor {
            (self.cursor, self.swept_floor) = (Some(0), self.floor);
        }
    }

    /// Goes on with the pass: looks at whole tables until `budget` slots are seen, and drops what is forgotten.
    pub(crate) fn sweep(&mut self, budget: usize) {
        let mut seen = 0;
        while let Some(at) = self.cursor
            && seen < budget
        {
            seen += self.tables[at].slots.len();
            self.sweep_table(at);
            self.cursor = (at + 1 < self.tables.len()).then_some(at + 1);
        }
    }

    /// Every entry that is not forgotten: its key's two words and what it answers.
    pub(crate) fn kept(&self) -> impl Iterator<Item = ([u64; 2], Prior)> {
        let entries = self.tables.iter().flat_map(|table| &table.slots).filter(|e| e.is_kept(self.floor));
        entries.map(|e| match e.value & ACTIVE {
            0 => ([e.key.hi, e.key.lo], Prior::Recorded(e.value)),
            _ => ([e.key.hi, e.key.lo], Prior::Active(HoldSlot((e.value & !ACTIVE) as u32))),
        })
    }

    fn table_of(&self, key: TxKey) -> usize {
        self.directory[first_bits(key, self.depth)] as usize
    }

    fn set(&mut self, key: TxKey, value: u64) {
        let mut at = self.table_of(key);
        if let Some((place, _)) = self.tables[at].find(key) {
            self.tables[at].slots[place].value = value;
            return;
        }
        while self.tables[at].is_crowded() {
            let homes = homes_for(self.tables[at].len);
            if homes <= HOMES_MAX {
                self.rebuild(at, homes);
            } else {
                self.split(at, key);
            }
            at = self.table_of(key);
        }
        let before = self.tables[at].bytes();
        self.tables[at].insert(Entry { key, value });
        self.bytes += self.tables[at].bytes() - before;
        self.len += 1;
    }

    /// Gives a table another size.
    fn rebuild(&mut self, at: usize, homes: usize) {
        let old = &self.tables[at];
        self.replace(at, Table::build(homes, old.depth, old.entries()));
    }

    fn replace(&mut self, at: usize, table: Table) {
        self.bytes = self.bytes + table.bytes() - self.tables[at].bytes();
        self.tables[at] = table;
    }

    /// Gives the upper half of a table's keys, `key`'s table, to a new one.
    fn split(&mut self, at: usize, key: TxKey) {
        if self.tables[at].depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&table| [table, table]).collect();
            self.depth += 1;
        }
        let old = &self.tables[at];
        let depth = old.depth + 1;
        let is_upper = |entry: &Entry| first_bits(entry.key, depth) & 1 == 1;
        let middle = old.entries().take_while(|entry| !is_upper(entry)).count();
        let lower = Table::build(homes_for(middle), depth, old.entries().take(middle));
        let upper = Table::build(homes_for(old.len - middle), depth, old.entries().skip(middle));
        let number = u32::try_from(self.tables.len()).expect("the memory limit comes first");
        let share = 1 << (self.depth - depth);
        let start = (first_bits(key, depth) | 1) * share;
        assert_eq!(
            self.directory[start..start + share],
            vec![at as u32; share],
            "the directory agrees with its tables"
        );
        self.directory[start..start + share].fill(number);
        self.bytes += upper.bytes();
        self.replace(at, lower);
        self.tables.push(upper);
    }

    /// Drops a table's forgotten entries, and memory if most of it is empty then.
    fn sweep_table(&mut self, at: usize) {
        let (floor, old) = (self.floor, &self.tables[at]);
        let kept = old.entries().filter(|e| e.is_kept(floor)).count();
        if kept == old.len {
            return;
        }
        let ample = homes_for(kept);
        let homes = if ample * 4 < old.homes * 3 { ample } else { old.homes };
        self.len -= old.len - kept;
        self.replace(at, Table::build(homes, old.depth, old.entries().filter(|e| e.is_kept(floor))));
    }
}

impl Table {
    /// A table of `homes` places with `entries`, which come sorted.
    fn build(homes: usize, depth: u32, entries: impl Iterator<Item = Entry>) -> Self {
        let mut table = Self { slots: vec![EMPTY; homes + TAIL], homes, len: 0, depth };
        let mut free = 0;
        for entry in entries {
            let place = table.home(entry.key).max(free);
            if place == table.slots.len() {
                table.lengthen();
            }
            table.slots[place] = entry;
            table.len += 1;
            free = place + 1;
        }
        table
    }

    /// One more place behind the last home; a vector left to itself would double.
    fn lengthen(&mut self) {
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(TAIL);
        }
        self.slots.push(EMPTY);
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.slots.capacity() * size_of::<Entry>()
    }

    fn is_crowded(&self) -> bool {
        self.len >= self.homes / 8 * 7
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.slots.iter().copied().filter(|entry| entry.value != NO_LSN)
    }

    /// Where the key stands if nobody is in its way: proportional to it, so homes have the order of keys.
    fn home(&self, key: TxKey) -> usize {
        ((key.hi << self.depth >> 32) as usize * self.homes) >> 32
    }

    /// The first place that is free or has a key not below `key`, from its home on.
    fn place_of(&self, key: TxKey) -> usize {
        let home = self.home(key);
        let before = self.slots[home..].iter().take_while(|entry| entry.value != NO_LSN && entry.key < key).count();
        home + before
    }

    fn find(&self, key: TxKey) -> Option<(usize, u64)> {
        let place = self.place_of(key);
        let entry = self.slots.get(place)?;
        (entry.value != NO_LSN && entry.key == key).then_some((place, entry.value))
    }

    /// Adds an entry that is not there: what stands behind its place makes room, up to the next gap.
    fn insert(&mut self, entry: Entry) {
        let place = self.place_of(entry.key);
        let gap = self.slots[place..].iter().position(|e| e.value == NO_LSN).map(|ahead| place + ahead);
        let gap = gap.unwrap_or_else(|| {
            self.lengthen();
            self.slots.len() - 1
        });
        self.slots.copy_within(place..gap, place + 1);
        self.slots[place] = entry;
        self.len += 1;
    }
}

/// The first `bits` bits, as a number.
fn first_bits(key: TxKey, bits: u32) -> usize {
    key.hi.checked_shr(u64::BITS - bits).unwrap_or(0) as usize
}

/// Homes for `len` entries and a quarter more before the table is crowded.
fn homes_for(len: usize) -> usize {
    (len * 10 / 7).next_multiple_of(8).max(HOMES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(n: u64) -> TxKey {
        TxKey::new([1, 2], b"account", &n.to_le_bytes())
    }

    #[test]
    fn a_key_tells_where_the_account_ends() {
        assert_ne!(TxKey::new([1, 2], b"ab", b"c"), TxKey::new([1, 2], b"a", b"bc"));
        assert_ne!(TxKey::new([1, 2], b"a", b"b"), TxKey::new([3, 2], b"a", b"b"));
        TxKey::new([0, 0], &[1; ACCOUNT_LEN_MAX], &[2; TX_LEN_MAX]);
    }

    #[test]
    fn a_million_ids_are_found_again_at_31_bytes_each() {
        let mut index = Transactions::new(u64::MAX);
        let mut worst: f64 = 0.0;
        for n in 0..1_000_000u64 {
            assert_eq!(index.lookup(key(n)), Prior::Unknown);
            let (tables, bytes) = (index.tables.len(), index.bytes);
            index.record(key(n), n + 1);
            assert!(index.tables.len() <= tables + 1, "tables split one at a time");
            assert!(index.bytes <= bytes + STEP_BYTES_MAX / 2, "a REFUND's two ids fit what is kept free");
            if n > 100_000 {
                worst = worst.max(index.bytes() as f64 / index.len() as f64);
            }
        }
        for n in 0..1_000_000u64 {
            assert_eq!(index.lookup(key(n)), Prior::Recorded(n + 1));
        }
        assert!(worst < 36.0, "{worst} bytes an entry at the worst size");
        let bytes: usize = index.tables.iter().map(Table::bytes).sum();
        assert_eq!(bytes, index.bytes);
    }

    #[test]
    fn the_limit_stops_new_ids_before_memory_passes_it() {
        let mut index = Transactions::new(1_000_000);
        let mut n = 0;
        while !index.is_full() {
            n += 1;
            index.record(key(n), n);
            assert!(index.bytes() <= 1_000_000);
        }
        assert!(n > 20_000, "only {n} ids in a million bytes");
        index.forget_below(n);
        assert_eq!(index.lookup(key(n - 1)), Prior::Unknown);
        index.start_sweep();
        index.sweep(usize::MAX);
        assert!(index.len() == 1 && !index.is_full() && index.cursor.is_none());
        assert_eq!(index.lookup(key(n)), Prior::Recorded(n));
    }

    proptest! {
        // Few distinct keys, so that they are met again; `forget` in the middle of everything.
        #[test]
        fn the_index_does_what_a_map_does(
            steps in prop::collection::vec((0..6u8, 0..4000u64), 1..3000), spread in any::<bool>()
        ) {
            let mut index = Transactions::new(u64::MAX);
            let mut model: BTreeMap<u64, (bool, u64)> = BTreeMap::new();
            let (mut lsn, mut floor) = (1, 0);
            for (kind, n) in steps {
                lsn += 1;
                // Keys that share their beginning crowd the last place of one table.
                let k = |n: u64| if spread { key(n) } else { TxKey { hi: u64::MAX << 12 | n >> 2, lo: n } };
                match kind {
                    0..3 => { index.record(k(n), lsn); model.insert(n, (false, lsn)); }
                    3 => { index.hold(k(n), HoldSlot(n as u32)); model.insert(n, (true, n)); }
                    4 => { floor = floor.max(lsn.saturating_sub(n)); index.forget_below(floor); }
                    _ => { index.start_sweep(); index.sweep(n as usize / 8); }
                }
                let expected = match model.get(&n) {
                    Some((true, slot)) => Prior::Active(HoldSlot(*slot as u32)),
                    Some((false, lsn)) if *lsn >= floor => Prior::Recorded(*lsn),
                    _ => Prior::Unknown,
                };
                prop_assert_eq!(index.lookup(k(n)), expected);
            }
            let live = model.values().filter(|(active, lsn)| *active || *lsn >= floor).count();
            prop_assert_eq!(index.kept().count(), live);
            index.start_sweep();
            while index.cursor.is_some() { index.sweep(100); }
            for table in &index.tables {
                prop_assert!(table.entries().is_sorted_by(|a, b| a.key < b.key));
                prop_assert_eq!(table.entries().count(), table.len);
            }
            prop_assert!(index.len() >= live);
        }
    }
}
