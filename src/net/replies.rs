//! The reply ring of a connection: answers come in any order, replies leave in the order of the requests.
//!
//! ```text
//!   head                       tail
//!   [waiting][early][waiting][early]     an answer for head is encoded at once, with the early ones behind it
//! ```
//!
//! The reply to a request that may wait for ever stands apart ([`ReplyRing::push_waiting`]): nothing is executed behind
//! it, so it is the last one, and messages to a subscriber pass it by.
//!
//! Most answers come in order: they go from the caller's hand into the output and touch 16 bytes of the ring.
//! A slot remembers the protocol that was spoken when its request came: a HELLO further back changes nothing for it.

use crate::commands::keys::KeyView;
use crate::commands::reply::{Encoder, Proto, error_code};
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::Rejection;
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

/// What becomes of a shard's answer.
#[derive(Debug)]
pub enum Shape {
    /// The server made the transaction id: the reply shows it.
    MadeTx(MadeTx),
    /// This of a key is shown, which may be a stream.
    Key(KeyView, bool),
    /// So many accounts answer whether they are there; the reply is how many are.
    Count {
        /// Answers to come.
        missing: usize,
        /// Accounts that are there.
        found: u64,
        /// An account that could not be looked at.
        refusal: Option<Rejection>,
    },
}

impl Shape {
    /// The number of those that are there, of `accounts`.
    pub fn count(accounts: usize) -> Self {
        Self::Count { missing: accounts, found: 0, refusal: None }
    }
}

/// The replies that a connection is owed.
#[derive(Debug, Default)]
pub struct ReplyRing {
    slots: VecDeque<Slot>,
    /// Answers that came before their turn, by place from the head on. Ends with the last of them.
    early: VecDeque<Option<Answer>>,
    /// What those answers hold in memory, in bytes.
    early_bytes: usize,
    head: u32,
    /// Behind all slots: the reply to a request that waits.
    waiting: Option<Waiting>,
    /// Sum of the slots' weights.
    weight: u32,
    /// Replies to requests that come now are not shown.
    mute: bool,
}

#[derive(Debug)]
struct Slot {
    proto: Proto,
    shape: Option<Box<Shape>>,
    /// Position of the command in the table.
    command: u16,
    weight: u16,
    mute: bool,
}

impl Slot {
    /// What its answer holds in memory, in bytes; for a list, a KiB for each of its entries.
    fn bytes(&self, answer: &Answer) -> usize {
        match answer {
            Answer::Text(text) | Answer::Error(text) => text.len(),
            Answer::Encoded(bytes) => bytes.len(),
            Answer::Outcome(_) => usize::from(self.weight) * 1024,
            Answer::Integer(_) => 0,
        }
    }

    /// The answer, when all parts of it are there.
    fn gathered(&mut self, answer: Answer) -> Option<Answer> {
        let Some(Shape::Count { missing, found, refusal }) = self.shape.as_deref_mut() else { return Some(answer) };
        *missing -= 1;
        match answer {
            Answer::Outcome(Outcome::Balance(figures)) => *found += u64::from(figures.seq > 0),
            Answer::Outcome(Outcome::Rejected(rejection)) => *refusal = Some(rejection),
            other => panic!("an account does not answer {other:?} to a look at its balance"),
        }
        let refused = refusal.take_if(|_| *missing == 0).map(|rejection| Answer::Outcome(Outcome::Rejected(rejection)));
        (*missing == 0).then(|| refused.unwrap_or(Answer::Integer(*found)))
    }
}

#[derive(Debug)]
struct Waiting {
    number: u32,
    slot: Slot,
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
    /// Takes the next slot. `shape`: what becomes of the answer, if not the reply as it is; `weight` counts in
    /// [`Self::weight`] until the reply has left.
    pub fn push(&mut self, proto: Proto, command: u16, shape: Option<Shape>, weight: u16) -> u32 {
        let number = self.head.wrapping_add(self.slots.len() as u32);
        self.slots.push_back(Slot { proto, shape: shape.map(Box::new), command, weight, mute: self.mute });
        self.weight += u32::from(weight);
        number
    }

