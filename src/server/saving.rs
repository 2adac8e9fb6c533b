//! Snapshots beside the traffic: the core copies a little at the end of each turn, a thread writes it down.
//!
//! ```text
//!  core: due? ─ token ─▶ begin at the committer's position ─▶ copy, a step a turn ─▶ durable? ─▶ note ─▶ trim
//!                                     │ buffers ▲                 │                               │
//!  thread `snapshot`:                 └─────────┴─ write ─ finish ┘                         name ─┘
//! ```
//!
//! Invariants: one shard of the server is saved at a time; a turn does one step (some 500 accounts and holds, or one table
//! of ids); with all buffers away the core does nothing. While nothing is saved, a turn compares once a shard.
//! A failed save is a warning: the log is untouched and older snapshots stay. Absent on purpose: a snapshot at the stop.

mod schedule;
mod stage;
#[cfg(test)]
mod tests;
mod thread;
mod token;

pub(super) use thread::{SAVED_MAX, Saved, Saver};
pub(super) use token::Saves;

use super::home::Home;
use super::journal_thread::{JournalThread, Lent, Task};
use super::room::Room;
use super::shared::Shared;
use crate::journal::snapshot::{SNAPSHOT_CONTENT, SnapshotEnd, SnapshotHead};
use crate::journal::{LogId, Lsn};
use crate::ledger::snapshot::Copying;
use crate::shard::CopyStep;
use crate::telemetry::ShardFacts;
use schedule::Schedule;
use stage::{Act, News, Stage};
use thread::{BUFFERS, Trim, Work};

/// A buffer goes to the thread when it has so many bytes.
const PART_BYTES: usize = 256 * 1024;

/// What a buffer takes without growing: the largest table of ids on top of that.
const BUFFER_BYTES: usize = 3 * PART_BYTES;

/// What a core knows of saves of its shards.
pub(super) struct Saving {
    schedule: Schedule,
    saver: Saver,
    newest: Vec<Newest>,
    running: Option<Running>,
    /// A shard is due, and another core has the token.
    waits: bool,
}

/// The newest snapshot of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest {
    pub(super) id: LogId,
    /// Where replay starts, and how many records the log had there; 0 and 0 if there is no snapshot.
    pub(super) begin: Lsn,
    pub(super) entries: u64,
    /// Where the copy ended; `None`: there is no snapshot.
    pub(super) end: Option<Lsn>,
    /// The log from here on is what this snapshot needs.
    pub(super) floor: Lsn,
    pub(super) bytes: u64,
    /// When it was begun, in unix milliseconds; 0 if there is no snapshot.
    pub(super) saved_at_ms: u64,
}

/// The save that is under way.
struct Running {
    place: usize,
    stage: Stage,
    started_ms: u64,
    /// What will be the newest snapshot when it is named.
    next: Newest,
    /// Set while the core copies.
    copy: Option<Copy>,
}

struct Copy {
    copying: Copying,
    /// Filled with `count` items of `section`.
    buffer: Vec<u8>,
    section: u8,
    count: u32,
    free: Vec<Vec<u8>>,
    /// Buffers that the thread has.
    away: usize,
}

/// Where a core works at its saves.
pub(super) struct Here<'a> {
    pub(super) core: u16,
    pub(super) homes: &'a mut [Home],
    pub(super) journal: &'a JournalThread,
    pub(super) shared: &'a Shared,
    pub(super) now_ms: u64,
    /// Whether the server serves: in its last phases nothing is begun any more.
    pub(super) serving: bool,
}

impl Saving {
    pub(super) fn new(shared: &Shared, saver: Saver) -> Self {
        let config = &shared.config;
        let schedule = Schedule::new(config.snapshot_log_bytes, config.history_retention_ms.is_some());
        Self { schedule, saver, newest: Vec::new(), running: None, waits: false }
    }

    /// The core has got one more shard.
    pub(super) fn add(&mut self, newest: Newest) {
        self.schedule.add(newest.begin, newest.saved_at_ms);
        self.newest.push(newest);
    }

    /// A command asks for a save of every shard; `waiter` (core, and its number for it) wants to hear how it went.
    pub(super) fn ask(&mut self, waiter: Option<(u16, u64)>) {
        self.schedule.ask(waiter);
    }

    /// Who can be told how the saves went that it has asked for.
    pub(super) fn next_answer(&mut self) -> Option<((u16, u64), Result<(), String>)> {
        self.schedule.next_answer()
    }

    /// Nothing is begun any more: who will not hear of its saves.
    pub(super) fn give_up(&mut self) -> Vec<(u16, u64)> {
        self.schedule.give_up()
    }

