//! Requests for streams that are under way on a core: XREAD, XRANGE, XLEN, XINFO.
//!
//! ```text
//!  begin ─▶ asks: a page of events, entries of a log, a count ─▶ all heard ─┬ something, or no BLOCK ─▶ answer
//!              ▲                                                            └ nothing: thread `tail` waits for it
//!              └────────── Changed (a log) ◀──────────────────────────────────┤
//!                          Pages (events), or the time is over ─▶ answer ◀────┘
//! ```
//! Bounded: a connection has one request under way, with so many streams. Invariant: who waits has looked at everything
//! before the position that he waits from. Absent on purpose: reading records; bytes of replies (`shape`).

use super::asks::{Ask, Of, Want};
use super::follower::{Awaited, Notice, Wait, Waiter};
use super::pages::{Asked, AskedPage};
use super::shape::{Found, Shape};
use super::{Paged, Streams};
use crate::commands::reply::Proto;
use crate::commands::streams::{Stream, StreamRequest};
use crate::feed::Names;
use crate::ledger::command::{HistoryQuery, Op};
use crate::ledger::event::EntryId;
use crate::ledger::outcome::Outcome;
use crate::net::replies::Answer;
use crate::server::mailbox::Mailbox;
use crate::server::router::Router;
use crate::shard::batch::Ticket;
use crossbeam_channel::TrySendError;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// All requests of a core's connections that are under way.
pub(in crate::server) struct Readings {
    core: u16,
    mailbox: Arc<Mailbox>,
    router: Router,
    streams: Arc<Streams>,
    open: BTreeMap<u32, Reading>,
    newest: u32,
    /// Those that wait not for ever, by the end of their time in unix milliseconds.
    deadlines: BTreeSet<(u64, u32)>,
    /// For the threads. Few for each reading: each waits once at a time.
    unsent: VecDeque<Unsent>,
    commands: Vec<ShardCommand>,
    answers: Vec<(Ticket, Answer)>,
}

/// What a reading has to say to the threads.
enum Unsent {
    Asked(Asked),
    Notice(Notice),
}

/// A command that a reading has for a shard.
pub(in crate::server) struct ShardCommand {
    pub(in crate::server) shard: u16,
    pub(in crate::server) ticket: Ticket,
    /// Empty: none.
    pub(in crate::server) account: Box<[u8]>,
    pub(in crate::server) op: Op,
}

struct Reading {
    ticket: Ticket,
    proto: Proto,
    shape: Shape,
    asks: Vec<Ask>,
    /// Asks that are not heard of.
    missing: usize,
    /// Entries of a stream at most.
    count: u16,
    /// Until when it waits if there is nothing; `None`: not at all.
    wait_until_ms: Option<u64>,
    /// There was nothing: it waits.
    waits: bool,
}

