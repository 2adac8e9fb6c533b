//! A core that saves, turned by hand, with its files and a clock that is moved.

use super::super::engine::Engine;
use super::super::home::Home;
use super::super::loading::{RecoveredShard, recover_shard};
use super::super::mailbox::Phase;
use super::super::readers::Readers;
use super::super::router::Router;
use super::super::shared::{Shared, Signals};
use super::super::watch::Post;
use super::Saver;
use crate::access::Users;
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::config::Config;
use crate::journal::{DataDir, NewDir, Opened};
use crate::ledger::command::{Command, Op};
use crate::ledger::outcome::Outcome;
use crate::shard::batch::Ticket;
use crate::shard::{Patience, Shard};
use std::path::Path;
use std::sync::Arc;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Waits longer than this are hangs.
const WITHIN_NS: u64 = 60_000_000_000;

/// One core with one shard.
struct Bench {
    engine: Engine,
    clock: ManualClock,
    granted: u64,
    _dir: DataDir,
    _signals: Signals,
}

impl Bench {
    fn open(path: &Path, clock: ManualClock) -> Self {
        let data_dir = path.to_str().expect("a path of the test").to_owned();
        let knobs = [("data-dir", data_dir.as_str()), ("history-retention", "1d"), ("tx-retention", "1h")];
        let sizes = [("segment-size", "4MiB"), ("snapshot-log-size", "0")];
        let knobs = knobs.into_iter().chain(sizes).map(|(name, value)| (name, value.to_owned()));
        let config = Config::load(knobs, []).expect("they go together");
        let new = NewDir { instance: [7; 16], shards: 1, hash_keys: [1, 2] };
        let dir = DataDir::open_or_create(path, new).expect("a directory");
        let router = Router::new(dir.manifest(), 1);
        let (shared, signals) = Shared::new(
            config,
            Arc::new(clock.clone()),
            router,
            String::new(),
            Users::load("", None).expect("nothing is right"),
        )
        .expect("threads start");
        let storage = dir.storage(0).expect("a shard");
        let recovered = recover_shard(&shared, storage, dir.manifest().log_id(0), dir.manifest().hash_keys);
        let RecoveredShard { number, opened, ledger, newest } = recovered.expect("a whole log");
        shared.start_shard_clock(opened.recovered.last_now_ms);
        let reader = opened.reader();
        let Opened { committer, log, .. } = opened;
        let shard = Shard::new(
            number,
            ledger,
            log,
            reader,
            shared.now_ms(),
            Patience { walk_max: 1000, claim_timeout_ms: 5000 },
        );
        let readers = Readers::start(1, 1).expect("threads");
        let mut engine = Engine::new(shared, 0, readers, Saver::start().expect("a thread")).expect("threads");
        engine.homes.push(Home::new(shard, Box::new(committer), Post::default()));
        engine.saving.add(newest);
        engine.phase = Phase::Serving;
        Self { engine, clock, granted: 0, _dir: dir, _signals: signals }
    }

    fn turn(&mut self) {
        self.engine.released.clear();
        self.engine.begin();
        self.engine.take_errands();
        self.engine.run_own();
        self.engine.commit();
        self.engine.send_errands();
        self.engine.save();
    }

    fn turn_until(&mut self, done: impl Fn(&Engine) -> bool) {
        let clock = SystemClock;
        let ends_at_ns = clock.boot_ns() + WITHIN_NS;
        while !done(&self.engine) {
            assert!(clock.boot_ns() < ends_at_ns, "it does not come to an end");
            self.turn();
            std::thread::yield_now(); // the other threads are at work
        }
    }

    /// Writes a bit more than `mib` of log.
    fn grant(&mut self, mib: u64) {
        let meta = [b'm'; 1000];
        for _ in 0..mib * 1024 {
            self.granted += 1;
            let (account, tx) =
                (format!("a{}", self.granted % 100), format!("t{}", self.clock.boot_ns() + self.granted));
            let ticket = Ticket { core: 0, connection: 0, generation: 0, slot: 0 };
            let command =
                Command { meta: &meta, ..Command::new(account.as_bytes(), tx.as_bytes(), Op::Grant { amount: 1 }) };
            self.engine.submit(ticket, &command);
            if self.granted.is_multiple_of(200) {
                self.turn();
            }
        }
        self.turn_until(|engine| engine.homes[0].is_quiet());
    }

    /// What a command of account `old` is answered.
    fn run(&mut self, op: Op, tx: &[u8], of: &[u8]) -> Outcome {
        let ticket = Ticket { core: 0, connection: 0, generation: 0, slot: 0 };
        self.engine.submit(ticket, &Command { of, ..Command::new(b"old", tx, op) });
        self.turn_until(|engine| !engine.released.is_empty());
        self.engine.released.pop().expect("one answer").outcome
    }

