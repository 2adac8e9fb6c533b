//! The walk over a log at rest: every fault is found, named with its place, and walked past.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::block::{BLOCK_HEADER_LEN, BlockHeader, chain_of_whole};
use super::super::error::Case;
use super::super::segment_header::SegmentHeader;
use super::files::{fill, patch, segment_paths, start};
use super::*;

/// What a survey of one log met.
#[derive(Default)]
struct Seen {
    blocks: Vec<BlockHeader>,
    records: usize,
    faults: Vec<JournalError>,
    found: Surveyed,
}

impl Seen {
    /// Case, segment by its place in the log, offset and lost bytes of the one fault there is.
    fn fault(&self, path: &Path) -> (Case, Option<usize>, u64, u64) {
        assert_eq!(self.faults.len(), 1, "{:?}", self.faults);
        let JournalError::Refused(refusal) = &self.faults[0] else { panic!("{}", self.faults[0]) };
        let names: Vec<String> = segment_paths(path).iter().map(|path| name_of(path).to_string()).collect();
        let segment = refusal.segment.and_then(|segment| names.iter().position(|name| *name == segment.to_string()));
        (refusal.case, segment, refusal.offset, refusal.lost.as_ref().map_or(0, |lost| lost.end - lost.start))
    }

    fn cases(&self) -> Vec<Case> {
        let case = |fault: &JournalError| match fault {
            JournalError::Refused(refusal) => refusal.case,
            fault => panic!("{fault}"),
        };
        self.faults.iter().map(case).collect()
    }
}

fn survey(path: &Path, witnesses: &[Witness]) -> Seen {
    let mut dir = RestingDir::open(path).expect("readable").expect("a directory");
    let log = dir.logs.remove(0).expect("a log");
    let mut seen = Seen::default();
    let (mut passed, len) = (0, log.len());
    seen.found = log.survey(witnesses, &mut |sight| match sight {
        Sight::Segment(_) => {}
        Sight::Block(block) => {
            seen.records += block.records().count();
            seen.blocks.push(block.header);
        }
        Sight::Fault(fault) => seen.faults.push(fault),
        Sight::Passed(bytes) => passed += bytes,
    });
    assert!(passed <= len, "progress stays in its bounds");
    seen
}

fn name_of(path: &Path) -> SegmentName {
    SegmentName::parse(path.file_name().and_then(|name| name.to_str()).expect("a name")).expect("a segment")
}

/// A log of five segments over two starts; the second one was killed.
fn written(parent: &tempfile::TempDir) -> (PathBuf, Records) {
    let path = parent.path().join("data");
    let (dir, mut opened, _) = start(&path).expect("a new log");
    let records = fill(&mut opened);
    opened.log.mark(BlockKind::CleanStop, 3_000);
    pump(&mut opened).expect("committed");
    drop((opened, dir));
    let (dir, mut opened, seen) = start(&path).expect("starts");
    assert_eq!(seen, records);
    for serial in 0..3 {
        put(&mut opened.log, &record(64, 1_000_000 + serial));
        pump(&mut opened).expect("committed");
    }
    drop((opened, dir));
    assert_eq!(segment_paths(&path).len(), 5);
    (path, records)
}

/// Changes the block at `offset` of a segment and gives it a right checksum. Gives the chain of it.
fn forge(path: &Path, offset: u64, change: impl FnOnce(&mut BlockHeader, &mut [u8])) -> Chain {
    let bytes = fs::read(path).expect("readable");
    let salt = SegmentHeader::from_page(&bytes[..PAGE]).expect("a header").salt;
    let at = offset as usize;
    let len = BLOCK_HEADER_LEN + BlockHeader::claimed_body_len(&bytes[at..]).expect("a block");
    let mut header = BlockHeader::decode(&bytes[at..at + len], salt).expect("valid");
    let mut body = bytes[at + BLOCK_HEADER_LEN..at + len].to_vec();
    change(&mut header, &mut body);
    let forged = [&header.encode(salt, &body)[..], &body].concat();
    patch(path, offset, &forged);
    chain_of_whole(&forged)
}

fn flip(path: &Path, offset: u64) {
    let byte = fs::read(path).expect("readable")[offset as usize];
    patch(path, offset, &[!byte]);
}

#[test]
fn a_whole_log_has_no_faults_and_its_head_is_what_is_durable() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, records) = written(&parent);
    let seen = survey(&path, &[]);
    assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    assert_eq!(seen.records, records.len() + 3);
    let last = seen.blocks.last().expect("some");
    assert_eq!((seen.found.first_lsn, seen.found.end.0), (0, last.end_lsn()));
    assert_eq!(seen.found.durable, (last.first_lsn, last.prev_chain), "nothing proves the last block yet");
    assert_eq!((seen.found.last_kind, seen.found.loose_end), (Some(BlockKind::Data), None));

    let heads = [("now", seen.found.durable), ("then", (seen.blocks[7].first_lsn, seen.blocks[7].prev_chain))];
    let witnesses = heads.map(|(name, head)| Witness { name: name.to_owned(), head });
    assert!(survey(&path, &witnesses).faults.is_empty(), "both are in the log");
    let newest =
        RestingDir::open(&path).expect("readable").expect("a directory").logs.remove(0).expect("a log").newest();
    let found = newest.survey(&[], &mut |sight| assert!(!matches!(sight, Sight::Fault(_)), "{sight:?}"));
    assert_eq!(found.durable, seen.found.durable, "the newest segment alone tells the head");
}

