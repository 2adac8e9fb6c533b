//! Recovery from damaged files: refused, or a snapshot as it was written and a prefix of what was appended since, with
//! everything in it that the files themselves prove to have been durable. It never panics and never invents a record.
//!
//! ```text
//! input   story u8   flags u8   changes of 6 bytes: kind, file, place u16, page u8, value u8
//!
//! story -> log and snapshots of opaque bytes on a SimDisk -> changes -> naive reader: proven lsn
//!                                                       '-> recover: what the sink gets, then refused or accepted
//!                                                           accepted: recover for real, through power cuts, and go on
//! ```
//! Each story is told once; every input gets a copy of its disk. Most starts are made on a disk that takes no writes, which
//! ends them where all of the log was accepted.

#![no_main]

use creditd::journal::block::{BlockHeader, padded_len};
use creditd::journal::snapshot::SNAPSHOT_CONTENT;
use creditd::journal::storage::SegmentName;
use creditd::journal::{
    BLOCK_HEADER_LEN, BlockKind, Entry, JournalError, LogId, Lsn, Opened, PAGE, RecoveryOptions, SimDisk, SimStorage,
    SnapshotEnd, SnapshotHead, SnapshotWriter, SyncPolicy, fuzzing, recover,
};
use libfuzzer_sys::fuzz_target;
use std::rc::Rc;

const ID: LogId = LogId { instance: [7; 16], shard: 3 };

const OPTIONS: RecoveryOptions = RecoveryOptions {
    id: ID,
    policy: SyncPolicy::Always,
    segment_len: (2 << 20) + PAGE as u64,
    salt_seed: 42,
    now_ms: 1_000,
    recent_len: 1 << 16,
};

const CHANGE_LEN: usize = 6;
const CHANGES_MAX: usize = 16;

/// Records with their positions.
type Records = Vec<(Lsn, Vec<u8>)>;

/// What a start gave its sink.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Of the snapshot: section, count, items.
    parts: Vec<(u8, u32, Vec<u8>)>,
    records: Records,
    /// Where the last block ends.
    end: Lsn,
}

impl Seen {
    fn take(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Fresh => *self = Self::default(),
            Entry::Part { section, count, bytes } => self.parts.push((section, count, bytes.to_vec())),
            Entry::Block { lsn, records, .. } => self.end = lsn + padded_len(records.len()),
            Entry::Record { lsn, bytes } => self.records.push((lsn, bytes.to_vec())),
            Entry::End { lsn, .. } => assert_eq!(lsn, self.end, "where the last block ends"),
        }
    }
}

thread_local! {
    static STORIES: [Story; 10] = std::array::from_fn(Story::told);
}

fuzz_target!(|input: &[u8]| {
    let [story, flags, changes @ ..] = input else { return };
    let mut story = STORIES.with(|stories| stories[usize::from(*story) % stories.len()].copy());
    story.change(changes);
    let proven = story.proven();
    let accepted = story.start_without_writing(proven);
    if let Some(seen) = accepted.filter(|_| flags & 7 == 0) {
        story.start_for_real(&seen, u64::from(flags >> 3));
    }
});

/// A log, and what is known of it.
struct Story {
    disk: SimDisk,
    options: RecoveryOptions,
    /// All records that the log may hold.
    history: Records,
    /// Where each snapshot begins, and its parts.
    snapshots: Vec<(Lsn, Vec<(u8, u32, Vec<u8>)>)>,
    /// What is in its files before any change, by name; segments as far as they were written, and a page.
    files: Rc<[(String, Vec<u8>)]>,
}

impl Story {
    /// The log of story number `no`.
    fn told(no: usize) -> Self {
        let (disk, mut options) = (SimDisk::new(no as u64, ID), OPTIONS);
        if no == 4 {
            // A segment ends when less than 1 MiB is left: here with every block.
            options.segment_len = (1 << 20) + PAGE as u64;
        }
        let mut story = Self { disk, options, history: Records::new(), snapshots: Vec::new(), files: Rc::default() };
        let mut opened = story.open();
        story.blocks(&mut opened, 4);
        match no {
            // Killed after four blocks; after the super says so; stopped in order. Story 4: in as many segments.
            0 | 4 => {}
            1 => opened.committer.idle().expect("noted"),
            2 => story.stop(&mut opened),
            // A second epoch, in the middle of its work.
            3 => {
                story.disk.kill();
                opened = story.open();
                story.blocks(&mut opened, 2);
                opened.committer.idle().expect("noted");
                story.blocks(&mut opened, 1);
            }
            // A block of several pages and a clean stop after a second start.
            5 => {
                story.stop(&mut opened);
                story.disk.kill();
                opened = story.open();
                (0..5).for_each(|_| story.put(&mut opened, 4096));
                pump(&mut opened).expect("committed");
                story.stop(&mut opened);
            }
            // A snapshot and more blocks; two, the newer one after a second start.
            6 | 7 => {
                story.save(&mut opened);
                story.blocks(&mut opened, 1);
                if no == 7 {
                    story.disk.kill();
                    opened = story.open();
                    story.blocks(&mut opened, 1);
                    story.save(&mut opened);
                }
            }
            // The power goes with a block on its way; then the next epoch.
            _ => {
                story.put(&mut opened, 4096);
                story.put(&mut opened, 4096);
                story.disk.cut_power_after(1);
                pump(&mut opened).expect_err("the power went");
                story.disk.crash();
                if no == 9 {
                    opened = story.open();
                    story.blocks(&mut opened, 2);
                }
            }
        }
        drop(opened);
        story.disk.kill();
        story.files = story.disk.file_names().into_iter().map(|name| (name.clone(), story.read(&name))).collect();
        story
    }

