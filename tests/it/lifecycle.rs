//! Starts that are refused, each with its exit code; ends; the next start.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::server::Site;
use crate::wire::info;

#[test]
fn a_port_in_use_ends_with_69() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let (code, log) = site.refusal(&["--port", &port]);
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains(&port), "{log}");
}

#[test]
fn a_directory_in_use_ends_with_73_and_the_holder_goes_on() {
    let site = Site::new();
    let holder = site.start(&[]);
    let (code, log) = site.refusal(&[]);
    assert_eq!(code, Some(73), "{log}");
    assert!(log.contains("held by another creditd"), "{log}");
    assert!(holder.connect().ask("CREDIT.GRANT a g 1").line().contains("granted"));
}

#[test]
fn a_directory_that_others_can_enter_ends_with_77() {
    let site = Site::new();
    site.make_data_dir(0o755);
    let (code, log) = site.refusal(&[]);
    assert_eq!(code, Some(77), "{log}");
    assert!(log.contains("chmod 700"), "{log}");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let site = Site::new();
    let deaf = ["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"];
    let started = site.begin(&deaf, &[]).ready();
    let server = started.unwrap_or_else(|(status, _)| panic!("ended for want of a log: {status}"));
    assert!(server.connect().ask("CREDIT.GRANT a g 1").line().contains("granted"));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn an_unknown_format_ends_with_65_and_nothing_is_touched() {
    let site = Site::new();
    assert_eq!(site.start(&[]).terminate(), Some(0));
    let manifest = site.data_dir().join("MANIFEST");
    let bytes = fs::read(&manifest).expect("there is one");
    fs::write(&manifest, vec![b'?'; bytes.len()]).expect("it is ours");
    let (code, log) = site.refusal(&[]);
    assert_eq!(code, Some(65), "{log}");
    assert!(log.contains("manifest"), "{log}");
    fs::write(&manifest, bytes).expect("it is ours");
    assert_eq!(site.start(&[]).terminate(), Some(0));
}

#[test]
fn an_open_door_without_a_password_ends_with_78() {
    let (code, log) = Site::new().refusal(&["--bind", "0.0.0.0"]);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("requirepass"), "{log}");
    let site = Site::new();
    let server = site.start(&["--bind", "0.0.0.0", "--requirepass", "x"]);
    server.connect().expect("AUTH x", "+OK");
}

#[test]
fn wrong_settings_end_with_64_and_78_and_say_what_was_meant() {
    let (code, log) = Site::new().refusal(&["--prot", "1"]);
    assert_eq!(code, Some(64), "{log}");
    assert!(log.contains("--port"), "{log}");
    let (code, log) = Site::new().refusal(&["--appendfsync", "sometimes"]);
    assert!(matches!(code, Some(64 | 78)), "{code:?} {log}");
    let site = Site::new();
    let file = site.path("creditd.toml");
    fs::write(&file, "\nreserve-tll = \"5m\"\n").expect("it is ours");
    let (code, log) = site.refusal(&["--config", file.to_str().expect("text")]);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("reserve-ttl") && log.contains('2'), "the line, and what was meant: {log}");
}

