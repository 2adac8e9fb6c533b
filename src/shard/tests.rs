//! What waits for old records, and for whom. A log that keeps nothing durable in memory, so that every old record takes an
//! errand.

use super::*;
use crate::journal::{BlockKind, Committer, LogId, Opened, RecoveryOptions, SimDisk, SimStorage, SyncPolicy, recover};
use crate::ledger::command::HistoryQuery;
use crate::ledger::event::{EntryId, EntryTypes};
use crate::ledger::outcome::{Detail, Figures, Status};
use crate::ledger::rejection::{Busy, Rejection};
use crate::ledger::{Limits, Seeds};
use std::collections::BTreeMap;

/// How long a shard of these tests goes on.
const PATIENCE: Patience = Patience { walk_max: 1_000, claim_timeout_ms: 5_000 };

const START_MS: u64 = 1_790_000_000_000;
const RETENTION_MS: u64 = 100_000;

const ID: LogId = LogId { instance: [7; 16], shard: 0 };

/// A shard with its committer; the test says when things happen.
struct Counter {
    disk: SimDisk,
    shard: Shard<SimStorage>,
    committer: Committer<SimStorage>,
    now_ms: u64,
    next_slot: u32,
    /// By slot.
    answers: BTreeMap<u32, Outcome>,
}

impl Counter {
    fn open() -> Self {
        let disk = SimDisk::new(1, ID);
        let (mut shard, committer) = start(&disk);
        shard.mark(BlockKind::Fence, START_MS);
        Self { disk, shard, committer, now_ms: START_MS, next_slot: 0, answers: BTreeMap::new() }
    }

    /// The process ends, and another one starts.
    fn restart(&mut self) {
        self.disk.kill();
        (self.shard, self.committer) = start(&self.disk);
    }

    /// Gives a command to the shard. Returns its slot.
    fn give(&mut self, command: &Command<'_>) -> (u32, Executed) {
        let slot = self.next_slot;
        self.next_slot += 1;
        let executed = self.execute(Ticket { core: 0, connection: 0, generation: 0, slot }, command);
        (slot, executed)
    }

    fn execute(&mut self, ticket: Ticket, command: &Command<'_>) -> Executed {
        let mut released = Vec::new();
        let prepared = self.shard.prepare(command);
        let executed = self.shard.execute(self.now_ms, ticket, command, prepared, &mut released);
        self.hear(released);
        executed
    }

    /// Gives a command that is decided at once, and commits.
    fn run(&mut self, command: &Command<'_>) -> Outcome {
        let (slot, executed) = self.give(command);
        assert_eq!(executed, Executed::Decided);
        self.commit();
        self.answers.remove(&slot).expect("nothing old is needed")
    }

    fn commit(&mut self) {
        while let Some(block) = self.shard.take_block() {
            let durable = self.committer.commit(&block).expect("the disk is well");
            drop(block);
            let mut released = Vec::new();
            self.shard.committed(durable, &mut released);
            self.hear(released);
        }
    }

    /// All errands that may go are run and come back. Returns how many.
    fn send(&mut self) -> usize {
        let mut errands = self.shard.take_recalls();
        errands.extend(std::iter::from_fn(|| self.shard.take_walk()));
        let count = errands.len();
        for mut errand in errands {
            errand.run(&mut self.shard.reader().window());
            assert!(errand.fault().is_none());
            let mut released = Vec::new();
            let again = self.shard.returned(errand, &mut released);
            self.hear(released);
            for (_, ticket, command) in again.unwrap_or_default().iter() {
                let _ = self.execute(ticket, &command);
            }
        }
        count
    }

    fn hear(&mut self, released: Vec<Reply>) {
        for Reply { ticket, outcome } in released {
            assert!(self.answers.insert(ticket.slot, outcome).is_none(), "answered once");
        }
    }

    /// What was answered, after whatever it takes.
    fn settled(&mut self, slot: u32) -> Outcome {
        for _ in 0..10 {
            self.commit();
            self.send();
        }
        self.answers.remove(&slot).expect("answered")
    }
}

/// A shard over what is on the disk.
fn start(disk: &SimDisk) -> (Shard<SimStorage>, Committer<SimStorage>) {
    let options = RecoveryOptions {
        id: ID,
        policy: SyncPolicy::Always,
        segment_len: 8 << 20,
        salt_seed: 1,
        now_ms: START_MS,
        recent_len: 0,
    };
    let limits = Limits {
        holds_per_account_max: 8,
        leads_max: 1_000,
        lead_slots_max: 100_000,
        accounts_max: 100,
        tx_index_bytes_max: 1 << 20,
        tx_retention_ms: RETENTION_MS,
    };
    let mut rebuild = Rebuild::new(limits, Seeds { index_key: [1, 2], map_seed: 3 });
    let opened = recover(disk.storage(), &options, &mut |entry| rebuild.take(entry), &mut |_, _| {});
    let opened = opened.expect("the disk is well");
    let reader = opened.reader();
    let Opened { committer, log, .. } = opened;
    (Shard::new(0, rebuild.into_ledger(), log, reader, START_MS, PATIENCE), committer)
}

