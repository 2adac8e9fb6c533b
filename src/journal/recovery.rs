//! From the files of a shard to a log that goes on: replay, judge the tail, begin a new segment (journal.md 6).
//!
//! ```text
//!  supers -> headers -> replay every block: check, then hand its records to the sink
//!                         X = first place without a valid block
//!                         anything says durable_lsn > lsn(X)?  yes: refuse, nothing is changed
//!                                                              no: torn tail
//!  quarantine the tail -> new segment, epoch + 1, names end and chain -> truncate or remove the old one -> super
//! ```
//!
//! Every step can be interrupted and done again: the new segment's header closes the old one, and what was left to be
//! truncated or removed is found by the next start. Nothing is written before the whole log has been accepted.
//! Absent on purpose: what records mean (the sink knows), clocks, the FENCE (the caller marks it), snapshots.

use std::fmt::Write as _;

use super::block::{BlockKind, PAGE, Records, SEAL};
use super::chance::Chance;
use super::error::{Case, JournalError, Refusal};
use super::log::Log;
use super::reader::Reader;
use super::recent::Recent;
use super::scan::{Found, Rest, Scan, window};
use super::segment_header::SegmentHeader;
use super::storage::{PageBuf, SegmentFile, SegmentName, Storage};
use super::super_page::{self, Super};
use super::writer::{Committer, CommitterStart, SyncPolicy, Tip, segment_len_min};
use super::{LogId, Lsn};

/// Longest first segment of an epoch, in bytes: a start must not wait for 64 MiB of zeros.
pub const FIRST_SEGMENT_LEN_MAX: u64 = 4 << 20;

/// Progress is told every so many bytes.
const PROGRESS_STEP: u64 = 1 << 20;

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
    /// A block begins.
    Block {
        /// Position of its header.
        lsn: Lsn,
        /// Shard time of its newest record, in unix milliseconds.
        now_ms: u64,
    },
    /// A record of the block before.
    Record {
        /// Its position.
        lsn: Lsn,
        /// Its bytes, length and padding included.
        bytes: &'a [u8],
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

/// What recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Newest shard time in the log, in unix milliseconds; 0 for an empty log.
    pub last_now_ms: u64,
    /// Where the log goes on.
    pub next_lsn: Lsn,
    /// The epoch that begins.
    pub epoch: u64,
    /// The log ended with a CLEAN_STOP, or is new.
    pub clean: bool,
    /// The tail that was cut off.
    pub cut: Option<Cut>,
    /// Records replayed.
    pub records: u64,
    /// Blocks replayed.
    pub blocks: u64,
    /// The log was read past the page cache. False: warn that what was read may not be what is on the device.
    pub direct_io: bool,
}

/// A log ready to go. Mark a FENCE and commit it before anything else.
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

/// Receives the log; an error is an invariant broken (case 13).
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
        storage.settle(last.name)?;
    }
    let mut window = window();
    let headers = read_headers(&mut storage, &mut window, &files, options.id)?;
    let mut replay = Replay::new(options, &last_super, sink, progress);
    replay.total = files.iter().map(|file| file.len).sum();
    replay.check_extent(&headers)?;
    let mut tail = None;
    for (i, file) in files.iter().enumerate() {
        let mut scan = Scan::open(&mut storage, &mut window, *file, options.id)?;
        replay.segment(&mut scan, headers.get(i + 1))?;
        if i + 1 == files.len() {
            tail = replay.judge_tail(&mut scan)?;
        }
    }
    replay.check_super()?;
    drop(window);
    let (progress, total) = (&mut *replay.progress, replay.total);
    progress(total, total);
    replay.ended().open(storage, options, last_super, tail)
}

fn read_headers<S: Storage>(
    storage: &mut S,
    window: &mut PageBuf,
    files: &[SegmentFile],
    id: LogId,
) -> Result<Vec<SegmentHeader>, JournalError> {
    files.iter().map(|file| Ok(Scan::open(storage, window, *file, id)?.header)).collect()
}

