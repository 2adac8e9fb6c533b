//! Questions that need every core: INFO, CLIENT LIST, DBSIZE, SAVE, PUBLISH, PUBSUB and their like; or, as SCAN, another.
//!
//! The core of the asking connection sends the question to all cores, itself included, through their mailboxes; each
//! copies its figures out between two batches; the last copy to arrive completes the reply. Nothing is shared.

use super::engine::Engine;
use super::keys::ScanStep;
use super::mailbox::Phase;
use super::monitor;
use super::shared::Shared;
use super::slow;
use super::sockets::Sockets;
use crate::commands::connection::control::ClientMatch;
use crate::commands::reply::{Encoder, Proto};
use crate::commands::table::TABLE;
use crate::net::connection::Connection;
use crate::net::replies::Answer;
use crate::shard::batch::Ticket;
use crate::telemetry::{self, CoreCounters, CoreFacts, FeedFacts, Latencies, ShardFacts};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What every core is asked.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// All its figures.
    Facts,
    /// Its connections.
    Clients,
    /// How many accounts its shards have.
    Accounts,
    /// For the names of some accounts.
    Scan(ScanStep),
    /// To end the connections that are meant.
    Kill { meant: Arc<ClientMatch>, asker: Ticket },
    /// To end the wait of this connection.
    Unblock { id: u64, by_error: bool },
    /// To see that a pause has begun or ended.
    Pause,
    /// To give lines to those who monitor.
    Monitored(Arc<[u8]>),
    /// To begin its counts anew.
    ResetStat,
    /// To save its shards.
    Save {
        /// Whether to answer, when it is done.
        wait: bool,
    },
    /// To give a message to those who listen.
    Publish { channel: Arc<[u8]>, message: Arc<[u8]> },
    /// What its connections listen to.
    Listened(Listened),
}

/// What of it.
#[derive(Clone, Debug)]
pub(super) enum Listened {
    /// Channels, those that match a pattern; `None`: all.
    Channels(Option<Box<[u8]>>),
    Patterns,
    /// How many listen to each of these channels.
    Counts(Box<[Box<[u8]>]>),
}

/// One core's answer.
pub(super) enum Part {
    Facts(Box<CoreFacts>),
    /// By connection its id, whether it listens to channels, and its line of CLIENT LIST.
    Clients(Vec<(u64, bool, String)>),
    Accounts(u64),
    /// A whole reply.
    Reply(Vec<u8>),
    /// Whether what was asked for is done.
    Saved(Result<(), String>),
    /// How many connections heard of it: a message, an end.
    Heard(u64),
    /// Channels or patterns.
    Words(BTreeSet<Box<[u8]>>),
    /// By channel asked for.
    Counts(Vec<u64>),
}

/// How the parts become a reply.
pub(super) enum Wanted {
    Info {
        sections: Vec<String>,
    },
    /// `None`: all.
    Clients {
        ids: Option<Vec<u64>>,
        listening: Option<bool>,
    },
    DbSize,
    Kill {
        meant: Arc<ClientMatch>,
        asker: Ticket,
        is_old_form: bool,
    },
    Unblock {
        id: u64,
        by_error: bool,
    },
    Pause,
    ResetStat,
    /// OK if there is nothing.
    Flush,
    Role(Proto),
    /// What the one core that is asked says.
    Scan(ScanStep),
    Save,
    Publish {
        channel: Arc<[u8]>,
        message: Arc<[u8]>,
    },
    Listened(Listened, Proto),
    /// LATENCY HISTOGRAM; no names: all.
    Histogram {
        names: Vec<Box<[u8]>>,
        proto: Proto,
    },
}

/// Questions of this core's connections that are under way. Bounded by their reply slots.
#[derive(Default)]
pub(super) struct Inquiries {
    open: BTreeMap<u64, Inquiry>,
    next: u64,
}

struct Inquiry {
    ticket: Ticket,
    wanted: Wanted,
    missing: usize,
    parts: Vec<Part>,
}

impl Inquiries {
    /// Opens an inquiry for `ticket`; the caller puts the question to all `cores`.
    pub(super) fn open(&mut self, ticket: Ticket, wanted: Wanted, cores: usize) -> u64 {
        self.next += 1;
        self.open.insert(self.next, Inquiry { ticket, wanted, missing: cores, parts: Vec::new() });
        self.next
    }

    /// Takes one core's part; the last one gives the reply.
    pub(super) fn part(&mut self, inquiry: u64, part: Part, shared: &Shared) -> Option<(Ticket, Answer)> {
        let open = self.open.get_mut(&inquiry).expect("parts come for open inquiries, one a core");
        open.parts.push(part);
        open.missing -= 1;
        if open.missing > 0 {
            return None;
        }
        let Inquiry { ticket, wanted, parts, .. } = self.open.remove(&inquiry).expect("just seen");
        Some((ticket, wanted.answer(parts, shared)))
    }
}

