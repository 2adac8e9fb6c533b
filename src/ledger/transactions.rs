//! The transaction index: what an id answers, as 24 bytes an id.
//!
//! ```text
//!   (account, tx) --SipHash-1-3, 128 bits, keyed--> hi, lo
//!   hash index (hash_index.rs): hi --> lo, value
//!   value = LSN of the newest record that changes what the id answers (commands.md C.11, 15)
//!         | ACTIVE + slot of the hold, which answers from memory and is never forgotten
//! ```
//! Forgetting: `floor` is the LSN below which a hit is a miss ([`Retention`](super::retention::Retention)); a sweep
//! returns the memory later, some tables at a time. Absent on purpose: the ids themselves; whoever reads the record
//! behind a hit compares them.

use siphasher::sip128::SipHasher13;

use super::hash_index::{Glance, HashIndex, Place};
use super::id::{ACCOUNT_LEN_MAX, Lsn, NO_LSN, TX_LEN_MAX};
use super::reservation::HoldSlot;

/// Set in a value that is a hold's slot. No log reaches 2^63 bytes.
const ACTIVE: u64 = 1 << 63;

/// More than two insertions (a REFUND's) can allocate, the directory apart.
const STEP_BYTES_MAX: usize = 2 * HashIndex::<u64, Entry>::STEP_BYTES_MAX;

/// The keyed hash of an account's transaction id; evenly spread.
#[derive(Clone, Copy, Debug)]
pub struct TxKey {
    /// Not 0.
    hi: u64,
    lo: u64,
    /// Where it was looked for, if it was ([`Transactions::sight`]): spares later look-ups the search.
    spot: Place,
}

impl PartialEq for TxKey {
    fn eq(&self, other: &Self) -> bool {
        (self.hi, self.lo) == (other.hi, other.lo)
    }
}

impl Eq for TxKey {}

impl TxKey {
    /// Hashes the pair. `account` is preceded by its length, so no two pairs give the same input.
    pub(crate) fn new(seed: [u64; 2], account: &[u8], tx: &[u8]) -> Self {
        let mut input = [0; 1 + ACCOUNT_LEN_MAX + TX_LEN_MAX];
        let (middle, end) = (1 + account.len(), 1 + account.len() + tx.len());
        input[0] = account.len() as u8;
        input[1..middle].copy_from_slice(account);
        input[middle..end].copy_from_slice(tx);
        let hash = SipHasher13::new_with_keys(seed[0], seed[1]).hash(&input[..end]);
        Self { hi: hash.h1.max(1), lo: hash.h2, spot: Place::NOWHERE }
    }

    /// The key of two words that [`Transactions::recorded`] gave; `None`: of others.
    pub(crate) fn of_words([hi, lo]: [u64; 2]) -> Option<Self> {
        (hi != 0).then_some(Self { hi, lo, spot: Place::NOWHERE })
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

/// What stands behind `hi`.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    lo: u64,
    value: u64,
}

impl Entry {
    /// Whether it is not forgotten. A hold's value is above every floor.
    fn is_kept(&self, floor: Lsn) -> bool {
        self.value >= floor
    }

    fn prior(self) -> Prior {
        match self.value & ACTIVE {
            0 => Prior::Recorded(self.value),
            _ => Prior::Active(HoldSlot((self.value & !ACTIVE) as u32)),
        }
    }
}

/// The index of a shard.
#[derive(Debug)]
pub(crate) struct Transactions {
    entries: HashIndex<u64, Entry>,
    bytes_max: usize,
    floor: Lsn,
    /// Next table to sweep; `None` between passes.
    cursor: Option<usize>,
    /// `floor` when the newest pass began.
    swept_floor: Lsn,
}

impl Transactions {
    /// No entries. `bytes_max` bounds the memory; at least one table fits always.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { entries: HashIndex::new(), bytes_max, floor: NO_LSN, cursor: None, swept_floor: NO_LSN }
    }

    /// Makes room for so many entries, as far as the limit allows, when there are none.
    pub(crate) fn make_room(&mut self, len: u64) {
        assert_eq!(self.len(), 0, "room is made before entries come");
        let len_max = self.bytes_max / (2 * size_of::<(u64, Entry)>());
        self.entries = HashIndex::with_room(usize::try_from(len).unwrap_or(usize::MAX).min(len_max));
    }

    /// What the id answers.
    pub(crate) fn lookup(&self, key: TxKey) -> Prior {
        match self.place(key).map(|place| *self.entries.get(place)) {
            Some(entry) if entry.is_kept(self.floor) => entry.prior(),
            _ => Prior::Unknown,
        }
    }

