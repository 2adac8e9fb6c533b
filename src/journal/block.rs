//! The commit block: what one group commit writes, and its header on disk.
//!
//! ```text
//!  0 magic u32   4 crc32c u32 (of all that follows, seeded with the segment's salt)
//!  8 format u16 10 kind u8  11 flags u8  12 shard u16  14 record_count u16
//! 16 body_len u32          20 block_no u32 (in the epoch, wraps)
//! 24 epoch u64             32 first_lsn u64 (of this header)
//! 40 durable_lsn u64 (exclusive: all below it was synced when this block was built)
//! 48 prev_chain [u8; 16]   64 now_ms u64     72 body: records, 8-byte aligned, first u16 = padded length
//! ```
//!
//! Little-endian and by hand: the format must not depend on a serializer. `block_no` stands beside `body_len`, so that
//! every field is aligned. Always at a page boundary of the log; padding to the next page stays zero and is covered by
//! no checksum. Absent on purpose: what a record means.

use super::{Chain, Lsn};

/// A block starts at a multiple of this, and no smaller piece of the log is ever rewritten. Bytes.
pub const PAGE: usize = 4096;
/// Length of a block's header in bytes.
pub const BLOCK_HEADER_LEN: usize = 72;
/// Longest block in bytes, header and padding included.
pub const BLOCK_LEN_MAX: usize = 1 << 20;
/// Longest record in bytes, padding included.
pub const RECORD_LEN_MAX: usize = 4096;
/// Records start at multiples of this. Bytes.
pub const RECORD_ALIGN: usize = 8;
/// Longest body in bytes.
pub const BODY_LEN_MAX: usize = BLOCK_LEN_MAX - BLOCK_HEADER_LEN;
/// The block format of what needs no higher one.
pub const BLOCK_FORMAT: u16 = 1;
/// The highest block format that this version reads.
pub const BLOCK_FORMAT_MAX: u16 = 2;
/// "crBK", little-endian.
pub const BLOCK_MAGIC: u32 = 0x4b42_7263;
/// Flag: the last block of its segment.
pub const SEAL: u8 = 1;

const _: () = assert!(BLOCK_HEADER_LEN.is_multiple_of(RECORD_ALIGN));

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Carries records.
    Data,
    /// First of an epoch: from here on this process owns the log.
    Fence,
    /// Last of an epoch that ended in order.
    CleanStop,
}

impl BlockKind {
    fn code(self) -> u8 {
        match self {
            BlockKind::Data => 1,
            BlockKind::Fence => 2,
            BlockKind::CleanStop => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [BlockKind::Data, BlockKind::Fence, BlockKind::CleanStop].into_iter().find(|kind| kind.code() == code)
    }
}

/// A commit block in memory: filled by the core, then closed, shared and stored; never changed after that.
#[derive(Debug)]
pub struct Block {
    pub(super) kind: BlockKind,
    pub(super) shard: u16,
    pub(super) epoch: u64,
    pub(super) block_no: u32,
    pub(super) first_lsn: Lsn,
    pub(super) now_ms: u64,
    /// The lowest that all its records can be in.
    pub(super) format: u16,
    pub(super) record_count: u16,
    pub(super) body: Vec<u8>,
}

impl Block {
    /// What it is for.
    pub fn kind(&self) -> BlockKind {
        self.kind
    }

    /// Position of its header.
    pub fn first_lsn(&self) -> Lsn {
        self.first_lsn
    }

    /// Position after its padding: where the next block starts.
    pub fn end_lsn(&self) -> Lsn {
        self.first_lsn + padded_len(self.body.len())
    }

    /// Shard time of its newest record, in unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Number of records.
    pub fn record_count(&self) -> u16 {
        self.record_count
    }

    /// Its records, one after the other.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Its records with their positions, in order.
    pub fn records(&self) -> Records<'_> {
        Records { body: &self.body, offset: 0, first_lsn: self.first_lsn }
    }

    /// The record at `lsn`, if one can start there.
    pub fn record(&self, lsn: Lsn) -> Option<&[u8]> {
        record_in(&self.body, self.first_lsn, lsn)
    }
}

/// Bytes that a block with `body_len` bytes of records takes in the log.
pub fn padded_len(body_len: usize) -> u64 {
    (BLOCK_HEADER_LEN + body_len).next_multiple_of(PAGE) as u64
}

/// The record at `lsn` of the block at `first_lsn` with this `body`, if one can start there.
pub(super) fn record_in(body: &[u8], first_lsn: Lsn, lsn: Lsn) -> Option<&[u8]> {
    let offset = usize::try_from(lsn.checked_sub(first_lsn + BLOCK_HEADER_LEN as u64)?).ok()?;
    if !offset.is_multiple_of(RECORD_ALIGN) {
        return None;
    }
    record_at(body.get(offset..)?)
}

