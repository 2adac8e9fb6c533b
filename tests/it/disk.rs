//! A disk that fails, is slow or has no room, as strace makes it.
//!
//! strace attaches to the running server and changes what `fdatasync` answers. Where it is not installed or may not
//! attach, these tests say so and prove nothing; `.ci/run` installs it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::server::{Server, Site};
use crate::wire::{Wire, info, request};

/// strace at work; it lets go when the value goes.
pub struct Fault {
    strace: Child,
    /// Kept open, so that strace can go on talking.
    _log: BufReader<std::process::ChildStderr>,
}

impl Fault {
    /// From now on calls to `call` have this `fault`. `None`, and a word to whoever reads it, where that cannot be.
    pub fn inject(server: &Server, call: &str, fault: &str) -> Option<Self> {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{fault}"));
        let (process, null) = (server.process_id().to_string(), "/dev/null");
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &process, "-e", &trace, "-e", &inject, "-o", null]);
        let Ok(mut strace) = command.stderr(Stdio::piped()).spawn() else {
            eprintln!("SKIPPED: no strace on this machine, the disk was not made to fail");
            return None;
        };
        let mut log = BufReader::new(strace.stderr.take().expect("it is piped"));
        let mut line = String::new();
        log.read_line(&mut line).expect("strace says something");
        if !line.contains("attached") {
            eprintln!("SKIPPED: strace may not attach, the disk was not made to fail: {line}");
            let _ = strace.kill();
            let _ = strace.wait();
            return None;
        }
        Some(Self { strace, _log: log })
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // The server may have ended, and strace with it.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

#[test]
fn the_first_failed_sync_ends_with_70_and_no_reply() {
    for inline_sync in ["1ms", "0"] {
        let site = Site::new();
        let server = site.start(&["--cores", "1", "--shards", "1", "--inline-sync-max", inline_sync]);
        let mut wire = server.connect();
        assert!(wire.ask("CREDIT.GRANT a safe 5").line().contains("granted"));
        let Some(_fault) = Fault::inject(&server, "fdatasync", "error=EIO") else { return };
        wire.expect("PING", "+PONG");
        wire.send(&request("CREDIT.GRANT a lost 7"));
        assert_eq!(wire.rest(), b"", "no reply to what is not on disk");
        let log = server.log();
        assert_eq!(server.exit_code(), Some(70), "{log}");
        let said = log.lines().find(|line| line.contains("FATAL")).unwrap_or_else(|| panic!("{log}"));
        for fact in ["shard 0 segment 0000000000000000-00000001.wal offset ", ": lsn ", "(os error 5)", "exit_code=70"]
        {
            assert!(said.contains(fact), "no '{fact}' in: {said}");
        }

        // Unknown means: there once or not at all. The same id settles it.
        let server = site.start(&[]);
        let mut wire = server.connect();
        let balance = wire.ask("CREDIT.BALANCE a").number("balance");
        assert!(balance == 5 || balance == 12, "{balance}");
        wire.ask("CREDIT.GRANT a lost 7");
        assert_eq!(wire.ask("CREDIT.BALANCE a").number("balance"), 12);
    }
}

#[test]
fn while_the_disk_is_slow_replies_stay_right_and_reads_that_show_nothing_new_do_not_wait() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "2"]);
    let mut wire = server.connect();
    assert!(wire.ask("CREDIT.GRANT a g0 1000").line().contains("granted"));
    let Some(_fault) = Fault::inject(&server, "fdatasync", "delay_enter=30000") else { return };
    for round in 0..8 {
        let lines: Vec<_> = (0..100).map(|n| format!("CREDIT.DEBIT a d{round}:{n} 1")).collect();
        wire.send(&lines.iter().flat_map(|line| request(line)).collect::<Vec<_>>());
        wire.send(&request("CREDIT.BALANCE a"));
        for n in 1..=100 {
            assert_eq!(wire.reply().number("balance"), 1000 - 100 * round - n);
        }
        assert_eq!(wire.reply().number("balance"), 900 - 100 * round, "a read waits for what it shows");
    }
    let figure = |wire: &mut Wire, name| info(wire, "persistence", name).parse::<u64>().expect("a number");
    let (commits, inline) = (figure(&mut wire, "log_commits"), figure(&mut wire, "log_inline_commits"));
    assert!(commits > inline, "slow syncs are the journal thread's: {inline} of {commits} commits inline");

    // The disk sleeps over this debit; an account that has nothing to do with it is shown at once.
    let mut other = server.connect();
    wire.send(&request("CREDIT.DEBIT a last 1"));
    assert_eq!(other.ask("CREDIT.BALANCE nobody").number("balance"), 0);
    assert!(wire.reply().line().contains("debited"));
}

