//! A month of journaled time with the retention that is usual, over many starts: what is remembered, and how long.
//!
//! ```text
//!  hour  0         12           20              24               36               44        day 30      31
//!        ids ───── REFUND ───── a hold ──────── forgotten; ───── the refunded ─── the ───── the long ── that, too
//!                  of one       runs out        TX, REFUND       one, too         hold      hold ends
//!                                               still find them
//! ```
//! Absent on purpose: chance (the worlds have it), and the seconds by which groups of blocks may be remembered longer.

use super::boot::log_id;
use creditd::journal::{BlockKind, Committer, Opened, PAGE, RecoveryOptions, SimDisk, SimStorage, SyncPolicy, recover};
use creditd::ledger::command::{Command, Op};
use creditd::ledger::credits::TTL_MS_MAX;
use creditd::ledger::outcome::{Detail, Outcome, Receipt, Status, TxState, TxView};
use creditd::ledger::rejection::{Rejection, Verb};
use creditd::ledger::{Limits, Seeds};
use creditd::shard::batch::{Batch, Reply, Ticket};
use creditd::shard::{Rebuild, Shard};

const HOUR_MS: u64 = 3_600_000;
/// `tx-retention`, as it is usual.
const DAY_MS: u64 = 24 * HOUR_MS;
const START_MS: u64 = 1_790_000_000_000;
const ACCOUNT: &[u8] = b"tradie:7";

/// Ids of the first hour that nothing keeps alive.
const PLAIN: [&str; 7] = ["open", "debit", "captured", "released", "poor", "void", "again"];

#[test]
fn ids_are_remembered_for_a_day_and_no_longer() {
    let mut desk = Desk::new();
    let first = the_first_hour(&mut desk);
    for hour in 1..24 {
        desk.at(hour * HOUR_MS);
        if hour == 12 {
            let outcome = desk.refund("f1", "kept", Some(4));
            assert_eq!(receipt(&outcome).detail, Detail::Refundable(6));
        }
        desk.check(&PLAIN, &[]);
        desk.check(&["kept", "brief", "long"], &[]);
    }
    desk.at(DAY_MS - 1);
    desk.check(&PLAIN, &[]);
    let replay = Outcome::Written(Receipt { replayed: true, ..first });
    assert_eq!(desk.ask(Op::Debit { amount: 10 }, "debit"), replay);

    desk.at(DAY_MS);
    desk.check(&["kept", "f1", "brief", "long"], &PLAIN);
    the_trail_remembers(&mut desk);
    // The refund has brought the debit back.
    assert_eq!(desk.ask(Op::Debit { amount: 10 }, "debit"), replay);

    desk.at(DAY_MS + 12 * HOUR_MS - 1);
    desk.check(&["kept", "f1", "f2", "debit", "brief", "long"], &[]);
    desk.at(DAY_MS + 12 * HOUR_MS);
    desk.check(&["f2", "debit", "brief", "long"], &["kept", "f1"]);
    assert_eq!(desk.view("kept").refunded, Some(4));
    let outcome = desk.refund("f3", "kept", None);
    assert_eq!(receipt(&outcome).detail, Detail::Refundable(0), "the sum of refunds outlives the index");
    assert_eq!(desk.view("kept").refunded, Some(10));
    let limit = Outcome::Rejected(Rejection::Exceeds { limit: 0, given: Some(1) });
    assert_eq!(desk.refund("f4", "kept", Some(1)), limit);

    // It ran out at hour 20.
    desk.at(44 * HOUR_MS - 1);
    desk.check(&["brief"], &[]);
    desk.at(44 * HOUR_MS);
    desk.check(&["long"], &["brief"]);
    a_long_hold(&mut desk);
}

/// Every kind of id, and two holds. The first answer to `debit`.
fn the_first_hour(desk: &mut Desk) -> Receipt {
    desk.ask(Op::Grant { amount: 1_000 }, "open");
    let first = desk.ask(Op::Debit { amount: 10 }, "debit");
    for tx in ["again", "kept"] {
        desk.ask(Op::Debit { amount: 10 }, tx);
    }
    for tx in ["captured", "released"] {
        desk.ask(Op::Reserve { amount: 10, ttl_ms: HOUR_MS }, tx);
    }
    desk.ask(Op::Capture { amount: Some(6) }, "captured");
    desk.ask(Op::Release, "released");
    desk.ask(Op::Release, "void");
    let poor = desk.ask(Op::Debit { amount: 10_000 }, "poor");
    assert_eq!(poor, Outcome::Rejected(Rejection::Insufficient { available: 964, required: 10_000 }));
    desk.ask(Op::Reserve { amount: 5, ttl_ms: 20 * HOUR_MS }, "brief");
    desk.ask(Op::Reserve { amount: 7, ttl_ms: TTL_MS_MAX }, "long");
    receipt(&first)
}

