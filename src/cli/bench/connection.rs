//! One connection of the load: what it has asked and not heard.
//!
//! ```text
//! ask ──▶ out ──send──▶ server ──recv──▶ frames ──▶ tally
//!  └────▶ flights ──────── the oldest is answered ──┘
//! ```
//!
//! Invariant: a flight leaves only with its answer. A lost connection is opened again and asks all its flights once more,
//! with the same transaction ids: what became of the first time is unknown, and asking again cannot do it twice.

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

/// An order that is not answered.
struct Flight {
    order: Order,
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
    /// CAPTUREs of holds that were made here.
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
        self.flights.iter().for_each(|flight| requests.write(flight.order, &mut self.out));
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

    /// The CAPTURE of the oldest hold.
    pub(super) fn take_owed(&mut self) -> Option<Order> {
        self.owed.pop_front()
    }

    /// Asks; nothing leaves before [`flush`](Self::flush).
    pub(super) fn ask(&mut self, order: Order, since_ns: u64, requests: &Requests) {
        requests.write(order, &mut self.out);
        self.flights.push_back(Flight { order, since_ns });
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

    /// Takes all answers that are there into `slice`. `buffer` is scratch, empty between calls.
    ///
    /// # Errors
    /// Of the socket, its end included; `InvalidData`: the server does not speak the protocol.
    pub(super) fn receive(&mut self, buffer: &mut [u8], slice: &mut Slice) -> io::Result<()> {
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
            // A read that did not fill the buffer has emptied the socket.
            if len < buffer.len() {
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
            let Some(Flight { order, since_ns }) = self.flights.pop_front() else {
                return Err(ErrorKind::InvalidData.into());
            };
            if let Some(words) = wire::refusal(frame) {
                slice.tally(order.op).add_refused(self.now_ns.saturating_sub(since_ns), words);
                continue;
            }
            if order.op == Op::Reserve {
                self.owed.push_back(Order { op: Op::Capture, ..order });
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
