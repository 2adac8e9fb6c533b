//! A client that knows every answer beforehand: it asks the model the same.
//!
//! One pipeline after the other until the server is gone; what has no reply then waits in `unanswered`, in the order in
//! which it was sent. After the restart BALANCE says how many of those were executed: a prefix of each account's, since
//! order on an account is order in the log.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;

use creditd::commands::reply::{Encoder, Proto};

use crate::chance::Chance;
use crate::ledger::command::{Command, HISTORY_COUNT_MAX, HistoryQuery, Op};
use crate::ledger::event::{DeclineCode, EntryId, EntryType, EntryTypes};
use crate::model::{Entry, Model};
use crate::wire::{Reply, Wire, encode};

/// Accounts of each of them.
const ACCOUNTS: u64 = 5;

/// Longer than any test, shorter than the most that is allowed.
pub const LONG_TTL_MS: u64 = 2_000_000_000;

/// Holds of one account, as configured by default.
pub const HOLDS_MAX: usize = 1024;

/// As much of a trail as one HISTORY shows, oldest first.
const OLDEST: HistoryQuery = HistoryQuery {
    start: EntryId::MIN,
    end: EntryId::MAX,
    count: HISTORY_COUNT_MAX,
    newest_first: false,
    types: EntryTypes::ALL,
};

/// The same, newest first.
const NEWEST: HistoryQuery = HistoryQuery { newest_first: true, ..OLDEST };

/// Old ids sent again by each client after each restart.
const OLD_IDS: usize = 60;

/// A client that knows every answer beforehand.
pub struct Steady {
    name: u64,
    chance: Chance,
    pub model: Model,
    /// In the order in which they were sent.
    pub unanswered: VecDeque<Order>,
    pub answered: Vec<Order>,
    /// Commands that were not executed because an old record could not be read.
    pub unread: u64,
    made: u64,
}

/// A command with words of its own.
#[derive(Clone, Debug)]
pub struct Order {
    pub account: String,
    pub tx: String,
    /// What a refund refunds.
    pub of: String,
    pub op: Op,
}

impl Steady {
    /// The client of this number.
    pub fn new(name: u64, seed: u64) -> Self {
        let model = Model { holds_max: HOLDS_MAX, ..Model::default() };
        let mut client = Self {
            name,
            chance: Chance::new(seed),
            model,
            unanswered: VecDeque::new(),
            answered: Vec::new(),
            unread: 0,
            made: 0,
        };
        for account in 0..ACCOUNTS {
            let grant = client.order(account, Op::Grant { amount: 10_000 });
            client.unanswered.push_back(grant);
        }
        client
    }

    /// Sends pipelines until the connection ends.
    pub fn work(&mut self, mut wire: Wire, progress: &Sender<()>) {
        loop {
            let batch: Vec<_> = (0..=self.chance.below(48)).map(|_| self.invent()).collect();
            let bytes: Vec<u8> = batch.iter().flat_map(Order::bytes).collect();
            self.unanswered.extend(batch);
            if wire.try_send(&bytes).is_err() {
                return;
            }
            while let Some(order) = self.unanswered.front().cloned() {
                let Some(reply) = wire.next() else { return };
                if reply.line().starts_with("-ERR the log cannot be read") {
                    self.unread += 1; // where the disk may go before the server, its last words
                    return;
                }
                self.unanswered.pop_front();
                if !reply.is_refusal() {
                    self.compare(&order, &reply);
                    self.answered.push(order);
                }
            }
            // The other end has heard enough once it is about to kill.
            let _ = progress.send(());
        }
    }

    /// A command, often about an id that was used before.
    fn invent(&mut self) -> Order {
        let account = self.chance.below(ACCOUNTS);
        let amount = 1 + self.chance.below(300);
        let op = match self.chance.below(14) {
            0 | 1 => Op::Grant { amount },
            2 | 3 => Op::Debit { amount: amount * (1 + self.chance.below(8)) },
            4 | 5 => Op::Reserve { amount, ttl_ms: LONG_TTL_MS },
            6 | 7 => Op::Capture { amount: None },
            8 => Op::Capture { amount: Some(1 + amount / 8) },
            9 => Op::Release,
            10 | 11 => return self.refund(account),
            12 => Op::Tx,
            _ => Op::History(HistoryQuery { count: 20, ..[OLDEST, NEWEST][self.chance.below(2) as usize] }),
        };
        let mut order = self.order(account, op);
        let is_old = matches!(op, Op::Capture { .. } | Op::Release | Op::Tx);
        if is_old || self.chance.below(10) == 0 {
            let back = 1 + self.chance.below(40);
            order.tx = format!("t{}", self.made.saturating_sub(back));
        }
        order
    }

