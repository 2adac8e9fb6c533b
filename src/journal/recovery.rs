//! From the files of a shard to a log that goes on: replay, judge the tail, begin a new segment (journal.md 6).
//!
//! ```text
//!  supers -> snapshot to the sink -> headers -> replay every block from its begin: check, then its records to the sink
//!                         X = first place without a valid block
//!                         anything says durable_lsn > lsn(X)?  yes: refuse, nothing is changed
//!                                                              no: torn tail
//!  quarantine the tail -> new segment, epoch + 1, names end and chain -> truncate or remove the old one -> super
//! ```
//!
//! Every step can be interrupted and done again: the new segment's header closes the old one, and what was left to be
//! truncated or removed is found by the next start. Nothing is written before the whole log has been accepted.
//! Segments before the snapshot's begin are not read, only their names are looked at. Those that the log has let go of,
//! but whose removal was interrupted, are removed.
//! Absent on purpose: what records and snapshots mean (the sink knows), clocks.

use std::fmt;

use super::block::{BlockKind, PAGE};
use super::chance::Chance;
use super::choice::{Choice, Loaded, start_of};
use super::error::JournalError;
use super::log::Log;
use super::reader::Reader;
use super::replay::{Ended, Replay, Replayed, Tail};
use super::scan::{Scan, window};
use super::segment_header::SegmentHeader;
use super::snapshot::SnapshotHead;
use super::storage::{PageBuf, SegmentFile, SegmentName, Storage, snapshot_name};
use super::super_page::{self, Super};
use super::writer::{Committer, CommitterStart, SyncPolicy, segment_len_min};
use super::{LogId, Lsn};

/// Longest first segment of an epoch, in bytes: a start must not wait for 64 MiB of zeros.
pub const FIRST_SEGMENT_LEN_MAX: u64 = 4 << 20;

/// How a log is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryOptions {
    /// Whose log.
    pub id: LogId,
    /// When a block counts as durable.
    pub policy: SyncPolicy,
    /// Length of segments in bytes: a multiple of 4096, at least 1 MiB + 4096.
    pub segment_len: u64,
    /// Seed of the segments' salts: unpredictable outside of tests.
    pub salt_seed: u64,
    /// Wall clock in unix milliseconds, for the new segment's header.
    pub now_ms: u64,
    /// How much of the newest blocks to keep in memory, in bytes: [`super::RECENT_LEN`] outside of tests.
    pub recent_len: usize,
}

/// What the sink is given, in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// Forget what came before, if anything did: a snapshot begins, or after one that was no good the log from its start.
    Fresh,
    /// A piece of a snapshot, before the part of the log that follows it.
    Part {
        /// What it holds; the sink knows.
        section: u8,
        /// How many items.
        count: u32,
        /// The items.
        bytes: &'a [u8],
    },
    /// A block begins.
    Block {
        /// Position of its header.
        lsn: Lsn,
        /// Shard time of its newest record, in unix milliseconds.
        now_ms: u64,
        /// Its records, one after the other; each of them follows as an entry.
        records: &'a [u8],
    },
    /// A record of the block before.
    Record {
        /// Its position.
        lsn: Lsn,
        /// Its bytes, length and padding included.
        bytes: &'a [u8],
    },
    /// That was all, and the log is whole.
    End {
        /// Where it ends.
        lsn: Lsn,
        /// The newest shard time that it tells, in unix milliseconds.
        now_ms: u64,
    },
}

/// A torn tail that was cut off (case 3): never proven acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// First position that was cut; the log goes on here.
    pub from: Lsn,
    /// End of what was cut.
    pub to: Lsn,
    /// Where it was cut.
    pub segment: SegmentName,
    /// Name of the copy in the quarantine directory.
    pub quarantine: String,
}

impl Cut {
    /// Bytes that were cut.
    pub fn bytes(&self) -> u64 {
        self.to - self.from
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, segment, quarantine } = self;
        let bytes = self.bytes();
        write!(
            f,
            "cut {bytes} bytes of segment {segment}, lsn {from}..{to}: not proven acknowledged (with `appendfsync no` \
             acknowledged records may be among them); kept in quarantine/{quarantine}"
        )
    }
}

