//! Formats 1 and 2 of the log, held still: stories told again give the bytes of the golden directories, and those are read as
//! they always were (docs/log-format.md).
//!
//! ```text
//!  story ─▶ shards, journal ─▶ today's directory ══ same bytes ══ golden directory ─▶ recovery, verify, export
//!                                                                       └─▶ read_log.py ══ same text ══┘
//! ```
//! Golden files stand without the pages of zeros at their ends; `FILES` says how long each is. Where today's differ they
//! are left in target/tmp/golden. A new format gets stories and directories of its own; nobody writes these again.

mod story;
mod teller;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use creditd::archive::LEAD_TYPES;
use creditd::journal::{BLOCK_HEADER_LEN, PAGE};
use creditd::ledger::codec;
use creditd::ledger::event::{Change, EntryType, Event};
use teller::Teller;
use tempfile::TempDir;

/// A golden directory: its name, how many shards it has, how it came about, and what `verify` says of it.
struct Golden {
    name: &'static str,
    shards: u16,
    tell: fn(&mut Teller) -> Vec<u128>,
    verdict: &'static str,
}

const ALL: [Golden; 3] = [
    Golden { name: "stopped", shards: 2, tell: story::stopped, verdict: ": ok\n" },
    Golden { name: "killed", shards: 1, tell: story::killed, verdict: "not judged" },
    Golden { name: "leads", shards: 2, tell: story::leads, verdict: ": ok\n" },
];

/// Files of a data directory by their path in it: the length, and the bytes without pages of zeros at the end.
type Files = BTreeMap<String, (u64, Vec<u8>)>;

#[test]
fn a_story_told_again_gives_the_same_bytes() {
    let differences = ALL.iter().filter_map(|golden| {
        let (today, _) = golden.told();
        let difference = difference(&golden.files(), &today)?;
        Some(format!("\n{}/{difference}. Today's files: {}", golden.name, golden.leave(&today).display()))
    });
    let differences: String = differences.collect();
    assert!(
        differences.is_empty(),
        "formats 1 and 2 are frozen:{differences}\nWhat is meant to differ is a new format: docs/log-format.md, \"What a later \
         version may change\""
    );
}

#[test]
fn what_was_written_is_read_as_it_was() {
    for golden in ALL {
        let site = golden.restored();
        let (code, out) = tool(&["verify"], &data(&site));
        assert!(code == Some(0) && out.contains(golden.verdict), "verify {}: {code:?}\n{out}", golden.name);
        let export = tool(&["export", "--format", "csv"], &data(&site));
        assert!(export == (Some(0), golden.export()), "it is frozen: {} is exported as {export:?}", golden.name);
        let recovered = Teller::open(&data(&site), golden.shards).expect("it is frozen: it is read");
        assert_eq!(recovered.digests(), golden.told().1, "{}: not the state that wrote it", golden.name);
    }
}

#[test]
fn the_second_reader_reads_the_same() {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/read_log.py");
    for golden in ALL {
        let site = golden.restored();
        let export = tool(&["export", "--format", "jsonl"], &data(&site));
        assert!(run("python3", &[reader], &data(&site)) == export, "{}: read_log.py differs", golden.name);
        let first = data(&site).join("shard-000/0000000000000000-00000001.wal");
        let file = File::options().write(true).open(first).expect("the first segment");
        file.write_all_at(&[9], PAGE as u64 + 24).expect("writable");
        assert_eq!(run("python3", &[reader], &data(&site)).0, Some(65), "{}: read_log.py sees no damage", golden.name);
    }
}

#[test]
fn the_stories_tell_everything() {
    let all: String = ALL.map(|golden| golden.export()).concat();
    let kinds = EntryType::ALL.map(EntryType::word).map(|word| format!(",{word},"));
    let others = ["INSUFFICIENT", "OVERFLOW", "LIMIT", ",busy,512,", "\\xff", "\n1,"].map(str::to_owned);
    let leads = LEAD_TYPES.map(|word| format!(",{word},"));
    let refusals = ["FULL", "CLOSED", "EXPIRED"].map(|word| format!(",lead,LEAD{word},"));
    let already = [",lead,ALREADYCLAIMED,".to_owned()];
    for what in kinds.iter().chain(&others).chain(&leads).chain(&refusals).chain(&already) {
        assert!(all.contains(what), "no entry has {what}");
    }
}

/// A checksum that is right and a number that is not ours: named, whether it stands in the midst of a log or at its end,
/// and nothing is changed.
#[test]
fn what_a_newer_version_wrote_is_refused_by_name() {
    const SALT_AT: usize = 12;
    let golden = &ALL[0];
    for (segment, block_at) in [("0000000000000000-00000001.wal", PAGE), ("0000000000006000-00000002.wal", 2 * PAGE)] {
        let site = golden.restored();
        let path = data(&site).join("shard-000").join(segment);
        let mut bytes = fs::read(&path).expect("readable");
        let salt = u32::from_le_bytes(*bytes[SALT_AT..].first_chunk().expect("a header"));
        let (_, block) = bytes.split_at_mut(block_at);
        let body_len = u32::from_le_bytes(*block[16..].first_chunk().expect("a block")) as usize;
        block[8] = 3;
        let crc = crc32c::crc32c_append(salt, &block[8..BLOCK_HEADER_LEN + body_len]);
        block[4..8].copy_from_slice(&crc.to_le_bytes());
        fs::write(&path, bytes).expect("writable");
        let before = gather(&data(&site));
        let message = format!(
            "shard 0 segment {segment} block at offset {block_at} is written by a newer version of creditd: format 3, \
             this version reads format 2; next: start the version that wrote it"
        );
        let refusal = Teller::open(&data(&site), 2).err().expect("it is refused");
        assert_eq!((refusal.to_string(), refusal.exit_code()), (message.clone(), 65));
        let (code, out) = tool(&["verify"], &data(&site));
        assert!(code == Some(65) && out.contains(&message), "{code:?} {out}");
        assert!(gather(&data(&site)) == before, "nothing is changed");
    }
}

