//! Every row of the recovery table (journal.md 6): what is found, what is done, what the operator reads.

use super::super::block::{BLOCK_HEADER_LEN, BlockHeader, SEAL};
use super::super::chance::Chance;
use super::super::error::Case;
use super::super::segment_header::SegmentHeader;
use super::super::storage::{SegmentName, Spare};
use super::*;

const PAGE_LEN: u64 = PAGE as u64;

/// A log of a fence at lsn 0 and `blocks` blocks of one page and one record each, whose process was killed.
fn written(blocks: u64) -> (SimDisk, Records) {
    let (disk, opened, records) = running(blocks);
    drop(opened);
    disk.kill();
    (disk, records)
}

fn running(blocks: u64) -> (SimDisk, Opened<SimStorage>, Records) {
    let disk = SimDisk::new(1, ID);
    let (mut opened, seen) = open(disk.storage(), &options()).expect("a new log");
    assert!(opened.recovered.clean && seen.is_empty(), "a new log is a clean one");
    opened.log.mark(BlockKind::Fence, 2_000);
    let mut records = Records::new();
    for serial in 0..blocks {
        let bytes = record(104, serial);
        records.push((put(&mut opened.log, &bytes), bytes));
        pump(&mut opened).expect("committed");
    }
    (disk, opened, records)
}

/// A log over three segments, stopped in order.
fn three_segments() -> (SimDisk, Vec<String>) {
    let (disk, mut opened, _) = running(1);
    for serial in 0..5 {
        for i in 0..150 {
            put(&mut opened.log, &record(4096, serial * 1_000 + i));
        }
        pump(&mut opened).expect("committed");
    }
    opened.log.mark(BlockKind::CleanStop, 3_000);
    pump(&mut opened).expect("committed");
    disk.kill();
    let names = segments(&disk);
    assert_eq!(names.len(), 3, "{names:?}");
    (disk, names)
}

fn segments(disk: &SimDisk) -> Vec<String> {
    disk.file_names().into_iter().filter(|name| name.ends_with(".wal")).collect()
}

fn first_segment() -> String {
    SegmentName { base: 0, epoch: 1 }.to_string()
}

fn header(disk: &SimDisk, name: &str) -> SegmentHeader {
    SegmentHeader::from_page(&disk.contents(name, 0, PAGE)).expect("a header")
}

/// Rewrites the block at `lsn` of the first segment with a valid checksum, as an editor who knows the format would.
fn edit(disk: &SimDisk, lsn: Lsn, change: impl FnOnce(&mut BlockHeader)) {
    let (name, salt) = (first_segment(), header(disk, &first_segment()).salt);
    let page = disk.contents(&name, PAGE_LEN + lsn, PAGE);
    let body_len = BlockHeader::claimed_body_len(&page).expect("a block");
    let bytes = &page[..BLOCK_HEADER_LEN + body_len];
    let mut header = BlockHeader::decode(bytes, salt).expect("a valid block");
    change(&mut header);
    disk.patch(&name, PAGE_LEN + lsn, &header.encode(salt, &bytes[BLOCK_HEADER_LEN..]));
}

