//! The rules of the house, as a test: who may know whom, where the dangerous things live, how large a file grows.
//!
//! Reads src/ as text: comments and literals are blanked before code is searched, so that a page about `unsafe` is not
//! `unsafe`. Each check has a planted violation at the end, so that none of them can stop working unnoticed.

use std::fs;
use std::path::{Path, PathBuf};

/// What a top-level module may use of the others; a row is (module, paths). `*` = everything. A path allows what is
/// below it. The reasons are in docs/architecture.md.
const EDGES: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("main", &[]),
    ("cli", &["*"]),
    (
        "server",
        &["access", "net", "commands", "shard", "ledger", "journal", "feed", "admin", "telemetry", "config", "clock"],
    ),
    (
        "net",
        &[
            "access",
            "commands",
            "shard::batch",
            "ledger::command",
            "ledger::credits",
            "ledger::id",
            "ledger::outcome",
            "ledger::rejection",
        ],
    ),
    (
        "commands",
        &[
            "ledger::codec", // replies about the trail are tested on real records
            "ledger::command",
            "ledger::credits",
            "ledger::event",
            "ledger::id",
            "ledger::lead",
            "ledger::outcome",
            "ledger::rejection",
        ],
    ),
    ("access", &["commands"]),
    ("shard", &["ledger", "journal"]),
    ("admin", &["net::listener", "telemetry", "config"]),
    ("archive", &["journal", "ledger"]),
    ("feed", &["journal", "ledger::codec", "ledger::event", "ledger::lead", "ledger::id", "commands::reply"]),
    ("ledger", &[]),
    ("journal", &[]),
    ("config", &[]),
    ("clock", &[]),
    ("telemetry", &[]),
];

/// Words of code that live only under these paths of src/, and why.
const CONFINED: &[(&str, &[&str], &str)] = &[
    ("unsafe", &[], "nothing here needs it"),
    ("core_affinity", &["server/core.rs"], "only a core pins itself"),
    ("tokio", &["net/", "server/", "admin/", "feed/", "cli/"], "rules, disk and joint are synchronous"),
    ("SystemTime::now", &["clock.rs"], "time is data"),
    ("Instant::now", &["clock.rs"], "time is data"),
    ("todo!", &[], "nothing is left for later in the code"),
    ("unimplemented!", &[], "nothing is left for later in the code"),
];

/// Marks of unfinished work, in comments too.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "manager", "handler", "handlers", "common", "misc"];

const CODE_LINES_MAX: usize = 500;
const TEST_LINES_MAX: usize = 800;
const MAIN_LINES_MAX: usize = 60;

#[test]
fn the_house_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&root);
    assert!(files.len() > 20, "src/ is here");
    let mut faults = Vec::new();
    for path in files {
        let name = path.strip_prefix(&root).expect("it is below src/").to_str().expect("names are text").to_string();
        faults.extend(check(&name, &fs::read_to_string(&path).expect("a readable file")));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Every fault of one file. `name` is its path below src/.
fn check(name: &str, source: &str) -> Vec<String> {
    let code = blank_comments_and_literals(source);
    let mut faults = Vec::new();
    faults.extend(edge_faults(name, &code));
    for (word, homes, why) in CONFINED {
        let at_home = homes.iter().any(|home| name == *home || (home.ends_with('/') && name.starts_with(home)));
        if !at_home && let Some(line) = line_with_word(&code, word) {
            faults.push(format!("src/{name}:{line}: `{word}` belongs to {homes:?}: {why}"));
        }
    }
    for word in UNFINISHED {
        if let Some(line) = line_with_word(source, word) {
            faults.push(format!("src/{name}:{line}: {word}: finish it, or say in prose what is absent"));
        }
    }
    if !source.starts_with("//! ") {
        faults.push(format!("src/{name}:1: no `//!` header that says what the file is for"));
    }
    let stems = name.trim_end_matches(".rs").split('/');
    faults
        .extend(stems.filter(|stem| EMPTY_NAMES.contains(stem)).map(|stem| format!("src/{name}: `{stem}` is no noun")));
    faults.extend(size_fault(name, source));
    faults
}

/// Uses of modules that the file's module must not know.
fn edge_faults(name: &str, code: &str) -> Vec<String> {
    let module = name.split(['/', '.']).next().expect("split yields something");
    let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == module) else {
        return vec![format!("src/{name}: `{module}` has no row in the table of edges")];
    };
    // A file a/b.rs is module a::b: as many `super` as it has names lead to the root of the crate.
    let depth = name.trim_end_matches("/mod.rs").split('/').count();
    let mut faults = Vec::new();
    for (line, path) in crate_paths(code, depth) {
        let target = path.split("::").next().expect("split yields something");
        let is_module = EDGES.iter().any(|(known, _)| *known == target);
        let is_below =
            |entry: &str| path.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let is_allowed = |entry: &&str| *entry == "*" || is_below(entry);
        if is_module && target != module && !allowed.iter().any(is_allowed) {
            faults.push(format!("src/{name}:{line}: {module} must not know `{path}`"));
        }
    }
    faults
}

