//! Concurrent clients see one account that does one thing after the other, through kill -9 and restarts.
//!
//! ```text
//!  4 clients ─ short pipelines, the same few orders ─▶ creditd ──╳ SIGKILL in some rounds, then another life
//!      │  asked at, told what and when: one clock for all                 │
//!      ▼                                                                  ▼
//!  the calls of one account ─▶ is there an order of them that the model answers just so? (history.rs)
//! ```
//!
//! Every round has accounts of its own, so a history is short; that is what makes the search for an order possible.
//! A call that got no answer may have been executed at any time since, or never. What was asked in one pipeline counts
//! as asked at once; that a connection keeps its order is for other tests. Absent on purpose: holds that end by
//! themselves, since the time of a reply is not compared (tests/it/hasty.rs, tests/sim).
//!
//! `CREDITD_LINEAR_ROUNDS` (40, about 70 calls each) and `CREDITD_LINEAR_SEED` (chosen and printed) may be set.

mod history;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::chance::{self, Chance, seed, setting};
use crate::ledger::command::Op;
use crate::server::{Server, Site};
use crate::steady::{LONG_TTL_MS, Order};
use crate::wire::Wire;
use history::{Call, judge};

const ACCOUNTS: u64 = 2;
const CLIENTS: u64 = 4;

/// Of each client in each life of the server.
const PIPELINES: u64 = 6;

/// Commands in one of them, at most.
const DEPTH: u64 = 2;

#[test]
fn every_account_does_one_thing_after_the_other() {
    let rounds = setting("CREDITD_LINEAR_ROUNDS", || 40);
    let seed = setting("CREDITD_LINEAR_SEED", seed);
    let mut chance = Chance::new(seed);
    let site = Site::new();
    let mut server = start(&site, &mut chance);
    let (mut calls, mut kills, mut unanswered) = (0, 0, 0);
    for round in 0..rounds {
        let mut record = Record::new(round, &mut chance);
        if chance.below(5) == 0 {
            let answers = chance.below(CLIENTS * PIPELINES);
            record.work(connect(&server), &mut chance, |told| {
                server.connect().ask("BGSAVE SCHEDULE");
                (0..answers).for_each(|_| told.recv().expect("clients work until the server is gone"));
                server.kill9();
            });
            server = start(&site, &mut chance);
            kills += 1;
        }
        record.work(connect(&server), &mut chance, |_| ());
        record.settle(&mut server.connect());
        for account in 0..ACCOUNTS {
            let of_it = record.calls.iter().filter(|call| call.order.account == name(round, account));
            if let Err(story) = judge(&of_it.cloned().collect::<Vec<_>>()) {
                panic!("CREDITD_LINEAR_SEED={seed}, round {round}: no order explains the last reply\n{story}");
            }
        }
        calls += record.calls.len();
        unanswered += record.calls.iter().filter(|call| call.told.is_none()).count();
    }
    eprintln!("{calls} calls in {rounds} rounds, {kills} times kill -9, {unanswered} unanswered: linearizable");
    assert_eq!(server.terminate(), Some(0));
}

fn start(site: &Site, chance: &mut Chance) -> Server {
    let (cores, inline) = (chance::of(chance, &["1", "2"]), chance::of(chance, &["0", "1ms"]));
    site.start(&["--cores", cores, "--inline-sync-max", inline, "--shards", "2"])
}

fn connect(server: &Server) -> Vec<Wire> {
    (0..CLIENTS).map(|_| server.connect()).collect()
}

fn name(round: u64, account: u64) -> String {
    format!("round:{round}:{account}")
}

/// All calls of one round.
struct Record {
    /// What clients choose from: so few that they send each of it several times, together.
    orders: Vec<Order>,
    calls: Vec<Call>,
    /// Counts up whenever a client begins to ask and has been told.
    clock: AtomicU64,
    clients: u64,
}

impl Record {
    fn new(round: u64, chance: &mut Chance) -> Self {
        let orders = (0..ACCOUNTS).flat_map(|account| orders(&name(round, account), chance)).collect();
        Self { orders, calls: Vec::new(), clock: AtomicU64::new(0), clients: 0 }
    }

