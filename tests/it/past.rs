//! The trail when memory no longer holds it: reader threads answer, commands wait for each other, replies keep their order.

use std::collections::BTreeMap;

use crate::server::Site;
use crate::wire::{Reply, Wire, info};

/// One entry of CREDIT.HISTORY.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    id: String,
    fields: BTreeMap<String, String>,
}

impl Entry {
    fn time_ms(&self) -> u64 {
        self.id.split('-').next().and_then(|time| time.parse().ok()).expect("<time>-<seq>")
    }

    fn number(&self, key: &str) -> u64 {
        self.fields[key].parse().expect("a number")
    }

    fn is(&self, types: &[&str]) -> bool {
        types.contains(&self.fields["type"].as_str())
    }
}

/// The entries of a reply whose strings have no blanks.
fn entries(reply: &Reply) -> Vec<Entry> {
    let line = reply.line();
    let mut words = line.split(' ').filter(|word| !word.starts_with('$'));
    let array = |words: &mut dyn Iterator<Item = &str>| -> usize {
        let head = words.next().and_then(|head| head.strip_prefix('*')?.parse().ok());
        head.unwrap_or_else(|| panic!("an array: {line}"))
    };
    let count = array(&mut words);
    let mut read = || {
        assert_eq!(array(&mut words), 2);
        let id = words.next().expect("an id").to_owned();
        let pairs = array(&mut words) / 2;
        let mut word = || words.next().expect("a word").to_owned();
        Entry { id, fields: (0..pairs).map(|_| (word(), word())).collect() }
    };
    (0..count).map(|_| read()).collect()
}

fn history(wire: &mut Wire, words: &str) -> Vec<Entry> {
    entries(&wire.ask(&format!("CREDIT.HISTORY old {words}")))
}

/// Entries of account `old`: two skips and a bit.
const ENTRIES: usize = 700;

/// Gives account `old` its entries, debits `d<n>` and captured holds `r<n>` among them, then pushes them out of memory.
/// Returns the requests and their replies.
fn grow_old(wire: &mut Wire) -> Vec<(String, Reply)> {
    let mut lines = vec!["CREDIT.GRANT old g 100000".to_owned()];
    let mut at = 1;
    while at < ENTRIES {
        match at % 7 {
            0..4 => lines.push(format!("CREDIT.DEBIT old d{at} {}", at % 5 + 1)),
            4 => lines.push(format!("CREDIT.DEBIT old x{at} 900000")),
            5 => lines.push(format!("CREDIT.RESERVE old r{at} 9 TTL 600000")),
            _ => lines.push(format!("CREDIT.CAPTURE old r{} AMOUNT 4", at - 1)),
        }
        at += 1;
    }
    let replies = wire.pipeline(&lines);
    bury(wire, "young");
    lines.into_iter().zip(replies).collect()
}

/// Writes more than the 8 MiB of records that a shard keeps in memory.
fn bury(wire: &mut Wire, name: &str) {
    let meta = "m".repeat(1024);
    let lines: Vec<_> = (0..8000).map(|at| format!("CREDIT.GRANT {name}:{} t{at} 1 META {meta}", at % 50)).collect();
    assert!(wire.pipeline(&lines).iter().all(|reply| reply.line().contains(" granted ")));
}

/// One shard, so that what is written anywhere pushes out what is older.
const ONE_SHARD: &[&str] = &["--shards", "1"];

