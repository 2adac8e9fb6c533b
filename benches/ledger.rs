//! The rules: finding accounts and ids, deciding and applying, holds and their timers, records.

use crate::crowd::{Crowd, Dice, Id, NOW_MS, account, opening, tx};
use creditd::ledger::codec;
use creditd::ledger::command::{Command, Op};
use creditd::ledger::credits::CREDITS_MAX;
use creditd::ledger::{Decision, Past, Prior, Recorded};
use divan::{Bencher, black_box};
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, OnceLock};

const RESERVE: Op = Op::Reserve { amount: 1, ttl_ms: 300_000 };

/// What a command comes to.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Grant,
    Debit,
    Reserve,
    Capture,
    Release,
    Decline,
}

const KINDS: [Kind; 6] = [Kind::Grant, Kind::Debit, Kind::Reserve, Kind::Capture, Kind::Release, Kind::Decline];

impl Kind {
    fn op(self) -> Op {
        match self {
            Kind::Grant => Op::Grant { amount: 1 },
            Kind::Debit => Op::Debit { amount: 1 },
            Kind::Reserve => RESERVE,
            Kind::Capture => Op::Capture { amount: None },
            Kind::Release => Op::Release,
            Kind::Decline => Op::Debit { amount: CREDITS_MAX },
        }
    }

    fn ends_hold(self) -> bool {
        matches!(self, Kind::Capture | Kind::Release)
    }
}

/// The crowd of 10 thousand, 1 million or 10 million that the look-ups share: the largest takes seconds to gather.
fn shared(accounts: u64) -> MutexGuard<'static, Crowd> {
    static CROWDS: [OnceLock<Mutex<Crowd>>; 3] = [const { OnceLock::new() }; 3];
    let place = [10_000, 1_000_000, 10_000_000].iter().position(|&size| size == accounts).expect("a size of the rows");
    CROWDS[place].get_or_init(|| Mutex::new(Crowd::of(accounts))).lock().expect("benches run one by one")
}

#[divan::bench(args = [10_000, 1_000_000, 10_000_000], sample_size = 1000)]
fn account_random(bencher: Bencher<'_, '_>, accounts: u64) {
    let crowd = shared(accounts);
    let mut dice = Dice(accounts);
    bencher.with_inputs(|| account(dice.below(accounts))).bench_local_refs(|id| crowd.ledger.locate(id));
}

#[divan::bench(args = [10_000, 1_000_000, 10_000_000], sample_size = 1000)]
fn account_repeated(bencher: Bencher<'_, '_>, accounts: u64) {
    let crowd = shared(accounts);
    bencher.with_inputs(|| account(accounts / 2)).bench_local_refs(|id| crowd.ledger.locate(id));
}

#[divan::bench(sample_size = 1000)]
fn index_key(bencher: Bencher<'_, '_>) {
    let crowd = shared(10_000);
    bencher.bench_local(|| crowd.ledger.key(black_box(&account(1)), black_box(&tx(1))));
}

#[divan::bench(args = [1_000_000, 10_000_000], sample_size = 1000)]
fn index_hit(bencher: Bencher<'_, '_>, ids: u64) {
    let crowd = shared(ids);
    let mut dice = Dice(ids);
    let key = || {
        let n = dice.below(ids);
        crowd.ledger.key(&account(n), &opening(n))
    };
    bencher.with_inputs(key).bench_local_values(|key| crowd.ledger.lookup(key));
}

/// A debit of one account, which stays in the nearest cache: what grows with the ids is the index's part.
#[divan::bench(args = [10_000, 1_000_000, 10_000_000], sample_count = 50, sample_size = 100)]
fn index_insert(bencher: Bencher<'_, '_>, ids: u64) {
    let crowd = RefCell::new(shared(ids));
    fresh(bencher, &crowd, Kind::Debit, |_| 0);
}

#[divan::bench(args = KINDS, sample_size = 100)]
fn decide_apply(bencher: Bencher<'_, '_>, kind: Kind) {
    fresh(bencher, &RefCell::new(&mut Crowd::of(10_000)), kind, |n| n % 10_000);
}

/// Commands with fresh ids, command `n` for the account `whose(n)`: settle, look the id up, decide, apply. Account and
/// id are located before, as a core's look-ups do.
fn fresh<C>(bencher: Bencher<'_, '_>, crowd: &RefCell<C>, kind: Kind, whose: impl Fn(u64) -> u64)
where
    C: std::ops::DerefMut<Target = Crowd>,
{
    let mut n = 0;
    let call = || {
        n += 1;
        let (account, tx) = (account(whose(n)), tx(n));
        let command = Command::new(&account, &tx, kind.op());
        let mut crowd = crowd.borrow_mut();
        if kind.ends_hold() {
            crowd.execute(&Command { op: RESERVE, ..command });
        }
        let (at, key) = crowd.find(&command);
        (account, tx, at, key)
    };
    bencher.with_inputs(call).bench_local_refs(|(account, tx, at, key)| {
        let committed = crowd.borrow_mut().run(&Command::new(account, tx, kind.op()), *at, *key);
        assert!(committed);
    });
}

