//! One world: its dice, its clock, its disks; and the order in which things happen in it.

use super::boot::log_id;
use super::chronicle::Chronicle;
use super::clients::Clients;
use super::consumers::Consumer;
use super::counts::{Counts, Life};
use super::judge::Judge;
use super::knobs::{Action, Knobs};
use super::saving::Saving;
use super::steps::Post;
use super::trace::Trace;
use creditd::clock::{Clock, ManualClock, ShardClock};
use creditd::journal::chance::Chance;
use creditd::journal::{
    Block, BlockKind, BlockReader, Committer, JournalError, Lsn, SimDisk, SimStorage, SyncPolicy, Window,
};
use creditd::ledger::credits::TTL_MS_MAX;
use creditd::shard::batch::{Batch, Reply};
use creditd::shard::errand::Errand;
use creditd::shard::{Admission, Shard};
use std::collections::VecDeque;
use std::sync::Arc;

/// Where the wall clock starts, unix milliseconds.
const START_MS: u64 = 1_790_000_000_000;

/// Steps after which a fault that nothing has met is followed by a crash.
const PATIENCE: u64 = 300;

/// Everything.
pub struct World {
    pub chance: Chance,
    pub knobs: Knobs,
    pub clock: ManualClock,
    pub disks: Vec<SimDisk>,
    /// What each of their logs had.
    pub chronicles: Vec<Chronicle>,
    /// Who follows each of them.
    pub consumers: Vec<Consumer>,
    pub clients: Clients,
    pub judge: Judge,
    pub trace: Trace,
    pub counts: Counts,
    pub process: Process,
    /// The logs that the last process ended with a CLEAN_STOP: those to which it had written.
    pub stopped_clean: Vec<u16>,
    /// A fault is prepared, so a failing call is no surprise.
    endangered: bool,
}

/// One run of the server's process.
#[derive(Default)]
pub struct Process {
    pub cores: u16,
    pub clock: Option<ShardClock>,
    pub homes: Vec<Home>,
    /// Per pair of cores: what waits to be sent.
    pub outboxes: Vec<Outbox>,
    /// Per pair of cores: what is under way, in order.
    pub mail: Vec<VecDeque<Mail>>,
    pub post: Post,
    pub audits: u32,
}

/// A shard, its committer, and where its block is.
pub struct Home {
    pub shard: Shard<SimStorage>,
    pub committer: Committer<SimStorage>,
    pub flight: Flight,
    pub saving: Option<Saving>,
    /// What each snapshot that this process knows of needs of the log, oldest first.
    pub snapshots: Vec<Lsn>,
    pub away: Vec<Away>,
    /// The recalls that are away read through one window, as they do in the server.
    pub window: Window<SimStorage>,
    /// What consumers read through.
    pub blocks: BlockReader<SimStorage>,
}

/// An errand that was given out.
pub struct Away {
    pub errand: Errand,
    pub is_recall: bool,
    pub has_run: bool,
}

/// Where a block is.
pub enum Flight {
    None,
    Handed(Arc<Block>),
    Synced(Lsn),
}

/// What a core has for another.
#[derive(Default)]
pub struct Outbox {
    pub batch: Batch,
    pub replies: Vec<Reply>,
}

/// A message between cores.
pub enum Mail {
    Commands(Batch),
    Replies(Vec<Reply>),
}

/// How a process ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// The power is gone.
    Power,
    /// The process is gone: killed, or by its own decision.
    Exit,
}

/// Lives the life of a seed. `loud`: tells it on stderr.
pub fn live(seed: u64, loud: bool) -> Life {
    let mut world = World::new(seed, loud);
    for life in 0..world.knobs.lives {
        world.boot();
        let end = world.serve(life == 0).err().unwrap_or(Down::Exit);
        world.go_down(end);
    }
    world.knobs.boot_risk_percent = 0;
    world.boot();
    let end = world.resume().and_then(|()| world.drain()).and_then(|()| world.check_consumers());
    end.expect("nothing threatens the last process");
    assert_eq!(world.claims_running(), 0, "every claim ends");
    world.judge.check_claims(true);
    let counts = Counts {
        answers: world.clients.told,
        retries: world.clients.retries,
        replays: world.clients.witness.replays,
        busy: world.judge.busy,
        too_long: world.judge.too_long,
        refunds: world.judge.refunds,
        unroomed: world.judge.unroomed,
        lost: world.judge.lost,
        survived: world.judge.survived,
        claims: world.judge.claims.ended,
        taken: world.judge.claims.taken,
        impatient: world.judge.claims.impatient,
        ..world.counts
    };
    world.trace.note(format_args!("{counts:?}"));
    Life { hash: world.trace.hash(), counts }
}

