//! Coming up again: recovery, with faults of its own, and what must hold after it.

use super::world::{Down, Flight, Home, Mail, Outbox, Process, World};
use creditd::clock::{Clock, ShardClock};
use creditd::journal::error::Case;
use creditd::journal::storage::{SegmentSource, SnapshotFile, Storage, snapshot_name};
use creditd::journal::{
    Entry, JournalError, LogId, Lsn, Opened, PAGE, RecoveryOptions, SegmentName, SimDisk, SimStorage, SyncPolicy,
    recover,
};
use creditd::ledger::{Ledger, Limits, Seeds};
use creditd::shard::{Patience, Rebuild, Shard};

/// Of 100 boots, how many find a flipped bit.
const ROT_PERCENT: u64 = 30;

/// Faults in a row that boots may meet.
const BOOTS_AT_RISK: u32 = 4;

/// A shard's log, and the state that it gave.
struct Recovered {
    opened: Opened<SimStorage>,
    ledger: Ledger,
    /// The records that were read.
    tail: Vec<(Lsn, Vec<u8>)>,
}

/// Whose log a disk holds.
pub fn log_id(shard: u16) -> LogId {
    LogId { instance: [7; 16], shard }
}

impl World {
    /// Recovers all shards and starts a process, however many attempts that takes.
    pub fn boot(&mut self) {
        if self.knobs.policy == SyncPolicy::Always && self.chance.percent(ROT_PERCENT) {
            self.rot();
        }
        for attempt in 0.. {
            if attempt < BOOTS_AT_RISK && self.chance.percent(self.knobs.boot_risk_percent) {
                self.endanger();
            } else {
                self.calm();
            }
            match self.recover_all() {
                Ok(recovered) => return self.install(recovered),
                Err(down) => {
                    self.counts.nested += 1;
                    self.go_down(down);
                }
            }
            assert!(attempt < BOOTS_AT_RISK, "without a fault a boot succeeds");
        }
    }

    fn recover_all(&mut self) -> Result<Vec<Recovered>, Down> {
        (0..self.knobs.shards).map(|shard| self.recover_shard(shard)).collect()
    }

    /// One bit of what was durable is wrong: the start is refused, or the bit meant nothing. Then it is right again.
    fn rot(&mut self) {
        let shard = self.chance.below(u64::from(self.knobs.shards)) as u16;
        let proven = self.judge.proven(shard);
        if self.chance.percent(50) && self.rot_snapshot(shard) || proven == 0 {
            return;
        }
        let lsn = self.chance.below(proven);
        let disk = self.disks[usize::from(shard)].clone();
        let names = disk.file_names();
        let segment = names.iter().filter_map(|name| SegmentName::parse(name)).rfind(|segment| segment.base <= lsn);
        let Some(segment) = segment else { return };
        // Half of the bits fall on headers, of the segment or of the block: most of a page is padding.
        let offset =
            segment.offset_of(if self.chance.percent(50) { lsn / PAGE as u64 * PAGE as u64 + lsn % 96 } else { lsn });
        let offset = if self.chance.percent(10) { lsn % 96 } else { offset };
        let mut right = [0];
        disk.storage().source().read_at(segment, offset, &mut right).expect("a segment is read");
        disk.patch(&segment.to_string(), offset, &[right[0] ^ 1 << self.chance.below(8)]);
        match self.attempt(&disk, shard) {
            Ok(Recovered { opened, ledger, .. }) => {
                self.judge.recovered(shard, opened.recovered.next_lsn, &ledger);
                self.counts.rot_harmless += 1;
            }
            Err(JournalError::Refused(refusal)) => {
                self.trace.note(format_args!("{refusal}"));
                self.counts.rot_refused += 1;
            }
            Err(JournalError::Format { .. }) => self.counts.rot_refused += 1,
            Err(error) => panic!("a flipped bit is refused, not {error}"),
        }
        // What an interrupted trim had left may have been removed by the start.
        if disk.file_names().contains(&segment.to_string()) {
            disk.patch(&segment.to_string(), offset, &right);
        }
        disk.kill();
    }

    /// One bit of a snapshot is wrong: the start goes another way, to the same state. `false`: there is no snapshot.
    fn rot_snapshot(&mut self, shard: u16) -> bool {
        let disk = self.disks[usize::from(shard)].copy();
        let snapshots = disk.storage().snapshots().expect("the names are read");
        let Some(newest) = snapshots.last() else { return false };
        let SnapshotFile { end, len } = if self.chance.percent(70) {
            *newest
        } else {
            snapshots[self.chance.below(snapshots.len() as u64) as usize]
        };
        let whole = disk.copy();
        let (name, offset) = (snapshot_name(end), self.chance.below(len));
        let offset = if self.chance.percent(30) { offset % 160 } else { offset };
        let right = disk.contents(&name, offset, 1)[0];
        disk.patch(&name, offset, &[right ^ 1 << self.chance.below(8)]);
        self.trace.note(format_args!("rot {shard} {name} {offset}"));
        match self.attempt(&disk, shard) {
            Ok(found) => {
                let whole = self.attempt(&whole, shard).expect("nothing is wrong with this one");
                check_same(whole, found);
                self.counts.rot_snapshots += 1;
            }
            Err(JournalError::Refused(refusal)) if refusal.case == Case::Snapshots => {
                assert_eq!(snapshots.len(), 1, "another snapshot is there: {refusal}");
            }
            Err(error) => panic!("a start without a snapshot: {error}"),
        }
        true
    }

