//! Callers: few accounts, few ids, every verb on every id, retries after unknown outcomes, duplicates on other
//! connections, extreme amounts.

use super::knobs::Knobs;
use super::witness::{Witness, shown_seq};
use creditd::journal::chance::Chance;
use creditd::ledger::command::{CLAIMS_COUNT_MAX, Command, HISTORY_COUNT_MAX, HistoryQuery, LeadOp, Op};
use creditd::ledger::credits::{CREDITS_MAX, TTL_MS_MAX};
use creditd::ledger::event::{EntryId, EntryType, EntryTypes};
use creditd::ledger::outcome::Outcome;
use creditd::ledger::rejection::Rejection;
use creditd::shard::batch::{Reply, Ticket};
use std::collections::{BTreeMap, VecDeque};

/// Commands that a connection has sent and that no core has read.
const UNREAD_MAX: usize = 12;

/// Commands of a flood, 1 KiB each: more than a block.
const FLOOD: u64 = 1_100;

/// Answered writes of one process run that a client asks again in the next.
const PROOFS: u64 = 12;

/// A command with its bytes.
#[derive(Clone, Debug)]
pub struct Request {
    pub account: Vec<u8>,
    pub tx: Vec<u8>,
    pub of: Vec<u8>,
    pub lead: Vec<u8>,
    reason: Vec<u8>,
    meta: Vec<u8>,
    pub op: Op,
}

/// One connection, on one core, for at most one process run.
pub struct Connection {
    client: usize,
    pub core: u16,
    unread: VecDeque<Request>,
    /// Read and not told, in order.
    slots: VecDeque<(Request, Option<Outcome>)>,
    first_slot: u32,
    /// The newest entry of each account that this connection was shown.
    seen: BTreeMap<Vec<u8>, u64>,
}

/// All of them.
pub struct Clients {
    pub connections: Vec<Connection>,
    life: u32,
    /// Per client: to be sent again.
    again: Vec<VecDeque<Request>>,
    /// Per client: writes that were answered in this process run.
    answered: Vec<Vec<Request>>,
    /// Leads made so far.
    leads: u64,
    /// Per account: ids made so far.
    ids: Vec<u64>,
    /// Per account: ids that somebody was told took credits, however long ago.
    took: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    forgets: bool,
    pub witness: Witness,
    pub told: u64,
    pub retries: u64,
}

impl Request {
    /// Copies a command's bytes.
    pub fn copy(command: &Command<'_>) -> Self {
        let Command { account, tx, of, lead, reason, meta, op } = *command;
        Self {
            account: account.to_vec(),
            tx: tx.to_vec(),
            of: of.to_vec(),
            lead: lead.to_vec(),
            reason: reason.to_vec(),
            meta: meta.to_vec(),
            op,
        }
    }

    /// As the shard sees it.
    pub fn command(&self) -> Command<'_> {
        Command {
            account: &self.account,
            tx: &self.tx,
            of: &self.of,
            lead: &self.lead,
            reason: &self.reason,
            meta: &self.meta,
            op: self.op,
        }
    }
}

impl Clients {
    /// Nobody is connected.
    pub fn new(knobs: &Knobs) -> Self {
        Self {
            connections: Vec::new(),
            life: 0,
            again: vec![VecDeque::new(); knobs.clients],
            answered: vec![Vec::new(); knobs.clients],
            leads: 1,
            ids: vec![1; knobs.accounts as usize],
            took: BTreeMap::new(),
            forgets: knobs.retention_ms != u64::MAX,
            witness: Witness::default(),
            told: 0,
            retries: 0,
        }
    }

    /// A server with `cores` is up: everybody connects.
    pub fn connect(&mut self, chance: &mut Chance, cores: u16) {
        self.life += 1;
        for client in 0..self.again.len() {
            for _ in 0..=chance.below(3) {
                let core = chance.below(u64::from(cores)) as u16;
                // Slots count up and wrap: start where they soon do.
                let first_slot = u32::MAX - chance.below(40) as u32;
                let (unread, slots, seen) = (VecDeque::new(), VecDeque::new(), BTreeMap::new());
                self.connections.push(Connection { client, core, unread, slots, first_slot, seen });
            }
        }
    }