impl World {
    fn new(seed: u64, loud: bool) -> Self {
        let mut chance = Chance::new(seed);
        let knobs = Knobs::draw(&mut chance);
        let mut trace = Trace::new(loud);
        trace.note(format_args!("{knobs:?}"));
        Self {
            clock: ManualClock::at(START_MS),
            disks: (0..knobs.shards).map(|shard| SimDisk::new(chance.number(), log_id(shard))).collect(),
            chronicles: (0..knobs.shards).map(|_| Chronicle::default()).collect(),
            consumers: (0..knobs.shards).map(|_| Consumer::default()).collect(),
            clients: Clients::new(&knobs),
            judge: Judge::new(&knobs),
            trace,
            counts: Counts::default(),
            process: Process::default(),
            stopped_clean: Vec::new(),
            endangered: false,
            chance,
            knobs,
        }
    }

    /// A process goes on where the last one was stopped, then serves.
    fn serve(&mut self, is_first: bool) -> Result<(), Down> {
        for shard in 0..self.knobs.shards {
            if self.chance.percent(self.knobs.consume_percent / 2) {
                self.compare_book(shard)?;
            }
        }
        self.resume()?;
        if is_first {
            self.clients.lengthen(0, self.knobs.trail);
            self.read(0, u64::MAX);
        }
        self.run()
    }

    /// A process serves until something ends it.
    fn run(&mut self) -> Result<(), Down> {
        let steps = 1 + self.chance.below(self.knobs.steps_max);
        let danger_at = self.chance.below(2 * steps);
        let flood_at = if self.knobs.floods { self.chance.below(steps) } else { u64::MAX };
        for step in 0..steps {
            if step == flood_at {
                let number = self.chance.below(self.clients.connections.len() as u64) as usize;
                self.clients.flood(number);
                self.read(number, u64::MAX);
            }
            if step == danger_at {
                self.endanger();
            }
            self.step()?;
        }
        match self.chance.below(10) {
            0..2 => {
                self.drain()?;
                self.stop()
            }
            2..4 => self.drain(),
            4..5 => {
                // Give the fault that is prepared the time to be met.
                for _ in 0..PATIENCE {
                    self.step()?;
                }
                Ok(())
            }
            5..7 => Ok(()),
            // Without syncs only the end of a process is survived.
            _ if self.knobs.policy == SyncPolicy::No => Ok(()),
            _ => Err(Down::Power),
        }
    }

    fn step(&mut self) -> Result<(), Down> {
        let action = self.knobs.action(&mut self.chance);
        self.act(action)
    }

    /// A step in which nobody asks for anything.
    pub fn work(&mut self) -> Result<(), Down> {
        let action = self.knobs.action(&mut self.chance);
        if matches!(action, Action::Send | Action::Fill | Action::Trim) { Ok(()) } else { self.act(action) }
    }

