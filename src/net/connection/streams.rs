//! Questions about streams, and the wait of an XREAD.
//!
//! ```text
//!  XREAD BLOCK ─▶ Host::read_stream ─┬─ fill: the reply, behind what is owed; then what was pipelined behind it
//!                                    └─ the client goes first: Host::give_up
//! ```
//! While it waits nothing is executed behind it, and input is taken for nothing but to see the client go. What does not
//! wait is short, and keeps its place among the replies.

use super::{Connection, Host, Need, State, TRAIL_WEIGHT_MAX};
use crate::commands::streams::StreamRequest;
use crate::shard::batch::Ticket;

/// What a question about streams weighs: nothing is executed behind it before its reply has left.
const STREAM_WEIGHT: u16 = TRAIL_WEIGHT_MAX as u16;

/// Input kept behind an XREAD that waits; more is not read, and a client that goes then is not noticed before the wait
/// is over.
pub(super) const WAITING_INPUT_BYTES_MAX: usize = 64 * 1024;

impl Connection {
    /// Asks about streams. Nothing is executed behind that, and what may wait for entries is passed by by messages.
    pub(super) fn read_stream(
        &mut self,
        command: u16,
        request: &StreamRequest<'_>,
        may_block: bool,
        host: &mut impl Host,
    ) {
        let proto = self.session.proto;
        let waits = may_block && matches!(request, StreamRequest::Read(read) if read.block_ms.is_some());
        let slot = if waits {
            self.ring.push_waiting(proto, command, STREAM_WEIGHT)
        } else {
            self.ring.push(proto, command, None, STREAM_WEIGHT)
        };
        if let Some(answer) = host.read_stream(Ticket { slot, ..self.place }, proto, request, waits) {
            self.fill(slot, answer, |failure| host.failed(failure));
        }
    }

    /// What it waits for while an XREAD waits. A client that has ended its side hears what else it is owed.
    pub(super) fn need_while_waiting(&self) -> Need {
        match self.state {
            State::HalfClosed { .. } if self.ring.owed() == 0 && self.output().is_empty() => Need::End,
            State::Open if self.input.len() < WAITING_INPUT_BYTES_MAX => Need::Input,
            _ => Need::Room,
        }
    }

    /// The end: the host does nothing more for this connection.
    pub fn leave(&mut self, host: &mut impl Host) {
        if let Some(slot) = self.ring.waiting() {
            host.give_up(Ticket { slot, ..self.place });
        }
        self.end_subscriptions(host);
        self.end_monitor(host);
    }
}
