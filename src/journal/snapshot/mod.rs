//! A snapshot's file: frames of opaque bytes, checksummed, between the position where the copy began and where it ended.
//!
//! ```text
//!  page 0: whose, when, begin (replay starts here) | frame 0 | frame 1 | ... | footer: end, clock, what it needs
//!                                                    each at a page boundary: header, body, zeros; one checksum
//! ```
//!
//! Format 1 is in docs/snapshot-format.md. Invariants: a frame's checksum is seeded with that of page 0, so no frame of
//! another snapshot passes; the footer counts the frames and covers their checksums, so none can be missing. What is
//! read is not believed before the footer has come.
//! Absent on purpose: what the frames hold (the sink of recovery knows), when to make one, threads.

mod reader;
mod writer;

use serde::{Deserialize, Serialize};

use super::block::{PAGE, u32_at, u64_at};
use super::cold::{self, ColdFault};
use super::storage::Page;
use super::{Chain, LogId, Lsn};

pub use reader::{Frame, SnapshotError, SnapshotReader};
pub use writer::SnapshotWriter;

/// The format of the file that this version writes and reads.
pub const SNAPSHOT_FORMAT: u16 = 1;
/// What this version's frames hold: the number in [`SnapshotHead::content`]. Lower ones are read, too.
pub const SNAPSHOT_CONTENT: u16 = 2;
/// Section of the last frame, which ends every snapshot.
pub const FOOTER: u8 = 3;
/// Longest body of a frame in bytes.
pub const FRAME_BODY_LEN_MAX: usize = 16 << 20;
/// Newest snapshots that are kept: one to start from, and one in case that it is bad.
pub const SNAPSHOTS_KEPT: usize = 2;

const HEAD_MAGIC: u32 = 0x4e53_7263; // "crSN"
const FRAME_MAGIC: u32 = 0x4653_7263; // "crSF"
const FRAME_HEADER_LEN: usize = 32;
/// The journal's part of the footer.
const END_LEN: usize = 32;

/// A place in the log where a block ends, and what the next one must say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Where the next block starts.
    pub lsn: Lsn,
    /// The chain value that it names.
    pub chain: Chain,
    /// Its epoch, unless a later one begins there.
    pub epoch: u64,
    /// Its number in that epoch; in a later one it is 0.
    pub block_no: u32,
}

/// What a snapshot begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Whose.
    pub id: LogId,
    /// Shard time when the copy began, in unix milliseconds.
    pub created_ms: u64,
    /// Replay starts here.
    pub begin: Position,
    /// What the frames hold: [`SNAPSHOT_CONTENT`], or of an older version.
    pub content: u16,
}

/// What a snapshot ends with: the journal's part of its footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// Everything in the snapshot was made by records below this. Also its name.
    pub end: Lsn,
    /// Shard time there, in unix milliseconds.
    pub now_ms: u64,
    /// Oldest position that something in the snapshot refers to.
    pub needed: Lsn,
}

/// Page 0, as on disk.
#[derive(Serialize, Deserialize)]
struct Head {
    instance: [u8; 16],
    shard: u16,
    created_ms: u64,
    begin_lsn: Lsn,
    begin_chain: Chain,
    begin_epoch: u64,
    begin_block_no: u32,
    content: u16,
}

impl SnapshotHead {
    fn to_page(self) -> Box<Page> {
        let head = Head {
            instance: self.id.instance,
            shard: self.id.shard,
            created_ms: self.created_ms,
            begin_lsn: self.begin.lsn,
            begin_chain: self.begin.chain,
            begin_epoch: self.begin.epoch,
            begin_block_no: self.begin.block_no,
            content: self.content,
        };
        cold::to_page(HEAD_MAGIC, SNAPSHOT_FORMAT, &head)
    }

    fn from_page(page: &Page) -> Result<Self, ColdFault> {
        let head: Head = cold::from_page(HEAD_MAGIC, SNAPSHOT_FORMAT, page)?;
        Ok(Self {
            id: LogId { instance: head.instance, shard: head.shard },
            created_ms: head.created_ms,
            begin: Position {
                lsn: head.begin_lsn,
                chain: head.begin_chain,
                epoch: head.begin_epoch,
                block_no: head.begin_block_no,
            },
            content: head.content,
        })
    }
}

/// The header of a frame, as on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FrameHeader {
    crc: u32,
    section: u8,
    frame_no: u32,
    count: u32,
    body_len: usize,
    first: u64,
}

impl FrameHeader {
    /// The header's bytes, with the checksum over them, `body` and the padding behind it.
    fn encode(&mut self, seed: u32, body: &[u8]) -> [u8; FRAME_HEADER_LEN] {
        let mut out = [0; FRAME_HEADER_LEN];
        out[0..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        out[8] = self.section;
        out[12..16].copy_from_slice(&self.frame_no.to_le_bytes());
        out[16..20].copy_from_slice(&self.count.to_le_bytes());
        out[20..24].copy_from_slice(&(self.body_len as u32).to_le_bytes());
        out[24..32].copy_from_slice(&self.first.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed, &out[8..]), body);
        self.crc = crc32c::crc32c_append(crc, &[0; PAGE][..padding_of(self.body_len)]);
        out[4..8].copy_from_slice(&self.crc.to_le_bytes());
        out
    }

    /// What a page that starts with a frame's magic claims; `None` if it is no frame or too long.
    fn claimed(page: &[u8]) -> Option<Self> {
        let body_len = u32_at(page, 20) as usize;
        let is_frame = u32_at(page, 0) == FRAME_MAGIC && page[9..12] == [0; 3] && body_len <= FRAME_BODY_LEN_MAX;
        is_frame.then(|| Self {
            crc: u32_at(page, 4),
            section: page[8],
            frame_no: u32_at(page, 12),
            count: u32_at(page, 16),
            body_len,
            first: u64_at(page, 24),
        })
    }

    /// Bytes that the frame takes in the file.
    fn padded_len(&self) -> usize {
        FRAME_HEADER_LEN + self.body_len + padding_of(self.body_len)
    }
}

/// Zeros behind a body of `body_len` bytes.
fn padding_of(body_len: usize) -> usize {
    let len = FRAME_HEADER_LEN + body_len;
    len.next_multiple_of(PAGE) - len
}

/// Which frame comes next, in writing and in reading.
#[derive(Clone, Copy, Debug, Default)]
struct Sequence {
    frames: u32,
    /// Over the checksums of all frames so far.
    crcs: u32,
    section: u8,
    /// Items of the section so far.
    items: u64,
}

impl Sequence {
    /// Number of the next frame's first item, if it is of `section`.
    fn first(&self, section: u8) -> u64 {
        if section == self.section { self.items } else { 0 }
    }

    fn advance(&mut self, header: &FrameHeader) {
        self.items = header.first + u64::from(header.count);
        self.section = header.section;
        self.frames += 1;
        self.crcs = crc32c::crc32c_append(self.crcs, &header.crc.to_le_bytes());
    }
}
