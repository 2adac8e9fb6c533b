//! The walk along one account's entries, newest first.
//!
//! ```text
//!   seq   1 ... 256 ......... 512 ......... 768 ... 1000 <- newest
//!               '<--skip_lsn--'<--skip_lsn--'               every record: prev_lsn, the one before
//! ```
//! From anywhere in a million entries to any other: some 4,000 skips and at most 511 single steps. Pure of where
//! records are: memory and files are the same walk over another [`Source`]. Bounded: it ends with [`Stop::TooLong`] after as
//! many records as it may touch. Absent on purpose: what is asked of the trail ([`super::question`]).

use super::Fault;
use crate::journal::storage::SegmentSource;
use crate::journal::{Log, ReadError, Window};
use crate::ledger::codec;
use crate::ledger::event::{Change, EntryId, EntryType, Event, SKIP_EVERY};
use crate::ledger::id::{Lsn, NO_LSN};
use std::ops::ControlFlow;

/// Gives records by their position.
pub(super) trait Source {
    /// The record at `lsn`, whole.
    fn record(&mut self, lsn: Lsn) -> Result<&[u8], Stop>;
}

/// Why a walk cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The record is not in memory.
    Elsewhere,
    /// The record is no longer kept.
    Gone,
    /// As many records as are allowed were touched.
    TooLong,
    /// The record cannot be read, or is none of this trail.
    Broken(Fault),
}

/// What is in a shard's memory: the newest records.
impl Source for &Log {
    fn record(&mut self, lsn: Lsn) -> Result<&[u8], Stop> {
        Log::record(self, lsn).ok_or(Stop::Elsewhere)
    }
}

/// What is in its files: durable records.
impl<R: SegmentSource> Source for &mut Window<R> {
    fn record(&mut self, lsn: Lsn) -> Result<&[u8], Stop> {
        Window::record(self, lsn).map_err(|error| match error {
            ReadError::Gone { .. } => Stop::Gone,
            source => Stop::Broken(Fault::Read { lsn, source }),
        })
    }
}

/// The event of the record at `lsn`.
pub(super) fn event_at(source: &mut impl Source, lsn: Lsn) -> Result<Event<'_>, Stop> {
    decode(lsn, source.record(lsn)?)
}

/// The event of a record that stands at `lsn`.
pub(super) fn decode(lsn: Lsn, record: &[u8]) -> Result<Event<'_>, Stop> {
    codec::decode(record).map_err(|source| Stop::Broken(Fault::Decode { lsn, source }))
}

/// What a walk needs of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) lsn: Lsn,
    pub(super) id: EntryId,
    pub(super) entry_type: EntryType,
    pub(super) balance: u64,
    pub(super) reserved: u64,
    prev_lsn: Lsn,
    skip_lsn: Lsn,
}

/// One account's entries.
pub(super) struct Trail<'a, S> {
    source: S,
    account: &'a [u8],
    /// Records that may still be touched.
    left: u64,
    /// The first entry that is kept, once the walk has come to where the trail is cut.
    starts: Option<EntryId>,
}

impl<'a, S: Source> Trail<'a, S> {
    /// The trail of `account`, of which at most `walk_max` records are touched.
    pub(super) fn new(source: S, account: &'a [u8], walk_max: u64) -> Self {
        Self { source, account, left: walk_max, starts: None }
    }

    /// The first entry that is kept, if the walk has met the place where older ones were cut off.
    pub(super) fn starts(&self) -> Option<EntryId> {
        self.starts
    }

