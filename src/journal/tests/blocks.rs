//! Whole blocks read back from any place of a log: through rolls, epochs and trims, past bytes that imitate a header,
//! and where the disk is damaged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use super::super::block::{BLOCK_FORMAT, BLOCK_HEADER_LEN, BlockHeader};
use super::super::blocks::BlockReader;
use super::super::chance::Chance;
use super::super::reader::ReadError;
use super::super::storage::{SegmentName, SegmentSource};
use super::*;

const PAGE_LEN: u64 = PAGE as u64;

/// A block as it was made.
#[derive(Clone, Debug, PartialEq)]
struct Made {
    first_lsn: Lsn,
    end_lsn: Lsn,
    now_ms: u64,
    records: Records,
}

/// A log, and all blocks that it should have.
struct Life {
    disk: SimDisk,
    opened: Opened<SimStorage>,
    made: Vec<Made>,
    /// All records, also those of blocks that are gone.
    history: Records,
    now_ms: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new(seed, ID);
        let (opened, _) = open(disk.storage(), &options()).expect("a new log");
        Self { disk, opened, made: Vec::new(), history: Vec::new(), now_ms: 1_000 }
    }

    /// Commits a batch.
    fn put(&mut self, records: impl IntoIterator<Item = Vec<u8>>) {
        for bytes in records {
            self.opened.log.append(self.now_ms, |buf| {
                buf.extend_from_slice(&bytes);
                1
            });
        }
        while let Some(block) = self.opened.log.take() {
            let records: Records = block.records().map(|(lsn, bytes)| (lsn, bytes.to_vec())).collect();
            self.history.extend_from_slice(&records);
            let (first_lsn, end_lsn, now_ms) = (block.first_lsn(), block.end_lsn(), block.now_ms());
            self.made.push(Made { first_lsn, end_lsn, now_ms, records });
            let durable = self.opened.committer.commit(&block).expect("committed");
            drop(block);
            self.opened.log.committed(durable);
        }
    }

    fn restart(&mut self) {
        self.disk.kill();
        (self.opened, _) = open(self.disk.storage(), &options()).expect("starts");
    }

    fn trim(&mut self, floor: Lsn) {
        let begin = save(&mut self.opened, ID, &mut self.history, |_, _| Ok(())).expect("saved");
        trim(&mut self.opened, floor.min(begin)).expect("trimmed");
        let oldest = self.opened.reader().oldest_lsn();
        self.made.retain(|made| made.first_lsn >= oldest);
    }

    fn end(&self) -> Lsn {
        self.opened.log.durable_lsn()
    }

    fn blocks(&self) -> BlockReader<SimStorage> {
        self.opened.reader().blocks()
    }

    /// Damages a byte of a segment.
    fn flip(&self, segment: SegmentName, offset: u64) {
        let byte = self.disk.contents(&segment.to_string(), offset, 1)[0];
        self.disk.patch(&segment.to_string(), offset, &[byte ^ 0x10]);
    }

    fn segment(&self, lsn: Lsn) -> SegmentName {
        self.opened.reader().segment_and_end(lsn).expect("kept").0
    }
}

fn read<R: SegmentSource>(blocks: &mut BlockReader<R>, lsn: Lsn, end: Lsn) -> Result<Made, ReadError> {
    let block = blocks.at(lsn, end)?;
    let mut records = block.records();
    let seen = records.by_ref().map(|(lsn, bytes)| (lsn, bytes.to_vec())).collect();
    assert!(records.is_done());
    let super::super::ReadBlock { first_lsn, end_lsn, now_ms, .. } = block;
    Ok(Made { first_lsn, end_lsn, now_ms, records: seen })
}

#[test]
fn every_position_is_found_in_its_block_through_rolls_epochs_and_trims() {
    for seed in 0..6 {
        let (mut chance, mut life) = (Chance::new(seed), Life::new(seed));
        let mut serial = 0;
        for _ in 0..40 {
            let (count, len_max) = [(1, 20), (8, 200), (300, 512), (90, 20)][chance.below(4) as usize];
            let batch: Vec<_> = (0..=chance.below(count))
                .map(|_| {
                    serial += 1;
                    record(16 + 8 * chance.below(len_max - 10) as usize, serial)
                })
                .collect();
            life.put(batch);
            life.now_ms += chance.below(3);
            match chance.below(12) {
                0 => life.restart(),
                1 => life.trim(life.end() - chance.below(life.end())),
                _ => {}
            }
            check(&life, &mut chance);
        }
    }
}

fn check(life: &Life, chance: &mut Chance) {
    let (mut blocks, end, made) = (life.blocks(), life.end(), &life.made);
    let oldest = blocks.oldest_lsn();
    assert_eq!(made.last().map(|made| made.end_lsn), Some(end));
    assert!(oldest == 0 || matches!(read(&mut blocks, oldest - 1, end), Err(ReadError::Gone { .. })));
    for made in made {
        assert_eq!(read(&mut blocks, made.first_lsn, end).expect("on"), *made);
    }
    for made in made.iter().rev() {
        assert_eq!(read(&mut blocks, made.end_lsn - 1, end).expect("back"), *made);
    }
    for _ in 0..20 {
        let lsn = oldest + chance.below(end - oldest);
        let at = made.partition_point(|made| made.end_lsn <= lsn);
        // As somebody sees it who was told late how far the log is durable.
        let end = made[(at + chance.below(3) as usize).min(made.len() - 1)].end_lsn;
        assert_eq!(read(&mut blocks, lsn, end).expect("anywhere"), made[at], "lsn {lsn} of {end}");
        let found = blocks.partition_point(end, |block| block.now_ms < made[at].now_ms).expect("found");
        assert_eq!(found, made[made.partition_point(|made| made.now_ms < life.made[at].now_ms)].first_lsn);
    }
    assert_eq!(blocks.partition_point(end, |_| true).expect("none"), end);
}

