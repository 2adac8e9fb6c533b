//! The feed: events out of the log's files, as consumers read them.

use std::hint::black_box;

use creditd::feed::{Query, follow, json, names_of, page};
use creditd::journal::{DataDir, FileStorage, LogId, NewDir, Opened, SyncPolicy};
use creditd::ledger::command::Command;
use creditd::ledger::event::EntryId;
use divan::{Bencher, counter::ItemsCount};
use tempfile::TempDir;

use crate::crowd::{Crowd, FUND, NOW_MS, account, tx};
use crate::void;

/// Events of a page.
const PAGE: usize = 1000;

/// Events of the log.
const EVENTS: usize = 100_000;

/// A log in files, its blocks of so many records each.
fn log(records: usize) -> (TempDir, DataDir, Opened<FileStorage>) {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("room for a log");
    let new = NewDir { shards: 1, instance: [7; 16], hash_keys: [1, 2] };
    let dir = DataDir::open_or_create(&home.path().join("data"), new).expect("a fresh directory");
    let id = LogId { instance: [7; 16], shard: 0 };
    let mut opened = void::open(dir.storage(0).expect("a shard"), id, SyncPolicy::No);
    let record = Crowd::of(0).draft(&Command::new(&account(1), &tx(1), FUND));
    for at in 0..EVENTS {
        opened.log.append(NOW_MS + at as u64, |block| {
            block.extend_from_slice(&record);
            1
        });
        while (at + 1) % records == 0
            && let Some(block) = opened.log.take()
        {
            let durable = opened.committer.commit(&block).expect("committed");
            drop(block);
            opened.log.committed(durable);
        }
    }
    (home, dir, opened)
}

/// Reads the log page by page, as a consumer that keeps its last id.
#[divan::bench(args = [1, 16, 256], sample_count = 50, sample_size = 10)]
fn pages(bencher: Bencher<'_, '_>, records: usize) {
    let (_home, _dir, opened) = log(records);
    let (mut blocks, durable) = (opened.reader().blocks(), opened.log.durable_lsn());
    let mut start = EntryId::MIN;
    bencher.counter(ItemsCount::new(PAGE)).bench_local(|| {
        let query = Query { start, end: EntryId::MAX, count: PAGE, bytes_max: usize::MAX, newest_first: false };
        let page = page(&mut blocks, durable, &query).expect("read");
        start = if page.entries < PAGE { EntryId::MIN } else { page.last.expect("an event").after() };
        black_box(page)
    });
}

/// The newest entry alone.
#[divan::bench(args = [1, 256])]
fn newest(bencher: Bencher<'_, '_>, records: usize) {
    let (_home, _dir, opened) = log(records);
    let (mut blocks, durable) = (opened.reader().blocks(), opened.log.durable_lsn());
    let query = Query { start: EntryId::MIN, end: EntryId::MAX, count: 1, bytes_max: 1 << 20, newest_first: true };
    bencher.bench_local(|| page(&mut blocks, durable, &query).expect("read"));
}

/// Every event of the log as a message of pub/sub.
#[divan::bench(args = [16, 256], sample_count = 10, sample_size = 1)]
fn messages(bencher: Bencher<'_, '_>, records: usize) {
    let (_home, _dir, opened) = log(records);
    let (mut blocks, durable) = (opened.reader().blocks(), opened.log.durable_lsn());
    let mut message = Vec::new();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        follow(&mut blocks, 0, durable, |id, record| {
            message.clear();
            json(0, id, names_of(record).0, record, &mut message);
            black_box(&message);
        })
        .expect("read")
    });
}
