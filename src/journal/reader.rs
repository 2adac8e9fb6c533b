//! Reads single records of closed and current segments: history, and replays older than what is in memory.
//!
//! Runs on reader threads, through the page cache. It returns the bytes as stored: a record's block cannot be found
//! from the record, so checksums are recovery's and `verify`'s business. Ask only for durable records.

use std::sync::{Arc, RwLock};

use super::Lsn;
use super::block::{RECORD_LEN_MAX, record_at};
use super::error::JournalError;
use super::storage::{SegmentName, SegmentSource};

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The position lies before the first segment that is kept.
    #[error("lsn {lsn} is no longer kept")]
    Gone {
        /// What was asked for.
        lsn: Lsn,
    },
    /// No record can start there.
    #[error("no record at lsn {lsn} (segment {segment} offset {offset})")]
    NoRecord {
        /// What was asked for.
        lsn: Lsn,
        /// Where it would be.
        segment: SegmentName,
        /// Byte in the segment.
        offset: u64,
    },
    /// The file could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Reads records of one shard's log. Clones share the list of segments, which the committer extends.
#[derive(Clone)]
pub struct Reader<R> {
    source: R,
    segments: Arc<RwLock<Vec<SegmentName>>>,
}

impl<R: SegmentSource> Reader<R> {
    pub(super) fn new(source: R, segments: Arc<RwLock<Vec<SegmentName>>>) -> Self {
        Self { source, segments }
    }

    /// Reads the record at `lsn` into `buf`, in place of what is there.
    ///
    /// # Errors
    /// [`ReadError`]; `buf` is empty then.
    pub fn record(&self, lsn: Lsn, buf: &mut Vec<u8>) -> Result<(), ReadError> {
        buf.clear();
        let segment = self.segment_of(lsn).ok_or(ReadError::Gone { lsn })?;
        let offset = segment.offset_of(lsn);
        buf.resize(RECORD_LEN_MAX, 0);
        let result = self.source.read_at(segment, offset, buf);
        let filled = *result.as_ref().unwrap_or(&0);
        let len = record_at(&buf[..filled]).map_or(0, <[u8]>::len);
        buf.truncate(len);
        result?;
        if len == 0 { Err(ReadError::NoRecord { lsn, segment, offset }) } else { Ok(()) }
    }

    fn segment_of(&self, lsn: Lsn) -> Option<SegmentName> {
        let segments = self.segments.read().expect("no panic under this lock");
        let after = segments.partition_point(|segment| segment.base <= lsn);
        segments.get(after.checked_sub(1)?).copied()
    }
}
