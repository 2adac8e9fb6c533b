//! One client's conversation, without its socket.
//!
//! ```text
//!  bytes ─▶ parser ─▶ request ─┬─ about the connection: answered here        ─┐
//!                              ├─ for a shard: Host::submit ──▶ fill(slot) ◀── ├─▶ reply ring ─▶ output bytes
//!                              ├─ about the server: Host::ask ──▶ fill(slot) ◀─┤
//!                              └─ of streams: Host::read_stream ▶ fill(slot) ◀─┤
//!                 what it listens to: Host::subscribe ──▶ push(message) ───────┘
//! ```
//!
//! Pure state: bytes go in ([`Connection::receive`]), bytes come out ([`Connection::output`]), so that it can be driven by
//! a socket, a test or the simulator. Replies leave in request order whatever the order of the answers.
//!
//! Bounded: replies owed, old entries in them, output not taken, one incomplete request, a MULTI queue. At a limit the connection asks for no
//! more input ([`Need::Room`]): back-pressure, not an error. Only messages that wait for replies cannot be held back: too
//! many of them end the connection.
//!
//! While an XREAD waits nothing is executed behind it, and input is taken for nothing but to see the client go.

mod access;
mod closing;
mod control;
mod host;
mod keys;
mod listening;
mod multi;
mod session;
mod streams;
#[cfg(test)]
mod tests;

use super::replies::{Answer, Failure, ReplyRing, Shape};
use super::resp::{Parser, ProtocolError};
use crate::commands::arguments::{Arguments, OwnedArguments};
use crate::commands::refusal::Refusal;
use crate::commands::reply::Encoder;
use crate::commands::server::ServerRequest;
use crate::commands::spec::{CommandSpec, Flags};
use crate::commands::table::Call;
use crate::commands::{Request, catalog, table};
use crate::ledger::command::{Command, LeadOp, Op};
use crate::shard::batch::Ticket;
pub use access::Verdict;
use bytes::{Buf, BytesMut};
pub use closing::CloseReason;
use closing::{DRAIN_MS_MAX, END_MS_MAX};
use control::Silence;
pub use host::{Host, Limits};
use listening::Subscriptions;
use multi::Mode;
use session::{Activity, Session};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Unsent output above which no more requests are taken.
const OUTPUT_SOFT_MAX: usize = 256 * 1024;

/// The same, for a client that has not logged in (security.md 2).
const STRANGERS_OUTPUT_MAX: usize = 64 * 1024;

/// Weight of the replies owed at which no more requests are taken. An entry of a HISTORY, and a claim of LEAD.CLAIMS,
/// weighs 1 and makes at most 1.7 KB of reply, a KiB of a reply that is ready before its turn weighs 1, too: what answers
/// at once stays below the default of `output-bytes-max`, where
/// a client is cut off.
const TRAIL_WEIGHT_MAX: u32 = 3200;

/// What a question about the trail weighs at least: one connection has 16 of them under way.
const TRAIL_WEIGHT_MIN: u16 = 200;

/// Bytes thrown away at the end of a connection, so that its last reply is not lost to a reset.
const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Bytes from the client.
    Input,
    /// To be called again: it has requests that it may take now.
    Resume,
    /// Replies, or that its output is taken.
    Room,
    /// Nothing: it is over.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The client has ended its side: what came is executed and answered, as long as the client goes on reading.
    HalfClosed {
        until_ms: u64,
    },
    /// QUIT, or a broken request: the replies owed go out, then the write side is shut. They are not left unread for ever.
    Ending {
        until_ms: u64,
    },
    /// The write side is shut: what still comes is thrown away.
    Draining {
        bytes: usize,
        until_ms: u64,
    },
    Over,
}

/// One client.
pub struct Connection {
    session: Session,
    place: Ticket,
    parser: Parser,
    /// Bytes that make no complete request yet, or that wait for room.
    input: BytesMut,
    /// When the request at the start of `input` began to come, as far as that was the client's time.
    frame_since_ms: u64,
    /// Whether `input` may hold a complete request.
    input_ready: bool,
    ring: ReplyRing,
    output: Vec<u8>,
    sent: usize,
    mode: Mode,
    /// Requests of an EXEC that are not yet executed.
    exec: VecDeque<OwnedArguments>,
    subscriptions: Subscriptions,
    is_monitor: bool,
    silence: Silence,
    /// Messages that came while requests of an EXEC were to be executed: they must not stand in its array.
    held_messages: Vec<u8>,
    state: State,
    closed_for: Option<CloseReason>,
    last_input_ms: u64,
    now_ms: u64,
}

