//! Streams at the socket: XREAD, XRANGE, XLEN, XINFO, with and without waiting.

use crate::feed::{Event, events};
use crate::server::{Server, Site};
use crate::tools::tool;
use crate::wire::{Reply, Wire, info};

/// The events of an XRANGE's reply, as those of an XREAD of stream 0.
fn range(reply: &Reply) -> Vec<Event> {
    let head = b"*1\r\n*2\r\n$15\r\ncredit:events:0\r\n";
    events(&Reply([head, &reply.0[..]].concat()))
}

/// `name key=value ..` of an event, without what the clock decides.
fn told((_, _, fields): &Event) -> String {
    let shown = fields.iter().filter(|(key, _)| !["event", "time", "expires"].contains(&key.as_str()));
    shown.fold(fields["event"].clone(), |line, (key, value)| format!("{line} {key}={value}"))
}

/// Waits until so many clients wait for a stream.
fn until_blocked(wire: &mut Wire, clients: usize) {
    while info(wire, "clients", "blocked_clients") != clients.to_string() {
        std::thread::yield_now();
    }
}

/// Has a fresh connection wait for `streams`.
fn blocked(server: &Server, streams: &str) -> Wire {
    let mut wire = server.connect();
    wire.send(&crate::wire::request(&format!("XREAD BLOCK 0 STREAMS {streams}")));
    wire
}

#[test]
fn every_change_is_an_event() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let mut wire = server.connect();
    wire.pipeline([
        "CREDIT.GRANT a g 20 REASON purchase META m",
        "CREDIT.RESERVE a r 10 TTL 60000",
        "CREDIT.CAPTURE a r AMOUNT 4",
        "CREDIT.DEBIT a d 6",
        "CREDIT.DEBIT a e 60",
        "CREDIT.RELEASE a v",
        "CREDIT.REFUND a f d",
        "CREDIT.RESERVE a s 1",
        "CREDIT.RELEASE a s",
        "LEAD.OPEN l 1",
        "LEAD.CLAIM a c l 5",
        "LEAD.OPEN k 1",
        "LEAD.CLOSE k",
    ]);
    let all = range(&wire.ask("XRANGE credit:events:0 - +"));
    let lines: Vec<_> = all.iter().map(told).collect();
    let expected = [
        "credit.granted account=a amount=20 available=20 balance=20 meta=m reason=purchase reserved=0 seq=1 tx=g",
        "credit.reserved account=a amount=10 available=10 balance=20 reserved=10 seq=2 tx=r",
        "credit.debited account=a amount=4 available=16 balance=16 reserved=0 returned=6 seq=3 tx=r via=capture",
        "credit.debited account=a amount=6 available=10 balance=10 reserved=0 seq=4 tx=d via=debit",
        "credit.declined account=a amount=60 available=10 balance=10 code=INSUFFICIENT reserved=0 seq=5 tx=e",
        "credit.released account=a amount=0 available=10 balance=10 cause=client reserved=0 seq=6 tx=v",
        "credit.refunded account=a amount=6 available=16 balance=16 of=d reserved=0 seq=7 tx=f",
        "credit.reserved account=a amount=1 available=15 balance=16 reserved=1 seq=8 tx=s",
        "credit.released account=a amount=1 available=16 balance=16 cause=client reserved=0 seq=9 tx=s",
        "lead.opened lead=l max=1 seq=1",
        "credit.reserved account=a amount=5 available=11 balance=16 lead=l reserved=5 seq=10 tx=c",
        "lead.claimed account=a amount=5 claim=1 lead=l max=1 remaining=0 seq=2 tx=c",
        "lead.full lead=l max=1 seq=2",
        "credit.debited account=a amount=5 available=11 balance=11 claim=1 lead=l remaining=0 reserved=0 seq=11 tx=c \
         via=claim",
        "lead.opened lead=k max=1 seq=1",
        "lead.closed lead=k max=1 seq=2",
    ];
    // A claim goes on while later commands run: its events may stand behind theirs.
    let (mut found, mut wanted) = (lines.clone(), expected.map(str::to_owned));
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(lines[..10], expected[..10]);
    let full = all.iter().position(|event| event.2["event"] == "lead.full").expect("it is full");
    let (claimed, full) = (all[full - 1].1, all[full].1);
    assert_eq!((full.0, full.1), (claimed.0, claimed.1 + 1), "the second event of a record");
    assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].1), "ids grow");
    wire.expect("XLEN credit:events:0", ":16");
    let mut back = range(&wire.ask("XREVRANGE credit:events:0 + -"));
    back.reverse();
    assert_eq!(back, all);
    let (first, last) = (all[2].1, all[4].1);
    let some = wire.ask(&format!("XRANGE credit:events:0 {}-{} {}-{}", first.0, first.1, last.0, last.1));
    assert_eq!(range(&some), all[2..5]);
    let some = wire.ask(&format!("XRANGE credit:events:0 ({}-{} + COUNT 2", first.0, first.1));
    assert_eq!(range(&some), all[3..5]);
    // What a crash leaves is the same, and goes on behind it.
    server.kill9();
    let server = site.start(&[]);
    let mut wire = server.connect();
    assert_eq!(range(&wire.ask("XRANGE credit:events:0 - +")), all);
    wire.ask("CREDIT.GRANT b g 1");
    let newest = events(&wire.ask("XREAD STREAMS credit:events:0 +"));
    assert!(newest.len() == 1 && newest[0].1 > all[15].1 && newest[0].2["account"] == "b");
    wire.expect("XLEN credit:events:0", ":17");
}