/// The snapshot that the replay started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotUsed {
    /// The log was replayed from here.
    pub begin: Lsn,
    /// The log had reached this position when it was ended. Also its name.
    pub end: Lsn,
    /// Oldest position that something in it refers to.
    pub needed: Lsn,
    /// Shard time when it was begun, in unix milliseconds.
    pub created_ms: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

impl SnapshotUsed {
    fn of(loaded: Loaded) -> Self {
        let Loaded { file, head, end } = loaded;
        let SnapshotHead { created_ms, begin, .. } = head;
        Self { begin: begin.lsn, end: end.end, needed: end.needed, created_ms, bytes: file.len }
    }
}

/// A snapshot that was no good (case 8): the one before, or the log alone, did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSnapshot {
    /// The end that its name says.
    pub end: Lsn,
    /// What was found.
    pub why: String,
    /// Its name in the quarantine directory.
    pub quarantine: String,
}

impl fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot {} is bad: {}", snapshot_name(self.end), self.why)
    }
}

/// What recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Newest shard time in the log, in unix milliseconds; 0 for an empty log.
    pub last_now_ms: u64,
    /// Where the log goes on.
    pub next_lsn: Lsn,
    /// The epoch that begins.
    pub epoch: u64,
    /// The log ended with a CLEAN_STOP, or is new. False if no block stands behind the begin of the snapshot.
    pub clean: bool,
    /// The tail that was cut off.
    pub cut: Option<Cut>,
    /// The snapshot that the replay started from; without one it started at the log's beginning.
    pub snapshot: Option<SnapshotUsed>,
    /// Newer snapshots that were no good. They are in quarantine now.
    pub bad_snapshots: Vec<BadSnapshot>,
    /// Records replayed.
    pub records: u64,
    /// Blocks replayed.
    pub blocks: u64,
    /// Bytes of the log that were replayed.
    pub tail_bytes: u64,
    /// The log was read past the page cache. False: warn that what was read may not be what is on the device.
    pub direct_io: bool,
}

/// A log ready to go.
pub struct Opened<S: Storage> {
    /// Makes its blocks durable.
    pub committer: Committer<S>,
    /// Takes its records.
    pub log: Log,
    /// What was found.
    pub recovered: Recovered,
}

impl<S: Storage> Opened<S> {
    /// A reader of old records.
    pub fn reader(&self) -> Reader<S::Source> {
        self.committer.reader()
    }
}

