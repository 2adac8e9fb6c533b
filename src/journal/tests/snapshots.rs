//! Starts from a snapshot and the log behind it: which one is taken, what is refused, what is left of the log.

use super::super::block::{BLOCK_HEADER_LEN, BlockHeader};
use super::super::error::Case;
use super::super::reader::ReadError;
use super::super::storage::{SnapshotFile, snapshot_name};
use super::snapshot::{SNAPSHOT_CONTENT, SnapshotError};
use super::*;

/// A life with two snapshots: segments of 2 MiB, three of them before the older snapshot's begin.
struct Life {
    disk: SimDisk,
    opened: Opened<SimStorage>,
    history: Records,
    /// Where the two snapshots begin.
    begins: [Lsn; 2],
}

impl Life {
    fn new() -> Self {
        let disk = SimDisk::new(1, ID);
        let (opened, history) = open(disk.storage(), &options()).expect("a new log");
        let mut life = Self { disk, opened, history, begins: [0; 2] };
        for i in 0..2 {
            (0..4).for_each(|_| life.put(250, 4096));
            life.begins[i] = save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect("saved");
        }
        life.put(3, 64);
        life
    }

    fn put(&mut self, count: usize, len: usize) {
        for _ in 0..count {
            let bytes = record(len, self.history.len() as u64);
            self.history.push((put(&mut self.opened.log, &bytes), bytes));
        }
        pump(&mut self.opened).expect("committed");
    }

    /// Names of the snapshots, oldest first.
    fn snapshots(&self) -> Vec<String> {
        names(&self.disk, ".snap")
    }

    fn restart(&mut self) -> Recovered {
        self.disk.kill();
        let (opened, seen) = open(self.disk.storage(), &options()).expect("starts");
        assert!(seen == self.history, "all is there: {} of {}", seen.len(), self.history.len());
        self.opened = opened;
        self.opened.recovered.clone()
    }

    fn check_refused(&self, case: Case, words: &[&str]) {
        self.disk.kill();
        let before = self.disk.changes();
        let error = open(self.disk.storage(), &options()).err().expect("refused");
        let JournalError::Refused(refusal) = &error else { panic!("{error}") };
        assert_eq!((refusal.case, error.exit_code()), (case, 65), "{error}");
        assert_eq!(self.disk.changes(), before, "a refusal changes nothing: {error}");
        let text = error.to_string();
        words.iter().for_each(|word| assert!(text.contains(word), "'{word}' is not in: {text}"));
    }
}

fn names(disk: &SimDisk, end: &str) -> Vec<String> {
    disk.file_names().into_iter().filter(|name| name.ends_with(end) && !name.contains('/')).collect()
}

/// Where the segments begin, in order.
fn bases(disk: &SimDisk) -> Vec<Lsn> {
    names(disk, ".wal").iter().map(|name| SegmentName::parse(name).expect("a segment").base).collect()
}

#[test]
fn a_start_reads_the_newest_snapshot_and_the_log_behind_it() {
    let mut life = Life::new();
    let snapshots = life.snapshots();
    let found = life.restart();
    let used = found.snapshot.expect("used");
    assert_eq!((snapshots.len(), snapshots[1].clone()), (2, snapshot_name(used.end)));
    assert_eq!((used.begin, used.needed, used.created_ms), (life.begins[1], life.begins[1], 2_000));
    assert_eq!((found.records, found.blocks, found.bad_snapshots.len()), (3, 1, 0));
    assert_eq!((found.tail_bytes, found.last_now_ms), (found.next_lsn - used.begin, 2_500));
    for (lsn, bytes) in life.history.iter().step_by(97) {
        assert_eq!(life.opened.reader().window().record(*lsn).expect("segments before are kept"), bytes);
    }
    let found = life.restart();
    assert_eq!((found.records, found.next_lsn), (3, used.begin + 4096), "an idle start leaves nothing");
    life.begins[0] = save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect("saved");
    assert_eq!(life.snapshots()[0], snapshots[1], "the oldest of three is gone");
    assert_eq!(life.restart().records, 0);
}

