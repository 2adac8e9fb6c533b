//! Logs on real files, written through the journal entry by entry, honest or not; and what the tools make of them.

mod claims;
mod closed;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::journal::{
    BlockKind, DataDir, FileStorage, NewDir, Opened, RecoveryOptions, RestingDir, RestingLog, SyncPolicy, recover,
};
use crate::ledger::codec;
use crate::ledger::event::{Change, DeclineCode, DeclinedOp, Event};
use crate::ledger::id::Lsn;

const NEW: NewDir = NewDir { shards: 1, instance: [7; 16], hash_keys: [1, 2] };

/// Writes entries that follow from those before, unless told otherwise.
struct Author {
    opened: Opened<FileStorage>,
    accounts: BTreeMap<&'static str, Figures>,
    leads: BTreeMap<&'static str, claims::LeadFigures>,
    now_ms: u64,
    _dir: DataDir,
}

#[derive(Clone, Copy, Default)]
struct Figures {
    balance: u64,
    reserved: u64,
    seq: u64,
    last_lsn: Lsn,
}

impl Author {
    fn new(path: &Path) -> Self {
        let dir = DataDir::open_or_create(path, NEW).expect("made");
        let options = RecoveryOptions {
            id: dir.manifest().log_id(0),
            policy: SyncPolicy::Always,
            segment_len: 4 << 20,
            salt_seed: 42,
            now_ms: 1_000,
            recent_len: 1 << 20,
        };
        let storage = dir.storage(0).expect("there");
        let mut opened = recover(storage, &options, &mut |_| Ok(()), &mut |_, _| {}).expect("opened");
        // Shard time does not go back from one life to the next.
        let now_ms = opened.recovered.last_now_ms.max(1_000);
        opened.log.mark(BlockKind::Fence, now_ms);
        Self { opened, accounts: BTreeMap::new(), leads: BTreeMap::new(), now_ms, _dir: dir }
    }

    /// Writes an entry and gives its place.
    fn write(&mut self, account: &'static str, tx: &str, amount: u64, change: Change<'_>) -> Lsn {
        self.write_with(account, tx, amount, change, |_| {})
    }

    /// Writes an entry that `lie` has changed. What follows, follows from the truth.
    fn write_with(
        &mut self,
        account: &'static str,
        tx: &str,
        amount: u64,
        change: Change<'_>,
        lie: impl FnOnce(&mut Event<'_>),
    ) -> Lsn {
        self.now_ms += 10;
        let before = self.accounts.get(account).copied().unwrap_or_default();
        let mut event = Event {
            account: account.as_bytes(),
            tx: tx.as_bytes(),
            reason: b"",
            meta: b"",
            time_ms: self.now_ms,
            seq: before.seq + 1,
            amount,
            balance: 0,
            reserved: 0,
            prev_lsn: before.last_lsn,
            skip_lsn: 0,
            change,
        };
        event.balance = before.balance.checked_add_signed(event.delta()).expect("an honest amount");
        event.reserved = before.reserved.checked_add_signed(event.rdelta()).expect("an honest amount");
        let after = Figures { balance: event.balance, reserved: event.reserved, seq: event.seq, last_lsn: 0 };
        lie(&mut event);
        let last_lsn = self.opened.log.append(self.now_ms, |buf| codec::encode(&event, buf));
        self.accounts.insert(account, Figures { last_lsn, ..after });
        last_lsn
    }

    /// Makes a block of what was written.
    fn commit(&mut self) {
        while let Some(block) = self.opened.log.take() {
            let durable = self.opened.committer.commit(&block).expect("committed");
            drop(block);
            self.opened.log.committed(durable);
        }
    }

    /// Ends in order.
    fn stop(mut self) {
        self.opened.log.mark(BlockKind::CleanStop, self.now_ms);
        self.commit();
    }
}

/// Every type of entry, on three accounts.
fn story(path: &Path) -> Author {
    let mut author = Author::new(path);
    author.write("ann", "g1", 100, Change::Grant);
    author.write("bob", "g1", 50, Change::Grant);
    author.commit();
    let opened_lsn = author.write("ann", "r1", 40, Change::Reserve { expires_at_ms: 9_000, lead: b"" });
    author.write("ann", "d1", 5, Change::Debit);
    author.commit();
    let captured = author.write("ann", "r1", 40, Change::Capture { captured: 30, opened_lsn, lead: b"" });
    let of = Change::Refund { of: b"r1", opened_lsn: captured, refunded_total: 10, refundable: 20 };
    author.write("ann", "f1", 10, of);
    author.commit();
    let opened_lsn = author.write("bob", "r1", 8, Change::Reserve { expires_at_ms: 9_000, lead: b"" });
    author.write("bob", "r1", 8, Change::Release { opened_lsn, lead: b"" });
    author.write("bob", "v1", 0, Change::Void);
    let declined = Change::Decline { op: DeclinedOp::Debit, code: DeclineCode::Insufficient, of: b"", lead: b"" };
    author.write("bob", "d9", 999, declined);
    author.write("c\\a,\"t\"", "g1", 1, Change::Grant);
    let expires_at_ms = author.now_ms + 20;
    let opened_lsn = author.write("ann", "r2", 3, Change::Reserve { expires_at_ms, lead: b"" });
    author.write("ann", "r2", 3, Change::Expire { opened_lsn });
    author.write("ann", "r3", 7, Change::Reserve { expires_at_ms: 90_000, lead: b"" });
    author.commit();
    author
}

fn data() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("data");
    (parent, path)
}

