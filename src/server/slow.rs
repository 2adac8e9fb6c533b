//! What is slow, on the way to SLOWLOG and LATENCY.
//!
//! ```text
//!  Engine::execute ─▶ Home's Watch: copies the command that has waited longest ─▶ its block is durable: slow? ─▶ SlowEntry
//!  (the shard's core)                                                                                               │
//!  (the connection's core) adds who asked ◀───────────────── Answer::Slow, in the mailbox ◀────────────────────────┘
//!          └─▶ Slow::log: one lock, taken only for what was slow
//! ```
//! The commands of a batch wait together, and those of a block are synced together: one stands for them, the one that
//! came first, with their number. What that costs is a comparison a command and a copy a commit.
//! Absent on purpose: commands about the server, which wait for all cores, and readings of streams, which may wait for
//! events: their time says nothing.

use super::engine::Engine;
use super::mailbox::Answer;
use crate::commands::reply::{Encoder, Proto};
use crate::commands::server::latency::LatencyRequest;
use crate::config::Config;
use crate::ledger::command::{Command, LeadOp, Op};
use crate::net::connection::Connection;
use crate::net::replies::Answer as Answered;
use crate::shard::batch::{Batch, Ticket};
use crate::telemetry::{Latencies, SlowEntry, SlowLog, Spikes, Stage};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What was slow, of all cores.
pub(super) struct Slow {
    /// Commands that took at least this long are logged; `u64::MAX`: none.
    slower_than_ns: AtomicU64,
    /// Stages that took at least this long are spikes; `u64::MAX`: none.
    spike_ns: AtomicU64,
    log: Mutex<SlowLog>,
    spikes: Mutex<Spikes>,
}

impl Slow {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            slower_than_ns: AtomicU64::new(config.slowlog_slower_than_us.map_or(u64::MAX, |us| us * 1_000)),
            spike_ns: AtomicU64::new(config.latency_spike_us.map_or(u64::MAX, |us| us * 1_000)),
            log: Mutex::new(SlowLog::new(config.slowlog_len_max)),
            spikes: Mutex::default(),
        }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, SlowLog> {
        self.log.lock().expect("a thread that panics ends the process")
    }

    pub(super) fn spikes(&self) -> MutexGuard<'_, Spikes> {
        self.spikes.lock().expect("a thread that panics ends the process")
    }

    /// From how long on a command is logged, microseconds; `None`: never.
    pub(super) fn slower_than_us(&self) -> Option<u64> {
        Some(self.slower_than_ns.load(Ordering::Relaxed)).filter(|ns| *ns < u64::MAX).map(|ns| ns / 1_000)
    }

    pub(super) fn set_slower_than_us(&self, us: Option<u64>) {
        self.slower_than_ns.store(us.map_or(u64::MAX, |us| us * 1_000), Ordering::Relaxed);
    }

    /// From how long on a stage is a spike, milliseconds; 0: never.
    pub(super) fn spike_ms(&self) -> u64 {
        Some(self.spike_ns.load(Ordering::Relaxed)).filter(|ns| *ns < u64::MAX).map_or(0, |ns| ns.div_ceil(1_000_000))
    }

    pub(super) fn set_spike_ms(&self, ms: u64) {
        self.spike_ns.store(if ms == 0 { u64::MAX } else { ms * 1_000_000 }, Ordering::Relaxed);
    }

    fn is_slow(&self, ns: u64) -> bool {
        ns >= self.slower_than_ns.load(Ordering::Relaxed)
    }
}

/// The commands of a shard that have waited longest: since the last commit, and of the block that is under way.
#[derive(Default)]
pub(super) struct Watch {
    open: Specimen,
    away: Specimen,
}

/// A copy of one command with its times, nanoseconds of the boot clock. Its memory is used again.
#[derive(Default)]
struct Specimen {
    /// Empty: there is none.
    command: Batch,
    began_ns: u64,
    ended_ns: u64,
}

/// A slow command and where its answer goes.
pub(super) type Seen = (Ticket, Box<SlowEntry>);

impl Watch {
    /// `command` begins to run, of a batch that was opened and begun at these times.
    pub(super) fn see(&mut self, (opened_ns, began_ns): (u64, u64), shard: u16, ticket: Ticket, command: &Command<'_>) {
        let Specimen { command: copy, .. } = &self.open;
        if copy.is_empty() || opened_ns < copy.opened_at_ns {
            self.open.take((opened_ns, began_ns), shard, ticket, command);
        }
    }

    /// A batch has run.
    pub(super) fn ran(&mut self, ended_ns: u64) {
        if self.open.ended_ns == 0 {
            self.open.ended_ns = ended_ns;
        }
    }

    /// A block with what was seen so far is on its way to the disk.
    pub(super) fn sent(&mut self) {
        std::mem::swap(&mut self.open, &mut self.away);
        self.open.command.clear();
    }