#[test]
fn pages_forth_and_back_meet_every_entry_once() {
    let site = Site::new();
    let server = site.start(ONE_SHARD);
    let mut wire = server.connect();
    grow_old(&mut wire);
    let all = history(&mut wire, "- + COUNT 1000");
    assert_eq!(all.len(), ENTRIES);
    for (seq, (entry, before)) in all.iter().skip(1).zip(&all).enumerate() {
        assert!(entry.id.ends_with(&format!("-{}", seq + 2)) && entry.time_ms() >= before.time_ms(), "{entry:?}");
        let delta: i64 = entry.fields["delta"].parse().expect("a number");
        assert_eq!(entry.number("balance"), before.number("balance").wrapping_add_signed(delta), "{entry:?}");
    }
    for count in [1, 50, 256, 300] {
        let (mut forth, mut start) = (Vec::new(), "-".to_owned());
        loop {
            let page = history(&mut wire, &format!("{start} + COUNT {count}"));
            let Some(last) = page.last() else { break };
            start = format!("({}", last.id);
            forth.extend(page);
            assert!(forth.len() <= all.len(), "{count} at a time: an entry twice");
        }
        assert!(forth == all, "{count} at a time from the oldest");
        if count == 1 {
            continue; // one way is enough
        }
        let (mut back, mut end) = (Vec::new(), "+".to_owned());
        loop {
            let page = history(&mut wire, &format!("- {end} REV COUNT {count}"));
            let Some(last) = page.last() else { break };
            end = format!("({}", last.id);
            back.extend(page);
            assert!(back.len() <= all.len(), "{count} at a time: an entry twice");
        }
        back.reverse();
        assert!(back == all, "{count} at a time from the newest");
    }
    let inner = history(&mut wire, &format!("{} ({} COUNT 1000", all[255].id, all[512].id));
    assert_eq!(inner, all[255..512], "between two skips");
    for types in [&["CAPTURE"][..], &["DECLINE", "GRANT"], &["VOID"]] {
        let shown = history(&mut wire, &format!("- + TYPE {} COUNT 1000", types.join(" ")));
        assert!(shown.iter().eq(all.iter().filter(|entry| entry.is(types))), "{types:?}");
        let newest = history(&mut wire, &format!("- + REV COUNT 20 TYPE {}", types.join(" ")));
        assert!(newest.iter().eq(all.iter().rev().filter(|entry| entry.is(types)).take(20)), "{types:?}");
    }
    assert!(info(&mut wire, "stats", "total_walks").parse::<u64>().expect("a number") > 700, "readers did it");
}

#[test]
fn a_balance_at_any_moment_is_that_of_the_last_entry_until_then() {
    let site = Site::new();
    let server = site.start(ONE_SHARD);
    let mut wire = server.connect();
    let grown = grow_old(&mut wire);
    let all = history(&mut wire, "- + COUNT 1000");
    let mut moments: Vec<_> = all.iter().flat_map(|entry| [entry.time_ms() - 1, entry.time_ms()]).collect();
    moments.dedup();
    let lines: Vec<_> = moments.iter().map(|moment| format!("CREDIT.BALANCE old AT {moment}")).collect();
    for (moment, reply) in moments.iter().zip(wire.pipeline(&lines)) {
        let last = all.iter().rev().find(|entry| entry.time_ms() <= *moment);
        let figures = last.map_or([0, 0, 0], |last| {
            let seq = last.id.split('-').nth(1).and_then(|seq| seq.parse().ok()).expect("<time>-<seq>");
            [last.number("balance"), last.number("reserved"), seq]
        });
        let shown = ["balance", "reserved", "seq", "time"].map(|key| reply.number(key));
        assert_eq!(shown, [figures[0], figures[1], figures[2], *moment]);
    }
    let end = wire.ask("CREDIT.AUDIT old").map();
    let last = all.last().expect("entries");
    assert_eq!(
        [&end["ok"], &end["entries"], &end["balance"], &end["reserved"]].map(String::as_str),
        ["1", &grown.len().to_string(), &last.fields["balance"], &last.fields["reserved"]]
    );
}