/// Neither the file nor the name of a new segment may find room; both can be tried again.
#[test]
fn while_there_is_no_room_for_a_segment_writes_are_refused_and_nothing_is_lost() {
    for call in ["fallocate", "rename"] {
        let site = Site::new();
        let server = site.start(&["--cores", "1", "--shards", "1"]);
        let mut wire = server.connect();
        let mut other = server.connect();
        assert!(wire.ask("CREDIT.GRANT b start 5").line().contains("granted"));
        let Some(fault) = Fault::inject(&server, call, "error=ENOSPC") else { return };
        // Three segments of 4 MiB: what was made ahead is not enough. A client that does not wait for answers.
        let meta = "m".repeat(1000);
        let sender = std::thread::spawn(move || {
            let lines = (0..12_000).map(|n| request(&format!("CREDIT.GRANT a t{n} 1 META {meta}")));
            wire.send(&lines.flatten().collect::<Vec<_>>());
            (0..12_000).filter(|_| !wire.reply().line().starts_with("-MISCONF")).count() as u64
        });
        let state = loop {
            let state = info(&mut other, "persistence", "disk_state");
            if state != "ok" {
                break state;
            }
        };
        assert_eq!(state, if call == "rename" { "spent" } else { "full" });
        assert!(other.ask("CREDIT.GRANT b new 5").line().starts_with("-MISCONF disk full"));
        assert_eq!(other.ask("CREDIT.BALANCE b").number("balance"), 5);
        drop(fault);
        let acknowledged = sender.join().expect("every grant is answered once there is room");
        while info(&mut other, "persistence", "disk_state") != "ok" {}
        assert!((1..12_000).contains(&acknowledged), "{acknowledged}");
        server.kill9();
        let server = site.start(&[]);
        assert_eq!(server.connect().ask("CREDIT.BALANCE a").number("balance"), acknowledged);
    }
}

#[test]
fn a_stop_while_a_block_waits_for_room_ends_with_28() {
    let site = Site::new();
    let server = site.start(&["--cores", "1", "--shards", "1"]);
    let (mut wire, mut other) = (server.connect(), server.connect());
    assert!(wire.ask("CREDIT.GRANT b start 5").line().contains("granted"));
    let Some(_fault) = Fault::inject(&server, "rename", "error=ENOSPC") else { return };
    let meta = "m".repeat(1000);
    let lines = (0..5_000).map(|n| request(&format!("CREDIT.GRANT a t{n} 1 META {meta}")));
    wire.send(&lines.flatten().collect::<Vec<_>>());
    while info(&mut other, "persistence", "disk_state") != "spent" {}
    let log = site.path("stderr");
    assert_eq!(server.terminate(), Some(28));
    let log = std::fs::read_to_string(log).expect("its log");
    assert!(log.contains("FATAL") && log.contains("disk full: cannot name segment"), "{log}");
    let balance = site.start(&[]).connect().ask("CREDIT.BALANCE b").number("balance");
    assert_eq!(balance, 5);
}

#[test]
fn while_the_log_is_read_clients_hear_how_long_it_will_take() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let mut wire = server.connect();
    let meta = "m".repeat(1000);
    for round in 0..30 {
        let lines = (0..100).map(|n| request(&format!("CREDIT.GRANT a t{round}:{n} 1 META {meta}")));
        wire.send(&lines.flatten().collect::<Vec<_>>());
        (0..100).for_each(|_| drop(wire.reply()));
    }
    let Some(fault) = Fault::inject(&server, "fdatasync", "delay_enter=1") else { return };
    drop(fault);
    server.kill9();

    // -D: the server is this process' own child, strace hangs on to it.
    let slow =
        ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=150000"];
    let starting = site.begin(&slow, &["--shards", "1"]);
    let port = (0..10_000_000).find_map(|_| starting.listening_port()).expect("it listens before it serves");
    let mut wire = Wire::connect(port);
    let early = wire.ask("CREDIT.BALANCE a").line();
    let facts =
        early.strip_prefix("-LOADING creditd is reading its snapshots and log: ").unwrap_or_else(|| panic!("{early}"));
    assert!(facts.contains("% done, about ") && facts.ends_with(" s left"), "{early}");
    assert_eq!(info(&mut wire, "persistence", "loading"), "1");
    assert!(wire.ask("CREDIT.GRANT a early 1").line().starts_with("-LOADING "));
    let server = starting.ready().unwrap_or_else(|(status, log)| panic!("{status}\n{log}"));
    assert_eq!(wire.ask("CREDIT.BALANCE a").number("balance"), 3000, "the same connection goes on");
    assert_eq!(info(&mut wire, "persistence", "loading"), "0");
    assert_eq!(server.terminate(), Some(0));
}
