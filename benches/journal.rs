//! The log: records into the open block, the block sealed and committed.

use crate::crowd::{Crowd, FUND, NOW_MS, account, tx};
use crate::void;
use creditd::journal::{DataDir, Log, LogId, NewDir, Opened, Storage, SyncPolicy};
use creditd::ledger::command::Command;
use divan::{Bencher, black_box};

/// The record of a grant; a debit's has the same length.
fn record() -> Vec<u8> {
    Crowd::of(0).draft(&Command::new(&account(1), &tx(1), FUND))
}

fn put(log: &mut Log, record: &[u8]) {
    log.append(NOW_MS, |block| {
        block.extend_from_slice(record);
        1
    });
}

/// A record into the open block, and the committed block's way to recent memory, a thousandth of it.
#[divan::bench(sample_size = 1000)]
fn append(bencher: Bencher<'_, '_>) {
    let mut log = void::log().log;
    let record = record();
    let mut n = 0;
    bencher.bench_local(|| {
        put(&mut log, black_box(&record));
        n += 1;
        if n % 1000 == 0 {
            let end = log.take().expect("a block is open").end_lsn();
            log.committed(end);
        }
    });
}

/// A block of so many records: header, checksum and chain; stored nowhere.
#[divan::bench(args = [1, 16, 100], sample_size = 100)]
fn seal(bencher: Bencher<'_, '_>, records: usize) {
    commit(bencher, void::log(), records);
}

/// The same, written to a file of the build directory's disk.
#[divan::bench(args = [1, 16, 100], sample_count = 50, sample_size = 50)]
fn seal_store(bencher: Bencher<'_, '_>, records: usize) {
    on_disk(bencher, SyncPolicy::No, records);
}

/// The same, synced: the time that passes, not the CPU's.
#[divan::bench(args = [1, 16, 100], sample_count = 50, sample_size = 10)]
fn seal_store_sync(bencher: Bencher<'_, '_>, records: usize) {
    on_disk(bencher, SyncPolicy::Always, records);
}

fn on_disk(bencher: Bencher<'_, '_>, policy: SyncPolicy, records: usize) {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("room for a log");
    let new = NewDir { shards: 1, instance: [7; 16], hash_keys: [1, 2] };
    let dir = DataDir::open_or_create(&home.path().join("data"), new).expect("a fresh directory");
    let mut opened = void::open(dir.storage(0).expect("a shard"), LogId { instance: [7; 16], shard: 0 }, policy);
    // The first segment is short: begin in the second, which none of the rows fills.
    let record = record();
    while opened.committer.counters().segments < 2 {
        (0..1000).for_each(|_| put(&mut opened.log, &record));
        let block = opened.log.take().expect("a block is open");
        let durable = opened.committer.commit(&block).expect("a healthy disk");
        opened.log.committed(durable);
    }
    commit(bencher, opened, records);
}

/// Blocks are made before, and committed in their order.
fn commit<S: Storage>(bencher: Bencher<'_, '_>, opened: Opened<S>, records: usize) {
    let Opened { mut committer, mut log, .. } = opened;
    let record = record();
    let block = || {
        (0..records).for_each(|_| put(&mut log, &record));
        let block = log.take().expect("a block is open");
        log.committed(block.end_lsn());
        block
    };
    bencher.with_inputs(block).bench_local_refs(|block| committer.commit(block).expect("a healthy disk"));
}