fn open(path: &Path) -> RestingDir {
    RestingDir::open(path).expect("readable").expect("a directory")
}

fn proved(path: &Path, heads: &[Head]) -> Report {
    verify("here".to_owned(), &open(path), heads, Depth::Replay, &|_| {})
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path.join("shard-000")).expect("there").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "wal")).collect();
    found.sort();
    found
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[offset] ^= 0xff;
    fs::write(path, bytes).expect("written");
}

#[test]
fn an_honest_story_is_proved_with_its_sums() {
    let (_parent, path) = data();
    story(&path).stop();
    let report = proved(&path, &[]);
    assert!(report.ok, "{report}");
    let shard = &report.shards[0];
    assert_eq!((shard.records, shard.accounts, shard.holds, shard.blocks), (14, 3, 1, 6));
    let sums = &shard.sums;
    assert_eq!((sums.granted, sums.refunded, sums.debited), (151, 10, 35));
    assert_eq!((sums.balance, sums.reserved, sums.opening), (126, 7, 0));
    assert!(shard.notes.is_empty(), "{:?}", shard.notes);
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!((&json["ok"], &json["shards"][0]["sums"]["balance"]), (&true.into(), &126.into()));
    assert!(report.to_string().ends_with("here: ok\n"), "{report}");
}

#[test]
fn what_kill_9_leaves_is_proved_with_a_note() {
    let (_parent, path) = data();
    drop(story(&path));
    let report = proved(&path, &[]);
    assert!(report.ok, "{report}");
    assert!(report.shards[0].notes[0].starts_with("no CLEAN_STOP"), "{report}");
}

/// The one finding about the entry at `lsn`, if the journal has no complaint.
fn check_caught(author: Author, path: &Path, lsn: Lsn, account: &str, words: &str) {
    author.stop();
    let report = proved(path, &[]);
    assert!(!report.ok);
    let finding = &report.shards[0].findings[0];
    let place = (finding.kind, finding.lsn, finding.account.as_deref(), finding.shard);
    assert_eq!(place, ("invariant", Some(lsn), Some(account), Some(0)), "{report}");
    assert_eq!(finding.offset, Some(4096 + lsn), "{report}");
    assert!(finding.what.contains(words), "{words}: {report}");
}

