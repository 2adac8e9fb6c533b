//! The simulated draft of a snapshot: every call is one or two changes at which the power can go.

use std::io;

use super::Lsn;
use super::error::JournalError;
use super::files::DRAFT_NAME;
use super::sim::SimStorage;
use super::storage::{Draft, SegmentName, SnapshotFile, Storage, snapshot_name};

/// Writes snapshots to the simulated device.
#[derive(Clone)]
pub struct SimDraft(pub(super) SimStorage);

impl Draft for SimDraft {
    fn begin(&self) -> Result<(), JournalError> {
        self.0.change("create", DRAFT_NAME, |disk| {
            disk.remove(DRAFT_NAME);
            if disk.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.create(DRAFT_NAME);
            Ok(())
        })
    }

    fn append(&self, offset: u64, pages: &[u8]) -> Result<(), JournalError> {
        let file = self.0.change("write", DRAFT_NAME, |disk| {
            if disk.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let id = disk.names.get(DRAFT_NAME).ok_or(io::ErrorKind::NotFound)?;
            assert_eq!(disk.file(id).len(), offset, "pages are appended");
            disk.file(id).set_len(offset + pages.len() as u64);
            disk.file(id).write(offset, pages);
            Ok(id)
        })?;
        self.0.change("sync", DRAFT_NAME, |disk| disk.sync(file))
    }

    fn publish(&self, end: Lsn) -> Result<(), JournalError> {
        self.0.change("rename", DRAFT_NAME, |disk| disk.rename(DRAFT_NAME, &snapshot_name(end)))?;
        self.sync_dir()
    }

    fn abandon(&self) {
        let _ = self.0.change("remove", DRAFT_NAME, |disk| {
            disk.remove(DRAFT_NAME);
            Ok(())
        });
    }

    fn snapshots(&self) -> Result<Vec<SnapshotFile>, JournalError> {
        self.0.clone().snapshots()
    }

    fn remove_snapshot(&self, end: Lsn) -> Result<(), JournalError> {
        let name = snapshot_name(end);
        self.0.change("remove", &name, |disk| {
            disk.remove(&name);
            Ok(())
        })
    }

    fn remove_segment(&self, segment: SegmentName) -> Result<(), JournalError> {
        let name = segment.to_string();
        self.0.change("remove", &name, |disk| {
            disk.remove(&name);
            Ok(())
        })
    }

    fn sync_dir(&self) -> Result<(), JournalError> {
        self.0.clone().sync_dir()
    }
}