#[test]
fn who_waits_is_answered_by_what_comes() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "2"]);
    let mut wire = server.connect();
    wire.ask("CREDIT.GRANT a g 1");
    // Of both shards; of one that has something already; of an account, of one that is not there yet.
    let mut both = blocked(&server, "credit:events:0 credit:events:1 $ $");
    let mut account = blocked(&server, "credit:log:{a} $");
    let mut later = blocked(&server, "nothing credit:log:{b} 0 0");
    let mut at_once = blocked(&server, "credit:log:{a} credit:log:{b} 0 0");
    assert!(at_once.reply().line().starts_with("*1 *2 $14 credit:log:{a} *1 *2 $"));
    until_blocked(&mut wire, 3);
    wire.ask("CREDIT.GRANT a h 2");
    let event = events(&both.reply());
    assert_eq!((event.len(), event[0].2["tx"].as_str()), (1, "h"));
    let reply = account.reply().line();
    assert!(reply.starts_with("*1 *2 $14 credit:log:{a} *1 *2 $") && reply.contains("$2 tx $1 h "), "{reply}");
    until_blocked(&mut wire, 1);
    wire.ask("CREDIT.GRANT b i 3");
    let reply = later.reply().line();
    assert!(reply.starts_with("*1 *2 $14 credit:log:{b} *1 *2 $") && reply.contains("$2 tx $1 i "), "{reply}");
    until_blocked(&mut wire, 0);
    // A hold that ends by itself is news, too.
    wire.ask("CREDIT.RESERVE a r 1 TTL 1000");
    let mut expired = blocked(&server, "credit:log:{a} $");
    let reply = expired.reply().line();
    assert!(reply.contains("$4 type $6 EXPIRE "), "{reply}");
}

#[test]
fn a_thousand_wait_for_the_same() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "2"]);
    let mut wire = server.connect();
    let mut readers: Vec<_> = (0..1000).map(|_| blocked(&server, "credit:events:0 credit:events:1 $ $")).collect();
    until_blocked(&mut wire, 1000);
    wire.ask("CREDIT.GRANT a g 1");
    let first = readers[0].reply();
    assert_eq!(events(&first).len(), 1);
    assert!(readers[1..].iter_mut().all(|reader| reader.reply() == first));
    until_blocked(&mut wire, 0);
}

#[test]
fn who_waits_in_vain_hears_so_and_who_leaves_is_forgotten() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let mut wire = server.connect();
    wire.expect("XREAD BLOCK 1 STREAMS credit:events:0 $", "*-1");
    wire.expect("XREAD BLOCK 1 STREAMS credit:log:{a} 0", "*-1");
    wire.expect("XREAD STREAMS credit:events:0 0", "*-1");
    wire.expect("XREAD STREAMS credit:events:7 elsewhere 0 $", "*-1");
    wire.ask("HELLO 3");
    wire.expect("XREAD BLOCK 1 STREAMS credit:events:0 $", "_");
    wire.ask("HELLO 2");
    let gone = blocked(&server, "credit:events:0 $");
    let mut half_gone = blocked(&server, "credit:log:{a} $");
    until_blocked(&mut wire, 2);
    drop(gone);
    half_gone.half_close();
    assert_eq!(half_gone.rest(), b"", "nobody would hear the answer");
    until_blocked(&mut wire, 0);
    // Behind a command that waits nothing is executed.
    let mut waiting = blocked(&server, "credit:events:0 $");
    waiting.send(b"CREDIT.GRANT a late 1\r\nPING\r\n");
    until_blocked(&mut wire, 1);
    assert_eq!(wire.ask("CREDIT.BALANCE a").number("balance"), 0);
    wire.ask("CREDIT.GRANT a early 1");
    assert_eq!(events(&waiting.reply())[0].2["tx"], "early");
    assert_eq!(waiting.reply().number("seq"), 2);
    assert_eq!(waiting.reply().line(), "+PONG");
    // Nor does a transaction wait.
    let replies = wire.pipeline(["MULTI", "XREAD BLOCK 0 STREAMS credit:events:0 $", "EXEC"]);
    assert_eq!(replies[2].line(), "*1 *-1");
}