    /// Gives back some of what a command took not long ago, or tries to.
    fn refund(&mut self, account: u64) -> Order {
        let amount = [None, Some(1 + self.chance.below(3))][self.chance.below(2) as usize];
        let mut order = self.order(account, Op::Refund { amount });
        let recent = self.answered.iter().rev().nth(self.chance.below(200) as usize);
        match recent.filter(|order| order.op.has_tx()) {
            Some(recent) => (order.account, order.of) = (recent.account.clone(), recent.tx.clone()),
            None => order.of = "t0".to_owned(),
        }
        order
    }

    fn order(&mut self, account: u64, op: Op) -> Order {
        self.made += 1;
        let (account, of) = (format!("steady:{}:{account}", self.name), String::new());
        Order { account, tx: format!("t{}", self.made), of, op }
    }

    /// Settles what the end of the server left open, and compares everything.
    pub fn check(&mut self, wire: &mut Wire) {
        for account in 0..ACCOUNTS {
            self.recognise(&format!("steady:{}:{account}", self.name), wire);
        }
        while let Some(order) = self.unanswered.pop_front() {
            let reply = order.ask(wire);
            self.compare(&order, &reply);
            self.answered.push(order);
        }
        for _ in 0..OLD_IDS.min(self.answered.len()) {
            let order = self.answered[self.chance.below(self.answered.len() as u64) as usize].clone();
            let reply = order.ask(wire);
            self.compare(&order, &reply);
        }
        for account in 0..ACCOUNTS {
            for op in [Op::Audit, Op::History(OLDEST), Op::History(NEWEST)] {
                let order = self.order(account, op);
                let reply = order.ask(wire);
                self.compare(&order, &reply);
            }
        }
    }

    /// Finds out which of the unanswered commands were executed before the kill, and tells the model.
    fn recognise(&mut self, account: &str, wire: &mut Wire) {
        let shown = wire.ask(&format!("CREDIT.BALANCE {account}"));
        let seq = |model: &Model| model.accounts.get(account.as_bytes()).map_or(0, |account| account.seq);
        assert!(shown.number("seq") >= seq(&self.model), "{account}: an acknowledged change is lost: {}", shown.line());
        for order in self.unanswered.iter().filter(|order| order.account == account && order.op.is_write()) {
            if seq(&self.model) == shown.number("seq") {
                break;
            }
            self.model.execute(&order.command(), 0);
        }
        let known = self
            .model
            .accounts
            .get(account.as_bytes())
            .map_or((0, 0, 0), |account| (account.seq, account.balance, account.reserved()));
        let figures = (shown.number("seq"), shown.number("balance"), shown.number("reserved"));
        assert_eq!(figures, known, "{account} after the restart");
    }

    /// The reply must be what the model says, byte for byte but for times.
    fn compare(&mut self, order: &Order, reply: &Reply) {
        if let Op::History(query) = order.op {
            let entries = self.model.history(order.account.as_bytes(), &query, 0);
            let expected: Vec<_> = entries.iter().flat_map(told).collect();
            assert_eq!(words_without_times(reply), expected, "{order:?}");
            return;
        }
        assert_eq!(without_times(reply), answer(&mut self.model, order), "{order:?}");
    }
}