impl Wanted {
    pub(super) fn question(&self) -> Question {
        match self {
            Wanted::Info { .. } | Wanted::Histogram { .. } => Question::Facts,
            Wanted::Clients { .. } => Question::Clients,
            Wanted::Flush | Wanted::Role(_) => Question::Facts,
            Wanted::DbSize => Question::Accounts,
            Wanted::Kill { meant, asker, .. } => Question::Kill { meant: meant.clone(), asker: *asker },
            Wanted::Unblock { id, by_error } => Question::Unblock { id: *id, by_error: *by_error },
            Wanted::Pause => Question::Pause,
            Wanted::ResetStat => Question::ResetStat,
            Wanted::Scan(step) => Question::Scan(step.clone()),
            Wanted::Save => Question::Save { wait: true },
            Wanted::Publish { channel, message } => {
                Question::Publish { channel: channel.clone(), message: message.clone() }
            }
            Wanted::Listened(listened, _) => Question::Listened(listened.clone()),
        }
    }

    fn answer(self, parts: Vec<Part>, shared: &Shared) -> Answer {
        match self {
            Wanted::Info { sections } => {
                let mut cores: Vec<CoreFacts> = parts
                    .into_iter()
                    .filter_map(|part| if let Part::Facts(facts) = part { Some(*facts) } else { None })
                    .collect();
                cores.sort_unstable_by_key(|facts| facts.core);
                let sections: Vec<&str> = sections.iter().map(String::as_str).collect();
                let calls = cores.iter().map(|facts| facts.counters.calls()).sum();
                Answer::Text(telemetry::info(&shared.facts(calls), &cores, &sections))
            }
            Wanted::Clients { ids, listening } => {
                let mut lines: Vec<_> = parts
                    .into_iter()
                    .flat_map(|part| if let Part::Clients(lines) = part { lines } else { Vec::new() })
                    .filter(|(id, ..)| ids.as_ref().is_none_or(|ids| ids.contains(id)))
                    .filter(|(_, listens, _)| listening.is_none_or(|listening| listening == *listens))
                    .collect();
                lines.sort_unstable_by_key(|(id, ..)| *id);
                Answer::Text(lines.into_iter().map(|(_, _, line)| line + "\n").collect())
            }
            Wanted::DbSize => {
                let accounts: u64 = parts.iter().map(|part| if let Part::Accounts(n) = part { *n } else { 0 }).sum();
                Answer::Integer(accounts)
            }
            Wanted::Scan(_) => match parts.into_iter().next() {
                Some(Part::Reply(bytes)) => Answer::Encoded(bytes),
                _ => unreachable!("one core answers a step with a reply"),
            },
            Wanted::Flush => {
                let is_empty = sum(&parts, |shard| shard.totals.accounts + shard.leads.leads) == 0;
                if is_empty { Answer::Encoded(b"+OK\r\n".to_vec()) } else { Answer::Error(NOT_EMPTY.to_owned()) }
            }
            Wanted::Role(proto) => {
                let mut bytes = Vec::new();
                let mut encoder = Encoder::new(&mut bytes, proto);
                encoder.array(3);
                encoder.text("master");
                encoder.integer(sum(&parts, |shard| shard.durable_lsn));
                encoder.array(0);
                Answer::Encoded(bytes)
            }
            Wanted::Save | Wanted::ResetStat | Wanted::Pause => {
                let failure =
                    parts.into_iter().find_map(|part| if let Part::Saved(Err(why)) = part { Some(why) } else { None });
                match failure {
                    None => Answer::Encoded(b"+OK\r\n".to_vec()),
                    Some(why) => Answer::Error(format!("ERR {why}")),
                }
            }
            Wanted::Kill { is_old_form: true, .. } => match heard(&parts) {
                0 => Answer::Error("ERR No such client".to_owned()),
                _ => Answer::Encoded(b"+OK\r\n".to_vec()),
            },
            Wanted::Publish { .. } | Wanted::Kill { .. } | Wanted::Unblock { .. } => Answer::Integer(heard(&parts)),
            Wanted::Listened(listened, proto) => listened.answer(parts, proto),
            Wanted::Histogram { names, proto } => {
                let mut latencies = Latencies::new();
                for part in &parts {
                    if let Part::Facts(facts) = part {
                        latencies.merge(&facts.counters.latencies);
                    }
                }
                slow::histogram(&latencies, &names, proto)
            }
        }
    }
}

const NOT_EMPTY: &str =
    "ERR accounts are never deleted; for an empty server stop this one and start it with a fresh --data-dir";

