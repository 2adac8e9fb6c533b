//! A table of the hash index: buckets in pages, filled in the order of their keys.
//!
//! ```text
//!   page = 128 buckets;  bucket = 8 keys, then their 8 values; filled from the front
//!   a key's home: the bucket proportional to the key's bits behind those that the whole table shares
//! ```
//! Absent on purpose: which table has a key, and when a table grows ([`HashIndex`](super::HashIndex)).

use std::fmt::Debug;

/// Entries of a bucket.
const LANES: usize = 8;

/// Buckets of a page.
pub(super) const PAGE_BUCKETS: usize = 128;

/// Entries for which a page has room.
pub(super) const PAGE_LEN: usize = LANES * PAGE_BUCKETS;

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

pub(super) type Page<K, V> = Box<[Bucket<K, V>]>;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket<K, V> {
    pub(super) keys: [K; LANES],
    pub(super) values: [V; LANES],
}

impl<K: Key, V: Copy + Default> Bucket<K, V> {
    pub(super) fn free() -> Self {
        Self { keys: [K::default(); LANES], values: [V::default(); LANES] }
    }

    fn entries(self) -> impl Iterator<Item = (K, V)> {
        self.keys.into_iter().zip(self.values).take_while(|(key, _)| *key != K::default())
    }

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
pub(super) struct Table<K, V> {
    pub(super) pages: Vec<Page<K, V>>,
    pub(super) len: usize,
    pub(super) depth: u32,
}

impl<K: Key, V: Copy + Default> Table<K, V> {
    /// Takes `more` pages for `pages` in all, or gives some back; spreads the entries that stay over them.
    ///
    /// In place, from the last bucket to the first: if the table does not shrink, a key's home does not move forward, so
    /// what is put behind the bucket at hand stands for good. What must stand before it waits: it is little, unless the
    /// table shrinks.
    pub(super) fn respread(
        &mut self,
        more: Vec<Page<K, V>>,
        pages: usize,
        depth: u32,
        mut stays: impl FnMut(K, V) -> bool,
    ) -> Vec<Page<K, V>> {
        let old = self.pages.len();
        self.pages.extend(more);
        let (buckets, mut waiting) = (pages * PAGE_BUCKETS, Vec::new());
        let mut filled = vec![0u8; buckets]; // spares a look at the keys
        (self.len, self.depth) = (0, depth);
        for page in (0..old).rev() {
            for at in (0..PAGE_BUCKETS).rev() {
                let bucket = self.pages[page][at];
                self.pages[page][at].keys = [K::default(); LANES];
                for (key, value) in bucket.entries().filter(|(key, value)| stays(*key, *value)) {
                    let home = home_among(buckets, depth, key);
                    let is_behind = home >= page * PAGE_BUCKETS + at;
                    let full = filled.iter().skip(home).take_while(|used| usize::from(**used) == LANES).count();
                    if is_behind && home + full < buckets {
                        self.put((home + full, filled[home + full].into()), key, value);
                        filled[home + full] += 1;
                    } else {
                        waiting.push((key, value));
                    }
                }
            }
        }
        let left = self.pages.split_off(pages);
        for (key, value) in waiting {
            self.put(self.free(key), key, value);
        }
        left
    }

    fn buckets(&self) -> usize {
        self.pages.len() * PAGE_BUCKETS
    }

    pub(super) fn bucket(&self, at: usize) -> &Bucket<K, V> {
        &self.pages[at / PAGE_BUCKETS][at % PAGE_BUCKETS]
    }

    pub(super) fn bucket_mut(&mut self, at: usize) -> &mut Bucket<K, V> {
        &mut self.pages[at / PAGE_BUCKETS][at % PAGE_BUCKETS]
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.len >= self.pages.len() * (PAGE_LEN / 8 * 7)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (K, V)> {
        self.pages.iter().flatten().flat_map(|bucket| bucket.entries())
    }

    pub(super) fn home(&self, key: K) -> usize {
        home_among(self.buckets(), self.depth, key)
    }

    pub(super) fn find(&self, key: K, is_it: impl Fn(&V) -> bool) -> Option<(usize, usize)> {
        let mut at = self.home(key);
        loop {
            let bucket = self.bucket(at);
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
    pub(super) fn spot(&self, home: usize, key: K) -> (usize, usize) {
        let mut at = home;
        loop {
            let bucket = self.bucket(at);
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
    pub(super) fn free(&self, key: K) -> (usize, usize) {
        let mut at = self.home(key);
        while self.bucket(at).is_full() {
            at = self.after(at);
        }
        (at, self.bucket(at).used())
    }

    pub(super) fn put(&mut self, (bucket, lane): (usize, usize), key: K, value: V) {
        let bucket = self.bucket_mut(bucket);
        (bucket.keys[lane], bucket.values[lane]) = (key, value);
        self.len += 1;
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.buckets() { 0 } else { at + 1 }
    }
}

/// The first `bits` bits, as a number.
pub(super) fn first_bits(key: impl Key, bits: u32) -> usize {
    key.spread().checked_shr(u64::BITS - bits).unwrap_or(0) as usize
}

/// The bucket in which the key stands if it is not full: proportional to the key.
fn home_among(buckets: usize, depth: u32, key: impl Key) -> usize {
    ((key.spread() << depth >> 32) as usize).wrapping_mul(buckets) >> 32
}

/// Pages for `len` entries and a quarter more before the table is crowded.
pub(super) fn pages_for(len: usize) -> usize {
    (len * 10 / 7).div_ceil(PAGE_LEN).max(1)
}