#[test]
fn a_flipped_byte_in_a_block_costs_that_block() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let before = survey(&path, &[]);
    let segments = segment_paths(&path);
    let victim = before.blocks[12];
    let segment = segments.iter().rposition(|path| name_of(path).base <= victim.first_lsn).expect("one");
    let offset = name_of(&segments[segment]).offset_of(victim.first_lsn);
    for byte in [0, 40, 500, 100_000] {
        flip(&segments[segment], offset + byte);
        let seen = survey(&path, &[]);
        let lost = victim.end_lsn() - victim.first_lsn;
        assert_eq!(seen.fault(&path), (Case::Damaged, Some(segment), offset, lost), "byte {byte}");
        assert_eq!(seen.records, before.records - usize::from(victim.record_count));
        flip(&segments[segment], offset + byte);
    }
    assert!(survey(&path, &[]).faults.is_empty(), "as it was");
}

#[test]
fn a_damaged_segment_header_costs_the_segment() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let segments = segment_paths(&path);
    flip(&segments[1], 40);
    let lost = name_of(&segments[2]).base - name_of(&segments[1]).base;
    assert_eq!(survey(&path, &[]).fault(&path), (Case::Damaged, Some(1), 0, lost));
    flip(&segments[1], 40);
    flip(&segments[4], 40);
    assert_eq!(survey(&path, &[]).cases()[0], Case::Damaged, "of the newest one too");
}

#[test]
fn missing_and_foreign_and_shortened_segments_are_found() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let segments = segment_paths(&path);
    let base = |i: usize| name_of(&segments[i]).base;
    let aside = parent.path().join("aside");
    for (i, cases) in [(0, vec![Case::Hole]), (2, vec![Case::Hole]), (4, vec![Case::Lost])] {
        fs::rename(&segments[i], &aside).expect("moved");
        let seen = survey(&path, &[]);
        assert_eq!(seen.cases(), cases, "segment {i}: {:?}", seen.faults);
        fs::rename(&aside, &segments[i]).expect("back");
    }
    // Cut at a block of the middle: the rest of it is lost. A file that is only a name is damaged.
    let whole = fs::read(&segments[2]).expect("readable");
    let block = survey(&path, &[]).blocks.into_iter().find(|block| block.first_lsn > base(2)).expect("a second block");
    let offset = name_of(&segments[2]).offset_of(block.first_lsn);
    fs::write(&segments[2], &whole[..offset as usize]).expect("cut");
    let lost = base(3) - block.first_lsn;
    assert_eq!(survey(&path, &[]).fault(&path), (Case::Damaged, Some(2), offset, lost));
    fs::write(&segments[2], []).expect("emptied");
    assert_eq!(survey(&path, &[]).fault(&path), (Case::Damaged, Some(2), 0, base(3) - base(2)));

    let other = tempfile::tempdir().expect("a directory");
    let dir =
        DataDir::open_or_create(&other.path().join("data"), NewDir { shards: 1, instance: [9; 16], hash_keys: [1, 2] });
    drop(dir.expect("made"));
    let mut header = SegmentHeader::from_page(&whole[..PAGE]).expect("a header");
    header.id.instance = [9; 16];
    fs::write(&segments[2], [&header.to_page()[..], &whole[PAGE..]].concat()).expect("swapped in");
    assert_eq!(survey(&path, &[]).fault(&path), (Case::Foreign, Some(2), 0, base(3) - base(2)));
}

#[test]
fn swapped_blocks_are_out_of_place() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let segments = segment_paths(&path);
    let bytes = fs::read(&segments[1]).expect("readable");
    let first_lsn = name_of(&segments[1]).base;
    let len = survey(&path, &[]).blocks.iter().find(|block| block.first_lsn == first_lsn).expect("the first").end_lsn();
    let len = (len - first_lsn) as usize;
    patch(&segments[1], PAGE as u64, &bytes[PAGE + len..PAGE + 2 * len]);
    patch(&segments[1], (PAGE + len) as u64, &bytes[PAGE..PAGE + len]);
    assert_eq!(survey(&path, &[]).fault(&path), (Case::Altered, Some(1), PAGE as u64, 2 * len as u64));
}