    /// Lets new clients work on these connections until all is asked, or the connections end. `end` hears of every
    /// pipeline that was answered.
    fn work(&mut self, wires: Vec<Wire>, chance: &mut Chance, end: impl FnOnce(Receiver<()>)) {
        let (progress, answered) = channel();
        let (orders, clock, first) = (&self.orders, &self.clock, self.clients);
        self.clients += wires.len() as u64 * DEPTH;
        let calls = std::thread::scope(|scope| {
            let clients = wires.into_iter().zip((first..).step_by(DEPTH as usize)).map(|(wire, number)| {
                let client = Client { number, chance: Chance::new(chance.number()), orders, clock, calls: Vec::new() };
                let progress = progress.clone();
                scope.spawn(move || client.work(wire, &progress))
            });
            let clients: Vec<_> = clients.collect();
            drop(progress);
            end(answered);
            clients.into_iter().flat_map(|client| client.join().expect("it panicked")).collect::<Vec<_>>()
        });
        self.calls.extend(calls);
    }

    /// Sends every order once more, one after the other: this tells what became of the unanswered.
    fn settle(&mut self, wire: &mut Wire) {
        let (orders, clock, number) = (&self.orders, &self.clock, self.clients);
        let mut client = Client { number, chance: Chance::new(0), orders, clock, calls: Vec::new() };
        for order in orders {
            assert!(client.ask(wire, vec![order.clone()]), "the server lives");
        }
        self.calls.extend(client.calls);
    }
}

/// All that is asked about an account.
fn orders(account: &str, chance: &mut Chance) -> Vec<Order> {
    let mut amount = || 1 + chance.below(60);
    let reserve = |amount| Op::Reserve { amount, ttl_ms: LONG_TTL_MS };
    let first = amount();
    let table = [
        ("grant", "", Op::Grant { amount: 3 * amount() }),
        ("more", "", Op::Grant { amount: amount() }),
        ("debit", "", Op::Debit { amount: amount() }),
        ("late", "", Op::Debit { amount: 2 * amount() }),
        ("first", "", reserve(first)),
        ("first", "", Op::Capture { amount: Some(1 + first / 3) }),
        ("first", "", Op::Release),
        ("second", "", reserve(amount())),
        ("second", "", Op::Capture { amount: None }),
        ("second", "", Op::Release),
        ("back", "debit", Op::Refund { amount: Some(1) }),
        ("rest", "debit", Op::Refund { amount: None }),
        ("", "", Op::Balance),
        ("", "", Op::Balance),
    ];
    let order = |(tx, of, op): (&str, &str, Op)| {
        let (account, tx, of) = (account.to_owned(), tx.to_owned(), of.to_owned());
        Order { account, tx, of, op }
    };
    table.map(order).into()
}

/// A client, and what it heard.
struct Client<'a> {
    /// Of the first call in a pipeline; each has a number of its own, for they are all asked at once.
    number: u64,
    chance: Chance,
    orders: &'a [Order],
    clock: &'a AtomicU64,
    calls: Vec<Call>,
}

impl Client<'_> {
    fn work(mut self, mut wire: Wire, progress: &Sender<()>) -> Vec<Call> {
        for _ in 0..PIPELINES {
            let depth = 1 + self.chance.below(DEPTH);
            let orders = (0..depth).map(|_| self.orders[self.chance.below(self.orders.len() as u64) as usize].clone());
            let orders = orders.collect();
            if !self.ask(&mut wire, orders) {
                break;
            }
            // The other end has heard enough once it is about to kill.
            let _ = progress.send(());
        }
        self.calls
    }

    /// Sends a pipeline and waits for the replies. `false`: the connection ended before the last.
    fn ask(&mut self, wire: &mut Wire, orders: Vec<Order>) -> bool {
        let bytes: Vec<u8> = orders.iter().flat_map(Order::bytes).collect();
        let first = self.calls.len();
        for (client, order) in (self.number..).zip(orders) {
            self.calls.push(Call { client, order, asked: self.now(), told: None });
        }
        if wire.try_send(&bytes).is_err() {
            return false;
        }
        for n in first..self.calls.len() {
            let Some(reply) = wire.next() else { return false };
            self.calls[n].told = Some((self.now(), reply));
        }
        true
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}
