//! Subscribers: what they are told, what they may say, where messages may stand.

use super::*;
use crate::commands::pubsub::CHANNEL_LEN_MAX;

const MESSAGE: (&[u8], &[u8]) = (b"*message\r\n", b">message\r\n");

fn say(connection: &mut Connection, desk: &mut Desk, line: &str) -> String {
    connection.receive(format!("{line}\r\n").as_bytes(), desk);
    told(connection)
}

fn push(connection: &mut Connection) -> String {
    connection.push(MESSAGE.0, MESSAGE.1);
    told(connection)
}

#[test]
fn every_change_is_confirmed_with_what_is_left() {
    for (greeting, head, null) in [("HELLO 2", "*3", "$-1"), ("HELLO 3", ">3", "_")] {
        let (mut connection, mut desk) = (connect(), Desk::new());
        say(&mut connection, &mut desk, greeting);
        for (line, confirmed, is_subscribed) in [
            ("UNSUBSCRIBE", vec![("unsubscribe", "", 0)], false),
            ("UNSUBSCRIBE x y", vec![("unsubscribe", "x", 0), ("unsubscribe", "y", 0)], false),
            ("SUBSCRIBE b a b", vec![("subscribe", "b", 1), ("subscribe", "a", 2), ("subscribe", "b", 2)], true),
            ("PSUBSCRIBE a", vec![("psubscribe", "a", 3)], true),
            ("UNSUBSCRIBE", vec![("unsubscribe", "a", 2), ("unsubscribe", "b", 1)], true),
            ("UNSUBSCRIBE", vec![("unsubscribe", "", 1)], true),
            ("PUNSUBSCRIBE c a", vec![("punsubscribe", "c", 1), ("punsubscribe", "a", 0)], false),
            ("PUNSUBSCRIBE", vec![("punsubscribe", "", 0)], false),
        ] {
            let expected: String = confirmed
                .iter()
                .map(|(word, name, left)| {
                    let name = if name.is_empty() { null.to_owned() } else { format!("${} {name}", name.len()) };
                    format!("{head} ${} {word} {name} :{left} ", word.len())
                })
                .collect();
            assert_eq!(say(&mut connection, &mut desk, line), expected, "{line}");
            assert_eq!(connection.is_subscribed(), is_subscribed, "{line}");
        }
        assert_eq!(desk.listening, ["+b", "+a", "+a*", "-a", "-b", "-a*"]);
    }
}

#[test]
fn a_resp2_subscriber_may_say_little_and_a_resp3_one_anything() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    say(&mut connection, &mut desk, "SUBSCRIBE a");
    for (line, name) in [("dbsize", "dbsize"), ("CLIENT ID", "client|id"), ("HELLO 3", "hello"), ("MULTI", "multi")] {
        let text = format!(
            "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
             this context "
        );
        assert_eq!(say(&mut connection, &mut desk, line), text);
    }
    assert!(say(&mut connection, &mut desk, "lpop x").starts_with("-ERR unknown command 'lpop'"));
    assert_eq!(say(&mut connection, &mut desk, "PING"), "*2 $4 pong $0  ");
    assert_eq!(say(&mut connection, &mut desk, "PING hi"), "*2 $4 pong $2 hi ");
    assert_eq!(say(&mut connection, &mut desk, "UNSUBSCRIBE a"), "*3 $11 unsubscribe $1 a :0 ");
    assert_eq!(say(&mut connection, &mut desk, "PING"), "+PONG ");

    say(&mut connection, &mut desk, "HELLO 3");
    say(&mut connection, &mut desk, "SUBSCRIBE a");
    say(&mut connection, &mut desk, "PSUBSCRIBE a* b*");
    assert_eq!(say(&mut connection, &mut desk, "PING"), "+PONG ");
    assert_eq!(say(&mut connection, &mut desk, "PUBLISH a x"), ":42 ");
    assert!(say(&mut connection, &mut desk, "CLIENT INFO").contains(" flags=P db=0 sub=1 psub=2 ssub=0 multi=-1 "));
    say(&mut connection, &mut desk, "MULTI");
    assert!(connection.describe(1000).contains(" flags=Px "));
    assert_eq!(say(&mut connection, &mut desk, "SUBSCRIBE b"), "-ERR Command not allowed inside a transaction ");
    assert!(say(&mut connection, &mut desk, "EXEC").starts_with("-EXECABORT"));
    say(&mut connection, &mut desk, "HELLO 2");
    assert!(say(&mut connection, &mut desk, "DBSIZE").starts_with("-ERR Can't execute 'dbsize'"), "RESP2 again");
}

#[test]
fn reset_and_the_end_end_all_subscriptions() {
    for how in ["RESET", "leave"] {
        let (mut connection, mut desk) = (connect(), Desk::new());
        say(&mut connection, &mut desk, "SUBSCRIBE b a");
        say(&mut connection, &mut desk, "PSUBSCRIBE c");
        desk.listening.clear();
        match how {
            "RESET" => {
                assert_eq!(say(&mut connection, &mut desk, "RESET"), "+RESET ");
                assert_eq!(say(&mut connection, &mut desk, "PING"), "+PONG ");
            }
            _ => connection.leave(&mut desk),
        }
        assert_eq!(
            (desk.listening, connection.is_subscribed()),
            (["-a", "-b", "-c*"].map(str::to_owned).to_vec(), false)
        );
    }
}

