//! What a core does with commands: runs those of its own shards, sends the others, gathers what comes back.
//!
//! The only state on the way of a command. No lock, no shared counter, no clock read per command: `now` is read once per
//! read of a socket and once per batch.

use super::access::Waiting;
use super::home::{Done, Home};
use super::inquiry::{Inquiries, Part, Question};
use super::journal_thread::JournalThread;
use super::mailbox::{Answer, Mailbox, Phase, Request};
use super::monitor::Monitors;
use super::readers::Readers;
use super::saving::{Here, Saver, Saving};
use super::shared::Shared;
use super::slow::Seen;
use super::streams::readings::Readings;
use super::streams::subscribers::Subscribers;
use crate::access::Users;
use crate::commands::table::TABLE;
use crate::journal::BlockKind;
use crate::ledger::Sought;
use crate::ledger::command::Command;
use crate::shard::batch::{Batch, Reply, Ticket};
use crate::telemetry::{CoreCounters, Stage};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

/// Commands for one other core before they are sent without waiting for the end of the read.
const BATCH_COMMANDS: usize = 256;

/// Commands looked up together: their cache lines (some four each) stay in the nearest cache.
const PREPARE_COMMANDS: usize = 32;

/// Commands that may wait for one core, because its mailbox is full or its turn has not come; beyond, connections are not
/// read.
const OUTBOX_COMMANDS_MAX: usize = 4096;

/// Holds expired in one slice, so that a flood of them does not hold up commands.
const EXPIRE_SLICE: usize = 256;

/// A core's shards and its ways to the others.
pub(crate) struct Engine {
    pub(super) shared: Arc<Shared>,
    id: u16,
    pub(super) phase: Phase,
    pub(super) homes: Vec<Home>,
    journal: JournalThread,
    pub(super) readers: Readers,
    outboxes: Vec<Outbox>,
    /// Outcomes that may leave, of any core's connections.
    pub(super) released: Vec<Reply>,
    pub(super) inquiries: Inquiries,
    pub(super) saving: Saving,
    pub(super) readings: Readings,
    pub(super) subscribers: Subscribers,
    pub(super) users: Arc<Users>,
    /// Logins that are looked at. One a connection.
    pub(super) logins: Vec<Waiting>,
    pub(super) monitors: Monitors,
    pub(super) counters: CoreCounters,
    /// Duration and outcomes of the commits of this turn.
    syncs: Vec<(u64, u64)>,
    /// What was slow in this turn.
    pub(super) slow: Vec<Seen>,
    pub(super) boot_ns: u64,
    /// Time spent since the last turn on requests that were read.
    busy_ns: u64,
    now_ms: u64,
    congested: bool,
    stop_marked: bool,
    turn: Option<Waker>,
    turn_wanted: bool,
}

/// What waits for another core.
#[derive(Default)]
struct Outbox {
    batch: Batch,
    requests: VecDeque<Request>,
    replies: Vec<Reply>,
    answers: VecDeque<Answer>,
}

impl Engine {
    pub(super) fn new(shared: Arc<Shared>, id: u16, readers: Readers, saver: Saver) -> std::io::Result<Self> {
        let cores = usize::from(shared.router.cores());
        let shards_max = usize::from(shared.router.shards());
        let mailbox = shared.mailboxes[usize::from(id)].clone();
        let journal = JournalThread::start(id, shards_max, mailbox.clone(), shared.clock.clone())?;
        Ok(Self {
            id,
            phase: Phase::Loading,
            homes: Vec::new(),
            journal,
            readers,
            outboxes: (0..cores).map(|_| Outbox::default()).collect(),
            released: Vec::new(),
            inquiries: Inquiries::default(),
            saving: Saving::new(&shared, saver),
            readings: Readings::new(id, mailbox, shared.router.clone(), shared.streams.clone()),
            subscribers: Subscribers::default(),
            users: shared.access.current(),
            logins: Vec::new(),
            monitors: Monitors::default(),
            counters: CoreCounters::new(TABLE.iter().map(|spec| spec.name)),
            syncs: Vec::new(),
            slow: Vec::new(),
            busy_ns: 0,
            boot_ns: shared.clock.boot_ns(),
            now_ms: shared.now_ms(),
            congested: false,
            stop_marked: false,
            turn: None,
            turn_wanted: false,
            shared,
        })
    }

    pub(super) fn id(&self) -> u16 {
        self.id
    }