    fn recover_shard(&mut self, shard: u16) -> Result<Recovered, Down> {
        let disk = self.disks[usize::from(shard)].clone();
        let before = disk.copy();
        let found = self.attempt(&disk, shard).map_err(|error| self.down_of(&error))?;
        let (recovered, end) = (&found.opened.recovered, found.opened.recovered.next_lsn);
        assert!(recovered.bad_snapshots.is_empty(), "{:?}", recovered.bad_snapshots);
        self.judge.recovered(shard, end, &found.ledger);
        self.chronicles[usize::from(shard)].recovered(recovered.snapshot.map_or(0, |used| used.begin), &found.tail);
        self.trace.note(format_args!("recovered {shard} to {end}, epoch {}", recovered.epoch));
        if self.chance.percent(50) {
            return Ok(self.recover_otherwise(shard, &before, found));
        }
        Ok(found)
    }

    /// The same log, read from an older snapshot or from its start, gives the same state.
    fn recover_otherwise(&mut self, shard: u16, disk: &SimDisk, found: Recovered) -> Recovered {
        disk.kill();
        disk.set_full(false);
        disk.fail_syncs(0);
        let snapshots = disk.storage().snapshots().expect("the names are read");
        let gone = if self.chance.percent(50) { 1 } else { snapshots.len() };
        for snapshot in snapshots.iter().rev().take(gone) {
            disk.delete(&snapshot_name(snapshot.end));
        }
        let is_whole = found.opened.reader().oldest_lsn() == 0;
        match self.attempt(disk, shard) {
            Ok(other) => check_same(found, other),
            Err(JournalError::Refused(refusal)) if refusal.case == Case::Snapshots => {
                assert!(!is_whole && gone >= snapshots.len(), "{refusal}");
                found
            }
            Err(error) => panic!("a start without the newest snapshot: {error}"),
        }
    }

    /// Reads a shard's log.
    fn attempt(&mut self, disk: &SimDisk, shard: u16) -> Result<Recovered, JournalError> {
        let limits = Limits {
            holds_per_account_max: self.knobs.holds_max,
            leads_max: 1_000,
            lead_slots_max: 100_000,
            accounts_max: 1_000,
            tx_index_bytes_max: 1 << 24,
            tx_retention_ms: self.knobs.retention_ms,
        };
        let options = RecoveryOptions {
            id: log_id(shard),
            policy: self.knobs.policy,
            segment_len: self.knobs.segment_len,
            salt_seed: self.chance.number(),
            now_ms: self.clock.wall_ms(),
            recent_len: self.knobs.recent_len,
        };
        let mut rebuild = Rebuild::new(limits, Seeds { index_key: [11, 13], map_seed: u64::from(shard) });
        let mut tail: Vec<(Lsn, Vec<u8>)> = Vec::new();
        let mut sink = |entry: Entry<'_>| {
            if let Entry::Record { lsn, bytes } = entry {
                tail.push((lsn, bytes.to_vec()));
            }
            rebuild.take(entry)
        };
        let opened = recover(disk.storage(), &options, &mut sink, &mut |_, _| {})?;
        let ledger = rebuild.into_ledger();
        self.counts.from_snapshot += u64::from(opened.recovered.snapshot.is_some());
        Ok(Recovered { opened, ledger, tail })
    }

    /// The process runs: on any number of cores, with time as the logs and the wall have it.
    fn install(&mut self, recovered: Vec<Recovered>) {
        for shard in self.stopped_clean.drain(..) {
            assert!(recovered[usize::from(shard)].opened.recovered.clean, "shard {shard} had stopped clean");
        }
        let last_ms = recovered.iter().map(|found| found.opened.recovered.last_now_ms).max().unwrap_or(0);
        let clock = ShardClock::start(&self.clock, last_ms);
        let now_ms = clock.now_ms(self.clock.boot_ns());
        let mut homes = Vec::new();
        let patience = Patience { walk_max: self.knobs.walk_max, claim_timeout_ms: self.knobs.claim_timeout_ms };
        for (shard, Recovered { opened, ledger, .. }) in (0..).zip(recovered) {
            self.judge.take_back(&ledger, |name| self.knobs.shard(name) == shard);
            let (reader, window, blocks) = (opened.reader(), opened.reader().window(), opened.reader().blocks());
            let Opened { committer, log, recovered } = opened;
            let snapshots = recovered.snapshot.iter().map(|used| used.begin.min(used.needed)).collect();
            let shard = Shard::new(shard, ledger, log, reader, now_ms, patience);
            let (flight, saving, away) = (Flight::None, None, Vec::new());
            homes.push(Home { shard, committer, flight, saving, snapshots, away, window, blocks });
        }
        let cores = 1 + self.chance.below(u64::from(self.knobs.cores_max)) as u16;
        let pairs = usize::from(cores * cores);
        let outboxes = (0..pairs).map(|_| Outbox::default()).collect();
        let mail = (0..pairs).map(|_| std::collections::VecDeque::<Mail>::new()).collect();
        self.judge.check_claims(false);
        self.process = Process { cores, clock: Some(clock), homes, outboxes, mail, ..Process::default() };
        self.clients.connect(&mut self.chance, cores);
        self.counts.boots += 1;
        self.trace.note(format_args!("up at {now_ms} with {cores} cores"));
        for shard in 0..self.knobs.shards {
            self.cut_trails(shard);
            self.audit(shard);
        }
    }
}

/// Two ways to the end of one log have led to the same state, also in what is forgotten. Returns the first.
fn check_same(one: Recovered, other: Recovered) -> Recovered {
    assert_eq!(one.opened.recovered.next_lsn, other.opened.recovered.next_lsn, "both read the log to its end");
    assert_eq!(one.ledger.floor(), other.ledger.floor(), "both know the same ids");
    assert_eq!(one.ledger.digest(), other.ledger.digest(), "a snapshot and the log say the same");
    one
}