#[test]
fn a_bad_snapshot_is_set_aside_and_the_one_before_taken() {
    for break_it in [
        (|disk: &SimDisk, name: &str| disk.patch(name, 5_000, b"x")) as fn(&SimDisk, &str),
        |disk, name| disk.patch(name, 20, b"x"),
        |disk, name| disk.patch(name, 0, &[0; PAGE]),
        |disk, name| disk.set_len(name, 3 * PAGE as u64),
        |disk, name| disk.set_len(name, 100),
        |disk, name| disk.break_page(name, PAGE as u64),
    ] {
        let mut life = Life::new();
        let snapshots = life.snapshots();
        break_it(&life.disk, &snapshots[1]);
        let found = life.restart();
        assert_eq!(found.snapshot.map(|used| used.begin), Some(life.begins[0]));
        let [bad] = &found.bad_snapshots[..] else { panic!("{found:?}") };
        assert_eq!((snapshot_name(bad.end), &bad.quarantine), (snapshots[1].clone(), &snapshots[1]));
        assert!(life.disk.file_names().contains(&format!("quarantine/{}", bad.quarantine)), "{bad}");
        assert_eq!(life.snapshots(), snapshots[..1]);
        assert_eq!(life.restart().bad_snapshots, [], "once");
    }
}

#[test]
fn without_a_whole_snapshot_the_whole_log_is_read_if_it_is_there() {
    let mut life = Life::new();
    life.snapshots().iter().for_each(|name| life.disk.patch(name, 5_000, b"x"));
    let found = life.restart();
    assert_eq!((found.snapshot, found.bad_snapshots.len(), found.records), (None, 2, life.history.len() as u64));
}

#[test]
fn without_a_whole_snapshot_a_trimmed_log_is_refused_until_its_segments_are_back() {
    let mut life = Life::new();
    let before = life.disk.copy();
    let gone: Vec<String> = names(&before, ".wal").into_iter().take(2).collect();
    assert_eq!(trim(&mut life.opened, life.begins[0]).expect("trimmed"), 2);
    assert!(names(&life.disk, ".wal").iter().all(|name| !gone.contains(name)));
    assert!(life.restart().snapshot.is_some(), "all is in the snapshot");
    let (first, _) = life.history[0];
    assert!(matches!(life.opened.reader().window().record(first), Err(ReadError::Gone { .. })));

    life.snapshots().iter().for_each(|name| life.disk.patch(name, 5_000, b"x"));
    let words =
        ["no snapshot is whole", "lost lsn 0..", "a frame is wrong", "put copies of the archived segments back"];
    life.check_refused(Case::Snapshots, &words);
    life.snapshots().iter().for_each(|name| life.disk.delete(name));
    life.check_refused(Case::Snapshots, &["no snapshot is whole"]);
    for name in &gone {
        life.disk.put(name, &before.contents(name, 0, options().segment_len as usize));
    }
    assert_eq!(life.restart().records, life.history.len() as u64);
}

#[test]
fn what_the_log_let_go_of_is_removed_at_the_next_start() {
    let mut life = Life::new();
    let gone = life.opened.committer.let_go(life.begins[0]).expect("noted");
    assert_eq!((gone.len(), gone[0].base), (2, 0));
    life.disk.delete(&gone[0].to_string());
    let kept = names(&life.disk, ".wal").len();
    life.restart();
    assert!(!names(&life.disk, ".wal").contains(&gone[1].to_string()), "the rest of an interrupted trim");
    assert_eq!(names(&life.disk, ".wal").len(), kept, "one less, one new");
    assert_eq!(life.opened.reader().oldest_lsn(), bases(&life.disk)[0]);
}

#[test]
fn either_super_will_do_after_a_snapshot_and_after_a_trim() {
    for (which, trims) in [("super.0", false), ("super.1", false), ("super.0", true), ("super.1", true)] {
        let mut life = Life::new();
        if trims {
            trim(&mut life.opened, life.begins[0]).expect("trimmed");
        }
        life.disk.patch(which, 20, b"xxxxxxxx");
        assert!(life.restart().snapshot.is_some(), "{which} is bad");
    }
}

#[test]
fn a_missing_segment_before_the_snapshot_is_a_hole() {
    for gone in [0, 1] {
        let life = Life::new();
        life.disk.delete(&names(&life.disk, ".wal")[gone]);
        life.check_refused(Case::Hole, &[if gone == 0 { "needed is 0" } else { "continues at lsn" }]);
    }
}

