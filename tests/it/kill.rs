//! kill -9 under load: what was acknowledged is there once, what was not is there once or not at all.
//!
//! ```text
//!  steady clients ─ pipelines ─▶ creditd ──╳ SIGKILL      every reply is compared with the model at once;
//!  hasty clients  ─ short TTLs ▶           │              what has no reply waits in `unanswered`
//!                                          ▼
//!                   the same directory, verified; another number of cores
//!                                          │  BALANCE says how many of the unanswered were executed: a prefix of each
//!                                          │  account's, since order on an account is order in the log
//!                                          ▼
//!                   everything unanswered is sent again, old ids too: byte for byte what the model says;
//!                   then AUDIT and HISTORY of every account
//! ```
//!
//! `CREDITD_KILL_CYCLES` (5) and `CREDITD_KILL_SEED` (chosen and printed) may be set.

use std::collections::VecDeque;
use std::process::Command as Process;
use std::sync::mpsc::{Sender, channel};

use creditd::commands::reply::{Encoder, Proto};

use crate::ledger::command::{Command, HISTORY_COUNT_MAX, HistoryQuery, Op};
use crate::ledger::event::{DeclineCode, EntryId, EntryType, EntryTypes};
use crate::model::{Entry, Model};
use crate::server::{Server, Site};
use crate::wire::{Reply, Wire, encode, info};

/// Clients whose holds outlive the test.
const STEADY: u64 = 3;

/// Accounts of each of them.
const ACCOUNTS: u64 = 5;

/// Longer than any test, shorter than the most that is allowed.
const LONG_TTL_MS: u64 = 2_000_000_000;

/// Holds of one account, as configured by default.
const HOLDS_MAX: usize = 1024;

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

/// What a hasty account is granted, once.
const HASTY_CREDITS: u64 = 1_000_000_000_000;

#[test]
fn kill_minus_9_loses_and_doubles_nothing() {
    let cycles = std::env::var("CREDITD_KILL_CYCLES").map_or(5, |text| text.parse().expect("a number of cycles"));
    let seed = std::env::var("CREDITD_KILL_SEED").map_or_else(|_| seed(), |text| text.parse().expect("a seed"));
    eprintln!("CREDITD_KILL_CYCLES={cycles} CREDITD_KILL_SEED={seed}");
    let mut chance = Chance(seed);
    let site = Site::new();
    let mut steady: Vec<_> = (0..STEADY).map(|number| Steady::new(number, chance.next())).collect();
    let mut hasty = Hasty::new(chance.next());
    let (mut answered, mut end) = (0, End::Kill);
    for cycle in 0..cycles {
        let cores = ["1", "2"][chance.below(2) as usize];
        let inline = ["0", "1ms"][chance.below(2) as usize];
        let appendfsync = ["always", "always", "no"][chance.below(3) as usize];
        let flags = ["--cores", cores, "--inline-sync-max", inline, "--appendfsync", appendfsync, "--shards", "2"];
        let server = site.start(&flags);
        if end == End::Stop {
            assert_eq!(info(&mut server.connect(), "persistence", "log_clean_start"), "1", "{}", server.log());
        }
        check(&server, &mut steady, &mut hasty);
        let batches = chance.below(150);
        end = [End::Kill, End::Kill, End::Kill, End::Stop][chance.below(4) as usize];
        (steady, hasty) = load_until_the_end(server, steady, hasty, batches, end);
        verify(&site);
        answered = steady.iter().map(|client| client.answered.len()).sum();
        let unanswered: usize = steady.iter().map(|client| client.unanswered.len()).sum();
        eprintln!("cycle {cycle}: {flags:?}, {end:?} after {batches} batches; {answered} answered, {unanswered} not");
    }
    let server = site.start(&[]);
    check(&server, &mut steady, &mut hasty);
    assert!(answered > 0 && hasty.decided > 0, "there was load");
    assert_eq!(server.terminate(), Some(0));
}

/// How a life of the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// SIGKILL.
    Kill,
    /// SIGTERM: what is not answered was not executed, or was; the same questions are open.
    Stop,
}

/// Lets all clients work until about `batches` pipelines were answered, then ends the server.
fn load_until_the_end(
    server: Server,
    mut steady: Vec<Steady>,
    mut hasty: Hasty,
    batches: u64,
    end: End,
) -> (Vec<Steady>, Hasty) {
    let (progress, answered) = channel();
    std::thread::scope(|scope| {
        for client in &mut steady {
            // Connected here: the kill must not come before the client.
            let (wire, progress) = (server.connect(), progress.clone());
            scope.spawn(move || client.work(wire, &progress));
        }
        let (hasty, wire) = (&mut hasty, server.connect());
        scope.spawn(move || hasty.work(wire, &progress));
        for _ in 0..batches {
            answered.recv().expect("clients work until the server is gone");
        }
        match end {
            End::Kill => server.kill9(),
            End::Stop => assert_eq!(server.terminate(), Some(0), "SIGTERM under load"),
        }
    });
    (steady, hasty)
}