    fn act(&mut self, action: Action) -> Result<(), Down> {
        let core = self.chance.below(u64::from(self.process.cores)) as u16;
        let shard = self.chance.below(u64::from(self.knobs.shards)) as u16;
        let connection = self.chance.below(self.clients.connections.len() as u64) as usize;
        match action {
            Action::Send => self.send(),
            Action::Read => {
                let count = 1 + self.chance.below(8);
                self.read(connection, count);
            }
            Action::Flush => self.flush(core),
            Action::Deliver => {
                let pair = self.chance.below(self.process.mail.len() as u64) as usize;
                self.deliver(pair);
            }
            Action::Write => self.write(connection),
            Action::Start => self.start(shard),
            Action::Sync => self.sync(shard)?,
            Action::Finish => self.finish(shard),
            Action::Inline => self.commit(shard)?,
            Action::Tick => self.tick(),
            Action::Save => self.save(shard)?,
            Action::Copy => self.copy(shard)?,
            Action::Publish => self.publish(shard)?,
            Action::Trim => self.trim(shard)?,
            Action::Slow => self.slow(shard),
            Action::Fill => self.disks[usize::from(shard)].set_full(self.chance.percent(40)),
            Action::Expire => self.expire(core),
            Action::Idle => self.idle(shard)?,
            Action::Spare => self.spare(shard)?,
            Action::StepWall => self.step_wall(),
            Action::Recall => self.recall(shard),
            Action::Walk => self.walk(shard),
            Action::Run => self.run_errand(shard),
            Action::Return => self.return_errand(shard),
            Action::DoStep => self.do_step(),
            Action::HearStep => self.hear_step(),
            Action::Consume if self.chance.percent(self.knobs.consume_percent) => {
                let count = 1 + self.chance.below(60);
                self.consume(shard, count)?;
            }
            Action::Consume => {}
            Action::Browse => self.browse(shard)?,
        }
        Ok(())
    }

    fn tick(&mut self) {
        let ms = match self.chance.below(1_000) {
            0..800 => self.chance.below(self.knobs.tick_ms_max + 1),
            800..985 => self.chance.below(self.knobs.ttl_ms_max + 1),
            985..998 => self.chance.below(3_600_000),
            _ => self.chance.below(TTL_MS_MAX + 1),
        };
        self.clock.advance(ms);
    }

    /// An hour forth or back, as operators do.
    fn step_wall(&mut self) {
        let hour_ms = 3_600_000;
        self.clock.step_wall(self.clock.wall_ms() - hour_ms + self.chance.below(2 * hour_ms));
    }