#[test]
fn case_7_a_snapshot_that_is_newer_than_the_log_is_refused() {
    let mut life = Life::new();
    let old = life.disk.copy();
    life.begins[0] = save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect("saved");
    let newest = life.snapshots().pop().expect("some");
    let len = life.disk.len(&newest) as usize;
    old.put(&newest, &life.disk.contents(&newest, 0, len));
    life.disk = old;
    life.check_refused(Case::Lost, &[&newest, "was made when the log had reached lsn", "the super knows it up to lsn"]);
}

#[test]
fn case_7_a_log_that_ends_before_the_snapshot_begins_is_refused() {
    // Nothing was appended since the snapshot was begun, so no block stands behind its begin.
    let mut life = Life::new();
    save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect("saved");
    life.disk.kill();
    let last = names(&life.disk, ".wal").pop().expect("some");
    let name = SegmentName::parse(&last).expect("a segment");
    let block = name.offset_of(life.opened.log.next_lsn() - PAGE as u64);
    let whole = life.disk.contents(&last, block, PAGE);
    life.disk.patch(&last, block, &[0; PAGE]);
    life.check_refused(Case::Lost, &[&last, "the log ends at lsn", "begins at lsn", "lost lsn"]);
    life.disk.patch(&last, block, &whole);
    life.restart();
}

#[test]
fn case_5_a_snapshot_of_another_history_is_refused() {
    let life = Life::new();
    let last = names(&life.disk, ".wal").pop().expect("some");
    let at = SegmentName::parse(&last).expect("a segment").offset_of(life.begins[1]);
    rechain(&life.disk, &last, at);
    life.check_refused(Case::Altered, &["does not name the one before it"]);
}

/// Lets the block at `at` name another predecessor, with a right checksum.
fn rechain(disk: &SimDisk, segment: &str, at: u64) {
    let header = segment_header::SegmentHeader::from_page(&disk.contents(segment, 0, PAGE));
    let salt = header.expect("a header").salt;
    let page = disk.contents(segment, at, PAGE);
    let len = BLOCK_HEADER_LEN + BlockHeader::claimed_body_len(&page).expect("a block");
    let mut header = BlockHeader::decode(&page[..len], salt).expect("valid");
    header.prev_chain[0] ^= 1;
    disk.patch(segment, at, &header.encode(salt, &page[BLOCK_HEADER_LEN..len]));
}

#[test]
fn cases_11_and_12_snapshots_that_are_whole_but_not_ours_are_refused() {
    for (at, what) in [(8, "snapshot 0000"), (16 + 16 + 2 + 8 + 8 + 16 + 8 + 4, "the content of snapshot 0000")] {
        let life = Life::new();
        rewrite_head(&life, |page| page[at] = 9);
        life.disk.kill();
        let error = open(life.disk.storage(), &options()).err().expect("refused");
        let text = error.to_string();
        assert!(text.contains(what) && text.contains("newer version of creditd: format 9"), "{text}");
    }
    for at in [16, 32] {
        let life = Life::new();
        rewrite_head(&life, |page| page[at] ^= 1);
        life.check_refused(Case::Foreign, &["snapshot 0000", "names another instance or shard"]);
    }
}

/// Changes the first page of the newest snapshot, with a right checksum.
fn rewrite_head(life: &Life, change: impl FnOnce(&mut [u8])) {
    let newest = life.snapshots().pop().expect("some");
    let mut page = life.disk.contents(&newest, 0, PAGE);
    change(&mut page);
    let end = 16 + block::u32_at(&page, 12) as usize;
    let crc = crc32c::crc32c(&page[8..end]);
    page[4..8].copy_from_slice(&crc.to_le_bytes());
    life.disk.patch(&newest, 0, &page);
}

