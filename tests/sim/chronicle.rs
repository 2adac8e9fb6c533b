//! All that the log of a shard ever had and still counts, also what was trimmed: what a start reads must be the end of it.

use creditd::journal::{Block, Log, Lsn};
use creditd::ledger::codec::{self, Record};
use creditd::ledger::event::Event;
use creditd::ledger::invariants::check_trail;
use std::collections::BTreeMap;

/// One shard's records.
#[derive(Default)]
pub struct Chronicle {
    records: BTreeMap<Lsn, Vec<u8>>,
}

impl Chronicle {
    /// A block is given out for commit.
    pub fn block(&mut self, block: &Block) {
        self.records.extend(block.records().map(|(lsn, bytes)| (lsn, bytes.to_vec())));
    }

    /// A start has read the log from `begin` on, and found `tail`. Judges every account's whole trail.
    pub fn recovered(&mut self, begin: Lsn, tail: &[(Lsn, Vec<u8>)]) {
        let later = self.records.split_off(&begin);
        for (lsn, bytes) in tail {
            let before = later.get(lsn).unwrap_or_else(|| panic!("nobody ever wrote the record at {lsn}"));
            assert_eq!(bytes, before, "the record at {lsn} is another one");
        }
        self.records.extend(tail.iter().cloned());
        for (account, trail) in self.trails(0) {
            check_trail(&trail).unwrap_or_else(|violation| panic!("{}: {violation}", account.escape_ascii()));
        }
    }

    /// Where the oldest record stands that is in memory.
    pub fn first_in(&self, log: &Log) -> Option<Lsn> {
        self.records.keys().copied().find(|lsn| log.record(*lsn).is_some())
    }

    /// Sequence of each account's first entry at or above `oldest`, for accounts that have one.
    pub fn first_kept(&self, oldest: Lsn) -> BTreeMap<Vec<u8>, u64> {
        let first = |trail: Vec<(Lsn, Event<'_>)>| trail.first().expect("an account has entries").1.seq;
        self.trails(oldest).into_iter().map(|(account, trail)| (account.to_vec(), first(trail))).collect()
    }

    fn trails(&self, oldest: Lsn) -> BTreeMap<&[u8], Vec<(Lsn, Event<'_>)>> {
        let mut trails = BTreeMap::<&[u8], Vec<_>>::new();
        for (lsn, bytes) in self.records.range(oldest..) {
            if let Record::Entry(event) = codec::decode_any(bytes).expect("it was encoded") {
                trails.entry(event.account).or_default().push((*lsn, event));
            }
        }
        trails
    }
}
