//! Writes a snapshot's file, and removes what a snapshot made needless.
//!
//! ```text
//!  snapshot.tmp  <- 1 MiB, fdatasync, 1 MiB, fdatasync ..        rename -> <end>.snap, directory sync
//! ```
//!
//! Pages are written past the page cache ([`super::uncached`]), as a spare's zeros are.
//! Absent on purpose: what the pages hold, allocation ahead (the length is not known), an open file between two calls.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::Lsn;
use super::block::PAGE;
use super::error::JournalError;
use super::files::{DRAFT_NAME, list_snapshots, remove_if_there, sync_dir};
use super::storage::{Draft, SegmentName, SnapshotFile, snapshot_name};
use super::uncached::Uncached;

/// The unfinished snapshot in one shard's directory.
#[derive(Clone, Debug)]
pub struct FileDraft {
    dir: PathBuf,
}

impl FileDraft {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(DRAFT_NAME)
    }
}

impl Draft for FileDraft {
    fn begin(&self) -> Result<(), JournalError> {
        let path = self.path();
        remove_if_there(&path)?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map(drop).map_err(|error| JournalError::io("create", path, error))
    }

    fn append(&self, offset: u64, pages: &[u8]) -> Result<(), JournalError> {
        assert!(offset.is_multiple_of(PAGE as u64) && pages.len().is_multiple_of(PAGE), "direct writes are of pages");
        let path = self.path();
        let file = OpenOptions::new().write(true).open(&path);
        let written = file.and_then(|file| Uncached::new(file, &path).write(offset, pages));
        written.map_err(|error| JournalError::io("write", path, error))
    }

    fn publish(&self, end: Lsn) -> Result<(), JournalError> {
        let path = self.path();
        let named = OpenOptions::new().write(true).open(&path).and_then(|file| {
            file.sync_all()?;
            fs::rename(&path, self.dir.join(snapshot_name(end)))
        });
        named.map_err(|error| JournalError::io("name", path, error))?;
        self.sync_dir()
    }

    fn abandon(&self) {
        let _ = fs::remove_file(self.path());
    }

    fn snapshots(&self) -> Result<Vec<SnapshotFile>, JournalError> {
        list_snapshots(&self.dir)
    }

    fn remove_snapshot(&self, end: Lsn) -> Result<(), JournalError> {
        remove_if_there(&self.dir.join(snapshot_name(end)))
    }

    fn remove_segment(&self, segment: SegmentName) -> Result<(), JournalError> {
        remove_if_there(&self.dir.join(segment.to_string()))
    }

    fn sync_dir(&self) -> Result<(), JournalError> {
        sync_dir(&self.dir)
    }
}