/// What no command writes is part of the format too.
#[test]
fn a_lead_stands_where_it_was_promised() {
    let event = Event {
        account: b"tradie:7",
        tx: b"c1",
        reason: b"",
        meta: b"m",
        time_ms: 1_790_000_000_000,
        seq: 512,
        amount: 5,
        balance: 15,
        reserved: 0,
        prev_lsn: 4168,
        skip_lsn: 72,
        change: Change::Capture { captured: 5, opened_lsn: 4168, lead: b"lead:42" },
    };
    let mut record = Vec::new();
    codec::encode(&event, &mut record);
    let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
    let golden = "6800040308020700\
         4810000000000000006c50c4a0010000000200000000000005000000000000000f000000000000000000000000000000\
         050000000000000048100000000000004800000000000000\
         7472616469653a3763316c6561643a343201006d00000000";
    assert_eq!(hex, golden, "format 1 is frozen");
    assert_eq!(codec::decode(&record), Ok(event));
}

impl Golden {
    /// Where it stands in the repository.
    fn dir(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(self.name)
    }

    fn export(&self) -> String {
        fs::read_to_string(self.dir().join("export.csv")).expect("an export of it")
    }

    fn files(&self) -> Files {
        let list = fs::read_to_string(self.dir().join("FILES")).unwrap_or_default();
        let file = |line: &str| {
            let (len, name) = line.split_once(' ').expect("a length and a path");
            let bytes = fs::read(self.dir().join(name)).expect("a listed file is there");
            (name.to_owned(), (len.parse().expect("a length"), bytes))
        };
        list.lines().map(file).collect()
    }

    /// The data directory, as long as it was.
    fn restored(&self) -> TempDir {
        let site = tempfile::tempdir().expect("a directory");
        for (name, (len, bytes)) in self.files() {
            let path = data(&site).join(name);
            let parent = path.parent().expect("it is in a directory");
            DirBuilder::new().recursive(true).mode(0o700).create(parent).expect("a directory");
            fs::write(&path, bytes).expect("writable");
            File::options().write(true).open(path).and_then(|file| file.set_len(len)).expect("writable");
        }
        site
    }

    /// Tells the story: the files that today's code writes, and the state that it leaves.
    fn told(&self) -> (Files, Vec<u128>) {
        let site = tempfile::tempdir().expect("a directory");
        let mut teller = Teller::open(&data(&site), self.shards).expect("a new directory");
        let digests = (self.tell)(&mut teller);
        drop(teller);
        (gather(&data(&site)), digests)
    }

    /// Puts today's files where they can be looked at.
    fn leave(&self, today: &Files) -> PathBuf {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden").join(self.name);
        let _ = fs::remove_dir_all(&dir);
        let mut list = String::new();
        for (name, (len, bytes)) in today {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory");
            fs::write(path, bytes).expect("writable");
            list += &format!("{len} {name}\n");
        }
        fs::write(dir.join("FILES"), list).expect("writable");
        dir
    }
}

/// The first difference, in words.
fn difference(golden: &Files, today: &Files) -> Option<String> {
    for name in golden.keys().chain(today.keys()) {
        let Some(((len, bytes), (len_now, bytes_now))) = golden.get(name).zip(today.get(name)) else {
            return Some(format!("{name} is there in one and not in the other"));
        };
        let differs = |at: &usize| bytes.get(*at) != bytes_now.get(*at);
        if let Some(at) = (0..bytes.len().max(bytes_now.len())).find(differs) {
            let (was, is) = (bytes.get(at), bytes_now.get(at));
            return Some(format!(
                "{name} has {was:02x?} at byte {at} (page {}, {}), today {is:02x?}",
                at / PAGE,
                at % PAGE
            ));
        }
        if len != len_now {
            return Some(format!("{name} has {len} bytes, today {len_now}"));
        }
    }
    None
}

/// Every file below `root`.
fn gather(root: &Path) -> Files {
    let (mut found, mut dirs) = (Files::new(), vec![root.to_path_buf()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).expect("readable");
            let len = bytes.len() as u64;
            while bytes.ends_with(&[0; PAGE]) {
                bytes.truncate(bytes.len() - PAGE);
            }
            let name = path.strip_prefix(root).expect("it is below").to_str().expect("text").to_owned();
            found.insert(name, (len, bytes));
        }
    }
    found
}

/// The data directory in a temporary one: only the owner may enter it, and the server makes it so.
fn data(site: &TempDir) -> PathBuf {
    site.path().join("data")
}

fn tool(words: &[&str], dir: &Path) -> (Option<i32>, String) {
    run(env!("CARGO_BIN_EXE_creditd"), words, dir)
}

/// Runs a program on a directory: its exit code and what it printed.
fn run(program: &str, words: &[&str], dir: &Path) -> (Option<i32>, String) {
    let output = Command::new(program).args(words).arg(dir).output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}
