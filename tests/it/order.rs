//! In which order the built server writes, syncs and names its files, as strace sees it: the simulated disk has an
//! order of its own, so this is the part of it that only the real files have.
//!
//! Where strace may not run, the test says so and proves nothing.

use std::fs;

use crate::nested::has_strace;
use crate::server::Site;
use crate::wire::request;

const TRACE: &str = "trace=openat,pwrite64,pwritev,fdatasync,fsync,rename,pread64";

/// A call that has come back: its name, and the rest of the line, with paths for file descriptors.
type Called = (String, String);

#[test]
fn files_are_synced_before_they_are_named_and_names_before_they_are_used() {
    if !has_strace() {
        return;
    }
    let site = Site::new();
    let first = calls(&site, "first", 5_000);
    let names: Vec<_> = first.iter().enumerate().filter(|(_, (call, _))| call == "rename").collect();
    assert!(names.len() >= 3, "a segment of the start, a later one, a snapshot: {names:?}");
    for (at, (_, line)) in names {
        let mut paths = line.split('"').skip(1).step_by(2);
        let (from, to) = paths.next().zip(paths.next()).expect("a name and another");
        let of = |path: &str, line: &str| line.contains(&format!("<{path}>"));
        let is_write = |call: &str| call.starts_with("pwrite");
        let is_sync = |call: &str| call == "fdatasync" || call == "fsync";
        let before = first[..at].iter().rfind(|(call, line)| of(from, line) && (is_write(call) || is_sync(call)));
        assert!(before.is_some_and(|(call, _)| is_sync(call)), "{from} is written and not synced before it is {to}");
        let dir = to.rsplit_once('/').expect("a path").0;
        let after =
            first[at..].iter().find(|(call, line)| of(dir, line) && is_sync(call) || of(to, line) && is_write(call));
        assert!(after.is_some_and(|(call, _)| is_sync(call)), "{to} is used before its name is durable");
    }
    let second = calls(&site, "second", 0);
    let past_the_cache = |path: &str| {
        let quoted = format!("{path}\"");
        second.iter().any(|(call, line)| call == "openat" && line.contains(&quoted) && line.contains("O_DIRECT"))
    };
    let reads = second.iter().filter(|(call, line)| call == "pread64" && line.contains(".wal>"));
    let read: Vec<_> = reads.filter_map(|(_, line)| line.split(['<', '>']).nth(1)).collect();
    assert!(!read.is_empty(), "a start reads the log");
    assert!(read.into_iter().all(past_the_cache), "a start believes the page cache");
}

/// What a server calls that is started, is given so many grants, makes a snapshot if it has, and is stopped.
fn calls(site: &Site, name: &str, grants: usize) -> Vec<Called> {
    let log = site.path(name);
    let log = log.to_str().expect("text");
    let strace = ["strace", "-f", "-y", "-s", "0", "-o", log, "-e", TRACE];
    let started = site.begin(&strace, &["--cores", "1", "--shards", "1"]).ready();
    let server = started.unwrap_or_else(|(status, log)| panic!("{status}\n{log}"));
    let mut wire = server.connect();
    for n in (0..grants).step_by(100) {
        let line = |n| request(&format!("CREDIT.GRANT a g{n} 1 META {}", "m".repeat(1_000)));
        wire.send(&(n..n + 100).flat_map(line).collect::<Vec<_>>());
        (0..100).for_each(|_| assert!(wire.reply().line().contains("granted")));
    }
    if grants > 0 {
        wire.expect("SAVE", "+OK");
    }
    wire.send(&request("SHUTDOWN"));
    assert_eq!(server.exit_code(), Some(0));
    returned(&fs::read_to_string(log).expect("strace wrote it"))
}

/// The calls in the order in which they came back. `<pid> <call>(..) = ..`; one that another thread's came into is
/// `<pid> <call>(.. <unfinished ...>`, and later `<pid> <... <call> resumed>..`.
fn returned(log: &str) -> Vec<Called> {
    let (mut called, mut unfinished) = (Vec::new(), Vec::<(&str, &str)>::new());
    for line in log.lines() {
        let Some((process, line)) = line.split_once(' ') else { continue };
        let line = line.trim_start();
        if let Some(begun) = line.strip_suffix(" <unfinished ...>") {
            unfinished.push((process, begun));
            continue;
        }
        let begun = unfinished.iter().position(|(of, _)| *of == process).filter(|_| line.starts_with("<... "));
        let line = begun.map_or(line, |at| unfinished.swap_remove(at).1);
        if let Some((call, rest)) = line.split_once('(') {
            called.push((call.to_owned(), rest.to_owned()));
        }
    }
    called
}