#[test]
fn a_lie_with_right_checksums_and_chain_breaks_the_trail() {
    for (words, lie) in [
        ("balance", (|event| event.balance += 1) as fn(&mut Event<'_>)),
        ("reserved", |event| event.reserved += 1),
        ("seq", |event| event.seq += 1),
        ("prev_lsn", |event| event.prev_lsn -= 8),
        ("time", |event| event.time_ms = 5),
        ("balance", |event| event.amount += 1),
    ] {
        let (_parent, path) = data();
        let mut author = story(&path);
        let lsn = author.write_with("ann", "d2", 1, Change::Debit, lie);
        author.write("bob", "d2", 1, Change::Debit);
        check_caught(author, &path, lsn, "ann", words);
    }
    let (_parent, path) = data();
    let mut author = story(&path);
    let lsn = author.write("bob", "r1", 0, Change::Capture { captured: 0, opened_lsn: 4096, lead: b"" });
    check_caught(author, &path, lsn, "bob", "captured");
}

#[test]
fn no_lie_is_too_big() {
    let lead: &[u8] = b"";
    for word in [1 << 53, 1 << 63, u64::MAX] {
        let opened_lsn = word;
        for change in [
            Change::Grant,
            Change::Debit,
            Change::Reserve { expires_at_ms: word, lead },
            Change::Capture { captured: word, opened_lsn, lead },
            Change::Release { opened_lsn, lead },
            Change::Expire { opened_lsn },
            Change::Refund { of: b"d1", opened_lsn, refunded_total: word, refundable: word },
        ] {
            let (_parent, path) = data();
            let mut author = story(&path);
            for field in 0..7 {
                author.write_with("ann", "x", 0, Change::Void, |event| {
                    event.change = change;
                    let fields = [
                        &mut event.amount,
                        &mut event.balance,
                        &mut event.reserved,
                        &mut event.seq,
                        &mut event.time_ms,
                        &mut event.prev_lsn,
                        &mut event.skip_lsn,
                    ];
                    *fields.into_iter().nth(field).expect("a field") = word;
                });
            }
            author.stop();
            assert!(!proved(&path, &[]).ok, "{change:?}");
            let mut out = Vec::new();
            export(&open(&path), &ALL, Format::Csv, &mut out, &|_| {}).expect("written");
        }
    }
}

#[test]
fn more_refunded_than_taken_breaks_the_trail() {
    for (total, left) in [(5, 1), (6, 0), (4, 1)] {
        let (_parent, path) = data();
        let mut author = story(&path);
        let opened_lsn = author.write("bob", "d1", 5, Change::Debit);
        let refund = Change::Refund { of: b"d1", opened_lsn, refunded_total: total, refundable: left };
        let lsn = author.write("bob", "f1", 5, refund);
        check_caught(author, &path, lsn, "bob", "refund");
    }
}

#[test]
fn a_lost_block_names_the_accounts_whose_entries_it_held() {
    let (_parent, path) = data();
    let mut author = story(&path);
    author.write("bob", "d2", 1, Change::Debit);
    author.stop();
    let (block, next) = {
        let log = open(&path).logs.remove(0).expect("a log");
        let mut blocks = Vec::new();
        log.survey(&[], &mut |sight| {
            if let crate::journal::Sight::Block(block) = sight {
                blocks.push((block.offset(), block.header.first_lsn));
            }
        });
        (blocks[4], blocks[5])
    };
    flip(&segments(&path)[0], block.0 as usize + 100);
    let report = proved(&path, &[]);
    let shard = &report.shards[0];
    assert_eq!(shard.findings.len(), 1, "{report}");
    let finding = &shard.findings[0];
    assert_eq!((finding.kind, finding.offset, finding.lost), ("damaged", Some(block.0), Some([block.1, next.1])));
    assert_eq!((finding.accounts_hit.as_slice(), finding.accounts_hit_count), (&["bob".to_owned()][..], 1));
    let text = report.to_string();
    assert!(text.contains("accounts with entries there, at least: \"bob\"\n"), "{text}");
    assert!(text.contains("next: copy the directory away"), "{text}");
}

#[test]
fn findings_are_bounded_and_the_rest_is_counted() {
    let (_parent, path) = data();
    let mut author = story(&path);
    for _ in 0..150 {
        author.write_with("ann", "v", 0, Change::Void, |event| event.amount = 2);
    }
    author.stop();
    let report = proved(&path, &[]);
    let shard = &report.shards[0];
    assert_eq!(shard.findings.len(), report::FINDINGS_MAX);
    assert!(shard.findings_left_out > 0, "{report}");
}

#[test]
fn heads_prove_what_they_saw_and_nothing_else() {
    let (_parent, path) = data();
    let mut author = story(&path);
    let early = head(open(&path).logs.remove(0).expect("a log")).expect("a head");
    author.write("bob", "d2", 1, Change::Debit);
    author.stop();
    let late = head(open(&path).logs.remove(0).expect("a log")).expect("a head");
    assert!(early.lsn < late.lsn);
    assert!(proved(&path, &[early.clone(), late.clone()]).ok);
    for (wrong, kind) in [
        (Head { chain: Hex([1; 16]), ..early.clone() }, "altered"),
        (Head { lsn: early.lsn + 8, ..early.clone() }, "altered"),
        (Head { lsn: late.lsn + 4096, ..late.clone() }, "lost"),
        (Head { instance: Hex([1; 16]), ..early.clone() }, "head"),
        (Head { shard: 3, ..early }, "head"),
    ] {
        let report = proved(&path, std::slice::from_ref(&wrong));
        let kinds: Vec<_> = report.all_findings().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [kind], "{wrong}: {report}");
    }
}

#[test]
fn a_lost_manifest_or_shard_is_a_finding_and_the_rest_is_judged() {
    let (_parent, path) = data();
    story(&path).stop();
    fs::write(path.join("MANIFEST"), b"x").expect("damaged");
    let report = proved(&path, &[]);
    assert_eq!((report.ok, report.findings[0].kind, report.shards[0].records), (false, "manifest", 14), "{report}");
    fs::remove_file(path.join("MANIFEST")).expect("gone");
    let report = proved(&path, &[]);
    assert!(report.ok && report.shards[0].records == 14, "copied segments: {report}");
    assert!(proved(&segments(&path)[0], &[]).ok, "one segment");
    assert!(RestingDir::open(path.parent().expect("there")).expect("readable").is_none(), "no data directory");
}

fn exported(path: &Path, filter: &Filter, format: Format) -> String {
    let mut out = Vec::new();
    let done = export(&open(path), filter, format, &mut out, &|_| {}).expect("written");
    assert!(done.findings.is_empty());
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.lines().count() as u64, done.rows + u64::from(format == Format::Csv && done.rows > 0), "{text}");
    text
}