/// Recovery refuses with this case and words, and changes nothing.
fn check_refused(disk: &SimDisk, case: Case, words: &[&str]) {
    let before = disk.changes();
    let error = open(disk.storage(), &options()).err().expect("refused");
    assert_eq!(disk.changes(), before, "a refusal changes nothing: {error}");
    assert_eq!(error.exit_code(), 65, "{error}");
    let JournalError::Refused(refusal) = &error else { panic!("{error}") };
    assert_eq!(refusal.case, case, "{error}");
    let text = error.to_string();
    for word in words.iter().chain(&["refused to start", "next: "]) {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
}

#[test]
fn case_1_a_clean_stop_starts_clean() {
    let (disk, mut opened, records) = running(3);
    opened.log.mark(BlockKind::CleanStop, 3_000);
    pump(&mut opened).expect("committed");
    disk.kill();
    let (opened, seen) = open(disk.storage(), &options()).expect("starts");
    let found = &opened.recovered;
    assert_eq!(seen, records);
    assert_eq!((found.clean, found.cut.clone(), found.epoch), (true, None, 2));
    assert_eq!((found.next_lsn, found.last_now_ms, found.blocks), (5 * 4096, 3_000, 5));
}

#[test]
fn case_2_a_crash_starts_with_all_that_was_acknowledged() {
    let (disk, records) = written(3);
    let (opened, seen) = open(disk.storage(), &options()).expect("starts");
    assert_eq!((seen, opened.recovered.clean, opened.recovered.cut.clone()), (records.clone(), false, None));
    for (lsn, bytes) in &records {
        assert_eq!(opened.log.record(*lsn), Some(&bytes[..]), "recent blocks are in memory again");
    }
}

#[test]
fn case_3_a_torn_tail_is_cut_and_kept_in_quarantine() {
    for (torn, fill) in [(4 * 4096, &[1u8; 5000][..]), (3 * 4096 + 80, &[0xff])] {
        let (disk, records) = written(3);
        disk.patch(&first_segment(), PAGE_LEN + torn, fill);
        let whole = (torn / 4096 - 1) as usize;
        let (mut opened, seen) = open(disk.storage(), &options()).expect("starts");
        let cut = opened.recovered.cut.clone().expect("cut");
        let from = torn / 4096 * 4096;
        let text = format!("cut {} bytes of segment {}, lsn {from}..", cut.bytes(), first_segment());
        assert!(cut.to_string().starts_with(&text), "{cut}");
        assert_eq!(
            (seen, cut.from, cut.to),
            (records[..whole].to_vec(), from, (torn + fill.len() as u64).div_ceil(4096) * 4096)
        );
        let copy = disk.contents(&format!("quarantine/{}", cut.quarantine), 0, cut.bytes() as usize);
        assert_eq!(&copy[(torn - from) as usize..][..fill.len()], fill);
        let bytes = record(64, 99);
        let lsn = put(&mut opened.log, &bytes);
        pump(&mut opened).expect("goes on");
        disk.kill();
        let (_, seen) = open(disk.storage(), &options()).expect("starts again");
        assert_eq!(seen.last(), Some(&(lsn, bytes)));
        assert_eq!(seen.len(), whole + 1);
    }
}

#[test]
fn what_recovery_did_survives_a_power_cut() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed, ID);
        drop(open(disk.storage(), &options()).expect("starts"));
        disk.kill();
        disk.patch(&first_segment(), PAGE_LEN, &[7; PAGE]);
        let (opened, _) = open(disk.storage(), &options()).expect("starts");
        let cut = opened.recovered.cut.expect("cut");
        disk.crash();
        assert_eq!(segments(&disk), [SegmentName { base: 0, epoch: 2 }.to_string()], "the empty one stays removed");
        assert_eq!(disk.contents(&format!("quarantine/{}", cut.quarantine), 0, PAGE), [7; PAGE]);
    }
}

#[test]
fn case_4_damage_that_a_later_block_proves_is_refused() {
    for fill in [&[0u8; PAGE][..], &[0xff]] {
        let (disk, _) = written(4);
        disk.patch(&first_segment(), PAGE_LEN + 2 * 4096, fill);
        let text = ["shard 3", "segment 0000000000000000-00000001.wal offset 12288", "lost lsn 8192..16384"];
        check_refused(&disk, Case::Damaged, &text);
    }
}

#[test]
fn case_4_damage_that_the_super_proves_is_refused() {
    for fill in [&[0u8; PAGE][..], &[0xff]] {
        let (disk, mut opened, _) = running(2);
        opened.committer.idle().expect("noted");
        assert_eq!(opened.committer.counters().supers, 2, "one at start, one now");
        opened.committer.idle().expect("nothing new");
        assert_eq!(opened.committer.counters().supers, 2);
        disk.kill();
        disk.patch(&first_segment(), PAGE_LEN + 2 * 4096, fill);
        check_refused(&disk, Case::Damaged, &["the super says", "lost lsn 8192..12288"]);
    }
}