#[test]
fn streams_tell_of_themselves() {
    let site = Site::new();
    let server = site.start(&["--shards", "1"]);
    let mut wire = server.connect();
    wire.expect("XINFO STREAM nothing", "-ERR no such key");
    wire.expect("XINFO STREAM credit:log:{a}", "-ERR no such key");
    let empty = wire.ask("XINFO STREAM credit:events:0").line();
    assert!(empty.contains("$6 length :0 ") && empty.contains("$17 last-generated-id $3 0-0 "), "{empty}");
    assert!(empty.ends_with("$11 first-entry $-1 $10 last-entry $-1"), "{empty}");
    wire.pipeline(["CREDIT.GRANT a g 1", "CREDIT.GRANT a h 1", "CREDIT.GRANT b i 1"]);
    let all = range(&wire.ask("XRANGE credit:events:0 - +"));
    let (first, last) = (all[0].1, all[2].1);
    let text = wire.ask("XINFO STREAM credit:events:0").line();
    let has = |words: &str| assert!(text.contains(words), "{words} in {text}");
    has("*20 $6 length :3 ");
    has(&format!("{}-{} $20 max-deleted-entry-id $3 0-0 $13 entries-added :3 ", last.0, last.1));
    has(&format!("{}-{} $6 groups :0 $11 first-entry *2 $", first.0, first.1));
    wire.expect("XLEN credit:log:{a}", ":2");
    wire.expect("XLEN nothing", ":0");
    let log = wire.ask("XINFO STREAM credit:log:{a}").line();
    assert!(log.contains("$6 length :2 ") && log.contains("$20 max-deleted-entry-id $3 0-0 "), "{log}");
    // An account's log is its HISTORY.
    assert_eq!(wire.ask("XRANGE credit:log:{a} - +"), wire.ask("CREDIT.HISTORY a"));
    assert_eq!(wire.ask("XREVRANGE credit:log:{a} + - COUNT 1"), wire.ask("CREDIT.HISTORY a COUNT 1 REV"));
    let two = wire.ask("XREAD COUNT 1 STREAMS credit:log:{a} credit:events:0 0 0").line();
    assert!(two.starts_with("*2 *2 $14 credit:log:{a} *1 ") && two.contains(" *2 $15 credit:events:0 *1 "), "{two}");
}

#[test]
fn trimmed_history_is_told_of() {
    let site = Site::new();
    let flags = ["--shards", "1", "--tx-retention", "1s"];
    let server = site.start(&flags);
    // More than two segments, of 4 MiB.
    server.connect().pipeline((0..40_000).map(|n| format!("CREDIT.GRANT a g{n} 1 META {n:0>200}")));
    assert_eq!(server.terminate(), Some(0));
    let (data, archive) = (site.data_dir(), site.path("archive"));
    let words = ["archive", data.to_str().expect("text"), archive.to_str().expect("text"), "--before", "2100-01-01"];
    // Until its ids are forgotten no segment may go.
    while tool(&words).out.contains(" 0 removed, ") {
        let server = site.start(&flags);
        let mut wire = server.connect();
        wire.ask("CREDIT.GRANT a * 1");
        wire.expect("SAVE", "+OK");
        wire.ask("CREDIT.GRANT a * 1");
        wire.expect("SAVE", "+OK");
        assert_eq!(server.terminate(), Some(0));
    }
    let server = site.start(&flags);
    let mut wire = server.connect();
    let first = events(&wire.ask("XREAD COUNT 1 STREAMS credit:events:0 0")).remove(0);
    assert!(first.2["seq"].parse::<u64>().expect("a number") > 1, "{first:?}");
    let text = wire.ask("XINFO STREAM credit:events:0").line();
    let gone = text.split("max-deleted-entry-id ").nth(1).and_then(|rest| rest.split(' ').nth(1)).expect("an id");
    let (ms, seq) = gone.split_once('-').expect("an id");
    assert_eq!(ms.parse(), Ok(first.1.0));
    assert!((1..first.1.1).contains(&seq.parse().expect("a number")), "{gone} before {:?}", first.1);
    // How much is kept depends on how many ids were forgotten until then.
    let kept = range(&wire.ask("XRANGE credit:events:0 - + COUNT 1000"));
    assert_eq!(kept[0], first);
    let back = range(&wire.ask("XREVRANGE credit:events:0 + - COUNT 1000"));
    assert!(back.len() == kept.len() && back.windows(2).all(|pair| pair[0].1 > pair[1].1));
}