const ALL: Filter =
    Filter { accounts: BTreeSet::new(), leads: BTreeSet::new(), times_ms: 0..u64::MAX, types: BTreeSet::new() };

#[test]
fn every_entry_is_exported_with_all_that_applies() {
    let (_parent, path) = data();
    story(&path).stop();
    let csv = exported(&path, &ALL, Format::Csv);
    assert_eq!(csv.lines().count(), 15);
    let line = |word: &str| csv.lines().find(|line| line.contains(word)).expect(word).to_owned();
    let names = "shard,lsn,account,seq,time,utc,type,tx,amount,delta,rdelta,balance,reserved,expires,captured,returned,\
                 lead,of,cause,code,reason,meta,claim,max";
    assert_eq!(csv.lines().next(), Some(names));
    let place = |word: &str| line(word).split(',').nth(1).expect("an lsn").to_owned();
    let expected = |word: &str, text: &str| assert_eq!(line(word), text.replacen("LSN", &place(word), 1));
    expected("CAPTURE", "0,LSN,ann,4,1050,1970-01-01T00:00:01.050Z,CAPTURE,r1,30,-30,-40,65,0,,30,10,,,,,,,,");
    expected("REFUND", "0,LSN,ann,5,1060,1970-01-01T00:00:01.060Z,REFUND,f1,10,10,0,75,0,,,,,r1,,,,,,");
    expected("DECLINE", "0,LSN,bob,5,1100,1970-01-01T00:00:01.100Z,DECLINE,d9,999,0,0,50,0,,,,,,,INSUFFICIENT,,,,");
    assert!(csv.contains(",\"c\\\\a,\"\"t\"\"\",1,"), "{csv}");
    let json = exported(&path, &ALL, Format::Jsonl);
    let object: serde_json::Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&object["account"], &object["delta"], &object["of"]), (&"ann".into(), &100.into(), &().into()));
}

