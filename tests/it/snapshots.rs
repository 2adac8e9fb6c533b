//! Snapshots as clients and operators meet them: SAVE, BGSAVE, LASTSAVE, INFO, and starts that read only what follows.

use std::fs;

use crate::chance::{self, Chance, seed};
use crate::load::{Load, verify};
use crate::server::{Server, Site};
use crate::wire::{Wire, info, request};

/// One shard on one core.
const ONE: [&str; 4] = ["--cores", "1", "--shards", "1"];

/// Grants `count` credits to some accounts, one each.
fn grant(wire: &mut Wire, name: &str, count: usize) {
    let requests = (0..count).flat_map(|number| request(&format!("CREDIT.GRANT a{} {name}{number} 1", number % 50)));
    wire.send(&requests.collect::<Vec<_>>());
    for _ in 0..count {
        assert!(wire.reply().line().contains("granted"));
    }
}

/// Names in a shard's directory that end so, in order.
fn files(site: &Site, ending: &str) -> Vec<String> {
    let dir = fs::read_dir(site.data_dir().join("shard-000")).expect("the shard's directory");
    let names = dir.map(|entry| entry.expect("a name").file_name().into_string().expect("names are text"));
    let mut names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort_unstable();
    names
}

/// A figure of the newest `log read` line.
fn read_at_start(server: &Server, name: &str) -> u64 {
    let log = server.log();
    let line = log.lines().rfind(|line| line.contains("log read")).expect("every start says what it read");
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {line}")).parse().expect("a number")
}

#[test]
fn a_start_reads_the_newest_snapshot_and_what_follows_it() {
    let site = Site::new();
    let server = site.start(&ONE);
    let mut wire = server.connect();
    grant(&mut wire, "before", 2000);
    assert_eq!(info(&mut wire, "persistence", "rdb_changes_since_last_save"), "2000");
    wire.expect("SAVE", "+OK");
    assert_eq!((files(&site, ".snap").len(), files(&site, "snapshot.tmp").len()), (1, 0), "it has its name by now");
    assert_eq!(info(&mut wire, "persistence", "rdb_changes_since_last_save"), "0");
    grant(&mut wire, "after", 3);
    server.kill9();

    let server = site.start(&ONE);
    assert_eq!(read_at_start(&server, "records"), 3, "{}", server.log());
    assert!(read_at_start(&server, "tail_bytes") < 64 * 1024 && read_at_start(&server, "from_lsn") > 100_000);
    let mut wire = server.connect();
    assert_eq!(info(&mut wire, "persistence", "rdb_changes_since_last_save"), "3");
    assert_eq!(info(&mut wire, "credits", "balance"), "2003");
    assert!(wire.ask("CREDIT.GRANT a7 before7 1").line().contains("replayed"), "ids are remembered");
    verify(&site);
}

#[test]
fn two_snapshots_are_kept_and_a_bad_one_costs_only_time() {
    let site = Site::new();
    let server = site.start(&ONE);
    let mut wire = server.connect();
    for round in ["x", "y", "z"] {
        grant(&mut wire, round, 500);
        wire.expect("SAVE", "+OK");
    }
    let kept = files(&site, ".snap");
    wire.expect("SAVE", "+OK");
    assert_eq!((files(&site, ".snap"), kept.len()), (kept.clone(), 2), "nothing new, nothing written");
    server.kill9();

    let newest = site.data_dir().join("shard-000").join(&kept[1]);
    let mut bytes = fs::read(&newest).expect("the newest snapshot");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).expect("it is ours");
    let server = site.start(&ONE);
    assert_eq!(read_at_start(&server, "records"), 500, "the older one and more of the log: {}", server.log());
    assert!(server.log().contains(&format!("WARN snapshot {} is bad", kept[1])), "{}", server.log());
    assert_eq!(info(&mut server.connect(), "credits", "balance"), "1500");
}

