//! The disk: one log per shard, of opaque records, on preallocated segments (journal.md).
//!
//! ```text
//!  core thread                       journal thread (or the core itself, inline)          disk
//!  append -> Log [open block]        Committer: header, crc, chain -> Storage::store -> pwrite into segment
//!            take()  --- Arc<Block> + Committer move --->             Storage::sync  -> fdatasync
//!            committed(durable) <--- both come back ---
//!  record(lsn) <- open, waiting, in flight, recent 8 MiB             Reader: older records by pread
//!                                                                    BlockReader: durable blocks by pread
//!  position() -> SnapshotWriter: frames of bytes -> Draft -> note() -> publish: <end>.snap, let_go() of what is older
//! ```
//!
//! Invariants: only the shard's core makes blocks, so an LSN is known when its record is appended. One block is in
//! flight; block N+1 is stored only after the sync of N ended, and says so. A block starts on a fresh page, so no page
//! that holds acknowledged records is written again. After the first failed sync nothing is written any more.
//! Recovery reads the platter, not the page cache, and never appends to an old segment.
//!
//! Absent on purpose: credits (records are bytes with a length first, snapshots are frames of bytes), clocks (time comes in), threads (the caller
//! owns them), metrics and logging (results carry the figures).

pub mod at_rest;
pub mod block;
pub mod blocks;
pub mod chance;
mod choice;
mod cold;
pub mod data_dir;
mod draft;
pub mod error;
pub mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod log;
pub mod manifest;
mod place;
pub mod reader;
mod recent;
pub mod recovery;
pub mod repair;
mod replay;
mod scan;
mod segment;
pub mod segment_header;
pub mod sim;
mod sim_draft;
mod sim_file;
mod sim_storage;
pub mod snapshot;
mod spare;
pub mod storage;
mod super_page;
pub mod survey;
mod uncached;
pub mod writer;

#[cfg(test)]
mod tests;

pub use at_rest::{Known, RestingDir, RestingLog};
pub use block::{BLOCK_HEADER_LEN, BLOCK_LEN_MAX, Block, BlockHeader, BlockKind, PAGE, RECORD_LEN_MAX};
pub use blocks::{BlockReader, ReadBlock};
pub use data_dir::{DataDir, NewDir, shard_path};
pub use error::{JournalError, Refusal};
pub use files::FileStorage;
pub use log::{Log, RECENT_LEN};
pub use manifest::Manifest;
pub use reader::{ReadError, Reader, Window};
pub use recovery::{BadSnapshot, Cut, Entry, Opened, Recovered, RecoveryOptions, SnapshotUsed, recover};
pub use sim::{SimDisk, SimStorage};
pub use snapshot::{Position, SnapshotEnd, SnapshotHead, SnapshotReader, SnapshotWriter};
pub use storage::{Draft, SegmentName, Storage};
pub use survey::{BlockSeen, Head, LooseEnd, Sight, Surveyed, Witness};
pub use writer::{Committer, CommitterCounters, SyncPolicy};

/// Logical byte position in a shard's log: the sum of all padded blocks before it, over all segments.
pub type Lsn = u64;

/// First 16 bytes of BLAKE3 over a block's header and body: what the next block names as its predecessor.
pub type Chain = [u8; 16];

/// Whose log: no file of another instance or shard passes for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId {
    /// Made once per data directory.
    pub instance: [u8; 16],
    /// Number of the shard in the directory.
    pub shard: u16,
}