/// Paths from the root of the crate, with their lines: what follows `crate::`, or `super::` as often as the file is
/// deep. Groups are spelled out.
fn crate_paths(code: &str, depth: usize) -> Vec<(usize, String)> {
    let roots = ["crate::".to_string(), "super::".repeat(depth)];
    let mut paths = Vec::new();
    for root in &roots {
        for (at, _) in code.match_indices(root.as_str()) {
            if code[..at].ends_with(|c: char| is_word(c) || c == ':') {
                continue;
            }
            let line = 1 + code[..at].matches('\n').count();
            let mut found = Vec::new();
            let tree = code[at + root.len()..].trim_start_matches("super::");
            spell_out(tree, "", &mut found);
            paths.extend(found.into_iter().map(|path| (line, path)));
        }
    }
    paths
}

/// Spells out the use tree at the start of `text` below `prefix`; returns how many bytes it took.
fn spell_out(text: &str, prefix: &str, found: &mut Vec<String>) -> usize {
    let joined = |name: &str| if prefix.is_empty() { name.to_string() } else { format!("{prefix}::{name}") };
    if !text.starts_with('{') {
        let len = text.find(|c| !is_word(c)).unwrap_or(text.len());
        let path = joined(&text[..len]);
        if let Some(rest) = text[len..].strip_prefix("::") {
            return len + 2 + spell_out(rest, &path, found);
        }
        found.push(path);
        return len;
    }
    let mut at = 1;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '}' => return at + 1,
            c if is_word(c) || c == '{' => at += spell_out(&text[at..], prefix, found).max(1),
            c => at += c.len_utf8(),
        }
    }
    at
}

fn size_fault(name: &str, source: &str) -> Option<String> {
    let lines: Vec<&str> = source.lines().collect();
    let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
    let tests_at = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests"));
    let code_max = match () {
        () if name == "main.rs" => MAIN_LINES_MAX,
        () if is_test => TEST_LINES_MAX,
        () => CODE_LINES_MAX,
    };
    let code_lines = tests_at.unwrap_or(lines.len());
    if code_lines > code_max {
        return Some(format!("src/{name}: {code_lines} lines of code, at most {code_max}: split it"));
    }
    (lines.len() > TEST_LINES_MAX).then(|| format!("src/{name}: {} lines, at most {TEST_LINES_MAX}", lines.len()))
}