    /// Where the records are.
    pub(super) fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// The entry at `lsn`.
    pub(super) fn entry(&mut self, lsn: Lsn) -> Result<Event<'_>, Stop> {
        self.left = self.left.checked_sub(1).ok_or(Stop::TooLong)?;
        let event = event_at(&mut self.source, lsn)?;
        if event.account == self.account { Ok(event) } else { Err(Stop::Broken(Fault::Foreign { lsn })) }
    }

    /// The entry at `lsn` as a step of the walk.
    pub(super) fn step(&mut self, lsn: Lsn) -> Result<Step, Stop> {
        let event = self.entry(lsn)?;
        let Event { balance, reserved, prev_lsn, skip_lsn, .. } = event;
        Ok(Step { lsn, id: event.id(), entry_type: event.entry_type(), balance, reserved, prev_lsn, skip_lsn })
    }

    /// The entry before `step`; `None` at the start of what is kept.
    pub(super) fn before(&mut self, step: &Step) -> Result<Option<Step>, Stop> {
        if step.prev_lsn == NO_LSN {
            return Ok(None);
        }
        match self.step(step.prev_lsn) {
            Ok(before) if before.id.seq + 1 == step.id.seq => Ok(Some(before)),
            Ok(_) => Err(Stop::Broken(Fault::Foreign { lsn: step.prev_lsn })),
            Err(Stop::Gone) => {
                self.starts = Some(step.id);
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// The newest entry that is not after `bound`, looked for from the one at `from` back. `passed` gets the one at
    /// `from` and every 256th that is after `bound`, newest first: from each the entries below it can be walked again.
    pub(super) fn seek(
        &mut self,
        from: Lsn,
        bound: EntryId,
        mut passed: impl FnMut(&Step),
    ) -> Result<Option<Step>, Stop> {
        if from == NO_LSN {
            return Ok(None);
        }
        let mut step = self.step(from)?;
        passed(&step);
        while step.id > bound {
            let far = match step.skip_lsn {
                NO_LSN => None,
                skip_lsn => match self.step(skip_lsn) {
                    Ok(far) => Some(far),
                    Err(Stop::Gone) => None,
                    Err(stop) => return Err(stop),
                },
            };
            step = match far.filter(|far| far.id > bound) {
                Some(far) => far,
                None => match self.before(&step)? {
                    Some(before) => before,
                    None => return Ok(None),
                },
            };
            if step.id > bound && step.id.seq.is_multiple_of(SKIP_EVERY) {
                passed(&step);
            }
        }
        Ok(Some(step))
    }

    /// Gives the entries after `bound`, up to the one at `from`, oldest first, until `each` breaks off. It also gets the
    /// source, for what an entry refers to.
    ///
    /// The chain runs backwards: goes back to `bound` and remembers the 256th entries on the way, then walks the
    /// stretches between them, each backwards into a buffer.
    pub(super) fn ascend(
        &mut self,
        from: Lsn,
        bound: EntryId,
        mut each: impl FnMut(&mut S, Lsn, &[u8]) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<(), Stop> {
        let mut tops = Vec::new();
        let mut below_seq = self.seek(from, bound, |step| tops.push(*step))?.map_or(0, |step| step.id.seq);
        let (mut records, mut places) = (Vec::new(), Vec::new());
        while let Some(top) = tops.pop() {
            let mut next = Some(top);
            while let Some(step) = next.filter(|step| step.id.seq > below_seq) {
                let start = records.len();
                records.extend_from_slice(self.source.record(step.lsn)?);
                places.push((step.lsn, start..records.len()));
                next = self.before(&step)?;
            }
            for (lsn, place) in places.drain(..).rev() {
                if each(&mut self.source, lsn, &records[place])?.is_break() {
                    return Ok(());
                }
            }
            records.clear();
            below_seq = top.id.seq;
        }
        Ok(())
    }

    /// Where the newest entry stands that decided or changed what the id `tx` answers, looked for from `from` back.
    pub(super) fn find(&mut self, from: Lsn, tx: &[u8]) -> Result<Option<Lsn>, Stop> {
        let mut lsn = from;
        while lsn != NO_LSN {
            let event = match self.entry(lsn) {
                Err(Stop::Gone) => return Ok(None),
                event => event?,
            };
            let refunds = matches!(event.change, Change::Refund { of, .. } if of == tx);
            if event.tx == tx || refunds {
                return Ok(Some(lsn));
            }
            lsn = event.prev_lsn;
        }
        Ok(None)
    }
}
