//! The newest durable blocks, kept in memory: a ring of bytes of fixed size.
//!
//! ```text
//!  bytes  [ newest | head ...free or oldest... | older | ... ]     blocks: oldest -> newest (lsn, start, len)
//! ```
//!
//! A copy, not the commit buffers themselves: those have room for 1 MiB and mostly hold a few hundred bytes, so a
//! handful of them would use up the limit. The copy costs nothing beside the sync, and the memory is exactly the limit.

use std::collections::VecDeque;

use super::Lsn;
use super::block::record_in;

/// Bodies of the newest blocks, oldest thrown out first.
pub(super) struct Recent {
    bytes: Vec<u8>,
    /// Where the next body goes. Bodies at or after it are the oldest ones.
    head: usize,
    blocks: VecDeque<Kept>,
}

struct Kept {
    first_lsn: Lsn,
    start: usize,
    len: usize,
}

impl Recent {
    /// Keeps up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: vec![0; limit], head: 0, blocks: VecDeque::new() }
    }

    /// Keeps the body of the block at `first_lsn`, which is newer than all before.
    pub fn push(&mut self, first_lsn: Lsn, body: &[u8]) {
        assert!(self.blocks.back().is_none_or(|last| last.first_lsn < first_lsn), "blocks come in order");
        if body.is_empty() || body.len() > self.bytes.len() {
            return;
        }
        if self.head + body.len() > self.bytes.len() {
            while self.blocks.front().is_some_and(|oldest| oldest.start >= self.head) {
                self.blocks.pop_front();
            }
            self.head = 0;
        }
        let end = self.head + body.len();
        while self.blocks.front().is_some_and(|oldest| (self.head..end).contains(&oldest.start)) {
            self.blocks.pop_front();
        }
        self.bytes[self.head..end].copy_from_slice(body);
        self.blocks.push_back(Kept { first_lsn, start: self.head, len: body.len() });
        self.head = end;
    }

    /// The record at `lsn`, if its block is kept.
    pub fn record(&self, lsn: Lsn) -> Option<&[u8]> {
        let after = self.blocks.partition_point(|block| block.first_lsn <= lsn);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        record_in(&self.bytes[block.start..block.start + block.len], block.first_lsn, lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::BLOCK_HEADER_LEN;
    use super::super::chance::Chance;
    use super::*;

    #[test]
    fn keeps_the_newest_and_never_mixes_them_up() {
        let mut chance = Chance::new(1);
        let mut recent = Recent::new(1000);
        let mut model: Vec<(Lsn, Vec<u8>)> = Vec::new();
        for i in 0..2_000u64 {
            let first_lsn = i * 4096;
            let len = 8 * (1 + chance.below(40)) as usize;
            let mut body = vec![i as u8; len];
            body[..2].copy_from_slice(&(len as u16).to_le_bytes());
            recent.push(first_lsn, &body);
            model.push((first_lsn, body));
            let mut found = 0;
            for (rank, (lsn, body)) in model.iter().rev().enumerate() {
                let record = recent.record(lsn + BLOCK_HEADER_LEN as u64);
                match record {
                    Some(record) => assert_eq!((record, found), (&body[..], rank), "the newest ones, without a gap"),
                    None => break,
                }
                found += 1;
            }
            assert!(found >= 2.min(model.len()), "1000 bytes hold at least the two newest of at most 320 bytes");
            model.drain(..model.len().saturating_sub(200));
        }
        assert_eq!(recent.record(0), None);
        recent.push(u64::MAX - 4096, &[1; 1001]);
        assert_eq!(recent.record(u64::MAX), None, "longer than the ring: not kept");
    }
}