#[test]
fn what_the_sink_does_not_take_is_a_bad_snapshot_and_what_contradicts_it_is_not() {
    let life = Life::new();
    life.disk.kill();
    let copy = life.disk.copy();
    let mut fresh = 0;
    let mut sink = |entry: Entry<'_>| match entry {
        Entry::Fresh => {
            fresh += 1;
            Ok(())
        }
        Entry::Part { section: snapshot::FOOTER, .. } => Err("balance below zero".to_owned()),
        _ => Ok(()),
    };
    let opened = recover(life.disk.storage(), &options(), &mut sink, &mut |_, _| {}).expect("starts");
    assert!(opened.recovered.bad_snapshots[0].to_string().contains("balance below zero"));
    assert_eq!((fresh, opened.recovered.snapshot), (3, None));

    let mut sink = |entry: Entry<'_>| match entry {
        Entry::Record { .. } => Err("balance below zero".to_owned()),
        _ => Ok(()),
    };
    let error = recover(copy.storage(), &options(), &mut sink, &mut |_, _| {}).err().expect("refused");
    let text = error.to_string();
    assert!(text.contains("replayed upon snapshot 0000") && text.contains("moved away"), "{text}");

    let (before, mut ends) = (copy.changes(), (0, 0));
    let mut sink = |entry: Entry<'_>| match entry {
        Entry::End { lsn, now_ms } => {
            ends = (lsn, now_ms);
            Err("accounts do not add up".to_owned())
        }
        _ => Ok(()),
    };
    let error = recover(copy.storage(), &options(), &mut sink, &mut |_, _| {}).err().expect("refused");
    let text = error.to_string();
    assert!(text.contains("do not add up at the log's end") && text.contains("moved away"), "{text}");
    assert_eq!((error.exit_code(), copy.changes()), (65, before), "a refusal changes nothing");
    assert_eq!(ends, (opened.recovered.next_lsn, 2_500));
}

#[test]
fn a_segment_that_waits_to_be_cut_is_cut_by_the_next_start() {
    let mut life = Life::new();
    save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect("saved");
    life.disk.kill();
    let last = names(&life.disk, ".wal").pop().expect("some");
    for count in 1.. {
        let disk = life.disk.copy();
        disk.cut_power_after(count);
        let done = open(disk.storage(), &options()).is_ok();
        disk.crash();
        drop(open(disk.storage(), &options()).expect("starts"));
        let name = SegmentName::parse(&last).expect("a segment");
        assert_eq!(disk.len(&last), name.offset_of(life.opened.log.next_lsn()), "cut after {count} changes");
        if done {
            break;
        }
    }
}

#[test]
fn a_log_is_cut_where_nothing_is_needed_and_nothing_is_too_young() {
    let life = Life::new();
    let bases = bases(&life.disk);
    let point = |floor, before_ms| life.opened.reader().trim_point(floor, before_ms).expect("read");
    // The first segment was made at 1,000 ms, the others at 2,000.
    assert_eq!(point(Lsn::MAX, 999), 0);
    assert_eq!(point(Lsn::MAX, 1_999), 0);
    assert_eq!(point(Lsn::MAX, 2_000), *bases.last().expect("some"));
    assert_eq!((point(bases[2], 2_000), point(bases[2] - 1, 2_000)), (bases[2], bases[1]));
}

/// A snapshot of five records, as bytes.
fn small() -> (SimDisk, String, Vec<u8>) {
    let disk = SimDisk::new(1, ID);
    let (mut opened, mut history) = open(disk.storage(), &options()).expect("a new log");
    for serial in 0..5 {
        let bytes = record(104, serial);
        history.push((put(&mut opened.log, &bytes), bytes));
    }
    pump(&mut opened).expect("committed");
    save(&mut opened, ID, &mut history, |_, _| Ok(())).expect("saved");
    disk.kill();
    let name = names(&disk, ".snap").pop().expect("saved");
    let bytes = disk.contents(&name, 0, disk.len(&name) as usize);
    (disk, name, bytes)
}

