//! The walk over a log at rest: every block in its place, and on behind what is wrong.
//!
//! ```text
//!  segment -> block, block, [no valid block] ..... block -> next segment ... -> X, the end
//!                            fault, then the next valid one      anything says durable_lsn > X?  fault
//!                                                                else: a tail, noted and not judged
//! ```
//!
//! Recovery stops at the first fault and decides whether a server may start; this tells all of them. Both judge a block
//! by its place. A server may be writing: what is proven after X was read is looked at again before it is a fault.
//! Behind a gap the first valid block is taken at its word, since its predecessor is gone. Absent on purpose: what
//! records mean, any change to a file.

use std::ops::Range;

use super::at_rest::{RestingFile, RestingLog};
use super::block::{BlockHeader, BlockKind, Records, SEAL, padded_len};
use super::error::{Case, JournalError, Refusal};
use super::place::{Place, closing_fault};
use super::scan::{Found, Rest, Scan, window};
use super::segment_header::SegmentHeader;
use super::storage::{PageBuf, SegmentFile, SegmentName};
use super::writer::Tip;
use super::{Chain, Lsn};

/// Progress is told every so many bytes.
const PROGRESS_STEP: u64 = 1 << 20;

/// What the walk meets, in the order of the log.
#[derive(Debug)]
pub enum Sight<'a> {
    /// A segment begins.
    Segment(&'a SegmentHeader),
    /// A whole block.
    Block(BlockSeen<'a>),
    /// Something that must not be. What the blocks between hold is lost or in doubt.
    Fault(JournalError),
    /// So many more bytes of the files were walked.
    Passed(u64),
}

/// A block whose checksum is right.
#[derive(Debug)]
pub struct BlockSeen<'a> {
    /// Where it stands.
    pub segment: SegmentName,
    /// What it says.
    pub header: BlockHeader,
    /// What its successor must name.
    pub chain: Chain,
    body: &'a [u8],
}

impl<'a> BlockSeen<'a> {
    /// Byte in the segment where it starts.
    pub fn offset(&self) -> u64 {
        self.segment.offset_of(self.header.first_lsn)
    }

    /// The fault that the record at `lsn` is none, as `detail` says.
    pub fn no_record(&self, lsn: Lsn, detail: String) -> JournalError {
        let (shard, segment, offset) = (Some(self.header.shard), Some(self.segment), self.segment.offset_of(lsn));
        Box::new(Refusal { case: Case::Invariant, shard, segment, offset, lost: None, detail }).into()
    }

    /// Its records, one behind the other.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Its records with their positions, in order.
    pub fn records(&self) -> impl Iterator<Item = (Lsn, &'a [u8])> + use<'a> {
        Records::new(self.body, self.header.first_lsn)
    }
}

/// A position of the log and the chain there.
pub type Head = (Lsn, Chain);

/// Somebody who knows what the chain is at a position.
#[derive(Clone, Debug)]
pub struct Witness {
    /// How to call it in a fault.
    pub name: String,
    /// What it knows.
    pub head: Head,
}

/// Bytes behind the last valid block, which nothing proves to have been acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LooseEnd {
    /// Where they start.
    pub segment: SegmentName,
    /// Byte in the segment.
    pub offset: u64,
    /// How many, up to the last page that is not all zeros.
    pub len: u64,
}

/// What the walk found.
#[derive(Clone, Debug, Default)]
pub struct Surveyed {
    /// Where the log begins; later than 0 if older segments are gone.
    pub first_lsn: Lsn,
    /// Where it ends, and the chain there.
    pub end: Head,
    /// The newest position that is proven to be on disk, and the chain there.
    pub durable: Head,
    /// Kind of the last block.
    pub last_kind: Option<BlockKind>,
    /// What stands behind the end.
    pub loose_end: Option<LooseEnd>,
    /// Positions that no valid block covers.
    pub lost: Vec<Range<Lsn>>,
}

