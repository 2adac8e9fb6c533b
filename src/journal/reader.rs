//! Reads records of closed and current segments: history, and replays older than what is in memory.
//!
//! ```text
//!   segment   ....[ window: 8 to 64 KiB ...... record ]......      an account's older records stand to the left
//! ```
//! Runs on reader threads, through the page cache, by `pread`: a bad sector is an error of one read, where a mapping
//! would raise SIGBUS and take the server along. It returns the bytes as stored: a record's block cannot be found from
//! the record, so checksums are recovery's and `verify`'s business. Ask only for durable records.

use std::sync::{Arc, RwLock, RwLockReadGuard};

use super::Lsn;
use super::block::{PAGE, RECORD_LEN_MAX, record_at};
use super::blocks::BlockReader;
use super::error::JournalError;
use super::segment_header::SegmentHeader;
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
    /// No whole block stands there, or its segment's header is damaged.
    #[error("no block at lsn {lsn} (segment {segment} offset {offset})")]
    NoBlock {
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

    /// A window to read through, on one thread.
    pub fn window(&self) -> Window<R> {
        Window { reader: self.clone(), segment: None, start: 0, bytes: Vec::new(), served: 0 }
    }

    /// A reader of whole blocks, on one thread.
    pub fn blocks(&self) -> BlockReader<R> {
        BlockReader::new(self.clone())
    }

    /// Where the oldest segment that is kept begins.
    pub fn oldest_lsn(&self) -> Lsn {
        self.kept().first().map_or(0, |segment| segment.base)
    }

    /// Where the log may be cut if nothing below `floor` is needed, and what was written later than `before_ms` is to
    /// be kept: the base of a segment. Reads their headers.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn trim_point(&self, floor: Lsn, before_ms: u64) -> Result<Lsn, JournalError> {
        let segments = self.kept().clone();
        let mut source = self.source.clone();
        let mut page = [0; PAGE];
        let mut point = segments.first().map_or(0, |segment| segment.base);
        for segment in segments.iter().take_while(|segment| segment.base <= floor) {
            // All before a segment is at least as old as its header.
            let whole = source.read_at(*segment, 0, &mut page)? == PAGE;
            match SegmentHeader::from_page(&page) {
                Ok(header) if whole && header.created_ms <= before_ms => point = segment.base,
                _ => break,
            }
        }
        Ok(point)
    }

    /// Where the segment begins that has `lsn`; 0 if it is no longer kept.
    pub fn segment_base(&self, lsn: Lsn) -> Lsn {
        self.segment_of(lsn).map_or(0, |segment| segment.base)
    }

    fn kept(&self) -> RwLockReadGuard<'_, Vec<SegmentName>> {
        self.segments.read().expect("no panic under this lock")
    }

    fn segment_of(&self, lsn: Lsn) -> Option<SegmentName> {
        self.segment_and_end(lsn).map(|(segment, _)| segment)
    }

    /// The segment that has `lsn`, and where its blocks end: where the next one begins.
    pub(super) fn segment_and_end(&self, lsn: Lsn) -> Option<(SegmentName, Lsn)> {
        let segments = self.kept();
        let after = segments.partition_point(|segment| segment.base <= lsn);
        let end = segments.get(after).map_or(Lsn::MAX, |next| next.base);
        Some((*segments.get(after.checked_sub(1)?)?, end))
    }

    /// Fills `buf` from a segment. Gives whether there was so much.
    pub(super) fn fill(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<bool, JournalError> {
        Ok(self.source.read_at(segment, offset, buf)? == buf.len())
    }
}

/// Bytes of the smallest read: the longest record, and as much before it.
const WINDOW_LEN_MIN: usize = 2 * RECORD_LEN_MAX;

/// Bytes of the longest read.
const WINDOW_LEN_MAX: usize = 64 * 1024;

/// Records that a window must have given before the next one is longer.
const SERVED_WELL: usize = 4;

