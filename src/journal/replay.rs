//! The walk of recovery: every block in its place, checked against the one before, its records handed on.
//!
//! Decides what the log is: whole, torn at its end, or damaged (the table in journal.md 6). Changes nothing.

use super::block::{BlockKind, Records, SEAL};
use super::choice::Loaded;
use super::error::{Case, JournalError, Refusal};
use super::place::{self, Place};
use super::recent::Recent;
use super::recovery::{Entry, RecoveryOptions, Sink};
use super::scan::{Found, Rest, Scan};
use super::segment_header::SegmentHeader;
use super::snapshot::Position;
use super::storage::{SegmentFile, SegmentName, Storage, snapshot_name};
use super::super_page::Super;
use super::writer::Tip;
use super::{LogId, Lsn};
use std::fmt::Write as _;

/// Progress is told every so many bytes.
const PROGRESS_STEP: u64 = 1 << 20;

/// Bytes that stand behind the log's end.
pub(super) struct Tail {
    pub(super) segment: SegmentName,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// A segment that was replayed.
pub(super) struct Replayed {
    pub(super) file: SegmentFile,
    pub(super) end: Lsn,
    pub(super) sealed: bool,
}

/// The walk over the log.
pub(super) struct Replay<'a> {
    id: LogId,
    last_super: &'a Super,
    /// What the sink was given before the log.
    loaded: Option<Loaded>,
    sink: Sink<'a>,
    progress: &'a mut dyn FnMut(u64, u64),
    /// Bytes of the snapshot and the segments before the one at hand, of which progress was told, and in all.
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
pub(super) struct Ended {
    pub(super) tip: Tip,
    pub(super) last_epoch: u64,
    pub(super) last_kind: Option<BlockKind>,
    pub(super) last_now_ms: u64,
    pub(super) records: u64,
    pub(super) blocks: u64,
    pub(super) segments: Vec<Replayed>,
    pub(super) recent: Recent,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        options: &RecoveryOptions,
        last_super: &'a Super,
        loaded: Option<Loaded>,
        sink: Sink<'a>,
        progress: &'a mut dyn FnMut(u64, u64),
    ) -> Self {
        let begin = loaded.map_or(Position::default(), |loaded| loaded.head.begin);
        let done = loaded.map_or(0, |loaded| loaded.file.len);
        Self {
            id: options.id,
            last_super,
            loaded,
            sink,
            progress,
            done,
            told: done,
            total: done,
            state: Ended {
                tip: Tip { lsn: begin.lsn, chain: begin.chain },
                last_epoch: last_super.epoch,
                // What stands before a snapshot's begin was not looked at.
                last_kind: loaded.map(|_| BlockKind::Data),
                last_now_ms: loaded.map_or(0, |loaded| loaded.end.now_ms),
                records: 0,
                blocks: 0,
                segments: Vec::new(),
                recent: Recent::new(options.recent_len),
            },
            epoch: begin.epoch,
            block_no: begin.block_no,
            super_met: false,
        }
    }

    /// The log's two ends, as far as names and the super can tell, and what lies before the begin of the replay, of
    /// which nothing else is looked at (cases 6, 7). The first segment must begin at `oldest`.
    pub(super) fn check_extent(
        &mut self,
        oldest: Lsn,
        before: &[SegmentFile],
        files: &[SegmentFile],
    ) -> Result<(), JournalError> {
        let known = self.last_super;
        self.total += files.iter().map(|file| file.len).sum::<u64>();
        let (Some(first), Some(last)) = (before.iter().chain(files).next(), files.last()) else {
            if known.epoch > 0 {
                let detail = format!("there is no segment, but the super knows epoch {}", known.epoch);
                return Err(self.refuse(Case::Lost, None, Some(known.durable_lsn), detail));
            }
            return Ok(());
        };
        if first.name.base != oldest {
            let detail = format!("the oldest segment begins at lsn {}, needed is {oldest}", first.name.base);
            return Err(self.refuse(Case::Hole, Some((first.name, 0)), None, detail));
        }
        for (file, next) in before.iter().zip(before.iter().chain(files).skip(1)) {
            if file.name.offset_of(next.name.base) > file.len {
                let (at, next) = (Some((file.name, file.len)), next.name);
                let detail = format!("the file ends here, but segment {next} continues at lsn {}", next.base);
                return Err(self.refuse(Case::Hole, at, None, detail));
            }
        }
        if last.name.epoch < known.epoch {
            let detail = format!("the newest segment is of epoch {}, the super of {}", last.name.epoch, known.epoch);
            return Err(self.refuse(Case::Lost, Some((last.name, 0)), None, detail));
        }
        self.state.last_epoch = last.name.epoch;
        self.meet_super()
    }