    /// The server is gone. What was not answered is sent again, mostly; some of what was answered too, as a proof.
    pub fn disconnect(&mut self, chance: &mut Chance) {
        for connection in self.connections.drain(..) {
            let again = &mut self.again[connection.client];
            let unanswered = connection.slots.into_iter().map(|(request, _)| request).chain(connection.unread);
            again.extend(unanswered.filter(|_| chance.percent(85)));
        }
        for (client, answered) in self.answered.iter_mut().enumerate() {
            for _ in 0..PROOFS.min(answered.len() as u64) {
                let proof = answered[chance.below(answered.len() as u64) as usize].clone();
                self.again[client].push_back(proof);
            }
            answered.clear();
        }
    }

    /// Some client sends a command; the network may do it twice.
    pub fn send(&mut self, chance: &mut Chance, knobs: &Knobs, now_ms: u64) -> Option<&Request> {
        let number = chance.below(self.connections.len() as u64) as usize;
        let client = self.connections[number].client;
        if self.connections[number].unread.len() >= UNREAD_MAX {
            return None;
        }
        let again = &mut self.again[client];
        let request = match again.pop_front_if(|_| chance.percent(60)) {
            Some(request) => {
                self.retries += 1;
                request
            }
            None => self.invent(chance, knobs, now_ms),
        };
        if chance.percent(knobs.twice_percent) {
            self.again[client].push_back(request.clone());
        }
        self.connections[number].unread.push_back(request);
        self.connections[number].unread.back()
    }

    /// A client sends more than a block holds, all at once.
    pub fn flood(&mut self, number: usize) {
        // An account of its own: the model is naive, thousands of ids would make the others slow.
        let account = format!("flood:{}:{number}", self.life).into_bytes();
        self.send_all(number, &account, FLOOD, 1024);
    }

    /// A client gives an account a trail of many short entries.
    pub fn lengthen(&mut self, number: usize, entries: u64) {
        self.send_all(number, b"tradie:0", entries, 0);
    }

    fn send_all(&mut self, number: usize, account: &[u8], count: u64, meta_len: usize) {
        let all = (0..count).map(|n| Request {
            account: account.to_vec(),
            tx: format!("f{n}").into_bytes(),
            of: Vec::new(),
            lead: Vec::new(),
            reason: Vec::new(),
            meta: vec![b'f'; meta_len],
            op: if n % 3 == 2 { Op::Debit { amount: n % 2 + 1 } } else { Op::Grant { amount: 1 } },
        });
        self.connections[number].unread.extend(all);
    }

    /// A core reads at most `count` commands of a connection: each gets the slot of its answer.
    pub fn read(&mut self, number: usize, count: u64) -> Vec<(Ticket, Request)> {
        let connection = &mut self.connections[number];
        let mut read = Vec::new();
        while read.len() < count as usize
            && let Some(request) = connection.unread.pop_front()
        {
            let slot = connection.first_slot.wrapping_add(connection.slots.len() as u32);
            let ticket = Ticket { core: connection.core, connection: number as u32, generation: self.life, slot };
            connection.slots.push_back((request.clone(), None));
            read.push((ticket, request));
        }
        read
    }

    /// An outcome reaches the core of its connection.
    pub fn fill(&mut self, reply: Reply) {
        let Ticket { core, connection, generation, slot } = reply.ticket;
        assert_eq!(generation, self.life, "mail ends with its process");
        let connection = &mut self.connections[connection as usize];
        assert_eq!(core, connection.core, "replies go to the core that has the connection");
        let place = slot.wrapping_sub(connection.first_slot) as usize;
        let outcome = &mut connection.slots.get_mut(place).expect("a slot waits for it").1;
        assert!(outcome.replace(reply.outcome).is_none(), "a slot is filled once");
    }

    /// What is ready of a connection's answers reaches its client, in the order of the commands.
    pub fn write(&mut self, number: usize) -> Vec<(Request, Outcome)> {
        let mut told = Vec::new();
        let connection = &mut self.connections[number];
        while let Some((request, outcome)) = connection.slots.pop_front_if(|(_, outcome)| outcome.is_some()) {
            connection.first_slot = connection.first_slot.wrapping_add(1);
            told.push((request, outcome.expect("just seen")));
        }
        for (request, outcome) in &told {
            self.hear(number, request, outcome);
        }
        told
    }