impl RestingLog {
    /// Walks the log, and tells where it is not what `witnesses` and the super know.
    pub fn survey(&self, witnesses: &[Witness], sink: &mut dyn FnMut(Sight<'_>)) -> Surveyed {
        let mut witnesses = witnesses.to_vec();
        let known = self.last_super.as_ref().filter(|known| known.epoch > 0);
        if let Some(known) = known {
            witnesses.push(Witness { name: "the super".to_owned(), head: (known.durable_lsn, known.chain) });
        }
        witnesses.sort_by_key(|witness| witness.head.0);
        let by_super = known.map_or(0, |known| known.durable_lsn);
        let (claims, found) = (Vec::new(), Surveyed::default());
        let mut survey =
            Survey { log: self, witnesses, by_super, sink, tip: None, epoch: 0, block_no: None, claims, found };
        survey.run();
        survey.found
    }
}

/// The state of the walk.
struct Survey<'a> {
    log: &'a RestingLog,
    /// Those not met yet, by position.
    witnesses: Vec<Witness>,
    /// The super says that all below it is on disk.
    by_super: Lsn,
    sink: &'a mut dyn FnMut(Sight<'_>),
    /// End of the log so far; `None` where the next segment has to say it.
    tip: Option<Tip>,
    epoch: u64,
    /// Number of the next block; `None` where that has to say it.
    block_no: Option<u32>,
    /// Ends of blocks that are not proven to be on disk yet.
    claims: Vec<Tip>,
    found: Surveyed,
}