#[test]
fn bgsave_answers_at_once_and_one_save_runs_at_a_time() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "4"]);
    let mut wire = server.connect();
    grant(&mut wire, "t", 500);
    // Read together, so parsed together: the saves cannot be over between two of them.
    wire.send(&[request("BGSAVE"), request("BGSAVE"), request("BGSAVE SCHEDULE"), request("SAVE")].concat());
    let replies: Vec<_> = (0..4).map(|_| wire.reply().line()).collect();
    let running = "-ERR Background save already in progress";
    assert_eq!(replies, ["+Background saving started", running, "+Background saving scheduled", "+OK"]);
    assert_eq!(info(&mut wire, "stats", "total_error_replies"), "1");
    assert_eq!(info(&mut wire, "persistence", "rdb_bgsave_in_progress"), "0", "SAVE waits for those before it");
    assert!(info(&mut wire, "persistence", "snapshot_bytes").parse::<u64>().expect("a number") > 4 * 4096);

    let last_save = |wire: &mut Wire| wire.ask("LASTSAVE").line()[1..].parse::<u64>().expect("seconds");
    let first = last_save(&mut wire);
    assert_eq!(info(&mut wire, "persistence", "rdb_last_save_time"), first.to_string());
    let mut round = 0;
    while last_save(&mut wire) == first {
        grant(&mut wire, &format!("round{round}_"), 50);
        wire.expect("SAVE", "+OK");
        round += 1;
    }
    assert!(last_save(&mut wire) > first);
}

#[test]
fn a_save_that_fails_says_why_and_the_next_one_works() {
    let site = Site::new();
    let server = site.start(&ONE);
    let mut wire = server.connect();
    grant(&mut wire, "t", 10);
    let draft = site.data_dir().join("shard-000/snapshot.tmp");
    fs::create_dir(&draft).expect("a directory where the file should be");
    let reply = wire.ask("SAVE").line();
    assert!(reply.starts_with("-ERR snapshot of shard 0 failed: ") && reply.contains("snapshot.tmp"), "{reply}");
    assert_eq!(info(&mut wire, "persistence", "rdb_last_bgsave_status"), "err");
    assert_eq!(info(&mut wire, "stats", "total_error_replies"), "1");
    assert!(server.log().contains("WARN no snapshot was written"), "{}", server.log());
    grant(&mut wire, "u", 10);
    fs::remove_dir(&draft).expect("it is empty");
    wire.expect("SAVE", "+OK");
    assert_eq!(info(&mut wire, "persistence", "rdb_last_bgsave_status"), "ok");
    assert_eq!(files(&site, ".snap").len(), 1);
}

#[test]
fn so_much_log_makes_a_snapshot_by_itself() {
    let site = Site::new();
    let server = site.start(&[&ONE[..], &["--snapshot-log-size", "100KiB"]].concat());
    let mut wire = server.connect();
    let mut round = 0;
    while files(&site, ".snap").len() < 2 {
        assert!(round < 2000, "no second snapshot: {}", server.log());
        grant(&mut wire, &format!("round{round}_"), 100);
        round += 1;
    }
    wire.expect("PING", "+PONG");
}

#[test]
fn kill_9_among_saves_under_load_loses_and_doubles_nothing() {
    let seed = std::env::var("CREDITD_KILL_SEED").map_or_else(|_| seed(), |text| text.parse().expect("a seed"));
    eprintln!("CREDITD_KILL_SEED={seed}");
    let mut chance = Chance::new(seed);
    let site = Site::new();
    let mut load = Load::new(&mut chance);
    let mut from_snapshot = 0;
    for life in 0..4 {
        let cores = chance::of(&mut chance, &["1", "2"]);
        let inline = chance::of(&mut chance, &["0", "1ms"]);
        let server = site.start(&["--cores", cores, "--inline-sync-max", inline, "--shards", "2"]);
        from_snapshot += u64::from(read_at_start(&server, "snapshot_bytes") > 0);
        load.check(&server);
        let batches = 50 + chance.below(100);
        load.run(server, |server, answered| {
            let mut wire = server.connect();
            for batch in 0..batches {
                if batch % 10 == 0 {
                    wire.expect("BGSAVE SCHEDULE", "+Background saving scheduled");
                }
                answered.recv().expect("clients work until the server is gone");
            }
            if life == 0 {
                wire.expect("SAVE", "+OK"); // on a busy machine no other may come to its end
            }
            server.kill9();
        });
        verify(&site);
    }
    let server = site.start(&[]);
    load.check(&server);
    load.expect_some();
    assert!(from_snapshot > 0, "some start had a snapshot: {}", server.log());
}