/// The log that a server left, however it ended, is whole.
fn verify(site: &Site) {
    let verify = Process::new(env!("CARGO_BIN_EXE_creditd")).arg("verify").arg(site.data_dir()).output();
    let verify = verify.expect("it runs");
    let said = [verify.stdout, verify.stderr].concat();
    assert!(verify.status.success(), "{}: {}", verify.status, String::from_utf8_lossy(&said));
}

/// Settles what the kill left open and compares everything.
fn check(server: &Server, steady: &mut [Steady], hasty: &mut Hasty) {
    let mut wire = server.connect();
    for client in steady.iter_mut() {
        client.check(&mut wire);
    }
    hasty.check(&mut wire);
    let accounts = || steady.iter().flat_map(|client| client.model.accounts.values());
    let sum = |figure: fn(&crate::model::Account) -> u64| accounts().map(figure).sum::<u64>();
    let granted = sum(|account| account.granted) + hasty.balance();
    let (refunded, debited) = (sum(|account| account.refunded), sum(|account| account.debited));
    let reserved = sum(|account| account.reserved());
    let mut figure = |name| info(&mut wire, "everything", name).parse::<u64>().expect("a number");
    assert_eq!((figure("granted"), figure("debited") + figure("captured")), (granted, debited), "sums of all shards");
    assert_eq!(figure("refunded"), refunded, "sums of all shards");
    assert_eq!((figure("balance"), figure("reserved")), (granted + refunded - debited, reserved), "I2 and I3");
    assert_eq!(figure("expired_keys"), hasty.expired, "each short hold expired once");
    assert_eq!(figure("accounts"), accounts().count() as u64 + u64::from(hasty.balance() > 0));
}

/// A client that knows every answer beforehand.
struct Steady {
    name: u64,
    chance: Chance,
    model: Model,
    /// In the order in which they were sent.
    unanswered: VecDeque<Order>,
    answered: Vec<Order>,
    made: u64,
}

/// A command with words of its own.
#[derive(Clone, Debug)]
struct Order {
    account: String,
    tx: String,
    /// What a refund refunds.
    of: String,
    op: Op,
}

impl Steady {
    fn new(name: u64, seed: u64) -> Self {
        let model = Model { holds_max: HOLDS_MAX, ..Model::default() };
        let mut client =
            Self { name, chance: Chance(seed), model, unanswered: VecDeque::new(), answered: Vec::new(), made: 0 };
        for account in 0..ACCOUNTS {
            let grant = client.order(account, Op::Grant { amount: 10_000 });
            client.unanswered.push_back(grant);
        }
        client
    }

    /// Sends pipelines until the connection ends.
    fn work(&mut self, mut wire: Wire, progress: &Sender<()>) {
        loop {
            let batch: Vec<_> = (0..=self.chance.below(48)).map(|_| self.invent()).collect();
            let bytes: Vec<u8> = batch.iter().flat_map(Order::bytes).collect();
            self.unanswered.extend(batch);
            if wire.try_send(&bytes).is_err() {
                return;
            }
            while let Some(order) = self.unanswered.front().cloned() {
                let Some(reply) = wire.next() else { return };
                self.compare(&order, &reply);
                self.unanswered.pop_front();
                self.answered.push(order);
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

    /// After a restart.
    fn check(&mut self, wire: &mut Wire) {
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
        let outcome = self.model.execute(&order.command(), 0);
        let mut expected = Vec::new();
        Encoder::new(&mut expected, Proto::Resp2).outcome(&outcome, None);
        assert_eq!(without_times(reply), without_times(&Reply(expected)), "{order:?}");
    }
}

impl Order {
    fn command(&self) -> Command<'_> {
        let (account, tx, of) = (self.account.as_bytes(), self.tx.as_bytes(), self.of.as_bytes());
        Command { of, ..Command::new(account, if self.op.has_tx() { tx } else { b"" }, self.op) }
    }

    fn bytes(&self) -> Vec<u8> {
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
            Op::Tx => ("CREDIT.TX", vec![]),
            Op::Audit => ("CREDIT.AUDIT", vec![]),
            Op::History(HistoryQuery { count, newest_first, .. }) => {
                let order = if newest_first { vec!["REV".to_owned()] } else { vec![] };
                ("CREDIT.HISTORY", [order, vec!["COUNT".to_owned(), count.to_string()]].concat())
            }
            Op::Balance | Op::Holds | Op::BalanceAt { .. } => unreachable!("clients do not invent these"),
        };
        let mut words = vec![verb.as_bytes(), self.account.as_bytes()];
        words.extend(self.op.has_tx().then_some(self.tx.as_bytes()));
        words.extend(options.iter().map(|option| option.as_bytes()));
        encode(&words)
    }

    fn ask(&self, wire: &mut Wire) -> Reply {
        wire.send(&self.bytes());
        wire.reply()
    }
}

/// A client whose holds end by themselves, before, during and after the kill.
struct Hasty {
    chance: Chance,
    opened: bool,
    made: u64,
    /// Short holds of this life: the id, and the deadline if it was told.
    holds: Vec<(String, Option<u64>)>,
    /// Over all lives.
    decided: u64,
    expired: u64,
}

impl Hasty {
    const ACCOUNT: &str = "hasty";

