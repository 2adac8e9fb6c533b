//! A conversation with a host that answers when told to.

mod access;
mod pubsub;
mod streams;

use super::*;
use crate::access::{Checked, Denial, User, Users};
use crate::commands::Defaults;
use crate::commands::connection::Credentials;
use crate::commands::reply::Proto;
use crate::commands::streams::StreamRequest;
use crate::ledger::outcome::{Figures, Outcome};
use crate::net::replies::MadeTx;
use std::net::IpAddr;
use std::sync::Arc;

struct Desk {
    limits: Limits,
    defaults: Defaults,
    loading: bool,
    congested: bool,
    /// For what changes something.
    paused: bool,
    users: Arc<Users>,
    /// Passwords that were wrong, and are not refused yet.
    logins: Vec<Ticket>,
    /// What users were denied: who, why, what.
    denied: Vec<String>,
    now_ms: u64,
    submitted: Vec<(Ticket, Vec<u8>)>,
    /// Questions about streams, and whether they may wait.
    reads: Vec<(Ticket, bool)>,
    given_up: Vec<Ticket>,
    /// `+` begun, `-` ended, the channel; `*` behind a pattern.
    listening: Vec<String>,
}

impl Desk {
    fn new() -> Self {
        Self {
            limits: Limits {
                slots_max: 4,
                args_max: 64,
                frame_bytes_max: 4096,
                frame_timeout_ms: 1000,
                idle_timeout_ms: None,
            },
            defaults: Defaults { reserve_ttl_ms: 300_000, allow_auto_tx: true },
            loading: false,
            congested: false,
            paused: false,
            users: Arc::new(Users::load("", None).expect("the open default user")),
            logins: Vec::new(),
            denied: Vec::new(),
            now_ms: 1000,
            submitted: Vec::new(),
            reads: Vec::new(),
            given_up: Vec::new(),
            listening: Vec::new(),
        }
    }
}

impl Host for Desk {
    fn submit(&mut self, ticket: Ticket, command: &Command<'_>) {
        self.submitted.push((ticket, command.tx.to_vec()));
    }
    fn ask(&mut self, _: Ticket, _: Proto, _: &Arc<User>, _: &ServerRequest<'_>) -> Option<Answer> {
        Some(Answer::Integer(42))
    }
    fn read_stream(&mut self, ticket: Ticket, _: Proto, _: &StreamRequest<'_>, may_block: bool) -> Option<Answer> {
        self.reads.push((ticket, may_block));
        None
    }
    fn give_up(&mut self, ticket: Ticket) {
        self.given_up.push(ticket);
    }
    fn subscribe(&mut self, _: Ticket, channel: &[u8], is_pattern: bool) {
        let mark = if is_pattern { "*" } else { "" };
        self.listening.push(format!("+{}{mark}", String::from_utf8_lossy(channel)));
    }
    fn unsubscribe(&mut self, _: Ticket, channel: &[u8], is_pattern: bool) {
        let mark = if is_pattern { "*" } else { "" };
        self.listening.push(format!("-{}{mark}", String::from_utf8_lossy(channel)));
    }
    fn make_tx(&mut self) -> MadeTx {
        *b"01ARZ3NDEKTSV4RRFFQ69G5FAV"
    }
    fn loading(&self) -> Option<String> {
        self.loading.then(|| "LOADING 12% done, about 3 s left".to_owned())
    }
    fn is_congested(&self) -> bool {
        self.congested
    }
    fn users(&self) -> &Arc<Users> {
        &self.users
    }
    fn log_in(&mut self, ticket: Ticket, _: IpAddr, credentials: &Credentials<'_>) -> Option<Verdict> {
        match self.users.check(credentials.user, credentials.password.reveal()) {
            Checked::Right(user) => Some(Verdict::Right(user)),
            _ => {
                self.logins.push(ticket);
                None
            }
        }
    }
    fn denied(&mut self, user: &str, denial: &Denial<'_>, in_multi: bool, client: impl FnOnce() -> String) {
        assert!(client().starts_with("id=9 "));
        let object = String::from_utf8_lossy(denial.object());
        let context = if in_multi { " in MULTI" } else { "" };
        self.denied.push(format!("{user}: {} {object}{context}", denial.reason()));
    }
    fn monitor(&mut self, _: Ticket, _: bool) {}
    fn is_monitored(&self) -> bool {
        false
    }
    fn tell_monitors(&mut self, _: &[u8]) {}
    fn pauses(&self, is_write: bool) -> bool {
        self.paused && is_write
    }
    fn shards(&self) -> u16 {
        2
    }
    fn redis_version(&self) -> &'static str {
        "7.2.4"
    }
    fn limits(&self) -> &Limits {
        &self.limits
    }
    fn defaults(&self) -> &Defaults {
        &self.defaults
    }
    fn now_ms(&self) -> u64 {
        self.now_ms
    }
    fn called(&mut self, _: u16) {}
    fn refused(&mut self, _: Option<&'static CommandSpec>, _: &str) {}

    fn failed(&mut self, _: Failure) {}
}