    /// Takes the place behind all slots. Its number is that of a slot that has gone, so nothing else is answered by it.
    pub fn push_waiting(&mut self, proto: Proto, command: u16, weight: u16) -> u32 {
        assert!(self.waiting.is_none(), "nothing is executed behind a request that waits");
        let number = self.head.wrapping_sub(1);
        self.waiting = Some(Waiting { number, slot: Slot { proto, shape: None, command, weight, mute: self.mute } });
        self.weight += u32::from(weight);
        number
    }

    /// From now on requests are answered without a word, or no more so.
    pub fn set_mute(&mut self, mute: bool) {
        self.mute = mute;
    }

    /// Takes the next slot for a reply that is ready; encodes it into `out` at once if nothing waits before it.
    pub fn push_ready(&mut self, proto: Proto, out: &mut Vec<u8>, encode: impl FnOnce(&mut Encoder<'_>)) {
        if self.mute {
            return;
        }
        if self.slots.is_empty() {
            encode(&mut Encoder::new(out, proto));
            return;
        }
        let mut bytes = Vec::new();
        encode(&mut Encoder::new(&mut bytes, proto));
        self.push_encoded(proto, bytes);
    }

    /// Takes the next slot for a message; puts it into `out` at once if nothing is owed.
    pub fn push_message(&mut self, proto: Proto, out: &mut Vec<u8>, message: &[u8]) {
        if self.slots.is_empty() {
            out.extend_from_slice(message);
        } else {
            self.push_encoded(proto, message.to_vec());
        }
    }

    /// What is kept weighs 1 for each KiB of it.
    fn push_encoded(&mut self, proto: Proto, bytes: Vec<u8>) {
        let weight = bytes.len().div_ceil(1024).min(u16::MAX.into()) as u16;
        self.slots.push_back(Slot { proto, shape: None, command: 0, weight, mute: false });
        self.weight += u32::from(weight);
        self.keep(self.slots.len() - 1, Answer::Encoded(bytes));
    }

    /// Fills a slot, and encodes into `out` what may leave now; calls `failed` for each error among it.
    pub fn fill(&mut self, number: u32, answer: Answer, out: &mut Vec<u8>, mut failed: impl FnMut(Failure)) {
        let index = number.wrapping_sub(self.head) as usize;
        if index >= self.slots.len() {
            let number = self.end_wait(number);
            return self.fill(number, answer, out, failed);
        }
        let Some(answer) = self.slots[index].gathered(answer) else { return };
        if index > 0 && !planted!("replies leave as answers come") {
            return self.keep(index, answer);
        }
        let mut next = Some(answer);
        while let Some(answer) = next {
            let slot = self.slots.pop_front().expect("an answer has its slot");
            let start = out.len();
            let mut encoder = Encoder::new(out, slot.proto);
            match &answer {
                Answer::Outcome(outcome) => match slot.shape.as_deref() {
                    Some(Shape::Key(view, is_stream)) => encoder.key(view, *is_stream, outcome),
                    Some(Shape::MadeTx(tx)) => encoder.outcome(outcome, Some(tx)),
                    Some(Shape::Count { .. }) | None => encoder.outcome(outcome, None),
                },
                Answer::Text(text) => encoder.verbatim(text),
                Answer::Integer(number) => encoder.integer(*number),
                Answer::Encoded(bytes) => out.extend_from_slice(bytes),
                Answer::Error(text) => encoder.error(text),
            }
            if out.get(start) == Some(&b'-') {
                failed(Failure { command: slot.command, code: error_code(&out[start + 1..]) });
            }
            if slot.mute {
                out.truncate(start);
            }
            self.weight -= u32::from(slot.weight);
            self.head = self.head.wrapping_add(1);
            self.early.pop_front(); // the place of the slot that has gone
            next = self.early.front_mut().and_then(Option::take);
            if let (Some(answer), Some(slot)) = (&next, self.slots.front()) {
                self.early_bytes -= slot.bytes(answer);
            }
        }
    }

    /// Gives the request that waits the next slot. Returns its number.
    #[cold]
    fn end_wait(&mut self, number: u32) -> u32 {
        let waiting = self.waiting.take_if(|waiting| waiting.number == number);
        let waiting = waiting.expect("an answer is for a slot that was taken and not answered");
        self.slots.push_back(waiting.slot);
        self.head.wrapping_add(self.slots.len() as u32 - 1)
    }

    /// Keeps an answer until the ones before it are there.
    fn keep(&mut self, index: usize, answer: Answer) {
        if self.early.len() <= index {
            self.early.resize_with(index + 1, || None);
        }
        let place = &mut self.early[index];
        assert!(place.is_none(), "a slot is answered once");
        self.early_bytes += self.slots[index].bytes(&answer);
        *place = Some(answer);
    }

    /// Gives back the memory of a ring that is empty.
    pub fn rest(&mut self) {
        if self.slots.is_empty() {
            (self.slots, self.early) = (VecDeque::new(), VecDeque::new());
        }
    }

    /// The number of the request that waits.
    pub fn waiting(&self) -> Option<u32> {
        self.waiting.as_ref().map(|waiting| waiting.number)
    }

    /// Replies owed, without that of the request that waits.
    pub fn owed(&self) -> usize {
        self.slots.len()
    }

    /// The weight of the replies owed.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        let (slots, early) =
            (self.slots.capacity() * size_of::<Slot>(), self.early.capacity() * size_of::<Option<Answer>>());
        slots + early + self.early_bytes
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.waiting.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    #[test]
    fn what_waits_is_passed_by_and_answered_behind_what_is_owed() {
        for (head, owed_first) in [(0, false), (0, true), (u32::MAX, true)] {
            let mut ring = ReplyRing { head, ..ReplyRing::default() };
            let mut out = Vec::new();
            let before = ring.push(Proto::Resp3, 0, None, 0);
            let waiting = ring.push_waiting(Proto::Resp3, 7, 3200);
            assert_eq!((ring.waiting(), ring.owed(), ring.weight()), (Some(waiting), 1, 3200));
            ring.push_message(Proto::Resp3, &mut out, b">early\r\n");
            assert_eq!((&out[..], ring.weight()), (&b""[..], 3201), "a reply is owed");
            if owed_first {
                ring.fill(before, Answer::Integer(1), &mut out, |_| {});
                assert_eq!(out, b":1\r\n>early\r\n");
                ring.push_message(Proto::Resp3, &mut out, b">late\r\n");
                assert!(out.ends_with(b">late\r\n"), "what waits does not hold it up");
            }
            assert!(!ring.is_empty());
            let mut failures = Vec::new();
            ring.fill(waiting, Answer::Error("ERR x".to_owned()), &mut out, |f| failures.push(f));
            if !owed_first {
                assert!(out.is_empty());
                ring.fill(before, Answer::Integer(1), &mut out, |f| failures.push(f));
                assert_eq!(out, b":1\r\n>early\r\n-ERR x\r\n");
            }
            assert!(out.ends_with(b"-ERR x\r\n"));
            assert_eq!(failures, [Failure { command: 7, code: "ERR" }]);
            assert_eq!((ring.is_empty(), ring.weight(), ring.waiting()), (true, 0, None));
        }
    }

    #[test]
    #[should_panic(expected = "a slot that was taken and not answered")]
    fn an_answer_that_nobody_is_owed_is_a_bug() {
        ReplyRing::default().fill(0, Answer::Integer(1), &mut Vec::new(), |_| {});
    }
}