/// The record that `bytes` starts with, if its length is a possible one and all of it is there.
pub(super) fn record_at(bytes: &[u8]) -> Option<&[u8]> {
    let len = usize::from(u16::from_le_bytes(*bytes.first_chunk()?));
    let plausible = (RECORD_ALIGN..=RECORD_LEN_MAX).contains(&len) && len.is_multiple_of(RECORD_ALIGN);
    if plausible { bytes.get(..len) } else { None }
}

/// Walks the records of a block's body; stops early where no record can be.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    body: &'a [u8],
    offset: usize,
    first_lsn: Lsn,
}

impl<'a> Records<'a> {
    pub(super) fn new(body: &'a [u8], first_lsn: Lsn) -> Self {
        Self { body, offset: 0, first_lsn }
    }

    /// Whether everything was walked: no bytes are left that are no record.
    pub fn is_done(&self) -> bool {
        self.offset == self.body.len()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (Lsn, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let record = record_at(self.body.get(self.offset..)?)?;
        let lsn = self.first_lsn + (BLOCK_HEADER_LEN + self.offset) as u64;
        self.offset += record.len();
        Some((lsn, record))
    }
}

/// Why bytes are not a block of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockFault {
    /// Wrong magic, length, checksum or field.
    Invalid,
    /// The checksum holds, but the format is not ours, or the kind or a flag is none of it.
    Format(u16),
}

/// The header of a block, as on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The lowest version that can read the block.
    pub format: u16,
    /// What it is for.
    pub kind: BlockKind,
    /// [`SEAL`] or 0.
    pub flags: u8,
    /// Whose log.
    pub shard: u16,
    /// Number of records.
    pub record_count: u16,
    /// Length of the records in bytes.
    pub body_len: usize,
    /// Counts the blocks of the epoch, from 0.
    pub block_no: u32,
    /// Which start of the server wrote it.
    pub epoch: u64,
    /// Its own position.
    pub first_lsn: Lsn,
    /// All below this was on disk when it was built.
    pub durable_lsn: Lsn,
    /// The chain value of the block before.
    pub prev_chain: Chain,
    /// Shard time of its newest record, in unix milliseconds.
    pub now_ms: u64,
}

