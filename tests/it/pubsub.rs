//! Subscribers at the socket: events as messages, PUBLISH, both protocols, and an end to those who do not read.

use crate::server::Site;
use crate::wire::{Wire, info, request};

/// A message as its client sees it, by the head of its protocol.
fn message(head: char, words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!(" ${} {word}", word.len())).collect();
    format!("{head}{}{words}", words.split(" $").count() - 1)
}

/// Waits until `name` of INFO is `figure`.
fn until(wire: &mut Wire, section: &str, name: &str, figure: &str) {
    while info(wire, section, name) != figure {
        std::thread::yield_now();
    }
}

#[test]
fn every_change_is_a_message_to_those_who_listen() {
    let site = Site::new();
    let server = site.start(&["--shards", "2", "--cores", "2"]);
    let (mut by_name, mut by_pattern, mut wire) = (server.connect(), server.connect(), server.connect());
    by_name.expect("SUBSCRIBE credit.debited", "*3 $9 subscribe $14 credit.debited :1");
    by_pattern.ask("HELLO 3");
    by_pattern.expect("PSUBSCRIBE lead.*", ">3 $10 psubscribe $6 lead.* :1");
    wire.pipeline(["CREDIT.GRANT a g 20", "LEAD.OPEN l 1", "CREDIT.DEBIT a d 5 REASON x", "LEAD.CLAIM a c l 3"]);

    let events: Vec<String> = (0..3).map(|_| by_pattern.reply().line()).collect();
    for (event, name) in events.iter().zip(["lead.opened", "lead.claimed", "lead.full"]) {
        let head = format!(">4 $8 pmessage $6 lead.* ${} {name} $", name.len());
        assert!(event.starts_with(&head), "{event}");
        assert!(event.contains(&format!("\"event\":\"{name}\"")), "{event}");
    }
    assert!(events[1].contains("\"account\":\"a\"") && events[1].contains("\"remaining\":0"), "{}", events[1]);
    for (via, amount) in [("debit", 5), ("claim", 3)] {
        let event = by_name.reply().line();
        assert!(event.starts_with("*3 $7 message $14 credit.debited $"), "{event}");
        for part in
            [format!("\"via\":\"{via}\""), format!("\"amount\":{amount}"), "\"stream\":\"credit:events:".to_owned()]
        {
            assert!(event.contains(&part), "{part}: {event}");
        }
    }
    by_name.expect("PING", "*2 $4 pong $0 ");
    by_pattern.expect("PING", "+PONG");
}

#[test]
fn published_messages_reach_channels_and_patterns_on_all_cores() {
    let site = Site::new();
    let server = site.start(&["--shards", "2", "--cores", "2"]);
    let mut wires: Vec<Wire> = (0..4).map(|_| server.connect()).collect();
    let mut wire = server.connect();
    wire.expect("PUBLISH room x", ":0");
    wire.expect("PUBSUB CHANNELS", "*0");
    for listener in &mut wires {
        listener.ask("HELLO 3");
        listener.expect("SUBSCRIBE room", ">3 $9 subscribe $4 room :1");
    }
    wires[0].expect("PSUBSCRIBE r[a-o]om", ">3 $10 psubscribe $8 r[a-o]om :2");
    wires[1].expect("PSUBSCRIBE ROOM", ">3 $10 psubscribe $4 ROOM :2");
    wire.expect("PUBSUB CHANNELS r*", "*1 $4 room");
    wire.expect("PUBSUB NUMSUB room none", "*4 $4 room :4 $4 none :0");
    wire.expect("PUBSUB NUMPAT", ":2");
    wire.expect("PUBLISH room hello", ":5");
    for listener in &mut wires {
        assert_eq!(listener.reply().line(), message('>', &["message", "room", "hello"]));
    }
    assert_eq!(wires[0].reply().line(), message('>', &["pmessage", "r[a-o]om", "room", "hello"]));
    // To itself too: in RESP3 a subscriber may say anything.
    wires[1].send(&request("PUBLISH room again"));
    let mut both = [wires[1].reply().line(), wires[1].reply().line()];
    both.sort();
    assert_eq!(both, [":5".to_owned(), message('>', &["message", "room", "again"])]);
    // Whoever resets or goes listens no more.
    wires[2].reply();
    wires[2].expect("RESET", "+RESET");
    drop(wires.remove(3));
    while wire.ask("PUBSUB NUMSUB room").line() != "*2 $4 room :2" {
        std::thread::yield_now();
    }
    wire.expect("PUBLISH room rest", ":3");
    wires[2].expect("PING", "+PONG");
}

#[test]
fn subscribers_are_seen_and_a_slow_one_is_cut_off() {
    let site = Site::new();
    let server = site.start(&["--cores", "1", "--output-bytes-max", "64KiB"]);
    let (mut slow, mut wire) = (server.connect(), server.connect());
    slow.expect("SUBSCRIBE room", "*3 $9 subscribe $4 room :1");
    let list = wire.ask("CLIENT LIST").body();
    assert!(list.contains(" flags=P db=0 sub=1 psub=0 "), "{list}");
    let listed = |kind: &str, wire: &mut Wire| wire.ask(&format!("CLIENT LIST TYPE {kind}")).body();
    assert_eq!(listed("pubsub", &mut wire).lines().filter(|line| line.contains(" flags=P ")).count(), 1);
    let normal = listed("normal", &mut wire);
    assert!(normal.lines().count() == 1 && normal.contains(" flags=N "), "{normal}");
    let publish = request(&format!("PUBLISH room {}", "x".repeat(60_000)));
    let mut heard = 1;
    while heard == 1 {
        wire.send(&publish);
        heard = wire.reply().line()[1..].parse().expect("a number");
    }
    until(&mut wire, "clients", "pubsub_clients", "0");
    assert_eq!(wire.ask("PUBSUB NUMSUB room").line(), "*2 $4 room :0");
    assert!(!slow.rest().is_empty(), "what had left is there, then the end");
}

#[test]
fn messages_and_a_waiting_xread_share_a_connection() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let (mut both, mut wire) = (server.connect(), server.connect());
    both.ask("HELLO 3");
    both.expect("SUBSCRIBE room", ">3 $9 subscribe $4 room :1");
    both.send(&[request("XREAD BLOCK 0 STREAMS credit:events:0 $"), request("PING")].concat());
    until(&mut wire, "clients", "blocked_clients", "1");
    wire.expect("PUBLISH room hello", ":1");
    assert_eq!(both.reply().line(), message('>', &["message", "room", "hello"]), "though the XREAD waits");
    wire.ask("CREDIT.GRANT a g 5");
    let events = both.reply().line();
    assert!(events.starts_with("%1 $15 credit:events:0 *1 *2 ") && events.contains("credit.granted"), "{events}");
    assert_eq!(both.reply().line(), "+PONG");
}