#[test]
fn an_edit_with_a_right_checksum_breaks_the_chain_and_one_with_a_right_chain_breaks_the_head() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let before = survey(&path, &[]);
    let head = Witness { name: "the head".to_owned(), head: before.found.durable };
    let segments = segment_paths(&path);
    let last = &segments[4];
    let blocks: Vec<_> = before.blocks.iter().filter(|block| block.first_lsn >= name_of(last).base).collect();
    let offset = |i: usize| name_of(last).offset_of(blocks[i].first_lsn);
    let mut chain = forge(last, offset(1), |_, body| body[40] ^= 1);
    assert_eq!(survey(&path, &[]).fault(&path), (Case::Altered, Some(4), offset(2), 0));
    for i in 2..blocks.len() {
        chain = forge(last, offset(i), |header, _| header.prev_chain = chain);
    }
    assert!(survey(&path, &[]).faults.is_empty(), "the log by itself is whole");
    let seen = survey(&path, &[head]);
    assert_eq!(seen.cases(), [Case::Altered]);
    assert!(seen.faults[0].to_string().contains("is not the one that the head names"), "{}", seen.faults[0]);
}

#[test]
fn a_log_that_ends_too_early_is_found_by_super_and_head() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let before = survey(&path, &[]);
    let last = before.blocks.last().expect("some");
    let head = Witness { name: "the head".to_owned(), head: (last.end_lsn(), before.found.end.1) };
    let segments = segment_paths(&path);
    let at = name_of(&segments[4]).offset_of(last.first_lsn);
    patch(&segments[4], at, &[0; PAGE]);
    let seen = survey(&path, &[]);
    assert!(seen.faults.is_empty(), "nothing in the directory proves the last block: {:?}", seen.faults);
    let seen = survey(&path, &[head]);
    assert_eq!(seen.fault(&path), (Case::Lost, None, 0, last.end_lsn() - last.first_lsn));
    // The block before it is proven by the one that is gone, and by nothing else; the super proves the segment's start.
    let first = before.blocks.iter().find(|block| block.first_lsn == name_of(&segments[4]).base).expect("one");
    let at = name_of(&segments[4]).offset_of(first.first_lsn);
    patch(&segments[4], at, &[0; PAGE]);
    let seen = survey(&path, &[]);
    assert_eq!(seen.fault(&path).0, Case::Damaged, "a later block proves it");
}

#[test]
fn a_torn_end_is_noted_and_supers_count_if_one_is_whole() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let segments = segment_paths(&path);
    let end = survey(&path, &[]).found.end.0;
    let offset = name_of(&segments[4]).offset_of(end);
    patch(&segments[4], offset + 80, b"torn");
    let seen = survey(&path, &[]);
    assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    let loose = LooseEnd { segment: name_of(&segments[4]), offset, len: PAGE as u64 };
    assert_eq!(seen.found.loose_end, Some(loose));

    flip(&path.join("shard-000/super.0"), 30);
    assert!(survey(&path, &[]).faults.is_empty());
    flip(&path.join("shard-000/super.1"), 30);
    let error = RestingDir::open(&path).expect("readable").expect("a directory").logs.remove(0).expect_err("no super");
    assert!(matches!(&error, JournalError::Refused(refusal) if refusal.case == Case::Supers), "{error}");
    fs::remove_file(path.join("shard-000/super.0")).expect("gone");
    fs::remove_file(path.join("shard-000/super.1")).expect("gone");
    assert!(survey(&path.join("shard-000"), &[]).faults.is_empty(), "segments by themselves");
}

#[test]
fn a_block_of_a_format_to_come_is_named_and_walked_past() {
    let parent = tempfile::tempdir().expect("a directory");
    let (path, _) = written(&parent);
    let segments = segment_paths(&path);
    let bytes = fs::read(&segments[1]).expect("readable");
    let salt = SegmentHeader::from_page(&bytes[..PAGE]).expect("a header").salt;
    let len = BLOCK_HEADER_LEN + BlockHeader::claimed_body_len(&bytes[PAGE..]).expect("a block");
    let mut block = bytes[PAGE..PAGE + len].to_vec();
    block[8] = 9;
    let crc = crc32c::crc32c_append(salt, &block[8..]);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
    patch(&segments[1], PAGE as u64, &block);
    let seen = survey(&path, &[]);
    assert!(matches!(seen.faults[0], JournalError::Format { found: 9, .. }), "{:?}", seen.faults);
    assert_eq!(seen.faults.len(), 2, "and what it held is lost: {:?}", seen.faults);
}

#[test]
fn a_log_that_is_being_written_has_no_faults() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("data");
    let (_dir, mut opened, _) = start(&path).expect("a new log");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            fill(&mut opened);
            for serial in 0..300 {
                put(&mut opened.log, &record(64, serial));
                pump(&mut opened).expect("committed");
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let (mut before, mut rounds) = (0, 0);
        while !done.load(std::sync::atomic::Ordering::Relaxed) || rounds < 2 {
            let seen = survey(&path, &[]);
            assert!(seen.faults.is_empty(), "{:?}", seen.faults);
            let Surveyed { durable, end, .. } = seen.found;
            assert!(before <= durable.0 && durable.0 <= end.0, "{before} {durable:?} {end:?}");
            before = durable.0;
            rounds += 1;
        }
    });
}