fn heard(parts: &[Part]) -> u64 {
    parts.iter().map(|part| if let Part::Heard(n) = part { *n } else { 0 }).sum()
}

/// A figure of all shards.
fn sum(parts: &[Part], figure: impl Fn(&ShardFacts) -> u64) -> u64 {
    let shards = parts.iter().flat_map(|part| if let Part::Facts(facts) = part { &facts.shards[..] } else { &[] });
    shards.map(figure).sum()
}

impl Listened {
    fn answer(&self, parts: Vec<Part>, proto: Proto) -> Answer {
        let (mut words, mut counts) = (BTreeSet::new(), Vec::new());
        for part in parts {
            match part {
                Part::Words(mut more) => words.append(&mut more),
                Part::Counts(more) => {
                    counts.resize(more.len(), 0);
                    counts.iter_mut().zip(more).for_each(|(sum, count)| *sum += count);
                }
                _ => {}
            }
        }
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, proto);
        match self {
            Listened::Channels(_) => {
                encoder.array(words.len());
                words.iter().for_each(|word| encoder.bulk(word));
            }
            Listened::Patterns => encoder.integer(words.len() as u64),
            Listened::Counts(channels) => {
                encoder.array(2 * channels.len());
                for (channel, count) in channels.iter().zip(counts) {
                    encoder.bulk(channel);
                    encoder.integer(count);
                }
            }
        }
        Answer::Encoded(bytes)
    }
}

/// This core's answer to `question` of `asker` (a core, and its number for it); `None`: it comes later, or none is wanted.
pub(super) fn part(question: Question, asker: (u16, u64), engine: &mut Engine, sockets: &mut Sockets) -> Option<Part> {
    Some(match question {
        Question::Facts => Part::Facts(Box::new(facts(engine, sockets))),
        Question::Clients => {
            let now_ms = engine.now_ms();
            let told =
                |connection: &Connection| (connection.id(), connection.is_subscribed(), connection.describe(now_ms));
            Part::Clients(sockets.iter().map(told).collect())
        }
        Question::Accounts => Part::Accounts(engine.homes.iter().map(|home| home.shard.durable_accounts()).sum()),
        Question::Scan(step) => Part::Reply(engine.scan(&step)),
        Question::Kill { meant, asker } => Part::Heard(monitor::each(sockets, |connection| {
            let is_meant = connection.is_meant(&meant, asker);
            if is_meant {
                connection.kill(asker);
            }
            is_meant
        })),
        Question::Unblock { id, by_error } => Part::Heard(monitor::each(sockets, |connection| {
            let waits = connection.id() == id && connection.waits_at().is_some();
            if waits {
                connection.unblock(by_error, engine);
            }
            waits
        })),
        Question::Pause => Part::Saved(Ok(())), // its turn sees by itself
        Question::Monitored(lines) => {
            engine.monitors.tell(&lines, sockets);
            return None;
        }
        Question::ResetStat => {
            engine.counters = CoreCounters::new(TABLE.iter().map(|spec| spec.name));
            Part::Saved(Ok(()))
        }
        Question::Save { wait: true } if engine.phase > Phase::Serving => {
            Part::Saved(Err("the server stops".to_owned()))
        }
        Question::Save { wait } => {
            engine.saving.ask(wait.then_some(asker));
            return None;
        }
        Question::Publish { channel, message } => Part::Heard(engine.subscribers.publish(&channel, &message, sockets)),
        Question::Listened(listened) => engine.subscribers.part(&listened),
    })
}

/// All figures of this core.
pub(super) fn facts(engine: &Engine, sockets: &Sockets) -> CoreFacts {
    let mut counters = engine.counters.clone();
    counters.bytes_out = sockets.written;
    counters.add_closed(sockets.closes.counts());
    if engine.id() == 0 {
        counters.add_closed(engine.shared.turned_away_counts()); // the server's, counted once
    }
    let now_ms = engine.now_ms();
    let describe = |(place, home)| {
        let facts = engine.saving.described(home, place, now_ms);
        ShardFacts { feed_lag_bytes: engine.shared.streams.tails.lag_bytes(facts.shard), ..facts }
    };
    let shards = engine.homes.iter().enumerate().map(describe).collect();
    let (channels, patterns) = engine.subscribers.words();
    let feed = FeedFacts {
        blocked: engine.readings.waiting() as u64,
        subscribed: sockets.iter().filter(|connection| connection.is_subscribed()).count() as u64,
        channels,
        patterns,
    };
    CoreFacts {
        core: usize::from(engine.id()),
        clients: sockets.len() as u64,
        clients_bytes: sockets.memory as u64,
        feed,
        counters,
        shards,
    }
}
