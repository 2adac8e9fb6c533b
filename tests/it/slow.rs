//! SLOWLOG and LATENCY: what was slow, who asked for it, and where the time went.

use crate::disk::Fault;
use crate::server::Site;
use crate::wire::{Reply, Wire, request};

/// Entries of SLOWLOG GET, newest first: each the words of its reply, joined.
fn slow(wire: &mut Wire) -> Vec<String> {
    let line = wire.ask("SLOWLOG GET -1").line();
    line.split(" *6 ").skip(1).map(str::to_owned).collect()
}

/// The figure of `stage` in the words that an entry ends with, microseconds.
fn stage(entry: &str, stage: &str) -> u64 {
    let (_, rest) = entry.split_once(&format!("{stage}=")).unwrap_or_else(|| panic!("no {stage} in {entry}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

/// Bulk strings one after the other, as they stand in a line.
fn bulks(words: &str) -> String {
    words.split(' ').map(|word| format!("${} {word}", word.len())).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_that_takes_long_is_kept_with_who_asked() {
    let site = Site::new();
    let server =
        site.start(&["--cores", "2", "--shards", "4", "--slowlog-log-slower-than", "0", "--slowlog-max-len", "5"]);
    let mut wire = server.connect();
    wire.expect("CLIENT SETNAME ops", "+OK");
    for line in [
        "CREDIT.GRANT a g1 9 REASON secret",
        "CREDIT.RESERVE b r1 1",
        "LEAD.OPEN l 3",
        "CREDIT.DEBIT a d1 2",
        "CREDIT.BALANCE a",
        "CREDIT.REFUND a f1 d1 AMOUNT 1",
        "CREDIT.HISTORY a",
    ] {
        wire.ask(line);
    }
    let entries = slow(&mut wire);
    let expected = [
        "CREDIT.HISTORY a COUNT 100",
        "CREDIT.REFUND a f1 d1 AMOUNT 1",
        "CREDIT.BALANCE a",
        "CREDIT.DEBIT a d1 2",
        "LEAD.OPEN l 3",
    ];
    assert_eq!(entries.len(), expected.len(), "{entries:?}");
    for (number, (entry, words)) in entries.iter().zip(expected).enumerate() {
        assert!(entry.starts_with(&format!(":{} :", 6 - number)), "ids count up: {entry}");
        assert!(entry.contains(&bulks(words)), "{words} in {entry}");
        assert!(entry.contains(" 127.0.0.1:") && entry.ends_with("$3 ops"), "{entry}");
        assert!(entry.contains("commands=1)"), "{entry}");
    }
    wire.expect("SLOWLOG LEN", ":5");
    wire.expect("SLOWLOG RESET", "+OK");
    wire.expect("SLOWLOG LEN", ":0");
    wire.expect("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1");
    wire.expect("SLOWLOG GET x", "-ERR value is not an integer or out of range");
    assert!(wire.ask("SLOWLOG HELP").line().contains("RESET"));
}

#[test]
fn nothing_is_kept_where_nothing_is_slow_enough() {
    let server = Site::new();
    let server = server.start(&["--slowlog-log-slower-than", "forever", "--latency-monitor-threshold", "0"]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g1 9");
    wire.expect("SLOWLOG LEN", ":0");
    wire.expect("LATENCY LATEST", "*0");
    assert!(wire.ask("CONFIG GET slowlog-log-slower-than").line().ends_with("$2 -1"));
    assert!(wire.ask("CONFIG GET latency-monitor-threshold").line().ends_with("$1 0"));
}

#[test]
fn a_slow_disk_is_seen_as_time_until_synced() {
    let site = Site::new();
    let server = site.start(&["--cores", "1", "--shards", "1", "--latency-monitor-threshold", "20ms"]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g0 100");
    wire.expect("SLOWLOG RESET", "+OK");
    let Some(_fault) = Fault::inject(&server, "fdatasync", "delay_enter=30000") else { return };
    let lines: Vec<_> = (0..10).map(|n| format!("CREDIT.DEBIT a d{n} 1")).collect();
    wire.send(&lines.iter().flat_map(|line| request(line)).collect::<Vec<_>>());
    (0..10).for_each(|_| assert!(wire.reply().line().contains("debited")));
    let entries = slow(&mut wire);
    let entry = entries.iter().find(|entry| entry.contains(&bulks("CREDIT.DEBIT a d0 1")));
    let entry = entry.unwrap_or_else(|| panic!("the first of the block stands for it: {entries:?}"));
    assert!(stage(entry, "sync") >= 30_000, "{entry}");
    assert_eq!(stage(entry, "commands"), 10, "{entry}");

    let latest = wire.ask("LATENCY LATEST").line();
    assert!(latest.contains("$4 sync :"), "{latest}");
    let history = wire.ask("LATENCY HISTORY sync").line();
    assert!(history.rsplit(':').next().expect("it ends with a time").parse::<u64>().expect("ms") >= 30, "{history}");
    wire.expect("LATENCY HISTORY nothing", "*0");
    assert!(wire.ask("LATENCY DOCTOR").text().contains("disk-slow.md"));
    let histogram = |reply: Reply| reply.line();
    let told = histogram(wire.ask("LATENCY HISTOGRAM sync execute"));
    assert!(told.contains("$4 sync") && told.contains("$7 execute") && !told.contains("$5 queue"), "{told}");
    wire.expect("LATENCY RESET execute nothing", ":0");
    assert!(["1", "2"].contains(&&wire.ask("LATENCY RESET").line()[1..]));
    wire.expect("LATENCY LATEST", "*0");
}