/// The line of the first `word` that is no part of a longer word, from 1.
fn line_with_word(text: &str, word: &str) -> Option<usize> {
    let stands_alone = |at: &usize| {
        let before = text[..*at].chars().next_back().is_some_and(is_word);
        let after = text[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    };
    let at = text.match_indices(word).map(|(at, _)| at).find(stands_alone)?;
    Some(1 + text[..at].matches('\n').count())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The source with comments, strings and character literals replaced by spaces; lines stay where they are.
fn blank_comments_and_literals(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("only whole literals were blanked")
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none starts there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |from: usize, needle: &[u8]| {
        let found = rest[from..].windows(needle.len()).position(|window| window == needle);
        found.map_or(bytes.len(), |offset| at + from + offset + needle.len())
    };
    let word_before = at > 0 && is_word(char::from(bytes[at - 1]));
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => find(2, b"*/"),
        [b'r', b'"' | b'#', ..] if !word_before => {
            let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
            if rest.get(1 + hashes) != Some(&b'"') {
                return at; // A raw identifier.
            }
            find(2 + hashes, &[b"\"".as_slice(), &b"#".repeat(hashes)].concat())
        }
        [b'"', ..] => quoted_end(bytes, at),
        // A character, not a lifetime: closed after one character or an escape.
        [b'\'', b'\\', ..] => find(3, b"'"),
        [b'\'', ..] => {
            let char_len =
                std::str::from_utf8(&rest[1..]).ok().and_then(|text| text.chars().next()).map_or(1, char::len_utf8);
            if rest.get(1 + char_len) == Some(&b'\'') { at + 2 + char_len } else { at }
        }
        _ => at,
    }
}

fn quoted_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(dir).expect("a readable directory").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn each_rule_catches_a_planted_violation() {
    let long = "//! x\n".to_string() + &"fn f() {}\n".repeat(501);
    let long_main = "//! x\n".to_string() + &"\n".repeat(60);
    for (name, source, fault) in [
        ("ledger/a.rs", "//! x\nuse crate::journal::Log;", "src/ledger/a.rs:2: ledger must not know `journal::Log`"),
        ("journal/mod.rs", "//! x\nfn f(l: crate::ledger::id::Lsn) {}", "journal must not know `ledger::id::Lsn`"),
        (
            "commands/a.rs",
            "//! x\nuse crate::ledger::{\n    id::Lsn,\n    rules::{Past, Decision},\n};",
            "`ledger::rules::Past`",
        ),
        ("commands/a.rs", "//! x\nuse crate::{ledger::id::Lsn, shard};", "commands must not know `shard`"),
        ("net/a.rs", "//! x\nuse crate::shard::pending::Pending;", "net must not know `shard::pending::Pending`"),
        ("net/a.rs", "//! x\nuse crate::shard::batches;", "net must not know `shard::batches`"),
        ("shard/a.rs", "//! x\nuse super::super::server::Ready;", "shard must not know `server::Ready`"),
        ("telemetry/mod.rs", "//! x\nuse super::config::Config;", "telemetry must not know `config::Config`"),
        ("cellar/a.rs", "//! x\n", "`cellar` has no row"),
        ("shard/a.rs", "//! x\nfn f() { unsafe { g() } }", "src/shard/a.rs:2: `unsafe` belongs to"),
        ("shard/a.rs", "//! x\nuse tokio::sync::mpsc;", "`tokio` belongs to"),
        ("server/a.rs", "//! x\nuse core_affinity::CoreId;", "`core_affinity` belongs to"),
        ("server/a.rs", "//! x\nlet t = std::time::Instant::now();", "`Instant::now` belongs to"),
        ("cli/a.rs", "//! x\nlet t = SystemTime::now();", "`SystemTime::now` belongs to"),
        ("cli/a.rs", "//! x\nfn f() { todo!() }", "`todo!` belongs to"),
        ("cli/a.rs", "//! x\n// TODO later", "src/cli/a.rs:2: TODO"),
        ("cli/a.rs", "fn f() {}", "src/cli/a.rs:1: no `//!` header"),
        ("cli/helper.rs", "//! x\n", "`helper` is no noun"),
        ("shard/common/a.rs", "//! x\n", "`common` is no noun"),
        ("cli/a.rs", long.as_str(), "502 lines of code, at most 500"),
        ("main.rs", long_main.as_str(), "61 lines of code, at most 60"),
    ] {
        let faults = check(name, source);
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault:?} is not among {faults:?} for {name}");
    }
}

#[test]
fn what_is_allowed_is_not_a_fault() {
    let long_tests = "//! x\n#[cfg(test)]\nmod tests {\n".to_string() + &"\n".repeat(700) + "}\n";
    for (name, source) in [
        ("server/a.rs", "//! x\nuse crate::{net, shard::{batch, pending}};\nuse tokio::net::TcpStream;"),
        ("net/a.rs", "//! x\nuse crate::shard::batch;\nuse crate::shard::batch::Batch;\nuse crate::net::resp;"),
        (
            "shard/a.rs",
            "//! no `unsafe`, no crate::server\n// unsafe tokio\nfn f() -> &'static str { \"unsafe \\\" tokio\" }",
        ),
        (
            "shard/a.rs",
            "//! x\nconst A: &str = r#\"unsafe \"tokio\"#; const Q: char = '\"'; /* unsafe */ fn f<'a>() {}",
        ),
        ("shard/a.rs", "//! x\n#![deny(unsafe_code)]\nfn tokio_free() {}"),
        ("shard/a.rs", "//! x\nmod tests { use super::super::batch; use super::*; }"),
        ("clock.rs", "//! x\nfn f() { SystemTime::now(); }"),
        ("shard/a.rs", long_tests.as_str()),
    ] {
        assert_eq!(check(name, source), Vec::<String>::new(), "{name}: {source}");
    }
}