fn connect() -> Connection {
    connect_to(&Desk::new())
}

fn connect_to(desk: &Desk) -> Connection {
    let address = SocketAddr::from(([127, 0, 0, 1], 7));
    Connection::new(9, Ticket { core: 0, connection: 0, generation: 0, slot: 0 }, address, address, desk)
}

/// What the client reads next.
fn told(connection: &mut Connection) -> String {
    let text = String::from_utf8_lossy(connection.output()).replace("\r\n", " ");
    connection.sent(connection.output().len());
    text
}

fn balance(balance: u64) -> Answer {
    Answer::Outcome(Outcome::Balance(Figures { balance, ..Figures::default() }))
}

#[test]
fn answers_come_in_any_order_and_leave_in_the_order_of_requests() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"CREDIT.BALANCE a\r\nPING\r\nCREDIT.BALANCE b\r\n", &mut desk);
    assert_eq!(told(&mut connection), "");
    let slots: Vec<u32> = desk.submitted.iter().map(|(ticket, _)| ticket.slot).collect();
    connection.fill(slots[1], balance(2), |_| {});
    assert_eq!(told(&mut connection), "");
    connection.fill(slots[0], balance(1), |_| {});
    let text = told(&mut connection);
    let places = [":1 ", "+PONG", ":2 "].map(|part| text.find(part).expect(part));
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn a_full_ring_stops_reading_and_goes_on_when_a_reply_has_left() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(&b"CREDIT.BALANCE a\r\n".repeat(6), &mut desk);
    assert_eq!((desk.submitted.len(), connection.need()), (4, Need::Resume), "four slots");
    connection.receive(b"", &mut desk);
    assert_eq!(desk.submitted.len(), 4, "still full");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    connection.receive(b"", &mut desk);
    assert_eq!(desk.submitted.len(), 5);
    desk.congested = true;
    connection.fill(desk.submitted[1].0.slot, balance(1), |_| {});
    connection.receive(b"", &mut desk);
    assert_eq!(desk.submitted.len(), 5, "shards are too far behind");
    desk.congested = false;
    connection.receive(b"", &mut desk);
    assert_eq!((desk.submitted.len(), connection.need()), (6, Need::Input));
}

#[test]
fn questions_with_long_answers_wait_until_earlier_ones_are_answered() {
    for (question, at_once) in [
        ("CREDIT.TX a t", 16),
        ("CREDIT.AUDIT a", 16),
        ("CREDIT.BALANCE a AT 1", 16),
        ("CREDIT.HISTORY a COUNT 900", 4),
        ("CREDIT.HISTORY a", 16),
        ("LEAD.CLAIMS l COUNT 900", 4),
        ("LEAD.CLAIMS l", 32),
    ] {
        let (mut connection, mut desk) = (connect(), Desk::new());
        desk.limits.slots_max = 1024;
        connection.receive(b"CREDIT.BALANCE a\r\n", &mut desk);
        connection.receive(format!("{question}\r\n").repeat(at_once + 1).as_bytes(), &mut desk);
        assert_eq!((desk.submitted.len(), connection.need()), (1 + at_once, Need::Resume), "{question}");
        connection.fill(desk.submitted[1].0.slot, balance(1), |_| {});
        connection.receive(b"", &mut desk);
        assert_eq!(desk.submitted.len(), 1 + at_once, "{question}: answered, but its reply has not left");
        connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
        connection.receive(b"", &mut desk);
        assert_eq!((desk.submitted.len(), connection.need()), (2 + at_once, Need::Input), "{question}");
    }
}