/// Receives the log; an error is an invariant broken (case 13), or, for a piece of a snapshot, one that is no good.
pub type Sink<'a> = &'a mut dyn FnMut(Entry<'_>) -> Result<(), String>;

/// Replays the log of one shard into `sink` and makes it ready for more. `progress` gets bytes done and bytes in all.
///
/// # Errors
/// [`JournalError::Refused`] and [`JournalError::Format`] for every "refuse" of journal.md 6: nothing was changed.
/// Others if a file could not be read or written.
pub fn recover<S: Storage>(
    mut storage: S,
    options: &RecoveryOptions,
    sink: Sink<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Opened<S>, JournalError> {
    assert!(options.segment_len >= segment_len_min(), "a segment takes a header and a block");
    assert!(options.segment_len.is_multiple_of(PAGE as u64), "a segment is made of pages");
    let last_super = super_page::newest(&mut storage, options.id)?;
    let files = storage.segments()?;
    if let Some(last) = files.last() {
        // What is read from here on must be what stays, also if the last process died before its sync.
        if !planted!("recovery does not sync what it reads") {
            storage.settle(last.name)?;
        }
    }
    let choice = Choice::make(&mut storage, options, &last_super, &files, sink, progress)?;
    // Without a snapshot every segment counts that is here, also one that the log had let go of.
    let oldest = choice.loaded.map_or(0, |_| last_super.oldest_lsn);
    let (leftovers, kept) = files.split_at(files.partition_point(|file| file.name.base < oldest));
    let (before, files) = kept.split_at(start_of(kept, choice.begin()));
    let mut window = window();
    let headers = read_headers(&mut storage, &mut window, files, options.id)?;
    let mut replay = Replay::new(options, &last_super, choice.loaded, sink, progress);
    replay.check_extent(oldest, before, files)?;
    let mut tail = None;
    for (i, file) in files.iter().enumerate() {
        let mut scan = Scan::open(&mut storage, &mut window, *file, options.id)?;
        replay.segment(&mut scan, headers.get(i + 1))?;
        if i + 1 == files.len() {
            tail = replay.judge_tail(&mut scan)?;
        }
    }
    replay.check_super()?;
    replay.end()?;
    drop(window);
    let ended = replay.ended();
    for bad in &choice.bad {
        storage.set_snapshot_aside(bad.end)?;
    }
    for leftover in leftovers {
        storage.remove(leftover.name)?;
    }
    let before = before.iter().map(|file| file.name).collect();
    ended.open(storage, options, last_super, choice, before, tail)
}

fn read_headers<S: Storage>(
    storage: &mut S,
    window: &mut PageBuf,
    files: &[SegmentFile],
    id: LogId,
) -> Result<Vec<SegmentHeader>, JournalError> {
    files.iter().map(|file| Ok(Scan::open(storage, window, *file, id)?.header)).collect()
}

impl Ended {
    /// Closes what was replayed and begins a new segment of a new epoch.
    fn open<S: Storage>(
        self,
        mut storage: S,
        options: &RecoveryOptions,
        last_super: Super,
        choice: Choice,
        mut kept: Vec<SegmentName>,
        tail: Option<Tail>,
    ) -> Result<Opened<S>, JournalError> {
        let cut = tail.map(|tail| self.cut(&mut storage, tail)).transpose()?;
        let epoch = self.last_epoch.max(last_super.epoch) + u64::from(!planted!("old epoch goes on"));
        let direct_io = storage.direct_io();
        let is_empty = |segment: &Replayed| !segment.sealed && segment.end == segment.file.name.base;
        kept.extend(self.segments.iter().filter(|segment| !is_empty(segment)).map(|segment| segment.file.name));
        let mut committer = Committer::new(CommitterStart {
            storage,
            id: options.id,
            policy: options.policy,
            segment_len: options.segment_len,
            // The epoch keeps salts apart even if a seed comes twice.
            salts: Chance::new(options.salt_seed ^ epoch.rotate_left(32)),
            epoch,
            tip: self.tip,
            last_super,
            segments: kept,
        });
        committer.begin_segment(options.segment_len.min(FIRST_SEGMENT_LEN_MAX), options.now_ms)?;
        let storage = committer.storage_mut();
        for segment in self.segments.iter().filter(|segment| !segment.sealed) {
            let (name, needed) = (segment.file.name, segment.file.name.offset_of(segment.end));
            if is_empty(segment) {
                storage.remove(name)?;
            } else if segment.file.len > needed {
                storage.truncate(name, needed)?;
            }
        }
        storage.sync_dir()?;
        let log = Log::new(options.id.shard, epoch, self.tip.lsn, self.recent);
        let recovered = Recovered {
            last_now_ms: self.last_now_ms,
            next_lsn: self.tip.lsn,
            epoch,
            clean: self.last_kind.is_none_or(|kind| kind == BlockKind::CleanStop),
            cut,
            snapshot: choice.loaded.map(SnapshotUsed::of),
            tail_bytes: self.tip.lsn - choice.begin(),
            bad_snapshots: choice.bad,
            records: self.records,
            blocks: self.blocks,
            direct_io,
        };
        Ok(Opened { committer, log, recovered })
    }

    fn cut<S: Storage>(&self, storage: &mut S, tail: Tail) -> Result<Cut, JournalError> {
        let quarantine = storage.quarantine(tail.segment, tail.offset, tail.len)?;
        Ok(Cut { from: self.tip.lsn, to: self.tip.lsn + tail.len, segment: tail.segment, quarantine })
    }
}