#[test]
fn sigterm_and_shutdown_leave_a_clean_log() {
    let site = Site::new();
    let server = site.start(&["--cores", "2"]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g1 10");
    let mut late = server.connect();
    late.expect("PING", "+PONG");
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(late.rest(), b"", "clients are hung up on, not answered with rubbish");

    let server = site.start(&["--cores", "1"]);
    let mut wire = server.connect();
    assert_eq!(info(&mut wire, "persistence", "log_clean_start"), "1");
    wire.send(&crate::wire::request("CREDIT.GRANT a g2 10"));
    wire.send(&crate::wire::request("SHUTDOWN"));
    assert!(wire.reply().line().contains("granted"), "what came before is answered");
    assert_eq!(wire.rest(), b"", "as in Redis it has no reply");
    assert_eq!(server.exit_code(), Some(0));

    let server = site.start(&[]);
    let mut wire = server.connect();
    assert_eq!(info(&mut wire, "persistence", "log_clean_start"), "1");
    assert_eq!(wire.ask("CREDIT.BALANCE a").number("balance"), 20);
    server.kill9();
    let server = site.start(&[]);
    let mut wire = server.connect();
    assert_eq!(info(&mut wire, "persistence", "log_clean_start"), "1", "nothing was written that a kill could cut");
    wire.ask("CREDIT.GRANT a g3 10");
    server.kill9();
    let server = site.start(&[]);
    assert_eq!(info(&mut server.connect(), "persistence", "log_clean_start"), "0", "a kill is not clean");
}

#[test]
fn the_same_directory_serves_on_any_number_of_cores() {
    let site = Site::new();
    let lines = |cores: &str| {
        let server = site.start(&["--cores", cores, "--shards", "4"]);
        let mut wire = server.connect();
        let state: Vec<_> = (0..100)
            .flat_map(|n| {
                let holds = wire.ask(&format!("CREDIT.HOLDS a{n}")).line();
                let (before, after) = holds.split_once("$4 time :").expect("a time");
                let replay = wire.ask(&format!("CREDIT.GRANT a{n} g {}", n + 10)).line();
                [before.to_owned(), after.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned(), replay]
            })
            .collect();
        assert_eq!(server.terminate(), Some(0));
        state
    };
    let server = site.start(&["--cores", "2", "--shards", "4"]);
    let mut wire = server.connect();
    for n in 0..100 {
        wire.ask(&format!("CREDIT.GRANT a{n} g {}", n + 10));
        wire.ask(&format!("CREDIT.RESERVE a{n} r 3 TTL 2000000000"));
        wire.ask(&format!("CREDIT.DEBIT a{n} d {}", n % 9 + 1));
    }
    assert_eq!(server.terminate(), Some(0));
    let first = lines("1");
    assert!(first[0].contains("reserved :3") && first[2].ends_with("replayed :1"), "{:?}", &first[..3]);
    for cores in ["2", "3", "4"] {
        assert_eq!(lines(cores), first, "--cores {cores}");
    }
}

/// The shard's files whose names end so, in order.
fn files(site: &Site, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.data_dir().join("shard-000")).expect("the first shard's directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = paths.filter(|path| path.to_str().expect("text").contains(ending)).collect();
    found.sort();
    found
}

#[test]
fn acknowledged_data_that_is_damaged_ends_with_65_and_stays_as_it_is() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let mut wire = server.connect();
    for n in 0..50 {
        wire.ask(&format!("CREDIT.GRANT a g{n} 1"));
    }
    assert_eq!(server.terminate(), Some(0));
    let segment = files(&site, ".wal").remove(0);
    let whole = fs::read(&segment).expect("it is ours");
    let at = whole.windows(3).position(|bytes| bytes == b"g25").expect("the id is in the log");
    let mut damaged = whole.clone();
    damaged[at] ^= 1;
    fs::write(&segment, &damaged).expect("it is ours");
    let (code, log) = site.refusal(&[]);
    assert_eq!(code, Some(65), "{log}");
    assert!(log.contains("damaged") && log.contains("next: "), "what it is and what to do: {log}");
    assert!(fs::read(&segment).expect("it is ours") == damaged, "nothing is cut off");
    fs::write(&segment, whole).expect("it is ours");
    assert_eq!(site.start(&[]).connect().ask("CREDIT.BALANCE a").number("balance"), 50);
}

#[test]
fn without_a_super_it_ends_with_65_and_names_the_tool() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    server.connect().ask("CREDIT.GRANT a g 1");
    assert_eq!(server.terminate(), Some(0));
    let supers = files(&site, "super.");
    assert_eq!(supers.len(), 2);
    for path in supers {
        let len = fs::metadata(&path).expect("it is ours").len() as usize;
        fs::write(path, vec![0xff; len]).expect("it is ours");
    }
    let (code, log) = site.refusal(&[]);
    assert_eq!(code, Some(65), "{log}");
    assert!(log.contains("repair"), "{log}");
}

#[test]
fn an_id_is_remembered_for_the_time_that_was_set_and_is_new_after_it() {
    let site = Site::new();
    let server = site.start(&["--tx-retention", "1s", "--shards", "1"]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g 1000000");
    let mut time = || wire.ask("CREDIT.BALANCE a").number("time");
    let decided_after = time();
    let mut wire = server.connect();
    assert!(!wire.ask("CREDIT.DEBIT a d 1").line().ends_with("replayed :1"));
    let decided_before = time();
    for other in 0.. {
        let asked_after = time();
        let again = wire.ask("CREDIT.DEBIT a d 1").line();
        let asked_before = time();
        if !again.ends_with("replayed :1") {
            assert!(again.contains("debited"), "{again}");
            assert!(asked_before >= decided_after + 1000, "forgotten after {} ms", asked_before - decided_after);
            break;
        }
        assert!(asked_after < decided_before + 5000, "still remembered");
        // Time passes in the log by its blocks.
        wire.ask(&format!("CREDIT.DEBIT a other{other} 1"));
    }
}
