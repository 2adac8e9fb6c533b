//! What a connection listens to, and how messages reach its client.
//!
//! ```text
//!  Host ─▶ push ─┬─ requests of an EXEC are to come: held ─┐
//!                ├─ replies are owed: a slot behind them ◀─┘ when they have come
//!                └─ nothing is owed, or only to an XREAD that waits: output
//! ```
//! A message never stands before a reply to an earlier request, nor in an array. In RESP3 it is a push, and the client
//! may say anything; in RESP2 it looks like a reply, and the client may hardly say anything.

use super::multi::Mode;
use super::{CloseReason, Connection, Host, State};
use crate::commands::pubsub::PubSubRequest;
use crate::commands::refusal::Refusal;
use crate::commands::reply::Proto;
use crate::commands::spec::CommandSpec;
use std::collections::BTreeSet;

/// Channels and patterns of a connection.
const SUBSCRIPTIONS_MAX: usize = 1024;

/// KiB of replies and messages that wait in the ring above which a subscriber is cut off. Replies alone weigh less.
const MESSAGES_KIB_MAX: usize = 16 * 1024;

/// What a connection listens to. In the order of bytes, which is that in which all of them are ended.
#[derive(Default)]
pub(super) struct Subscriptions {
    channels: BTreeSet<Box<[u8]>>,
    patterns: BTreeSet<Box<[u8]>>,
}

impl Subscriptions {
    /// How many channels, how many patterns.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.channels.len(), self.patterns.len())
    }

    fn len(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    fn names(&mut self, is_pattern: bool) -> &mut BTreeSet<Box<[u8]>> {
        if is_pattern { &mut self.patterns } else { &mut self.channels }
    }
}

/// Whether a subscriber may say it in RESP2.
pub(super) fn is_allowed(spec: &CommandSpec) -> bool {
    matches!(spec.name, "subscribe" | "psubscribe" | "unsubscribe" | "punsubscribe" | "ping" | "quit" | "reset")
}

/// What it hears if it may not.
pub(super) fn refusal(spec: &CommandSpec) -> Refusal {
    Refusal::made(format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        spec.name
    ))
}

impl Connection {
    /// A message for a subscriber, in both protocols. Lossy by contract: none for a client that leaves, and one for
    /// whose replies too much waits is cut off.
    pub fn push(&mut self, resp2: &[u8], resp3: &[u8]) {
        if !matches!(self.state, State::Open | State::HalfClosed { .. }) {
            return;
        }
        let message = if self.session.proto == Proto::Resp3 { resp3 } else { resp2 };
        if self.exec.is_empty() {
            self.push_now(message);
        } else {
            self.held_messages.extend_from_slice(message);
        }
        if self.ring.weight() as usize + self.held_messages.len() / 1024 > MESSAGES_KIB_MAX {
            self.cut(CloseReason::UnreadMessages);
        }
    }

    /// Whether it listens to anything.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.len() > 0
    }

    /// Lets go what was held back for an EXEC, if all of its requests have come.
    pub(super) fn push_held(&mut self) {
        if self.exec.is_empty() && !self.held_messages.is_empty() {
            let held = std::mem::take(&mut self.held_messages);
            self.push_now(&held);
        }
    }

    fn push_now(&mut self, message: &[u8]) {
        self.ring.push_message(self.session.proto, &mut self.output, message);
    }

    /// Begins or ends subscriptions. Each is confirmed, with what is left of both kinds.
    pub(super) fn listen(&mut self, request: PubSubRequest<'_>, host: &mut impl Host) {
        let PubSubRequest { ends, is_pattern, names } = request;
        if !ends {
            let known = self.subscriptions.names(is_pattern);
            let added = names.iter().filter(|name| !known.contains(*name)).count();
            if self.subscriptions.len() + added > SUBSCRIPTIONS_MAX {
                return self.reply(|e| e.error("ERR a connection listens to at most 1024 channels and patterns"));
            }
        }
        let mut confirmed: Vec<(Box<[u8]>, usize)> = Vec::new();
        let all: Vec<Box<[u8]>> = match names.is_empty() {
            true => self.subscriptions.names(is_pattern).iter().cloned().collect(),
            false => names.iter().map(Box::from).collect(),
        };
        for name in all {
            let known = self.subscriptions.names(is_pattern);
            if ends && known.remove(&name) {
                host.unsubscribe(self.place, &name, is_pattern);
            } else if !ends && known.insert(name.clone()) {
                host.subscribe(self.place, &name, is_pattern);
            }
            confirmed.push((name, self.subscriptions.len()));
        }
        let left = self.subscriptions.len() as u64;
        self.reply(|e| {
            for (name, left) in &confirmed {
                e.push(3);
                e.text(request.word());
                e.bulk(name);
                e.integer(*left as u64);
            }
            if confirmed.is_empty() {
                e.push(3);
                e.text(request.word());
                e.null();
                e.integer(left);
            }
        });
        self.choose_mode();
    }

    /// Ends all subscriptions without a word.
    pub(super) fn end_subscriptions(&mut self, host: &mut impl Host) {
        for is_pattern in [false, true] {
            for name in std::mem::take(self.subscriptions.names(is_pattern)) {
                host.unsubscribe(self.place, &name, is_pattern);
            }
        }
    }

    /// After a change of protocol or subscriptions, neither of which MULTI lets happen while its queue is open.
    pub(super) fn choose_mode(&mut self) {
        let is_restricted = self.session.proto == Proto::Resp2 && self.is_subscribed();
        self.mode = if is_restricted { Mode::Listening } else { Mode::Free };
    }
}
