//! The sockets of a core: one task each, which only reads; the core's turn writes.
//!
//! ```text
//!  readable ─▶ task: one read ─▶ Connection::receive ─▶ commands join the batch of their core ─▶ turn wanted
//!  turn ─▶ answers fill reply rings ─▶ one write a socket; what does not fit waits for the task to see it writable
//! ```
//!
//! All reads of a core land in one scratch buffer: a connection keeps bytes only while a request is incomplete.

use super::closes::Closes;
use super::core::Core;
use super::gate::Place;
use super::mailbox::Accepted;
use crate::access::Users;
use crate::net::connection::{CloseReason, Connection, Need};
use crate::net::tls::{SCRATCH_BYTES_MIN, Stream};
use crate::shard::batch::Ticket;
use slab::Slab;
use std::cell::RefCell;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Bytes taken from a socket in one read, of TLS fewer.
pub(super) const READ_BYTES: usize = 64 * 1024;
const _: () = assert!(READ_BYTES >= SCRATCH_BYTES_MIN);

/// The same, from one that has not logged in: it may keep no more than that.
const STRANGERS_READ_BYTES: usize = 4 * 1024;

/// Messages that a subscriber may leave unread, in times of what others may (security.md 2: 64 MiB and 8).
const SUBSCRIBER_OUTPUT_TIMES: usize = 8;

/// Where the memory of all is too much, so much of what it may be is made free: its 16th part.
const RELIEF_PART: usize = 16;

/// Reads of one socket before others get their turn.
const READS_PER_POLL: usize = 2;

/// A connection and its socket.
pub(super) struct Socket {
    pub(super) connection: Connection,
    place: Place,
    /// When it came, or went out by RESET.
    stranger_since_ms: u64,
    stream: Stream,
    generation: u32,
    /// What its buffers held when they were last looked at, in bytes.
    memory: usize,
    waker: Option<Waker>,
    /// Has output that the next turn shall write.
    dirty: bool,
    /// The kernel's buffer is full: the task waits until the socket is writable.
    blocked: bool,
    /// The task waits for room and has not asked for input: whoever makes room wakes it.
    parked: bool,
    /// Its write side has been shut down.
    shut: bool,
}

/// What the sockets of a core are bounded by.
#[derive(Clone, Copy, Default)]
pub(super) struct SocketLimits {
    /// Bytes of replies that a client may leave unread.
    pub(super) output_bytes_max: usize,
    /// How long it may take to log in.
    pub(super) auth_timeout_ms: u64,
    /// Bytes that the buffers of all may hold.
    pub(super) memory_max: usize,
}

/// All sockets of a core.
#[derive(Default)]
pub(super) struct Sockets {
    slab: Slab<Socket>,
    generation: u32,
    dirty: Vec<usize>,
    limits: SocketLimits,
    /// Sum of the sockets' memory.
    pub(super) memory: usize,
    /// Bytes written since the start.
    pub(super) written: u64,
    /// Its connections that are no more.
    pub(super) closes: Closes,
}

