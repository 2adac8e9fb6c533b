//! The journal's only edge to the world: the files of one shard.
//!
//! Two implementations: [`super::files`] on real files, [`super::sim`] in memory with crashes and faults. Offsets are bytes in a segment file; the header page is at 0, the block with LSN
//! `l` at `PAGE + l - base`.
//!
//! A *spare* is a zeroed file without a name of its own; a roll gives it a header and the name, and it becomes the
//! *current* segment, the only one that is stored to.

use std::fmt;

use super::Lsn;
use super::block::PAGE;
use super::error::JournalError;
use super::scan::WINDOW_LEN;

/// One page of a file.
pub type Page = [u8; PAGE];

/// Which segment: the position of its first block, and the epoch that made it. Also its file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// LSN of the first block.
    pub base: Lsn,
    /// Epoch of every block in it.
    pub epoch: u64,
}

impl SegmentName {
    /// The segment that a file name of the form `<base:16x>-<epoch:8x>.wal` names.
    pub fn parse(name: &str) -> Option<Self> {
        let (base, epoch) = name.strip_suffix(".wal")?.split_once('-')?;
        let parsed = Self { base: u64::from_str_radix(base, 16).ok()?, epoch: u64::from_str_radix(epoch, 16).ok()? };
        (parsed.to_string() == name).then_some(parsed)
    }

    /// Byte in the file where position `lsn` stands.
    pub fn offset_of(&self, lsn: Lsn) -> u64 {
        assert!(lsn >= self.base, "lsn {lsn} is not in segment {self}");
        PAGE as u64 + (lsn - self.base)
    }

    /// Position that stands at byte `offset` of the file; `None` in the header.
    pub fn lsn_of(&self, offset: u64) -> Option<Lsn> {
        Some(self.base + offset.checked_sub(PAGE as u64)?)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:08x}.wal", self.base, self.epoch)
    }
}

/// A segment as found in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its name.
    pub name: SegmentName,
    /// Its length in bytes.
    pub len: u64,
}

/// Name of the file of the snapshot that was ended at `end`.
pub fn snapshot_name(end: Lsn) -> String {
    format!("{end:016x}.snap")
}

/// The end of the snapshot that a file name of the form `<end:16x>.snap` names.
pub fn snapshot_end(name: &str) -> Option<Lsn> {
    let end = u64::from_str_radix(name.strip_suffix(".snap")?, 16).ok()?;
    (snapshot_name(end) == name).then_some(end)
}

/// A snapshot as found in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name: the log had reached this position when it was ended.
    pub end: Lsn,
    /// Its length in bytes.
    pub len: u64,
}

/// Reads segments for a scan: whole pages, which all lie in the file.
pub trait Pages {
    /// How many bytes to read ahead at a time, at most: up to the length of two blocks.
    const READ_LEN_MAX: usize;

    /// Fills `buf` from `offset`; both are made of pages.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    fn read_pages(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<(), JournalError>;
}

impl<S: Storage> Pages for S {
    /// From the device: as much as there is room for.
    const READ_LEN_MAX: usize = WINDOW_LEN;

    fn read_pages(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        self.read(segment, offset, buf)
    }
}

/// The files of one shard.
///
/// Every method fails with [`JournalError::Io`], or its special cases for a full disk and a read-only file system.
pub trait Storage: Send + 'static {
    /// Makes spares, on any thread.
    type Spare: Spare;
    /// Reads segments, on any thread.
    type Source: SegmentSource;
    /// Writes snapshots, on any thread.
    type Draft: Draft;

    /// The writer of this shard's snapshots.
    fn draft(&self) -> Self::Draft;

    /// The maker of this shard's spares.
    fn spare(&self) -> Self::Spare;

    /// A reader of this shard's segments.
    fn source(&self) -> Self::Source;

    /// Whether [`Self::read`] so far went past the page cache. If not, it could only ask the kernel to drop it.
    fn direct_io(&self) -> bool;

    /// The segments, by base and epoch.
    fn segments(&mut self) -> Result<Vec<SegmentFile>, JournalError>;

    /// Fills `buf` from the device, not from the page cache. `offset`, the length and the address of `buf` are
    /// multiples of [`PAGE`]; all of it lies in the file.
    fn read(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<(), JournalError>;

    /// Syncs a segment that is not current, so that what is read after it stays.
    fn settle(&mut self, segment: SegmentName) -> Result<(), JournalError>;

    /// Turns the finished spare into the current segment: header, sync, name, directory sync. The segment that
    /// was current is closed. If there is no room for the name ([`JournalError::Full`]), it can be tried again.
    fn roll(&mut self, segment: SegmentName, header: &Page) -> Result<(), JournalError>;

    /// Writes a block's header and body to a page boundary of the current segment, and zeros behind them up to the next
    /// one. Not durable before [`Self::sync`].
    fn store(&mut self, offset: u64, header: &[u8], body: &[u8]) -> Result<(), JournalError>;

    /// Makes all stores durable. After an error nothing about them is known, and no later success changes that.
    fn sync(&mut self) -> Result<(), JournalError>;

    /// Cuts a segment that is not current down to `len` bytes, durably.
    fn truncate(&mut self, segment: SegmentName, len: u64) -> Result<(), JournalError>;

    /// Removes a segment that is not current. Durable after [`Self::sync_dir`].
    fn remove(&mut self, segment: SegmentName) -> Result<(), JournalError>;

    /// Copies bytes of a segment durably into the quarantine directory and returns the name of the copy.
    fn quarantine(&mut self, segment: SegmentName, offset: u64, len: u64) -> Result<String, JournalError>;

    /// The snapshots, oldest first.
    fn snapshots(&mut self) -> Result<Vec<SnapshotFile>, JournalError>;

    /// Fills `buf` with a piece of the snapshot that was ended at `end`, as [`Self::read`] does.
    fn read_snapshot(&mut self, end: Lsn, offset: u64, buf: &mut [u8]) -> Result<(), JournalError>;

    /// Moves a snapshot durably into the quarantine directory, under its name.
    fn set_snapshot_aside(&mut self, end: Lsn) -> Result<(), JournalError>;

    /// Reads super 0 or 1; `None` if there is no such file, or not a page of it.
    fn read_super(&mut self, which: usize) -> Result<Option<Box<Page>>, JournalError>;

    /// Writes super 0 or 1 and syncs it.
    fn write_super(&mut self, which: usize, page: &Page) -> Result<(), JournalError>;

    /// Makes created, renamed and removed names durable.
    fn sync_dir(&mut self) -> Result<(), JournalError>;
}