    /// That block is durable; `commands` may leave. None: it was one of the log's own, such as the first of a life, and
    /// what was seen waits for the next.
    pub(super) fn durable(&mut self, now_ns: u64, commands: u64, slow: &Slow) -> Option<Seen> {
        if commands == 0 {
            std::mem::swap(&mut self.open, &mut self.away);
            self.away.command.clear();
            return None;
        }
        self.away.judge(now_ns, commands, slow)
    }

    /// Nothing waits: what was seen since then may leave, too.
    pub(super) fn idle(&mut self, now_ns: u64, slow: &Slow) -> Option<Seen> {
        self.open.judge(now_ns, 1, slow)
    }
}

impl Specimen {
    fn take(&mut self, (opened_ns, began_ns): (u64, u64), shard: u16, ticket: Ticket, command: &Command<'_>) {
        self.command.clear();
        self.command.opened_at_ns = opened_ns;
        self.command.push(shard, ticket, command);
        (self.began_ns, self.ended_ns) = (began_ns, 0);
    }

    fn judge(&mut self, now_ns: u64, shared: u64, slow: &Slow) -> Option<Seen> {
        let (_, ticket, command) = self.command.iter().next()?;
        let (opened_ns, began_ns) = (self.command.opened_at_ns, self.began_ns);
        let is_slow = slow.is_slow(now_ns.saturating_sub(opened_ns));
        let seen = is_slow.then(|| {
            let times = [
                began_ns.saturating_sub(opened_ns),
                self.ended_ns.saturating_sub(began_ns),
                now_ns.saturating_sub(self.ended_ns),
            ];
            (ticket, entry(&command, times, shared))
        });
        self.command.clear();
        seen
    }
}

impl Engine {
    /// `commands` commands spent `ns` each in `stage`.
    pub(super) fn spent(&mut self, stage: Stage, ns: u64, commands: u64) {
        self.counters.latencies.record(stage, ns, commands);
        if commands > 0 && ns >= self.shared.slow.spike_ns.load(Ordering::Relaxed) {
            self.shared.slow.spikes().note(stage, self.shared.clock.wall_ms() / 1000, ns / 1_000_000);
        }
    }

    /// What needed old records is back after `ms`.
    pub(super) fn was_away(&mut self, ms: u64, ticket: Ticket, command: &Command<'_>) {
        let ns = ms * 1_000_000;
        if self.shared.slow.is_slow(ns) {
            self.slow.push((ticket, entry(command, [0, ns, 0], 1)));
        }
    }

    /// Looks at what may leave at `now_ns`, and sends what was slow to the cores that know who asked.
    pub(super) fn review_slow(&mut self, now_ns: u64) {
        for home in self.homes.iter_mut().filter(|home| home.shard.waiting() == 0) {
            self.slow.extend(home.watch.idle(now_ns, &self.shared.slow));
        }
        while let Some((ticket, mut entry)) = self.slow.pop() {
            entry.at_s = self.shared.clock.wall_ms() / 1000;
            self.answer(ticket.core, Answer::Slow((ticket, entry)));
        }
    }

    /// Something was slow; `client`: who asked.
    pub(super) fn note_slow(&self, mut entry: SlowEntry, client: Option<&Connection>) {
        if let Some(client) = client {
            (entry.client, entry.client_name) = client.who();
        }
        self.shared.slow.log().push(entry);
    }
}

fn entry(command: &Command<'_>, [queue_ns, execute_ns, sync_ns]: [u64; 3], shared: u64) -> Box<SlowEntry> {
    let (client, client_name) = Default::default();
    let words = words(command);
    Box::new(SlowEntry { at_s: 0, words, queue_ns, execute_ns, sync_ns, shared, client, client_name })
}

