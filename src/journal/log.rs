//! The core's side of a shard's log: records go into the open block, blocks wait for the committer.
//!
//! ```text
//!  append -> open -> waiting -> in flight -> recent        record(lsn) looks in all four
//!            (Vec)   close       take()      committed()
//! ```
//!
//! Invariants: positions are dense and known at append; at most one block is in flight; `durable_lsn` only grows; a FENCE
//! is the first block of its epoch, made when the first record comes.
//! No allocation per record in steady state: the buffers of durable blocks are filled again.
//! Absent on purpose: disk, checksums, waiting.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Lsn;
use super::block::{
    BLOCK_FORMAT, BLOCK_HEADER_LEN, BODY_LEN_MAX, Block, BlockKind, RECORD_ALIGN, RECORD_LEN_MAX, padded_len, record_at,
};
use super::recent::Recent;

/// How much of the newest durable blocks stays in memory per shard, in bytes (journal.md 2).
pub const RECENT_LEN: usize = 8 << 20;

/// Buffers kept for the next blocks: one open, one waiting, one in flight, and one to spare.
const FREE_BUFFERS_MAX: usize = 4;

/// Room that a fresh buffer starts with, in bytes; it grows with the batches that it meets, up to a block.
const BUFFER_LEN_MIN: usize = 64 << 10;

/// The open end of one shard's log.
pub struct Log {
    shard: u16,
    epoch: u64,
    /// Number and position of the next block to be opened.
    next_block_no: u32,
    next_first_lsn: Lsn,
    durable_lsn: Lsn,
    /// The epoch has a block.
    is_begun: bool,
    open: Option<Block>,
    waiting: VecDeque<Arc<Block>>,
    in_flight: Option<Arc<Block>>,
    recent: Recent,
    free: Vec<Vec<u8>>,
}

impl Log {
    /// A log whose first block of `epoch` starts at `next_lsn`; all before that is durable.
    pub(super) fn new(shard: u16, epoch: u64, next_lsn: Lsn, recent: Recent) -> Self {
        Self {
            shard,
            epoch,
            next_block_no: 0,
            next_first_lsn: next_lsn,
            durable_lsn: next_lsn,
            is_begun: false,
            open: None,
            waiting: VecDeque::new(),
            in_flight: None,
            recent,
            free: Vec::new(),
        }
    }

    /// Appends the one record that `write` adds to the buffer, and returns its position. `now_ms`: shard time. The first
    /// record of an epoch has a FENCE before it: not earlier, so that a start without traffic leaves no block. `write`
    /// returns the lowest format of a block that may hold the record.
    ///
    /// # Panics
    /// If `write` adds no record: 8..=4096 bytes, a multiple of 8, the first u16 (little-endian) saying how many.
    pub fn append(&mut self, now_ms: u64, write: impl FnOnce(&mut Vec<u8>) -> u16) -> Lsn {
        if self.open.as_ref().is_some_and(|block| !has_room(block)) {
            self.close();
        }
        if self.open.is_none() {
            if !self.is_begun {
                self.mark(BlockKind::Fence, now_ms);
            }
            self.open = Some(self.new_block(BlockKind::Data, now_ms));
        }
        let block = self.open.as_mut().expect("opened above");
        let offset = block.body.len();
        block.format = block.format.max(write(&mut block.body));
        let len = block.body.len() - offset;
        assert!(len <= RECORD_LEN_MAX && len.is_multiple_of(RECORD_ALIGN), "{len} bytes are no record");
        assert_eq!(record_at(&block.body[offset..]).map(<[u8]>::len), Some(len), "a record says its length first");
        block.record_count += 1;
        block.now_ms = block.now_ms.max(now_ms);
        block.first_lsn + (BLOCK_HEADER_LEN + offset) as u64
    }

    /// Adds a block without records, after all that was appended. `kind`: FENCE, or CLEAN_STOP, which is nothing to an
    /// epoch without a block.
    pub fn mark(&mut self, kind: BlockKind, now_ms: u64) {
        assert_ne!(kind, BlockKind::Data, "a data block comes from append");
        if kind == BlockKind::CleanStop && !self.is_begun {
            return;
        }
        self.is_begun = true;
        self.close();
        let block = self.new_block(kind, now_ms);
        self.queue(block);
    }

