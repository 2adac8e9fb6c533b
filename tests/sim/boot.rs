//! Coming up again: recovery, with faults of its own, and what must hold after it.

use super::world::{Down, Flight, Home, Mail, Outbox, Process, World};
use creditd::clock::{Clock, ShardClock};
use creditd::journal::{BlockKind, Entry, LogId, Lsn, Opened, RecoveryOptions, SimStorage, recover};
use creditd::ledger::invariants::check_trail;
use creditd::ledger::{Ledger, Limits, Seeds, codec};
use creditd::shard::{Rebuild, Shard};
use std::collections::BTreeMap;

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

    fn recover_shard(&mut self, shard: u16) -> Result<Recovered, Down> {
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
        let opened = recover(storage, &options, &mut sink, &mut |_, _| {}).map_err(|error| self.down_of(&error))?;
        check_trails(&records);
        let (ledger, end) = (rebuild.into_ledger(), opened.recovered.next_lsn);
        self.judge.recovered(shard, end, &ledger);
        self.trace.note(format_args!("recovered {shard} to {end}, epoch {}", opened.recovered.epoch));
        Ok((opened, ledger))
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
            let reader = opened.reader();
            let Opened { committer, log, .. } = opened;
            let mut shard = Shard::new(shard, ledger, log, reader, now_ms);
            shard.mark(BlockKind::Fence, now_ms);
            homes.push(Home { shard, committer, flight: Flight::None });
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

/// Judges the log of a shard by itself, account for account.
fn check_trails(records: &[(Lsn, Vec<u8>)]) {
    let mut trails = BTreeMap::<&[u8], Vec<_>>::new();
    for (lsn, bytes) in records {
        let event = codec::decode(bytes).expect("recovery decoded it before");
        trails.entry(event.account).or_default().push((*lsn, event));
    }
    for trail in trails.values() {
        check_trail(trail).unwrap_or_else(|violation| panic!("{violation}"));
    }
}
