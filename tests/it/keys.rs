//! Accounts as keys, as Redis' tools ask for them: SCAN, TYPE, MEMORY USAGE, hashes.

use crate::server::Site;
use crate::wire::{Reply, Wire, info};
use std::collections::BTreeSet;

/// The cursor and the names of a SCAN's reply.
fn step(reply: &Reply) -> (String, Vec<String>) {
    let text = reply.text();
    let mut lines = text.split("\r\n").filter(|line| !line.starts_with(['*', '$', '-']) && !line.is_empty());
    (lines.next().unwrap_or_else(|| panic!("no cursor in {text}")).to_owned(), lines.map(str::to_owned).collect())
}

/// All names that a whole scan tells, in its order; `between` runs after each step.
fn scan(wire: &mut Wire, options: &str, mut between: impl FnMut(&mut Wire)) -> Vec<String> {
    let (mut cursor, mut all) = ("0".to_owned(), Vec::new());
    loop {
        let (next, names) = step(&wire.ask(&format!("SCAN {cursor} {options}")));
        all.extend(names);
        if next == "0" {
            return all;
        }
        cursor = next;
        between(wire);
    }
}

#[test]
fn a_scan_tells_every_account_once_while_others_open() {
    let site = Site::new();
    let server = site.start(&["--shards", "8", "--cores", "2"]);
    let mut wire = server.connect();
    assert_eq!(scan(&mut wire, "", |_| {}), Vec::<String>::new());
    let names: BTreeSet<String> = (0..700).map(|n| format!("acct:{n}")).collect();
    wire.pipeline(names.iter().map(|name| format!("CREDIT.GRANT {name} g 5")));
    wire.pipeline(["LEAD.OPEN lead:1 5", "CREDIT.DEBIT nobody d 5"]);
    for count in [1, 7, 100, 5000] {
        let mut opened = 0;
        let told = scan(&mut wire, &format!("COUNT {count}"), |wire| {
            opened += 1;
            if opened <= 300 {
                wire.ask(&format!("CREDIT.GRANT new:{count}:{opened} g 5"));
            }
        });
        let old: Vec<_> = told.iter().filter(|name| names.contains(*name)).collect();
        assert_eq!((old.len(), old.iter().collect::<BTreeSet<_>>().len()), (700, 700), "COUNT {count}");
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "COUNT {count}: nobody comes twice");
        assert!(told.iter().all(|name| !name.starts_with("lead:") && name != "nobody"));
    }
    let told = scan(&mut wire, "MATCH acct:?[05] COUNT 100 TYPE hash", |_| {});
    assert_eq!(told.len(), 18, "{told:?}");
    assert!(scan(&mut wire, "TYPE string", |_| {}).is_empty());
    assert_eq!(scan(&mut wire, "TYPE stream MATCH *:[12]", |_| {}), ["credit:events:1", "credit:events:2"]);
    wire.expect("SCAN 281470681743361", "*2 $1 0 *0");
}

#[test]
fn tools_see_accounts_as_hashes_and_trails_as_streams() {
    let site = Site::new();
    let server = site.start(&["--shards", "2"]);
    let mut wire = server.connect();
    wire.pipeline(["CREDIT.GRANT a g 20", "CREDIT.RESERVE a r 5", "LEAD.OPEN l 5"]);
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for (line, account, nothing, stream) in [
        ("EXISTS {}", ":1", ":0", ":1"),
        ("TYPE {}", "+hash", "+none", "+stream"),
        ("TTL {}", ":-1", ":-2", ":-1"),
        ("PEXPIRETIME {}", ":-1", ":-2", ":-1"),
        ("OBJECT ENCODING {}", "$9 hashtable", "$-1", "$6 stream"),
        ("OBJECT REFCOUNT {}", ":1", "$-1", ":1"),
        ("OBJECT IDLETIME {}", ":0", "$-1", ":0"),
        ("GET {}", wrong, "$-1", wrong),
        ("STRLEN {}", wrong, ":0", wrong),
        ("HLEN {}", ":5", ":0", wrong),
        ("HGET {} available", "$2 15", "$-1", wrong),
        ("HGET {} x", "$-1", "$-1", wrong),
        ("HMGET {} balance x reserved", "*3 $2 20 $-1 $1 5", "*3 $-1 $-1 $-1", wrong),
        ("HEXISTS {} seq", ":1", ":0", wrong),
        ("HSTRLEN {} balance", ":2", ":0", wrong),
        ("HKEYS {}", "*5 $7 balance $8 reserved $9 available $3 seq $4 time", "*0", wrong),
        ("HSCAN {} 0 MATCH *a*e COUNT 100", "*2 $1 0 *4 $7 balance $2 20 $9 available $2 15", "*2 $1 0 *0", wrong),
        ("HSCAN {} 0 MATCH seq NOVALUES", "*2 $1 0 *1 $3 seq", "*2 $1 0 *0", wrong),
    ] {
        for (key, reply) in [("a", account), ("l", nothing), ("nobody", nothing), ("credit:log:{b}", nothing)] {
            wire.expect(&line.replace("{}", key), reply);
        }
        for key in ["credit:log:{a}", "credit:events:1"] {
            wire.expect(&line.replace("{}", key), stream);
        }
        wire.expect(&line.replace("{}", "credit:events:2"), nothing);
    }
    assert!(wire.ask("OBJECT FREQ a").line().starts_with("-ERR An LFU maxmemory policy is not selected"));
    wire.expect("EXISTS a a b credit:log:{a}", ":3");
    let small: u64 = wire.ask("MEMORY USAGE a SAMPLES 0").line()[1..].parse().expect("bytes");
    wire.ask(&format!("CREDIT.RESERVE a {} 1", "x".repeat(64)));
    let large: u64 = wire.ask("MEMORY USAGE a").line()[1..].parse().expect("bytes");
    assert!((200..300).contains(&small) && (large - small) == 120 + 64, "{small} {large}");
    wire.expect("MEMORY USAGE nobody", "$-1");
    wire.ask("HELLO 3");
    let all = wire.ask("HGETALL a").line();
    assert!(
        all.starts_with("%5 $7 balance $2 20 $8 reserved $1 6 $9 available $2 14 $3 seq $1 3 $4 time $13 "),
        "{all}"
    );
    wire.expect("HGETALL nobody", "%0");
    wire.expect("HGET nobody seq", "_");
    let misses = info(&mut wire, "stats", "keyspace_misses");
    assert!(misses.parse::<u64>().expect("a number") > 20, "{misses}");
}
