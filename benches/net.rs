//! The wire: the request parser alone, and a client's whole conversation without its socket.

use crate::crowd::{NOW_MS, account, tx};
use creditd::access::{Denial, User, Users};
use creditd::commands::Defaults;
use creditd::commands::connection::Credentials;
use creditd::commands::reply::Proto;
use creditd::commands::server::ServerRequest;
use creditd::commands::spec::CommandSpec;
use creditd::commands::streams::StreamRequest;
use creditd::ledger::command::Command;
use creditd::ledger::outcome::{Detail, Outcome, Receipt, Status};
use creditd::net::connection::{Connection, Host, Limits, Verdict};
use creditd::net::replies::{Answer, Failure, MadeTx};
use creditd::net::resp::{self, Parser};
use creditd::shard::batch::{Batch, Ticket};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// `CREDIT.DEBIT a00000000001 t00000000001 5` for ids from 1 on, as clients send it.
fn debits(count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 1..=count {
        bytes.extend_from_slice(b"*4\r\n");
        for word in [b"CREDIT.DEBIT".as_slice(), &account(n), &tx(n), b"5"] {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

fn inline() -> Vec<u8> {
    b"CREDIT.DEBIT a00000000001 t00000000001 5\r\n".to_vec()
}

/// So many requests in one read.
#[divan::bench(args = [1, 16], sample_size = 1000)]
fn parse(bencher: Bencher<'_, '_>, requests: u64) {
    parse_all(bencher.counter(ItemsCount::new(requests)), &debits(requests));
}

#[divan::bench(sample_size = 1000)]
fn parse_inline(bencher: Bencher<'_, '_>) {
    parse_all(bencher, &inline());
}

fn parse_all(bencher: Bencher<'_, '_>, input: &[u8]) {
    let mut parser = Parser::default();
    bencher.bench_local(|| {
        let mut rest = black_box(input);
        while let Some(len) = parser.parse(rest, &resp::Limits::AUTHENTICATED).expect("well-formed") {
            black_box(parser.arguments(rest));
            rest = &rest[len..];
        }
    });
}

/// So many debits from bytes to the batch of a core, and their receipts from outcomes to bytes.
#[divan::bench(args = [1, 16, 64], sample_size = 200)]
fn conversation(bencher: Bencher<'_, '_>, requests: u64) {
    let address = SocketAddr::from(([127, 0, 0, 1], 7));
    let place = Ticket { core: 0, connection: 0, generation: 0, slot: 0 };
    let users = Arc::new(Users::load("", None).expect("the open default user"));
    let mut desk = Desk { batch: Batch::default(), users, limits: LIMITS, defaults: DEFAULTS };
    let mut connection = Connection::new(1, place, address, address, &desk);
    let input = debits(requests);
    let receipt = Receipt {
        status: Status::Debited,
        balance: 999_995,
        available: 999_995,
        seq: 12_345,
        detail: Detail::None,
        replayed: false,
    };
    bencher.counter(ItemsCount::new(requests)).bench_local(|| {
        connection.receive(black_box(&input), &mut desk);
        assert_eq!(desk.batch.len() as u64, requests);
        for (_, ticket, _) in desk.batch.iter() {
            connection.fill(ticket.slot, Answer::Outcome(black_box(Outcome::Written(receipt))), |_| {});
        }
        desk.batch.clear();
        connection.sent(black_box(connection.output()).len());
    });
}

/// A host that puts commands into a batch, as a core does, and knows nothing else.
struct Desk {
    batch: Batch,
    users: Arc<Users>,
    limits: Limits,
    defaults: Defaults,
}

const LIMITS: Limits = Limits {
    slots_max: 1024,
    args_max: 64,
    frame_bytes_max: 64 << 10,
    frame_timeout_ms: 10_000,
    idle_timeout_ms: None,
};

const DEFAULTS: Defaults = Defaults { reserve_ttl_ms: 300_000, allow_auto_tx: true };

impl Host for Desk {
    fn submit(&mut self, ticket: Ticket, command: &Command<'_>) {
        self.batch.push(0, ticket, command);
    }
    fn ask(&mut self, _: Ticket, _: Proto, _: &Arc<User>, _: &ServerRequest<'_>) -> Option<Answer> {
        None
    }
    fn read_stream(&mut self, _: Ticket, _: Proto, _: &StreamRequest<'_>, _: bool) -> Option<Answer> {
        None
    }
    fn give_up(&mut self, _: Ticket) {}
    fn subscribe(&mut self, _: Ticket, _: &[u8], _: bool) {}
    fn unsubscribe(&mut self, _: Ticket, _: &[u8], _: bool) {}
    fn make_tx(&mut self) -> MadeTx {
        [b'0'; 26]
    }
    fn loading(&self) -> Option<String> {
        None
    }
    fn is_congested(&self) -> bool {
        false
    }
    fn users(&self) -> &Arc<Users> {
        &self.users
    }
    fn log_in(&mut self, _: Ticket, _: IpAddr, _: &Credentials<'_>) -> Option<Verdict> {
        None
    }
    fn denied(&mut self, _: &str, _: &Denial<'_>, _: bool, _: impl FnOnce() -> String) {}
    fn monitor(&mut self, _: Ticket, _: bool) {}
    fn is_monitored(&self) -> bool {
        false
    }
    fn tell_monitors(&mut self, _: &[u8]) {}
    fn pauses(&self, _: bool) -> bool {
        false
    }
    fn shards(&self) -> u16 {
        1
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
        NOW_MS
    }
    fn called(&mut self, _: u16) {}
    fn refused(&mut self, _: Option<&'static CommandSpec>, text: &str) {
        panic!("{text}");
    }
    fn failed(&mut self, _: Failure) {
        panic!("an error");
    }
}