    /// Replays one segment, to the end that its successor names or as far as blocks are valid.
    pub(super) fn segment<S: Storage>(
        &mut self,
        scan: &mut Scan<'_, S>,
        next: Option<&SegmentHeader>,
    ) -> Result<(), JournalError> {
        let (name, header, file) = (scan.file.name, scan.header, scan.file);
        let tip = self.state.tip;
        // Where a snapshot begins inside of it, the first segment starts before the replay does.
        let is_entered = self.state.segments.is_empty() && tip.lsn > name.base;
        let before = Tip { lsn: header.prev_end, chain: header.prev_chain };
        if header.prev_end != name.base || (before != tip && !is_entered) {
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
        if is_entered {
            // The last block was not looked at if the snapshot begins behind it: a successor of its epoch needs a seal.
            sealed = next.is_some_and(|next| next.name.epoch == name.epoch && next.prev_end == tip.lsn);
            self.confirm(scan, next)?;
        }
        while !sealed && next.is_none_or(|next| self.state.tip.lsn < next.prev_end) {
            let offset = name.offset_of(self.state.tip.lsn);
            match scan.block(offset)? {
                Some(found) if found.header.epoch >= name.epoch || planted!("stale epoch taken") => {
                    self.block(name, offset, &found)?;
                    sealed = found.header.flags & SEAL != 0;
                }
                Some(_) | None => break,
            }
            self.tell(offset);
        }
        self.state.segments.push(Replayed { file, end: self.state.tip.lsn, sealed });
        self.done += file.len;
        next.map_or(Ok(()), |next| self.check_closed(file, sealed, next))
    }

    /// Where a snapshot begins inside a segment, the log must be the one that it was copied from. The block that follows
    /// or the next segment says so; if there is neither, the blocks before do (case 7).
    fn confirm<S: Storage>(
        &mut self,
        scan: &mut Scan<'_, S>,
        next: Option<&SegmentHeader>,
    ) -> Result<(), JournalError> {
        let (name, begin) = (scan.file.name, self.state.tip);
        if next.is_some_and(|next| next.prev_end == begin.lsn) || scan.block(name.offset_of(begin.lsn))?.is_some() {
            return Ok(());
        }
        let mut end = Tip { lsn: name.base, chain: scan.header.prev_chain };
        while end.lsn < begin.lsn {
            match scan.block(name.offset_of(end.lsn))? {
                Some(found) if found.header.epoch == name.epoch && found.header.first_lsn == end.lsn => {
                    end = Tip { lsn: found.header.end_lsn(), chain: found.chain };
                }
                _ => break,
            }
        }
        if end == begin {
            return Ok(());
        }
        self.state.tip = end;
        let at = (name, name.offset_of(end.lsn));
        let detail = format!("the log ends at lsn {}, {} begins at lsn {}", end.lsn, self.snapshot(), begin.lsn);
        Err(self.refuse(Case::Lost, Some(at), Some(begin.lsn), detail))
    }

    /// A segment that another follows must be whole, up to where that one begins (cases 4, 6).
    fn check_closed(&mut self, file: SegmentFile, sealed: bool, next: &SegmentHeader) -> Result<(), JournalError> {
        let (name, end) = (file.name, self.state.tip.lsn);
        let Some((case, detail)) = place::closing_fault(file, end, sealed, next.name) else { return Ok(()) };
        let offset = name.offset_of(end);
        Err(self.refuse(case, Some((name, offset)), Some(next.prev_end), detail))
    }

    /// Checks one block against its place (cases 5, 12, 13) and hands its records on.
    fn block(&mut self, name: SegmentName, offset: u64, found: &Found<'_>) -> Result<(), JournalError> {
        let header = &found.header;
        let place = Place { shard: self.id.shard, epoch: name.epoch, block_no: self.block_no, tip: self.state.tip };
        let count = place.judge(found).map_err(|(case, what)| self.refuse(case, Some((name, offset)), None, what))?;
        self.feed(name, found)?;
        self.state.recent.push(header.first_lsn, found.body);
        self.state.tip = Tip { lsn: header.end_lsn(), chain: found.chain };
        self.state.last_kind = Some(header.kind);
        self.state.last_now_ms = self.state.last_now_ms.max(header.now_ms);
        self.state.records += count;
        self.state.blocks += 1;
        self.block_no = self.block_no.wrapping_add(1);
        self.meet_super()
    }

    fn feed(&mut self, name: SegmentName, found: &Found<'_>) -> Result<(), JournalError> {
        let (lsn, now_ms) = (found.header.first_lsn, found.header.now_ms);
        let mut result =
            (self.sink)(Entry::Block { lsn, now_ms, records: found.body }).map_err(|what| (lsn, &[][..], what));
        for (lsn, bytes) in Records::new(found.body, lsn) {
            result = result.and_then(|()| (self.sink)(Entry::Record { lsn, bytes }).map_err(|what| (lsn, bytes, what)));
        }
        let Err((lsn, bytes, mut detail)) = result else { return Ok(()) };
        let _ = write!(detail, " at lsn {lsn}; record: ");
        for byte in bytes {
            let _ = write!(detail, "{byte:02x}");
        }
        Err(self.contradicts(Some((name, name.offset_of(lsn))), detail))
    }

    /// All is replayed: the sink says whether it makes sense as a whole (case 13).
    pub(super) fn end(&mut self) -> Result<(), JournalError> {
        let (lsn, now_ms) = (self.state.tip.lsn, self.state.last_now_ms);
        (self.sink)(Entry::End { lsn, now_ms })
            .map_err(|what| self.contradicts(None, format!("{what} at the log's end, lsn {lsn}")))
    }

    fn contradicts(&self, at: Option<(SegmentName, u64)>, mut detail: String) -> JournalError {
        if self.loaded.is_some() {
            let _ = write!(detail, "; replayed upon {}: moved away, it is done without", self.snapshot());
        }
        self.refuse(Case::Invariant, at, None, detail)
    }

    /// What stands behind the last good block: nothing, a torn tail, or damaged data that was acknowledged (1 to 4).
    pub(super) fn judge_tail<S: Storage>(&mut self, scan: &mut Scan<'_, S>) -> Result<Option<Tail>, JournalError> {
        let last = self.state.segments.last().expect("a segment was replayed");
        if last.sealed {
            return Ok(None);
        }
        let (segment, end) = (scan.file.name, self.state.tip.lsn);
        let offset = segment.offset_of(end);
        let Rest { garbage_len, proven_lsn } = scan.rest(offset)?;
        if planted!("zeros mean the end") && garbage_len == 0 {
            return Ok(None);
        }
        let by_super = self.last_super.durable_lsn;
        if proven_lsn.max(by_super) > end && !planted!("damage cut off as a torn tail") {
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

    pub(super) fn check_super(&self) -> Result<(), JournalError> {
        let (end, known) = (self.state.tip.lsn, self.last_super.durable_lsn);
        if self.super_met || self.last_super.epoch == 0 || planted!("super not asked for the end") {
            return Ok(());
        }
        let detail = if end < known {
            format!("the log ends at lsn {end}, the super says that all below lsn {known} was on disk")
        } else {
            format!("no block ends at lsn {known}, where the super says that one does")
        };
        Err(self.refuse(Case::Lost, None, (end < known).then_some(known), detail))
    }

    /// What to call the snapshot that was loaded.
    fn snapshot(&self) -> String {
        let name = self.loaded.map_or_else(String::new, |loaded| snapshot_name(loaded.file.end));
        format!("snapshot {name}")
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

    /// All of the log was read.
    pub(super) fn ended(self) -> Ended {
        (self.progress)(self.total, self.total);
        self.state
    }
}
