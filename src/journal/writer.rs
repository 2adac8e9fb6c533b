//! The committer: makes one block at a time durable, in the shard's current segment.
//!
//! ```text
//!  Block -> header (durable_lsn, chain, SEAL, crc) -> store header, body -> sync -> end of the block is durable
//!           roll first, if the last block sealed its segment                \-> fails: poisoned for good
//! ```
//!
//! It is moved to where the blocking work is to happen (a journal thread, or inline on the core) together with the
//! block, and comes back: whoever owns it is the one that commits, so one block is in flight by construction.
//!
//! Invariants: block N+1 is stored after the sync of N ended and says so (`durable_lsn`); nothing that was not synced
//! is ever claimed, in a block, a segment header or a super; a segment's last block is synced in every policy.
//! Absent on purpose: threads, timers, retries.

use std::sync::{Arc, RwLock};

use super::block::{BLOCK_HEADER_LEN, BLOCK_LEN_MAX, Block, BlockHeader, BlockKind, PAGE, SEAL, chain_of, padded_len};
use super::chance::Chance;
use super::error::JournalError;
use super::reader::Reader;
use super::segment_header::SegmentHeader;
use super::snapshot::Position;
use super::storage::{SegmentName, Spare, Storage};
use super::super_page::Super;
use super::{Chain, LogId, Lsn};

/// When a block counts as durable (journal.md 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// When it is synced: survives a power cut.
    Always,
    /// When it is written to the page cache: survives the end of the process, not a power cut.
    No,
}

/// What a committer did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitterCounters {
    /// Blocks made durable.
    pub commits: u64,
    /// Bytes of header and records in them.
    pub bytes: u64,
    /// Bytes that they take in the log.
    pub padded_bytes: u64,
    /// Syncs of segments for blocks.
    pub syncs: u64,
    /// Segments begun.
    pub segments: u64,
    /// Supers written.
    pub supers: u64,
}

/// Where a log ends: the position, and the chain value that the next block names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub lsn: Lsn,
    pub chain: Chain,
}

/// What a committer is made from.
pub(super) struct CommitterStart<S: Storage> {
    pub storage: S,
    pub id: LogId,
    pub policy: SyncPolicy,
    /// Length of the segments to come, in bytes.
    pub segment_len: u64,
    pub salts: Chance,
    pub epoch: u64,
    /// End of the log so far; all of it is durable.
    pub tip: Tip,
    /// The super that is on disk.
    pub last_super: Super,
    /// Segments before, by base.
    pub segments: Vec<SegmentName>,
}

/// Makes blocks durable, one after the other.
pub struct Committer<S: Storage> {
    storage: S,
    spare: S::Spare,
    id: LogId,
    policy: SyncPolicy,
    segment_len: u64,
    salts: Chance,
    epoch: u64,
    segment: Option<Current>,
    end: Tip,
    /// Number of the next block in the epoch.
    next_block_no: u32,
    synced: Tip,
    last_super: Super,
    segments: Arc<RwLock<Vec<SegmentName>>>,
    poisoned: bool,
    counters: CommitterCounters,
}

/// The segment that blocks go to.
struct Current {
    name: SegmentName,
    salt: u32,
    len: u64,
    sealed: bool,
}

impl<S: Storage> Committer<S> {
    pub(super) fn new(start: CommitterStart<S>) -> Self {
        assert!(start.segment_len >= segment_len_min(), "a segment takes a header and a block");
        Self {
            spare: start.storage.spare(),
            storage: start.storage,
            id: start.id,
            policy: start.policy,
            segment_len: start.segment_len,
            salts: start.salts,
            epoch: start.epoch,
            segment: None,
            end: start.tip,
            next_block_no: 0,
            synced: start.tip,
            last_super: start.last_super,
            segments: Arc::new(RwLock::new(start.segments)),
            poisoned: false,
            counters: CommitterCounters::default(),
        }
    }