/// Found by fuzzing: the newest blocks changed places, and were cut off as a torn tail.
#[test]
fn case_4_damage_that_a_misplaced_block_proves_is_refused() {
    let (disk, _) = written(4);
    let newest = disk.contents(&first_segment(), PAGE_LEN + 4 * 4096, PAGE);
    disk.patch(&first_segment(), PAGE_LEN + 2 * 4096, &[0; 3 * PAGE]);
    disk.patch(&first_segment(), PAGE_LEN + 5 * 4096, &newest);
    check_refused(&disk, Case::Damaged, &["a later block says", "lost lsn 8192..16384"]);
}

#[test]
fn case_4_damage_in_a_closed_segment_is_refused() {
    let (disk, names) = three_segments();
    disk.patch(&names[0], 700_000, b"x");
    check_refused(&disk, Case::Damaged, &[&names[0], &format!("segment {} proves", names[1])]);
    let (disk, names) = three_segments();
    disk.patch(&names[2], 40, b"x");
    check_refused(&disk, Case::Damaged, &[&names[2], "header is damaged"]);
}

#[test]
fn case_4_a_segment_that_became_shorter_is_refused() {
    let (disk, _) = written(2);
    disk.set_len(&first_segment(), 64 * PAGE_LEN);
    check_refused(&disk, Case::Damaged, &["has 262144 bytes, it was made with 2101248"]);
}