    /// The same story, on a disk of its own.
    fn copy(&self) -> Self {
        let (history, snapshots) = (self.history.clone(), self.snapshots.clone());
        Self { disk: self.disk.copy(), options: self.options, history, snapshots, files: self.files.clone() }
    }

    fn open(&mut self) -> Opened<SimStorage> {
        let (opened, seen) = self.attempt().expect("nothing is wrong yet");
        let first = self.check(&seen);
        self.history.truncate(first + seen.records.len());
        opened
    }

    fn attempt(&self) -> Result<(Opened<SimStorage>, Seen), JournalError> {
        let mut seen = Seen::default();
        let mut sink = |entry: Entry<'_>| {
            seen.take(entry);
            Ok(())
        };
        let opened = recover(self.disk.storage(), &self.options, &mut sink, &mut |done, all| assert!(done <= all))?;
        assert_eq!(opened.recovered.records, seen.records.len() as u64);
        Ok((opened, seen))
    }

    /// Nothing was invented. Gives the place in the history of the first record that was seen.
    fn check(&self, seen: &Seen) -> usize {
        let first = self.history.partition_point(|(lsn, _)| *lsn < self.begin(seen));
        let known = &self.history[first..];
        assert!(seen.records.len() <= known.len() && seen.records == known[..seen.records.len()], "invented");
        first
    }

    /// Where the snapshot begins that was seen.
    fn begin(&self, seen: &Seen) -> Lsn {
        if seen.parts.is_empty() {
            return 0;
        }
        self.snapshots.iter().find(|(_, parts)| *parts == seen.parts).expect("it was written so").0
    }

    /// A snapshot that ends a block behind its begin.
    fn save(&mut self, opened: &mut Opened<SimStorage>) {
        let begin = opened.committer.position();
        self.blocks(opened, 1);
        let (no, end) = (self.snapshots.len() as u8, opened.log.durable_lsn());
        let parts = [(1, 2, 40), (1, 1, 5_000), (2, 3, 100), (3, 1, 24)];
        let parts: Vec<_> =
            parts.into_iter().map(|(section, count, len)| (section, count, vec![no + 1; len])).collect();
        let head = SnapshotHead { id: ID, created_ms: 2_000, begin, content: SNAPSHOT_CONTENT };
        let mut writer = SnapshotWriter::begin(opened.committer.draft(), &head).expect("begun");
        let (footer, others) = parts.split_last().expect("there are some");
        others.iter().for_each(|(section, count, bytes)| writer.part(*section, *count, bytes).expect("written"));
        writer.finish(SnapshotEnd { end, now_ms: 2_000, needed: 0 }, &footer.2).expect("written");
        opened.committer.note().expect("noted");
        writer.publish().expect("published");
        self.snapshots.push((begin.lsn, parts));
    }

    /// Blocks of one page, with two records each.
    fn blocks(&mut self, opened: &mut Opened<SimStorage>, count: usize) {
        for _ in 0..count {
            self.put(opened, 64);
            self.put(opened, 104);
            pump(opened).expect("committed");
        }
    }

    fn stop(&self, opened: &mut Opened<SimStorage>) {
        opened.log.mark(BlockKind::CleanStop, 3_000);
        pump(opened).expect("committed");
    }

    /// Appends a record that no other equals.
    fn put(&mut self, opened: &mut Opened<SimStorage>, len: usize) {
        let mut bytes = vec![self.history.len() as u8 ^ 0x5a; len];
        bytes[..2].copy_from_slice(&(len as u16).to_le_bytes());
        bytes[8..16].copy_from_slice(&(self.history.len() as u64).to_le_bytes());
        let lsn = opened.log.append(2_000, |out| {
            out.extend_from_slice(&bytes);
            1
        });
        self.history.push((lsn, bytes));
    }

    /// A small file as far as it was written, a segment and a page more.
    fn read(&self, name: &str) -> Vec<u8> {
        let all = self.disk.contents(name, 0, self.options.segment_len as usize);
        let used = all.chunks(PAGE).rposition(|page| page != [0; PAGE]).map_or(0, |last| (last + 1) * PAGE);
        all[..used + if SegmentName::parse(name).is_some() { PAGE } else { 0 }].to_vec()
    }

    fn change(&self, changes: &[u8]) {
        let patch = |name: &str, at: usize, bytes: &[u8]| self.disk.patch(name, at as u64, bytes);
        for change in changes.chunks_exact(CHANGE_LEN).take(CHANGES_MAX) {
            let &[kind, file, low, high, page, value] = change else { unreachable!("chunks are exact") };
            let file = usize::from(file) % self.files.len();
            let (name, before) = &self.files[file];
            if !self.disk.file_names().contains(name) {
                continue;
            }
            let at = usize::from(u16::from_le_bytes([low, high]));
            let page = usize::from(page) * PAGE % before.len();
            match kind % 8 {
                // One bit, one byte, some bytes, a page of one value.
                0 => patch(name, page + at % PAGE, &[before[page + at % PAGE] ^ 1 << (value % 8)]),
                1 => patch(name, page + at % PAGE, &[value]),
                2 => patch(name, page + at % PAGE, &vec![value; (PAGE - at % PAGE).min(usize::from(high) + 1)]),
                3 => patch(name, page, &[value; PAGE]),
                // A page of any file; of an even number, two pages change places.
                4 | 5 => {
                    let other = usize::from(value) % self.files.len();
                    let from = at * PAGE % self.files[other].1.len();
                    let (other, their) = &self.files[other];
                    if kind % 2 == 0 && self.disk.file_names().contains(other) {
                        patch(other, from, &before[page..page + PAGE]);
                    }
                    patch(name, page, &their[from..from + PAGE]);
                }
                6 => self.disk.set_len(name, (page + if value & 1 == 1 { at } else { 0 }) as u64),
                _ if value & 1 == 1 => self.disk.delete(name),
                _ => self.disk.break_page(name, page as u64),
            }
        }
    }

    /// Up to where the files say that the log was durable: every super and block whose checksum holds, wherever it is.
    fn proven(&self) -> Lsn {
        let mut proven = 0;
        for name in self.disk.file_names() {
            let bytes = self.disk.contents(&name, 0, self.files_len(&name));
            let u64_at = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("a page is longer"));
            if name.starts_with("super.") {
                if fuzzing::super_page(bytes.first_chunk().expect("a page")).is_some() {
                    proven = proven.max(u64_at(58));
                }
            } else if SegmentName::parse(&name).is_some() {
                let salt = u64_at(8).to_le_bytes();
                let salt = u32::from_le_bytes(*salt.last_chunk().expect("half of it"));
                proven = proven.max(proven_by_blocks(&bytes[PAGE..], salt));
            }
        }
        proven
    }

    fn files_len(&self, name: &str) -> usize {
        self.files.iter().find(|(known, _)| known == name).map_or(PAGE, |(_, before)| before.len())
    }

    /// What recovery accepts; `None`: refused.
    fn start_without_writing(&self, proven: Lsn) -> Option<Seen> {
        self.disk.set_read_only(true);
        let mut seen = Seen::default();
        let mut sink = |entry: Entry<'_>| {
            seen.take(entry);
            Ok(())
        };
        let result = recover(self.disk.storage(), &self.options, &mut sink, &mut |done, all| assert!(done <= all));
        match result.err().expect("a start writes, which this disk does not take") {
            JournalError::ReadOnly { .. } => {
                self.check(&seen);
                let end = seen.end.max(self.begin(&seen));
                assert!(end >= proven, "the log goes on at lsn {end}, but all below {proven} was on disk");
                Some(seen)
            }
            JournalError::Refused(_) | JournalError::Format { .. } => None,
            error => panic!("neither accepted nor refused: {error}"),
        }
    }

    /// A start that was accepted is accepted again, also after a power cut in its middle, and goes on.
    fn start_for_real(&mut self, seen: &Seen, cut_after: u64) {
        self.disk.set_read_only(false);
        if cut_after > 0 {
            self.disk.cut_power_after(cut_after);
            if let Err(error) = self.attempt() {
                assert!(self.disk.is_off(), "accepted before: {error}");
            }
            self.disk.crash();
        }
        let (mut opened, again) = self.attempt().unwrap_or_else(|error| panic!("accepted before: {error}"));
        assert_eq!(&again, seen);
        self.put(&mut opened, 64);
        pump(&mut opened).expect("committed");
        self.disk.crash();
        let (_, mut again) = self.attempt().unwrap_or_else(|error| panic!("nothing is wrong with it: {error}"));
        assert_eq!(again.records.pop(), self.history.pop(), "what was appended now is there");
        assert_eq!((&again.parts, &again.records), (&seen.parts, &seen.records));
    }
}

fn proven_by_blocks(pages: &[u8], salt: u32) -> Lsn {
    let starts = (0..pages.len()).step_by(PAGE);
    let header = |at: usize| -> Option<BlockHeader> {
        let body_len = u32::from_le_bytes(*pages[at + 16..].first_chunk()?) as usize;
        let block = pages.get(at..at.checked_add(BLOCK_HEADER_LEN)?.checked_add(body_len)?)?;
        fuzzing::block(block, salt).map(|(header, _)| header)
    };
    starts.filter_map(header).map(|header| header.durable_lsn).max().unwrap_or(0)
}

/// Commits all that waits.
fn pump(opened: &mut Opened<SimStorage>) -> Result<(), JournalError> {
    while let Some(block) = opened.log.take() {
        let durable = opened.committer.commit(&block)?;
        drop(block);
        opened.log.committed(durable);
    }
    Ok(())
}