#[test]
fn replies_that_are_ready_before_their_turn_are_bounded() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    desk.limits = Limits { slots_max: 1024, frame_bytes_max: 1 << 20, ..desk.limits };
    let echo = format!("*2\r\n$4\r\nECHO\r\n$100000\r\n{}\r\n", "x".repeat(100_000));
    connection.receive(b"CREDIT.BALANCE a\r\n", &mut desk);
    connection.receive(echo.repeat(100).as_bytes(), &mut desk);
    assert_eq!(connection.need(), Need::Resume);
    // 33 replies, and the requests behind them, which a socket's read would not have taken.
    assert!((10_000_000..14_000_000).contains(&connection.memory()), "{}", connection.memory());
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert!(connection.output().len() > 3_200_000 && connection.ring.memory() < 100_000);
    connection.cut(CloseReason::Killed);
    assert!(connection.memory() < 100_000, "who is cut off holds nothing");
}

#[test]
fn while_loading_only_what_needs_no_accounts_is_answered() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    desk.loading = true;
    connection.receive(b"PING\r\nCREDIT.BALANCE a\r\nDBSIZE\r\n", &mut desk);
    assert_eq!(told(&mut connection), "-LOADING 12% done, about 3 s left ".repeat(3));
    connection.receive(b"INFO\r\nCLIENT ID\r\n", &mut desk);
    assert_eq!(told(&mut connection), ":42 :9 ");
    assert!(desk.submitted.is_empty());
}

#[test]
fn exec_runs_the_queue_in_order_under_one_array() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"MULTI\r\nCREDIT.GRANT a * 5\r\nPING\r\nEXEC\r\nPING x\r\n", &mut desk);
    assert_eq!(told(&mut connection), "+OK +QUEUED +QUEUED *2 ");
    assert_eq!(desk.submitted[0].1, b"01ARZ3NDEKTSV4RRFFQ69G5FAV", "the server made the id");
    connection.fill(desk.submitted[0].0.slot, balance(5), |_| {});
    assert!(told(&mut connection).ends_with("+PONG $1 x "));
    connection.receive(b"MULTI\r\nNONSENSE\r\nEXEC\r\nEXEC\r\n", &mut desk);
    let text = told(&mut connection);
    assert!(text.contains("-EXECABORT") && text.ends_with("-ERR EXEC without MULTI "), "{text}");
}

