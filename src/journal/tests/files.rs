//! The same log on real files.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::super::reader::ReadError;
use super::*;

const NEW: NewDir = NewDir { shards: 1, instance: [7; 16], hash_keys: [1, 2] };

pub(super) fn start(path: &Path) -> Result<(DataDir, Opened<FileStorage>, Records), JournalError> {
    let dir = DataDir::open_or_create(path, NEW)?;
    let options = RecoveryOptions { id: dir.manifest().log_id(0), ..options() };
    let (mut opened, seen) = open(dir.storage(0)?, &options)?;
    opened.log.mark(BlockKind::Fence, 2_000);
    pump(&mut opened)?;
    Ok((dir, opened, seen))
}

/// Commits blocks of many records until there are four segments.
pub(super) fn fill(opened: &mut Opened<FileStorage>) -> Records {
    let mut records = Records::new();
    while opened.committer.counters().segments < 4 {
        for _ in 0..100 {
            let bytes = record(2048, records.len() as u64);
            records.push((put(&mut opened.log, &bytes), bytes));
        }
        pump(opened).expect("committed");
    }
    records
}

pub(super) fn segment_paths(path: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path.join("shard-000")).expect("there").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "wal")).collect();
    segments.sort();
    segments
}

pub(super) fn patch(path: &Path, offset: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).expect("there").write_all_at(bytes, offset).expect("written");
}

#[test]
fn a_log_over_several_segments_is_read_back() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("data");
    let (dir, mut opened, seen) = start(&path).expect("a new log");
    assert!(seen.is_empty());
    let reader = opened.reader();
    let records = fill(&mut opened);
    let mut window = reader.window();
    for (lsn, bytes) in records.iter().rev().step_by(97) {
        assert_eq!(window.record(*lsn).expect("read while the log is written"), bytes);
    }
    assert!(matches!(window.record(records[5].0 + 1), Err(ReadError::NoRecord { .. })));
    opened.log.mark(BlockKind::CleanStop, 3_000);
    pump(&mut opened).expect("committed");
    drop((opened, dir));

    let (_dir, opened, seen) = start(&path).expect("starts");
    assert!(opened.recovered.clean && seen == records, "all there, in order");
    let (last_lsn, last) = records.last().expect("some");
    assert_eq!(opened.log.record(*last_lsn), Some(&last[..]), "in memory");
    assert_eq!(opened.log.record(records[0].0), None, "too old for memory");
    assert_eq!(opened.reader().window().record(records[0].0).expect("on disk"), records[0].1);
    let len = |path: &PathBuf| fs::metadata(path).expect("there").len();
    let sizes: Vec<u64> = segment_paths(&path).iter().map(len).collect();
    assert_eq!(sizes.len(), 5);
    assert!(sizes[3] < options().segment_len, "the old end is truncated: {sizes:?}");
}

#[test]
fn a_snapshot_stands_for_segments_that_are_gone() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("data");
    let (dir, mut opened, _) = start(&path).expect("a new log");
    let mut history = fill(&mut opened);
    let begin = save(&mut opened, dir.manifest().log_id(0), &mut history, |_, _| Ok(())).expect("saved");
    assert_eq!(trim(&mut opened, begin).expect("trimmed"), 3);
    drop((opened, dir));
    let shard = path.join("shard-000");
    fs::write(shard.join("snapshot.tmp"), b"unfinished").expect("written");
    let (dir, opened, seen) = start(&path).expect("starts");
    let used = opened.recovered.snapshot.expect("used");
    assert_eq!((used.begin, opened.recovered.records, seen.len()), (begin, 0, history.len()));
    assert!(seen == history && !shard.join("snapshot.tmp").exists());
    drop((opened, dir));

    let name = super::super::storage::snapshot_name(used.end);
    patch(&shard.join(&name), 5_000, b"flipped");
    let error = start(&path).err().expect("nothing to start from");
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("no snapshot is whole") && shard.join(&name).exists(), "{error}");
}

#[test]
fn a_flipped_byte_in_the_middle_refuses_and_a_cut_tail_starts() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("data");
    let (dir, mut opened, _) = start(&path).expect("a new log");
    let mut records = fill(&mut opened);
    opened.committer.idle().expect("noted");
    let end = opened.log.next_lsn();
    records.push((put(&mut opened.log, &record(64, 0)), record(64, 0)));
    pump(&mut opened).expect("committed");
    drop((opened, dir));

    let segments = segment_paths(&path);
    let byte = fs::read(&segments[1]).expect("readable")[500_000];
    patch(&segments[1], 500_000, &[!byte]);
    let error = start(&path).err().expect("refused");
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("acknowledged data is damaged"), "{error}");
    patch(&segments[1], 500_000, &[byte]);

    let last = segments.last().expect("some");
    let name = SegmentName::parse(last.file_name().and_then(|name| name.to_str()).expect("a name")).expect("a segment");
    patch(last, name.offset_of(end) + 80, b"torn");
    let (_dir, opened, seen) = start(&path).expect("a torn tail starts");
    let cut = opened.recovered.cut.clone().expect("cut");
    assert_eq!((cut.from, cut.to), (end, end + 4096));
    assert!(path.join("shard-000/quarantine").join(&cut.quarantine).exists());
    assert_eq!(seen, records[..records.len() - 1]);
}

#[test]
fn the_committer_can_be_sent_away_with_the_block() {
    let parent = tempfile::tempdir().expect("a directory");
    let (_dir, mut opened, _) = start(&parent.path().join("data")).expect("a new log");
    let lsn = put(&mut opened.log, &record(64, 1));
    let block = opened.log.take().expect("a block");
    let mut committer = opened.committer;
    let journal_thread = std::thread::spawn(move || {
        let durable = committer.commit(&block).expect("committed");
        (committer, durable)
    });
    assert_eq!(opened.log.record(lsn), Some(&record(64, 1)[..]), "readable meanwhile");
    let (committer, durable) = journal_thread.join().expect("back");
    opened.log.committed(durable);
    assert_eq!((committer.head().0, opened.log.undurable_bytes()), (durable, 0));
}
