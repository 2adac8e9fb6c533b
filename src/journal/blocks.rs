//! Reads whole durable blocks, from any place of the log, forward and backward.
//!
//! ```text
//!  segment  ...|header, records . . . . |header ...|header, records  . . |...
//!                     ^ at(lsn)          ^ at(end_lsn)         window: 64 KiB to 1 MiB of it
//!               '--- back, page by page: a block starts with a page and has at most 1 MiB
//! ```
//! A header is only taken where it says that it stands and its checksum, which the segment's salt seeds, is right:
//! bytes of a client that imitate one do not pass. The checksum covers the records too. Runs on any thread that may
//! wait for the disk, by `pread`, as [`Reader`] does; who goes on where it stopped reads far at once, who jumps reads little.
//!
//! Absent on purpose: what is not durable (the caller says how far that is), repair: damage is an error.

use std::cmp::min;

use super::Lsn;
use super::block::{BLOCK_HEADER_LEN, BLOCK_LEN_MAX, BlockHeader, PAGE, Records};
use super::reader::{ReadError, Reader};
use super::segment_header::SegmentHeader;
use super::storage::{SegmentName, SegmentSource};

/// Bytes of the first read at a place that was jumped to.
const READ_LEN_MIN: usize = 64 << 10;

/// Bytes of the longest read: whatever block it is for, all of it.
const READ_LEN_MAX: usize = BLOCK_LEN_MAX;

const PAGE_LEN: u64 = PAGE as u64;

/// A whole block of the log. Those of other kinds than data have no records.
#[derive(Clone, Copy, Debug)]
pub struct ReadBlock<'a> {
    /// Position of its header.
    pub first_lsn: Lsn,
    /// Position after its padding: where the next block starts.
    pub end_lsn: Lsn,
    /// Shard time of its newest record, in unix milliseconds. Never less than that of the block before.
    pub now_ms: u64,
    body: &'a [u8],
}

impl<'a> ReadBlock<'a> {
    /// Its records with their positions, in order.
    pub fn records(&self) -> Records<'a> {
        Records::new(self.body, self.first_lsn)
    }
}

/// Reads blocks of one shard's log through a window, which holds the block that was read last.
pub struct BlockReader<R> {
    reader: Reader<R>,
    /// What the window is a piece of.
    segment: Option<SegmentHeader>,
    /// Position of the window's first byte.
    start: Lsn,
    window: Vec<u8>,
    read_len: usize,
    /// The block that was read last.
    last: Option<BlockHeader>,
}

impl<R: SegmentSource> BlockReader<R> {
    pub(super) fn new(reader: Reader<R>) -> Self {
        Self { reader, segment: None, start: 0, window: Vec::new(), read_len: READ_LEN_MIN, last: None }
    }

    /// Where the oldest block that is kept starts.
    pub fn oldest_lsn(&self) -> Lsn {
        self.reader.oldest_lsn()
    }