#[test]
fn old_ids_are_answered_from_the_log_as_the_first_time() {
    let site = Site::new();
    let server = site.start(ONE_SHARD);
    let mut wire = server.connect();
    let grown = grow_old(&mut wire);
    let lines: Vec<_> = grown.iter().map(|(line, _)| line.clone()).collect();
    let mut replies = wire.pipeline(&lines);
    // Reservations that were captured since say so; all else is the first reply, and that it is a replay.
    for ((line, first), again) in grown.iter().zip(replies.drain(..)) {
        let mut expected = first.line();
        if !expected.starts_with('-') {
            let (head, rest) = expected.split_once(' ').expect("a map");
            let words: usize = head[1..].parse().expect("an array's head");
            expected = format!("*{} {rest} $8 replayed :1", words + 2);
        }
        let status = if line.contains("RESERVE") { "$8 captured" } else { "$6 active" };
        assert_eq!(again.line(), expected.replace("$6 active", status), "{line}");
    }
    assert!(info(&mut wire, "stats", "total_recalls").parse::<u64>().expect("a number") > 600, "from the log");
    let tx = wire.ask("CREDIT.TX old r5").map();
    assert_eq!(
        [&tx["op"], &tx["state"], &tx["amount"], &tx["captured"]].map(String::as_str),
        ["reserve", "captured", "9", "4"]
    );
    wire.expect("CREDIT.DEBIT old d1 3", "-TXCONFLICT field=amount have=2 given=3");
    wire.expect("CREDIT.DEBIT old g 100000", "-TXCONFLICT field=op have=grant given=debit");
}

#[test]
fn a_refund_reaches_back_and_what_follows_it_sees_it() {
    let site = Site::new();
    let server = site.start(ONE_SHARD);
    let mut wire = server.connect();
    grow_old(&mut wire);
    let before = wire.ask("CREDIT.BALANCE old").number("balance");
    let lines = [
        "CREDIT.REFUND old f1 d8 AMOUNT 1",
        "CREDIT.BALANCE old",
        "CREDIT.REFUND old f2 r5",
        "PING",
        "CREDIT.TX old d8",
        "CREDIT.GRANT young:1 after 1",
        "CREDIT.DEBIT old d8 4",
        "CREDIT.HISTORY old - + REV COUNT 2",
        "CREDIT.REFUND old f3 r5",
        "CREDIT.BALANCE old",
        "CREDIT.TX old r5",
    ];
    let mut replies = wire.pipeline(lines).into_iter();
    let mut next = || replies.next().expect("a reply a request");
    let refund = next();
    assert_eq!([refund.number("balance"), refund.number("refundable")], [before + 1, 3]);
    assert_eq!(next().number("balance"), before + 1, "a read behind a refund that was looked for");
    let refund = next();
    assert_eq!([refund.number("balance"), refund.number("refundable")], [before + 5, 0]);
    assert_eq!(next().line(), "+PONG");
    assert_eq!(next().number("refunded"), 1);
    assert!(next().line().contains("$7 granted"));
    assert!(next().line().ends_with(":1"), "a replay");
    let newest = entries(&next());
    assert_eq!([0, 1].map(|at| newest[at].fields["tx"].as_str()), ["f2", "f1"]);
    assert_eq!(next().line(), "-EXCEEDS limit=0");
    assert_eq!(next().number("balance"), before + 5);
    assert_eq!(next().number("refunded"), 4);

    // The refunds leave memory too, and bound what is left.
    bury(&mut wire, "younger");
    wire.expect("CREDIT.REFUND old f4 r5", "-EXCEEDS limit=0");
    assert_eq!(wire.ask("CREDIT.REFUND old f4 d8").number("refundable"), 0);
    assert!(wire.ask("CREDIT.REFUND old f1 d8 AMOUNT 1").line().ends_with("$10 refundable :3 $8 replayed :1"));
    wire.expect("CREDIT.REFUND old f5 x4", "-NOTREFUNDABLE op=debit state=declined");
    assert_eq!(wire.ask("CREDIT.AUDIT old").number("balance"), before + 8);
}

