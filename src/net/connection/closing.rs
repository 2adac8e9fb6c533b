//! How a connection comes to its end, and why.
//!
//! ```text
//!  Open ─▶ end(reason): replies owed go out ─▶ Ending ─▶ write side shut ─▶ Draining ─┬─▶ Over
//!    └───▶ cut(reason): at once, nothing more is said ────────────────────────────────┘
//! ```
//! The first reason stays. Each has a word, which metrics, INFO and the log show; docs/operate/limits.md lists them.

use super::{Connection, Limits, Need, State};
use crate::commands::arguments::OwnedArguments;
use bytes::BytesMut;
use std::collections::VecDeque;

/// How long the last replies of a connection may stay unread, of one that was ended or whose client has ended its side.
pub(super) const END_MS_MAX: u64 = 30_000;

/// How long a connection may linger whose last reply has left.
pub(super) const DRAIN_MS_MAX: u64 = 2_000;

/// Silence after which a connection gives back the memory that its busy time has left it.
const REST_MS: u64 = 1_000;

/// Why a connection was closed, or not even taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client went.
    Peer,
    /// The client said QUIT.
    Quit,
    /// CLIENT KILL, or its user is no more.
    Killed,
    /// Its bytes are no request.
    Protocol,
    /// Its bytes are HTTP, TLS or another protocol.
    Attack,
    /// A request was incomplete for longer than `frame-timeout`, from its first byte on.
    FrameTimeout,
    /// Silence for longer than `timeout`.
    Idle,
    /// More replies unread than `output-bytes-max`, or the last ones for too long.
    UnreadReplies,
    /// More messages unread than a subscriber may leave.
    UnreadMessages,
    /// Buffers of all connections took more than `maxmemory-clients`, and its own took most.
    ClientsMemory,
    /// Not authenticated in time.
    AuthTimeout,
    /// Too many wrong passwords.
    AuthFailures,
    /// `maxclients` connections are open.
    Maxclients,
    /// Too many connections are not authenticated yet.
    UnauthenticatedMax,
    /// Too many of them come from this address.
    UnauthenticatedPerIp,
    /// The TLS handshake failed, took too long, or its address has too many of them under way.
    TlsHandshake,
    /// The process has no file descriptor for it.
    Descriptors,
}

impl CloseReason {
    /// All of them and their words, in the order of the declaration.
    pub const ALL: [(Self, &'static str); 17] = [
        (Self::Peer, "peer"),
        (Self::Quit, "quit"),
        (Self::Killed, "killed"),
        (Self::Protocol, "protocol"),
        (Self::Attack, "attack"),
        (Self::FrameTimeout, "frame_timeout"),
        (Self::Idle, "idle"),
        (Self::UnreadReplies, "unread_replies"),
        (Self::UnreadMessages, "unread_messages"),
        (Self::ClientsMemory, "clients_memory"),
        (Self::AuthTimeout, "auth_timeout"),
        (Self::AuthFailures, "auth_failures"),
        (Self::Maxclients, "maxclients"),
        (Self::UnauthenticatedMax, "unauthenticated_max"),
        (Self::UnauthenticatedPerIp, "unauthenticated_per_ip"),
        (Self::TlsHandshake, "tls_handshake"),
        (Self::Descriptors, "descriptors"),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether an operator wants to hear of it: nobody meant it to happen.
    pub fn is_trouble(self) -> bool {
        !matches!(self, Self::Peer | Self::Quit | Self::Killed | Self::Idle)
    }
}

impl Connection {
    /// Ends it: what is owed to the client goes out first, and nothing more is taken from it.
    pub fn end(&mut self, reason: CloseReason) {
        self.closed_for.get_or_insert(reason);
        if matches!(self.state, State::Open | State::HalfClosed { .. }) {
            self.state = State::Ending { until_ms: self.now_ms + END_MS_MAX };
        }
    }

    /// Ends it at once: nothing more is said to the client.
    pub fn cut(&mut self, reason: CloseReason) {
        self.closed_for.get_or_insert(reason);
        self.state = State::Over;
        (self.input, self.output, self.sent) = (BytesMut::new(), Vec::new(), 0);
    }

    /// Why it is over, or will be.
    pub fn closed_for(&self) -> CloseReason {
        self.closed_for.unwrap_or(CloseReason::Peer)
    }

    /// Ends a connection whose time is up: an incomplete request, silence, a slow end. Returns whether it is over.
    pub fn sweep(&mut self, now_ms: u64, limits: &Limits) -> bool {
        self.now_ms = now_ms;
        let silent_ms = now_ms.saturating_sub(self.last_input_ms);
        if self.input.is_empty() || self.input_ready || self.need() != Need::Input {
            self.frame_since_ms = now_ms; // nothing is incomplete, or it is not the client that is waited for
        }
        if let State::HalfClosed { until_ms } = &mut self.state
            && (self.ring.owed() > 0 || self.sent == self.output.len())
        {
            *until_ms = now_ms + END_MS_MAX; // there is nothing to read, or not all of it
        }
        if silent_ms >= REST_MS {
            self.rest();
        }
        match self.state {
            State::Draining { until_ms, .. } if now_ms >= until_ms => self.cut(CloseReason::Peer),
            State::Ending { until_ms } if now_ms >= until_ms && self.ring.is_empty() => self.cut(CloseReason::Peer),
            State::HalfClosed { until_ms }
                if now_ms >= until_ms && !planted!("who has ended its side may leave replies unread") =>
            {
                self.cut(CloseReason::UnreadReplies);
            }
            State::Open | State::HalfClosed { .. } if now_ms - self.frame_since_ms > limits.frame_timeout_ms => {
                self.cut(CloseReason::FrameTimeout);
            }
            State::Open | State::HalfClosed { .. }
                if self.may_be_idle() && limits.idle_timeout_ms.is_some_and(|limit_ms| silent_ms > limit_ms) =>
            {
                self.cut(CloseReason::Idle);
            }
            _ => {}
        }
        self.state == State::Over
    }

    /// Bytes of memory that its buffers hold.
    pub fn memory(&self) -> usize {
        let exec: usize = self.exec.iter().map(OwnedArguments::size_bytes).sum();
        let buffers = self.input.capacity() + self.output.capacity() + self.held_messages.capacity();
        buffers + self.parser.memory() + self.ring.memory() + self.mode.queued_bytes() + exec
    }

    /// Gives back memory that nothing is in.
    fn rest(&mut self) {
        self.parser.rest();
        self.ring.rest();
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        if self.exec.is_empty() {
            self.exec = VecDeque::new();
        }
    }

    /// Whether silence says that nobody is there: nothing is owed to the client, and it does not listen.
    fn may_be_idle(&self) -> bool {
        self.ring.is_empty() && !self.is_subscribed() && !self.is_monitor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_in_its_place() {
        for (place, (reason, word)) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!((reason as usize, reason.word()), (place, word));
        }
        assert_eq!(CloseReason::Descriptors as usize + 1, CloseReason::ALL.len());
    }
}