impl Sockets {
    /// No sockets yet.
    pub(super) fn new(limits: SocketLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes a fresh socket in and starts its task.
    pub(super) fn add(core: &Rc<RefCell<Core>>, accepted: Accepted) -> Result<()> {
        let Accepted { stream, peer, local, place: seat } = accepted;
        let stream = stream.adopt()?;
        let key = {
            let core = &mut *core.borrow_mut();
            core.engine.counters.connections += 1;
            let sockets = &mut core.sockets;
            sockets.generation = sockets.generation.wrapping_add(1);
            let entry = sockets.slab.vacant_entry();
            let key = entry.key();
            let place =
                Ticket { core: core.engine.id(), connection: key as u32, generation: sockets.generation, slot: 0 };
            entry.insert(Socket {
                connection: Connection::new(seat.id, place, peer, local, &core.engine),
                place: seat,
                stranger_since_ms: core.engine.now_ms(),
                stream,
                generation: sockets.generation,
                memory: 0,
                waker: None,
                dirty: false,
                blocked: false,
                parked: false,
                shut: false,
            });
            key
        };
        let core = core.clone();
        tokio::task::spawn_local(poll_fn(move |cx| poll(&core, key, cx)));
        Ok(())
    }

    /// The connection that `ticket` means, if it is still there.
    pub(super) fn connection(&mut self, ticket: Ticket) -> Option<&mut Connection> {
        let key = ticket.connection as usize;
        let socket = self.slab.get_mut(key).filter(|socket| socket.generation == ticket.generation)?;
        if !socket.dirty {
            socket.dirty = true;
            self.dirty.push(key);
        }
        Some(&mut socket.connection)
    }

    /// The same, to be looked at.
    pub(super) fn find(&self, ticket: Ticket) -> Option<&Connection> {
        let socket = self.slab.get(ticket.connection as usize)?;
        (socket.generation == ticket.generation).then_some(&socket.connection)
    }

    /// Writes what is ready, one write a socket.
    pub(super) fn write(&mut self, now_ms: u64) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            let Some(socket) = self.slab.get_mut(key) else { continue };
            socket.dirty = false;
            socket.look_who(now_ms);
            self.written += socket.write(None) as u64;
            let (times, reason) = match socket.connection.is_subscribed() {
                true => (SUBSCRIBER_OUTPUT_TIMES, CloseReason::UnreadMessages),
                false => (1, CloseReason::UnreadReplies),
            };
            let is_too_much = socket.connection.output().len() > times * self.limits.output_bytes_max;
            if is_too_much && !planted!("unread replies have no bound") {
                socket.connection.cut(reason);
                socket.wake();
            }
            socket.weigh(&mut self.memory);
        }
        self.dirty = dirty; // nothing was added meanwhile; its memory serves the next turn
        if self.memory > self.limits.memory_max {
            self.relieve();
        }
    }

    /// Cuts those off whose buffers hold most, until all together hold a little less than they may.
    #[cold]
    fn relieve(&mut self) {
        let mut heaviest: BinaryHeap<_> = self.slab.iter().map(|(key, socket)| (socket.memory, key)).collect();
        let enough = self.limits.memory_max - self.limits.memory_max / RELIEF_PART;
        while self.memory > enough
            && let Some((_, key)) = heaviest.pop()
        {
            let socket = &mut self.slab[key];
            socket.connection.cut(CloseReason::ClientsMemory);
            socket.weigh(&mut self.memory);
            socket.wake();
        }
    }

    /// Wakes the tasks of all sockets: what held them back is over, or the phase has changed.
    pub(super) fn wake_all(&mut self) {
        for (_, socket) in &mut self.slab {
            socket.wake();
        }
    }

    /// Looks for connections whose time is up, or whose user is gone.
    pub(super) fn sweep(&mut self, now_ms: u64, limits: &crate::net::connection::Limits, users: &Users) {
        for (_, socket) in &mut self.slab {
            socket.connection.refresh(users);
            socket.look_who(now_ms);
            if socket.place.is_stranger() && now_ms - socket.stranger_since_ms > self.limits.auth_timeout_ms {
                socket.connection.cut(CloseReason::AuthTimeout);
            }
            if socket.connection.sweep(now_ms, limits) {
                socket.wake();
            }
            socket.weigh(&mut self.memory);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slab.iter().map(|(_, socket)| &socket.connection)
    }

    /// Whether some connection still has output that its socket takes.
    pub(super) fn has_output(&self) -> bool {
        self.slab.iter().any(|(_, socket)| !socket.connection.output().is_empty())
    }
}

impl Socket {
    /// Notes a login, or a logout.
    fn look_who(&mut self, now_ms: u64) {
        let is_stranger = !self.connection.is_authenticated();
        if self.place.is_stranger() != is_stranger && !planted!("who logs in is still counted as a stranger") {
            self.place.set_stranger(is_stranger);
            self.stranger_since_ms = now_ms;
        }
    }

