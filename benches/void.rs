//! A disk that forgets: the simulated one for everything that is rare, nothing at all for stores and syncs. What is left
//! of a commit is the work of the CPU.

use creditd::journal::error::JournalError;
use creditd::journal::storage::{Page, SegmentFile, SnapshotFile};
use creditd::journal::{
    Entry, LogId, Lsn, Opened, RECENT_LEN, RecoveryOptions, SegmentName, SimDisk, SimStorage, Storage, SyncPolicy,
    recover,
};
use divan::black_box;

use crate::crowd::NOW_MS;

const ID: LogId = LogId { instance: [7; 16], shard: 0 };

/// Its files.
pub struct Void(SimStorage);

/// An empty log of `id` over `storage`.
pub fn open<S: Storage>(storage: S, id: LogId, policy: SyncPolicy) -> Opened<S> {
    let segment_len = 64 << 20;
    let options = RecoveryOptions { id, policy, segment_len, salt_seed: 1, now_ms: NOW_MS, recent_len: RECENT_LEN };
    recover(storage, &options, &mut |_: Entry<'_>| Ok(()), &mut |_, _| {}).expect("an empty log")
}

/// An empty log over nothing.
pub fn log() -> Opened<Void> {
    open(Void(SimDisk::new(1, ID).storage()), ID, SyncPolicy::Always)
}

impl Storage for Void {
    type Spare = <SimStorage as Storage>::Spare;
    type Source = <SimStorage as Storage>::Source;
    type Draft = <SimStorage as Storage>::Draft;

    fn store(&mut self, _: u64, header: &[u8], body: &[u8]) -> Result<(), JournalError> {
        black_box((header, body));
        Ok(())
    }
    fn sync(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    fn draft(&self) -> Self::Draft {
        self.0.draft()
    }
    fn spare(&self) -> Self::Spare {
        self.0.spare()
    }
    fn source(&self) -> Self::Source {
        self.0.source()
    }
    fn direct_io(&self) -> bool {
        self.0.direct_io()
    }
    fn segments(&mut self) -> Result<Vec<SegmentFile>, JournalError> {
        self.0.segments()
    }
    fn read(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        self.0.read(segment, offset, buf)
    }
    fn settle(&mut self, segment: SegmentName) -> Result<(), JournalError> {
        self.0.settle(segment)
    }
    fn roll(&mut self, segment: SegmentName, header: &Page) -> Result<(), JournalError> {
        self.0.roll(segment, header)
    }
    fn truncate(&mut self, segment: SegmentName, len: u64) -> Result<(), JournalError> {
        self.0.truncate(segment, len)
    }
    fn remove(&mut self, segment: SegmentName) -> Result<(), JournalError> {
        self.0.remove(segment)
    }
    fn quarantine(&mut self, segment: SegmentName, offset: u64, len: u64) -> Result<String, JournalError> {
        self.0.quarantine(segment, offset, len)
    }
    fn snapshots(&mut self) -> Result<Vec<SnapshotFile>, JournalError> {
        self.0.snapshots()
    }
    fn read_snapshot(&mut self, end: Lsn, offset: u64, buf: &mut [u8]) -> Result<(), JournalError> {
        self.0.read_snapshot(end, offset, buf)
    }
    fn set_snapshot_aside(&mut self, end: Lsn) -> Result<(), JournalError> {
        self.0.set_snapshot_aside(end)
    }
    fn read_super(&mut self, which: usize) -> Result<Option<Box<Page>>, JournalError> {
        self.0.read_super(which)
    }
    fn write_super(&mut self, which: usize, page: &Page) -> Result<(), JournalError> {
        self.0.write_super(which, page)
    }
    fn sync_dir(&mut self) -> Result<(), JournalError> {
        self.0.sync_dir()
    }
}