#[test]
fn questions_and_commands_of_many_accounts_answer_in_order() {
    let site = Site::new();
    let server = site.start(&["--shards", "4", "--cores", "2"]);
    let mut wire = server.connect();
    for name in ["a", "b", "c", "d"] {
        wire.ask(&format!("CREDIT.GRANT {name} g 1000"));
        wire.ask(&format!("CREDIT.DEBIT {name} d 500"));
    }
    (0..4).for_each(|round| bury(&mut wire, &format!("round{round}")));
    let lines: Vec<_> = (0..2000)
        .map(|at| {
            let account = ["a", "b", "c", "d"][at % 4];
            match at % 6 {
                0 => format!("CREDIT.REFUND {account} f{at} d AMOUNT 1"),
                1 => format!("CREDIT.HISTORY {account} - + COUNT 1"),
                2 => format!("CREDIT.DEBIT {account} d 500"),
                3 => format!("ECHO {at}"),
                4 => format!("CREDIT.BALANCE {account}"),
                _ => format!("CREDIT.TX {account} g"),
            }
        })
        .collect();
    let mut balances = BTreeMap::new();
    for (at, reply) in wire.pipeline(&lines).into_iter().enumerate() {
        let balance = balances.entry(at % 4).or_insert(500);
        match at % 6 {
            0 if *balance < 1000 => {
                *balance += 1;
                assert_eq!(reply.number("balance"), *balance, "{at}");
            }
            0 => assert_eq!(reply.line(), "-EXCEEDS limit=0 given=1"),
            1 => assert_eq!(entries(&reply)[0].fields["tx"], "g", "{at}"),
            2 => assert_eq!([reply.number("balance"), reply.number("replayed")], [500, 1], "{at}"),
            3 => assert_eq!(reply.line(), format!("${} {at}", at.to_string().len())),
            4 => assert_eq!(reply.number("balance"), *balance, "{at}"),
            _ => assert_eq!(reply.map()["state"], "granted", "{at}"),
        }
    }
}

#[test]
fn a_walk_ends_at_its_bound_and_a_forgotten_id_is_found_within_it() {
    let site = Site::new();
    let server = site.start(&["--shards", "1", "--history-walk-max", "1000", "--tx-retention", "1s"]);
    let mut wire = server.connect();
    let started = wire.ask("CREDIT.GRANT long g 100000");
    assert_eq!(started.number("seq"), 1);
    wire.ask("CREDIT.DEBIT long d0 7");
    let lines: Vec<_> = (0..500).map(|at| format!("CREDIT.DEBIT long d{} 1", at + 1)).collect();
    wire.pipeline(&lines);
    bury(&mut wire, "young");
    // Until its retention is over, by the server's clock.
    let written = wire.ask("CREDIT.BALANCE long").number("time");
    while wire.ask("CREDIT.BALANCE long").number("time") <= written + 1000 {}
    wire.ask("CREDIT.GRANT young:1 later 1");
    assert_eq!(wire.ask("CREDIT.TX long d0").number("amount"), 7, "past the index, along the trail");
    let refund = wire.ask("CREDIT.REFUND long f0 d0 AMOUNT 3");
    assert_eq!([refund.number("balance"), refund.number("refundable")], [100_000 - 507 + 3, 4]);
    wire.expect("CREDIT.REFUND long f1 nothing", "-NOTX");

    let lines: Vec<_> = (0..1000).map(|at| format!("CREDIT.DEBIT long e{at} 1")).collect();
    wire.pipeline(&lines);
    bury(&mut wire, "younger");
    let written = wire.ask("CREDIT.BALANCE long").number("time");
    while wire.ask("CREDIT.BALANCE long").number("time") <= written + 1000 {}
    wire.ask("CREDIT.GRANT young:1 latest 1");
    let bound = "-ERR walked 1000 entries without reaching the end, which is as far as history-walk-max allows: \
                 narrow the range or raise history-walk-max; nothing was executed";
    wire.expect("CREDIT.TX long nothing", bound);
    wire.expect("CREDIT.REFUND long f2 d0", bound);
    wire.expect("CREDIT.HISTORY long TYPE VOID REV", bound);
    assert_eq!(wire.ask("CREDIT.AUDIT long").number("entries"), 1503);
    assert_eq!(wire.ask("CREDIT.BALANCE long").number("seq"), 1503);
}