impl Order {
    /// As the model takes it.
    pub fn command(&self) -> Command<'_> {
        let (account, tx, of) = (self.account.as_bytes(), self.tx.as_bytes(), self.of.as_bytes());
        Command { of, ..Command::new(account, if self.op.has_tx() { tx } else { b"" }, self.op) }
    }

    /// As the server takes it.
    pub fn bytes(&self) -> Vec<u8> {
        encode(&self.words().iter().map(String::as_bytes).collect::<Vec<_>>())
    }

    /// Verb, account and the rest.
    pub fn words(&self) -> Vec<String> {
        let (verb, options) = match self.op {
            Op::Grant { amount } => ("CREDIT.GRANT", vec![amount.to_string()]),
            Op::Debit { amount } => ("CREDIT.DEBIT", vec![amount.to_string()]),
            Op::Reserve { amount, ttl_ms } => {
                ("CREDIT.RESERVE", vec![amount.to_string(), "TTL".to_owned(), ttl_ms.to_string()])
            }
            Op::Capture { amount: None } => ("CREDIT.CAPTURE", vec![]),
            Op::Capture { amount: Some(amount) } => ("CREDIT.CAPTURE", vec!["AMOUNT".to_owned(), amount.to_string()]),
            Op::Release => ("CREDIT.RELEASE", vec![]),
            Op::Refund { amount: None } => ("CREDIT.REFUND", vec![self.of.clone()]),
            Op::Refund { amount: Some(amount) } => {
                ("CREDIT.REFUND", vec![self.of.clone(), "AMOUNT".to_owned(), amount.to_string()])
            }
            Op::Balance => ("CREDIT.BALANCE", vec![]),
            Op::Tx => ("CREDIT.TX", vec![]),
            Op::Audit => ("CREDIT.AUDIT", vec![]),
            Op::History(HistoryQuery { count, newest_first, .. }) => {
                let order = if newest_first { vec!["REV".to_owned()] } else { vec![] };
                ("CREDIT.HISTORY", [order, vec!["COUNT".to_owned(), count.to_string()]].concat())
            }
            Op::Holds | Op::BalanceAt { .. } | Op::Claim { .. } | Op::Lead(_) | Op::EventCount => {
                unreachable!("clients do not invent these")
            }
        };
        let mut words = vec![verb.to_owned(), self.account.clone()];
        words.extend(self.op.has_tx().then(|| self.tx.clone()));
        words.extend(options);
        words
    }

    /// Asks until the server does not refuse.
    fn ask(&self, wire: &mut Wire) -> Reply {
        loop {
            wire.send(&self.bytes());
            let reply = wire.reply();
            if !reply.is_refusal() {
                return reply;
            }
        }
    }
}

/// What the model replies, without times.
pub fn answer(model: &mut Model, order: &Order) -> String {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, Proto::Resp2).outcome(&model.execute(&order.command(), 0), None);
    without_times(&Reply(bytes))
}

/// The reply with every time as `:0`: the model has no clock.
pub fn without_times(reply: &Reply) -> String {
    let text = reply.text();
    let lines: Vec<_> = text.split("\r\n").collect();
    let is_time = |n: usize| n > 0 && ["expires", "time", "final_time"].contains(&lines[n - 1]);
    let lines = lines.iter().enumerate().map(|(n, line)| if is_time(n) { ":0" } else { line });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// The bulk strings of a HISTORY's reply, every time as `0`.
fn words_without_times(reply: &Reply) -> Vec<String> {
    let text = reply.text();
    assert!(text.starts_with('*'), "entries, not {text}");
    let mut words: Vec<_> =
        text.split("\r\n").filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned).collect();
    assert_eq!(words.pop().as_deref(), Some(""), "a reply ends with its line");
    for n in 0..words.len() {
        if let Some((_, seq)) = words[n].split_once('-').filter(|(time, _)| time.parse::<u64>().is_ok()) {
            words[n] = format!("0-{seq}");
        } else if n > 0 && words[n - 1] == "expires" {
            words[n] = "0".to_owned();
        }
    }
    words
}

/// An entry as CREDIT.HISTORY tells it (commands.md C.3; C.11, 7).
fn told(entry: &Entry) -> Vec<String> {
    let mut words = vec![format!("0-{}", entry.seq)];
    let mut field = |name: &str, value: String| words.extend([name.to_owned(), value]);
    field("type", entry.entry_type.word().to_owned());
    field("tx", String::from_utf8_lossy(&entry.tx).into_owned());
    field("amount", entry.captured.unwrap_or(entry.amount).to_string());
    field("delta", entry.delta.to_string());
    field("rdelta", entry.rdelta.to_string());
    field("balance", entry.balance.to_string());
    field("reserved", entry.reserved.to_string());
    if entry.expires.is_some() {
        field("expires", "0".to_owned());
    }
    if let Some(captured) = entry.captured {
        field("captured", captured.to_string());
        field("returned", (entry.amount - captured).to_string());
    }
    if !entry.of.is_empty() {
        field("of", String::from_utf8_lossy(&entry.of).into_owned());
    }
    match entry.entry_type {
        EntryType::Release | EntryType::Void => field("cause", "client".to_owned()),
        EntryType::Expire => field("cause", "expired".to_owned()),
        _ => {}
    }
    if let Some((_, code)) = entry.declined {
        let word = match code {
            DeclineCode::Insufficient => "INSUFFICIENT",
            DeclineCode::Overflow => "OVERFLOW",
            DeclineCode::Limit { .. } => "LIMIT",
        };
        field("code", word.to_owned());
    }
    words
}