impl BlockHeader {
    /// The header's bytes, with the checksum over them and `body` under the segment's `salt`.
    pub(super) fn encode(&self, salt: u32, body: &[u8]) -> [u8; BLOCK_HEADER_LEN] {
        assert_eq!(body.len(), self.body_len, "header and body must agree");
        assert!(body.len() <= BODY_LEN_MAX, "a block is at most {BLOCK_LEN_MAX} bytes");
        let mut out = [0; BLOCK_HEADER_LEN];
        out[0..4].copy_from_slice(&BLOCK_MAGIC.to_le_bytes());
        out[8..10].copy_from_slice(&self.format.to_le_bytes());
        out[10] = self.kind.code();
        out[11] = self.flags;
        out[12..14].copy_from_slice(&self.shard.to_le_bytes());
        out[14..16].copy_from_slice(&self.record_count.to_le_bytes());
        out[16..20].copy_from_slice(&(self.body_len as u32).to_le_bytes());
        out[20..24].copy_from_slice(&self.block_no.to_le_bytes());
        out[24..32].copy_from_slice(&self.epoch.to_le_bytes());
        out[32..40].copy_from_slice(&self.first_lsn.to_le_bytes());
        out[40..48].copy_from_slice(&self.durable_lsn.to_le_bytes());
        out[48..64].copy_from_slice(&self.prev_chain);
        out[64..72].copy_from_slice(&self.now_ms.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(salt, &out[8..]), body);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Body length that a page which starts with a block's magic claims; `None` if it is no block or too long.
    pub(super) fn claimed_body_len(page: &[u8]) -> Option<usize> {
        let magic = u32::from_le_bytes(*page.first_chunk()?);
        let body_len = u32::from_le_bytes(*page.get(16..)?.first_chunk()?) as usize;
        (magic == BLOCK_MAGIC && body_len <= BODY_LEN_MAX).then_some(body_len)
    }

    /// Reads the block that `bytes` (header and body, exactly) holds.
    ///
    /// # Errors
    /// [`BlockFault`] unless the checksum holds and every field is one that this version writes.
    pub(super) fn decode(bytes: &[u8], salt: u32) -> Result<Self, BlockFault> {
        let body_len = Self::claimed_body_len(bytes).ok_or(BlockFault::Invalid)?;
        if bytes.len() != BLOCK_HEADER_LEN + body_len {
            return Err(BlockFault::Invalid);
        }
        if crc32c::crc32c_append(salt, &bytes[8..]) != u32_at(bytes, 4) && !planted!("torn block taken") {
            return Err(BlockFault::Invalid);
        }
        let format = u16_at(bytes, 8);
        let (kind, flags) = (BlockKind::from_code(bytes[10]), bytes[11]);
        // Somebody wrote it and meant it: what is not understood must never pass for a torn tail.
        let Some(kind) = kind.filter(|_| (BLOCK_FORMAT..=BLOCK_FORMAT_MAX).contains(&format) && flags & !SEAL == 0)
        else {
            return Err(BlockFault::Format(format));
        };
        Ok(Self {
            format,
            kind,
            flags,
            shard: u16_at(bytes, 12),
            record_count: u16_at(bytes, 14),
            body_len,
            block_no: u32_at(bytes, 20),
            epoch: u64_at(bytes, 24),
            first_lsn: u64_at(bytes, 32),
            durable_lsn: u64_at(bytes, 40),
            prev_chain: array_at(bytes, 48),
            now_ms: u64_at(bytes, 64),
        })
    }

    /// Position after its padding.
    pub fn end_lsn(&self) -> Lsn {
        self.first_lsn + padded_len(self.body_len)
    }
}

/// [`chain_of`] a header and a body that stand together: faster, as the hash takes many pieces at once.
pub(super) fn chain_of_whole(header_and_body: &[u8]) -> Chain {
    array_at(blake3::hash(header_and_body).as_bytes(), 0)
}

/// The chain value that the successor of this block names.
pub(super) fn chain_of(header: &[u8], body: &[u8]) -> Chain {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(body);
    array_at(hasher.finalize().as_bytes(), 0)
}

/// `N` bytes at `offset`; the caller has checked that they are there.
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[offset..offset + N]);
    out
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, offset))
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body: &[u8]) -> BlockHeader {
        BlockHeader {
            format: BLOCK_FORMAT,
            kind: BlockKind::Data,
            flags: SEAL,
            shard: 3,
            record_count: 1,
            body_len: body.len(),
            block_no: 7,
            epoch: 2,
            first_lsn: 0x5000,
            durable_lsn: 0x4000,
            prev_chain: *b"0123456789abcdef",
            now_ms: 1_700_000_000_000,
        }
    }

    #[test]
    fn header_bytes_are_the_ones_promised() {
        let body = [8, 0, 1, 2, 3, 4, 5, 6];
        let bytes = header(&body).encode(0xfeed_beef, &body);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let golden = "6372424b\
             737c8f21\
             0100010103000100\
             0800000007000000\
             0200000000000000\
             0050000000000000\
             0040000000000000\
             30313233343536373839616263646566\
             0068e5cf8b010000";
        assert_eq!(hex, golden);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let body = [8, 0, 1, 2, 3, 4, 5, 6];
        let mut bytes = header(&body).encode(9, &body).to_vec();
        bytes.extend_from_slice(&body);
        assert_eq!(BlockHeader::decode(&bytes, 9), Ok(header(&body)));
        assert_eq!(BlockHeader::decode(&bytes, 10), Err(BlockFault::Invalid), "another segment's salt");
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BlockHeader::decode(&bytes, 9), Err(BlockFault::Invalid), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn what_is_from_the_future_is_named_only_if_its_checksum_holds() {
        for (at, value, format) in [(8, 3, 3), (8, 0, 0), (10, 9, 1), (10, 0, 1), (11, 2, 1), (11, SEAL | 4, 1)] {
            let mut bytes = header(&[]).encode(9, &[]);
            bytes[at] = value;
            assert_eq!(BlockHeader::decode(&bytes, 9), Err(BlockFault::Invalid));
            let crc = crc32c::crc32c_append(9, &bytes[8..]);
            bytes[4..8].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(BlockHeader::decode(&bytes, 9), Err(BlockFault::Format(format)), "byte {at} is {value}");
        }
    }

    #[test]
    fn a_walk_stops_where_no_record_can_be() {
        for (tail, why) in [([7, 0, 0, 0, 0, 0, 0, 0], "odd"), ([0; 8], "zero"), ([16, 0, 0, 0, 0, 0, 0, 0], "cut")] {
            let mut body = vec![8, 0, 1, 1, 1, 1, 1, 1];
            body.extend_from_slice(&tail);
            let mut records = Records::new(&body, 4096);
            assert_eq!(records.next(), Some((4096 + 72, &body[..8])));
            assert_eq!(records.next(), None, "{why}");
            assert!(!records.is_done(), "{why}");
        }
    }
}