    /// The same key, and where the search for it begins.
    pub(crate) fn home(&self, key: TxKey) -> TxKey {
        TxKey { spot: self.entries.home(key.hi), ..key }
    }

    /// The same key, and where it stands or would stand, of a key that went through [`Transactions::home`].
    pub(crate) fn sight(&self, key: TxKey) -> TxKey {
        TxKey { spot: self.entries.spot(key.spot, key.hi), ..key }
    }

    /// Reads from the cache line in which the search begins, of a key that went through [`Transactions::home`].
    pub(crate) fn touch_keys(&self, key: TxKey) {
        self.entries.touch_keys(key.spot);
    }

    /// Reads from the cache line that tells what a sighted key answers.
    pub(crate) fn touch_value(&self, key: TxKey) {
        self.entries.touch_value(key.spot);
    }

    /// Whether a new id may come in. Says no a little early, never late; ids that are there change at any time.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.used_bytes() + STEP_BYTES_MAX > self.bytes_max
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
        self.entries.len()
    }

    /// Memory of the index.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes()
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

    /// Goes on with the pass: looks at whole tables until `budget` entries' places are seen, and drops what is forgotten.
    pub(crate) fn sweep(&mut self, budget: usize) {
        let (mut seen, floor) = (0, self.floor);
        while let Some(at) = self.cursor
            && seen < budget
        {
            seen += self.entries.retain(at, |entry| entry.is_kept(floor));
            self.cursor = (at + 1 < self.entries.tables()).then_some(at + 1);
        }
    }

    /// Below this a hit is a miss.
    pub(crate) fn floor(&self) -> Lsn {
        self.floor
    }

    /// How many tables there are: [`Transactions::recorded`] takes their numbers. An entry moves within its table, or to
    /// a new one behind all others.
    pub(crate) fn tables(&self) -> usize {
        self.entries.tables()
    }

    /// The entries of a table that are not forgotten and no holds: their key's two words, and the record.
    pub(crate) fn recorded(&self, table: usize) -> impl Iterator<Item = ([u64; 2], Lsn)> {
        let is_recorded = |entry: &Entry| entry.is_kept(self.floor) && entry.value & ACTIVE == 0;
        let entries = self.entries.table(table).filter(move |(_, entry)| is_recorded(entry));
        entries.map(|(hi, entry)| ([hi, entry.lo], entry.value))
    }

    /// Every entry that is not forgotten: its key's two words and what it answers.
    pub(crate) fn kept(&self) -> impl Iterator<Item = ([u64; 2], Prior)> {
        let entries = self.entries.entries().filter(|(_, entry)| entry.is_kept(self.floor));
        entries.map(|(hi, entry)| ([hi, entry.lo], entry.prior()))
    }

    fn place(&self, key: TxKey) -> Option<Place> {
        match self.entries.glance(key.spot, key.hi) {
            Glance::Free => None,
            Glance::Value(entry) if entry.lo == key.lo => Some(key.spot),
            Glance::Nothing | Glance::Value(_) => self.entries.find(key.hi, |entry| entry.lo == key.lo),
        }
    }

    fn set(&mut self, key: TxKey, value: u64) {
        match self.place(key) {
            Some(place) => self.entries.get_mut(place).value = value,
            None => self.entries.insert(key.hi, Entry { lo: key.lo, value }, key.spot),
        }
    }
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
            let (tables, bytes) = (index.entries.tables(), index.bytes());
            index.record(key(n), n + 1);
            assert!(index.entries.tables() <= tables + 1, "tables split one at a time");
            let directory_bytes = 8 * index.entries.tables();
            assert!(index.bytes() <= bytes + STEP_BYTES_MAX / 2 + directory_bytes, "a REFUND's two ids fit");
            if n > 100_000 {
                worst = worst.max(index.bytes() as f64 / index.len() as f64);
            }
        }
        for n in 0..1_000_000u64 {
            assert_eq!(index.lookup(key(n)), Prior::Recorded(n + 1));
        }
        assert!(worst < 36.0, "{worst} bytes an entry at the worst size");
    }

    #[test]
    fn the_limit_stops_new_ids_before_memory_passes_it() {
        let mut index = Transactions::new(1_500_000);
        let mut n = 0;
        while !index.is_full() {
            n += 1;
            index.record(key(n), n);
            assert!(index.bytes() <= 1_500_000);
        }
        assert!(n > 20_000, "only {n} ids in 1.5 million bytes");
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
                let k = |n: u64| if spread { key(n) } else { TxKey { hi: u64::MAX << 12 | n >> 2, lo: n, spot: Place::NOWHERE } };
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
            prop_assert!(index.len() >= live);
            prop_assert_eq!(index.entries.entries().count(), index.len());
        }
    }
}