    /// Makes `block` durable as the policy says, and returns the position up to which the log is (exclusive): its end.
    ///
    /// # Errors
    /// [`JournalError::Full`] (or another without `Commit`) if the next segment could not be made: nothing was stored.
    /// [`JournalError::Commit`]: what happened to the block is unknown, the process must end. Ever after
    /// [`JournalError::Poisoned`].
    ///
    /// # Panics
    /// If `block` is not the next one of this log.
    pub fn commit(&mut self, block: &Block) -> Result<Lsn, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned { shard: self.id.shard });
        }
        assert_eq!(block.first_lsn, self.end.lsn, "blocks are committed in order");
        assert_eq!((block.shard, block.epoch), (self.id.shard, self.epoch), "a block of this log and epoch");
        if self.segment.as_ref().is_none_or(|current| current.sealed) {
            self.spare_made(self.segment_len)?;
        }
        let result = self.write(block);
        result.map_err(|source| {
            // A block that seals its segment has done so when its sync fails.
            let is_untouched = self.end.lsn == block.first_lsn;
            let is_between = self.segment.as_ref().is_none_or(|current| current.sealed);
            if matches!(source, JournalError::Full { .. }) && is_untouched && is_between {
                return source; // no room for the new segment's name
            }
            self.poisoned = true;
            let segment = self.segment.as_ref().map_or(SegmentName { base: 0, epoch: 0 }, |current| current.name);
            let offset = segment.offset_of(block.first_lsn);
            let lost = self.synced.lsn..block.end_lsn();
            JournalError::Commit { shard: self.id.shard, segment, offset, lost, source: Box::new(source) }
        })
    }

    /// To be called after 20 ms without traffic: notes what is durable in a super, so that damage to the newest block
    /// can be told from a torn tail. Does nothing if that is noted already.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn idle(&mut self) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned { shard: self.id.shard });
        }
        if self.synced.lsn == self.last_super.durable_lsn {
            return Ok(());
        }
        self.write_super().inspect_err(|_| self.poisoned = true)
    }

    /// Makes all that was committed durable, whatever the policy, and notes it in both supers: then any one of them
    /// proves that the log reaches a snapshot's end.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn note(&mut self) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned { shard: self.id.shard });
        }
        if self.synced != self.end {
            self.storage.sync().inspect_err(|_| self.poisoned = true)?;
            self.synced = self.end;
        }
        if planted!("snapshot named before the super knows") {
            return Ok(());
        }
        self.write_supers()
    }

    /// Lets segments go whose blocks all stand below `below`: they leave the list, then both supers name the first that
    /// is kept. Their files are the caller's to remove.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn let_go(&mut self, below: Lsn) -> Result<Vec<SegmentName>, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned { shard: self.id.shard });
        }
        let mut kept = self.segments.write().expect("no panic under this lock");
        let next = usize::from(!planted!("trim above the floor"));
        let gone = kept.windows(2).take_while(|pair| pair[next].base <= below).count();
        let gone: Vec<_> = kept.drain(..gone).collect();
        let oldest = kept.first().map(|segment| segment.base);
        drop(kept);
        if !gone.is_empty() {
            self.last_super.oldest_lsn = oldest.expect("the newest stays");
            self.write_supers()?;
        }
        Ok(gone)
    }

    /// Whether it is time to make the next segment's file, with [`Self::spare`] and [`Self::segment_len`], away from
    /// here: the current one is half full. True until that is done; start one maker only.
    pub fn wants_spare(&self) -> bool {
        let half_full = |current: &Current| current.name.offset_of(self.end.lsn) * 2 >= current.len;
        self.segment.as_ref().is_some_and(half_full) && !self.spare.is_ready()
    }

    /// The maker of spares: for another thread.
    pub fn spare(&self) -> S::Spare {
        self.spare.clone()
    }

    /// Length of the segments to come, in bytes.
    pub fn segment_len(&self) -> u64 {
        self.segment_len
    }

    /// What was done so far.
    pub fn counters(&self) -> CommitterCounters {
        self.counters
    }

    /// A reader of this log, that sees segments to come too.
    pub fn reader(&self) -> Reader<S::Source> {
        Reader::new(self.storage.source(), Arc::clone(&self.segments))
    }

    /// The writer of snapshots: for another thread.
    pub fn draft(&self) -> S::Draft {
        self.storage.draft()
    }

    /// Where the log ends and goes on: what a snapshot begins with.
    pub fn position(&self) -> Position {
        let Tip { lsn, chain } = self.end;
        Position { lsn, chain, epoch: self.epoch, block_no: self.next_block_no }
    }

    /// The head of the log: end and chain, for whoever keeps them elsewhere as a proof.
    pub fn head(&self) -> (Lsn, Chain) {
        (self.end.lsn, self.end.chain)
    }

    /// Begins the segment in which the next block will stand.
    pub(super) fn begin_segment(&mut self, len: u64, now_ms: u64) -> Result<(), JournalError> {
        assert_eq!(self.synced, self.end, "a segment begins where all before is synced");
        let len = self.spare_made(len)?;
        let name = SegmentName { base: self.end.lsn, epoch: self.epoch };
        let header = SegmentHeader {
            id: self.id,
            name,
            salt: self.salts.salt(),
            prev_end: self.end.lsn,
            prev_chain: self.end.chain,
            created_ms: now_ms,
            len,
        };
        self.storage.roll(name, &header.to_page())?;
        self.segment = Some(Current { name, salt: header.salt, len, sealed: false });
        self.segments.write().expect("no panic under this lock").push(name);
        self.counters.segments += 1;
        self.write_super()
    }

    pub(super) fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Finishes the spare here and now, if no other thread has; its length.
    fn spare_made(&mut self, len: u64) -> Result<u64, JournalError> {
        loop {
            if let Some(len) = self.spare.step(len)? {
                assert!(len >= segment_len_min(), "a spare takes a header and a block");
                return Ok(len);
            }
        }
    }

    fn write(&mut self, block: &Block) -> Result<Lsn, JournalError> {
        if self.segment.as_ref().is_none_or(|current| current.sealed) {
            self.begin_segment(self.segment_len, block.now_ms)?;
        }
        let current = self.segment.as_mut().expect("begun above");
        let offset = current.name.offset_of(block.first_lsn);
        let padded = padded_len(block.body.len());
        assert!(offset + padded <= current.len, "the seal rule leaves room for any block");
        let sealed = current.len - (offset + padded) < BLOCK_LEN_MAX as u64;
        let header = BlockHeader {
            format: block.format,
            kind: block.kind,
            flags: if sealed { SEAL } else { 0 },
            shard: block.shard,
            record_count: block.record_count,
            body_len: block.body.len(),
            block_no: block.block_no,
            epoch: block.epoch,
            first_lsn: block.first_lsn,
            durable_lsn: if planted!("claims what is not synced") { self.end.lsn } else { self.synced.lsn },
            prev_chain: self.end.chain,
            now_ms: block.now_ms,
        };
        let header = header.encode(current.salt, &block.body);
        self.storage.store(offset, &header, &block.body)?;
        current.sealed = sealed;
        self.end = Tip { lsn: block.end_lsn(), chain: chain_of(&header, &block.body) };
        self.next_block_no = block.block_no.wrapping_add(1);
        if self.policy == SyncPolicy::Always || sealed || block.kind != BlockKind::Data {
            if planted!("sync tried again after EIO") {
                let _ = self.storage.sync();
            }
            if !planted!("no sync") {
                self.storage.sync()?;
            }
            self.synced = self.end;
            self.counters.syncs += 1;
        }
        if block.kind == BlockKind::CleanStop {
            self.write_super()?;
        }
        self.counters.commits += 1;
        self.counters.bytes += (BLOCK_HEADER_LEN + block.body.len()) as u64;
        self.counters.padded_bytes += padded;
        Ok(self.end.lsn)
    }

    /// Writes both supers, so that either will do.
    fn write_supers(&mut self) -> Result<(), JournalError> {
        let written = self.write_super().and_then(|()| self.write_super());
        written.inspect_err(|_| self.poisoned = true)
    }

    fn write_super(&mut self) -> Result<(), JournalError> {
        assert!(self.synced.lsn >= self.last_super.durable_lsn, "what was durable stays so");
        let next = Super {
            no: self.last_super.no + 1,
            epoch: self.epoch,
            durable_lsn: self.synced.lsn,
            chain: self.synced.chain,
            ..self.last_super.clone()
        };
        next.write(&mut self.storage)?;
        self.last_super = next;
        self.counters.supers += 1;
        Ok(())
    }
}

/// The shortest segment: its header, and room for any block.
pub(super) fn segment_len_min() -> u64 {
    (PAGE + BLOCK_LEN_MAX) as u64
}
