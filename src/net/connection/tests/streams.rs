//! Questions about streams: nothing is executed behind them, and a wait ends with its client.

use super::*;
use crate::net::connection::streams::WAITING_INPUT_BYTES_MAX;

const XREAD: &[u8] = b"XREAD BLOCK 0 STREAMS credit:events:0 $\r\n";

fn nothing(proto: Proto) -> Answer {
    Answer::Encoded(if proto == Proto::Resp2 { b"*-1\r\n".to_vec() } else { b"_\r\n".to_vec() })
}

/// What is read of streams is answered by `answer`.
fn answer(connection: &mut Connection, desk: &Desk, answer: Answer) {
    connection.fill(desk.reads.last().expect("asked").0.slot, answer, |_| {});
}

#[test]
fn nothing_is_executed_behind_a_wait_until_it_is_over() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    let pipeline = [b"CREDIT.BALANCE a\r\nPING\r\n", XREAD, b"PING x\r\nCREDIT.BALANCE b\r\nPI"].concat();
    connection.receive(&pipeline, &mut desk);
    assert_eq!((desk.submitted.len(), desk.reads.len(), desk.reads[0].1), (1, 1, true));
    assert_eq!(connection.need(), Need::Input, "to see the client go");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert!(told(&mut connection).ends_with("+PONG "), "what was owed before has left");
    connection.receive(b"NG y\r\n", &mut desk);
    assert_eq!((told(&mut connection).as_str(), desk.submitted.len()), ("", 1));
    answer(&mut connection, &desk, nothing(Proto::Resp2));
    assert_eq!((told(&mut connection).as_str(), connection.need()), ("*-1 ", Need::Resume));
    connection.receive(b"", &mut desk);
    connection.fill(desk.submitted[1].0.slot, balance(2), |_| {});
    let text = told(&mut connection);
    let places = ["$1 x", ":2 ", "$1 y"].map(|part| text.find(part).expect(part));
    assert!(places.is_sorted() && connection.need() == Need::Input, "{text}");
}

#[test]
fn what_is_read_at_once_keeps_its_place_and_holds_up_what_follows() {
    for question in [
        "XREAD STREAMS credit:events:0 0",
        "XRANGE credit:events:0 - +",
        "XREVRANGE credit:events:0 + -",
        "XLEN credit:events:0",
        "XINFO STREAM credit:events:0",
    ] {
        let (mut connection, mut desk) = (connect(), Desk::new());
        connection.receive(format!("CREDIT.BALANCE a\r\n{question}\r\nPING\r\n{question}\r\n").as_bytes(), &mut desk);
        assert_eq!((desk.reads.len(), desk.reads[0].1, connection.need()), (1, false, Need::Resume), "{question}");
        answer(&mut connection, &desk, Answer::Integer(7));
        connection.receive(b"", &mut desk);
        assert_eq!((told(&mut connection).as_str(), desk.reads.len()), ("", 1), "its reply has not left");
        connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
        connection.receive(b"", &mut desk);
        assert!(told(&mut connection).ends_with(":7 +PONG "), "{question}");
        assert_eq!(desk.reads.len(), 2);
    }
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"XRANGE credit:log:{a} - + COUNT 5\r\nXRANGE k - +\r\n", &mut desk);
    assert_eq!((desk.submitted.len(), desk.reads.len()), (1, 0), "a log is a history, and nothing is nothing");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert!(told(&mut connection).ends_with("*0 "));
}

#[test]
fn a_wait_in_exec_is_none() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(&[b"MULTI\r\n", XREAD, b"PING\r\nEXEC\r\nPING x\r\n"].concat(), &mut desk);
    assert_eq!(told(&mut connection), "+OK +QUEUED +QUEUED *2 ");
    assert_eq!((desk.reads.len(), desk.reads[0].1), (1, false));
    answer(&mut connection, &desk, nothing(Proto::Resp2));
    connection.receive(b"", &mut desk);
    assert_eq!(told(&mut connection), "*-1 +PONG $1 x ");
}

#[test]
fn a_client_that_ends_its_side_ends_its_wait_and_hears_what_it_is_owed() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(&[b"CREDIT.BALANCE a\r\n", XREAD, b"PING\r\n"].concat(), &mut desk);
    connection.end_of_input();
    assert_eq!(connection.need(), Need::Room, "a reply is owed");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert_eq!(connection.need(), Need::Room, "a reply is unsent");
    assert!(told(&mut connection).contains(":1 "));
    assert_eq!(connection.need(), Need::End);
    connection.leave(&mut desk);
    assert_eq!(desk.given_up, [desk.reads[0].0]);

    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"XREAD STREAMS credit:events:0 0\r\nPING\r\n", &mut desk);
    connection.end_of_input();
    assert_eq!(connection.need(), Need::Resume, "what does not wait is answered, and what follows executed");
    answer(&mut connection, &desk, nothing(Proto::Resp2));
    connection.receive(b"", &mut desk);
    assert_eq!((told(&mut connection).as_str(), connection.need()), ("*-1 +PONG ", Need::End));
    connection.leave(&mut desk);
    assert!(desk.given_up.is_empty());
}

#[test]
fn a_wait_takes_only_so_much_input_and_is_no_silence() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    desk.limits.idle_timeout_ms = Some(1000);
    connection.receive(XREAD, &mut desk);
    assert!(!connection.sweep(1_000_000, &desk.limits), "it waits as long as it likes");
    assert!(connection.describe(1000).contains(" flags=b "));
    connection.receive(&[b'\n'; WAITING_INPUT_BYTES_MAX - 1], &mut desk);
    assert_eq!(connection.need(), Need::Input);
    connection.receive(b"\n", &mut desk);
    assert_eq!(connection.need(), Need::Room);
    desk.now_ms = 1_000_000;
    answer(&mut connection, &desk, nothing(Proto::Resp2));
    assert!(connection.describe(1000).contains(" flags=N "));
    told(&mut connection);
    connection.receive(b"", &mut desk);
    assert!(!connection.sweep(1_000_999, &desk.limits), "its time began when the wait was over");
    assert!(connection.sweep(1_001_001, &desk.limits));
}