    /// The record at `lsn`, while it is in memory.
    pub fn record(&self, lsn: Lsn) -> Option<&[u8]> {
        if lsn < self.durable_lsn {
            return self.recent.record(lsn);
        }
        if let Some(block) = self.open.as_ref().filter(|block| block.first_lsn <= lsn) {
            return block.record(lsn);
        }
        if let Some(block) = self.in_flight.as_ref().filter(|block| lsn < block.end_lsn()) {
            return block.record(lsn);
        }
        let after = self.waiting.partition_point(|block| block.first_lsn <= lsn);
        self.waiting.get(after.checked_sub(1)?)?.record(lsn)
    }

    /// Every record so far stands below this.
    pub fn next_lsn(&self) -> Lsn {
        match &self.open {
            Some(block) => block.first_lsn + (BLOCK_HEADER_LEN + block.body.len()) as u64,
            None => self.next_first_lsn,
        }
    }

    /// Every record below this is on disk.
    pub fn durable_lsn(&self) -> Lsn {
        self.durable_lsn
    }

    /// Bytes of the log that are not on disk yet.
    pub fn undurable_bytes(&self) -> usize {
        (self.next_lsn() - self.durable_lsn) as usize
    }

    /// Epoch of the blocks made here.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The next block to commit: now in flight until [`Self::committed`]. `None` while another is, or if there is none.
    pub fn take(&mut self) -> Option<Arc<Block>> {
        if self.in_flight.is_some() {
            return None;
        }
        if self.waiting.is_empty() {
            self.close();
        }
        let block = if planted!("newest block first") { self.waiting.pop_back() } else { self.waiting.pop_front() }?;
        self.in_flight = Some(Arc::clone(&block));
        Some(block)
    }

    /// The block in flight is on disk, up to `durable` (exclusive), as the committer said. Give back its `Arc` first:
    /// only then can its buffer be used again. Returns its time.
    pub fn committed(&mut self, durable: Lsn) -> u64 {
        let block = self.in_flight.take().expect("a block is in flight");
        assert_eq!(durable, block.end_lsn(), "the committer did another block");
        assert!(durable > self.durable_lsn, "durable_lsn only grows");
        self.durable_lsn = durable;
        self.recent.push(block.first_lsn, &block.body);
        let now_ms = block.now_ms;
        if let Ok(block) = Arc::try_unwrap(block)
            && self.free.len() < FREE_BUFFERS_MAX
        {
            self.free.push(block.body);
        }
        now_ms
    }

    fn close(&mut self) {
        if let Some(block) = self.open.take() {
            self.queue(block);
        }
    }

    fn queue(&mut self, block: Block) {
        assert_eq!(block.first_lsn, self.next_first_lsn, "blocks are dense");
        assert!(block.body.len() <= BODY_LEN_MAX, "a block is bounded");
        self.next_first_lsn += padded_len(block.body.len());
        self.next_block_no = self.next_block_no.wrapping_add(1);
        self.waiting.push_back(Arc::new(block));
    }

    fn new_block(&mut self, kind: BlockKind, now_ms: u64) -> Block {
        let body = match (kind, self.free.pop()) {
            (BlockKind::Data, Some(mut body)) => {
                body.clear();
                body
            }
            (BlockKind::Data, None) => Vec::with_capacity(BUFFER_LEN_MIN),
            (_, free) => {
                self.free.extend(free);
                Vec::new()
            }
        };
        Block {
            kind,
            shard: self.shard,
            epoch: self.epoch,
            block_no: self.next_block_no,
            first_lsn: self.next_first_lsn,
            now_ms,
            format: BLOCK_FORMAT,
            record_count: 0,
            body,
        }
    }
}