    /// Unix milliseconds of the shard clock, as read last.
    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.shared.mailboxes[usize::from(self.id)]
    }

    /// Reads the clock, before a run of commands.
    pub(super) fn begin(&mut self) {
        self.boot_ns = self.shared.clock.boot_ns();
        self.now_ms = self.shared.now_ms_at(self.boot_ns);
        self.renew_users();
    }

    /// Reads the clock again, after requests were read.
    pub(super) fn received(&mut self) {
        self.busy_ns += self.since_begin_ns();
    }

    /// Takes `command` for the batch of the core that runs it; this core's own runs in the coming turn.
    pub(super) fn submit(&mut self, ticket: Ticket, command: &Command<'_>) {
        let shard = self.shared.router.shard(command.owner());
        self.submit_to(shard, ticket, command);
    }

    /// The same, for a command that names no account: its shard.
    pub(super) fn submit_to(&mut self, shard: u16, ticket: Ticket, command: &Command<'_>) {
        let core = self.shared.router.core(shard);
        let outbox = &mut self.outboxes[usize::from(core)];
        if outbox.batch.is_empty() {
            outbox.batch.opened_at_ns = self.boot_ns;
        }
        outbox.batch.push(shard, ticket, command);
        self.congested |= outbox.batch.len() > OUTBOX_COMMANDS_MAX;
        if core != self.id {
            self.counters.hops += 1;
            if outbox.batch.len() >= BATCH_COMMANDS {
                self.send(core);
            }
        }
    }

    /// Runs the commands that this core's connections have for its own shards.
    pub(super) fn run_own(&mut self) {
        self.run_own_batch();
        let busy_ns = std::mem::take(&mut self.busy_ns) + self.since_begin_ns();
        self.counters.batch_ended(busy_ns);
    }

    fn run_own_batch(&mut self) {
        let own = usize::from(self.id);
        let mut batch = std::mem::take(&mut self.outboxes[own].batch);
        self.run(&batch);
        batch.clear();
        self.outboxes[own].batch = batch;
    }

    /// Runs a batch: some commands are looked up together, then run one by one.
    pub(super) fn run(&mut self, batch: &Batch) {
        if batch.is_empty() {
            return;
        }
        self.begin();
        let commands_len = batch.len() as u64;
        let queue_ns = self.boot_ns.saturating_sub(batch.opened_at_ns);
        self.spent(Stage::Queue, queue_ns, commands_len);
        let (mut ahead, mut commands) = (batch.iter(), batch.iter());
        let mut together = [None; PREPARE_COMMANDS];
        while commands.len() > 0 {
            for (one, (shard, _, command)) in together.iter_mut().zip(&mut ahead) {
                let place = self.shared.router.place(shard);
                *one = Some((place, self.homes[place].shard.prepare(&command)));
            }
            for (place, sought) in together.iter().flatten() {
                self.homes[*place].shard.ledger().approach(sought);
            }
            for (place, sought) in together.iter_mut().flatten() {
                self.homes[*place].shard.ledger().sight(sought);
            }
            for (place, sought) in together.iter().flatten() {
                self.homes[*place].shard.ledger().reach(sought);
            }
            for ((place, sought), (shard, ticket, command)) in
                together.iter_mut().map_while(Option::take).zip(&mut commands)
            {
                self.homes[place].watch.see((batch.opened_at_ns, self.boot_ns), shard, ticket, &command);
                self.execute(place, ticket, &command, sought);
            }
        }
        let run_ns = self.since_begin_ns();
        self.homes.iter_mut().for_each(|home| home.watch.ran(self.boot_ns + run_ns));
        self.spent(Stage::Execute, run_ns / commands_len, commands_len);
    }

    /// Goes on with the claims of this core's shards: gives them the answers to their steps, sends the next ones, and runs
    /// those for its own leads. Returns whether there were any.
    pub(super) fn run_claims(&mut self) -> bool {
        let mut ran = false;
        while self.homes.iter().any(|home| home.shard.claims_running() > 0) {
            let router = &self.shared.router;
            let is_mine =
                |reply: &mut Reply| reply.ticket.claim().is_some_and(|(shard, _)| router.core(shard) == self.id);
            let answers: Vec<_> = self.released.extract_if(.., is_mine).collect();
            ran |= !answers.is_empty(); // an answer may have made a record, which wants a commit
            for reply in answers {
                let (shard, _) = reply.ticket.claim().expect("just looked at");
                let place = self.shared.router.place(shard);
                self.homes[place].shard.step(self.now_ms, reply, &mut self.released);
            }
            let steps: Vec<_> = self.homes.iter_mut().filter_map(|home| home.shard.take_steps()).collect();
            if steps.is_empty() {
                break;
            }
            for (_, ticket, command) in steps.iter().flat_map(Batch::iter) {
                self.submit(Ticket { core: self.id, ..ticket }, &command);
            }
            self.run_own_batch();
            ran = true;
        }
        ran
    }

    /// Claims of this core's shards that run.
    pub(super) fn claims_running(&self) -> usize {
        self.homes.iter().map(|home| home.shard.claims_running()).sum()
    }

    /// Begins to bring claims to their ends that recovery has found.
    pub(super) fn resume_claims(&mut self) {
        self.homes.iter_mut().for_each(|home| home.shard.resume_claims());
    }

    fn execute(&mut self, place: usize, ticket: Ticket, command: &Command<'_>, sought: Sought) {
        let home = &mut self.homes[place];
        // What is set aside comes back with its errand.
        let _ = home.shard.execute(self.now_ms, ticket, command, sought, &mut self.released);
        self.congested |= home.is_behind(self.shared.config.undurable_bytes_max);
    }

    /// Counts replies that were written, `since_ns` (a reading of the boot clock) after they might leave.
    pub(super) fn replied(&mut self, since_ns: u64, replies: u64) {
        if replies > 0 {
            let reply_ns = self.shared.clock.boot_ns().saturating_sub(since_ns);
            self.spent(Stage::Reply, reply_ns, replies);
        }
    }

    fn since_begin_ns(&self) -> u64 {
        self.shared.clock.boot_ns().saturating_sub(self.boot_ns)
    }

    /// Whether connections shall not be read for now.
    pub(super) fn is_congested(&self) -> bool {
        self.congested
    }

    /// Looks again whether shards or mailboxes are too far behind. Returns whether that is over since the last look.
    pub(super) fn review_congestion(&mut self) -> bool {
        let bytes_max = self.shared.config.undurable_bytes_max;
        let was = self.congested;
        self.congested = self.homes.iter().any(|home| home.is_behind(bytes_max))
            || self.outboxes.iter().any(|outbox| outbox.batch.len() > OUTBOX_COMMANDS_MAX);
        was && !self.congested
    }

    /// Expires due holds of idle accounts, a slice per shard. Returns whether more are due.
    pub(super) fn expire(&mut self) -> bool {
        if self.stop_marked {
            return false; // CLEAN_STOP is the log's last block; what is due then expires at the next start
        }
        let now_ms = self.now_ms;
        let mut more = false;
        for home in &mut self.homes {
            if home.shard.next_expiry().is_some_and(|at_ms| at_ms <= now_ms) {
                more |= home.shard.expire(now_ms, EXPIRE_SLICE, &mut self.released);
            }
        }
        more
    }

    /// Commits what is open wherever no commit is under way, and takes back what the journal thread has done. Returns
    /// whether there is more to commit at once: a turn can fill several blocks, and a commit takes one.
    pub(super) fn commit(&mut self) -> bool {
        while let Some(committed) = self.mailbox().next_commit() {
            let place = committed.place;
            self.with_home(place, |home, _, _, done| home.finish(committed, done));
        }
        self.with_saving(Saving::act);
        for place in 0..self.homes.len() {
            self.with_home(place, |home, journal, inline_ns_max, done| {
                home.commit(place, journal, inline_ns_max, done)
            });
        }
        while let Some((sync_ns, outcomes)) = self.syncs.pop() {
            self.spent(Stage::Sync, sync_ns, outcomes);
        }
        self.homes.iter().any(Home::has_waiting_block)
    }

    fn with_home(&mut self, place: usize, act: impl FnOnce(&mut Home, &JournalThread, u64, &mut Done<'_>)) {
        let mut done = Done {
            clock: self.shared.clock.as_ref(),
            streams: &self.shared.streams,
            now_ms: self.now_ms,
            released: &mut self.released,
            syncs: &mut self.syncs,
            slow: (&self.shared.slow, &mut self.slow),
        };
        act(&mut self.homes[place], &self.journal, self.shared.config.inline_sync_ns_max, &mut done);
    }

    /// Goes on with a save, or begins one. Returns whether there is more to do at once.
    pub(super) fn save(&mut self) -> bool {
        while self.saving.is_running()
            && let Some(saved) = self.mailbox().next_saved()
        {
            self.with_saving(|saving, here| saving.heard(saved, here));
        }
        let more = !self.congested && self.with_saving(Saving::step);
        let mut answered = false;
        while let Some((asker, result)) = self.saving.next_answer() {
            self.answer_save(asker, result);
            answered = true;
        }
        more || answered
    }

    /// Looks, now and then, for saves that are due by time.
    pub(super) fn review_saves(&mut self) {
        self.with_saving(|saving, here| saving.tick(&here));
    }

    /// The server stops: nothing is saved any more.
    pub(super) fn give_up_saves(&mut self) {
        for asker in self.saving.give_up() {
            self.answer_save(asker, Err("the server stops".to_owned()));
        }
    }

    fn answer_save(&mut self, (core, inquiry): (u16, u64), result: Result<(), String>) {
        self.answer(core, Answer::Part { inquiry, part: Part::Saved(result) });
    }

    fn with_saving<T>(&mut self, act: impl FnOnce(&mut Saving, Here<'_>) -> T) -> T {
        let here = Here {
            core: self.id,
            homes: &mut self.homes,
            journal: &self.journal,
            shared: &self.shared,
            now_ms: self.now_ms,
            serving: self.phase == Phase::Serving,
        };
        act(&mut self.saving, here)
    }

    /// Ends the logs with a CLEAN_STOP each, when everything executed is durable. Returns whether that is on disk.
    pub(super) fn finish_shards(&mut self) -> bool {
        let is_quiet = |homes: &[Home]| homes.iter().all(Home::is_quiet);
        if !self.stop_marked && is_quiet(&self.homes) {
            self.stop_marked = true;
            for home in &mut self.homes {
                home.shard.mark(BlockKind::CleanStop, self.now_ms);
            }
        }
        self.stop_marked && is_quiet(&self.homes) // at once, where nothing was begun that has to be ended
    }

    /// Writes the supers of shards that have gone quiet. Returns when some shard has work again by itself.
    pub(super) fn idle(&mut self) -> Option<u64> {
        let now_ms = self.now_ms;
        for (place, home) in self.homes.iter_mut().enumerate() {
            home.idle(place, &self.journal, now_ms);
        }
        self.homes.iter().filter_map(Home::due_ms).min()
    }

    /// Keeps replies for connections of this core, sends off the others'.
    pub(super) fn sort_released(&mut self, mut mine: impl FnMut(Reply)) {
        for reply in self.released.drain(..) {
            if reply.ticket.core == self.id {
                mine(reply);
            } else {
                self.outboxes[usize::from(reply.ticket.core)].replies.push(reply);
            }
        }
    }

    /// Puts a question to these cores, which may be this one.
    pub(super) fn ask(&mut self, cores: Range<usize>, inquiry: u64, question: Question) {
        for outbox in &mut self.outboxes[cores] {
            outbox.requests.push_back(Request::Ask { from: self.id, inquiry, question: question.clone() });
        }
    }

    /// Sends an answer to core `to`.
    pub(super) fn answer(&mut self, to: u16, answer: Answer) {
        self.outboxes[usize::from(to)].answers.push_back(answer);
    }

    /// Sends everything that waits for other cores. Returns whether something found no room.
    pub(super) fn flush(&mut self) -> bool {
        (0..self.outboxes.len() as u16).fold(false, |stuck, core| self.send(core) | stuck)
    }

    /// Whether commands wait for other cores.
    pub(super) fn has_unsent_commands(&self) -> bool {
        self.outboxes.iter().any(|outbox| !outbox.batch.is_empty() || !outbox.requests.is_empty())
    }

    fn send(&mut self, core: u16) -> bool {
        let outbox = &mut self.outboxes[usize::from(core)];
        let mailbox = &self.shared.mailboxes[usize::from(core)];
        if core != self.id && !outbox.batch.is_empty() {
            self.counters.hop_batches += 1;
            outbox.requests.push_back(Request::Commands(std::mem::take(&mut outbox.batch)));
        }
        while let Some(request) = outbox.requests.pop_front() {
            if let Err(request) = mailbox.request(request) {
                match request {
                    Request::Commands(batch) if outbox.requests.is_empty() => outbox.batch = batch,
                    other => outbox.requests.push_front(other),
                }
                break;
            }
        }
        if !outbox.replies.is_empty() {
            outbox.answers.push_back(Answer::Replies(std::mem::take(&mut outbox.replies)));
        }
        while let Some(answer) = outbox.answers.pop_front() {
            if let Err(answer) = mailbox.answer(answer) {
                outbox.answers.push_front(answer);
                break;
            }
        }
        !(outbox.batch.is_empty() && outbox.requests.is_empty() && outbox.answers.is_empty())
    }

    /// The core's turn has to run after the sockets' tasks that are ready now.
    pub(super) fn want_turn(&mut self) {
        if !self.turn_wanted {
            self.turn_wanted = true;
            if let Some(waker) = &self.turn {
                waker.wake_by_ref();
            }
        }
    }

    /// The turn runs: remembers how to wake it.
    pub(super) fn turn_begins(&mut self, waker: &Waker) {
        self.turn_wanted = false;
        if self.turn.is_none() {
            self.mailbox().set_waker(waker);
            self.turn = Some(waker.clone());
        }
    }
}
