//! The reply ring of a connection: answers come in any order, replies leave in the order of the requests.
//!
//! ```text
//!   head                       tail
//!   [waiting][early][waiting][early]     an answer for head is encoded at once, with the early ones behind it
//! ```
//!
//! Most answers come in order: they go from the caller's hand into the output and touch 16 bytes of the ring.
//! A slot remembers the protocol that was spoken when its request came: a HELLO further back changes nothing for it.

use crate::commands::reply::{Encoder, Proto, error_code};
use crate::ledger::outcome::Outcome;
use std::collections::VecDeque;

/// A transaction id made by the server: a ULID.
pub type MadeTx = [u8; 26];

/// What fills a slot.
#[derive(Debug)]
pub enum Answer {
    /// From a shard.
    Outcome(Outcome),
    /// Many lines of text: verbatim in RESP3, bulk in RESP2.
    Text(String),
    /// A number.
    Integer(u64),
    /// Bytes of a complete reply, in the slot's protocol.
    Encoded(Vec<u8>),
    /// An error, its code first.
    Error(String),
}

/// The replies that a connection is owed.
#[derive(Debug, Default)]
pub struct ReplyRing {
    slots: VecDeque<Slot>,
    /// Answers that came before their turn, by place from the head on. Ends with the last of them.
    early: VecDeque<Option<Answer>>,
    head: u32,
    /// Sum of the slots' weights.
    weight: u32,
}

#[derive(Debug)]
struct Slot {
    proto: Proto,
    made_tx: Option<Box<MadeTx>>,
    /// Position of the command in the table.
    command: u16,
    weight: u16,
}

/// A command that was executed and answered by an error, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Position of the command in the table.
    pub command: u16,
    /// First word of the error.
    pub code: &'static str,
}

impl ReplyRing {
    /// Takes the next slot. `made_tx` is shown in the reply if the server made the id; `weight` counts in
    /// [`Self::weight`] until the reply has left.
    pub fn push(&mut self, proto: Proto, command: u16, made_tx: Option<MadeTx>, weight: u16) -> u32 {
        let number = self.head.wrapping_add(self.slots.len() as u32);
        self.slots.push_back(Slot { proto, made_tx: made_tx.map(Box::new), command, weight });
        self.weight += u32::from(weight);
        number
    }

    /// Takes the next slot for a reply that is ready; encodes it into `out` at once if nothing waits before it.
    pub fn push_ready(&mut self, proto: Proto, out: &mut Vec<u8>, encode: impl FnOnce(&mut Encoder<'_>)) {
        if self.slots.is_empty() {
            encode(&mut Encoder::new(out, proto));
            return;
        }
        let mut bytes = Vec::new();
        encode(&mut Encoder::new(&mut bytes, proto));
        self.slots.push_back(Slot { proto, made_tx: None, command: 0, weight: 0 });
        self.keep(self.slots.len() - 1, Answer::Encoded(bytes));
    }

    /// Fills a slot, and encodes into `out` what may leave now; calls `failed` for each error among it.
    pub fn fill(&mut self, number: u32, answer: Answer, out: &mut Vec<u8>, mut failed: impl FnMut(Failure)) {
        let index = number.wrapping_sub(self.head) as usize;
        assert!(index < self.slots.len(), "an answer is for a slot that was taken and not answered");
        if index > 0 && !planted!("replies leave as answers come") {
            return self.keep(index, answer);
        }
        let mut next = Some(answer);
        while let Some(answer) = next {
            let slot = self.slots.pop_front().expect("an answer has its slot");
            let start = out.len();
            let mut encoder = Encoder::new(out, slot.proto);
            match &answer {
                Answer::Outcome(outcome) => encoder.outcome(outcome, slot.made_tx.as_ref().map(|tx| tx.as_slice())),
                Answer::Text(text) => encoder.verbatim(text),
                Answer::Integer(number) => encoder.integer(*number),
                Answer::Encoded(bytes) => out.extend_from_slice(bytes),
                Answer::Error(text) => encoder.error(text),
            }
            if let Answer::Outcome(Outcome::Rejected(_)) | Answer::Error(_) = answer {
                failed(Failure { command: slot.command, code: error_code(&out[start + 1..]) });
            }
            self.weight -= u32::from(slot.weight);
            self.head = self.head.wrapping_add(1);
            self.early.pop_front(); // the place of the slot that has gone
            next = self.early.front_mut().and_then(Option::take);
        }
    }

    /// Keeps an answer until the ones before it are there.
    fn keep(&mut self, index: usize, answer: Answer) {
        if self.early.len() <= index {
            self.early.resize_with(index + 1, || None);
        }
        let place = &mut self.early[index];
        assert!(place.is_none(), "a slot is answered once");
        *place = Some(answer);
    }

    /// Replies owed.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The weight of the replies owed.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::rejection::Rejection;

    #[test]
    fn replies_leave_in_request_order() {
        let mut ring = ReplyRing { head: u32::MAX, ..ReplyRing::default() };
        let mut out = Vec::new();
        let a = ring.push(Proto::Resp2, 0, None, 0);
        let b = ring.push(Proto::Resp2, 7, None, 0);
        ring.push_ready(Proto::Resp2, &mut out, |e| e.simple("PONG"));
        let mut failures = Vec::new();
        ring.fill(b, Answer::Outcome(Outcome::Rejected(Rejection::NoAccount)), &mut out, |f| failures.push(f));
        assert!(out.is_empty() && failures.is_empty(), "the first reply is still owed");
        ring.fill(a, Answer::Integer(1), &mut out, |f| failures.push(f));
        assert_eq!(out, b":1\r\n-NOACCOUNT\r\n+PONG\r\n");
        assert_eq!(failures, [Failure { command: 7, code: "NOACCOUNT" }]);
        assert!(ring.is_empty());
        ring.push_ready(Proto::Resp2, &mut out, |e| e.integer(3));
        assert!(out.ends_with(b":3\r\n"), "nothing waits: encoded at once");
    }
}
