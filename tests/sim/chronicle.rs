//! All that the log of a shard ever had and still counts, also what was trimmed: what a start reads must be the end of it.

use super::events::{Shown, events};
use creditd::journal::{Block, Log, Lsn};
use creditd::ledger::codec::{self, Record};
use creditd::ledger::event::{EntryId, Event};
use creditd::ledger::invariants::check_trail;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// One shard's records.
#[derive(Default)]
pub struct Chronicle {
    /// With the times of their blocks.
    records: BTreeMap<Lsn, (u64, Vec<u8>)>,
}

impl Chronicle {
    /// A block is given out for commit.
    pub fn block(&mut self, block: &Block) {
        self.records.extend(block.records().map(|(lsn, bytes)| (lsn, (block.now_ms(), bytes.to_vec()))));
    }

    /// A start has read the log from `begin` on, and found `tail`. Judges every account's whole trail.
    pub fn recovered(&mut self, begin: Lsn, tail: &[(Lsn, Vec<u8>)]) {
        let mut later = self.records.split_off(&begin);
        for (lsn, bytes) in tail {
            let before = later.remove(lsn).unwrap_or_else(|| panic!("nobody ever wrote the record at {lsn}"));
            assert_eq!(*bytes, before.1, "the record at {lsn} is another one");
            self.records.insert(*lsn, before);
        }
        for (account, trail) in self.trails() {
            check_trail(&trail).unwrap_or_else(|violation| panic!("{}: {violation}", account.escape_ascii()));
        }
    }

    /// Where the oldest record stands that is in memory.
    pub fn first_in(&self, log: &Log) -> Option<Lsn> {
        self.records.keys().copied().find(|lsn| log.record(*lsn).is_some())
    }

    /// Sequence of each account's first entry at or above `oldest`; of its next one, if it has none there.
    pub fn first_kept(&self, oldest: Lsn) -> BTreeMap<&[u8], u64> {
        let first = |trail: &[(Lsn, Event<'_>)]| 1 + trail.partition_point(|(lsn, _)| *lsn < oldest) as u64;
        self.trails().into_iter().map(|(account, trail)| (account, first(&trail))).collect()
    }

    /// The events of the records in a part of the log, if their ids are among `ids`.
    pub fn events(&self, part: Range<Lsn>, ids: RangeInclusive<EntryId>) -> impl DoubleEndedIterator<Item = Shown> {
        let id = |time_ms, seq| EntryId { time_ms, seq };
        let (start, end) = (*ids.start(), *ids.end());
        let may_be = move |lsn, now_ms| start <= id(now_ms, lsn + 1) && id(now_ms, lsn) <= end;
        let records = self.records.range(part).filter(move |(lsn, (now_ms, _))| may_be(**lsn, *now_ms));
        records.flat_map(|(lsn, (now_ms, bytes))| events(*now_ms, *lsn, bytes)).filter(move |(id, _)| ids.contains(id))
    }

    fn trails(&self) -> BTreeMap<&[u8], Vec<(Lsn, Event<'_>)>> {
        let mut trails = BTreeMap::<&[u8], Vec<_>>::new();
        for (lsn, (_, bytes)) in &self.records {
            if let Record::Entry(event) = codec::decode_any(bytes).expect("it was encoded") {
                trails.entry(event.account).or_default().push((*lsn, event));
            }
        }
        trails
    }
}