/// The frames of a snapshot, and what it ends with.
fn read(end: Lsn, bytes: &[u8]) -> Result<(Vec<Vec<u8>>, SnapshotEnd), SnapshotError> {
    let file = SnapshotFile { end, len: bytes.len() as u64 };
    let mut reader = SnapshotReader::open(file, ID, |offset, buf| {
        buf.copy_from_slice(&bytes[offset as usize..][..buf.len()]);
        Ok(())
    })?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.frame()? {
        frames.push(frame.bytes.to_vec());
    }
    Ok((frames, reader.end().expect("whole")))
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_noticed_or_means_nothing() {
    let (_, _, mut bytes) = small();
    let whole = read(8192, &bytes).expect("whole");
    let struct_end = 16 + block::u32_at(&bytes, 12) as usize;
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        match read(8192, &bytes) {
            Ok(read) => assert!(read == whole && (struct_end..PAGE).contains(&(bit / 8)), "bit {bit}"),
            Err(SnapshotError::Bad { .. }) => {}
            Err(error) => panic!("bit {bit}: {error}"),
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..bytes.len() {
        assert!(matches!(read(8192, &bytes[..len]), Err(SnapshotError::Bad { .. })), "{len} bytes");
    }
    bytes.resize(bytes.len() + PAGE, 0);
    assert!(matches!(read(8192, &bytes), Err(SnapshotError::Bad { .. })), "something behind the footer");
}

#[test]
fn a_snapshot_that_may_not_be_read_is_not_a_bad_one() {
    let (eio, eacces) = (5, 13);
    for (errno, is_bad) in [(eio, true), (eacces, false)] {
        let failing = |_, _: &mut [u8]| Err(JournalError::io("read", "x", std::io::Error::from_raw_os_error(errno)));
        let result = SnapshotReader::open(SnapshotFile { end: 1, len: 4096 }, ID, failing);
        assert_eq!(matches!(result, Err(SnapshotError::Bad { .. })), is_bad, "errno {errno}");
    }
}

#[test]
fn snapshot_bytes_are_the_ones_promised() {
    let (_, name, bytes) = small();
    assert_eq!((name.as_str(), bytes.len()), ("0000000000002000.snap", 3 * PAGE));
    let hex = |from: usize, len: usize| bytes[from..from + len].iter().map(|b| format!("{b:02x}")).collect::<String>();
    let head = "6372534e9be599640100000040000000\
        070707070707070707070707070707070300d007000000000000\
        0020000000000000f1254b1c9085d536794b41031a510b3a0100000000000000020000000200";
    // These two were written by another program, from docs/snapshot-format.md.
    let frame = "6372534617fc45da01000000000000000500000078000000000000000000000048100000000000006800000000000000\
        0000000000000000";
    let footer = "637253467be89d7803000000010000000100000023000000000000000000000001000000\
        d75f26d90020000000000000c4090000000000000020000000000000746f79";
    assert_eq!([hex(0, 80), hex(PAGE, 56), hex(2 * PAGE, 67)], [head, frame, footer]);
}

#[test]
fn frames_of_any_length_are_read_back() {
    let disk = SimDisk::new(1, ID);
    let draft = disk.storage().draft();
    let head = SnapshotHead { id: ID, created_ms: 1, begin: Position::default(), content: SNAPSHOT_CONTENT };
    let mut writer = SnapshotWriter::begin(draft.clone(), &head).expect("begun");
    let lens = [0, 1, PAGE - 32, PAGE - 31, 300_000, 1 << 20, 5 << 20, 8];
    for (i, len) in lens.into_iter().enumerate() {
        writer.part(1 + (i / 4) as u8, 2, &vec![i as u8 + 1; len]).expect("added");
    }
    writer.finish(SnapshotEnd { end: 77, now_ms: 5, needed: 3 }, &[9; 5_000]).expect("finished");
    let len = writer.written();
    assert_eq!(draft.snapshots().expect("listed"), [], "not before it is published");
    writer.publish().expect("published");
    assert_eq!(draft.snapshots().expect("listed"), [SnapshotFile { end: 77, len }]);
    let (frames, end) = read(77, &disk.contents(&snapshot_name(77), 0, len as usize)).expect("whole");
    assert_eq!(end, SnapshotEnd { end: 77, now_ms: 5, needed: 3 });
    assert_eq!(frames.iter().map(Vec::len).collect::<Vec<_>>(), [&lens[..], &[5_000]].concat());
    assert!(frames[..8].iter().zip(1..).all(|(frame, fill)| frame.iter().all(|byte| *byte == fill)));
}

#[test]
fn a_failed_snapshot_leaves_the_log_and_the_older_ones_alone() {
    let mut life = Life::new();
    let snapshots = life.snapshots();
    life.disk.fail_syncs(1);
    let error = save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect_err("EIO");
    assert!(error.to_string().contains("snapshot.tmp"), "{error}");
    life.disk.set_full(true);
    let error = save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect_err("full");
    assert!(matches!(error, JournalError::Full { .. }), "{error}");
    life.disk.set_full(false);
    assert_eq!(life.snapshots(), snapshots);
    life.put(1, 64);
    save(&mut life.opened, ID, &mut life.history, |_, _| Ok(())).expect("the next one");
    assert_eq!(life.restart().records, 0);
}
