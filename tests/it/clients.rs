//! The story of an account as a program in Rust lives it, through the `redis` crate.

use std::collections::BTreeMap;

use redis::{Connection, ErrorKind, RedisError, Value};

use crate::server::{Server, Site};

fn connect(server: &Server, protocol: &str) -> Connection {
    let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", server.port);
    redis::Client::open(url).expect("a good address").get_connection().expect("the server listens")
}

type Fields = BTreeMap<String, Value>;

fn command(line: &str) -> redis::Cmd {
    let mut words = line.split_whitespace();
    let mut command = redis::cmd(words.next().expect("a command"));
    words.for_each(|word| {
        command.arg(word);
    });
    command
}

fn ask(client: &mut Connection, line: &str) -> Result<Fields, RedisError> {
    command(line).query(client)
}

/// The reply's status and numbers, in the order of `keys`.
fn figures(client: &mut Connection, line: &str, keys: &[&str]) -> (String, Vec<i64>) {
    let fields = ask(client, line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let status = fields.get("status").map(|status| redis::from_redis_value_ref(status).expect("a string"));
    let number = |key: &&str| redis::from_redis_value_ref(&fields[*key]).expect("a number");
    (status.unwrap_or_default(), keys.iter().map(number).collect())
}

fn refusal(client: &mut Connection, line: &str) -> (String, String) {
    let error = ask(client, line).expect_err(line);
    assert_eq!(error.kind(), ErrorKind::Extension, "{line}: {error}");
    (error.code().expect("a code").to_owned(), error.detail().unwrap_or_default().to_owned())
}

#[test]
fn the_calls_that_every_client_makes_and_an_event() {
    let site = Site::new();
    let server = site.start(&[]);
    for protocol in ["resp2", "resp3"] {
        let (mut client, mut listener) = (connect(&server, protocol), connect(&server, protocol));
        let mut events = listener.as_pubsub();
        events.subscribe("credit.granted").expect("a channel");
        for line in include_str!("../clients/calls.txt").replace('@', protocol).lines() {
            let Some((line, wanted)) = line.split_once(" | ").filter(|_| !line.starts_with('#')) else { continue };
            if let Some(wanted) = wanted.strip_prefix('!') {
                let (code, detail) = refusal(&mut client, line);
                assert!(format!("{code} {detail}").starts_with(wanted), "{line}: {code} {detail}");
                continue;
            }
            let fields = command(line).query::<Option<Fields>>(&mut client).unwrap_or_else(|e| panic!("{line}: {e}"));
            let Some(fields) = fields.filter(|_| wanted != "nil") else {
                assert_eq!(wanted, "nil", "{line}");
                continue;
            };
            for pair in wanted.split(' ').collect::<Vec<_>>().chunks(2) {
                let value = pair[1].parse().map_or_else(|_| text(pair[1]), Value::Int);
                assert_eq!(fields.get(pair[0]), Some(&value), "{line}: {}", pair[0]);
            }
        }
        let mut event = || events.get_message().and_then(|message| message.get_payload::<String>()).expect("an event");
        // One that was on its way to the session before may come first.
        while !event().contains(&format!("\"account\":\"{protocol}\"")) {}
    }
}

fn text(words: &str) -> Value {
    Value::BulkString(words.into())
}

#[test]
fn a_hold_returns_by_itself_at_its_deadline() {
    let site = Site::new();
    let server = site.start(&["--cores", "2"]);
    let mut client = connect(&server, "resp3");
    figures(&mut client, "CREDIT.GRANT a g 10", &[]);
    let (_, expires) = figures(&mut client, "CREDIT.RESERVE a r 4 TTL 50", &["expires"]);
    // The server's own clock says when to look: held until then, gone from then on.
    loop {
        let (_, shown) = figures(&mut client, "CREDIT.HOLDS a", &["time", "reserved", "available", "seq"]);
        if shown[0] >= expires[0] {
            assert_eq!(shown[1..], [0, 10, 3]);
            break;
        }
        assert_eq!(shown[1..], [4, 6, 2]);
    }
    let (code, facts) = refusal(&mut client, "CREDIT.CAPTURE a r");
    assert!(code == "EXPIRED" && facts.starts_with(&format!("expires={} now=", expires[0])), "{code} {facts}");
    assert_eq!(refusal(&mut client, "CREDIT.RESERVE a r 4").0, "EXPIRED");
    let released = figures(&mut client, "CREDIT.RELEASE a r", &["available", "seq", "replayed"]);
    assert_eq!(released, ("expired".into(), vec![10, 3, 1]));
}

#[test]
fn a_hold_of_an_idle_account_expires_without_being_asked_about() {
    let site = Site::new();
    let server = site.start(&["--cores", "2"]);
    let mut client = connect(&server, "resp2");
    figures(&mut client, "CREDIT.GRANT idle g 10", &[]);
    figures(&mut client, "CREDIT.RESERVE idle r 4 TTL 20", &[]);
    let (_, now) = figures(&mut client, "CREDIT.BALANCE other", &["time"]);
    loop {
        let info: String = redis::cmd("INFO").query(&mut client).expect("INFO");
        if info.contains("\r\nexpired_keys:1\r\n") {
            assert!(info.contains("\r\nreserved:0\r\n") && info.contains("\r\nholds:0\r\n"), "{info}");
            return;
        }
        let (_, later) = figures(&mut client, "CREDIT.BALANCE other", &["time"]);
        assert!(later[0] < now[0] + 20_000, "20 ms were over long ago\n{info}");
    }
}

#[test]
fn pipelines_and_transactions_of_the_library_work() {
    let site = Site::new();
    let server = site.start(&["--cores", "2"]);
    let mut client = connect(&server, "resp3");
    let mut pipe = redis::pipe();
    pipe.atomic();
    for n in 0..100 {
        pipe.cmd("CREDIT.GRANT").arg(format!("a{n}")).arg("g").arg(n + 1);
    }
    let replies: Vec<Fields> = pipe.query(&mut client).expect("a transaction");
    let balances = replies.iter().map(|reply| redis::from_redis_value_ref::<u64>(&reply["balance"]).expect("a number"));
    assert!(balances.eq(1..=100));
    let accounts: u64 = redis::cmd("DBSIZE").query(&mut client).expect("DBSIZE");
    assert_eq!(accounts, 100);
}
