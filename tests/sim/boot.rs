//! Coming up again: recovery, with faults of its own, and what must hold after it.

use super::world::{Down, Flight, Home, Mail, Outbox, Process, World};
use creditd::clock::{Clock, ShardClock};
use creditd::journal::storage::{SegmentSource, Storage};
use creditd::journal::{
    BlockKind, Entry, JournalError, LogId, Lsn, Opened, PAGE, RecoveryOptions, SegmentName, SimStorage, SyncPolicy,
    recover,
};
use creditd::ledger::{Ledger, Limits, Seeds};
use creditd::shard::{Rebuild, Shard};

/// Of 100 boots, how many find a flipped bit.
const ROT_PERCENT: u64 = 20;

/// Faults in a row that boots may meet.
const BOOTS_AT_RISK: u32 = 4;

/// A shard's log, and the state that it gave.
type Recovered = (Opened<SimStorage>, Ledger);

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
        if proven == 0 {
            return;
        }
        let lsn = self.chance.below(proven);
        let disk = self.disks[usize::from(shard)].clone();
        let names = disk.file_names();
        let segment = names.iter().filter_map(|name| SegmentName::parse(name)).rfind(|segment| segment.base <= lsn);
        let segment = segment.expect("what was durable is in some segment");
        // Half of the bits fall on headers, of the segment or of the block: most of a page is padding.
        let offset =
            segment.offset_of(if self.chance.percent(50) { lsn / PAGE as u64 * PAGE as u64 + lsn % 96 } else { lsn });
        let offset = if self.chance.percent(10) { lsn % 96 } else { offset };
        let mut right = [0];
        disk.storage().source().read_at(segment, offset, &mut right).expect("a segment is read");
        disk.patch(&segment.to_string(), offset, &[right[0] ^ 1 << self.chance.below(8)]);
        match self.attempt(shard) {
            Ok((opened, ledger)) => {
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
        disk.patch(&segment.to_string(), offset, &right);
        disk.kill();
    }

    fn recover_shard(&mut self, shard: u16) -> Result<Recovered, Down> {
        let (opened, ledger) = self.attempt(shard).map_err(|error| self.down_of(&error))?;
        let end = opened.recovered.next_lsn;
        self.judge.recovered(shard, end, &ledger);
        self.trace.note(format_args!("recovered {shard} to {end}, epoch {}", opened.recovered.epoch));
        Ok((opened, ledger))
    }

    /// Reads a shard's log.
    fn attempt(&mut self, shard: u16) -> Result<Recovered, JournalError> {
        let limits = Limits {
            holds_per_account_max: self.knobs.holds_max,
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
        let mut records: Vec<(Lsn, Vec<u8>)> = Vec::new();
        let mut sink = |entry: Entry<'_>| {
            if let Entry::Record { lsn, bytes } = entry {
                records.push((lsn, bytes.to_vec()));
            }
            rebuild.take(entry)
        };
        let storage = self.disks[usize::from(shard)].storage();
        let opened = recover(storage, &options, &mut sink, &mut |_, _| {})?;
        self.chronicles[usize::from(shard)].recovered(0, records);
        Ok((opened, rebuild.into_ledger().expect("accounts add up")))
    }

    /// The process runs: on any number of cores, with time as the logs and the wall have it.
    fn install(&mut self, recovered: Vec<Recovered>) {
        assert!(
            !self.stopped_clean || recovered.iter().all(|(opened, _)| opened.recovered.clean),
            "it had stopped clean"
        );
        self.stopped_clean = false;
        let last_ms = recovered.iter().map(|(opened, _)| opened.recovered.last_now_ms).max().unwrap_or(0);
        let clock = ShardClock::start(&self.clock, last_ms);
        let now_ms = clock.now_ms(self.clock.boot_ns());
        let mut homes = Vec::new();
        for (shard, (opened, ledger)) in (0..).zip(recovered) {
            self.judge.take_back(&ledger, |account| self.knobs.shard(account) == shard);
            let (reader, window) = (opened.reader(), opened.reader().window());
            let Opened { committer, log, .. } = opened;
            let mut shard = Shard::new(shard, ledger, log, reader, now_ms, self.knobs.walk_max);
            shard.mark(BlockKind::Fence, now_ms);
            homes.push(Home { shard, committer, flight: Flight::None, away: Vec::new(), window });
        }
        let cores = 1 + self.chance.below(u64::from(self.knobs.cores_max)) as u16;
        let pairs = usize::from(cores * cores);
        let outboxes = (0..pairs).map(|_| Outbox::default()).collect();
        let mail = (0..pairs).map(|_| std::collections::VecDeque::<Mail>::new()).collect();
        self.process = Process { cores, clock: Some(clock), homes, outboxes, mail, audits: 0 };
        self.clients.connect(&mut self.chance, cores);
        self.counts.boots += 1;
        self.trace.note(format_args!("up at {now_ms} with {cores} cores"));
        for shard in 0..self.knobs.shards {
            self.audit(shard);
        }
    }
}