    fn new(seed: u64) -> Self {
        Self { chance: Chance(seed), opened: false, made: 0, holds: Vec::new(), decided: 0, expired: 0 }
    }

    fn balance(&self) -> u64 {
        if self.opened { HASTY_CREDITS } else { 0 }
    }

    fn work(&mut self, mut wire: Wire, progress: &Sender<()>) {
        loop {
            let first = self.holds.len();
            let mut bytes = Vec::new();
            for _ in 0..=self.chance.below(8) {
                self.made += 1;
                let (tx, ttl_ms) = (format!("h{}", self.made), 1 + self.chance.below(40));
                bytes.extend(crate::wire::request(&Self::reserve(&tx, ttl_ms)));
                self.holds.push((tx, None));
            }
            if wire.try_send(&bytes).is_err() {
                return;
            }
            for (_, expires_at_ms) in &mut self.holds[first..] {
                let Some(reply) = wire.next() else { return };
                *expires_at_ms = (!reply.text().starts_with('-')).then(|| reply.number("expires"));
            }
            // As above.
            let _ = progress.send(());
        }
    }

    fn reserve(tx: &str, ttl_ms: u64) -> String {
        format!("CREDIT.RESERVE {} {tx} 7 TTL {ttl_ms}", Self::ACCOUNT)
    }

    /// Every short hold is, or is going to be, expired at the deadline that was told; nothing is held in the end.
    fn check(&mut self, wire: &mut Wire) {
        let grant = wire.ask(&format!("CREDIT.GRANT {} open {HASTY_CREDITS}", Self::ACCOUNT));
        assert_eq!(grant.map().contains_key("replayed"), self.opened, "granted once");
        self.opened = true;
        for (tx, told) in std::mem::take(&mut self.holds) {
            let reply = self.decide(&tx, wire);
            self.decided += 1;
            if reply.starts_with("-LIMIT ") {
                assert_eq!(told, None, "{tx} was active");
                continue;
            }
            let facts = reply.strip_prefix("-EXPIRED expires=").unwrap_or_else(|| panic!("{tx}: {reply}"));
            let expires_at_ms = facts.split(' ').next().and_then(|number| number.parse::<u64>().ok());
            assert!(told.is_none() || told == expires_at_ms, "{tx}: {told:?} was told, now {reply}");
            self.expired += 1;
        }
        let shown = wire.ask(&format!("CREDIT.BALANCE {}", Self::ACCOUNT));
        assert_eq!((shown.number("balance"), shown.number("reserved")), (HASTY_CREDITS, 0));
        let audit = wire.ask(&format!("CREDIT.AUDIT {}", Self::ACCOUNT));
        assert_eq!((audit.number("ok"), audit.number("entries")), (1, shown.number("seq")), "{}", audit.line());
        // One entry for the grant and for each decline, two for each hold: none expired twice.
        assert_eq!(shown.number("seq"), 1 + self.decided + self.expired, "{}", shown.line());
    }

    /// Asks again for a hold until its deadline has passed, and returns the answer from then on.
    fn decide(&self, tx: &str, wire: &mut Wire) -> String {
        let reply = wire.ask(&Self::reserve(tx, 1));
        if reply.text().starts_with('-') {
            return reply.line();
        }
        let expires_at_ms = reply.number("expires");
        while wire.ask(&format!("CREDIT.BALANCE {}", Self::ACCOUNT)).number("time") < expires_at_ms {}
        wire.ask(&Self::reserve(tx, 1)).line()
    }
}

/// The reply with every time as `:0`: the model has no clock.
fn without_times(reply: &Reply) -> String {
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

/// A seed from the system.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    u64::from_le_bytes(bytes)
}

/// splitmix64
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