impl Connection {
    /// A fresh connection. `place` is where its answers come to, without the slot.
    pub fn new(id: u64, place: Ticket, peer: SocketAddr, local: SocketAddr, host: &impl Host) -> Self {
        let now_ms = host.now_ms();
        Self {
            session: Session::new(id, peer, local, now_ms, host.users()),
            place,
            parser: Parser::default(),
            input: BytesMut::new(),
            frame_since_ms: now_ms,
            input_ready: false,
            ring: ReplyRing::default(),
            output: Vec::new(),
            sent: 0,
            mode: Mode::Free,
            exec: VecDeque::new(),
            subscriptions: Subscriptions::default(),
            is_monitor: false,
            silence: Silence::default(),
            held_messages: Vec::new(),
            state: State::Open,
            closed_for: None,
            last_input_ms: now_ms,
            now_ms,
        }
    }

    /// Takes bytes from the client and executes the requests in them, as far as there is room. Without bytes: goes on
    /// with what waits.
    pub fn receive(&mut self, bytes: &[u8], host: &mut impl Host) {
        self.now_ms = host.now_ms();
        self.refresh(host.users());
        self.last_input_ms = self.now_ms; // also of what has waited: that was no silence
        if let State::Draining { bytes: left, .. } = &mut self.state {
            *left = left.saturating_sub(bytes.len());
            if *left == 0 {
                self.state = State::Over;
            }
            return;
        }
        if self.input.is_empty() {
            let consumed = self.take_requests(bytes, host);
            self.input.extend_from_slice(&bytes[consumed..]);
            self.frame_since_ms = self.now_ms;
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let consumed = self.take_requests(&input, host);
        if consumed > 0 || bytes.is_empty() || planted!("a request has its time from its last byte on") {
            self.frame_since_ms = self.now_ms;
        }
        if consumed < input.len() {
            input.advance(consumed);
            self.input = input;
        }
    }

    /// The client will send no more.
    pub fn end_of_input(&mut self) {
        self.state = match self.state {
            State::Open => State::HalfClosed { until_ms: self.now_ms + END_MS_MAX },
            State::Draining { .. } => State::Over,
            state => state,
        };
    }

    /// An answer for one of its requests; `failed` hears of errors that are shown now.
    pub fn fill(&mut self, slot: u32, answer: Answer, failed: impl FnMut(Failure)) {
        self.ring.fill(slot, answer, &mut self.output, failed);
    }

    /// Bytes to be sent.
    pub fn output(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// The first `n` bytes of the output are sent.
    pub fn sent(&mut self, n: usize) {
        self.sent += n;
        if let State::HalfClosed { until_ms } = &mut self.state {
            *until_ms = self.now_ms + END_MS_MAX;
        }
        if self.sent == self.output.len() {
            self.output.clear();
            self.output.shrink_to(OUTPUT_SOFT_MAX);
            self.sent = 0;
        }
    }

    /// What it waits for.
    pub fn need(&self) -> Need {
        match self.state {
            State::Over => Need::End,
            State::Draining { .. } => Need::Input,
            State::Ending { .. } => Need::Room,
            State::Open | State::HalfClosed { .. } if self.output().len() > self.output_soft_max() => Need::Room,
            State::Open | State::HalfClosed { .. } if self.ring.waiting().is_some() => self.need_while_waiting(),
            State::Open | State::HalfClosed { .. } if self.input_ready => Need::Resume,
            State::Open => Need::Input,
            State::HalfClosed { .. } if self.ring.is_empty() && self.output().is_empty() => Need::End,
            State::HalfClosed { .. } => Need::Room,
        }
    }

    /// Whether everything is sent and the write side is to be shut.
    pub fn must_shut(&self) -> bool {
        matches!(self.state, State::Ending { .. }) && self.ring.is_empty() && self.output().is_empty()
    }

    /// The write side is shut.
    pub fn was_shut(&mut self) {
        self.state = State::Draining { bytes: DRAIN_BYTES_MAX, until_ms: self.now_ms + DRAIN_MS_MAX };
    }

    /// Whether nothing more can be said to the client.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Where its client is.
    pub fn peer(&self) -> SocketAddr {
        self.session.peer
    }

    /// Where its answers come to, without the slot.
    pub fn place(&self) -> Ticket {
        self.place
    }

    /// The connection's number.
    pub fn id(&self) -> u64 {
        self.session.id
    }

    /// Its client's address, and the name that it gave itself.
    pub fn who(&self) -> (String, Vec<u8>) {
        self.session.who()
    }

    /// Its line of CLIENT LIST, without the line's end.
    pub fn describe(&self, now_ms: u64) -> String {
        let idle_s = now_ms.saturating_sub(self.last_input_ms) / 1000;
        let activity = Activity {
            queued: self.mode.queued(),
            is_waiting: self.ring.waiting().is_some(),
            subscriptions: self.subscriptions.counts(),
            is_monitor: self.is_monitor,
            memory: self.memory(),
        };
        self.session.describe(now_ms, idle_s, &activity, self.input.len(), self.output().len())
    }

    /// Executes requests from the start of `bytes`. Returns how many bytes they took.
    fn take_requests(&mut self, bytes: &[u8], host: &mut impl Host) -> usize {
        let mut consumed = 0;
        let mut parser = std::mem::take(&mut self.parser);
        self.input_ready = false;
        while matches!(self.state, State::Open | State::HalfClosed { .. }) {
            if self.is_full(host) {
                self.input_ready = consumed < bytes.len() || !self.exec.is_empty();
                break;
            }
            if let Some(queued) = self.exec.pop_front() {
                let call = table::resolve(queued.borrow()).expect("resolved when it was queued");
                match self.not_allowed(&call, true, host) {
                    None => self.run(&call, false, host),
                    Some(refusal) => self.refuse(Some(call.spec), &refusal, host),
                }
                continue;
            }
            match parser.parse(&bytes[consumed..], &self.session.parser_limits(host)) {
                Ok(None) => break,
                Ok(Some(len)) => {
                    let request = &bytes[consumed..];
                    let arguments = parser.arguments(request);
                    if host.pauses(true) && self.is_held(arguments, host) {
                        self.input_ready = true;
                        break;
                    }
                    consumed += len;
                    if !arguments.is_empty() {
                        self.choose_silence();
                        self.request(arguments, host);
                    }
                }
                Err(error) => self.break_off(&error, host),
            }
        }
        self.parser = parser;
        self.push_held();
        if matches!(self.state, State::Ending { .. } | State::Over) { bytes.len() } else { consumed }
    }

    fn output_soft_max(&self) -> usize {
        if self.is_authenticated() { OUTPUT_SOFT_MAX } else { STRANGERS_OUTPUT_MAX }
    }

    fn is_full(&self, host: &impl Host) -> bool {
        self.ring.owed() >= host.limits().slots_max
            || self.ring.weight() >= TRAIL_WEIGHT_MAX
            || self.output().len() > self.output_soft_max()
            || host.is_congested()
    }

    fn break_off(&mut self, error: &ProtocolError, host: &mut impl Host) {
        if matches!(error, ProtocolError::Attack) && !planted!("TLS at the plain port is answered") {
            return self.cut(CloseReason::Attack);
        }
        let text = format!("ERR {error}");
        host.refused(None, &text);
        self.reply(|e| e.error(&text));
        self.end(CloseReason::Protocol);
    }

    fn request(&mut self, arguments: Arguments<'_>, host: &mut impl Host) {
        let resolved = table::resolve(arguments);
        let call = match &resolved {
            Ok(call) => call,
            Err(refusal) => return self.refuse(None, refusal, host),
        };
        let spec = call.spec;
        self.session.last_command = spec.name;
        if let Some(refusal) = self.not_allowed(call, self.mode.queued().is_some(), host) {
            return self.refuse(Some(spec), &refusal, host);
        }
        if let Some(text) = host.loading()
            && !spec.flags.has(Flags::LOADING)
        {
            return self.refuse(Some(spec), &Refusal::made(text), host);
        }
        self.tell_monitors(spec, arguments, host);
        match &mut self.mode {
            Mode::Queueing(multi) if !multi::is_for_now(spec) => match multi.push(spec, arguments, host.limits()) {
                Ok(()) => self.reply(|e| e.simple("QUEUED")),
                Err(refusal) => self.refuse(Some(spec), &refusal, host),
            },
            Mode::Listening if !listening::is_allowed(spec) => {
                self.refuse(Some(spec), &listening::refusal(spec), host);
            }
            _ => self.run(call, true, host),
        }
    }

    /// Parses and executes one request of a known command.
    ///
    /// The request stays where it was parsed to: moved now, its fresh bytes would be read in other widths than they were
    /// written, and the processor would wait for them to reach its cache.
    fn run(&mut self, call: &Call<'_>, may_block: bool, host: &mut impl Host) {
        let parsed = call.parse(host.defaults());
        let request = match &parsed {
            Ok(request) => request,
            Err(refusal) => return self.refuse(Some(call.spec), refusal, host),
        };
        let position = call.position;
        host.called(position);
        match *request {
            Request::Ledger { ref command, made_tx: false } => {
                let ticket = self.ticket(position, None, trail_weight(&command.op));
                host.submit(ticket, command);
            }
            Request::Ledger { command, made_tx: true } => {
                let tx = host.make_tx();
                let ticket = self.ticket(position, Some(Shape::MadeTx(tx)), 0);
                host.submit(ticket, &Command { tx: &tx, ..command });
            }
            Request::Server(request) => {
                let ticket = self.ticket(position, None, server_weight(&request));
                let user = self.session.identity.user.as_ref().expect("without a login nothing of the kind is open");
                if let Some(answer) = host.ask(ticket, self.session.proto, user, &request) {
                    self.fill(ticket.slot, answer, |failure| host.failed(failure));
                }
            }
            Request::Stream(ref request) => self.read_stream(position, request, may_block, host),
            Request::Keys(request) => self.ask_keys(position, request, host),
            Request::Connection(request) => self.converse(position, request, host),
            Request::PubSub(request) => self.listen(request, host),
            Request::Catalog(request) => self.reply(|e| catalog::answer(request, e)),
            Request::Accepted => self.reply(|e| e.ok()),
            Request::Number(number) => self.reply(|e| e.signed(number)),
            Request::Text(text) => self.reply(|e| e.verbatim(text)),
            Request::Nothing => self.reply(|e| e.array(0)),
            Request::Help(lines) => self.reply(|e| e.help(lines)),
        }
    }

    fn ticket(&mut self, command: u16, shape: Option<Shape>, weight: u16) -> Ticket {
        Ticket { slot: self.ring.push(self.session.proto, command, shape, weight), ..self.place }
    }

    fn reply(&mut self, encode: impl FnOnce(&mut Encoder<'_>)) {
        self.ring.push_ready(self.session.proto, &mut self.output, encode);
    }

    fn refuse(&mut self, spec: Option<&'static CommandSpec>, refusal: &Refusal, host: &mut impl Host) {
        host.refused(spec, refusal.text());
        if let Mode::Queueing(multi) = &mut self.mode {
            multi.failed = true;
        }
        self.reply(|e| e.error(refusal.text()));
    }
}

/// What a request weighs until its reply has left; 0 for those that read no trail and show no list.
fn trail_weight(op: &Op) -> u16 {
    match op {
        Op::History(query) => query.count.max(TRAIL_WEIGHT_MIN),
        Op::Lead(LeadOp::Claims { count, .. }) => *count,
        Op::BalanceAt { .. } | Op::Tx | Op::Audit => TRAIL_WEIGHT_MIN,
        _ => 0,
    }
}

/// What a question about the server weighs, whose answer may be a long list. What changes users ends before anything behind
/// it is executed.
fn server_weight(request: &ServerRequest<'_>) -> u16 {
    match request {
        ServerRequest::Acl(request) if request.is_change() => TRAIL_WEIGHT_MAX as u16,
        _ => TRAIL_WEIGHT_MIN,
    }
}