/// A command that was executed before: look its id up, decode the record that answers, decide.
#[divan::bench(args = KINDS, sample_size = 100)]
fn replay(bencher: Bencher<'_, '_>, kind: Kind) {
    let mut crowd = Crowd::of(10_000);
    let (account, tx) = (account(1), tx(1));
    let command = Command::new(&account, &tx, kind.op());
    if kind.ends_hold() {
        crowd.execute(&Command { op: RESERVE, ..command });
    }
    let record = crowd.draft(&command);
    crowd.execute(&command);
    let (at, key) = crowd.find(&command);
    bencher.bench_local(|| {
        let past = match crowd.ledger.lookup(black_box(key)) {
            Prior::Active(slot) => Past::Active(slot),
            Prior::Recorded(lsn) => {
                let event = codec::decode(black_box(&record)).expect("a record");
                Past::Recorded(Recorded { event, lsn, opened: None, refunded: 0 })
            }
            Prior::Unknown => panic!("it was executed"),
        };
        let decision = crowd.ledger.decide(at, black_box(&command), &past, &Past::Unknown, NOW_MS);
        assert!(matches!(decision, Decision::Answer(_)));
    });
}

/// So many accounts, each with a hold; their deadlines come in an hour, evenly.
fn holders(holds: u64) -> Crowd {
    let mut crowd = Crowd::of(holds);
    for n in 0..holds {
        let op = Op::Reserve { amount: 1, ttl_ms: 1 + n * 3_600_000 / holds };
        crowd.execute(&Command::new(&account(n), &tx(n), op));
    }
    crowd
}

#[divan::bench(args = [10_000, 1_000_000], sample_count = 50, sample_size = 100)]
fn hold_insert(bencher: Bencher<'_, '_>, holds: u64) {
    let mut dice = Dice(holds);
    let mut n = holds;
    on_holds(bencher, holds, RESERVE, || {
        n += 1;
        (account(dice.below(holds)), tx(n))
    });
}

#[divan::bench(args = [10_000, 1_000_000], sample_count = 50, sample_size = 100)]
fn hold_cancel(bencher: Bencher<'_, '_>, holds: u64) {
    let mut n = 0;
    on_holds(bencher, holds, Op::Release, || {
        n = (n + 7919) % holds; // meets every hold once, in no order
        (account(n), tx(n))
    });
}

/// A command of `op` beside so many holds, locating included.
fn on_holds(bencher: Bencher<'_, '_>, holds: u64, op: Op, ids: impl FnMut() -> (Id, Id)) {
    let mut crowd = holders(holds);
    bencher.with_inputs(ids).bench_local_refs(|(account, tx)| {
        let committed = crowd.execute(&Command::new(account, tx, op));
        assert!(committed);
    });
}

#[divan::bench(args = [10_000, 1_000_000], sample_count = 50, sample_size = 100)]
fn hold_expire(bencher: Bencher<'_, '_>, holds: u64) {
    let mut crowd = holders(holds);
    bencher.bench_local(|| crowd.expire_next());
}

/// The wheel is asked, and nothing is due.
#[divan::bench(args = [10_000, 1_000_000], sample_size = 1000)]
fn hold_nothing_due(bencher: Bencher<'_, '_>, holds: u64) {
    let mut crowd = holders(holds);
    bencher.bench_local(|| crowd.ledger.due(black_box(NOW_MS)));
}

#[divan::bench(args = [Kind::Debit, Kind::Reserve], sample_size = 1000)]
fn record_encode(bencher: Bencher<'_, '_>, kind: Kind) {
    let record = Crowd::of(1).draft(&Command::new(&account(0), &tx(0), kind.op()));
    let event = codec::decode(&record).expect("a record");
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        codec::encode(black_box(&event), &mut out);
    });
}

#[divan::bench(args = [Kind::Debit, Kind::Reserve], sample_size = 1000)]
fn record_decode(bencher: Bencher<'_, '_>, kind: Kind) {
    let record = Crowd::of(1).draft(&Command::new(&account(0), &tx(0), kind.op()));
    bencher.bench_local(|| codec::decode(black_box(&record)).is_ok());
}
