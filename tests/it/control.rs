//! What one client does to others at the socket: KILL, UNBLOCK, PAUSE, MONITOR.

use crate::server::{Server, Site};
use crate::wire::Wire;

fn named(server: &Server, name: &str) -> (Wire, u64) {
    let mut wire = server.connect();
    wire.expect(&format!("CLIENT SETNAME {name}"), "+OK");
    let id = wire.ask("CLIENT ID").line()[1..].parse().expect("an id");
    (wire, id)
}

#[test]
fn clients_are_killed_by_what_they_are() {
    let site = Site::new();
    let server = site.start(&["--shards", "2", "--cores", "2"]);
    let mut wire = server.connect();
    let (mut by_id, id) = named(&server, "a");
    wire.expect(&format!("CLIENT KILL ID {id}"), ":1");
    assert!(by_id.next().is_none());
    wire.expect(&format!("CLIENT KILL ID {id}"), ":0");
    wire.expect("CLIENT KILL 127.0.0.1:1", "-ERR No such client");
    let (mut listener, _) = named(&server, "b");
    listener.ask("SUBSCRIBE x");
    wire.expect("CLIENT KILL TYPE pubsub", ":1");
    assert!(listener.next().is_none());
    let (mut old, id) = named(&server, "c");
    let line = wire.ask(&format!("CLIENT LIST ID {id}")).body();
    let address = line.split(' ').find_map(|field| field.strip_prefix("addr=")).expect("an address").to_owned();
    wire.expect(&format!("CLIENT KILL {address}"), "+OK");
    assert!(old.next().is_none());
    let (mut waiting, id) = named(&server, "d");
    waiting.send(b"XREAD BLOCK 0 STREAMS credit:events:0 $\r\n");
    while wire.ask(&format!("CLIENT UNBLOCK {id}")).line() == ":0" {}
    assert_eq!(waiting.reply().line(), "*-1");
    waiting.send(b"XREAD BLOCK 0 STREAMS credit:events:1 $\r\n");
    while wire.ask(&format!("CLIENT UNBLOCK {id} ERROR")).line() == ":0" {}
    assert_eq!(waiting.reply().line(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    waiting.send(b"XREAD BLOCK 0 STREAMS credit:events:1 $\r\n");
    wire.expect("CLIENT KILL SKIPME yes", ":1");
    assert!(waiting.next().is_none());
    wire.expect("CLIENT KILL SKIPME no", ":1");
    assert!(wire.next().is_none(), "itself, behind its reply");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_pause_holds_writes_or_all_and_ends() {
    let site = Site::new();
    let server = site.start(&["--shards", "2", "--cores", "2"]);
    let (mut wire, mut others) = (server.connect(), [server.connect(), server.connect()]);
    wire.expect("CLIENT PAUSE 600000 WRITE", "+OK");
    for (n, other) in others.iter_mut().enumerate() {
        other.send(format!("CREDIT.GRANT a t{n} 5\r\n").as_bytes());
    }
    wire.expect("HLEN a", ":0");
    wire.expect("CLIENT UNPAUSE", "+OK");
    others.iter_mut().for_each(|other| assert!(other.reply().line().starts_with("*8 $6 status $7 granted")));
    wire.expect("CLIENT PAUSE 50", "+OK");
    others.iter_mut().for_each(|other| other.expect("HLEN a", ":5"));
}

#[test]
fn a_monitor_sees_the_requests_of_all_and_no_secrets() {
    let site = Site::new();
    let server = site.start(&["--shards", "2", "--cores", "2", "--requirepass", "secret"]);
    let mut monitor = server.connect();
    monitor.expect("AUTH secret", "+OK");
    monitor.expect("MONITOR", "+OK");
    let mut other = server.connect();
    other.send(b"AUTH secret\r\nCREDIT.GRANT a t 5\r\nCONFIG GET port\r\nHELLO 3 AUTH default secret\r\nECHO end\r\n");
    let mut seen = String::new();
    while !seen.contains("\"ECHO\"") {
        seen.push_str(&monitor.reply().line());
        seen.push('\n');
    }
    let lines: Vec<_> = seen.lines().map(|line| line.split_once("] ").expect("a head").1).collect();
    let hello = "\"HELLO\" \"3\" \"AUTH\" \"(redacted)\" \"(redacted)\"";
    let expected = ["\"AUTH\" \"(redacted)\"", "\"CREDIT.GRANT\" \"a\" \"t\" \"5\"", hello, "\"ECHO\" \"end\""];
    assert_eq!(lines, expected);
    assert!(other.reply().line() == "+OK" && !seen.contains("secret"));
    monitor.send(b"RESET\r\n");
    while monitor.reply().line() != "+RESET" {}
    other.expect("PING", "*8 $6 status $7 granted $7 balance :5 $9 available :5 $3 seq :1");
    assert_eq!(monitor.ask("PING").line(), "-NOAUTH Authentication required.");
}
