//! A consumer follows all streams while it dies, the server dies, and both come again: it sees every event once, in order.
//!
//! ```text
//! cargo test --test it feed::                                              20,000 events, 4 lives of the server
//! CREDITD_FEED_EVENTS=10000000 cargo test --test it feed:: -- --nocapture
//! ```

use crate::chance::{Chance, seed, setting};
use crate::server::{Server, Site};
use crate::wire::{Reply, Wire, encode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};

const SHARDS: usize = 4;
const ACCOUNTS: u64 = 64;
const LIVES: u64 = 4;
/// Commands sent together.
const PIPELINE: u64 = 100;

#[test]
fn a_consumer_sees_every_event_once_whoever_dies() {
    let events = setting("CREDITD_FEED_EVENTS", || 20_000);
    let chance = Chance::new(setting("CREDITD_FEED_SEED", seed));
    let site = Site::new();
    let mut consumer = Consumer { last: vec![(0, 0); SHARDS], seen: BTreeMap::new(), chance, taken: 0, again: 0 };
    let acknowledged = Arc::new(AtomicU64::new(0));
    for life in 1..=LIVES {
        let server = site.start(&["--cores", "2", "--shards", "4"]);
        let (goal, is_last) = (events * life / LIVES, life == LIVES);
        let over = Arc::new(AtomicBool::new(false));
        let writer = write(&server, acknowledged.clone(), if is_last { goal } else { u64::MAX });
        let follower = follow(&server, consumer, over.clone());
        while acknowledged.load(Ordering::Relaxed) < goal {
            std::thread::yield_now();
        }
        if is_last {
            writer.join().expect("the writer");
            over.store(true, Ordering::Relaxed);
            consumer = follower.join().expect("the consumer");
            consumer.check(&mut server.connect(), acknowledged.load(Ordering::Relaxed));
            eprintln!(
                "{} events taken, {} of them seen before, each once and in order",
                consumer.taken, consumer.again
            );
            return;
        }
        server.kill9(); // the writer goes on until then
        writer.join().expect("the writer");
        consumer = follower.join().expect("the consumer");
    }
}

/// Grants one credit after the other, from the first that is not `acknowledged` on, up to `goal` or until the server
/// is gone.
fn write(server: &Server, acknowledged: Arc<AtomicU64>, goal: u64) -> JoinHandle<()> {
    let mut wire = server.connect();
    spawn(move || {
        let mut next = acknowledged.load(Ordering::Relaxed);
        while next < goal {
            let end = goal.min(next + PIPELINE);
            let grant = |n| {
                let (account, tx) = (format!("a{}", n % ACCOUNTS), format!("g{n}"));
                encode(&[b"CREDIT.GRANT", account.as_bytes(), tx.as_bytes(), b"1"])
            };
            if wire.try_send(&(next..end).flat_map(grant).collect::<Vec<_>>()).is_err() {
                return;
            }
            for n in next..end {
                let Some(reply) = wire.next() else { return };
                assert!(!reply.0.starts_with(b"-"), "{}", reply.line());
                acknowledged.store(n + 1, Ordering::Relaxed);
            }
            next = end;
        }
    })
}

/// What a consumer keeps, and what the test counts.
struct Consumer {
    /// Id of the last event taken, by stream.
    last: Vec<(u64, u64)>,
    /// Events taken, by account.
    seen: BTreeMap<String, u64>,
    chance: Chance,
    taken: u64,
    /// Events that it was shown and did not take, because it died.
    again: u64,
}

/// Follows until the server is gone; or, once it is `over`, until there is nothing more.
fn follow(server: &Server, mut consumer: Consumer, over: Arc<AtomicBool>) -> JoinHandle<Consumer> {
    let port = server.port;
    spawn(move || {
        while let Some(mut wire) = Wire::try_connect(port) {
            loop {
                let was_over = over.load(Ordering::Relaxed);
                if wire.try_send(&consumer.request()).is_err() {
                    return consumer;
                }
                if consumer.chance.below(20) == 0 {
                    break; // dies before it hears
                }
                let Some(reply) = wire.next() else { return consumer };
                let entries = events(&reply);
                if entries.is_empty() && was_over {
                    return consumer;
                }
                if consumer.chance.below(10) == 0 {
                    consumer.again += entries.len() as u64;
                    break; // dies before it has stored anything
                }
                entries.into_iter().for_each(|event| consumer.take(event));
            }
        }
        consumer
    })
}

/// An event: its stream, its id, its fields.
pub type Event = (usize, (u64, u64), BTreeMap<String, String>);

impl Consumer {
    fn request(&mut self) -> Vec<u8> {
        let count = 1 + self.chance.below(1000);
        let keys = (0..SHARDS).map(|shard| format!("credit:events:{shard}"));
        let ids = self.last.iter().map(|(ms, seq)| format!("{ms}-{seq}"));
        let head = ["XREAD", "BLOCK", "50", "COUNT"].map(str::to_owned).into_iter();
        let words: Vec<String> = head.chain([count.to_string(), "STREAMS".to_owned()]).chain(keys).chain(ids).collect();
        encode(&words.iter().map(String::as_bytes).collect::<Vec<_>>())
    }

    fn take(&mut self, (shard, id, fields): Event) {
        assert!(id > self.last[shard], "{id:?} after {:?} of shard {shard}", self.last[shard]);
        self.last[shard] = id;
        let (account, seq) = (fields["account"].clone(), fields["seq"].parse::<u64>().expect("a number"));
        let seen = self.seen.entry(account).or_default();
        assert_eq!((seq, fields["balance"].as_str()), (*seen + 1, seq.to_string().as_str()), "{fields:?}");
        assert_eq!(fields["event"], "credit.granted");
        *seen += 1;
        self.taken += 1;
    }

    /// Compares with what the server has.
    fn check(&self, wire: &mut Wire, acknowledged: u64) {
        assert!(self.taken >= acknowledged, "{} of {acknowledged} events", self.taken);
        for (account, seen) in &self.seen {
            assert_eq!(wire.ask(&format!("CREDIT.BALANCE {account}")).number("seq"), *seen, "{account}");
        }
        let length =
            |shard| wire.ask(&format!("XLEN credit:events:{shard}")).line()[1..].parse::<u64>().expect("a number");
        assert_eq!((0..SHARDS).map(length).sum::<u64>(), self.taken);
    }
}

/// The events of an XREAD's reply.
pub fn events(reply: &Reply) -> Vec<Event> {
    let text = reply.text();
    let mut words = text.split("\r\n").filter(|line| !line.starts_with('$') && !line.is_empty());
    let mut next = || words.next().unwrap_or_else(|| panic!("a whole reply: {text}"));
    let count = |word: &str| word.strip_prefix('*').and_then(|count| count.parse::<i64>().ok()).expect("an array");
    let mut events = Vec::new();
    for _ in 0..count(next()) {
        assert_eq!(next(), "*2");
        let shard = next().strip_prefix("credit:events:").and_then(|shard| shard.parse().ok()).expect("a stream");
        for _ in 0..count(next()) {
            assert_eq!(next(), "*2");
            let (ms, seq) = next().split_once('-').expect("an id");
            let id = (ms.parse().expect("a number"), seq.parse().expect("a number"));
            let fields = (0..count(next()) / 2).map(|_| (next().to_owned(), next().to_owned())).collect();
            events.push((shard, id, fields));
        }
    }
    events
}
