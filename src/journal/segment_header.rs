//! The first page of a segment: where it stands in the log, and which blocks are its own.
//!
//! ```text
//!  0 magic u32  4 crc32c u32 (of bytes 8..112)  8 format u16  10 shard u16  12 salt u32
//! 16 instance [u8; 16]  32 epoch u64  40 base u64  48 prev_end u64  56 prev_chain [u8; 16]
//! 72 created_ms u64  80 len u64 (of the file when made)  88.. zero
//! ```
//!
//! Written and synced before the file gets its name, so a named segment always has a whole header: a damaged one is
//! never a crash. The salt seeds the checksum of every block: bytes that a client sent cannot pose as a block.

use super::block::{PAGE, array_at, u16_at, u32_at, u64_at};
use super::storage::{Page, SegmentName};
use super::{Chain, LogId, Lsn};

/// The segment format that this version writes and reads.
pub const SEGMENT_FORMAT: u16 = 1;
const MAGIC: u32 = 0x4753_7263; // "crSG"
const CHECKED_LEN: usize = 112;

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Whose log.
    pub id: LogId,
    /// Position of the first block, and the epoch of all blocks.
    pub name: SegmentName,
    /// Seeds the checksum of every block in the segment.
    pub salt: u32,
    /// Where the log before this segment ends: closes a predecessor that has no SEAL.
    pub prev_end: Lsn,
    /// Chain of the last block before this segment.
    pub prev_chain: Chain,
    /// Shard time when it was made, in unix milliseconds.
    pub created_ms: u64,
    /// Length of the file when it was made, in bytes. A closed segment may be shorter.
    pub len: u64,
}

/// Why a page is no segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Wrong magic or checksum.
    Damaged,
    /// The checksum holds, the format is another.
    Format(u16),
}

impl SegmentHeader {
    /// The page on disk.
    pub(super) fn to_page(self) -> Box<Page> {
        let mut page = Box::new([0; PAGE]);
        page[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        page[8..10].copy_from_slice(&SEGMENT_FORMAT.to_le_bytes());
        page[10..12].copy_from_slice(&self.id.shard.to_le_bytes());
        page[12..16].copy_from_slice(&self.salt.to_le_bytes());
        page[16..32].copy_from_slice(&self.id.instance);
        page[32..40].copy_from_slice(&self.name.epoch.to_le_bytes());
        page[40..48].copy_from_slice(&self.name.base.to_le_bytes());
        page[48..56].copy_from_slice(&self.prev_end.to_le_bytes());
        page[56..72].copy_from_slice(&self.prev_chain);
        page[72..80].copy_from_slice(&self.created_ms.to_le_bytes());
        page[80..88].copy_from_slice(&self.len.to_le_bytes());
        let crc = crc32c::crc32c(&page[8..CHECKED_LEN]);
        page[4..8].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads the first page of a segment.
    pub(super) fn from_page(page: &[u8]) -> Result<Self, HeaderFault> {
        assert_eq!(page.len(), PAGE, "a header is one page");
        if u32_at(page, 0) != MAGIC || crc32c::crc32c(&page[8..CHECKED_LEN]) != u32_at(page, 4) {
            return Err(HeaderFault::Damaged);
        }
        if u16_at(page, 8) != SEGMENT_FORMAT {
            return Err(HeaderFault::Format(u16_at(page, 8)));
        }
        Ok(Self {
            id: LogId { instance: array_at(page, 16), shard: u16_at(page, 10) },
            name: SegmentName { base: u64_at(page, 40), epoch: u64_at(page, 32) },
            salt: u32_at(page, 12),
            prev_end: u64_at(page, 48),
            prev_chain: array_at(page, 56),
            created_ms: u64_at(page, 72),
            len: u64_at(page, 80),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_bytes_are_the_ones_promised_and_every_flip_is_noticed() {
        let header = SegmentHeader {
            id: LogId { instance: *b"0123456789abcdef", shard: 3 },
            name: SegmentName { base: 0x5000, epoch: 2 },
            salt: 0xfeed_beef,
            prev_end: 0x5000,
            prev_chain: *b"fedcba9876543210",
            created_ms: 1_700_000_000_000,
            len: 4 << 20,
        };
        let mut page = header.to_page();
        let hex: String = page[..88].iter().map(|b| format!("{b:02x}")).collect();
        let golden = "63725347\
            f17dcbd4\
            01000300efbeedfe303132333435363738396162636465660200000000000000\
            00500000000000000050000000000000666564636261393837363534333231300068e5cf8b0100000000400000000000";
        assert_eq!(hex, golden);
        assert_eq!(SegmentHeader::from_page(&page[..]), Ok(header));
        for bit in 0..CHECKED_LEN * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::from_page(&page[..]), Err(HeaderFault::Damaged), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