#[test]
fn no_damage_loses_an_acknowledged_record_in_silence() {
    let mut chance = Chance::new(1);
    let (mut refused, mut harmless) = (0, 0);
    for _ in 0..500 {
        let (disk, mut opened, records) = running(10);
        opened.log.mark(BlockKind::CleanStop, 3_000);
        pump(&mut opened).expect("committed");
        disk.kill();
        let used = PAGE_LEN + opened.log.next_lsn();
        let len = 1 + chance.below(600) as usize;
        let damage: Vec<u8> = (0..len).map(|_| chance.number() as u8).collect();
        disk.patch(&first_segment(), chance.below(used), &damage);
        match open(disk.storage(), &options()) {
            Ok((_, seen)) => {
                assert_eq!(seen, records, "only padding was hit");
                harmless += 1;
            }
            Err(error) => {
                assert_eq!(error.exit_code(), 65, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20 && harmless > 20, "refused {refused} harmless {harmless}");
}

#[test]
fn case_4_a_closed_segment_that_was_cut_is_refused() {
    for len in [PAGE_LEN / 2, PAGE_LEN + 500, 900_000] {
        let (disk, names) = three_segments();
        disk.set_len(&names[0], len);
        check_refused(&disk, Case::Damaged, &[&names[0]]);
    }
}

#[test]
fn case_5_valid_blocks_at_wrong_places_are_refused() {
    let (disk, _) = written(3);
    edit(&disk, 3 * 4096, |header| header.prev_chain[0] ^= 1);
    check_refused(&disk, Case::Altered, &["offset 16384", "does not name the one before it"]);

    let (disk, _) = written(3);
    let second = disk.contents(&first_segment(), PAGE_LEN + 2 * 4096, PAGE);
    disk.patch(&first_segment(), PAGE_LEN + 3 * 4096, &second);
    check_refused(&disk, Case::Altered, &["the block of lsn 8192 stands where lsn 12288 belongs"]);

    for change in [
        (|header: &mut BlockHeader| header.epoch = 9) as fn(&mut BlockHeader),
        |header| header.block_no = 9,
        |header| header.durable_lsn = header.first_lsn + 1,
    ] {
        let (disk, _) = written(3);
        edit(&disk, 3 * 4096, change);
        check_refused(&disk, Case::Altered, &["offset 16384"]);
    }
}

#[test]
fn case_5_an_edited_block_breaks_the_chain_of_the_next() {
    let (disk, _) = written(3);
    edit(&disk, 2 * 4096, |header| header.now_ms += 1);
    check_refused(&disk, Case::Altered, &["offset 16384", "does not name the one before it"]);
}

#[test]
fn case_5_a_block_of_an_older_epoch_is_as_zeros() {
    let (disk, records) = written(3);
    edit(&disk, 3 * 4096, |header| header.epoch = 0);
    let (opened, seen) = open(disk.storage(), &options()).expect("starts");
    assert_eq!((&seen[..], opened.recovered.next_lsn), (&records[..2], 3 * 4096));
}

#[test]
fn case_6_missing_segments_are_holes() {
    for gone in [0, 1] {
        let (disk, names) = three_segments();
        disk.delete(&names[gone]);
        check_refused(&disk, Case::Hole, &[if gone == 0 { "needed is 0" } else { "continues at lsn" }]);
    }
}

#[test]
fn case_6_a_segment_without_seal_before_one_of_the_same_epoch_is_refused() {
    let (disk, names) = three_segments();
    let next = header(&disk, &names[1]);
    let sealed_at = (0..next.name.base / PAGE_LEN).rev().map(|page| page * PAGE_LEN).find(|lsn| {
        let page = disk.contents(&names[0], PAGE_LEN + lsn, PAGE);
        page.starts_with(&super::super::block::BLOCK_MAGIC.to_le_bytes()) && page[11] == SEAL
    });
    let lsn = sealed_at.expect("the seal");
    let salt = header(&disk, &names[0]).salt;
    let bytes = disk.contents(&names[0], PAGE_LEN + lsn, 1 << 20);
    let len = BLOCK_HEADER_LEN + BlockHeader::claimed_body_len(&bytes).expect("a block");
    let mut block = BlockHeader::decode(&bytes[..len], salt).expect("valid");
    block.flags = 0;
    let head = block.encode(salt, &bytes[BLOCK_HEADER_LEN..len]);
    disk.patch(&names[0], PAGE_LEN + lsn, &head);
    check_refused(&disk, Case::Hole, &["not closed"]);
}

#[test]
fn case_7_a_log_that_ends_before_its_super_is_refused() {
    let (disk, names) = three_segments();
    disk.delete(&names[2]);
    check_refused(&disk, Case::Lost, &["the log ends at lsn", "lost lsn"]);
    let (disk, names) = three_segments();
    names.iter().for_each(|name| disk.delete(name));
    check_refused(&disk, Case::Lost, &["there is no segment"]);
}

#[test]
fn case_7_an_older_backup_with_a_newer_super_is_refused() {
    let (disk, opened, _) = running(2);
    let backup = disk.contents(&first_segment(), 0, 16 * PAGE);
    drop(opened);
    disk.kill();
    drop(open(disk.storage(), &options()).expect("epoch 2"));
    disk.kill();
    segments(&disk).iter().skip(1).for_each(|name| disk.delete(name));
    disk.set_len(&first_segment(), options().segment_len);
    disk.patch(&first_segment(), 0, &backup);
    check_refused(&disk, Case::Lost, &["the newest segment is of epoch 1, the super of 2"]);
}

#[test]
fn case_7_a_super_of_another_history_is_refused() {
    let (disk, mut opened, _) = running(2);
    opened.committer.idle().expect("noted");
    disk.kill();
    let (other, mut opened, _) = running(1);
    put(&mut opened.log, &record(104, 99));
    pump(&mut opened).expect("committed");
    opened.committer.idle().expect("noted");
    disk.patch("super.1", 0, &other.contents("super.1", 0, PAGE));
    check_refused(&disk, Case::Lost, &["the chain at lsn 12288 is not the one that the super names"]);
}

#[test]
fn case_9_both_supers_bad_names_the_missing_tool() {
    let (disk, _) = written(2);
    disk.patch("super.0", 100, b"x");
    disk.patch("super.0", 20, b"xxxxxxxx");
    drop(open(disk.storage(), &options()).expect("one is enough"));
    disk.kill();
    for which in ["super.0", "super.1"] {
        disk.patch(which, 20, b"xxxxxxxx");
    }
    check_refused(&disk, Case::Supers, &["both supers are bad", "creditd repair DATA_DIR --shard 3"]);
    disk.delete("super.0");
    disk.delete("super.1");
    check_refused(&disk, Case::Supers, &["neither super.0 nor super.1"]);
}

#[test]
fn case_10_a_bad_sector_is_refused_with_its_offset() {
    let (disk, _) = written(2);
    disk.break_page(&first_segment(), 2 * 4096);
    check_refused(&disk, Case::Unreadable, &["bad sector", "3 reads", "0000000000000000-00000001.wal offset 4096"]);
}

#[test]
fn case_11_formats_of_the_future_are_named() {
    let (disk, _) = written(2);
    let salt = header(&disk, &first_segment()).salt;
    let mut block = disk.contents(&first_segment(), PAGE_LEN, BLOCK_HEADER_LEN);
    block[8] = 3;
    let crc = crc32c::crc32c_append(salt, &block[8..]);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
    disk.patch(&first_segment(), PAGE_LEN, &block);
    let error = open(disk.storage(), &options()).err().expect("refused");
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("newer version of creditd: format 3, this version reads format 2"), "{error}");

    let (disk, _) = written(2);
    let mut page = disk.contents(&first_segment(), 0, PAGE);
    page[8] = 7;
    let crc = crc32c::crc32c(&page[8..112]);
    page[4..8].copy_from_slice(&crc.to_le_bytes());
    disk.patch(&first_segment(), 0, &page);
    let error = open(disk.storage(), &options()).err().expect("refused");
    assert!(error.to_string().contains("newer version of creditd: format 7"), "{error}");
}

#[test]
fn a_block_says_the_lowest_format_that_can_read_it_and_both_are_read() {
    let (disk, mut opened, mut records) = running(1);
    for formats in [[1, 2, 1], [1, 1, 1]] {
        for (i, format) in formats.into_iter().enumerate() {
            let bytes = record(104, 10 + i as u64);
            let lsn = opened.log.append(2_000, |buf| {
                buf.extend_from_slice(&bytes);
                format
            });
            records.push((lsn, bytes));
        }
        pump(&mut opened).expect("committed");
    }
    drop(opened);
    disk.kill();
    let formats = [0, 1, 2, 3].map(|n| disk.contents(&first_segment(), PAGE_LEN + n * 4096, PAGE)[8]);
    assert_eq!(formats, [1, 1, 2, 1], "fence, a block without, with and again without the new");
    assert_eq!(open(disk.storage(), &options()).expect("read").1, records);
}

#[test]
fn case_12_files_of_another_instance_or_shard_are_refused() {
    let (disk, _) = written(2);
    for id in [LogId { shard: 4, ..ID }, LogId { instance: [8; 16], ..ID }] {
        let error = open(disk.storage(), &RecoveryOptions { id, ..options() }).err().expect("refused");
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("another instance or shard"), "{error}");
    }
    let mut foreign = header(&disk, &first_segment());
    foreign.id.shard = 4;
    disk.patch(&first_segment(), 0, &foreign.to_page()[..]);
    check_refused(&disk, Case::Foreign, &["names another instance or shard"]);
    foreign.id.shard = 3;
    foreign.name.base = 4096;
    disk.patch(&first_segment(), 0, &foreign.to_page()[..]);
    check_refused(&disk, Case::Foreign, &["header is that of segment 0000000000001000-00000001.wal"]);
}

#[test]
fn case_13_a_replay_that_breaks_a_rule_dumps_the_record() {
    let (disk, records) = written(3);
    let before = disk.changes();
    let mut sink = |entry: Entry<'_>| match entry {
        Entry::Record { lsn, .. } if lsn == records[1].0 => Err("balance below zero".to_owned()),
        _ => Ok(()),
    };
    let error = recover(disk.storage(), &options(), &mut sink, &mut |_, _| {}).err().expect("refused");
    assert_eq!((error.exit_code(), disk.changes()), (65, before));
    let text = error.to_string();
    let hex: String = records[1].1.iter().map(|byte| format!("{byte:02x}")).collect();
    for word in ["breaks an invariant", "balance below zero", &format!("at lsn {}", records[1].0), &hex] {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
}

#[test]
fn case_13_a_block_whose_records_cannot_be_told_apart_is_refused() {
    let (disk, _) = written(3);
    edit(&disk, 3 * 4096, |header| header.record_count = 2);
    check_refused(&disk, Case::Invariant, &["1 of 2 records can be told apart"]);
}

#[test]
fn case_14_a_read_only_file_system_is_said_in_plain_words() {
    let (disk, _) = written(2);
    disk.set_read_only(true);
    let error = open(disk.storage(), &options()).err().expect("no start");
    assert_eq!(error.exit_code(), 28);
    assert!(error.to_string().contains("read-only file system"), "{error}");
}

#[test]
fn the_first_failed_sync_is_the_last_one_tried() {
    let (disk, mut opened, records) = running(2);
    let acknowledged = opened.log.durable_lsn();
    put(&mut opened.log, &record(64, 9));
    disk.fail_syncs(1);
    let error = pump(&mut opened).expect_err("EIO");
    assert_eq!(error.exit_code(), 70);
    let text = error.to_string();
    for word in ["shard 3", "0000000000000000-00000001.wal offset 16384", "lsn 12288..16384", "os error 5"] {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
    assert_eq!((opened.log.durable_lsn(), acknowledged), (12_288, 12_288));
    let changes = disk.changes();
    assert!(matches!(opened.committer.idle(), Err(JournalError::Poisoned { shard: 3 })));
    assert_eq!(disk.changes(), changes, "nothing is written after a failed sync");
    disk.kill();
    let (_, seen) = open(disk.storage(), &options()).expect("starts");
    assert_eq!(seen, records, "the platter counts, not what the cache shows");
}

#[test]
fn a_spare_is_wanted_at_half_and_made_by_another() {
    let (_disk, mut opened, _) = running(1);
    assert!(!opened.committer.wants_spare());
    while !opened.committer.wants_spare() {
        for serial in 0..50 {
            put(&mut opened.log, &record(4096, serial));
        }
        pump(&mut opened).expect("committed");
    }
    let (spare, len) = (opened.committer.spare(), opened.committer.segment_len());
    let helper = std::thread::spawn(move || while spare.step(len).expect("room").is_none() {});
    helper.join().expect("made");
    assert!(!opened.committer.wants_spare());
    assert_eq!(opened.committer.counters().segments, 1, "not begun before it is needed");
}

#[test]
fn without_syncs_a_block_claims_only_what_is_on_disk() {
    let disk = SimDisk::new(1, ID);
    let no_sync = RecoveryOptions { policy: SyncPolicy::No, ..options() };
    let (mut opened, _) = open(disk.storage(), &no_sync).expect("a new log");
    for serial in 0..3 {
        put(&mut opened.log, &record(64, serial));
        pump(&mut opened).expect("stored");
    }
    assert_eq!((opened.log.durable_lsn(), opened.committer.counters().syncs), (4 * 4096, 1), "the fence");
    disk.kill();
    disk.patch(&first_segment(), PAGE_LEN + 2 * 4096, b"lost by a power cut");
    let (opened, seen) = open(disk.storage(), &no_sync).expect("a later block proves nothing here");
    assert_eq!((seen.len(), opened.recovered.cut.as_ref().map(Cut::bytes)), (1, Some(2 * 4096)));
}

#[test]
fn idle_restarts_leave_one_empty_segment_not_many() {
    let disk = SimDisk::new(1, ID);
    for epoch in 1..5 {
        let (opened, _) = open(disk.storage(), &options()).expect("starts");
        assert_eq!(opened.recovered.epoch, epoch);
        disk.kill();
        assert_eq!(segments(&disk), [SegmentName { base: 0, epoch }.to_string()]);
    }
}