fn grant(tx: &[u8], amount: u64) -> Command<'_> {
    Command::new(b"t1", tx, Op::Grant { amount })
}

fn debit(tx: &[u8], amount: u64) -> Command<'_> {
    Command::new(b"t1", tx, Op::Debit { amount })
}

fn refund<'a>(tx: &'a [u8], of: &'a [u8]) -> Command<'a> {
    Command { of, ..Command::new(b"t1", tx, Op::Refund { amount: None }) }
}

const BALANCE: Command<'_> = Command::new(b"t1", b"", Op::Balance);

fn status(outcome: &Outcome) -> (Status, u64, u64, bool) {
    match outcome {
        Outcome::Written(receipt) => (receipt.status, receipt.balance, receipt.seq, receipt.replayed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_old_replay_is_answered_as_of_its_place() {
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    counter.run(&Command::new(b"t1", b"r", Op::Reserve { amount: 5, ttl_ms: 10 }));
    counter.now_ms += 10;
    counter.run(&BALANCE);
    let (slot, executed) = counter.give(&Command::new(b"t1", b"r", Op::Reserve { amount: 5, ttl_ms: 10 }));
    assert_eq!(executed, Executed::Decided);
    assert!(!counter.shard.is_quiet() && counter.answers.is_empty(), "it waits for its record");
    let asked_ms = counter.now_ms;
    counter.now_ms += RETENTION_MS * 2;
    counter.run(&BALANCE); // forgets
    let expired = Rejection::Expired { expires_at_ms: START_MS + 10, now_ms: asked_ms };
    assert_eq!(counter.settled(slot), Outcome::Rejected(expired));
    assert!(counter.shard.is_quiet());
}

#[test]
fn an_errand_waits_until_what_it_reads_is_on_disk() {
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    counter.run(&debit(b"d", 1));
    let (_, _) = counter.give(&debit(b"d2", 1));
    let (replay, _) = counter.give(&grant(b"g", 100));
    let (history, _) = counter.give(&Command::new(
        b"t1",
        b"",
        Op::History(HistoryQuery {
            start: EntryId::MIN,
            end: EntryId::MAX,
            count: 10,
            newest_first: false,
            types: EntryTypes::ALL,
        }),
    ));
    let (later, _) = counter.give(&debit(b"d3", 1));
    assert_eq!(counter.send(), 0, "the account's newest record then is not durable");
    counter.commit();
    assert_eq!(counter.send(), 2);
    assert_eq!(status(&counter.answers[&replay]), (Status::Granted, 100, 1, true));
    let Outcome::History(entries) = &counter.answers[&history] else { panic!("entries") };
    assert_eq!(entries.len(), 3, "of the moment when it was asked");
    assert_eq!(status(&counter.answers[&later]), (Status::Debited, 97, 4, false), "nothing waits behind them");
}

#[test]
fn later_commands_of_its_account_wait_behind_an_old_refund() {
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    counter.run(&debit(b"d", 40));
    counter.run(&Command::new(b"t1", b"r", Op::Reserve { amount: 10, ttl_ms: 50 }));
    counter.run(&Command::new(b"t2", b"g", Op::Grant { amount: 7 }));
    let (refunded, executed) = counter.give(&refund(b"f", b"d"));
    assert_eq!(executed, Executed::Aside);
    let (balance, executed) = counter.give(&BALANCE);
    assert_eq!(executed, Executed::Aside);
    let (debited, _) = counter.give(&debit(b"d2", 95));
    let (again, _) = counter.give(&refund(b"f2", b"d"));
    let (other, executed) = counter.give(&Command::new(b"t2", b"", Op::Balance));
    assert_eq!(executed, Executed::Decided);
    assert!(matches!(counter.answers[&other], Outcome::Balance(Figures { balance: 7, .. })));
    // The wheel may settle the account meanwhile.
    counter.now_ms += 60;
    assert!(!counter.shard.expire(counter.now_ms, 10, &mut Vec::new()));
    assert!(matches!(counter.settled(balance), Outcome::Balance(Figures { balance: 100, reserved: 0, seq: 5, .. })));
    assert_eq!(status(&counter.answers[&refunded]), (Status::Refunded, 100, 5, false));
    assert_eq!(status(&counter.answers[&debited]), (Status::Debited, 5, 6, false));
    let left = Outcome::Rejected(Rejection::Exceeds { limit: 0, given: None });
    assert_eq!(counter.answers[&again], left, "the second sees the first");
    assert!(counter.shard.is_quiet());
}

#[test]
fn so_many_wait_behind_a_refund_and_no_more() {
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    counter.run(&debit(b"d", 40));
    let _ = counter.give(&refund(b"f", b"d"));
    let waiting: Vec<u32> = (0..64)
        .map(|_| counter.give(&BALANCE))
        .map(|(slot, executed)| {
            assert_eq!(executed, Executed::Aside);
            slot
        })
        .collect();
    let (refused, executed) = counter.give(&BALANCE);
    assert_eq!(executed, Executed::Decided);
    assert_eq!(counter.answers[&refused], Outcome::Rejected(Rejection::TryAgain(Busy::Refund)));
    let last = *waiting.last().expect("64");
    assert!(matches!(counter.settled(last), Outcome::Balance(Figures { balance: 100, .. })));
    assert!(waiting[..63].iter().all(|slot| counter.answers.contains_key(slot)));
}

#[test]
fn a_refund_finds_what_the_index_has_forgotten() {
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    counter.run(&debit(b"d", 40));
    counter.now_ms += RETENTION_MS * 2;
    counter.run(&grant(b"g2", 1));
    let (unknown, executed) = counter.give(&refund(b"f0", b"nothing"));
    assert_eq!(executed, Executed::Aside);
    let (known, _) = counter.give(&refund(b"f1", b"d"));
    assert_eq!(counter.settled(unknown), Outcome::Rejected(Rejection::NoTx));
    let Outcome::Written(receipt) = counter.settled(known) else { panic!("refunded") };
    assert_eq!((receipt.balance, receipt.detail), (101, Detail::Refundable(0)));
    // Now the index knows it again, by its refund.
    assert_eq!(
        status(&{
            let (slot, _) = counter.give(&debit(b"d", 40));
            counter.settled(slot)
        }),
        (Status::Debited, 60, 2, true)
    );
}

#[test]
fn ids_are_forgotten_by_a_time_that_is_on_disk_and_stay_so_after_a_start() {
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    counter.run(&debit(b"d", 40));
    let (refunded, _) = counter.give(&refund(b"f", b"d"));
    counter.settled(refunded);
    let known = |counter: &Counter| {
        let ledger = counter.shard.ledger();
        [b"g", b"d", b"f"].map(|tx| ledger.lookup(ledger.key(b"t1", tx)) != Prior::Unknown)
    };
    counter.now_ms += RETENTION_MS;
    let _ = counter.give(&grant(b"g2", 1));
    let needed = counter.shard.ledger().needed();
    let block = counter.shard.take_block().expect("it has the grant");
    assert_eq!((known(&counter), counter.shard.ledger().needed()), ([true; 3], needed), "its time may be lost");
    let durable = counter.committer.commit(&block).expect("the disk is well");
    counter.shard.committed(durable, &mut Vec::new());
    let floor = counter.shard.ledger().floor();
    assert_eq!(known(&counter), [false; 3]);
    counter.restart();
    assert_eq!((known(&counter), counter.shard.ledger().floor()), ([false; 3], floor), "the log may begin behind them");
    let (again, _) = counter.give(&debit(b"d", 40));
    assert_eq!(status(&counter.settled(again)), (Status::Debited, 61, 5, false));
}

#[test]
fn what_a_refund_points_to_is_kept_and_what_is_let_go_of_is_not_refunded() {
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    counter.run(&debit(b"d1", 40));
    counter.run(&debit(b"d2", 40));
    let meta = [b'm'; 1000];
    for n in 0..9000 {
        let tx = format!("fill{n}");
        let _ = counter.give(&Command { meta: &meta, ..Command::new(b"t2", tx.as_bytes(), Op::Grant { amount: 1 }) });
        if n % 200 == 0 {
            counter.commit();
        }
    }
    counter.now_ms += RETENTION_MS * 2;
    counter.run(&grant(b"g2", 1));
    let (refunded, _) = counter.give(&refund(b"f1", b"d1"));
    assert_eq!(counter.shard.let_go(Lsn::MAX), 0, "a refund may come to point to anything");
    assert_eq!(status(&counter.settled(refunded)), (Status::Refunded, 61, 5, false));
    assert_eq!(counter.shard.let_go(Lsn::MAX), 0, "it points to the first segment");

    counter.now_ms += RETENTION_MS * 2;
    counter.run(&grant(b"g3", 1));
    counter.run(&grant(b"g4", 1)); // forgets
    assert!(counter.shard.let_go(Lsn::MAX) > 0);
    let (late, _) = counter.give(&refund(b"f2", b"d2"));
    assert_eq!(counter.settled(late), Outcome::Rejected(Rejection::NoTx), "the file is still there");
}

#[test]
fn walks_are_bounded() {
    let mut counter = Counter::open();
    for n in 0..1_001 {
        let _ = counter.give(&grant(format!("g{n}").as_bytes(), 1));
    }
    counter.commit();
    counter.answers.clear();
    let (slot, _) = counter.give(&Command::new(b"t1", b"nobody", Op::Tx));
    assert_eq!(counter.settled(slot), Outcome::Rejected(Rejection::WalkTooLong { entries: 1_000 }));
    let slots: Vec<u32> = (0..1_025).map(|_| counter.give(&Command::new(b"t1", b"nobody", Op::Tx)).0).collect();
    assert_eq!(counter.answers[&slots[1_024]], Outcome::Rejected(Rejection::TryAgain(Busy::Readers)));
    assert_eq!(counter.answers.len(), 1);
}

#[test]
fn a_disk_in_trouble_refuses_changes_and_nothing_else() {
    let full = || Outcome::Rejected(Rejection::DiskFull { reserve_is_used: false });
    let spent = || Outcome::Rejected(Rejection::DiskFull { reserve_is_used: true });
    let slow = || Outcome::Rejected(Rejection::TryAgain(Busy::Storage));
    let reserve = |tx, ttl_ms| Command::new(b"t1", tx, Op::Reserve { amount: 1, ttl_ms });
    let release = |tx| Command::new(b"t1", tx, Op::Release);
    let capture = |tx| Command::new(b"t1", tx, Op::Capture { amount: None });
    let mut counter = Counter::open();
    counter.run(&grant(b"g", 100));
    for tx in [b"h1", b"h2", b"h3", b"h4"] {
        counter.run(&reserve(tx, 1_000));
    }
    counter.run(&Command::new(b"t2", b"g", Op::Grant { amount: 7 }));
    for (admission, refusal) in
        [(Admission::Endings, full()), (Admission::Later, slow()), (Admission::Nothing, spent())]
    {
        counter.shard.set_admission(admission);
        for new in [grant(b"n", 1), debit(b"n", 1), debit(b"n", 1_000), reserve(b"n", 1_000), release(b"n")] {
            assert_eq!(counter.run(&new), refusal, "{admission:?}: {new:?}");
        }
        assert!(matches!(counter.run(&BALANCE), Outcome::Balance(Figures { balance: 99.., .. })), "{admission:?}");
        let ends = counter.run(&if admission == Admission::Endings { capture(b"h1") } else { release(b"h2") });
        assert_eq!(matches!(ends, Outcome::Written(_)), admission == Admission::Endings, "{admission:?}: {ends:?}");
    }
    assert_eq!(counter.shard.refused(), 5 + 6, "slow is not full");

    // h2, h3 and h4 are due. While nothing may be written, who would show them is refused; the idle ones wait.
    counter.now_ms += 2_000;
    assert_eq!(counter.run(&BALANCE), spent());
    let other = Command::new(b"t2", b"", Op::Balance);
    assert!(matches!(counter.run(&other), Outcome::Balance(Figures { balance: 7, .. })), "nothing of it is due");
    assert_eq!((counter.shard.next_expiry(), counter.shard.expire(counter.now_ms, 10, &mut Vec::new())), (None, false));
    counter.shard.set_admission(Admission::Endings);
    assert!(!counter.shard.expire(counter.now_ms, 10, &mut Vec::new()), "all have expired");
    assert!(matches!(counter.run(&BALANCE), Outcome::Balance(Figures { balance: 99, reserved: 0, .. })));
}

#[test]
fn an_account_is_named_once_its_first_record_is_durable() {
    let mut counter = Counter::open();
    counter.commit();
    let grant = |account| Command::new(account, b"g", Op::Grant { amount: 5 });
    let (_, executed) = counter.give(&grant(b"a"));
    assert_eq!((executed, counter.shard.durable_accounts()), (Executed::Decided, 0));
    let block = counter.shard.take_block().expect("a record");
    let _ = counter.give(&grant(b"b"));
    let durable = counter.committer.commit(&block).expect("the disk is well");
    drop(block);
    counter.shard.committed(durable, &mut Vec::new());
    assert_eq!((counter.shard.ledger().account_count(), counter.shard.durable_accounts()), (2, 1));
    counter.commit();
    assert_eq!(counter.shard.durable_accounts(), 2);
}
