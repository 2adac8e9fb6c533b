//! Snapshots: a start's ledger from the parts of one and the records behind it, in items a second; and the steps of a copy.

use crate::crowd::{Crowd, Dice, LIMITS, SEEDS, account, tx};
use creditd::ledger::codec;
use creditd::ledger::command::{Command, Op};
use creditd::ledger::id::Lsn;
use creditd::ledger::snapshot::{Copied, Restore, Section};
use divan::Bencher;
use divan::counter::ItemsCount;

/// A part of a snapshot.
type Part = (Section, u32, Vec<u8>);

/// Records of a block.
const BLOCK_RECORDS: u64 = 800;

/// A copy of all, steps gathered to parts of a quarter MiB as the server does. `begin`: ids of records below it.
fn copy(crowd: &Crowd, begin: Lsn) -> Vec<Part> {
    let (mut parts, mut copying): (Vec<Part>, _) = (Vec::new(), crowd.ledger.copying(begin));
    loop {
        let mut out = Vec::new();
        let Copied::Items { section, count } = crowd.ledger.copy(&mut copying, &mut out) else {
            crowd.ledger.footer(&copying, crowd.lsn + 1, &mut out);
            parts.push((Section::Footer, 1, out));
            return parts;
        };
        match parts.last_mut() {
            Some((last, items, bytes)) if *last == section && bytes.len() < 1 << 18 => {
                *items += count;
                bytes.append(&mut out);
            }
            _ => parts.push((section, count, out)),
        }
    }
}

fn load(parts: &[Part]) -> Restore {
    let mut restore = Restore::new(LIMITS, SEEDS);
    for (section, count, bytes) in parts {
        restore.part(*section as u8, *count, bytes).expect("a part");
    }
    restore
}

/// Accounts, without a remembered id.
#[divan::bench(args = [1_000_000, 10_000_000], sample_count = 3, sample_size = 1)]
fn snapshot_accounts(bencher: Bencher<'_, '_>, accounts: u64) {
    let parts = copy(&Crowd::of(accounts), 0);
    bencher.counter(ItemsCount::new(accounts)).bench_local(|| load(&parts));
}

/// As many ids as accounts; an item is one of each.
#[divan::bench(args = [1_000_000], sample_count = 3, sample_size = 1)]
fn snapshot_accounts_and_ids(bencher: Bencher<'_, '_>, accounts: u64) {
    let crowd = Crowd::of(accounts);
    let parts = copy(&crowd, crowd.lsn + 1);
    bencher.counter(ItemsCount::new(accounts)).bench_local(|| load(&parts));
}

/// A million debits of accounts at random, decoded and replayed.
#[divan::bench(args = [1_000_000, 10_000_000], sample_count = 3, sample_size = 1)]
fn log_records(bencher: Bencher<'_, '_>, accounts: u64) {
    const RECORDS: u64 = 1_000_000;
    let (mut crowd, mut dice) = (Crowd::of(accounts), Dice(accounts));
    let (begin, parts) = (crowd.lsn + 1, copy(&crowd, crowd.lsn + 1));
    let mut blocks: Vec<(Lsn, Vec<u8>)> = Vec::new();
    for n in 0..RECORDS {
        let (account, tx) = (account(dice.below(accounts)), tx(n));
        let command = Command::new(&account, &tx, Op::Debit { amount: 1 });
        let record = crowd.draft(&command);
        assert!(crowd.execute(&command) && crowd.lsn >= begin);
        if n.is_multiple_of(BLOCK_RECORDS) {
            blocks.push((crowd.lsn, Vec::new()));
        }
        blocks.last_mut().expect("just begun").1.extend(record);
    }
    let replay = |mut restore: Restore| {
        for (first, records) in &blocks {
            restore.block(*first, 0, records).expect("in order");
            for (n, bytes) in (0..).zip(codec::records(records)) {
                let record = codec::decode_any(bytes).expect("a record");
                restore.record(&record, first + n * bytes.len() as u64).expect("it follows");
            }
        }
        restore
    };
    bencher.counter(ItemsCount::new(RECORDS)).with_inputs(|| load(&parts)).bench_local_values(replay);
}

/// Steps of a copy, one after the other: the slowest one is how long a command may wait for it.
#[divan::bench(args = [1_000_000, 10_000_000], sample_count = 5_000, sample_size = 1)]
fn copy_step(bencher: Bencher<'_, '_>, accounts: u64) {
    let crowd = Crowd::of(accounts);
    let (mut copying, mut out) = (crowd.ledger.copying(crowd.lsn + 1), Vec::with_capacity(1 << 20));
    bencher.bench_local(|| {
        out.clear();
        if crowd.ledger.copy(&mut copying, &mut out) == Copied::Done {
            copying = crowd.ledger.copying(crowd.lsn + 1);
        }
    });
}