    /// Whether a save is under way.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the turn has to run again soon: a shard is due, and another core has the token.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// The figures of the shard at `home`, and those of its snapshots.
    pub(super) fn described(&self, home: &Home, place: usize, now_ms: u64) -> ShardFacts {
        let newest = &self.newest[place];
        ShardFacts {
            oldest_lsn: home.shard.reader().oldest_lsn(),
            changes_since_save: home.shard.ledger().totals().entries - newest.entries,
            snapshot_bytes: newest.bytes,
            save_failed: self.schedule.has_failed(place),
            ..home.facts(now_ms)
        }
    }

    /// Looks, now and then, for saves that are due by time.
    pub(super) fn tick(&mut self, here: &Here<'_>) {
        let newest = &self.newest;
        self.schedule.tick(here.now_ms, |place| newest[place].is_behind(&here.homes[place]));
    }

    /// Between two commits: does what needs the committer at home.
    pub(super) fn act(&mut self, here: Here<'_>) {
        let Some(running) = &mut self.running else { return };
        let place = running.place;
        let home = &mut here.homes[place];
        match home.take_lent() {
            None => {}
            Some(Lent::Noted) => {
                let trim = self.newest[place].trim(home, here.shared, here.now_ms);
                self.saver.send(Work::Publish { trim });
                running.go(News::Noted);
            }
            Some(Lent::LetGo(segments)) => {
                tracing::info!(shard = home.shard.id(), segments = segments.len(), "history trimmed");
                let files = !segments.is_empty();
                if files {
                    self.saver.send(Work::Remove(segments));
                }
                return self.after(News::LetGo { files }, here);
            }
        }
        let Some(committer) = home.committer().filter(|_| here.serving) else { return };
        match running.stage.act(true, home.shard.log().durable_lsn()) {
            None => return,
            Some(Act::Begin) => {
                let (begin, draft) = (committer.position(), committer.draft());
                let Newest { id, saved_at_ms: created_ms, .. } = running.next;
                let mailbox = here.shared.mailboxes[usize::from(here.core)].clone();
                let head = SnapshotHead { id, created_ms, begin, content: SNAPSHOT_CONTENT };
                self.saver.send(Work::Begin { mailbox, draft, head });
                running.next.begin = begin.lsn;
                running.next.entries = home.shard.ledger().totals().entries;
                running.copy = Some(Copy::new(home.shard.begin_copy(begin.lsn)));
                return running.go(News::Begun);
            }
            Some(Act::Note) => home.lend(place, here.journal, Task::Note),
            Some(Act::LetGo(below)) => {
                let below = home.shard.let_go(below.min(running.next.floor));
                home.lend(place, here.journal, Task::LetGo(below));
            }
        }
        running.go(News::Lent);
    }

    /// At the end of a turn: begins what is due, or copies a step. Returns whether there is more to do at once.
    pub(super) fn step(&mut self, here: Here<'_>) -> bool {
        let Some(running) = &mut self.running else { return self.begin(&here) };
        let home = &here.homes[running.place];
        if running.stage.can_be_given_up() && home.room() != Room::Ample {
            self.saver.send(Work::Abandon);
            running.copy = None;
            running.go(News::GivenUp);
        }
        let Some(copy) = running.copy.as_mut().filter(|_| here.serving) else {
            return here.serving
                && running.stage.act(home.committer().is_some(), home.shard.log().durable_lsn()).is_some();
        };
        let start_ns = here.shared.clock.boot_ns();
        let stepped = copy.step(home, &self.saver);
        here.shared.saves.stepped(here.shared.clock.boot_ns() - start_ns);
        if let Stepped::Done(end) = stepped {
            running.copy = None;
            running.next.end = Some(end.end);
            running.next.floor = running.next.begin.min(end.needed);
            running.go(News::Copied { end: end.end });
        }
        stepped == Stepped::More
    }

    /// The thread has something to say.
    pub(super) fn heard(&mut self, saved: Saved, here: Here<'_>) {
        let running = self.running.as_mut().expect("the thread works for a save");
        match saved {
            Saved::Buffer(buffer) => {
                if let Some(copy) = &mut running.copy {
                    copy.away -= 1;
                    copy.free.push(buffer);
                }
            }
            Saved::Finished if running.stage == Stage::Abandoning => {} // it comes before the thread hears of that
            Saved::Finished => running.go(News::Finished),
            Saved::Published { bytes, trim_below: below } => {
                let Newest { begin, end, .. } = running.next;
                let (shard, ms) = (here.homes[running.place].shard.id(), here.now_ms - running.started_ms);
                tracing::info!(shard, begin_lsn = begin, end_lsn = end, bytes, ms, "snapshot written");
                running.next.bytes = bytes;
                self.after(News::Published { below }, here);
            }
            Saved::Removed => self.after(News::Removed, here),
            Saved::Failed(reason) => self.end(Err(reason), &here),
        }
    }

