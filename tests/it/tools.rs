//! The offline tools, as processes, on the directories of servers: killed, stopped, running, and damaged after that.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Server, Site};
use crate::wire::Wire;

/// What a tool said and how it ended.
pub struct Told {
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs a subcommand to its end.
pub fn tool(words: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_creditd")).args(words).env_clear().output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn verify(site: &Site, more: &[&str]) -> Told {
    let dir = site.data_dir();
    tool(&[&["verify", dir.to_str().expect("text")][..], more].concat())
}

/// Ten accounts with every kind of entry.
fn load(wire: &mut Wire) {
    for n in 0..10 {
        for line in [
            "CREDIT.GRANT acct:# g1 100 REASON first,\"quoted\"",
            "CREDIT.RESERVE acct:# r1 40 TTL 600000",
            "CREDIT.CAPTURE acct:# r1 AMOUNT 30",
            "CREDIT.REFUND acct:# f1 r1 AMOUNT 10",
            "CREDIT.DEBIT acct:# d1 5",
            "CREDIT.RESERVE acct:# r2 7 TTL 600000",
            "CREDIT.RELEASE acct:# r2",
            "CREDIT.RELEASE acct:# v1",
            "CREDIT.RESERVE acct:# r3 2 TTL 600000",
        ] {
            let reply = wire.ask(&line.replace('#', &n.to_string())).text();
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
        let declined = wire.ask(&format!("CREDIT.DEBIT acct:{n} d2 100000")).line();
        assert!(declined.starts_with("-INSUFFICIENT"), "{declined}");
    }
}

fn loaded(site: &Site) -> Server {
    let server = site.start(&["--shards", "2"]);
    load(&mut server.connect());
    server
}

/// Every file with its content: what no tool may change.
pub fn image(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { dirs.push(path) } else { found.push((path.clone(), fs::read(&path).expect("readable"))) }
        }
    }
    found.sort();
    found
}

fn segments(site: &Site, shard: u16) -> Vec<PathBuf> {
    let dir = site.data_dir().join(format!("shard-{shard:03}"));
    let files = fs::read_dir(dir).expect("there").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "wal")).collect();
    found.sort();
    found
}