    fn hear(&mut self, number: usize, request: &Request, outcome: &Outcome) {
        let connection = &mut self.connections[number];
        if let Some((seq, is_new)) = shown_seq(request.op, outcome) {
            let seen = connection.seen.entry(request.account.clone()).or_default();
            assert!(
                seq > *seen || (seq == *seen && !is_new),
                "a connection sees an account go back: {request:?} {outcome:?}"
            );
            *seen = seq;
        }
        if matches!(outcome, Outcome::Rejected(Rejection::TryAgain(_) | Rejection::DiskFull { .. })) {
            self.again[connection.client].push_back(request.clone());
        }
        self.again[connection.client].extend(remedy(request, outcome));
        self.witness.hears(request, outcome, self.forgets);
        self.told += 1;
        let took = matches!(request.op, Op::Debit { .. } | Op::Capture { .. } | Op::Claim { .. });
        if took && matches!(outcome, Outcome::Written(_)) {
            self.took.entry(request.account.clone()).or_default().push(request.tx.clone());
        }
        if request.op.is_write() || matches!(request.op, Op::Lead(LeadOp::Open { .. })) {
            self.answered[connection.client].push(request.clone());
        }
    }

    /// Whether every command sent has been answered.
    pub fn is_quiet(&self) -> bool {
        self.connections.iter().all(|connection| connection.unread.is_empty() && connection.slots.is_empty())
    }

    /// A claim of one of the newest leads; or something else of them.
    fn invent_of_lead(&mut self, chance: &mut Chance, knobs: &Knobs, account: u64) -> Request {
        let is_new = chance.percent(5);
        self.leads += u64::from(is_new);
        let lead = if is_new { self.leads } else { self.leads - chance.below(self.leads.min(4)) };
        let max = if chance.percent(3) { 2 } else { 1 + lead % knobs.slots };
        let ttl_ms = if lead.is_multiple_of(3) { Some(1 + lead * 7919 % knobs.ttl_ms_max) } else { None };
        let op = match chance.below(if is_new { 8 } else { 100 }) {
            0..8 => Op::Lead(LeadOp::Open { max: max as u32, ttl_ms: ttl_ms.map(|ms| 50 * ms) }),
            8 if chance.percent(40) => Op::Lead(LeadOp::Close),
            8..12 => Op::Lead(LeadOp::Get),
            12..15 => Op::Lead(LeadOp::Claims { from: chance.below(4) as u32, count: CLAIMS_COUNT_MAX }),
            15..17 => Op::Claim { cost: 1 + chance.below(50) },
            _ => Op::Claim { cost: lead % 4 },
        };
        let (account, tx) = match op {
            Op::Claim { .. } => (account_name(account), claim_tx(lead, u64::from(chance.percent(15)))),
            _ => (Vec::new(), Vec::new()),
        };
        let lead = format!("lead:{lead:0width$}", width = [1, 30, 123][lead as usize % 3]).into_bytes();
        let reason = if chance.percent(10) { b"because".to_vec() } else { Vec::new() };
        Request { account, tx, of: Vec::new(), lead, reason, meta: Vec::new(), op }
    }

    fn invent(&mut self, chance: &mut Chance, knobs: &Knobs, now_ms: u64) -> Request {
        let account = chance.below(knobs.accounts);
        let ids = &mut self.ids[account as usize];
        if *ids > 1 && chance.percent(knobs.leads_percent) {
            return self.invent_of_lead(chance, knobs, account);
        }
        *ids += u64::from(chance.percent(30));
        let id = *ids - chance.below(knobs.ids.min(*ids));
        let op = if chance.percent(15) { ask(chance, now_ms) } else { invent_op(chance, knobs, id) };
        let account = account_name(account);
        let name = |id: u64| format!("t{id:0width$}", width = [1, 30, 63][id as usize % 3]).into_bytes();
        // Also ids that did not take anything, are not known yet, or were forgotten.
        let took = self.took.get(&account).map_or(&[][..], Vec::as_slice);
        let back = if chance.percent(50) { 10 } else { 1_000 };
        let of = match took.len().checked_sub(1 + chance.below(back) as usize) {
            Some(place) if chance.percent(70) => took[place].clone(),
            _ => name(id - chance.below(id.min(300))),
        };
        let reason = if chance.percent(10) { b"because".to_vec() } else { Vec::new() };
        let meta =
            if chance.percent(knobs.long_percent) { vec![b'm'; 1 + chance.below(1024) as usize] } else { Vec::new() };
        // Now and then a claim's.
        let is_claims = knobs.leads_percent > 0 && chance.percent(6);
        let tx = if is_claims { claim_tx(self.leads - chance.below(self.leads.min(3)), 0) } else { name(id) };
        let (tx, of) = match op {
            Op::Refund { .. } => (tx, of),
            Op::Tx => (of, Vec::new()),
            _ if op.is_write() => (tx, Vec::new()),
            _ => (Vec::new(), Vec::new()),
        };
        Request { account, tx, of, lead: Vec::new(), reason, meta, op }
    }
}