    fn after(&mut self, news: News, here: Here<'_>) {
        let running = self.running.as_mut().expect("news of a save");
        match running.stage.after(news) {
            Some(stage) => running.stage = stage,
            None => self.end(Ok(()), &here),
        }
    }

    /// Begins to save a shard that is due. Returns whether the turn has to run again.
    fn begin(&mut self, here: &Here<'_>) -> bool {
        self.waits = false;
        let is_due = |place: &usize| self.schedule.is_due(*place, here.homes[*place].shard.log().next_lsn());
        let Some(place) = (0..here.homes.len()).find(is_due).filter(|_| here.serving) else { return false };
        if !here.shared.saves.take_token() {
            self.waits = true;
            return false;
        }
        let home = &here.homes[place];
        self.schedule.begun(place, home.shard.log().next_lsn());
        let next = Newest { saved_at_ms: here.now_ms, ..self.newest[place] };
        self.running = Some(Running { place, stage: Stage::Starting, started_ms: here.now_ms, next, copy: None });
        if home.room() != Room::Ample {
            self.end(Err("the disk is full".to_owned()), here);
        } else if !next.is_behind(home) {
            self.end(Ok(()), here);
        }
        true
    }

    fn end(&mut self, result: Result<(), String>, here: &Here<'_>) {
        let Running { place, started_ms, next, .. } = self.running.take().expect("a save ends that was begun");
        let (shard, ms) = (here.homes[place].shard.id(), here.now_ms - started_ms);
        match &result {
            Ok(()) => {
                self.newest[place] = next;
                here.shared.saves.saved(shard, next.saved_at_ms);
            }
            Err(reason) => tracing::warn!(
                shard,
                reason,
                "no snapshot was written; the log and older snapshots are as they were, the next try is in a minute"
            ),
        }
        let result = result.map_err(|reason| format!("snapshot of shard {shard} failed: {reason}"));
        let answered = self.schedule.ended(place, here.now_ms, result);
        here.shared.saves.give_token(ms, answered);
    }
}

impl Newest {
    /// Whether the shard has records that are in no snapshot. After a start it is known how many there are since the
    /// snapshot's begin, and whether there are any since its end.
    fn is_behind(&self, home: &Home) -> bool {
        self.end != Some(home.shard.log().next_lsn()) && self.entries != home.shard.ledger().totals().entries
    }

    /// What of the log may go once a newer snapshot than this one is there.
    fn trim(&self, home: &Home, shared: &Shared, now_ms: u64) -> Option<Trim> {
        let before_ms = now_ms.saturating_sub(shared.config.history_retention_ms?);
        self.end.map(|_| Trim { reader: home.shard.reader().clone(), floor: self.floor, before_ms })
    }
}

impl Running {
    fn go(&mut self, news: News) {
        self.stage = self.stage.after(news).expect("this is not the last that happens to a save");
    }
}

/// What a step of a copy came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stepped {
    More,
    /// All buffers are away (one more, where a section ended within a step): the thread returns one.
    Stuck,
    Done(SnapshotEnd),
}

impl Copy {
    fn new(copying: Copying) -> Self {
        Self { copying, buffer: Vec::new(), section: 0, count: 0, free: Vec::new(), away: 0 }
    }

    /// Copies one step, if there is a buffer for it.
    fn step(&mut self, home: &Home, saver: &Saver) -> Stepped {
        if self.buffer.capacity() == 0 {
            match self.free.pop() {
                Some(buffer) => self.buffer = buffer,
                None if self.away >= BUFFERS => return Stepped::Stuck,
                None => self.buffer.reserve(BUFFER_BYTES),
            }
        }
        let before = self.buffer.len();
        match home.shard.copy_step(&mut self.copying, &mut self.buffer) {
            CopyStep::Items { section, count } => {
                let section = section as u8;
                if section != self.section && self.count > 0 {
                    let next = self.buffer.split_off(before);
                    self.send(saver);
                    self.buffer = next;
                }
                self.section = section;
                self.count += count;
                if self.buffer.len() >= PART_BYTES {
                    self.send(saver);
                }
                Stepped::More
            }
            CopyStep::Done { end, now_ms, needed } => {
                let ledger = self.buffer.split_off(before);
                if self.count > 0 {
                    self.send(saver);
                }
                let end = SnapshotEnd { end, now_ms, needed };
                saver.send(Work::Finish { end, ledger });
                Stepped::Done(end)
            }
        }
    }

    fn send(&mut self, saver: &Saver) {
        let bytes = std::mem::take(&mut self.buffer);
        saver.send(Work::Part { section: self.section, count: self.count, bytes });
        self.count = 0;
        self.away += 1;
    }
}
