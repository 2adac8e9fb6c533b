//! One connection of the load: what it has asked and not heard.
//!
//! ```text
//! ask ──▶ out ──send──▶ server ──recv──▶ frames ──▶ tally
//!  └────▶ flights ──────── the oldest is answered ──┘
//! ```
//!
//! Invariant: a flight leaves only with its answer. A lost connection is opened again and asks all its flights once
//! more, with the same transaction ids, until the server decides: what became of the first time is unknown, and asking
//! again cannot do it twice.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::tally::Slice;
use super::target::Requests;
use super::wire;
use super::workload::{Op, Order};
use crate::clock::{Clock, SystemClock};

const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Refusals that decide about a command. Any other (LOADING, TRYAGAIN, ...) means that it was not executed *this* time.
const DECIDED: [&[u8]; 9] = [
    b"INSUFFICIENT",
    b"NOACCOUNT",
    b"NORESERVATION",
    b"TXCONFLICT",
    b"LIMIT",
    b"EXPIRED",
    b"OVERFLOW",
    b"LEADFULL",
    b"ALREADYCLAIMED",
];

/// An order that is not answered.
struct Flight {
    order: Order,
    /// Whether it was sent before, on a connection that was lost, so that it may have been executed then.
    is_again: bool,
    /// When it was sent or, in an open loop, should have been: boot time.
    since_ns: u64,
}

/// A connection, which may be down.
pub(super) struct Connection {
    stream: Option<TcpStream>,
    out: Vec<u8>,
    out_at: usize,
    partial: Vec<u8>,
    flights: VecDeque<Flight>,
    /// Whether the answer to AUTH is still to come.
    is_greeting: bool,
    /// CAPTUREs of holds and claims of leads that were made here.
    owed: VecDeque<Order>,
}

impl Connection {
    /// One that is down.
    pub(super) fn new() -> Self {
        Self {
            stream: None,
            out: Vec::new(),
            out_at: 0,
            partial: Vec::new(),
            flights: VecDeque::new(),
            is_greeting: false,
            owed: VecDeque::new(),
        }
    }

    /// Connects, and asks again what has no answer.
    pub(super) fn open(
        &mut self,
        address: SocketAddr,
        pass: Option<&str>,
        requests: &Requests,
    ) -> io::Result<BorrowedFd<'_>> {
        self.stream = None;
        let stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.partial.clear();
        self.out = pass.map_or(Vec::new(), |pass| wire::encode(&["AUTH", pass]));
        self.out_at = 0;
        self.is_greeting = pass.is_some();
        for flight in &mut self.flights {
            flight.is_again = true;
            requests.write(flight.order, &mut self.out);
        }
        Ok(TcpStream::as_fd(self.stream.insert(stream)))
    }

    /// Gives the socket up.
    pub(super) fn lose(&mut self) {
        self.stream = None;
    }

    /// Whether it has a socket.
    pub(super) fn is_up(&self) -> bool {
        self.stream.is_some()
    }

    /// Commands without an answer.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Whether a hold waits for its CAPTURE.
    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Asks what is owed, else what `next` says, and returns whether there was anything. Nothing leaves before
    /// [`flush`](Self::flush).
    pub(super) fn ask(&mut self, next: impl FnOnce() -> Option<Order>, since_ns: u64, requests: &Requests) -> bool {
        let Some(order) = self.owed.pop_front().or_else(next) else { return false };
        requests.write(order, &mut self.out);
        self.flights.push_back(Flight { order, is_again: false, since_ns });
        true
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while self.out_at < self.out.len() {
            match stream.write(&self.out[self.out_at..]) {
                Ok(len) => self.out_at += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.out_at = 0;
        Ok(())
    }

    /// Takes all answers that are there into `slice`, and the end of the connection too if `is_ending`. `buffer` is
    /// scratch.
    ///
    /// # Errors
    /// Of the socket, its end included; `InvalidData`: the server does not speak the protocol; `ConnectionAborted`: it does
    /// not decide yet what it was asked again, so give the connection up and come again later.
    pub(super) fn receive(&mut self, is_ending: bool, buffer: &mut [u8], slice: &mut Slice) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        loop {
            let kept = self.partial.len();
            buffer[..kept].copy_from_slice(&self.partial);
            let len = match stream.read(&mut buffer[kept..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => kept + len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let mut answers = Answers {
                now_ns: SystemClock.boot_ns(),
                flights: &mut self.flights,
                is_greeting: &mut self.is_greeting,
                owed: &mut self.owed,
            };
            let taken = answers.take(&buffer[..len], slice)?;
            self.partial.clear();
            self.partial.extend_from_slice(&buffer[taken..len]);
            // A read that did not fill the buffer has emptied the socket, but for its end.
            if len < buffer.len() && !is_ending {
                return Ok(());
            }
        }
    }
}

/// The answers of one read, on their way to their flights.
struct Answers<'a> {
    now_ns: u64,
    flights: &'a mut VecDeque<Flight>,
    is_greeting: &'a mut bool,
    owed: &'a mut VecDeque<Order>,
}

impl Answers<'_> {
    /// Takes every whole answer at the start of `bytes`; returns how many bytes they were.
    fn take(&mut self, bytes: &[u8], slice: &mut Slice) -> io::Result<usize> {
        let mut at = 0;
        // Answers of one kind to what was sent together are counted together.
        let mut alike = (Op::Debit, 0, 0);
        while let Some(len) = wire::frame_len(&bytes[at..]).map_err(|wire::Garbled| ErrorKind::InvalidData)? {
            let frame = &bytes[at..at + len];
            at += len;
            if std::mem::take(self.is_greeting) {
                continue;
            }
            let Some(flight @ Flight { order, is_again, since_ns }) = self.flights.pop_front() else {
                return Err(ErrorKind::InvalidData.into());
            };
            if let Some(words) = wire::refusal(frame) {
                slice.tally(order.op).add_refused(self.now_ns.saturating_sub(since_ns), words);
                if is_again && !DECIDED.iter().any(|code| words.starts_with(code)) {
                    self.flights.push_front(flight);
                    self.count(alike, slice);
                    return Err(ErrorKind::ConnectionAborted.into());
                }
                continue;
            }
            match order.op {
                Op::Reserve => self.owed.push_back(Order { op: Op::Capture, ..order }),
                Op::Open => self.owed.push_back(Order { op: Op::Claim, ..order }),
                _ => {}
            }
            if (order.op, since_ns) != (alike.0, alike.1) {
                self.count(alike, slice);
                alike = (order.op, since_ns, 0);
            }
            alike.2 += 1;
        }
        self.count(alike, slice);
        Ok(at)
    }

    fn count(&self, (op, since_ns, count): (Op, u64, u64), slice: &mut Slice) {
        if count > 0 {
            slice.tally(op).add_done(self.now_ns.saturating_sub(since_ns), count);
        }
    }
}