/// Bytes that stand behind the log's end.
struct Tail {
    segment: SegmentName,
    offset: u64,
    len: u64,
}

/// A segment that was replayed.
struct Replayed {
    file: SegmentFile,
    end: Lsn,
    sealed: bool,
}

/// The walk over the log.
struct Replay<'a> {
    id: LogId,
    last_super: &'a Super,
    sink: Sink<'a>,
    progress: &'a mut dyn FnMut(u64, u64),
    /// Bytes of the segments before the one at hand, of which progress was told, and in all.
    done: u64,
    told: u64,
    total: u64,
    state: Ended,
    /// Epoch and number that the next block must have.
    epoch: u64,
    block_no: u32,
    super_met: bool,
}

/// What the walk leaves: all that is needed to go on.
struct Ended {
    tip: Tip,
    last_epoch: u64,
    last_kind: Option<BlockKind>,
    last_now_ms: u64,
    records: u64,
    blocks: u64,
    segments: Vec<Replayed>,
    recent: Recent,
}

impl<'a> Replay<'a> {
    fn new(
        options: &RecoveryOptions,
        last_super: &'a Super,
        sink: Sink<'a>,
        progress: &'a mut dyn FnMut(u64, u64),
    ) -> Self {
        Self {
            id: options.id,
            last_super,
            sink,
            progress,
            done: 0,
            told: 0,
            total: 0,
            state: Ended {
                tip: Tip { lsn: 0, chain: [0; 16] },
                last_epoch: last_super.epoch,
                last_kind: None,
                last_now_ms: 0,
                records: 0,
                blocks: 0,
                segments: Vec::new(),
                recent: Recent::new(options.recent_len),
            },
            epoch: 0,
            block_no: 0,
            super_met: false,
        }
    }

    /// The log's two ends, as far as headers and the super can tell (cases 6, 7).
    fn check_extent(&mut self, headers: &[SegmentHeader]) -> Result<(), JournalError> {
        let known = self.last_super;
        let Some((first, last)) = headers.first().zip(headers.last()) else {
            if known.epoch > 0 {
                let detail = format!("there is no segment, but the super knows epoch {}", known.epoch);
                return Err(self.refuse(Case::Lost, None, Some(known.durable_lsn), detail));
            }
            return Ok(());
        };
        if first.name.base != known.oldest_lsn {
            let detail =
                format!("the oldest segment begins at lsn {}, needed is {}", first.name.base, known.oldest_lsn);
            return Err(self.refuse(Case::Hole, Some((first.name, 0)), None, detail));
        }
        if last.name.epoch < known.epoch {
            let detail = format!("the newest segment is of epoch {}, the super of {}", last.name.epoch, known.epoch);
            return Err(self.refuse(Case::Lost, Some((last.name, 0)), None, detail));
        }
        self.state.tip = Tip { lsn: first.prev_end, chain: first.prev_chain };
        self.state.last_epoch = last.name.epoch;
        self.meet_super()
    }

    /// Replays one segment, to the end that its successor names or as far as blocks are valid.
    fn segment<S: Storage>(
        &mut self,
        scan: &mut Scan<'_, S>,
        next: Option<&SegmentHeader>,
    ) -> Result<(), JournalError> {
        let (name, header, file) = (scan.file.name, scan.header, scan.file);
        let tip = self.state.tip;
        if header.prev_end != header.name.base || header.prev_end != tip.lsn || header.prev_chain != tip.chain {
            let detail = format!("it continues at lsn {}, the log before it ends at lsn {}", header.prev_end, tip.lsn);
            return Err(self.refuse(Case::Hole, Some((name, 0)), None, detail));
        }
        if next.is_none() && file.len < header.len {
            let detail = format!("the file has {} bytes, it was made with {}", file.len, header.len);
            return Err(self.refuse(Case::Damaged, Some((name, file.len)), None, detail));
        }
        if self.epoch != name.epoch {
            (self.epoch, self.block_no) = (name.epoch, 0);
        }
        let mut sealed = false;
        while !sealed && next.is_none_or(|next| self.state.tip.lsn < next.prev_end) {
            let offset = name.offset_of(self.state.tip.lsn);
            match scan.block(offset)? {
                Some(found) if found.header.epoch >= name.epoch => {
                    self.block(name, offset, &found)?;
                    sealed = found.header.flags & SEAL != 0;
                }
                Some(_) | None => break,
            }
            self.tell(offset);
        }
        self.state.segments.push(Replayed { file, end: self.state.tip.lsn, sealed });
        self.done += file.len;
        next.map_or(Ok(()), |next| self.check_closed(name, sealed, next))
    }