#[test]
fn exec_waits_for_room_as_single_requests_do() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    let queue = "CREDIT.GRANT a * 5\r\n".repeat(4);
    connection.receive(format!("MULTI\r\n{queue}EXEC\r\nPING\r\n").as_bytes(), &mut desk);
    assert!(told(&mut connection).ends_with("*4 "));
    assert_eq!((desk.submitted.len(), connection.need()), (4, Need::Resume), "four slots: PING waits");
    connection.receive(format!("MULTI\r\n{queue}EXEC\r\n").as_bytes(), &mut desk);
    for at in 0..8 {
        connection.fill(desk.submitted[at].0.slot, balance(at as u64), |_| {});
        connection.receive(b"", &mut desk);
    }
    assert_eq!((desk.submitted.len(), connection.need()), (8, Need::Input));
    let text = told(&mut connection);
    let places = [":3 ", "+PONG", "+OK", "*4", ":4 ", ":7 "].map(|part| text.find(part).expect(part));
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn the_last_replies_leave_before_the_end() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"CREDIT.BALANCE a\r\nQUIT\r\nPING\r\n", &mut desk);
    assert!(!connection.must_shut(), "a reply is owed");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert!(!connection.must_shut(), "a reply is unsent");
    assert!(told(&mut connection).ends_with("+OK "));
    assert!(connection.must_shut());
    connection.was_shut();
    connection.receive(&[b'x'; DRAIN_BYTES_MAX], &mut desk);
    assert_eq!(connection.need(), Need::End, "what still comes is thrown away, not for ever");

    let mut connection = connect();
    connection.receive(b"CREDIT.BALANCE a\r\nCREDIT.BAL", &mut desk);
    connection.end_of_input();
    assert_eq!(connection.need(), Need::Room, "half closed: what came is answered");
    connection.fill(desk.submitted[1].0.slot, balance(1), |_| {});
    told(&mut connection);
    assert_eq!(connection.need(), Need::End);
}

#[test]
fn an_incomplete_request_has_its_time() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"*2\r\n$4\r\nPI", &mut desk);
    assert!(!connection.sweep(2000, &desk.limits));
    assert!(connection.sweep(2001, &desk.limits));
}

#[test]
fn exists_counts_when_every_account_has_answered() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"EXISTS a credit:events:1 credit:events:2 credit:log:{b} a\r\nPING\r\n", &mut desk);
    let there = |seq| Answer::Outcome(Outcome::Balance(Figures { seq, ..Figures::default() }));
    let tickets: Vec<_> = desk.submitted.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets.len(), 3, "what is no account's is known at once");
    connection.fill(tickets[0].slot, there(7), |_| {});
    connection.fill(tickets[1].slot, there(0), |_| {});
    assert_eq!(told(&mut connection), "");
    connection.fill(tickets[2].slot, there(7), |_| {});
    assert_eq!(told(&mut connection), ":3 +PONG ");
    connection.receive(b"EXISTS a b\r\n", &mut desk);
    let rejection = crate::ledger::rejection::Rejection::DiskFull { reserve_is_used: true };
    let slot = desk.submitted[3].0.slot;
    connection.fill(slot, Answer::Outcome(Outcome::Rejected(rejection)), |_| {});
    let mut failures = 0;
    connection.fill(slot, there(1), |_| failures += 1);
    assert!(told(&mut connection).starts_with("-MISCONF") && failures == 1, "a part that is unknown is no answer");
}

#[test]
fn types_that_do_not_fit_are_errors_that_count() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value ";
    let mut failures = 0;
    connection.receive(b"GET a\r\nHGETALL credit:events:0\r\n", &mut desk);
    let figures = Figures { seq: 1, ..Figures::default() };
    connection.fill(desk.submitted[0].0.slot, Answer::Outcome(Outcome::Balance(figures)), |_| failures += 1);
    assert_eq!((told(&mut connection), failures), (wrong.repeat(2), 2));
    connection.receive(b"HGETALL credit:events:2\r\nGET \r\n", &mut desk);
    assert_eq!(told(&mut connection), "*0 -ERR wrong number of arguments for 'get' command ");
}

#[test]
fn client_reply_silences_replies_and_errors_and_nothing_else() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"CLIENT REPLY SKIP\r\nPING a\r\nPING b\r\n", &mut desk);
    assert_eq!(told(&mut connection), "$1 b ");
    connection.receive(b"CLIENT REPLY SKIP\r\nCREDIT.BALANCE a\r\nNOSUCH\r\n", &mut desk);
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert!(told(&mut connection).starts_with("-ERR unknown command"));
    connection.receive(b"CLIENT REPLY OFF\r\nPING\r\nNOSUCH\r\nCREDIT.BALANCE a\r\nCLIENT REPLY SKIP\r\n", &mut desk);
    connection.receive(b"PING\r\nPING\r\n", &mut desk);
    connection.push(b"message\r\n", b"push\r\n");
    connection.fill(desk.submitted[1].0.slot, balance(1), |_| {});
    assert_eq!(told(&mut connection), "message ");
    connection.receive(b"CLIENT REPLY ON\r\nPING\r\n", &mut desk);
    assert_eq!(told(&mut connection), "+OK +PONG ");
    connection.receive(b"CLIENT REPLY OFF\r\nMULTI\r\nRESET\r\nPING\r\n", &mut desk);
    assert_eq!(told(&mut connection), "+RESET +PONG ");
}

