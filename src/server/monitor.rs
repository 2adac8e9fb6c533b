//! MONITOR and CLIENT PAUSE: what all cores have to know of at every request, so each costs a look at an atomic.
//!
//! ```text
//!  a request, on any core ─▶ Engine::monitored (of this turn) ─▶ every core, at the turn's end ─▶ those who monitor there
//! ```
//! Lines of one core are in order; those of different cores are not. A monitor that does not read is cut off as any client
//! is. Absent on purpose: a promise that a line comes; a turn tells [`TURN_BYTES_MAX`] at most.

use super::engine::Engine;
use super::inquiry::Question;
use super::sockets::Sockets;
use crate::net::connection::Connection;
use crate::shard::batch::Ticket;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Lines of one turn of a core, bytes; what goes beyond is not told.
const TURN_BYTES_MAX: usize = 1 << 20;

/// Requests that wait, and who hears of requests.
#[derive(Default)]
pub(super) struct Overseers {
    monitors: AtomicU32,
    /// Shard time until when requests wait.
    paused_until_ms: AtomicU64,
    /// The same, of those that change something.
    writes_paused_until_ms: AtomicU64,
}

impl Overseers {
    /// Lets requests wait until then; 0 ends the pause. As in Redis a pause that is longer already stays.
    pub(super) fn pause(&self, until_ms: u64, writes_only: bool) {
        let paused = if writes_only { &self.writes_paused_until_ms } else { &self.paused_until_ms };
        if until_ms == 0 {
            self.paused_until_ms.store(0, Ordering::Relaxed);
            self.writes_paused_until_ms.store(0, Ordering::Relaxed);
        } else {
            paused.fetch_max(until_ms, Ordering::Relaxed);
        }
    }

    /// Whether a request has to wait.
    pub(super) fn pauses(&self, is_write: bool, now_ms: u64) -> bool {
        let until_ms = |paused: &AtomicU64| paused.load(Ordering::Relaxed);
        now_ms < until_ms(&self.paused_until_ms) || (is_write && now_ms < until_ms(&self.writes_paused_until_ms))
    }

    /// When the last pause is over; `None`: there is none.
    pub(super) fn paused_until_ms(&self, now_ms: u64) -> Option<u64> {
        let all = [&self.paused_until_ms, &self.writes_paused_until_ms];
        all.map(|paused| paused.load(Ordering::Relaxed)).into_iter().max().filter(|until_ms| now_ms < *until_ms)
    }

    pub(super) fn is_monitored(&self) -> bool {
        self.monitors.load(Ordering::Relaxed) > 0
    }
}

/// A core's part of it.
#[derive(Default)]
pub(super) struct Monitors {
    /// Connections here that monitor: their places and generations.
    here: BTreeSet<(u32, u32)>,
    /// Lines of this turn.
    lines: Vec<u8>,
    /// Whether requests waited for a pause when it was looked last.
    paused: bool,
}

impl Monitors {
    /// Takes a line of this turn.
    pub(super) fn push(&mut self, line: &[u8]) {
        if self.lines.len() + line.len() <= TURN_BYTES_MAX {
            self.lines.extend_from_slice(line);
        }
    }

    /// Gives lines of any core to those who monitor here.
    pub(super) fn tell(&self, lines: &[u8], sockets: &mut Sockets) {
        for &(connection, generation) in &self.here {
            let place = Ticket { core: 0, connection, generation, slot: 0 };
            if let Some(connection) = sockets.connection(place) {
                connection.push(lines, lines);
            }
        }
    }

    /// Whether a pause has ended since the last look: then those that waited go on.
    pub(super) fn pause_ended(&mut self, is_paused: bool) -> bool {
        std::mem::replace(&mut self.paused, is_paused) && !is_paused
    }
}

impl Engine {
    pub(super) fn set_monitor(&mut self, place: Ticket, begins: bool) {
        let key = (place.connection, place.generation);
        if begins {
            self.monitors.here.insert(key);
            self.shared.overseers.monitors.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(self.monitors.here.remove(&key), "a monitor that ends has begun");
            self.shared.overseers.monitors.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Sends the lines of this turn to all cores.
    pub(super) fn send_monitored(&mut self) {
        if !self.monitors.lines.is_empty() {
            let lines = std::mem::take(&mut self.monitors.lines).into();
            self.ask(self.all_cores(), 0, Question::Monitored(lines));
        }
    }
}

/// Connections to which something is done, wherever their requests are.
pub(super) fn each(sockets: &mut Sockets, mut act: impl FnMut(&mut Connection) -> bool) -> u64 {
    let places: Vec<Ticket> = sockets.iter().map(Connection::place).collect();
    places.into_iter().filter(|place| sockets.connection(*place).is_some_and(&mut act)).count() as u64
}
