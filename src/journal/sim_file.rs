//! One simulated file, and the simulated directory: what is in memory, and what is on the platter.

use std::collections::BTreeMap;

use super::block::PAGE;
use super::storage::Page;

/// What a power cut keeps of something that was not synced: a bit for each 8 bytes of a page, so a number for each of the
/// 512 that a device writes as a whole. All bits or none for a name.
pub type Kept = [u64; 8];

/// Bytes to a bit of [`Kept`].
const WORD: usize = PAGE / 512;

type Pages = BTreeMap<u64, Box<Page>>;

/// A file: pages that are not there are zeros.
#[derive(Clone, Default)]
pub(super) struct SimFile {
    len: u64,
    platter: Pages,
    /// In the cache, to be written.
    dirty: Pages,
    /// In the cache, taken for written, but lost by a failed sync.
    stale: Pages,
}

impl SimFile {
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Allocated and zeroed, or cut, durably.
    pub fn set_len(&mut self, len: u64) {
        self.len = len;
        for pages in [&mut self.platter, &mut self.dirty, &mut self.stale] {
            pages.split_off(&len.div_ceil(PAGE as u64));
        }
    }

    /// Writes into the cache.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (page, start, piece) in pieces(offset, bytes.len()) {
            let mut image = self.cached(page);
            image[start..start + piece.len()].copy_from_slice(&bytes[piece]);
            self.stale.remove(&page);
            self.dirty.insert(page, image);
        }
    }

    /// Reads what the cache shows; returns how many bytes there were.
    pub fn read_cached(&self, offset: u64, buf: &mut [u8]) -> usize {
        let len = self.len.saturating_sub(offset).min(buf.len() as u64) as usize;
        for (page, start, piece) in pieces(offset, len) {
            let image = self.cached(page);
            buf[piece.clone()].copy_from_slice(&image[start..start + piece.len()]);
        }
        len
    }

    /// Reads the device. As O_DIRECT does, it writes dirty pages back first, so it shows them; but only into the
    /// device's own cache: without a sync they can still be lost.
    pub fn read_direct(&self, offset: u64, buf: &mut [u8]) {
        for (page, start, piece) in pieces(offset, buf.len()) {
            match self.dirty.get(&page).or_else(|| self.platter.get(&page)) {
                Some(image) => buf[piece.clone()].copy_from_slice(&image[start..start + piece.len()]),
                None => buf[piece].fill(0),
            }
        }
    }

    pub fn sync(&mut self) {
        self.platter.append(&mut self.dirty);
    }

    pub fn fail_sync(&mut self) {
        self.stale.append(&mut self.dirty);
    }

    /// How many pages are not synced.
    pub fn unsynced(&self) -> usize {
        self.dirty.len()
    }

    /// The power is gone: every dirty page is lost, kept, or torn.
    pub fn crash(&mut self, mut keep: impl FnMut() -> Kept) {
        self.stale.clear();
        for (page, new) in std::mem::take(&mut self.dirty) {
            let kept = keep();
            let old = self.platter.entry(page).or_insert_with(|| Box::new([0; PAGE]));
            for (nth, (old, new)) in old.chunks_mut(WORD).zip(new.chunks(WORD)).enumerate() {
                if kept[nth / 64] >> (nth % 64) & 1 == 1 {
                    old.copy_from_slice(new);
                }
            }
        }
    }

    fn cached(&self, page: u64) -> Box<Page> {
        let layers = [&self.dirty, &self.stale, &self.platter];
        layers.into_iter().find_map(|pages| pages.get(&page)).cloned().unwrap_or_else(|| Box::new([0; PAGE]))
    }
}

/// Cuts `len` bytes at `offset` at page boundaries: page, start in the page, range of the bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let start = (at % PAGE as u64) as usize;
        let piece = done..len.min(done + PAGE - start);
        done = piece.end;
        Some((at / PAGE as u64, start, piece))
    })
}

/// A directory: the names as the process sees them, and as they are on the platter.
#[derive(Clone, Default)]
pub(super) struct Names {
    live: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<NameChange>,
}

/// A change of a directory.
#[derive(Clone)]
pub(super) enum NameChange {
    Put(String, u64),
    Rename(String, String, u64),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Put(name, file) => {
                names.insert(name.clone(), *file);
            }
            NameChange::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Names {
    pub fn get(&self, name: &str) -> Option<u64> {
        self.live.get(name).copied()
    }

    pub fn live(&self) -> impl Iterator<Item = &str> {
        self.live.keys().map(String::as_str)
    }

    pub fn change(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// How many changes are not synced.
    pub fn unsynced(&self) -> usize {
        self.pending.len()
    }

    pub fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.pending.clear();
    }

    /// The power is gone: any of the changes since the last sync may have reached the platter, in any selection.
    pub fn crash(&mut self, mut keep: impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.pending) {
            if keep() {
                change.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
    }

    /// Whether a file has a name.
    pub fn holds(&self, file: u64) -> bool {
        self.live.values().any(|id| *id == file)
    }
}
