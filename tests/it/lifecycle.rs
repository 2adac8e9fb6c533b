//! Starts that are refused, each with its exit code; ends; the next start.

use std::net::TcpListener;

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
fn an_unknown_format_ends_with_65_and_nothing_is_touched() {
    let site = Site::new();
    assert_eq!(site.start(&[]).terminate(), Some(0));
    let manifest = site.data_dir().join("MANIFEST");
    let bytes = std::fs::read(&manifest).expect("there is one");
    std::fs::write(&manifest, vec![b'?'; bytes.len()]).expect("it is ours");
    let (code, log) = site.refusal(&[]);
    assert_eq!(code, Some(65), "{log}");
    assert!(log.contains("manifest"), "{log}");
    std::fs::write(&manifest, bytes).expect("it is ours");
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
    std::fs::write(&file, "\nreserve-tll = \"5m\"\n").expect("it is ours");
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
