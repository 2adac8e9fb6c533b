//! Commands on their way: connection, core, mail, shard, and back. The simulated twin of server::engine.
//!
//! Mail between two cores keeps its order; mail of different pairs arrives in any. A core reads its clock once per run
//! of commands; here time only moves between actions.

use super::world::{Mail, World};
use creditd::ledger::Sought;
use creditd::ledger::command::{CLAIMS_COUNT_MAX, Command, HISTORY_COUNT_MAX, HistoryQuery, LeadOp, Op};
use creditd::ledger::event::{EntryId, EntryTypes};
use creditd::shard::Executed;
use creditd::shard::batch::{Batch, Reply, Ticket};

/// The connection that asks what only the simulation wants to know; nobody is told.
const AUDITOR: u32 = u32::MAX >> 1;

/// All of a trail that one HISTORY may show.
const WHOLE: HistoryQuery = HistoryQuery {
    start: EntryId::MIN,
    end: EntryId::MAX,
    count: HISTORY_COUNT_MAX,
    newest_first: false,
    types: EntryTypes::ALL,
};

impl World {
    /// A client sends a command.
    pub fn send(&mut self) {
        let now_ms = self.now_ms();
        if let Some(request) = self.clients.send(&mut self.chance, &self.knobs, now_ms) {
            self.trace.note(format_args!("send {:?} {}", request.op, request.tx.escape_ascii()));
        }
    }

    /// A core reads some commands of one connection, and runs or forwards them.
    pub fn read(&mut self, number: usize, count: u64) {
        let core = self.clients.connections[number].core;
        let mut own = Batch::default();
        for (ticket, request) in self.clients.read(number, count) {
            let shard = self.knobs.shard(request.command().owner());
            let owner = self.process.core(shard);
            if owner == core {
                own.push(shard, ticket, &request.command());
            } else {
                let pair = self.process.pair(core, owner);
                self.process.outboxes[pair].batch.push(shard, ticket, &request.command());
            }
        }
        self.run_batch(&own);
    }

    /// A core sends what waits for the others.
    pub fn flush(&mut self, core: u16) {
        for to in 0..self.process.cores {
            let pair = self.process.pair(core, to);
            let outbox = &mut self.process.outboxes[pair];
            if !outbox.batch.is_empty() {
                self.process.mail[pair].push_back(Mail::Commands(std::mem::take(&mut outbox.batch)));
            }
            if !outbox.replies.is_empty() {
                self.process.mail[pair].push_back(Mail::Replies(std::mem::take(&mut outbox.replies)));
            }
        }
    }

    /// The oldest message of a pair of cores arrives.
    pub fn deliver(&mut self, pair: usize) {
        match self.process.mail[pair].pop_front() {
            Some(Mail::Commands(batch)) => self.run_batch(&batch),
            Some(Mail::Replies(replies)) => replies.into_iter().for_each(|reply| self.clients.fill(reply)),
            None => {}
        }
    }

    /// Runs commands that have reached the core of their shards, one after the other.
    pub fn run_batch(&mut self, batch: &Batch) {
        self.trace.note(format_args!("batch of {}", batch.len()));
        // All are prepared before the first is run: what the first changes must not mislead the others.
        let homes = &self.process.homes;
        let prepare = |(shard, _, command)| homes[usize::from(shard)].shard.prepare(&command);
        let prepared: Vec<_> = batch.iter().map(prepare).collect();
        for ((shard, ticket, command), prepared) in batch.iter().zip(prepared) {
            self.execute(shard, ticket, &command, prepared);
        }
    }

    /// What is ready of a connection's answers is told.
    pub fn write(&mut self, number: usize) {
        for (request, outcome) in self.clients.write(number) {
            self.trace.note(format_args!("told {} {:?} {:?}", request.tx.escape_ascii(), request.op, outcome));
        }
    }