/// What the index has forgotten, CREDIT.TX and REFUND still find.
fn the_trail_remembers(desk: &mut Desk) {
    let states = PLAIN.map(|tx| desk.view(tx).state);
    use TxState::{Captured, Debited, Declined, Granted, Released, Void};
    assert_eq!(states, [Granted, Debited, Captured, Released, Declined, Void, Debited]);
    assert_eq!(desk.view("captured").captured, Some(6));
    assert_eq!(desk.ask(Op::Tx, "never"), Outcome::Tx(None));

    let outcome = desk.ask(Op::Debit { amount: 10 }, "again");
    assert!(!receipt(&outcome).replayed, "after its time an id is new");
    assert_eq!(desk.view("again").first.time_ms, START_MS + DAY_MS, "TX tells of its newest life");

    let outcome = desk.refund("f2", "debit", None);
    assert_eq!((receipt(&outcome).status, receipt(&outcome).detail), (Status::Refunded, Detail::Refundable(0)));
    let refusal = |rejection| Outcome::Rejected(rejection);
    let exceeds = Rejection::Exceeds { limit: 6, given: Some(7) };
    assert_eq!(desk.refund("f9", "captured", Some(7)), refusal(exceeds));
    let declined = Rejection::NotRefundable { op: Verb::Debit, state: Declined };
    assert_eq!(desk.refund("f9", "poor", None), refusal(declined));
    assert_eq!(desk.refund("f9", "never", None), refusal(Rejection::NoTx));
}

/// `long` is held for 30 days, whatever happens, and is then remembered for one more.
fn a_long_hold(desk: &mut Desk) {
    for day in 3..30 {
        desk.at(day * DAY_MS);
        desk.check(&["long"], &["debit"]);
    }
    desk.at(TTL_MS_MAX - 1);
    let outcome = desk.ask(Op::Reserve { amount: 7, ttl_ms: 1 }, "long");
    assert_eq!((receipt(&outcome).status, receipt(&outcome).replayed), (Status::Active, true));
    desk.at(TTL_MS_MAX);
    let expires_at_ms = START_MS + TTL_MS_MAX;
    let expired = Rejection::Expired { expires_at_ms, now_ms: expires_at_ms };
    assert_eq!(desk.ask(Op::Release, "long"), desk.ask(Op::Release, "long"));
    assert_eq!(desk.ask(Op::Reserve { amount: 7, ttl_ms: 1 }, "long"), Outcome::Rejected(expired));
    desk.at(TTL_MS_MAX + DAY_MS - 1);
    desk.check(&["long"], &[]);
    desk.at(TTL_MS_MAX + DAY_MS);
    desk.check(&[], &["long"]);
    let view = desk.view("long");
    assert_eq!((view.state, view.last.map(|last| last.time_ms)), (TxState::Expired, Some(expires_at_ms)));
}

fn receipt(outcome: &Outcome) -> Receipt {
    let Outcome::Written(receipt) = outcome else { panic!("a write, not {outcome:?}") };
    *receipt
}

#[test]
fn the_memory_of_forgotten_ids_comes_back() {
    const IDS: u64 = 40_000;
    let mut desk = Desk::new();
    for n in 0..IDS {
        let (tx, ticket) = (format!("m{n}"), Ticket { core: 0, connection: 0, generation: 0, slot: n as u32 });
        let command = Command::new(ACCOUNT, tx.as_bytes(), Op::Grant { amount: 1 });
        let prepared = desk.shard.prepare(&command);
        let _ = desk.shard.execute(desk.now_ms, ticket, &command, prepared, &mut Vec::new());
    }
    assert_eq!(desk.commit().len() as u64, IDS);
    let full = desk.shard.ledger().totals();
    for step in 1..=8 {
        // Blocks come once an hour: forgetting needs no more.
        desk.at(step * 3 * HOUR_MS);
        let totals = desk.shard.ledger().totals();
        assert!(step == 8 || totals.index_entries == IDS, "nothing is dropped before its time");
    }
    desk.restart();
    for hour in 25..50 {
        desk.at(hour * HOUR_MS);
    }
    let totals = desk.shard.ledger().totals();
    assert_eq!((full.index_entries, totals.index_entries), (IDS, 0));
    assert!(totals.index_bytes * 10 < full.index_bytes, "{} of {}", totals.index_bytes, full.index_bytes);
    assert_eq!(totals.balance, u128::from(IDS));
}

/// One shard that answers one command at a time, and keeps no old block in memory.
struct Desk {
    disk: SimDisk,
    now_ms: u64,
    shard: Shard<SimStorage>,
    committer: Committer<SimStorage>,
}