#[test]
fn bytes_of_a_client_do_not_pass_for_a_block() {
    let mut life = Life::new(1);
    life.put([record(16, 0)]);
    // The second record has its 16th byte where the block's second page begins.
    let first_lsn = life.end();
    let mut body = record(1000, 7);
    body.drain(..2);
    let forged = BlockHeader {
        format: BLOCK_FORMAT,
        kind: BlockKind::Data,
        flags: 0,
        shard: ID.shard,
        record_count: 1,
        body_len: body.len(),
        block_no: 3,
        epoch: 1,
        first_lsn: first_lsn + PAGE_LEN,
        durable_lsn: first_lsn,
        prev_chain: [0; 16],
        now_ms: 9_999,
    };
    let mut imitation = record(4096, 2);
    let header = forged.encode(0x1234_5678, &body);
    imitation[16..16 + BLOCK_HEADER_LEN].copy_from_slice(&header);
    imitation[16 + BLOCK_HEADER_LEN..][..body.len()].copy_from_slice(&body);
    life.put([record(PAGE - BLOCK_HEADER_LEN - 16, 1), imitation, record(4096, 3)]);
    let mut blocks = life.blocks();
    let made = life.made.last().expect("made");
    let page = life.disk.contents(&life.segment(first_lsn).to_string(), 0x1000 + first_lsn + PAGE_LEN, 8);
    assert_eq!(page[..4], header[..4], "it stands where a block could");
    for lsn in (made.first_lsn..made.end_lsn).step_by(512) {
        assert_eq!(read(&mut blocks, lsn, life.end()).expect("found"), *made);
    }
}

#[test]
fn damage_is_an_error_where_it_is_and_nowhere_else() {
    let mut life = Life::new(2);
    for batch in 0..8 {
        life.put((0..=batch * 20).map(|serial| record(256, serial)));
    }
    let end = life.end();
    for hurt in [1, 4, life.made.len() - 1] {
        let Made { first_lsn, ref records, .. } = life.made[hurt];
        let last = records.last().map_or(first_lsn, |(lsn, _)| *lsn);
        for place in [first_lsn, first_lsn + 17, first_lsn + 33, first_lsn + 64, last] {
            let segment = life.segment(place);
            life.flip(segment, segment.offset_of(place));
            let mut blocks = life.blocks();
            for made in life.made.iter().chain(life.made.iter().rev()) {
                for lsn in [made.first_lsn, made.end_lsn - 1] {
                    match read(&mut blocks, lsn, end) {
                        Ok(found) => assert!(found == *made && found.first_lsn != first_lsn, "lsn {lsn}"),
                        Err(ReadError::NoBlock { lsn: at, .. }) => assert_eq!((at, made.first_lsn), (lsn, first_lsn)),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            life.flip(segment, segment.offset_of(place));
        }
    }
    let segment = life.segment(0);
    life.flip(segment, 12);
    assert!(matches!(read(&mut life.blocks(), 0, end), Err(ReadError::NoBlock { offset: 0, .. })), "its salt");
    life.flip(segment, 12);
    life.disk.set_len(&segment.to_string(), segment.offset_of(end) - PAGE_LEN);
    assert!(matches!(read(&mut life.blocks(), end - 1, end), Err(ReadError::NoBlock { .. })), "cut off");
    life.disk.delete(&segment.to_string());
    assert!(matches!(read(&mut life.blocks(), 0, end), Err(ReadError::Journal(_))), "no file");
}

/// Counts reads.
#[derive(Clone)]
struct Counted(SimStorage, Arc<AtomicUsize>);

impl SegmentSource for Counted {
    fn read_at(&mut self, segment: SegmentName, offset: u64, buf: &mut [u8]) -> Result<usize, JournalError> {
        assert!(buf.len() <= BLOCK_LEN_MAX);
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_at(segment, offset, buf)
    }
}

#[test]
fn who_goes_on_reads_many_blocks_at_once() {
    let mut life = Life::new(3);
    for serial in 0..2_000 {
        life.put([record(512, serial)]);
    }
    let (reads, end) = (Arc::new(AtomicUsize::new(0)), life.end());
    let source = Counted(life.disk.storage(), Arc::clone(&reads));
    let segments: Vec<_> = life.made.iter().map(|made| life.segment(made.first_lsn)).collect();
    let mut names = segments.clone();
    names.dedup();
    let mut blocks = Reader::new(source, Arc::new(RwLock::new(names.clone()))).blocks();
    for made in &life.made {
        assert_eq!(read(&mut blocks, made.first_lsn, end).expect("on"), *made);
    }
    let on = reads.swap(0, Ordering::Relaxed);
    for made in life.made.iter().rev() {
        assert_eq!(read(&mut blocks, made.end_lsn - 1, end).expect("back"), *made);
    }
    let back = reads.swap(0, Ordering::Relaxed);
    let per_segment = 6 * names.len() + (end >> 20) as usize;
    assert!(on <= per_segment && back <= per_segment, "{on} reads on, {back} back, of {per_segment}");
    for made in life.made.iter().step_by(200) {
        read(&mut blocks, made.first_lsn, end).expect("there");
        read(&mut blocks, made.first_lsn + 100, end).expect("still in the window");
    }
    assert!(reads.load(Ordering::Relaxed) <= 10 + names.len(), "a jump takes one read");
}