#[test]
fn a_stopped_server_s_directory_is_proved_and_not_touched() {
    let site = Site::new();
    assert_eq!(loaded(&site).terminate(), Some(0));
    let before = image(&site.data_dir());
    let told = verify(&site, &[]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    assert!(told.out.ends_with(": ok\n") && !told.out.contains("note:"), "{}", told.out);
    let report: serde_json::Value = serde_json::from_str(&verify(&site, &["--json"]).out).expect("JSON");
    let sum =
        |name: &str| report["shards"].as_array().expect("two").iter().map(|s| s[name].as_u64().expect(name)).sum();
    assert_eq!((report["ok"].as_bool(), sum("records"), sum("accounts"), sum("holds")), (Some(true), 100, 10, 10u64));
    let sums = |name: &str| -> u64 {
        report["shards"].as_array().expect("two").iter().map(|s| s["sums"][name].as_u64().expect(name)).sum()
    };
    assert_eq!((sums("granted"), sums("refunded"), sums("debited"), sums("balance")), (1000, 100, 350, 750));
    for words in [&["head"][..], &["export", "--format", "csv"]] {
        let told = tool(&[words, &[site.data_dir().to_str().expect("text")]].concat());
        assert_eq!(told.code, Some(0), "{words:?} {}", told.err);
    }
    assert_eq!(image(&site.data_dir()), before, "tools only read");
    assert_eq!(site.start(&[]).terminate(), Some(0), "and nobody holds a lock");
}

#[test]
fn a_killed_server_s_directory_is_proved_with_a_note() {
    let site = Site::new();
    loaded(&site).kill9();
    let before = image(&site.data_dir());
    let told = verify(&site, &[]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    assert_eq!(told.out.matches("note: no CLEAN_STOP").count(), 2, "{}", told.out);
    assert_eq!(image(&site.data_dir()), before, "tools only read");
}

#[test]
fn a_running_server_s_directory_is_proved_again_and_again() {
    let site = Site::new();
    let server = loaded(&site);
    let mut heads = BTreeSet::new();
    std::thread::scope(|scope| {
        let mut wire = server.connect();
        let writer = scope.spawn(move || {
            for n in 0..3000 {
                wire.send(&crate::wire::request(&format!("CREDIT.GRANT acct:{} w{n} 1", n % 10)));
            }
            for _ in 0..3000 {
                wire.reply();
            }
        });
        loop {
            let is_last = writer.is_finished();
            let told = verify(&site, &[]);
            assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
            let head = tool(&["head", site.data_dir().to_str().expect("text")]);
            assert_eq!((head.code, head.out.lines().count()), (Some(0), 2), "{}", head.err);
            heads.insert(head.out);
            if is_last {
                break;
            }
        }
    });
    assert_eq!(server.terminate(), Some(0));
    // Every head that was ever printed is in the log.
    let file = site.path("heads");
    fs::write(&file, heads.into_iter().collect::<String>()).expect("kept elsewhere");
    let told = verify(&site, &["--head", file.to_str().expect("text")]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
}

#[test]
fn damage_is_found_named_and_not_mended() {
    let site = Site::new();
    assert_eq!(loaded(&site).terminate(), Some(0));
    let head = tool(&["head", "--json", site.data_dir().to_str().expect("text")]);
    let file = site.path("heads");
    fs::write(&file, &head.out).expect("kept elsewhere");
    let segment = &segments(&site, 0)[0];
    let victim = fs::File::options().read(true).write(true).open(segment).expect("there");
    let mut byte = [0];
    victim.read_exact_at(&mut byte, 2 * 4096 + 80).expect("read");
    victim.write_all_at(&[!byte[0]], 2 * 4096 + 80).expect("damaged");
    let before = image(&site.data_dir());
    let told = verify(&site, &["--head", file.to_str().expect("text")]);
    assert_eq!(told.code, Some(65), "{}", told.out);
    let name = segment.file_name().and_then(|name| name.to_str()).expect("text");
    let place = format!("FINDING damaged: shard 0 segment {name} offset 8192 lsn 4096: acknowledged data is damaged");
    for words in [place.as_str(), "lost or in doubt: lsn 4096..8192", "accounts with entries there", "next: copy"] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    let inspected = tool(&["inspect", segment.to_str().expect("text"), "--records"]);
    assert_eq!(inspected.code, Some(65), "{}", inspected.err);
    assert!(inspected.out.contains("\nfault kind=damaged offset=8192 ") && inspected.out.contains("\nrecord "));
    let exported = tool(&["export", site.data_dir().to_str().expect("text"), "--format", "jsonl"]);
    assert_eq!(exported.code, Some(65));
    assert!(exported.err.contains("entries may be missing"), "{}", exported.err);
    assert_eq!(image(&site.data_dir()), before, "tools only read");
    assert_eq!(site.refusal(&[]).0, Some(65), "the server agrees");
}

#[test]
fn an_export_has_the_trail_of_the_accounts_that_were_asked_for() {
    let site = Site::new();
    assert_eq!(loaded(&site).terminate(), Some(0));
    let dir = site.data_dir();
    let export = |more: &[&str]| tool(&[&["export", dir.to_str().expect("text")][..], more].concat());
    let rows = |told: &Told| -> Vec<serde_json::Value> {
        assert_eq!(told.code, Some(0), "{}", told.err);
        told.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    assert_eq!(rows(&export(&["--format", "jsonl"])).len(), 100);
    let of_one = rows(&export(&["--format", "jsonl", "--account", "acct:3"]));
    let types: Vec<_> = of_one.iter().map(|row| row["type"].as_str().expect("a word")).collect();
    let all = ["GRANT", "RESERVE", "CAPTURE", "REFUND", "DEBIT", "RESERVE", "RELEASE", "VOID", "RESERVE", "DECLINE"];
    assert_eq!(types, all);
    let (mut balance, mut reserved) = (0, 0);
    for row in &of_one {
        (balance, reserved) =
            (balance + row["delta"].as_i64().expect("a sum"), reserved + row["rdelta"].as_i64().expect("a sum"));
        assert_eq!((row["balance"].as_i64(), row["reserved"].as_i64()), (Some(balance), Some(reserved)), "{row}");
    }
    let file = site.path("out.csv");
    let file = file.to_str().expect("text");
    let told = export(&["--format", "csv", "--type", "grant", "--type", "REFUND", "--output", file]);
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (Some(0), "", "export: 20 entries\n"));
    let csv = fs::read_to_string(file).expect("written");
    assert_eq!(csv.split("\r\n").filter(|line| line.contains("\"first,\"\"quoted\"\"\"")).count(), 10, "{csv}");
    let told = export(&["--format", "csv", "--output", file]);
    assert_eq!(told.code, Some(64), "an existing file is left alone: {}", told.err);
    assert_eq!(fs::read_to_string(file).expect("still there"), csv);
}

#[test]
fn closed_segments_are_archived_beside_a_server_and_proved_there() {
    let site = Site::new();
    (0..2).for_each(|_| assert_eq!(loaded(&site).terminate(), Some(0)));
    let server = loaded(&site);
    let (data, dest) = (site.data_dir(), site.path("archive"));
    let words = ["archive", data.to_str().expect("text"), dest.to_str().expect("text"), "--before", "2100-01-01"];
    for copied in [segments(&site, 0).len() - 1, 0] {
        let told = tool(&words);
        assert_eq!(told.code, Some(0), "{}", told.err);
        assert!(told.out.starts_with(&format!("shard 0: {copied} segments copied, all below lsn ")), "{}", told.out);
        assert!(told.err.contains("a server runs here: nothing is removed"), "{}", told.err);
    }
    assert_eq!(server.terminate(), Some(0));
    let told = tool(&words);
    assert!(told.code == Some(0) && told.out.contains(" 0 removed, "), "no start could do without: {}", told.out);
    let told = tool(&["verify", words[2]]);
    assert_eq!(told.code, Some(0), "{}", told.out);
    let archived =
        image(&dest).into_iter().find(|(path, _)| path.ends_with(segments(&site, 0)[0].file_name().expect("a name")));
    let (path, mut bytes) = archived.expect("archived");
    bytes[20] ^= 1;
    fs::write(&path, bytes).expect("another file");
    let told = tool(&words);
    assert!(told.code == Some(65) && told.err.contains("FINDING archive: "), "{}", told.err);
}

#[test]
fn wrong_words_are_usage_and_say_what_is_wrong() {
    let site = Site::new();
    let nowhere = site.path("nowhere");
    let (nowhere, here) = (nowhere.to_str().expect("text"), site.path("").to_str().expect("text").to_owned());
    for (words, saying) in [
        (vec!["verify"], "DATA_DIR"),
        (vec!["verify", nowhere], "No such file"),
        (vec!["verify", &here], "neither a MANIFEST nor a segment"),
        (vec!["verify", &here, "--port", "1"], "unexpected argument '--port'"),
        (vec!["verify", &here, "--head", nowhere], "No such file"),
        (vec!["head", &here], "neither a MANIFEST nor a segment"),
        (vec!["inspect", env!("CARGO_BIN_EXE_creditd")], "is no segment"),
        (vec!["export", &here], "--format"),
        (vec!["export", &here, "--format", "xml"], "csv"),
        (vec!["export", &here, "--format", "csv", "--from", "yesterday"], "RFC 3339"),
        (vec!["export", &here, "--format", "csv", "--type", "PAYMENT"], "GRANT"),
        (vec!["export", &here, "--format", "csv", "--account", "a\\q"], "backslash"),
    ] {
        let told = tool(&words);
        assert_eq!(told.code, Some(64), "{words:?}: {}", told.err);
        assert!(told.err.contains(saying), "{words:?}: {}", told.err);
    }
    for tool_name in ["verify", "inspect", "export", "head", "backup", "restore", "repair", "archive"] {
        let told = tool(&[tool_name, "--help"]);
        assert_eq!(told.code, Some(0));
        let page = if tool_name == "restore" { "backup" } else { tool_name };
        for words in ["Exit codes:", &format!("docs/operate/{page}.md")] {
            assert!(told.out.contains(words), "{tool_name}: {}", told.out);
        }
    }
}