    /// Lets `ms` pass and saves.
    fn save_after(&mut self, ms: u64) {
        self.clock.advance(ms);
        self.turn();
        self.engine.shared.saves.ask();
        self.engine.saving.ask(None);
        self.turn_until(|engine| !engine.shared.saves.is_busy());
        assert!(!self.engine.saving.schedule.has_failed(0));
    }

    fn oldest_lsn(&self) -> u64 {
        self.engine.homes[0].shard.reader().oldest_lsn()
    }
}

/// Names in the shard's directory that end so, in order.
fn files(path: &Path, ending: &str) -> Vec<String> {
    let dir = std::fs::read_dir(path.join("shard-000")).expect("the shard's directory");
    let names = dir.map(|entry| entry.expect("a name").file_name().into_string().expect("names are text"));
    let mut names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort_unstable();
    names
}

#[test]
fn old_log_goes_when_no_snapshot_and_no_id_needs_it() {
    let place = tempfile::tempdir().expect("a directory for the test");
    let path = place.path().join("data");
    let mut bench = Bench::open(&path, ManualClock::at(1_800_000_000_000));
    bench.grant(10);
    bench.save_after(0);
    bench.grant(1);
    bench.save_after(2 * DAY_MS);
    assert_eq!(bench.oldest_lsn(), 0, "the older snapshot remembers the ids of the day before yesterday");
    bench.grant(1);
    bench.save_after(0);
    let floor = bench.oldest_lsn();
    assert!(floor > 8 << 20, "two segments at least have gone: {floor}");
    assert_eq!(files(&path, ".wal")[0][..16], format!("{floor:016x}"), "and their files");
    assert_eq!(files(&path, ".snap").len(), 2, "the two newest are kept");
    assert!(files(&path, "snapshot.tmp").is_empty());
    let (totals, granted) = (bench.engine.homes[0].shard.ledger().totals(), bench.granted);
    let clock = bench.clock.clone();
    drop(bench);

    let mut bench = Bench::open(&path, clock);
    let again = bench.engine.homes[0].shard.ledger().totals();
    assert_eq!((again.entries, again.balance), (totals.entries, u128::from(granted)), "nothing went but history");
    assert_eq!(bench.oldest_lsn(), floor);
    let snapshots = files(&path, ".snap");
    bench.save_after(0);
    assert_eq!(files(&path, ".snap"), snapshots, "nothing has changed: nothing is written");
}

#[test]
fn a_refund_between_two_snapshots_keeps_the_log_that_it_points_to() {
    let place = tempfile::tempdir().expect("a directory for the test");
    let path = place.path().join("data");
    let mut bench = Bench::open(&path, ManualClock::at(1_800_000_000_000));
    for (op, tx) in [(Op::Grant { amount: 10 }, b"g"), (Op::Debit { amount: 3 }, b"d")] {
        assert!(matches!(bench.run(op, tx, b""), Outcome::Written(_)));
    }
    bench.grant(10);
    bench.clock.advance(2 * DAY_MS);
    bench.grant(1);
    bench.save_after(0);
    let Outcome::Written(refund) = bench.run(Op::Refund { amount: None }, b"f", b"d") else { panic!("refunded") };
    assert_eq!((refund.balance, refund.replayed), (10, false));
    bench.grant(1);
    bench.save_after(0);
    assert_eq!(bench.oldest_lsn(), 0, "neither snapshot needs the debit, the refund does");
    let clock = bench.clock.clone();
    drop(bench);

    let mut bench = Bench::open(&path, clock);
    let Outcome::Written(debit) = bench.run(Op::Debit { amount: 3 }, b"d", b"") else { panic!("answered") };
    assert_eq!((debit.balance, debit.replayed), (7, true));
    bench.grant(1);
    bench.save_after(2 * DAY_MS);
    bench.grant(1);
    bench.save_after(0);
    assert!(bench.oldest_lsn() > 8 << 20, "when the refund is forgotten, its debit may go");
}

#[test]
fn with_retention_a_day_is_enough_reason_to_save_what_has_changed() {
    let place = tempfile::tempdir().expect("a directory for the test");
    let path = place.path().join("data");
    let mut bench = Bench::open(&path, ManualClock::at(1_800_000_000_000));
    let mut saves_after = |grant, ms| {
        bench.grant(grant);
        bench.clock.advance(ms);
        bench.turn();
        bench.engine.review_saves();
        bench.turn();
        bench.turn_until(|engine| !engine.shared.saves.is_busy());
        files(&path, ".snap").len()
    };
    assert_eq!(saves_after(0, 0), 0, "there is nothing to save");
    assert_eq!(saves_after(1, 0), 1, "the first at once: nothing goes before there are two");
    assert_eq!(saves_after(1, DAY_MS - 1), 1);
    assert_eq!(saves_after(0, 1), 2);
    assert_eq!(saves_after(0, DAY_MS), 2);
}
