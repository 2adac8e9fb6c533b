//! Ends in the middle of a start, several in a row, with the built server: what was acknowledged is there all the same.
//!
//! strace kills the process at a call of its own choice; where it may not run, the tests say so and prove nothing.

use std::process::Command;

use crate::files::segments;
use crate::recovery::FLAGS;
use crate::server::{Server, Site};
use crate::wire::{Wire, info, request};

/// Calls by which a start changes the directory.
const CHANGES: [&str; 9] =
    ["fallocate", "pwrite64", "write", "fdatasync", "fsync", "rename", "renameat2", "unlink", "ftruncate"];

/// Whether strace may run here.
pub fn has_strace() -> bool {
    let trial = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).status();
    let has = trial.is_ok_and(|status| status.success());
    if !has {
        eprintln!("SKIPPED: strace may not run, nothing was killed");
    }
    has
}

/// Grants one credit each to `count` accounts.
fn grant(server: &Server, life: u32, count: u32) {
    let mut wire = server.connect();
    for n in 0..count {
        wire.send(&request(&format!("CREDIT.GRANT acct:{n} g{life} 1 META {}", "m".repeat(900))));
    }
    for _ in 0..count {
        assert!(wire.reply().line().contains("granted"));
    }
}

fn balance(wire: &mut Wire) -> u32 {
    info(wire, "credits", "balance").parse().expect("a number")
}

#[test]
fn a_start_killed_at_any_of_its_changes_is_only_done_again() {
    if !has_strace() {
        return;
    }
    let site = Site::new();
    let server = site.start(&FLAGS);
    grant(&server, 0, 300);
    server.kill9();
    let mut killed = 0;
    for call in CHANGES {
        // Each start finds what the one that was killed before it left, and a torn tail to be set aside.
        for nth in 1.. {
            tear(&site);
            let start = site.begin(&kill_at(call, nth).each_ref().map(String::as_str), &FLAGS).ready();
            let Err((status, log)) = start else { break };
            assert!(status.code().is_none(), "killed, not refused: {status}\n{log}");
            killed += 1;
        }
    }
    let server = site.start(&FLAGS);
    assert_eq!(balance(&mut server.connect()), 300, "after {killed} killed starts");
    assert!(killed >= 20, "a start changes more than {killed} times");
}

/// Leaves half a commit behind the log's end.
fn tear(site: &Site) {
    let mut segment = segments(site).pop().expect("a segment");
    let at = segment.log_end();
    segment.bytes[at..at + 5_000].fill(0xa5);
    segment.save();
}

/// strace that kills the process it runs when one of its threads comes to `call` for the `nth` time.
fn kill_at(call: &str, nth: u32) -> [String; 7] {
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    ["strace", "-D", "-f", "-o", "/dev/null", "-e", &inject].map(str::to_owned)
}

#[test]
fn a_save_killed_at_any_of_its_steps_leaves_what_was_there() {
    if !has_strace() {
        return;
    }
    let site = Site::new();
    let server = site.start(&FLAGS);
    grant(&server, 0, 100);
    server.connect().expect("SAVE", "+OK");
    server.kill9();
    let draft = site.data_dir().join("shard-000/snapshot.tmp");
    let (mut granted, mut killed) = (100, 0);
    for call in ["openat", "pwrite64", "fdatasync", "rename"] {
        for nth in 1.. {
            let mut strace = kill_at(call, nth).to_vec();
            strace.splice(1..1, ["-P".to_owned(), draft.to_str().expect("text").to_owned()]);
            let strace: Vec<_> = strace.iter().map(String::as_str).collect();
            let server = site.begin(&strace, &FLAGS).ready().unwrap_or_else(|(status, log)| panic!("{status}\n{log}"));
            grant(&server, granted, 1);
            granted += 1;
            let mut wire = server.connect();
            assert_eq!(balance(&mut wire), granted, "{call} {nth}");
            wire.send(&request("SAVE"));
            if let Some(saved) = wire.next() {
                assert_eq!(saved.line(), "+OK", "{call} {nth}");
                break;
            }
            killed += 1;
        }
    }
    assert!(killed >= 4, "a save has more than {killed} steps");
    let server = site.start(&FLAGS);
    assert_eq!(balance(&mut server.connect()), granted);
}

#[test]
fn three_kills_in_a_row_while_the_log_is_read_change_nothing() {
    if !has_strace() {
        return;
    }
    let site = Site::new();
    let server = site.start(&FLAGS);
    (0..5).for_each(|life| grant(&server, life, 500));
    server.kill9();
    let slow =
        ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=150000"];
    for _ in 0..3 {
        let starting = site.begin(&slow, &FLAGS);
        let port = (0..10_000_000).find_map(|_| starting.listening_port()).expect("it listens before it serves");
        let early = Wire::connect(port).ask("CREDIT.BALANCE acct:1").line();
        assert!(early.starts_with("-LOADING "), "{early}");
        drop(starting); // SIGKILL
    }
    let server = site.start(&FLAGS);
    assert_eq!(balance(&mut server.connect()), 2_500);
}