    /// A segment that another follows must be whole, up to where that one begins (cases 4, 6).
    fn check_closed(&mut self, name: SegmentName, sealed: bool, next: &SegmentHeader) -> Result<(), JournalError> {
        let end = self.state.tip.lsn;
        let offset = name.offset_of(end);
        let (case, detail) = if end < next.prev_end && !sealed {
            (Case::Damaged, format!("no valid block here, but segment {} proves that there was one", next.name))
        } else if end != next.prev_end {
            (Case::Hole, format!("the log ends here, but segment {} continues at lsn {}", next.name, next.prev_end))
        } else if !sealed && next.name.epoch <= name.epoch {
            (Case::Hole, format!("not closed, though segment {} of the same epoch follows", next.name))
        } else {
            return Ok(());
        };
        Err(self.refuse(case, Some((name, offset)), Some(next.prev_end), detail))
    }

    /// Checks one block against its place (cases 5, 12, 13) and hands its records on.
    fn block(&mut self, name: SegmentName, offset: u64, found: &Found<'_>) -> Result<(), JournalError> {
        let (header, tip) = (&found.header, self.state.tip);
        let at = Some((name, offset));
        let altered = if header.epoch != name.epoch {
            Some(format!("a block of epoch {}", header.epoch))
        } else if header.first_lsn != tip.lsn {
            Some(format!("the block of lsn {} stands where lsn {} belongs", header.first_lsn, tip.lsn))
        } else if header.prev_chain != tip.chain {
            Some("the block does not name the one before it".to_owned())
        } else if header.block_no != self.block_no {
            Some(format!("block number {} where {} belongs", header.block_no, self.block_no))
        } else if header.durable_lsn > header.first_lsn {
            Some(format!("the block claims that lsn {} was durable before it", header.durable_lsn))
        } else {
            None
        };
        if let Some(detail) = altered {
            return Err(self.refuse(Case::Altered, at, None, detail));
        }
        if header.shard != self.id.shard {
            return Err(self.refuse(Case::Foreign, at, None, format!("a block of shard {}", header.shard)));
        }
        let mut records = Records::new(found.body, header.first_lsn);
        let count = records.by_ref().count();
        if !records.is_done() || count != usize::from(header.record_count) {
            let detail = format!("{count} of {} records can be told apart", header.record_count);
            return Err(self.refuse(Case::Invariant, at, None, detail));
        }
        self.feed(name, found)?;
        self.state.recent.push(header.first_lsn, found.body);
        self.state.tip = Tip { lsn: header.end_lsn(), chain: found.chain };
        self.state.last_kind = Some(header.kind);
        self.state.last_now_ms = self.state.last_now_ms.max(header.now_ms);
        self.state.records += count as u64;
        self.state.blocks += 1;
        self.block_no = self.block_no.wrapping_add(1);
        self.meet_super()
    }

    fn feed(&mut self, name: SegmentName, found: &Found<'_>) -> Result<(), JournalError> {
        let (lsn, now_ms) = (found.header.first_lsn, found.header.now_ms);
        let mut result = (self.sink)(Entry::Block { lsn, now_ms }).map_err(|what| (lsn, &[][..], what));
        for (lsn, bytes) in Records::new(found.body, lsn) {
            result = result.and_then(|()| (self.sink)(Entry::Record { lsn, bytes }).map_err(|what| (lsn, bytes, what)));
        }
        let Err((lsn, bytes, mut detail)) = result else { return Ok(()) };
        let _ = write!(detail, " at lsn {lsn}; record: ");
        for byte in bytes {
            let _ = write!(detail, "{byte:02x}");
        }
        Err(self.refuse(Case::Invariant, Some((name, name.offset_of(lsn))), None, detail))
    }