#[test]
fn exports_are_cut_by_account_time_and_type() {
    let (_parent, path) = data();
    story(&path).stop();
    let count = |filter: Filter| exported(&path, &filter, Format::Jsonl).lines().count();
    let accounts = |ids: &[&str]| ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    assert_eq!(count(Filter { accounts: accounts(&["bob"]), ..ALL }), 5);
    assert_eq!(count(Filter { accounts: accounts(&["bob", "c\\a,\"t\""]), ..ALL }), 6);
    assert_eq!(count(Filter { accounts: accounts(&["nobody"]), ..ALL }), 0);
    assert_eq!(count(Filter { times_ms: 1_020..1_050, ..ALL }), 3, "from is in, to is not");
    assert_eq!(count(Filter { types: BTreeSet::from(["RESERVE", "VOID"]), ..ALL }), 5);
}

#[test]
fn a_damaged_log_is_exported_as_far_as_it_goes() {
    let (_parent, path) = data();
    story(&path).stop();
    flip(&segments(&path)[0], 4096 * 2 + 100);
    let mut out = Vec::new();
    let done = export(&open(&path), &ALL, Format::Jsonl, &mut out, &|_| {}).expect("written");
    assert_eq!((done.rows, done.findings.len(), done.findings[0].kind), (12, 1, "damaged"));
}

fn inspected(path: &Path, how: Inspection) -> (String, u64) {
    let log = RestingLog::of_segment(path).expect("readable").expect("a segment");
    let mut out = Vec::new();
    let faults = inspect(&log, how, &mut out).expect("written");
    (String::from_utf8(out).expect("text"), faults)
}

#[test]
fn a_segment_is_shown_block_by_block() {
    let (_parent, path) = data();
    story(&path).stop();
    let segment = &segments(&path)[0];
    let (text, faults) = inspected(segment, Inspection::default());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), faults), (8, 0), "{text}");
    assert!(lines[0].starts_with("segment name=0000000000000000-00000001.wal instance=0707"), "{text}");
    assert!(lines[1].starts_with("block no=0 offset=4096 lsn=0 kind=FENCE records=0 body=0 durable_lsn=0"), "{text}");
    assert!(lines[6].contains(" kind=CLEAN_STOP "), "{text}");
    let (text, _) = inspected(segment, Inspection { block_no: Some(2), records: true, json: false });
    let words: Vec<&str> = text.lines().map(|line| line.split(' ').next().expect("a word")).collect();
    assert_eq!(words, ["segment", "block", "record", "record", "end"]);
    assert!(text.contains(" account=ann seq=2 ") && text.contains(" type=DEBIT "), "{text}");
    let (text, _) = inspected(segment, Inspection { json: true, records: true, ..Inspection::default() });
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(object["line"].is_string());
    }
}

#[test]
fn a_damaged_segment_is_shown_as_far_as_it_is_whole() {
    let (parent, path) = data();
    story(&path).stop();
    let copy = parent.path().join("copy of a segment");
    fs::copy(&segments(&path)[0], &copy).expect("copied");
    flip(&copy, 4096 * 3 + 100);
    let (text, faults) = inspected(&copy, Inspection::default());
    assert_eq!(faults, 1, "{text}");
    assert!(text.contains("\nfault kind=damaged offset=12288 lsn=8192 lost_to=12288 what=acknowledged data"), "{text}");
    flip(&copy, 50);
    assert!(RestingLog::of_segment(&copy).expect("readable").is_none(), "nothing says that it is one");
    let named = parent.path().join("0000000000000000-00000001.wal");
    fs::rename(&copy, &named).expect("renamed");
    let error = RestingLog::of_segment(&named).expect_err("damaged");
    assert!(error.to_string().contains("the segment header is damaged"), "{error}");
}