/// Names of all lengths: kept inline, kept in a box, the longest there are.
fn account_name(account: u64) -> Vec<u8> {
    format!("tradie:{account:0width$}", width = [1, 1, 20, 121][account as usize % 4]).into_bytes()
}

/// An attempt at a lead, mostly the first.
fn claim_tx(lead: u64, attempt: u64) -> Vec<u8> {
    format!("c{lead:0width$}.{attempt}", width = [1, 40, 60][lead as usize % 3]).into_bytes()
}

/// What a client does first when it hears that something is not there.
fn remedy(request: &Request, outcome: &Outcome) -> Option<Request> {
    let open = Op::Lead(LeadOp::Open { max: 3, ttl_ms: None });
    Some(match outcome {
        Outcome::Rejected(Rejection::NoAccount) => {
            let command = Command::new(&request.account, b"first", Op::Grant { amount: 300 });
            Request::copy(&command)
        }
        Outcome::Rejected(Rejection::NoLead) => Request::copy(&Command::of_lead(&request.lead, open)),
        _ => return None,
    })
}

/// Mostly what an id was made for, so that sequences come to an end; else any verb, any amount.
fn invent_op(chance: &mut Chance, knobs: &Knobs, id: u64) -> Op {
    let amount = match chance.below(100) {
        0..2 => [CREDITS_MAX, CREDITS_MAX - 1, CREDITS_MAX / 2][chance.below(3) as usize],
        2..10 => 1 + chance.below(12),
        _ => 1 + id % 7,
    };
    // The first one opens the account.
    let made_for = if id == 1 { 0 } else { id % 6 };
    let verb = if chance.percent(85) { made_for } else { chance.below(6) };
    match (verb, chance.below(10)) {
        (5, 0..4) => Op::Refund { amount: None },
        (5, 4..8) => Op::Refund { amount: Some(1 + chance.below(3)) },
        (5, _) => Op::Refund { amount: Some(amount) },
        (0, _) => Op::Grant { amount: CREDITS_MAX.min(3 * amount) },
        (1 | 4, _) => Op::Debit { amount },
        (2 | 3, 0..5) => {
            let ttl_ms = if chance.percent(5) { TTL_MS_MAX } else { 1 + chance.below(knobs.ttl_ms_max) };
            Op::Reserve { amount, ttl_ms }
        }
        (2 | 3, 5..8) if chance.percent(50) => Op::Capture { amount: None },
        (2 | 3, 5..8) => Op::Capture { amount: Some(1 + chance.below(amount)) },
        _ => Op::Release,
    }
}

/// A question, mostly about the recent past.
fn ask(chance: &mut Chance, now_ms: u64) -> Op {
    let at_ms = |chance: &mut Chance| match chance.below(10) {
        0..4 => now_ms,
        4..8 => now_ms - chance.below(3_000),
        8 => now_ms + chance.below(3),
        _ => now_ms - chance.below(100_000_000),
    };
    let entry = |chance: &mut Chance| EntryId {
        time_ms: at_ms(chance),
        seq: [0, u64::MAX, chance.below(60)][chance.below(3) as usize],
    };
    match chance.below(10) {
        0..3 => Op::Balance,
        3 => Op::Holds,
        4..6 => Op::Tx,
        6 => Op::BalanceAt { at_ms: at_ms(chance) },
        7 if chance.percent(50) => Op::Audit,
        _ => {
            let start = if chance.percent(50) { EntryId::MIN } else { entry(chance) };
            let end = if chance.percent(50) { EntryId::MAX } else { entry(chance) };
            let count = [1, 5, 100, HISTORY_COUNT_MAX][chance.below(4) as usize];
            let some = EntryTypes::NONE.with(EntryType::Refund).with(EntryType::Expire).with(EntryType::Debit);
            let types = if chance.percent(70) { EntryTypes::ALL } else { some };
            Op::History(HistoryQuery { start, end, count, newest_first: chance.percent(50), types })
        }
    }
}
