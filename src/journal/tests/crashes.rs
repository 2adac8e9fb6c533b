//! Power cuts at every step, also of recovery itself: what was acknowledged is there, the rest is a prefix, and a log
//! that only crashed is never refused.

use super::super::chance::Chance;
use super::super::storage::Spare;
use super::*;

/// What a client of the log knows.
struct Model {
    disk: SimDisk,
    chance: Chance,
    options: RecoveryOptions,
    /// All records that the log may hold, in order.
    history: Records,
    /// Below this, every one must be there.
    acknowledged: Lsn,
    serial: u64,
    /// Where the newest snapshot begins: after the next one, nothing below is needed.
    begin: Option<Lsn>,
    /// Starts from a snapshot, and segments that were let go of.
    used: u64,
    trimmed: usize,
    /// Hash of all that was seen.
    trace: u64,
}

impl Model {
    fn new(seed: u64, policy: SyncPolicy) -> Self {
        let segment_len = [(1 << 20) + 4096, (2 << 20) + 4096, (3 << 20) + 4096][(seed % 3) as usize];
        let options = RecoveryOptions { policy, segment_len, salt_seed: seed, ..options() };
        let (disk, chance) = (SimDisk::new(seed, ID), Chance::new(!seed));
        let (history, begin) = (Records::new(), None);
        Self { disk, chance, options, history, acknowledged: 0, serial: 0, begin, used: 0, trimmed: 0, trace: 0 }
    }

    /// Recovers, with up to three power cuts on the way, and checks what is there.
    fn open(&mut self) -> Opened<SimStorage> {
        for _ in 0..3 {
            if self.chance.percent(50) {
                let count = 1 + self.chance.below(12);
                self.disk.cut_power_after(count);
            }
            match open(self.disk.storage(), &self.options) {
                Ok((opened, seen)) => return self.checked(opened, seen),
                Err(error) => assert!(self.disk.is_off(), "a crash is never refused: {error}"),
            }
            self.disk.crash();
        }
        let (opened, seen) = open(self.disk.storage(), &self.options).expect("a crash is never refused");
        self.checked(opened, seen)
    }

    fn checked(&mut self, opened: Opened<SimStorage>, seen: Records) -> Opened<SimStorage> {
        assert!(seen.len() <= self.history.len(), "nothing is there that was not appended");
        assert_eq!(seen, self.history[..seen.len()], "what is there is a prefix");
        let missing = self.history.get(seen.len());
        assert!(missing.is_none_or(|(lsn, _)| *lsn >= self.acknowledged), "acknowledged, and gone: {missing:?}");
        assert!(opened.recovered.next_lsn >= self.acknowledged, "the log never gets shorter than acknowledged");
        assert_eq!(opened.recovered.bad_snapshots, [], "no power cut leaves a bad snapshot");
        self.begin = opened.recovered.snapshot.map(|snapshot| snapshot.begin);
        self.used += u64::from(self.begin.is_some());
        self.history = seen;
        self.acknowledged = opened.recovered.next_lsn;
        self.trace = self.trace.wrapping_mul(31).wrapping_add(opened.recovered.next_lsn ^ self.disk.changes());
        opened
    }

    /// Appends and commits until the power goes or `steps` are done.
    fn work(&mut self, opened: &mut Opened<SimStorage>, steps: u64) {
        for _ in 0..steps {
            let (count, len) = match self.chance.below(10) {
                0 => (250, 4096),
                _ => (self.chance.below(5), 16 + 8 * self.chance.below(64)),
            };
            for _ in 0..count {
                self.serial += 1;
                let bytes = record(len as usize, self.serial);
                self.history.push((put(&mut opened.log, &bytes), bytes));
            }
            if self.step(opened).is_err() {
                assert!(self.disk.is_off(), "only the power fails here");
                return;
            }
        }
    }