/// Reads records through a piece of a segment, which ends behind the record that was asked for first: whoever follows
/// an account's trail goes back in the log. It grows while several records come out of each piece, as they do of a
/// busy account, and is small again when they stop.
pub struct Window<R> {
    reader: Reader<R>,
    segment: Option<SegmentName>,
    /// Byte of the segment where `bytes` start.
    start: u64,
    bytes: Vec<u8>,
    /// Records that came out of it.
    served: usize,
}

impl<R: SegmentSource> Window<R> {
    /// The record at `lsn`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn record(&mut self, lsn: Lsn) -> Result<&[u8], ReadError> {
        let segment = self.reader.segment_of(lsn).ok_or(ReadError::Gone { lsn })?;
        let offset = segment.offset_of(lsn);
        if self.find(segment, offset).is_none() {
            match self.fill(segment, offset) {
                // The log let go of it while it was looked for.
                Err(_) if self.reader.segment_of(lsn).is_none() => return Err(ReadError::Gone { lsn }),
                result => result?,
            }
        }
        self.served += 1;
        self.find(segment, offset).ok_or(ReadError::NoRecord { lsn, segment, offset })
    }

    fn find(&self, segment: SegmentName, offset: u64) -> Option<&[u8]> {
        let at = offset.checked_sub(self.start).filter(|_| self.segment == Some(segment))?;
        record_at(self.bytes.get(usize::try_from(at).ok()?..)?)
    }

    fn fill(&mut self, segment: SegmentName, offset: u64) -> Result<(), JournalError> {
        let len = match self.bytes.len() {
            len if self.served >= SERVED_WELL => (len * 2).clamp(WINDOW_LEN_MIN, WINDOW_LEN_MAX),
            _ => WINDOW_LEN_MIN,
        };
        (self.segment, self.served) = (None, 0);
        self.start = (offset + RECORD_LEN_MAX as u64).saturating_sub(len as u64).min(offset);
        self.bytes.resize(len, 0);
        let filled = self.reader.source.read_at(segment, self.start, &mut self.bytes)?;
        self.bytes.truncate(filled);
        self.segment = Some(segment);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment of records of 24 bytes, each naming its offset.
    #[derive(Clone)]
    struct Rows(Arc<RwLock<Vec<usize>>>);

    const ROW: u64 = 24;
    const ROWS: u64 = 100_000;

    impl SegmentSource for Rows {
        fn read_at(&mut self, _: SegmentName, offset: u64, buf: &mut [u8]) -> Result<usize, JournalError> {
            self.0.write().expect("one thread").push(buf.len());
            let end = ROW * ROWS + super::super::PAGE as u64;
            let mut filled = 0;
            for (at, byte) in (offset..end).zip(buf.iter_mut()) {
                let in_row = (at + ROW - super::super::PAGE as u64 % ROW) % ROW;
                *byte = if in_row == 0 { ROW as u8 } else { 0 };
                filled += 1;
            }
            Ok(filled)
        }
    }

    #[test]
    fn a_busy_trail_takes_few_reads_and_a_scattered_one_small_ones() {
        let reads = Rows(Arc::default());
        let segment = SegmentName { base: 0, epoch: 1 };
        let reader = Reader::new(reads.clone(), Arc::new(RwLock::new(vec![segment])));
        let mut window = reader.window();
        let lsn_of = |row: u64| row * ROW;
        for row in (0..ROWS).rev() {
            assert_eq!(window.record(lsn_of(row)).expect("a row").len() as u64, ROW);
        }
        let busy = std::mem::take(&mut *reads.0.write().expect("one thread"));
        assert!(busy.len() < 50 && busy.iter().all(|len| *len <= WINDOW_LEN_MAX), "{} reads", busy.len());
        for row in (0..ROWS).rev().step_by(1000) {
            window.record(lsn_of(row)).expect("a row");
        }
        let scattered = std::mem::take(&mut *reads.0.write().expect("one thread"));
        assert!(scattered.iter().skip(2).all(|len| *len == WINDOW_LEN_MIN));
        assert!(matches!(window.record(lsn_of(ROWS + 5)), Err(ReadError::NoRecord { .. })));
    }
}