/// Makes the next segment's file ahead of time, away from the committer. All clones work on the same file.
pub trait Spare: Clone + Send + 'static {
    /// Does one step (1 MiB of zeros, synced) of making a spare of `len` bytes. `Some(its length)` when it is
    /// finished, which may differ from `len` if it was begun by another; then further steps do nothing.
    ///
    /// # Errors
    /// [`JournalError::Full`] or another; the half-made file is gone then.
    fn step(&self, len: u64) -> Result<Option<u64>, JournalError>;

    /// Whether a finished spare waits.
    fn is_ready(&self) -> bool;

    /// As [`Self::step`], for the reserve: a second file, kept until the disk is full and no spare can be made.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn step_reserve(&self, len: u64) -> Result<Option<u64>, JournalError>;

    /// Whether a finished reserve waits.
    fn has_reserve(&self) -> bool;

    /// Makes the finished reserve the finished spare, in the place of whatever was begun there. `false`: there is none.
    fn take_reserve(&self) -> bool;
}

/// Writes the one unfinished snapshot of a shard, and removes what is no longer needed: away from the committer, one
/// call at a time. Every method fails as those of [`Storage`] do.
pub trait Draft: Clone + Send + 'static {
    /// Begins an empty file without a name of its own. What an unfinished snapshot left is gone.
    fn begin(&self) -> Result<(), JournalError>;

    /// Writes whole pages at the end, which is at `offset`, and syncs them. `pages` starts at a page boundary of memory.
    fn append(&self, offset: u64, pages: &[u8]) -> Result<(), JournalError>;

    /// Gives the file its name, durably: from then on it is a snapshot.
    fn publish(&self, end: Lsn) -> Result<(), JournalError>;

    /// Removes the file. Best effort: what stays behind is removed at the next start.
    fn abandon(&self);

    /// The snapshots, oldest first.
    fn snapshots(&self) -> Result<Vec<SnapshotFile>, JournalError>;

    /// Removes a snapshot. Durable after [`Self::sync_dir`].
    fn remove_snapshot(&self, end: Lsn) -> Result<(), JournalError>;

    /// Removes a segment that the log has let go of. Durable after [`Self::sync_dir`].
    fn remove_segment(&self, segment: SegmentName) -> Result<(), JournalError>;

    /// Makes removed names durable.
    fn sync_dir(&self) -> Result<(), JournalError>;
}

/// Reads segments through the page cache, for history and old replays.
pub trait SegmentSource: Clone + Send + Sync + 'static {
    /// Reads at most `buf.len()` bytes at `offset` and returns how many there were.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    fn read_at(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<usize, JournalError>;
}

/// A private buffer that starts at a page boundary, as direct reads need it.
pub(super) struct PageBuf {
    raw: Vec<u8>,
    start: usize,
    len: usize,
}

impl PageBuf {
    /// A zeroed buffer of `len` bytes.
    pub fn new(len: usize) -> Self {
        let raw = vec![0; len + PAGE];
        let start = raw.as_ptr().align_offset(PAGE);
        assert!(start < PAGE, "a byte buffer can be aligned");
        Self { raw, start, len }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.raw[self.start..self.start + self.len]
    }

    /// The bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.raw[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_position_and_survive_the_directory() {
        let name = SegmentName { base: 0x4_0000, epoch: 3 };
        assert_eq!(name.to_string(), "0000000000040000-00000003.wal");
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        for bad in ["", "x.wal", "40000-3.wal", "0000000000040000-00000003.wal.tmp", "+000000000040000-00000003.wal"] {
            assert_eq!(SegmentName::parse(bad), None, "{bad}");
        }
        assert_eq!(name.offset_of(0x4_1000), 0x2000);
        assert_eq!(snapshot_end(&snapshot_name(0x4_0048)), Some(0x4_0048));
        for bad in ["40048.snap", "snapshot.tmp", "000000000004004G.snap", "0000000000040048.snap.tmp"] {
            assert_eq!(snapshot_end(bad), None, "{bad}");
        }
    }
}