    /// Shard time, unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.process.clock.expect("a process runs").now_ms(self.clock.boot_ns())
    }

    /// Everything that was sent is executed, committed and answered, and the shards are what they must be.
    pub fn drain(&mut self) -> Result<(), Down> {
        self.make_room();
        self.quieten()?;
        // Whoever was refused for want of room sends again.
        for shard in 0..self.knobs.shards {
            while self.process.homes[usize::from(shard)].shard.admission() != Admission::All {
                self.slow(shard);
                self.spare(shard)?;
            }
        }
        self.quieten()?;
        (0..self.knobs.shards).for_each(|shard| self.audit(shard));
        self.quieten()
    }

    pub fn quieten(&mut self) -> Result<(), Down> {
        for _ in 0..10_000 {
            (0..self.clients.connections.len()).for_each(|number| self.read(number, u64::MAX));
            (0..self.process.cores).for_each(|core| self.flush(core));
            (0..self.process.mail.len()).for_each(|pair| self.deliver(pair));
            for shard in 0..self.knobs.shards {
                self.commit(shard)?;
                self.recall(shard);
                self.walk(shard);
                while !self.process.homes[usize::from(shard)].away.is_empty() {
                    self.run_errand(shard);
                    self.return_errand(shard);
                }
            }
            (0..self.clients.connections.len()).for_each(|number| self.write(number));
            while !self.process.post.is_empty() {
                self.do_step();
                self.hear_step();
            }
            if self.claims_running() > 0 {
                // What could not be done is asked again after a while.
                self.clock.advance(100);
                (0..self.knobs.shards).for_each(|shard| self.expire_shard(shard, false));
            }
            let is_quiet = |home: &Home| home.is_at_home() && home.shard.is_quiet();
            let no_claims = self.claims_running() == 0 || self.is_stuck();
            if self.clients.is_quiet() && self.process.homes.iter().all(is_quiet) && no_claims {
                assert_eq!(self.judge.owed(), 0, "every command is answered");
                return Ok(());
            }
        }
        let homes: Vec<_> = self.process.homes.iter().map(|home| (home.is_at_home(), home.shard.is_quiet())).collect();
        panic!("a command is never answered: clients {}, shards (at home, quiet) {homes:?}", self.clients.is_quiet());
    }

    /// The orderly end: a CLEAN_STOP in every log.
    fn stop(&mut self) -> Result<(), Down> {
        let now_ms = self.now_ms();
        for shard in 0..self.knobs.shards {
            let stopping = &mut self.process.homes[usize::from(shard)].shard;
            stopping.mark(BlockKind::CleanStop, now_ms);
            if !stopping.is_quiet() {
                self.commit(shard)?;
                self.stopped_clean.push(shard);
            }
        }
        self.counts.clean_stops += 1;
        Ok(())
    }

    /// Prepares a fault for one disk: the end comes in the middle of a change, a sync fails, or there is no room.
    pub fn endanger(&mut self) {
        let disk = self.chance.below(self.disks.len() as u64) as usize;
        let (kind, count) = (self.chance.below(4), 1 + self.chance.below(14));
        self.trace.note(format_args!("danger {kind} {count} for disk {disk}"));
        self.endangered = true;
        match kind {
            0 if self.knobs.policy == SyncPolicy::No => {}
            0 => self.disks[disk].fail_syncs(1),
            1 => self.disks[disk].set_full(true),
            _ => self.disks[disk].cut_power_after(count),
        }
    }

    /// Takes faults back that nothing has met. An end in the middle of a change stays until some end comes.
    pub fn calm(&mut self) {
        for disk in &self.disks {
            disk.set_full(false);
            disk.fail_syncs(0);
        }
    }

    /// What a failing call means.
    pub fn down_of(&mut self, error: &JournalError) -> Down {
        self.trace.note(format_args!("{error}"));
        if self.is_off() {
            // Seen from the process, kill -9 in the middle of a change is the same; the page cache survives that one.
            let is_kill = self.knobs.policy == SyncPolicy::No || self.chance.percent(40);
            return if is_kill { Down::Exit } else { Down::Power };
        }
        assert!(self.endangered && !matches!(error, JournalError::Refused(_)), "nothing was broken here: {error}");
        self.counts.faults += 1;
        Down::Exit
    }

    /// Whether the power of some disk is gone.
    pub fn is_off(&self) -> bool {
        self.disks.iter().any(SimDisk::is_off)
    }

    /// The process is gone, and with the power what was not synced.
    pub fn go_down(&mut self, down: Down) {
        self.trace.note(format_args!("down: {down:?}"));
        let (cut, post) = (&mut self.counts.cut, self.process.post.stages(&self.judge));
        let holding = self.process.homes.iter().map(|home| home.shard.claims_running() as u64).sum::<u64>();
        cut.iter_mut().zip(post).for_each(|(cut, count)| *cut += count);
        cut[1] += holding.saturating_sub(post.iter().take(5).sum());
        match down {
            Down::Power => self.disks.iter().for_each(SimDisk::crash),
            Down::Exit => self.disks.iter().for_each(SimDisk::kill),
        }
        match down {
            Down::Power => self.counts.power_cuts += 1,
            Down::Exit => self.counts.kills += 1,
        }
        self.process = Process::default();
        self.judge.down();
        self.clients.disconnect(&mut self.chance);
        self.endangered = false;
        self.calm();
        self.clock.advance(self.chance.below(2 * self.knobs.tick_ms_max));
    }
}

impl Home {
    /// Whether the committer has nothing to do.
    pub fn is_at_home(&self) -> bool {
        matches!(self.flight, Flight::None)
    }

    /// Whether the disk was full when it was last tried.
    pub fn is_full(&self) -> bool {
        matches!(self.shard.admission(), Admission::Endings | Admission::Nothing)
    }

    /// Whether holds that nobody asks about expire.
    pub fn expires(&self) -> bool {
        matches!(self.shard.admission(), Admission::All | Admission::Endings)
    }
}

impl Process {
    /// The core that runs a shard.
    pub fn core(&self, shard: u16) -> u16 {
        shard % self.cores
    }

    /// The place of a pair of cores in lists of pairs.
    pub fn pair(&self, from: u16, to: u16) -> usize {
        usize::from(from * self.cores + to)
    }
}