/// Whether any record still fits.
fn has_room(block: &Block) -> bool {
    block.body.len() + RECORD_LEN_MAX <= BODY_LEN_MAX && block.record_count < u16::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that begins with a fence, which is on disk.
    fn log() -> Log {
        let mut log = Log::new(0, 1, 0, Recent::new(RECENT_LEN));
        log.mark(BlockKind::Fence, 1);
        assert!(commit(&mut log), "the fence");
        log
    }

    /// Appends a record of `len` bytes, all `fill` after its length.
    fn put(log: &mut Log, len: usize, fill: u8) -> Lsn {
        log.append(1, |buf| {
            buf.extend_from_slice(&(len as u16).to_le_bytes());
            buf.resize(buf.len() + len - 2, fill);
            1
        })
    }

    fn commit(log: &mut Log) -> bool {
        let Some(block) = log.take() else { return false };
        let end = block.end_lsn();
        drop(block);
        log.committed(end);
        true
    }

    #[test]
    fn positions_are_known_at_append_and_records_are_found_on_their_whole_way() {
        let mut log = Log::new(0, 1, 0, Recent::new(RECENT_LEN));
        let first = put(&mut log, 16, 1);
        let second = put(&mut log, 24, 2);
        assert_eq!((first, second), (4096 + 72, 4096 + 72 + 16));
        assert_eq!(log.next_lsn(), second + 24);
        let all_there = |log: &Log| {
            assert_eq!(log.record(first).map(|r| (r.len(), r[2])), Some((16, 1)));
            assert_eq!(log.record(second).map(|r| (r.len(), r[2])), Some((24, 2)));
            for nowhere in [0, 72, first - 8, first + 1, second + 24, second + 8192] {
                assert_eq!(log.record(nowhere), None, "lsn {nowhere}");
            }
        };
        all_there(&log); // open
        let fence = log.take().expect("the fence");
        assert_eq!((fence.kind(), fence.first_lsn(), fence.end_lsn()), (BlockKind::Fence, 0, 4096));
        assert!(log.take().is_none(), "one in flight");
        log.mark(BlockKind::CleanStop, 1);
        all_there(&log); // waiting
        log.committed(4096);
        let data = log.take().expect("the data");
        assert_eq!(data.records().map(|(lsn, _)| lsn).collect::<Vec<_>>(), [first, second]);
        all_there(&log); // in flight
        log.committed(8192);
        all_there(&log); // recent
        assert_eq!((log.durable_lsn(), log.undurable_bytes()), (8192, 4096));
        assert!(commit(&mut log) && !commit(&mut log), "the clean stop, then nothing");
        assert_eq!(log.undurable_bytes(), 0);
    }

    #[test]
    fn an_epoch_without_records_leaves_no_block() {
        let mut log = Log::new(0, 1, 4096, Recent::new(RECENT_LEN));
        log.mark(BlockKind::CleanStop, 1);
        assert!(log.take().is_none() && log.next_lsn() == 4096, "nothing to end");
        put(&mut log, 8, 1);
        log.mark(BlockKind::CleanStop, 2);
        let kinds = std::iter::from_fn(|| {
            let block = log.take()?;
            log.committed(block.end_lsn());
            Some(block.kind())
        });
        assert_eq!(kinds.collect::<Vec<_>>(), [BlockKind::Fence, BlockKind::Data, BlockKind::CleanStop]);
    }

    #[test]
    fn a_block_is_closed_before_it_grows_too_long() {
        let mut log = log();
        for _ in 0..600 {
            put(&mut log, 4096, 3);
        }
        let mut lens = Vec::new();
        while let Some(block) = log.take() {
            lens.push(block.end_lsn() - block.first_lsn());
            let end = block.end_lsn();
            log.committed(end);
        }
        assert_eq!(lens, [1 << 20, 1 << 20, 91 * 4096], "255 records fit a block");
    }

    #[test]
    fn durable_buffers_are_filled_again() {
        let mut log = log();
        put(&mut log, 4096, 1);
        commit(&mut log);
        let buffer = log.free[0].as_ptr();
        put(&mut log, 8, 1);
        assert_eq!(log.open.as_ref().map(|block| block.body.as_ptr()), Some(buffer));
        let held = log.take();
        log.committed(4 * 4096);
        assert!(log.free.is_empty(), "somebody still holds the block");
        drop(held);
    }

    #[test]
    #[should_panic(expected = "says its length")]
    fn a_record_that_lies_about_its_length_is_a_bug() {
        log().append(1, |buf| {
            buf.extend_from_slice(&[16, 0, 0, 0, 0, 0, 0, 0]);
            1
        });
    }
}