    /// A shard executes a command, and the judge too.
    fn execute(&mut self, shard: u16, ticket: Ticket, command: &Command<'_>, sought: Sought) {
        let now_ms = self.now_ms();
        let home = &mut self.process.homes[usize::from(shard)];
        let (known, admission) = (self.judge.look(home.shard.ledger(), command, now_ms), home.shard.admission());
        let mut released = Vec::new();
        let executed = home.shard.execute(now_ms, ticket, command, sought, &mut released);
        match executed {
            Executed::Decided => self.judge.decided(ticket, command, now_ms, &known, admission),
            Executed::Aside => self.judge.aside(ticket, command, &known),
        }
        let (account, tx, next) =
            (command.account.escape_ascii(), command.tx.escape_ascii(), home.shard.log().next_lsn());
        self.trace.note(format_args!("do {account} {tx} {:?} at {now_ms} to {next}, {executed:?}", command.op));
        self.counts.commands += u64::from(executed == Executed::Decided);
        self.counts.asides += u64::from(executed == Executed::Aside);
        self.collect(shard, Some((ticket, command)));
        self.hand_out(shard, released);
    }

    /// Answers leave a shard: to connections of its core, or into the mail.
    pub fn hand_out(&mut self, shard: u16, released: Vec<Reply>) {
        let (core, now_ms) = (self.process.core(shard), self.now_ms());
        for reply in released {
            let is_of_claim = reply.ticket.claim().is_some();
            // A claim is also told that its hold is durable: no command has asked that.
            if !is_of_claim || self.judge.owes(reply.ticket) {
                self.judge.released(&reply, now_ms);
            }
            if is_of_claim {
                self.process.post.answers.push(reply);
                continue;
            }
            if reply.ticket.connection == AUDITOR {
                continue;
            }
            if reply.ticket.core == core {
                self.clients.fill(reply);
            } else {
                let pair = self.process.pair(core, reply.ticket.core);
                self.process.outboxes[pair].replies.push(reply);
            }
        }
    }

    /// A core expires some holds that nobody asks about, or all of them, and then the shards are what they must be.
    pub fn expire(&mut self, core: u16) {
        let all = self.chance.percent(50);
        for shard in (core..self.knobs.shards).step_by(usize::from(self.process.cores)) {
            self.expire_shard(shard, all);
        }
    }

    /// As [`Self::expire`], of one shard.
    pub fn expire_shard(&mut self, shard: u16, all: bool) {
        let now_ms = self.now_ms();
        let home = &mut self.process.homes[usize::from(shard)];
        let is_due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let (mut slices, mut released) = (0u32, Vec::new());
        while is_due(home.shard.next_expiry()) && (all || slices < 2) {
            home.shard.expire(now_ms, 1 + self.chance.below(4) as usize, &mut released);
            slices += 1;
            assert!(slices < 100_000, "expiry comes to an end");
        }
        self.trace.note(format_args!("expire {shard} in {slices} to {}", home.shard.log().next_lsn()));
        self.hand_out(shard, released);
        self.collect(shard, None);
        let home = &mut self.process.homes[usize::from(shard)];
        self.judge.end_late(shard, home.shard.ledger(), now_ms);
        if all && home.expires() {
            self.judge.audit(home.shard.ledger(), now_ms, |name| self.knobs.shard(name) == shard);
        }
    }

    /// Asks every account of a shard for all there is, which settles it, and compares the whole with the model. Only when
    /// nothing waits.
    pub fn audit(&mut self, shard: u16) {
        let now_ms = self.now_ms();
        let mut batch = Batch::default();
        for account in self.judge.accounts() {
            if self.knobs.shard(&account) == shard {
                let newest_first = self.chance.percent(50);
                let query = HistoryQuery { newest_first, ..WHOLE };
                for op in [Op::Holds, Op::Audit, Op::History(query)] {
                    self.process.audits += 1;
                    let (core, slot) = (self.process.core(shard), self.process.audits);
                    let ticket = Ticket { core, connection: AUDITOR, generation: 0, slot };
                    batch.push(shard, ticket, &Command::new(&account, b"", op));
                }
            }
        }
        for lead in self.judge.leads().iter().filter(|lead| self.knobs.shard(lead) == shard) {
            for op in [LeadOp::Get, LeadOp::Claims { from: 1, count: CLAIMS_COUNT_MAX }] {
                self.process.audits += 1;
                let (core, slot) = (self.process.core(shard), self.process.audits);
                let ticket = Ticket { core, connection: AUDITOR, generation: 0, slot };
                batch.push(shard, ticket, &Command::of_lead(lead, Op::Lead(op)));
            }
        }
        self.run_batch(&batch);
        let ledger = self.process.homes[usize::from(shard)].shard.ledger();
        self.judge.audit(ledger, now_ms, |account| self.knobs.shard(account) == shard);
    }
}
