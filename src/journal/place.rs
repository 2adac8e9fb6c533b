//! Where the next block of a log must stand and what it must say, for recovery and for the walk at rest.

use super::Lsn;
use super::block::Records;
use super::error::Case;
use super::scan::Found;
use super::storage::{SegmentFile, SegmentName};
use super::writer::Tip;

/// What is wrong, and what was found.
pub(super) type Misfit = (Case, String);

/// The place of the next block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub shard: u16,
    /// Of the segment.
    pub epoch: u64,
    /// In the epoch.
    pub block_no: u32,
    /// End of the log before it.
    pub tip: Tip,
}

impl Place {
    /// Whether the block is the one that belongs here (cases 5, 12, 13), and how many records it has.
    pub fn judge(&self, found: &Found<'_>) -> Result<u64, Misfit> {
        let (header, tip) = (&found.header, self.tip);
        let altered = if header.epoch != self.epoch {
            Some(format!("a block of epoch {}", header.epoch))
        } else if header.first_lsn != tip.lsn {
            Some(format!("the block of lsn {} stands where lsn {} belongs", header.first_lsn, tip.lsn))
        } else if header.prev_chain != tip.chain && !planted!("chain ignored") {
            Some("the block does not name the one before it".to_owned())
        } else if header.block_no != self.block_no {
            Some(format!("block number {} where {} belongs", header.block_no, self.block_no))
        } else if header.durable_lsn > header.first_lsn {
            Some(format!("the block claims that lsn {} was durable before it", header.durable_lsn))
        } else {
            None
        };
        if let Some(detail) = altered {
            return Err((Case::Altered, detail));
        }
        if header.shard != self.shard {
            return Err((Case::Foreign, format!("a block of shard {}", header.shard)));
        }
        let mut records = Records::new(found.body, header.first_lsn);
        let count = records.by_ref().count();
        if !records.is_done() || count != usize::from(header.record_count) {
            return Err((Case::Invariant, format!("{count} of {} records can be told apart", header.record_count)));
        }
        Ok(count as u64)
    }
}

/// What is wrong with a segment whose good blocks end at `end`, though segment `next` follows (cases 4, 6).
pub(super) fn closing_fault(file: SegmentFile, end: Lsn, sealed: bool, next: SegmentName) -> Option<Misfit> {
    let name = file.name;
    let is_cut_here = name.offset_of(end) == file.len;
    if end < next.base && !sealed && !is_cut_here {
        Some((Case::Damaged, format!("no valid block here, but segment {next} proves that there was one")))
    } else if end != next.base {
        let from = next.base;
        let detail =
            format!("the segment ends at lsn {end}, the next one that is here, {next}, continues at lsn {from}");
        Some((Case::Hole, detail))
    } else if !sealed && next.epoch <= name.epoch {
        Some((Case::Hole, format!("not closed, though segment {next} of the same epoch follows")))
    } else {
        None
    }
}