    /// What stands behind the last good block: nothing, a torn tail, or damaged data that was acknowledged (1 to 4).
    fn judge_tail<S: Storage>(&mut self, scan: &mut Scan<'_, S>) -> Result<Option<Tail>, JournalError> {
        let last = self.state.segments.last().expect("a segment was replayed");
        if last.sealed {
            return Ok(None);
        }
        let (segment, end) = (scan.file.name, self.state.tip.lsn);
        let offset = segment.offset_of(end);
        let Rest { garbage_len, proven_lsn } = scan.rest(offset)?;
        let by_super = self.last_super.durable_lsn;
        if proven_lsn.max(by_super) > end {
            let witness = if proven_lsn > end { "a later block" } else { "the super" };
            let found = if garbage_len == 0 { "zeros" } else { "no valid block" };
            let proven = proven_lsn.max(by_super);
            let detail = format!("{found} at lsn {end}, but {witness} says that all below lsn {proven} was on disk");
            return Err(self.refuse(Case::Damaged, Some((segment, offset)), Some(proven), detail));
        }
        Ok((garbage_len > 0).then_some(Tail { segment, offset, len: garbage_len }))
    }

    /// Where the super says the log was durable, the chain must be the one that it names (case 7).
    fn meet_super(&mut self) -> Result<(), JournalError> {
        if self.state.tip.lsn != self.last_super.durable_lsn {
            return Ok(());
        }
        self.super_met = true;
        if self.state.tip.chain == self.last_super.chain {
            return Ok(());
        }
        let detail = format!("the chain at lsn {} is not the one that the super names", self.state.tip.lsn);
        Err(self.refuse(Case::Lost, None, None, detail))
    }

    fn check_super(&self) -> Result<(), JournalError> {
        let (end, known) = (self.state.tip.lsn, self.last_super.durable_lsn);
        if self.super_met || self.last_super.epoch == 0 {
            return Ok(());
        }
        let detail = if end < known {
            format!("the log ends at lsn {end}, the super says that all below lsn {known} was on disk")
        } else {
            format!("no block ends at lsn {known}, where the super says that one does")
        };
        Err(self.refuse(Case::Lost, None, (end < known).then_some(known), detail))
    }

    fn tell(&mut self, offset: u64) {
        if self.done + offset >= self.told + PROGRESS_STEP {
            self.told = self.done + offset;
            (self.progress)(self.told, self.total);
        }
    }

    /// A refusal; with `lost_to`, everything from the end of the good blocks to there is lost.
    fn refuse(&self, case: Case, at: Option<(SegmentName, u64)>, lost_to: Option<Lsn>, detail: String) -> JournalError {
        let (segment, offset) = at.map_or((None, 0), |(name, offset)| (Some(name), offset));
        let lost = lost_to.map(|to| self.state.tip.lsn.min(to)..to).filter(|lost| !lost.is_empty());
        Box::new(Refusal { case, shard: Some(self.id.shard), segment, offset, lost, detail }).into()
    }

    fn ended(self) -> Ended {
        self.state
    }
}

impl Ended {
    /// Closes what was replayed and begins a new segment of a new epoch.
    fn open<S: Storage>(
        self,
        mut storage: S,
        options: &RecoveryOptions,
        last_super: Super,
        tail: Option<Tail>,
    ) -> Result<Opened<S>, JournalError> {
        let cut = tail.map(|tail| self.cut(&mut storage, tail)).transpose()?;
        let epoch = self.last_epoch.max(last_super.epoch) + 1;
        let direct_io = storage.direct_io();
        let is_empty = |segment: &Replayed| !segment.sealed && segment.end == segment.file.name.base;
        let kept = self.segments.iter().filter(|segment| !is_empty(segment)).map(|segment| segment.file.name);
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
            segments: kept.collect(),
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