    /// Looks at its buffers; `sum` is what those of all sockets hold.
    fn weigh(&mut self, sum: &mut usize) {
        let memory = self.connection.memory();
        *sum = *sum - self.memory + memory;
        self.memory = memory;
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Writes once. `cx`: from the socket's own task, which then waits for room; else the task is woken to do so.
    fn write(&mut self, cx: Option<&mut Context<'_>>) -> usize {
        let mut written = 0;
        let by_task = cx.is_some();
        let output = self.connection.output();
        if !output.is_empty() {
            if self.blocked && !by_task {
                return 0;
            }
            match self.stream.write(output, cx) {
                Ok(n) => {
                    written = n;
                    self.connection.sent(n);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.connection.cut(CloseReason::Peer),
            }
        }
        self.blocked = !self.connection.output().is_empty() && !self.connection.is_over();
        // The task has to see: room that must be waited for, requests that waited for room, or an end. It sees by itself
        // what it has written itself.
        if !by_task && (self.blocked || self.parked || !matches!(self.connection.need(), Need::Input)) {
            self.wake();
        }
        written
    }
}

/// The socket's task.
fn poll(core: &Rc<RefCell<Core>>, key: usize, cx: &mut Context<'_>) -> Poll<()> {
    let core = &mut *core.borrow_mut();
    let Core { sockets, engine, scratch, .. } = core;
    let Some(socket) = sockets.slab.get_mut(key) else { return Poll::Ready(()) };
    while socket.blocked {
        let written = socket.write(Some(cx));
        sockets.written += written as u64;
        if written == 0 {
            break;
        }
    }
    let over = read(socket, engine, scratch, cx);
    socket.look_who(engine.now_ms());
    socket.weigh(&mut sockets.memory);
    if !socket.dirty && (!socket.connection.output().is_empty() || socket.connection.must_shut()) {
        socket.dirty = true;
        sockets.dirty.push(key);
    }
    engine.want_turn();
    if over {
        let Socket { mut connection, memory, .. } = sockets.slab.remove(key);
        sockets.memory -= memory;
        connection.leave(engine);
        sockets.closes.closed(connection.closed_for(), connection.peer(), engine.now_ms());
        return Poll::Ready(());
    }
    if !socket.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        socket.waker = Some(cx.waker().clone());
    }
    Poll::Pending
}

/// Reads while there is something and the connection may go on. Returns whether the connection is over.
fn read(socket: &mut Socket, engine: &mut super::engine::Engine, scratch: &mut [u8], cx: &mut Context<'_>) -> bool {
    let mut reads = 0;
    socket.parked = false;
    loop {
        if socket.connection.must_shut() && !socket.shut {
            socket.shut = true;
            socket.stream.shutdown();
            socket.connection.was_shut();
        }
        match socket.connection.need() {
            Need::End => return true,
            Need::Room => {
                socket.parked = true;
                return false;
            }
            Need::Resume => {
                engine.begin();
                socket.connection.receive(&[], engine);
                engine.received();
                if matches!(socket.connection.need(), Need::Resume) {
                    socket.parked = true;
                    return false;
                }
                continue;
            }
            Need::Input => {}
        }
        if reads == READS_PER_POLL {
            cx.waker().wake_by_ref();
            return false;
        }
        let taken_max = if socket.place.is_stranger() { STRANGERS_READ_BYTES } else { READ_BYTES };
        match socket.stream.poll_read(cx, scratch, taken_max) {
            Poll::Pending => return false,
            Poll::Ready(Err(_)) => socket.connection.cut(CloseReason::Peer),
            Poll::Ready(Ok([])) => socket.connection.end_of_input(),
            Poll::Ready(Ok(bytes)) => {
                reads += 1;
                engine.begin();
                engine.counters.bytes_in += bytes.len() as u64;
                socket.connection.receive(bytes, engine);
                engine.received();
            }
        }
    }
}
