//! Thousands of requests in one go: replies come in request order whatever shard and core answers.

use crate::server::Site;
use crate::wire::{Wire, request};

const COMMANDS: usize = 10_000;

const ACCOUNTS: usize = 500;

/// Sends while it reads, as clients do: the replies of so many requests do not fit the sockets.
fn pipeline(port: u16, wire: &mut Wire, lines: &[String], hello: &str) -> Vec<String> {
    assert!(port > 0, "it serves");
    wire.ask(hello);
    let mut replies = Vec::with_capacity(lines.len());
    for chunk in lines.chunks(1_000) {
        wire.send(&chunk.iter().flat_map(|line| request(line)).collect::<Vec<_>>());
        replies.extend(chunk.iter().map(|_| wire.reply().line()));
    }
    replies
}

#[test]
fn ten_thousand_commands_over_many_accounts_answer_in_order() {
    for cores in ["1", "2"] {
        let site = Site::new();
        let server = site.start(&["--cores", cores, "--shards", "4"]);
        for (hello, name, head) in [("HELLO 2", "two", "*8"), ("HELLO 3", "three", "%4")] {
            let mut wire = server.connect();
            let lines: Vec<_> = (0..COMMANDS)
                .map(|at| match at % 5 {
                    4 => format!("ECHO {at}"),
                    _ => format!("CREDIT.GRANT {name}:{} t{at} {}", at % ACCOUNTS, at + 1),
                })
                .collect();
            let mut balances = [(0, 0); ACCOUNTS];
            let replies = pipeline(server.port, &mut wire, &lines, hello);
            for (at, reply) in replies.iter().enumerate() {
                let (balance, seq) = &mut balances[at % ACCOUNTS];
                let expected = if at % 5 == 4 {
                    format!("${} {at}", at.to_string().len())
                } else {
                    (*balance, *seq) = (*balance + at + 1, *seq + 1);
                    format!("{head} $6 status $7 granted $7 balance :{balance} $9 available :{balance} $3 seq :{seq}")
                };
                assert_eq!(*reply, expected, "{} with --cores {cores}", lines[at]);
            }
        }
    }
}

#[test]
fn a_client_that_sends_everything_first_gets_every_reply() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "4"]);
    let mut wire = server.connect();
    let bytes: Vec<u8> = (0..COMMANDS).flat_map(|at| request(&format!("CREDIT.GRANT a:{} t{at} 1", at % 7))).collect();
    wire.send(&bytes);
    wire.half_close();
    let replies = wire.rest();
    let seqs = (0..COMMANDS).map(|at| at / 7 + 1);
    let expected: String = seqs
        .map(|n| format!("*8\r\n$6\r\nstatus\r\n$7\r\ngranted\r\n$7\r\nbalance\r\n:{n}\r\n$9\r\navailable\r\n:{n}\r\n$3\r\nseq\r\n:{n}\r\n"))
        .collect();
    assert!(replies == expected.as_bytes(), "{} bytes of replies, {} expected", replies.len(), expected.len());
}

#[test]
fn many_clients_on_one_account_debit_it_exactly_to_zero() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "2"]);
    assert!(server.connect().ask("CREDIT.GRANT hot g 1000").line().contains("granted"));
    let port = server.port;
    let debited: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                scope.spawn(move || {
                    let lines: Vec<_> = (0..200).map(|n| format!("CREDIT.DEBIT hot c{client}:{n} 1")).collect();
                    let replies = pipeline(port, &mut Wire::connect(port), &lines, "HELLO 2");
                    let declined = "-INSUFFICIENT available=0 required=1";
                    assert!(replies.iter().all(|reply| reply.contains("debited") || reply == declined));
                    replies.iter().filter(|reply| reply.contains("debited")).count()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("it asserts")).sum()
    });
    assert_eq!(debited, 1000);
    let shown = server.connect().ask("CREDIT.BALANCE hot");
    assert_eq!((shown.number("balance"), shown.number("seq")), (0, 1 + 8 * 200), "declines are entries too");
}

#[test]
fn many_clients_that_send_the_same_id_debit_once() {
    let site = Site::new();
    let server = site.start(&["--cores", "2", "--shards", "2"]);
    assert!(server.connect().ask("CREDIT.GRANT a g 1000").line().contains("granted"));
    let port = server.port;
    let first: usize = std::thread::scope(|scope| {
        let debit = move || Wire::connect(port).ask("CREDIT.DEBIT a once 7").line();
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(debit)).collect();
        let replies = clients.into_iter().map(|client| client.join().expect("it asserts"));
        replies.filter(|reply| !reply.ends_with("$8 replayed :1")).count()
    });
    assert_eq!(first, 1);
    assert_eq!(server.connect().ask("CREDIT.BALANCE a").number("balance"), 993);
}

/// A connection that has more output than it may has to ask for input again once that is written, whoever wrote it.
#[test]
fn a_flood_of_output_does_not_end_the_conversation() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    for requests in [1, 2, 4, 8, 16, 32, 64] {
        wire.send(&request("COMMAND DOCS").repeat(requests));
        for _ in 0..requests {
            wire.reply();
        }
        assert_eq!(wire.ask("PING").line(), "+PONG", "after {requests} at once");
    }
}

/// The largest histories, many at once: the client reads slowly, but it reads, and so is not cut off.
#[test]
fn a_flood_of_histories_is_answered_to_its_end() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut wire = server.connect();
    let (reason, meta) = ("r".repeat(64), "m".repeat(1024));
    let lines: Vec<_> = (0..1000).map(|at| format!("CREDIT.GRANT a {at:064} 9 REASON {reason} META {meta}")).collect();
    pipeline(server.port, &mut wire, &lines, "HELLO 2");
    wire.send(&request("CREDIT.HISTORY a COUNT 999").repeat(40));
    let first = wire.reply();
    assert!(first.text().starts_with("*999\r\n") && first.0.len() > 1_000_000, "{}", first.0.len());
    assert!((1..40).all(|_| wire.reply() == first));
    wire.expect("PING", "+PONG");
}