    /// The block that `lsn` lies in, header and padding included. `end`: all below it is durable.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below the oldest segment that is kept; [`ReadError::NoBlock`] for damage.
    ///
    /// # Panics
    /// If `lsn` is not below `end`, or no block can end there.
    pub fn at(&mut self, lsn: Lsn, end: Lsn) -> Result<ReadBlock<'_>, ReadError> {
        assert!(lsn < end && end.is_multiple_of(PAGE_LEN), "lsn {lsn} of a log that is durable up to {end}");
        let header = self.find(lsn, end).map_err(|error| {
            (self.segment, self.last) = (None, None);
            // The log let go of it while it was looked for.
            if lsn < self.oldest_lsn() { ReadError::Gone { lsn } } else { error }
        })?;
        self.last = Some(header);
        let body = (header.first_lsn - self.start) as usize + BLOCK_HEADER_LEN;
        let body = &self.window[body..body + header.body_len];
        Ok(ReadBlock { first_lsn: header.first_lsn, end_lsn: header.end_lsn(), now_ms: header.now_ms, body })
    }

    /// Position of the first block for which `is_before` does not hold; `end` if there is none. It must hold for none
    /// behind that one.
    ///
    /// # Errors
    /// [`ReadError`], but not [`ReadError::Gone`].
    pub fn partition_point(&mut self, end: Lsn, is_before: impl Fn(&ReadBlock<'_>) -> bool) -> Result<Lsn, ReadError> {
        let (mut low, mut high) = (self.oldest_lsn(), end);
        while low < high {
            match self.at(low + (high - low) / 2, end) {
                Ok(block) if is_before(&block) => low = block.end_lsn,
                Ok(block) => high = block.first_lsn,
                Err(ReadError::Gone { .. }) => low = self.oldest_lsn(),
                Err(error) => return Err(error),
            }
        }
        Ok(low)
    }

    fn find(&mut self, lsn: Lsn, end: Lsn) -> Result<BlockHeader, ReadError> {
        let (name, segment_end) = self.reader.segment_and_end(lsn).ok_or(ReadError::Gone { lsn })?;
        let segment = self.enter(name)?;
        if let Some(last) = self.last.filter(|last| (last.first_lsn..last.end_lsn()).contains(&lsn)) {
            return Ok(last);
        }
        let end = min(end, segment_end);
        let mut at = lsn - lsn % PAGE_LEN;
        let lowest = name.base.max((at + PAGE_LEN).saturating_sub(BLOCK_LEN_MAX as u64));
        loop {
            match self.block(&segment, at, end)? {
                Some(header) if lsn < header.end_lsn() => return Ok(header),
                None if at > lowest => at -= PAGE_LEN,
                _ => return Err(ReadError::NoBlock { lsn, segment: name, offset: name.offset_of(lsn) }),
            }
        }
    }

    /// Makes `name` the segment of the window.
    fn enter(&mut self, name: SegmentName) -> Result<SegmentHeader, ReadError> {
        if let Some(segment) = self.segment.filter(|segment| segment.name == name) {
            return Ok(segment);
        }
        self.last = None;
        self.window.clear();
        let mut page = [0; PAGE];
        let is_whole = self.reader.fill(name, 0, &mut page)?;
        let header = SegmentHeader::from_page(&page).ok().filter(|header| is_whole && header.name == name);
        self.segment = header;
        header.ok_or(ReadError::NoBlock { lsn: name.base, segment: name, offset: 0 })
    }

    /// The header of the block that starts at `at`, which is then in the window; `None` if there is no whole one.
    fn block(&mut self, segment: &SegmentHeader, at: Lsn, end: Lsn) -> Result<Option<BlockHeader>, ReadError> {
        let page = self.bytes(segment.name, at, PAGE, end)?;
        let Some(body_len) = BlockHeader::claimed_body_len(page) else { return Ok(None) };
        let len = BLOCK_HEADER_LEN + body_len;
        if len as u64 > end - at {
            return Ok(None);
        }
        let header = BlockHeader::decode(self.bytes(segment.name, at, len, end)?, segment.salt).ok();
        let (shard, epoch) = (segment.id.shard, segment.name.epoch);
        Ok(header.filter(|found| (found.first_lsn, found.shard, found.epoch) == (at, shard, epoch)))
    }

    /// `len` bytes at `at`, which end at or below `end`.
    fn bytes(&mut self, segment: SegmentName, at: Lsn, len: usize, end: Lsn) -> Result<&[u8], ReadError> {
        if at < self.start || self.window_end() < at + len as u64 {
            self.move_window(segment, at, len as u64, end);
            let filled = self.reader.fill(segment, segment.offset_of(self.start), &mut self.window);
            if !matches!(filled, Ok(true)) {
                self.window.clear();
                filled?;
                return Err(ReadError::NoBlock { lsn: at, segment, offset: segment.offset_of(at) });
            }
        }
        let offset = (at - self.start) as usize;
        Ok(&self.window[offset..offset + len])
    }

    /// Makes room for `len` bytes at `at`, and for more in the direction that the reading goes.
    fn move_window(&mut self, segment: SegmentName, at: Lsn, len: u64, end: Lsn) {
        let goes_back = at + PAGE_LEN == self.start;
        let is_near = !self.window.is_empty() && (goes_back || (self.start..=self.window_end()).contains(&at));
        self.read_len = if is_near { min(self.read_len * 2, READ_LEN_MAX) } else { READ_LEN_MIN };
        let read_len = len.max(self.read_len as u64);
        let before = if is_near && goes_back { read_len - len } else { 0 };
        self.start = at.saturating_sub(before).max(segment.base);
        self.window.resize(min(read_len, end - self.start) as usize, 0);
    }

    fn window_end(&self) -> Lsn {
        self.start + self.window.len() as u64
    }
}