/// The words of the command; of a step of a claim those of the claim, as far as the step knows them.
fn words(command: &Command<'_>) -> Vec<Box<[u8]>> {
    let Command { account, tx, of, lead, op, .. } = *command;
    let named = |token: &str, n: Option<u64>| n.map_or(Vec::new(), |n| vec![token.to_owned(), n.to_string()]);
    let (name, ids, rest): (&str, &[&[u8]], Vec<String>) = match op {
        Op::Grant { amount } => ("CREDIT.GRANT", &[account, tx], vec![amount.to_string()]),
        Op::Debit { amount } => ("CREDIT.DEBIT", &[account, tx], vec![amount.to_string()]),
        Op::Reserve { amount, ttl_ms } => {
            ("CREDIT.RESERVE", &[account, tx], vec![amount.to_string(), "TTL".to_owned(), ttl_ms.to_string()])
        }
        Op::Capture { amount } => ("CREDIT.CAPTURE", &[account, tx], named("AMOUNT", amount)),
        Op::Release => ("CREDIT.RELEASE", &[account, tx], vec![]),
        Op::Refund { amount } => ("CREDIT.REFUND", &[account, tx, of], named("AMOUNT", amount)),
        Op::Balance => ("CREDIT.BALANCE", &[account], vec![]),
        Op::BalanceAt { at_ms } => ("CREDIT.BALANCE", &[account], named("AT", Some(at_ms))),
        Op::Holds => ("CREDIT.HOLDS", &[account], vec![]),
        Op::Tx => ("CREDIT.TX", &[account, tx], vec![]),
        Op::History(query) => ("CREDIT.HISTORY", &[account], named("COUNT", Some(query.count.into()))),
        Op::Audit => ("CREDIT.AUDIT", &[account], vec![]),
        Op::Claim { cost } => ("LEAD.CLAIM", &[account, tx, lead], vec![cost.to_string()]),
        Op::Lead(LeadOp::Open { max, .. }) => ("LEAD.OPEN", &[lead], vec![max.to_string()]),
        Op::Lead(LeadOp::Close) => ("LEAD.CLOSE", &[lead], vec![]),
        Op::Lead(LeadOp::Get) => ("LEAD.GET", &[lead], vec![]),
        Op::Lead(LeadOp::Claims { from, count }) => {
            ("LEAD.CLAIMS", &[lead], vec![from.to_string(), "COUNT".to_owned(), count.to_string()])
        }
        Op::Lead(LeadOp::Peek | LeadOp::Take { .. }) => ("LEAD.CLAIM", &[account, tx, lead], vec![]),
        Op::EventCount => ("XLEN", &[], vec![]),
    };
    let ids = ids.iter().map(|id| Box::from(*id));
    let rest = rest.into_iter().map(|word| Box::from(word.into_bytes()));
    std::iter::once(Box::from(name.as_bytes())).chain(ids).chain(rest).collect()
}

/// The reply of SLOWLOG GET: Redis' six fields, the stages behind the command's words.
pub(super) fn encode_log(entries: &[(u64, Arc<SlowEntry>)], e: &mut Encoder<'_>) {
    e.array(entries.len());
    for (id, entry) in entries {
        e.array(6);
        e.integer(*id);
        e.integer(entry.at_s);
        e.integer(entry.total_ns() / 1000);
        e.array(entry.words.len() + 1);
        entry.words.iter().for_each(|word| e.bulk(word));
        e.text(&entry.stages());
        e.text(&entry.client);
        e.bulk(&entry.client_name);
    }
}

/// The reply of LATENCY, but for HISTOGRAM, which has to ask all cores.
pub(super) fn answer_latency(slow: &Slow, request: &LatencyRequest<'_>, proto: Proto) -> Answered {
    let mut spikes = slow.spikes();
    let mut bytes = Vec::new();
    let mut e = Encoder::new(&mut bytes, proto);
    match request {
        LatencyRequest::Latest => {
            e.array(spikes.stages().count());
            for (name, stage) in spikes.stages() {
                let (at_s, ms) = stage.seconds.back().copied().expect("it had a spike");
                e.array(4);
                e.text(name);
                [at_s, ms, stage.max_ms].into_iter().for_each(|n| e.integer(n));
            }
        }
        LatencyRequest::History(event) => {
            let stage = spikes.stages().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(event));
            let seconds = stage.map(|(_, stage)| &stage.seconds);
            e.array(seconds.map_or(0, VecDeque::len));
            for (at_s, ms) in seconds.into_iter().flatten() {
                e.array(2);
                e.integer(*at_s);
                e.integer(*ms);
            }
        }
        LatencyRequest::Reset(names) => {
            let wants = |name: &str| names.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
            e.integer(spikes.reset(|name| names.is_empty() || wants(name)));
        }
        LatencyRequest::Doctor => e.verbatim(&spikes.doctor()),
        LatencyRequest::Histogram(_) => unreachable!("all cores are asked"),
    }
    Answered::Encoded(bytes)
}

/// The reply of LATENCY HISTOGRAM: by stage, cumulative counts by the powers of two of microseconds that Redis has.
pub(super) fn histogram(latencies: &Latencies, names: &[Box<[u8]>], proto: Proto) -> Answered {
    let wants = |name: &str| names.is_empty() || names.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let wanted: Vec<_> = latencies.by_microsecond().filter(|(name, ..)| wants(name)).collect();
    let mut bytes = Vec::new();
    let mut e = Encoder::new(&mut bytes, proto);
    e.map(wanted.len());
    for (name, calls, counts) in wanted {
        e.text(name);
        e.map(2);
        e.number("calls", calls);
        e.text("histogram_usec");
        e.map(counts.len());
        for (us, count) in counts {
            e.integer(us);
            e.integer(count);
        }
    }
    Answered::Encoded(bytes)
}
