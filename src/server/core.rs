//! One core: a pinned thread with one tokio runtime, its connections and its shards.
//!
//! ```text
//!   sockets' tasks (read, parse)    the turn (one task, woken by them, by the mailbox, by its timer)
//!   ────────────────────────────    ───────────────────────────────────────────────────────────────────────────
//!   c1 ── c2 ── c3 ── ... ────────▶ run own and others' batches ▸ expire ▸ commit ▸ fill rings ▸ send ▸ write sockets
//!                                                 ▸ copy a step of a snapshot
//! ```
//!
//! The turn stands behind the tasks that were ready with it, so one commit covers them all: group commit without a timer.

use super::access::Heard;
use super::engine::Engine;
use super::inquiry;
use super::mailbox::{Answer, Phase, Request};
use super::patrol::Patrol;
use super::readers::Readers;
use super::saving::Saver;
use super::shared::Shared;
use super::sockets::{READ_BYTES, SocketLimits, Sockets};
use super::streams::Fed;
use crate::ledger::outcome::{Outcome, Status};
use crate::net::connection::{Limits, Verdict};
use crate::net::replies;
use crate::shard::batch::Ticket;
use crate::telemetry::WRITES;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Requests taken from the mailbox in one turn.
const REQUESTS_PER_TURN: usize = 64;

/// How often connections are looked at for time-outs.
const SWEEP_EVERY_MS: u64 = 1000;

/// When to try again after a mailbox was full.
const RETRY_MS: u64 = 1;

/// When to look again whether another core has ended its save.
const SAVE_RETRY_MS: u64 = 5;

/// How long the last replies may take to leave at the end.
const CLOSE_WITHIN_MS: u64 = 1000;

/// Everything that a core owns.
pub(super) struct Core {
    pub(super) engine: Engine,
    pub(super) sockets: Sockets,
    pub(super) scratch: Vec<u8>,
    failures: Vec<replies::Failure>,
    swept_at_ms: u64,
    patrol: Patrol,
    /// Set by the phase Closing: when to end at the latest.
    close_at_ms: Option<u64>,
    /// Set by the phases Resuming and Settling: until when claims may run.
    settle_by_ms: u64,
    /// The newest phase that the core has said it is through with.
    reported: Phase,
    timer: Pin<Box<Sleep>>,
    timer_at_ms: u64,
}