    /// Makes a snapshot beside traffic, then lets go of what the one before does not need.
    fn save(&mut self, opened: &mut Opened<SimStorage>, count: u64) -> Result<(), JournalError> {
        pump(opened)?;
        let serial = &mut self.serial;
        let begin = save(opened, ID, &mut self.history, |opened, history| {
            for _ in 0..count {
                *serial += 1;
                let bytes = record(64, *serial);
                history.push((put(&mut opened.log, &bytes), bytes));
                pump(opened)?;
            }
            Ok(())
        })?;
        self.acknowledged = opened.log.durable_lsn();
        if let Some(floor) = self.begin.replace(begin) {
            self.trimmed += trim(opened, floor)?;
        }
        Ok(())
    }

    fn step(&mut self, opened: &mut Opened<SimStorage>) -> Result<(), JournalError> {
        match self.chance.below(10) {
            0 => opened.committer.idle()?,
            1 if opened.committer.wants_spare() => {
                opened.committer.spare().step(self.options.segment_len)?;
            }
            2 => return Ok(()),
            3 => opened.log.mark(BlockKind::CleanStop, 1),
            4 => self.save(opened, 2)?,
            _ => {}
        }
        let result = pump(opened);
        if self.options.policy == SyncPolicy::Always {
            self.acknowledged = opened.log.durable_lsn();
        }
        result
    }
}

fn life(seed: u64, policy: SyncPolicy) -> Model {
    let mut model = Model::new(seed, policy);
    for _ in 0..6 {
        let mut opened = model.open();
        if model.chance.percent(80) {
            let count = 1 + model.chance.below(60);
            model.disk.cut_power_after(count);
        }
        model.work(&mut opened, 25);
        if model.chance.percent(50) {
            // A process that ends, even in the middle of a change, loses nothing that it stored, whatever the policy.
            model.acknowledged = opened.log.durable_lsn();
            model.disk.kill();
        } else {
            model.disk.crash();
        }
    }
    drop(model.open());
    model
}

#[test]
fn lives_with_crashes_lose_nothing_that_was_acknowledged() {
    let (mut used, mut trimmed) = (0, 0);
    for seed in 0..120 {
        let model = life(seed, SyncPolicy::Always);
        (used, trimmed) = (used + model.used, trimmed + model.trimmed);
    }
    assert!(used > 100 && trimmed > 20, "{used} starts from a snapshot, {trimmed} segments let go of");
}

#[test]
fn lives_without_syncs_lose_only_the_end() {
    for seed in 0..60 {
        life(seed, SyncPolicy::No);
    }
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let trace = |seed| life(seed, SyncPolicy::Always).trace;
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}

/// One fixed life with rolls, a spare, supers, snapshots, trims and a clean stop, cut at each of its changes in turn.
#[test]
fn every_change_can_be_the_last() {
    for dice in 0..3 {
        for count in 1.. {
            let mut model = Model::new(dice, SyncPolicy::Always);
            model.disk.cut_power_after(count);
            let survived = fixed_life(&mut model).is_ok();
            assert_ne!(survived, model.disk.is_off());
            if survived {
                assert!(count > 80 && model.trimmed > 0, "the whole life has {count} changes");
                break;
            }
            model.disk.crash();
            drop(model.open());
        }
    }
}

fn fixed_life(model: &mut Model) -> Result<(), JournalError> {
    let (mut opened, _) = open(model.disk.storage(), &model.options)?;
    for serial in 0..8 {
        for i in 0..if serial % 2 == 0 { 250 } else { 1 } {
            let bytes = record(4096, serial * 1_000 + i);
            model.history.push((put(&mut opened.log, &bytes), bytes));
        }
        while let Some(block) = opened.log.take() {
            let durable = opened.committer.commit(&block)?;
            opened.log.committed(durable);
            model.acknowledged = durable;
        }
        if opened.committer.wants_spare() {
            opened.committer.spare().step(model.options.segment_len)?;
        }
        opened.committer.idle()?;
        if serial % 2 == 1 {
            model.serial = 10_000 * serial;
            model.save(&mut opened, 1)?;
        }
    }
    opened.log.mark(BlockKind::CleanStop, 1);
    pump(&mut opened)?;
    model.acknowledged = opened.log.durable_lsn();
    Ok(())
}
