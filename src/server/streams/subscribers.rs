//! Who of a core's connections listens to what, and how messages get there.
//!
//! A channel is any name; events go to the channels of their names. Lossy by contract: a message is for those who listen
//! when it comes. Bounded: what one connection may listen to (`net::connection`), and what it may leave unread
//! (`sockets`), beyond which it is cut off.

use super::Message;
use crate::commands::glob::matches_exactly;
use crate::commands::reply::{Encoder, Proto};
use crate::feed::{Name, Names};
use crate::server::inquiry::{Listened, Part};
use crate::server::sockets::Sockets;
use crate::shard::batch::Ticket;
use std::collections::{BTreeMap, BTreeSet};

/// A channel or a pattern.
type Word = Box<[u8]>;

/// Connections of this core: place and generation of each.
type Listeners = BTreeSet<(u32, u32)>;

/// What the core's connections listen to.
#[derive(Default)]
pub(in crate::server) struct Subscribers {
    channels: BTreeMap<Word, Listeners>,
    patterns: BTreeMap<Word, Listeners>,
    /// Patterns that match the names of events, so that no event is compared with them.
    of_events: BTreeMap<Name, Vec<Word>>,
}

impl Subscribers {
    /// The connection at `place` listens. Returns whether nobody did to that before.
    pub(in crate::server) fn add(&mut self, place: Ticket, word: &[u8], is_pattern: bool) -> bool {
        let words = if is_pattern { &mut self.patterns } else { &mut self.channels };
        let listeners = words.entry(word.into()).or_default();
        listeners.insert((place.connection, place.generation));
        let is_first = listeners.len() == 1;
        if is_first && is_pattern {
            for name in Name::ALL.into_iter().filter(|name| matches_exactly(word, name.word().as_bytes())) {
                self.of_events.entry(name).or_default().push(word.into());
            }
        }
        is_first
    }

    /// It listens no more. Returns whether nobody does now.
    pub(in crate::server) fn remove(&mut self, place: Ticket, word: &[u8], is_pattern: bool) -> bool {
        let words = if is_pattern { &mut self.patterns } else { &mut self.channels };
        let Some(listeners) = words.get_mut(word) else { return false };
        listeners.remove(&(place.connection, place.generation));
        if !listeners.is_empty() {
            return false;
        }
        words.remove(word);
        if is_pattern {
            self.of_events.retain(|_, patterns| {
                patterns.retain(|pattern| **pattern != *word);
                !patterns.is_empty()
            });
        }
        true
    }

    /// The events that somebody listens to.
    pub(in crate::server) fn names(&self) -> Names {
        let is_heard =
            |name: &Name| self.channels.contains_key(name.word().as_bytes()) || self.of_events.contains_key(name);
        Name::ALL.into_iter().filter(is_heard).fold(Names::NONE, Names::with)
    }

    /// Gives events to those who listen.
    pub(in crate::server) fn tell(&self, messages: &[Message], sockets: &mut Sockets) {
        for Message { name, text } in messages {
            let patterns = self.of_events.get(name).into_iter().flatten();
            self.give(name.word().as_bytes(), text, patterns, sockets);
        }
    }

    /// Gives a message to those who listen. Returns how many that are.
    pub(in crate::server) fn publish(&self, channel: &[u8], message: &[u8], sockets: &mut Sockets) -> u64 {
        self.give(channel, message, self.patterns.keys().filter(|pattern| matches_exactly(pattern, channel)), sockets)
    }

    fn give<'a>(
        &'a self,
        channel: &[u8],
        message: &[u8],
        patterns: impl Iterator<Item = &'a Word>,
        sockets: &mut Sockets,
    ) -> u64 {
        let by_name =
            self.channels.get(channel).map_or(0, |listeners| push(listeners, &[b"message", channel, message], sockets));
        let push_by =
            |pattern: &Word| push(&self.patterns[pattern], &[b"pmessage", pattern, channel, message], sockets);
        by_name + patterns.map(push_by).sum::<u64>()
    }

    /// Channels and patterns.
    pub(in crate::server) fn words(&self) -> (BTreeSet<Word>, BTreeSet<Word>) {
        (self.channels.keys().cloned().collect(), self.patterns.keys().cloned().collect())
    }

    /// What a PUBSUB asks of this core.
    pub(in crate::server) fn part(&self, listened: &Listened) -> Part {
        match listened {
            Listened::Channels(pattern) => {
                let is_wanted =
                    |channel: &&Word| pattern.as_ref().is_none_or(|pattern| matches_exactly(pattern, channel));
                Part::Words(self.channels.keys().filter(is_wanted).cloned().collect())
            }
            Listened::Patterns => Part::Words(self.patterns.keys().cloned().collect()),
            Listened::Counts(channels) => {
                let count = |channel: &Word| self.channels.get(channel).map_or(0, |listeners| listeners.len() as u64);
                Part::Counts(channels.iter().map(count).collect())
            }
        }
    }
}

fn push(listeners: &Listeners, words: &[&[u8]], sockets: &mut Sockets) -> u64 {
    let [resp2, resp3] = [Proto::Resp2, Proto::Resp3].map(|proto| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, proto);
        encoder.push(words.len());
        words.iter().for_each(|word| encoder.bulk(word));
        bytes
    });
    for &(connection, generation) in listeners {
        if let Some(connection) = sockets.connection(Ticket { core: 0, connection, generation, slot: 0 }) {
            connection.push(&resp2, &resp3);
        }
    }
    listeners.len() as u64
}