/// Starts core `id` on its own thread, on `cpu` if there is one.
pub(super) fn start(
    shared: Arc<Shared>,
    id: u16,
    cpu: Option<core_affinity::CoreId>,
    readers: Readers,
    saver: Saver,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    std::thread::Builder::new().name(format!("core-{id}")).spawn(move || {
        if let Some(cpu) = cpu
            && !core_affinity::set_for_current(cpu)
        {
            tracing::warn!(core = id, cpu = cpu.id, "could not pin the core's thread; it runs unpinned");
        }
        let (before, after) = (shared.mailboxes[usize::from(id)].clone(), shared.mailboxes[usize::from(id)].clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .on_thread_park(move || before.before_park())
            .on_thread_unpark(move || after.after_unpark())
            .build_local(tokio::runtime::LocalOptions::default())?;
        runtime.block_on(run(shared, id, readers, saver))
    })
}

/// The CPUs that this process may use, in order.
pub(super) fn cpus() -> Vec<core_affinity::CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

async fn run(shared: Arc<Shared>, id: u16, readers: Readers, saver: Saver) -> std::io::Result<()> {
    let sockets = Sockets::new(SocketLimits {
        output_bytes_max: shared.config.output_bytes_max,
        auth_timeout_ms: shared.config.auth_timeout_ms,
        memory_max: (shared.clients_bytes_max / u64::from(shared.router.cores())) as usize,
    });
    let engine = Engine::new(shared, id, readers, saver)?;
    let core = Rc::new(RefCell::new(Core {
        swept_at_ms: engine.now_ms(),
        engine,
        sockets,
        scratch: vec![0; READ_BYTES],
        failures: Vec::new(),
        patrol: Patrol::default(),
        close_at_ms: None,
        settle_by_ms: 0,
        reported: Phase::Loading,
        timer: Box::pin(sleep(Duration::ZERO)),
        timer_at_ms: 0,
    }));
    let turn = tokio::task::spawn_local(poll_fn(move |cx| poll(&core, cx)));
    turn.await.map_err(std::io::Error::other)
}

/// One turn. Ready: the core has ended.
fn poll(shared_core: &Rc<RefCell<Core>>, cx: &mut Context<'_>) -> Poll<()> {
    let mut core = shared_core.borrow_mut();
    core.engine.turn_begins(cx.waker());
    core.engine.begin();
    core.take_answers();
    core.take_fed();
    core.engine.take_errands();
    core.engine.run_own();
    let more_mail = core.take_requests(shared_core);
    let more_due = core.engine.expire();
    core.engine.run_claims();
    let more_blocks = core.engine.commit();
    let more_claims = core.engine.run_claims();
    core.engine.send_errands();
    let may_leave_ns = core.engine.shared.clock.boot_ns();
    core.engine.review_slow(may_leave_ns);
    let replies = core.deliver();
    core.engine.send_monitored();
    let stuck = core.answer_readings() | core.engine.flush();
    let now_ms = core.engine.now_ms();
    core.sockets.write(now_ms);
    core.engine.replied(may_leave_ns, replies);
    let is_paused = core.engine.shared.overseers.paused_until_ms(core.engine.now_ms()).is_some();
    if core.engine.review_congestion() | core.engine.monitors.pause_ended(is_paused) {
        core.sockets.wake_all();
    }
    let holding = core.engine.is_congested();
    core.engine.mailbox().hold_requests(holding);
    let more_saving = core.engine.save();
    core.sweep();
    if core.step_phase() {
        return Poll::Ready(());
    }
    if more_due || more_blocks || more_claims || more_saving || (more_mail && !holding) {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    let idle_at_ms = core.engine.idle();
    core.arm(stuck, idle_at_ms, cx);
    Poll::Pending
}

impl Core {
    fn take_answers(&mut self) {
        while let Some(answer) = self.engine.mailbox().next_answer() {
            match answer {
                Answer::Replies(mut replies) => self.engine.released.append(&mut replies),
                Answer::Slow((ticket, entry)) => self.engine.note_slow(*entry, self.sockets.find(ticket)),
                Answer::Part { inquiry, part } => {
                    if let Some((ticket, answer)) = self.engine.inquiries.part(inquiry, part, &self.engine.shared) {
                        self.fill(ticket, answer);
                    }
                }
            }
        }
    }

    /// Takes what the threads of streams have made.
    fn take_fed(&mut self) {
        let Self { engine, sockets, .. } = self;
        let mut changed = Vec::new();
        while let Some(fed) = engine.mailbox().next_fed() {
            match fed {
                Fed::Pages { reading, pages } => engine.readings.heard(reading, pages),
                Fed::Changed { reading, index } => engine.readings.changed(reading, index),
                Fed::Access(Heard::Changed(ticket, answer)) => changed.push((ticket, answer)),
                Fed::Access(Heard::Verified(ticket, proof)) => {
                    if let Some(user) = engine.heard_of_login(ticket, proof)
                        && let Some(connection) = sockets.connection(ticket)
                    {
                        connection.verified(ticket.slot, Verdict::Right(user), engine);
                    }
                }
                Fed::Messages(messages) => engine.subscribers.tell(&messages, sockets),
            }
        }
        engine.send_readings();
        for (ticket, verdict) in engine.refused_logins() {
            if let Some(connection) = sockets.connection(ticket) {
                connection.verified(ticket.slot, verdict, engine);
            }
        }
        for (ticket, answer) in changed {
            self.fill(ticket, answer);
        }
    }

    /// Answers the readings that are through. Returns whether something that they ask found no room.
    fn answer_readings(&mut self) -> bool {
        let now_ms = self.engine.now_ms();
        self.engine.readings.expire(now_ms);
        for (ticket, answer) in self.engine.readings.take_answers() {
            self.fill(ticket, answer);
        }
        self.engine.send_readings()
    }

    /// Takes some of the requests, unless shards are too far behind. Returns whether there may be more.
    fn take_requests(&mut self, shared_core: &Rc<RefCell<Core>>) -> bool {
        for _ in 0..REQUESTS_PER_TURN {
            if self.engine.is_congested() {
                return true;
            }
            let Some(request) = self.engine.mailbox().next_request() else { return false };
            match request {
                Request::Commands(batch) => self.engine.run(&batch),
                Request::Ask { from, inquiry, question } => {
                    if let Some(part) = inquiry::part(question, (from, inquiry), &mut self.engine, &mut self.sockets) {
                        self.engine.answer(from, Answer::Part { inquiry, part });
                    }
                }
                Request::Facts(to) => {
                    let _ = to.try_send(inquiry::facts(&self.engine, &self.sockets)); // too late: nobody waits
                }
                Request::Connection(accepted) => {
                    let shared_core = shared_core.clone();
                    tokio::task::spawn_local(async move {
                        if let Err(error) = Sockets::add(&shared_core, accepted) {
                            tracing::debug!(%error, "a fresh connection was gone already");
                        }
                    });
                }
                Request::Install(home, newest) => {
                    self.engine.homes.push(*home);
                    self.engine.saving.add(newest);
                    self.engine.shared.step_done();
                }
                Request::Phase(phase) => self.enter(phase),
            }
        }
        true
    }

    fn enter(&mut self, phase: Phase) {
        tracing::debug!(core = self.engine.id(), ?phase, "phase");
        self.engine.phase = phase;
        match phase {
            Phase::Loading | Phase::Serving => self.engine.shared.step_done(),
            Phase::Resuming | Phase::Settling => {
                self.settle_by_ms = self.engine.now_ms() + self.engine.shared.config.claim_timeout_ms;
                if phase == Phase::Resuming {
                    self.engine.resume_claims();
                }
            }
            Phase::Quiescing => self.engine.give_up_saves(),
            Phase::Finishing => {}
            Phase::Closing => self.close_at_ms = Some(self.engine.now_ms() + CLOSE_WITHIN_MS),
        }
        self.sockets.wake_all();
    }

    /// Goes on with the end of the server's life. Returns whether the core is through.
    fn step_phase(&mut self) -> bool {
        match self.engine.phase {
            Phase::Loading | Phase::Serving => {}
            // A core stays where it is until it is told to go on: others may still send it commands.
            Phase::Quiescing => {
                let sent = !self.engine.has_unsent_commands() && !self.engine.is_congested();
                self.report(sent);
            }
            // A claim that cannot end now keeps its hold, and goes on after the next start.
            Phase::Resuming | Phase::Settling => {
                let running = self.engine.claims_running();
                let late = self.engine.now_ms() >= self.settle_by_ms;
                if running > 0 && late && self.reported != self.engine.phase {
                    let core = self.engine.id();
                    tracing::warn!(core, running, "claims of leads could not be ended yet; their credits stay held");
                }
                self.report(running == 0 || late);
            }
            Phase::Finishing => {
                let finished = self.reported != Phase::Finishing && self.engine.finish_shards();
                self.report(finished);
            }
            Phase::Closing => {
                let late = self.close_at_ms.is_none_or(|at_ms| self.engine.now_ms() >= at_ms);
                return late || !self.sockets.has_output();
            }
        }
        false
    }

    /// Says, once, that the core is through with its phase.
    fn report(&mut self, through: bool) {
        if through && self.reported != self.engine.phase {
            self.reported = self.engine.phase;
            self.engine.shared.step_done();
        }
    }

    /// Brings outcomes to the connections that they are for. Returns how many were this core's.
    fn deliver(&mut self) -> u64 {
        let Self { engine, sockets, failures, .. } = self;
        let (mut replies, mut replays, mut read_hits, mut read_misses) = (0, 0, 0, 0);
        let mut written = [0; WRITES.len()];
        let mut heard = Vec::new();
        engine.sort_released(|reply| {
            replies += 1;
            match &reply.outcome {
                Outcome::Written(receipt) if receipt.replayed => replays += 1,
                Outcome::Written(receipt) => written[write(receipt.status)] += 1,
                Outcome::Balance(figures) if figures.seq > 0 => read_hits += 1,
                Outcome::Balance(_) => read_misses += 1,
                Outcome::Lead(Some(view)) => replays += u64::from(view.replayed),
                _ => {}
            }
            if let Some(connection) = sockets.connection(reply.ticket) {
                connection.fill(reply.ticket.slot, replies::Answer::Outcome(reply.outcome), |failure| {
                    failures.push(failure);
                });
            } else if let Some(reading) = reply.ticket.reading() {
                heard.push((reading, reply.outcome));
            }
        });
        engine.counters.written.iter_mut().zip(written).for_each(|(sum, count)| *sum += count);
        for (reading, outcome) in heard {
            engine.readings.heard_shard(reading, outcome);
        }
        engine.counters.replays += replays;
        engine.counters.read_hits += read_hits;
        engine.counters.read_misses += read_misses;
        for failure in failures.drain(..) {
            engine.counters.failed(usize::from(failure.command), failure.code);
        }
        replies
    }

    fn fill(&mut self, ticket: Ticket, answer: replies::Answer) {
        let Self { engine, sockets, .. } = self;
        if let Some(connection) = sockets.connection(ticket) {
            connection.fill(ticket.slot, answer, |failure| {
                engine.counters.failed(usize::from(failure.command), failure.code);
            });
        }
    }

    fn sweep(&mut self) {
        let now_ms = self.engine.now_ms();
        if now_ms.saturating_sub(self.swept_at_ms) >= SWEEP_EVERY_MS {
            self.swept_at_ms = now_ms;
            let shared = &self.engine.shared;
            let limits = Limits { idle_timeout_ms: shared.tuning.timeout_ms(), ..shared.connection_limits };
            self.sockets.sweep(now_ms, &limits, &self.engine.users);
            self.engine.review_saves();
            self.patrol.step(&self.engine.homes, &mut self.engine.counters);
        }
    }

    /// Sees to it that the turn runs again when the next thing is due. A timer that is early already stays.
    fn arm(&mut self, stuck: bool, idle_at_ms: Option<u64>, cx: &mut Context<'_>) {
        let now_ms = self.engine.now_ms();
        let sweep_at_ms = (self.sockets.len() > 0).then_some(self.swept_at_ms + SWEEP_EVERY_MS);
        let retry_at_ms =
            (stuck || !matches!(self.engine.phase, Phase::Loading | Phase::Serving)).then_some(now_ms + RETRY_MS);
        let save_at_ms = self.engine.saving.waits().then_some(now_ms + SAVE_RETRY_MS);
        let expiry_at_ms = self.engine.homes.iter().filter_map(|home| home.shard.next_expiry()).min();
        let reading_at_ms = self.engine.readings.next_deadline_ms();
        let paused_until_ms = self.engine.shared.overseers.paused_until_ms(now_ms);
        let refusal_at_ms = self.engine.next_refusal_ms();
        let due = [
            refusal_at_ms,
            sweep_at_ms,
            retry_at_ms,
            save_at_ms,
            idle_at_ms,
            expiry_at_ms,
            reading_at_ms,
            paused_until_ms,
        ];
        let Some(at_ms) = due.into_iter().flatten().min() else {
            return;
        };
        if at_ms < self.timer_at_ms || self.timer_at_ms <= now_ms {
            self.timer_at_ms = at_ms;
            self.timer.as_mut().set(sleep(Duration::from_millis(at_ms.saturating_sub(now_ms).max(1))));
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            self.timer_at_ms = 0;
            cx.waker().wake_by_ref();
        }
    }
}

/// The place in [`WRITES`] of a write that has just happened; a replay's status may be that of another.
fn write(status: Status) -> usize {
    match status {
        Status::Granted => 0,
        Status::Debited => 1,
        Status::Active => 2,
        Status::Captured => 3,
        Status::Released | Status::Expired | Status::Void => 4,
        Status::Refunded => 5,
        Status::Claimed => 6,
    }
}
