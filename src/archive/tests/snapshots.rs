//! Snapshots of logs on real files, honest or not, and what `verify` makes of them.

use super::*;
use crate::journal::snapshot::SNAPSHOT_CONTENT;
use crate::journal::{Position, Sight, SnapshotEnd, SnapshotHead, SnapshotWriter, Storage};
use crate::ledger::snapshot::{Copied, Restore};
use crate::ledger::{Limits, Seeds};

/// What a snapshot is made of; a test may change it before it is written.
pub(super) struct Draft {
    begin: Position,
    end: Lsn,
    parts: Vec<(u8, u32, Vec<u8>)>,
}

impl Draft {
    /// Another figure in the first claim that is copied.
    pub(super) fn change_cost_of_first_claim(&mut self) {
        let bytes = &mut self.parts.iter_mut().find(|part| part.0 == 5).expect("claims").2;
        bytes[8] ^= 1;
    }

    /// Adds to the balance that is copied of an account.
    fn add(&mut self, account: &str, delta: i64) {
        let bytes = &mut self.parts.iter_mut().find(|part| part.0 == 2).expect("accounts").2;
        let id = bytes.windows(account.len()).position(|window| window == account.as_bytes()).expect("copied");
        let balance: &mut [u8; 8] = (&mut bytes[id - 40..id - 32]).try_into().expect("eight bytes");
        *balance = u64::from_le_bytes(*balance).checked_add_signed(delta).expect("a balance").to_le_bytes();
    }
}

/// Writes a snapshot of the log as it is, begun `back` blocks before its end.
pub(super) fn save(path: &Path, back: usize, lie: impl FnOnce(&mut Draft)) {
    save_from(path, back, 0, lie);
}

/// The same, of a ledger that has forgotten the ids of records below `floor`.
pub(super) fn save_from(path: &Path, back: usize, floor: Lsn, lie: impl FnOnce(&mut Draft)) {
    let dir = open(path);
    let log = dir.logs[0].as_ref().expect("a log");
    let endless = Limits {
        holds_per_account_max: 100,
        leads_max: 1_000,
        lead_slots_max: 100_000,
        accounts_max: 100,
        tx_index_bytes_max: u64::MAX,
        tx_retention_ms: if floor > 0 { 1 << 40 } else { u64::MAX },
    };
    let mut restore = Restore::new(endless, Seeds { index_key: NEW.hash_keys, map_seed: 9 });
    let mut begins = Vec::new();
    let found = log.survey(&[], &mut |sight| {
        let Sight::Block(block) = sight else { return };
        let header = &block.header;
        let (lsn, chain) = (header.first_lsn, header.prev_chain);
        begins.push(Position { lsn, chain, epoch: header.epoch, block_no: header.block_no });
        restore.block(header.first_lsn, header.now_ms, block.body()).expect("in order");
        for (lsn, record) in block.records() {
            restore.record(&codec::decode_any(record).expect("a record"), lsn).expect("an honest log");
        }
    });
    let mut ledger = restore.into_ledger().expect("it adds up");
    ledger.forget_below(floor);
    let begin = begins[begins.len() - back];
    let (mut copying, mut parts) = (ledger.copying(begin.lsn), Vec::new());
    loop {
        let mut bytes = Vec::new();
        match ledger.copy(&mut copying, &mut bytes) {
            Copied::Items { count: 0, .. } => {}
            Copied::Items { section, count } => parts.push((section as u8, count, bytes)),
            Copied::Done => break,
        }
    }
    let (mut draft, mut footer) = (Draft { begin, end: found.end.0, parts }, Vec::new());
    lie(&mut draft);
    let needed = ledger.footer(&copying, draft.end, &mut footer);
    let storage = FileStorage::open(&path.join("shard-000")).expect("there");
    let head = SnapshotHead { id: log.id(), created_ms: 1, begin: draft.begin, content: SNAPSHOT_CONTENT };
    let mut writer = SnapshotWriter::begin(storage.draft(), &head).expect("begun");
    for (section, count, bytes) in draft.parts {
        writer.part(section, count, &bytes).expect("written");
    }
    writer.finish(SnapshotEnd { end: draft.end, now_ms: 1, needed }, &footer).expect("finished");
    writer.publish().expect("published");
}

/// Kinds of the findings, and all that was said.
fn kinds(path: &Path) -> (Vec<&'static str>, String) {
    let report = proved(path, &[]);
    (report.all_findings().map(|finding| finding.kind).collect(), report.to_string())
}

pub(super) fn snapshots(path: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path.join("shard-000")).expect("there").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "snap")).collect();
    found.sort();
    found
}

#[test]
fn snapshots_that_are_what_the_log_says_are_proved() {
    let (_parent, path) = data();
    let mut author = story(&path);
    save(&path, 2, |_| {});
    author.write("bob", "d2", 1, Change::Debit);
    author.commit();
    author.write("ann", "d3", 1, Change::Debit);
    author.commit();
    save(&path, 3, |_| {});
    author.write("ann", "d4", 1, Change::Debit);
    author.stop();
    let (found, text) = kinds(&path);
    assert!(found.is_empty() && !text.contains("compared"), "{text}");
    assert_eq!(proved(&path, &[]).shards[0].snapshots, 2);
    flip(&snapshots(&path)[0], 5000);
    let (found, text) = kinds(&path);
    assert_eq!(found, ["snapshot"], "{text}");
    assert!(text.contains("is not compared: the one before it is bad"), "{text}");
    assert!(text.contains("next: nothing is lost: a start takes the one before, or the log"), "{text}");
}

#[test]
fn a_snapshot_with_right_checksums_that_is_not_what_the_log_says_is_found() {
    for (kind, lie) in [
        ("state", (|draft| draft.add("ann", 1)) as fn(&mut Draft)),
        ("state", |draft| {
            draft.add("ann", 1);
            draft.add("bob", -1);
        }),
        ("altered", |draft| draft.begin.chain = [1; 16]),
        ("lost", |draft| draft.end += 4096),
    ] {
        let (_parent, path) = data();
        story(&path).stop();
        save(&path, 2, lie);
        let (found, text) = kinds(&path);
        assert_eq!(found, [kind], "{text}");
    }
}

#[test]
fn without_what_stood_before_a_snapshot_is_only_noted() {
    let (_parent, path) = data();
    story(&path).stop();
    save(&path, 1, |_| {});
    fs::remove_file(path.join("MANIFEST")).expect("gone");
    assert_eq!(kinds(&path).0, [""; 0], "copied segments: only that it is whole");
}