#[test]
fn messages_stand_behind_the_replies_that_are_owed() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"CREDIT.BALANCE a\r\nSUBSCRIBE c\r\n", &mut desk);
    assert_eq!(push(&mut connection), "");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    let text = told(&mut connection);
    assert!(text.ends_with("*3 $9 subscribe $1 c :1 *message "), "{text}");
    assert_eq!(push(&mut connection), "*message ", "nothing is owed");
    say(&mut connection, &mut desk, "QUIT");
    assert_eq!(push(&mut connection), "", "it leaves");
}

#[test]
fn messages_pass_a_wait_by() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    say(&mut connection, &mut desk, "HELLO 3");
    say(&mut connection, &mut desk, "SUBSCRIBE c");
    connection.receive(b"CREDIT.BALANCE a\r\nXREAD BLOCK 0 STREAMS credit:events:0 $\r\nPING\r\n", &mut desk);
    assert_eq!(push(&mut connection), "", "a reply is owed before");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert!(told(&mut connection).ends_with(">message "));
    assert_eq!(push(&mut connection), ">message ");
    connection.fill(desk.reads[0].0.slot, Answer::Encoded(b"_\r\n".to_vec()), |_| {});
    assert_eq!(push(&mut connection), "_ >message ");
    connection.receive(b"", &mut desk);
    assert_eq!(told(&mut connection), "+PONG ");
}

#[test]
fn no_message_stands_in_the_array_of_exec() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    say(&mut connection, &mut desk, "HELLO 3");
    say(&mut connection, &mut desk, "SUBSCRIBE c");
    let xread = "XREAD STREAMS k 0";
    connection.receive(format!("MULTI\r\nPING\r\n{xread}\r\nPING x\r\n{xread}\r\nEXEC\r\n").as_bytes(), &mut desk);
    assert!(told(&mut connection).ends_with("*4 +PONG "));
    assert_eq!(push(&mut connection), "", "two requests are not executed yet");
    connection.fill(desk.reads[0].0.slot, Answer::Encoded(b"_\r\n".to_vec()), |_| {});
    assert_eq!(push(&mut connection), "_ ");
    connection.receive(b"", &mut desk);
    assert_eq!(push(&mut connection), "$1 x ", "the last element is to be read");
    connection.fill(desk.reads[1].0.slot, Answer::Encoded(b"_\r\n".to_vec()), |_| {});
    assert_eq!(told(&mut connection), format!("_ {}", ">message ".repeat(3)));
}

#[test]
fn subscriptions_and_messages_that_wait_are_bounded() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    desk.limits.frame_bytes_max = 1 << 20;
    desk.limits.args_max = 2000;
    let names = |range: std::ops::Range<usize>| range.map(|n| format!(" c{n}")).collect::<String>();
    let first = names(0..1000);
    assert!(say(&mut connection, &mut desk, &format!("SUBSCRIBE{first}")).ends_with(":1000 "));
    assert!(say(&mut connection, &mut desk, &format!("PSUBSCRIBE{}", names(0..24))).ends_with(":1024 "));
    assert!(say(&mut connection, &mut desk, &format!("SUBSCRIBE{first}")).ends_with(":1024 "), "known ones");
    let text = "-ERR a connection listens to at most 1024 channels and patterns ";
    assert_eq!(say(&mut connection, &mut desk, "SUBSCRIBE c1 new"), text);
    assert_eq!((desk.listening.len(), CHANNEL_LEN_MAX), (1024, 512), "half a megabyte a connection");

    for line in ["CREDIT.BALANCE a", "MULTI\r\nXREAD STREAMS k 0\r\nPING\r\nEXEC"] {
        let (mut connection, mut desk) = (connect(), Desk::new());
        say(&mut connection, &mut desk, "HELLO 3");
        say(&mut connection, &mut desk, "SUBSCRIBE c");
        connection.receive(format!("{line}\r\n").as_bytes(), &mut desk);
        let message = vec![b'x'; 1 << 20];
        let cut_off_at = (0..20).position(|_| {
            connection.push(b"", &message);
            connection.is_over()
        });
        // The read of the transaction weighs some itself.
        assert_eq!(cut_off_at, Some(if line.starts_with("MULTI") { 12 } else { 16 }), "{line}");
        assert!(connection.is_over());
    }
}

#[test]
fn a_subscriber_may_be_silent() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    desk.limits.idle_timeout_ms = Some(1000);
    say(&mut connection, &mut desk, "SUBSCRIBE c");
    assert!(!connection.sweep(1_000_000, &desk.limits));
    say(&mut connection, &mut desk, "UNSUBSCRIBE");
    assert!(connection.sweep(1_000_000, &desk.limits));
}