#[test]
fn a_pause_of_writes_holds_what_stands_behind_them() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    desk.paused = true;
    connection.receive(b"PING\r\nCREDIT.GRANT a t 5\r\nPING x\r\n", &mut desk);
    assert_eq!((told(&mut connection), connection.need()), ("+PONG ".to_owned(), Need::Resume));
    desk.paused = false;
    connection.receive(b"", &mut desk);
    assert_eq!((desk.submitted.len(), connection.need()), (1, Need::Input));
}

#[test]
fn a_request_that_drips_has_no_more_time_than_one_that_stops() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"PING\r\n*2\r\n$4\r\n", &mut desk);
    for byte in b"ECH" {
        desk.now_ms += 300;
        connection.receive(&[*byte], &mut desk);
        assert!(!connection.sweep(desk.now_ms, &desk.limits));
    }
    assert!(connection.sweep(2001, &desk.limits), "from its first byte on");
    assert_eq!(connection.closed_for(), CloseReason::FrameTimeout);
    // Whole requests may come as slowly as they like, and what waits for us is not the client's time.
    let (mut connection, mut desk) = (connect(), Desk::new());
    for _ in 0..20 {
        desk.now_ms += 300;
        connection.receive(b"NG\r\nPI", &mut desk);
        assert!(!connection.sweep(desk.now_ms, &desk.limits));
    }
}

#[test]
fn who_has_ended_its_side_must_go_on_reading() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(b"CREDIT.BALANCE a\r\nPING\r\n", &mut desk);
    connection.end_of_input();
    assert!(!connection.sweep(100_000, &desk.limits), "it has been owed its replies");
    connection.fill(desk.submitted[0].0.slot, balance(1), |_| {});
    assert!(!connection.sweep(100_000 + END_MS_MAX - 1, &desk.limits));
    connection.sent(1);
    assert!(!connection.sweep(100_000 + 2 * END_MS_MAX - 2, &desk.limits), "it reads, however slowly");
    assert!(connection.sweep(100_000 + 2 * END_MS_MAX - 1, &desk.limits));
    assert_eq!(connection.closed_for(), CloseReason::UnreadReplies);
    // What waits for us is not the client's time, before a reply as little as behind it.
    let (mut connection, mut desk) = (connect(), Desk::new());
    desk.paused = true;
    connection.receive(b"CREDIT.GRANT a t 5\r\n", &mut desk);
    connection.end_of_input();
    assert!(!connection.sweep(100_000, &desk.limits) && !connection.sweep(200_000, &desk.limits));
}

#[test]
fn a_connection_at_rest_keeps_no_buffers() {
    let (mut connection, mut desk) = (connect(), Desk::new());
    connection.receive(&b"CREDIT.BALANCE a\r\n".repeat(4), &mut desk);
    connection.receive(&b"ECHO x\r\n".repeat(1000)[..6999], &mut desk);
    for at in (0..4).rev() {
        connection.fill(desk.submitted[at].0.slot, balance(1), |_| {});
    }
    connection.receive(b"", &mut desk);
    connection.receive(b"\n", &mut desk);
    told(&mut connection);
    assert!(connection.output.capacity() > 1000);
    assert!(!connection.sweep(1999, &desk.limits) && connection.output.capacity() > 0, "it may go on at once");
    assert!(!connection.sweep(2000, &desk.limits));
    assert_eq!((connection.output.capacity(), connection.input.capacity(), connection.exec.capacity()), (0, 0, 0));
}