impl Survey<'_> {
    fn run(&mut self) {
        self.check_extent();
        let (mut window, files) = (window(), &self.log.files);
        for (i, file) in files.iter().enumerate() {
            let next = files.get(i + 1).map(|next| next.name);
            if i == 0 {
                self.found.first_lsn = file.name.base;
            }
            if let Err(fault) = self.segment(&mut window, *file, next) {
                let from = self.tip.map_or(file.name.base, |tip| tip.lsn);
                let lost = next.map(|next| self.lose(from, next.base));
                self.unreadable(file.name, fault, lost);
                if next.is_some() {
                    (self.tip, self.block_no) = (None, None);
                }
            }
        }
        if let Some(tip) = self.tip {
            self.found.end = (tip.lsn, tip.chain);
        }
        self.meet(Lsn::MAX);
    }

    /// The log's two ends, as the names of its segments tell them (cases 6, 7).
    fn check_extent(&mut self) {
        let Some(known) = &self.log.last_super else { return };
        let names = self.log.files.first().zip(self.log.files.last()).map(|(first, last)| (first.name, last.name));
        let (case, segment, detail) = match names {
            None if known.epoch > 0 && known.durable_lsn == 0 => {
                (Case::Lost, None, format!("there is no segment, but the super knows epoch {}", known.epoch))
            }
            Some((first, _)) if first.base != known.oldest_lsn => {
                let detail = format!("the oldest segment begins at lsn {}, needed is {}", first.base, known.oldest_lsn);
                (Case::Hole, Some(first), detail)
            }
            Some((_, last)) if last.epoch < known.epoch => {
                let detail = format!("the newest segment is of epoch {}, the super of {}", last.epoch, known.epoch);
                (Case::Lost, Some(last), detail)
            }
            _ => return,
        };
        self.fault(case, segment.map(|segment| (segment, 0)), None, detail);
    }

    /// Walks one segment. An error is the fault that makes the rest of it unreadable.
    fn segment(
        &mut self,
        window: &mut PageBuf,
        file: SegmentFile,
        next: Option<SegmentName>,
    ) -> Result<(), JournalError> {
        let mut pages = RestingFile::open(self.log.path(file.name))?;
        let mut scan = Scan::open(&mut pages, window, file, self.log.id)?;
        let mut tip = self.enter(&scan.header, file, next.is_none());
        let (mut sealed, mut told) = (false, 0);
        while !sealed && next.is_none_or(|next| tip.lsn < next.base) {
            let offset = file.name.offset_of(tip.lsn);
            if offset - told >= PROGRESS_STEP {
                (self.sink)(Sight::Passed(offset - told));
                told = offset;
            }
            let (case, detail, lost_to) = match scan.block(offset) {
                Ok(Some(found)) if found.header.first_lsn == tip.lsn && found.header.epoch == self.epoch => {
                    tip = self.block(file.name, tip, &found);
                    sealed = found.header.flags & SEAL != 0;
                    continue;
                }
                Ok(Some(found)) => {
                    let place = self.place(tip, &found);
                    let (case, detail) = place.judge(&found).expect_err("it is not at home");
                    (case, detail, tip.lsn + padded_len(found.header.body_len))
                }
                Ok(None) => {
                    let Some((proven, witness)) = self.proof(&mut scan, tip, next)? else { break };
                    scan.look_again();
                    if scan.block(offset)?.is_some() {
                        continue; // A running server wrote it meanwhile.
                    }
                    (Case::Damaged, format!("no valid block here, but {witness}"), proven)
                }
                Err(JournalError::Format { what, found, known }) => {
                    (self.sink)(Sight::Fault(JournalError::Format { what, found, known }));
                    (Case::Damaged, "what the block holds is unknown".to_owned(), tip.lsn)
                }
                Err(fault) => return Err(fault),
            };
            let behind = scan.next_block(offset)?.filter(|block| next.is_none_or(|next| block.first_lsn < next.base));
            let lost_to = behind.map(|block| block.first_lsn).or(next.map(|next| next.base)).unwrap_or(lost_to);
            let lost = self.lose(tip.lsn, lost_to);
            self.fault(case, Some((file.name, offset)), Some(lost), detail);
            let Some(block) = behind else {
                self.tip = next.is_none().then_some(tip);
                self.block_no = None;
                break;
            };
            self.block_no = Some(block.block_no);
            tip = Tip { lsn: block.first_lsn, chain: block.prev_chain };
            self.advance(tip);
        }
        (self.sink)(Sight::Passed(file.len - told));
        if let Some((tip, next)) = self.tip.zip(next)
            && let Some((case, detail)) = closing_fault(file, tip.lsn, sealed, next)
        {
            let lost = self.lose(tip.lsn, next.base);
            self.fault(case, Some((file.name, file.name.offset_of(tip.lsn))), Some(lost), detail);
            (self.tip, self.block_no) = (None, None);
        }
        Ok(())
    }

    /// Compares a segment's header with the log before it (cases 4, 6). Gives where the header says that the log is.
    fn enter(&mut self, header: &SegmentHeader, file: SegmentFile, is_last: bool) -> Tip {
        (self.sink)(Sight::Segment(header));
        let (name, tip) = (header.name, Tip { lsn: header.name.base, chain: header.prev_chain });
        if header.prev_end != name.base || self.tip.is_some_and(|before| before != tip) {
            let end = self.tip.unwrap_or(tip).lsn;
            let detail = format!("it continues at lsn {}, the log before it ends at lsn {end}", header.prev_end);
            self.fault(Case::Hole, Some((name, 0)), None, detail);
        }
        // A closed segment may have been cut down to its blocks; the current one of the newest epoch never is.
        let is_current = is_last && self.log.last_super.as_ref().is_some_and(|known| known.epoch == name.epoch);
        if is_current && file.len < header.len {
            let detail = format!("the file has {} bytes, it was made with {}", file.len, header.len);
            self.fault(Case::Damaged, Some((name, file.len)), None, detail);
        }
        if self.tip.is_some() && self.epoch != name.epoch {
            self.block_no = Some(0);
        }
        self.epoch = name.epoch;
        self.claims.clear();
        self.found.durable = (tip.lsn, tip.chain);
        self.advance(tip);
        tip
    }

    /// Judges a block that stands where it says, and tells of it. Gives where it ends.
    fn block(&mut self, segment: SegmentName, tip: Tip, found: &Found<'_>) -> Tip {
        let header = found.header;
        if let Err((case, detail)) = self.place(tip, found).judge(found) {
            self.fault(case, Some((segment, segment.offset_of(tip.lsn))), None, detail);
        }
        let durable = self.claims.partition_point(|claim| claim.lsn <= header.durable_lsn);
        if let Some(claim) = self.claims.drain(..durable).next_back() {
            self.found.durable = (claim.lsn, claim.chain);
        }
        (self.sink)(Sight::Block(BlockSeen { segment, header, chain: found.chain, body: found.body }));
        self.found.last_kind = Some(header.kind);
        self.block_no = Some(header.block_no.wrapping_add(1));
        let end = Tip { lsn: header.end_lsn(), chain: found.chain };
        self.claims.push(end);
        self.advance(end);
        end
    }

    fn place(&self, tip: Tip, found: &Found<'_>) -> Place {
        let block_no = self.block_no.unwrap_or(found.header.block_no);
        Place { shard: self.log.id.shard, epoch: self.epoch, block_no, tip }
    }

    /// What proves that there was a block at `tip`: up to where, and in words. Else the log ends there (cases 1 to 4).
    fn proof(
        &mut self,
        scan: &mut Scan<'_, RestingFile>,
        tip: Tip,
        next: Option<SegmentName>,
    ) -> Result<Option<(Lsn, String)>, JournalError> {
        if let Some(next) = next {
            return Ok(Some((next.base, format!("segment {next} proves that there was one"))));
        }
        let segment = scan.file.name;
        let offset = segment.offset_of(tip.lsn);
        let Rest { garbage_len, proven_lsn } = scan.rest(offset)?;
        let proven = proven_lsn.max(self.by_super);
        if proven > tip.lsn {
            let witness = if proven_lsn > tip.lsn { "a later block" } else { "the super" };
            return Ok(Some((proven, format!("{witness} says that all below lsn {proven} was on disk"))));
        }
        self.found.loose_end = (garbage_len > 0).then_some(LooseEnd { segment, offset, len: garbage_len });
        Ok(None)
    }

    /// The log is known up to `tip`.
    fn advance(&mut self, tip: Tip) {
        self.tip = Some(tip);
        if self.by_super == tip.lsn {
            self.found.durable = (tip.lsn, tip.chain);
        }
        if self.witnesses.first().is_some_and(|witness| witness.head.0 <= tip.lsn) {
            self.meet(tip.lsn);
        }
    }

    /// Compares the log with the witnesses up to `lsn` (case 7).
    fn meet(&mut self, lsn: Lsn) {
        let here = self.witnesses.partition_point(|witness| witness.head.0 <= lsn);
        for Witness { name, head: (at, chain) } in self.witnesses.drain(..here).collect::<Vec<_>>() {
            let (case, lost, detail) = match self.tip {
                None if at == 0 => continue,
                _ if self.found.lost.iter().any(|lost| lost.start < at && at <= lost.end) => continue,
                Some(tip) if tip.lsn == at && tip.chain == chain => continue,
                Some(tip) if tip.lsn == at => {
                    (Case::Altered, None, format!("the chain at lsn {at} is not the one that {name} names"))
                }
                Some(tip) if tip.lsn < at => {
                    let detail =
                        format!("the log ends at lsn {}, {name} says that all below lsn {at} was on disk", tip.lsn);
                    (Case::Lost, Some(tip.lsn..at), detail)
                }
                _ if at < self.found.first_lsn => {
                    let first = self.found.first_lsn;
                    (
                        Case::Lost,
                        Some(at..first),
                        format!("{name} names lsn {at}, the log that is here begins at lsn {first}"),
                    )
                }
                _ => (Case::Altered, None, format!("no block ends at lsn {at}, where {name} says that one does")),
            };
            self.fault(case, None, lost, detail);
        }
    }

    /// Notes that no valid block covers these positions.
    fn lose(&mut self, from: Lsn, to: Lsn) -> Range<Lsn> {
        let lost = from..to.max(from);
        self.found.lost.push(lost.clone());
        lost
    }

    /// The rest of the segment cannot be read.
    fn unreadable(&mut self, segment: SegmentName, fault: JournalError, lost: Option<Range<Lsn>>) {
        match fault {
            JournalError::Refused(mut refusal) => {
                refusal.lost = lost;
                (self.sink)(Sight::Fault(refusal.into()));
            }
            fault => self.fault(Case::Unreadable, Some((segment, 0)), lost, fault.to_string()),
        }
    }

    fn fault(&mut self, case: Case, at: Option<(SegmentName, u64)>, lost: Option<Range<Lsn>>, detail: String) {
        let (segment, offset) = at.map_or((None, 0), |(name, offset)| (Some(name), offset));
        let lost = lost.filter(|lost| !lost.is_empty());
        let refusal = Refusal { case, shard: Some(self.log.id.shard), segment, offset, lost, detail };
        (self.sink)(Sight::Fault(Box::new(refusal).into()));
    }
}