impl Readings {
    /// No requests yet.
    pub(in crate::server) fn new(core: u16, mailbox: Arc<Mailbox>, router: Router, streams: Arc<Streams>) -> Self {
        Self {
            core,
            mailbox,
            router,
            streams,
            open: BTreeMap::new(),
            newest: 0,
            deadlines: BTreeSet::new(),
            unsent: VecDeque::new(),
            commands: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Begins `request`, whose answer comes to `ticket`. It waits for entries only if it `may_block`.
    pub(in crate::server) fn begin(
        &mut self,
        ticket: Ticket,
        proto: Proto,
        request: &StreamRequest<'_>,
        may_block: bool,
        now_ms: u64,
    ) {
        let (mut count, mut block_ms) = (0, None);
        let of = |stream| Of::new(stream, &self.router);
        let (shape, asks) = match request {
            StreamRequest::Read(read) => {
                (count, block_ms) = (read.count, read.block_ms);
                let ask = |(key, stream, after)| Ask::after(key, of(stream), after, count);
                (Shape::Streams, read.streams().map(ask).collect())
            }
            StreamRequest::Range { shard, query } => {
                let HistoryQuery { start, end, count, newest_first, .. } = *query;
                let want = Want::Entries { start, end, count, newest_first };
                (Shape::Entries, vec![Ask::new(b"", of(Stream::Events(*shard)), want)])
            }
            StreamRequest::Length(stream) => (Shape::Length, vec![Ask::new(b"", of(*stream), Want::Count)]),
            StreamRequest::Info(stream) => {
                let wants = [Want::Count, Want::FIRST, Want::LAST];
                (Shape::Info, wants.map(|want| Ask::new(b"", of(*stream), want)).into())
            }
        };
        let wait_until_ms = block_ms.filter(|_| may_block).map(|block_ms| now_ms.saturating_add(block_ms));
        let reading = Reading { ticket, proto, shape, asks, missing: 0, count, wait_until_ms, waits: false };
        self.newest = self.newest.wrapping_add(1);
        let before = self.open.insert(self.newest, reading);
        assert!(before.is_none(), "a number is free again after four billion requests");
        self.ask(self.newest, None);
        self.go_on(self.newest);
    }

    /// The connection of `ticket` is over: nobody waits for its reading.
    pub(in crate::server) fn give_up(&mut self, ticket: Ticket) {
        let is_its = |reading: &Reading| {
            (reading.ticket.connection, reading.ticket.generation) == (ticket.connection, ticket.generation)
        };
        let number = self.open.iter().find_map(|(number, reading)| is_its(reading).then_some(*number));
        if let Some(number) = number {
            self.close(number);
        }
    }

    /// Pages have come: those that a reading has asked for, or one that it has waited for.
    pub(in crate::server) fn heard(&mut self, number: u32, pages: Vec<(usize, Paged)>) {
        let Some(reading) = self.open.get_mut(&number) else { return }; // its time was over
        if !reading.waits {
            reading.missing -= pages.len();
        }
        for (index, paged) in pages {
            let ask = &mut reading.asks[index];
            (ask.waits, ask.found) = (false, Found::page(paged));
        }
        self.go_on(number);
    }

    /// A shard has answered a command of a reading.
    pub(in crate::server) fn heard_shard(&mut self, (number, index): (u32, usize), outcome: Outcome) {
        let Some(reading) = self.open.get_mut(&number) else { return };
        reading.missing -= 1;
        reading.asks[index].found = Found::outcome(outcome);
        self.go_on(number);
    }

    /// A log that a reading waits for has a new entry: asks again.
    pub(in crate::server) fn changed(&mut self, number: u32, index: usize) {
        if let Some(reading) = self.open.get_mut(&number) {
            reading.asks[index].waits = false;
            self.ask(number, Some(index));
        }
    }

    /// Answers those whose time is over.
    pub(in crate::server) fn expire(&mut self, now_ms: u64) {
        while let Some((_, number)) = self.deadlines.first().filter(|(at_ms, _)| *at_ms <= now_ms) {
            self.finish(*number);
        }
    }

    /// When the next one's time is over, unix milliseconds.
    pub(in crate::server) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    /// Readings that wait for entries.
    pub(in crate::server) fn waiting(&self) -> usize {
        self.open.values().filter(|reading| reading.waits).count()
    }

    /// Answers that are ready.
    pub(in crate::server) fn take_answers(&mut self) -> Vec<(Ticket, Answer)> {
        std::mem::take(&mut self.answers)
    }

    /// From now on events of these names are to come as messages. Those that become durable after this do.
    pub(in crate::server) fn listen(&mut self, names: Names) {
        let Streams { tails, interests, .. } = &*self.streams;
        if interests.set(self.core, names) {
            let from = (0..tails.len()).map(|shard| tails.durable(shard)).collect();
            self.unsent.push_back(Unsent::Notice(Notice::Listen { from }));
        }
    }

    /// Hands over what readings have to ask: to the threads, and commands to the caller. Says also whether something found
    /// no room.
    pub(in crate::server) fn send(&mut self) -> (Vec<ShardCommand>, bool) {
        let commands = std::mem::take(&mut self.commands);
        let mut stuck = VecDeque::new();
        for unsent in self.unsent.drain(..) {
            let back = match unsent {
                Unsent::Asked(asked) => self.streams.asked.try_send(asked).map_err(|e| Unsent::Asked(full(e))),
                Unsent::Notice(notice) => self.streams.notices.try_send(notice).map_err(|e| Unsent::Notice(full(e))),
            };
            stuck.extend(back.err());
        }
        self.unsent = stuck;
        (commands, !self.unsent.is_empty())
    }

    /// Asks what the reading wants to know; or `only` that.
    fn ask(&mut self, number: u32, only: Option<usize>) {
        let Self { open, streams, mailbox, unsent, commands, core, .. } = self;
        let reading = open.get_mut(&number).expect("the caller has seen it");
        let among = reading.asks.len();
        let asks = reading.asks.iter_mut().enumerate().filter(|(index, _)| only.is_none_or(|only| only == *index));
        let mut pages = Vec::new();
        for (index, ask) in asks {
            let (shard, account, op) = match (&ask.of, ask.want) {
                (Of::Nothing, _) => continue,
                (Of::Events(shard), Want::Count) => (*shard, None, Op::EventCount),
                (Of::Events(shard), want) => {
                    ask.durable = streams.tails.durable(*shard);
                    let query = want.of_events(among);
                    pages.push(AskedPage { index, shard: *shard, durable: ask.durable, query });
                    reading.missing += 1;
                    continue;
                }
                (Of::Log { shard, account }, Want::Count) => (*shard, Some(account), Op::Balance),
                (Of::Log { shard, account }, want) => {
                    ask.durable = streams.tails.durable(*shard); // before the shard looks: nothing falls between
                    (*shard, Some(account), Op::History(want.of_log(among)))
                }
            };
            let ticket = Ticket::of_reading(*core, number, index);
            let account = account.cloned().unwrap_or_default();
            commands.push(ShardCommand { shard, ticket, account, op });
            reading.missing += 1;
        }
        if !pages.is_empty() {
            unsent.push_back(Unsent::Asked(Asked { mailbox: mailbox.clone(), reading: number, pages }));
        }
    }

    /// Answers the reading, or lets it wait, once all is heard that it has asked.
    fn go_on(&mut self, number: u32) {
        let reading = self.open.get_mut(&number).expect("the caller has seen it");
        let is_served = reading.waits && reading.has_found();
        if reading.missing > 0 && !is_served {
            return;
        }
        reading.asks.iter_mut().for_each(Ask::find_end);
        let may_wait = reading.wait_until_ms.is_some() && !reading.has_found();
        if may_wait { self.wait(number) } else { self.finish(number) }
    }

    /// Has the thread `tail` wait for what the reading wants.
    fn wait(&mut self, number: u32) {
        let Self { open, deadlines, unsent, core, .. } = self;
        let reading = open.get_mut(&number).expect("the caller has seen it");
        if !reading.waits
            && let Some(at_ms) = reading.wait_until_ms.filter(|at_ms| *at_ms < u64::MAX)
        {
            deadlines.insert((at_ms, number));
        }
        reading.waits = true;
        let among = reading.asks.len();
        let mut waits = Vec::new();
        for (index, ask) in reading.asks.iter_mut().enumerate().filter(|(_, ask)| !ask.waits) {
            ask.want = Want::from(ask.then.expect("the end was found"), reading.count);
            let (shard, awaited) = match &ask.of {
                Of::Nothing => continue,
                Of::Events(shard) => (*shard, Awaited::Events(ask.want.of_events(among))),
                Of::Log { shard, account } => {
                    (*shard, Awaited::Account { account: account.clone(), from: ask.durable })
                }
            };
            ask.waits = true;
            waits.push(Wait { index, shard, awaited });
        }
        let by = Waiter { core: *core, reading: number };
        unsent.push_back(Unsent::Notice(Notice::Wait { by, waits }));
    }

    /// Answers the reading with what is found.
    fn finish(&mut self, number: u32) {
        let Reading { ticket, proto, shape, asks, .. } = self.close(number);
        // Where an event's or an entry's id stands on what is kept: what is below is gone.
        let kept_from = |ask: &Ask, first: EntryId| match ask.of {
            Of::Events(shard) => self.streams.tails.oldest(shard),
            Of::Log { .. } | Of::Nothing => first.seq,
        };
        let answer = shape.encode(proto, &asks, kept_from);
        self.answers.push((ticket, answer));
    }

    fn close(&mut self, number: u32) -> Reading {
        let reading = self.open.remove(&number).expect("the caller has seen it");
        if let Some(at_ms) = reading.wait_until_ms {
            self.deadlines.remove(&(at_ms, number));
        }
        if reading.asks.iter().any(|ask| ask.waits) {
            let by = Waiter { core: self.core, reading: number };
            self.unsent.push_back(Unsent::Notice(Notice::Cancel { by }));
        }
        reading
    }
}

impl Reading {
    fn has_found(&self) -> bool {
        self.asks.iter().any(|ask| !matches!(ask.found, Found::Nothing))
    }
}

fn full<T>(error: TrySendError<T>) -> T {
    assert!(matches!(error, TrySendError::Full(_)), "the threads of streams end after the cores");
    error.into_inner()
}