impl Desk {
    fn new() -> Self {
        let disk = SimDisk::new(24, log_id(0));
        let (shard, committer) = start(&disk, START_MS);
        Self { disk, now_ms: START_MS, shard, committer }
    }

    /// Goes on to a moment, counted from the start. Time is seen when a block is closed, as by any traffic.
    fn at(&mut self, ms: u64) {
        assert!(START_MS + ms >= self.now_ms, "time goes on");
        self.now_ms = START_MS + ms;
        self.shard.mark(BlockKind::Fence, self.now_ms);
        self.commit();
    }

    /// The power fails, and comes back; everything was durable.
    fn restart(&mut self) {
        self.disk.crash();
        (self.shard, self.committer) = start(&self.disk, self.now_ms);
        self.commit();
        let Outcome::Audit(_) = self.ask(Op::Audit, "") else { panic!("the trail and the account agree") };
    }

    fn ask(&mut self, op: Op, tx: &str) -> Outcome {
        self.run(&Command::new(ACCOUNT, tx.as_bytes(), op))
    }

    fn refund(&mut self, tx: &str, of: &str, amount: Option<u64>) -> Outcome {
        self.run(&Command { of: of.as_bytes(), ..Command::new(ACCOUNT, tx.as_bytes(), Op::Refund { amount }) })
    }

    fn view(&mut self, tx: &str) -> TxView {
        match self.ask(Op::Tx, tx) {
            Outcome::Tx(Some(view)) => *view,
            other => panic!("{tx} is found, not {other:?}"),
        }
    }

    /// Whether an id means something to a write; that of a declined RESERVE never does. Asked so that nothing changes.
    fn knows(&mut self, tx: &str) -> bool {
        let outcome = self.ask(Op::Capture { amount: Some(u64::MAX >> 11) }, tx);
        outcome != Outcome::Rejected(Rejection::NoReservation { op: None })
    }

    fn run(&mut self, command: &Command<'_>) -> Outcome {
        let ticket = Ticket { core: 0, connection: 0, generation: 0, slot: 0 };
        let mut batch = Batch::default();
        batch.push(0, ticket, command);
        let mut released = Vec::new();
        loop {
            for (_, ticket, command) in batch.iter() {
                let prepared = self.shard.prepare(&command);
                let _ = self.shard.execute(self.now_ms, ticket, &command, prepared, &mut released);
            }
            batch.clear();
            released.extend(self.commit());
            let errands = self.shard.take_recalls().into_iter().chain(self.shard.take_walk());
            for mut errand in errands.collect::<Vec<_>>() {
                errand.run(&mut self.shard.reader().window());
                batch = self.shard.returned(errand, &mut released).unwrap_or_default();
            }
            if let Some(reply) = released.pop() {
                return reply.outcome;
            }
        }
    }

    fn commit(&mut self) -> Vec<Reply> {
        let mut released = Vec::new();
        while let Some(block) = self.shard.take_block() {
            let durable = self.committer.commit(&block).expect("no disk is broken");
            self.shard.committed(durable, &mut released);
        }
        released
    }

    /// Asserts which ids writes know; the same again after a restart.
    #[track_caller]
    fn check(&mut self, known: &[&str], unknown: &[&str]) {
        for _ in 0..2 {
            for tx in known {
                assert!(self.knows(tx), "{tx} is forgotten too early");
            }
            for tx in unknown {
                assert!(!self.knows(tx), "{tx} should be forgotten");
            }
            self.restart();
        }
    }
}

fn start(disk: &SimDisk, now_ms: u64) -> (Shard<SimStorage>, Committer<SimStorage>) {
    let limits = Limits {
        holds_per_account_max: 1024,
        accounts_max: 1_000,
        tx_index_bytes_max: 1 << 24,
        tx_retention_ms: DAY_MS,
    };
    let (id, policy, segment_len) = (log_id(0), SyncPolicy::Always, 300 * PAGE as u64);
    let options = RecoveryOptions { id, policy, segment_len, salt_seed: now_ms, now_ms, recent_len: 0 };
    let mut rebuild = Rebuild::new(limits, Seeds { index_key: [5, 6], map_seed: 7 });
    let opened = recover(disk.storage(), &options, &mut |entry| rebuild.take(entry), &mut |_, _| {});
    let opened = opened.expect("no disk is broken");
    let reader = opened.reader();
    let Opened { committer, log, .. } = opened;
    let mut shard = Shard::new(0, rebuild.into_ledger(), log, reader, now_ms, 100_000);
    shard.mark(BlockKind::Fence, now_ms);
    (shard, committer)
}
