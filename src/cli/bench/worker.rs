//! A thread of the load: its connections, one epoll, one turn after the other.
//!
//! ```text
//! closed loop   a connection whose pipeline is answered asks the next one
//! open loop     what is due is asked on the next connection with room; what finds none waits, and its wait counts
//! ```
//!
//! Invariants: in an open loop latency counts from the moment a command was *due*, so a server that stalls cannot hide
//! it by stalling the test too (no coordinated omission). When time is over, what was asked is still waited for, what
//! was due is still asked, and every hold that was made is captured, so that the books can be checked.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use rustix::event::{Timespec, epoll};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};

use super::connection::Connection;
use super::dialogue::Trouble;
use super::pace::Pace;
use super::tally::Slice;
use super::target::Requests;
use super::workload::{Picker, Workload};
use crate::clock::{Clock, SystemClock};

const SECOND_NS: u64 = 1_000_000_000;
/// How long answers are waited for when time is over.
const DRAIN_NS_MAX: u64 = 30 * SECOND_NS;
/// How long a lost connection waits before it is tried again.
const RETRY_NS: u64 = SECOND_NS / 5;
/// No sleep is longer, so that an order to stop is seen.
const SLEEP_NS_MAX: u64 = SECOND_NS / 10;
const BUFFER_LEN: usize = 1 << 18;
/// What the kernel says of a connection that ends, whatever is still to be read from it.
const END: epoll::EventFlags = epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP).union(epoll::EventFlags::ERR);
/// The timer's token: no connection has it.
const TIMER: u64 = u64::MAX;

/// What all threads of a run share.
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) pass: Option<String>,
    pub(super) requests: Requests,
    pub(super) workload: Workload,
    pub(super) accounts: u32,
    pub(super) threads: usize,
    pub(super) connections: usize,
    /// Commands in flight on a connection, at most.
    pub(super) pipeline: usize,
    /// Commands a second of all threads; `None`: as fast as answers come.
    pub(super) rate: Option<f64>,
    /// Nanoseconds after which nothing more is due.
    pub(super) duration_ns: u64,
}

/// What never got an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    /// Commands that were sent: what they did is unknown.
    pub(super) unanswered: u64,
    /// Commands that were due and found no room.
    pub(super) unsent: u64,
}

/// One thread.
pub(super) struct Worker<'a> {
    load: &'a Load,
    stop: &'a AtomicBool,
    slices: Sender<(usize, Slice)>,
    connections: Vec<Connection>,
    epoll: OwnedFd,
    timer: OwnedFd,
    timer_ns: u64,
    picker: Picker,
    pace: Option<Pace>,
    /// Operations of the schedule that were asked.
    asked: u64,
    /// The connection to look at next for room.
    turn: usize,
    /// Whether all that was due found room: else what comes too late is not this thread's fault.
    has_room_left: bool,
    /// Connections with something to flush.
    dirty: Vec<usize>,
    down: usize,
    retry_ns: u64,
    slice: Slice,
    /// The second that `slice` is of.
    second: usize,
    start_ns: u64,
    slice_end_ns: u64,
    over_ns: Option<u64>,
    is_exhausted: bool,
}

impl<'a> Worker<'a> {
    /// Thread `thread` of the load, its connections open.
    pub(super) fn open(
        load: &'a Load,
        thread: usize,
        stop: &'a AtomicBool,
        slices: Sender<(usize, Slice)>,
    ) -> Result<Self, Trouble> {
        let fault = |error| Trouble::Connection(load.address, error);
        let os_fault = |error: rustix::io::Errno| fault(error.into());
        let share = load.connections / load.threads + usize::from(thread < load.connections % load.threads);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(os_fault)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Boottime, flags).map_err(os_fault)?;
        let events = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), events).map_err(os_fault)?;
        let mut worker = Self {
            load,
            stop,
            slices,
            connections: (0..share).map(|_| Connection::new()).collect(),
            epoll,
            timer,
            timer_ns: 0,
            picker: Picker::new(load.workload, load.accounts, thread, load.threads),
            pace: load.rate.map(|rate| Pace::new(rate, load.workload == Workload::Peak, thread, load.threads)),
            asked: 0,
            turn: 0,
            has_room_left: true,
            dirty: Vec::new(),
            down: 0,
            retry_ns: 0,
            slice: Slice::default(),
            second: 0,
            start_ns: 0,
            slice_end_ns: 0,
            over_ns: None,
            is_exhausted: false,
        };
        (0..share).try_for_each(|index| worker.connect(index)).map_err(fault)?;
        Ok(worker)
    }

    /// Loads the server from `start_ns` on, until time is over and everything is answered.
    ///
    /// # Errors
    /// If the server does not speak the protocol, or the system fails.
    pub(super) fn run(mut self, start_ns: u64) -> Result<Left, Trouble> {
        (self.start_ns, self.slice_end_ns) = (start_ns, start_ns + SECOND_NS);
        let mut buffer = vec![0; BUFFER_LEN];
        let mut events = Vec::with_capacity(256);
        if self.pace.is_none() {
            (0..self.connections.len()).try_for_each(|index| self.refill(index))?;
        }
        loop {
            let now_ns = SystemClock.boot_ns();
            self.tell(now_ns);
            self.note_the_end(now_ns);
            self.revive(now_ns)?;
            let due_ns = self.ask_what_is_due(now_ns)?;
            if self.over_ns.is_some_and(|over_ns| self.is_quiet() || now_ns > over_ns + DRAIN_NS_MAX) {
                break;
            }
            self.sleep(now_ns, due_ns, &mut events)?;
            for epoll::Event { flags, data } in events.iter().copied() {
                if data.u64() != TIMER {
                    self.serve(data.u64() as usize, flags.intersects(END), &mut buffer)?;
                }
            }
        }
        let left = Left {
            unanswered: self.connections.iter().map(|connection| connection.in_flight() as u64).sum(),
            unsent: std::iter::from_fn(|| self.next_due_ns().inspect(|_| self.asked += 1)).count() as u64,
        };
        let _collector_gone = self.slices.send((self.second, self.slice));
        Ok(left)
    }

    /// Hands over the slices that are complete.
    fn tell(&mut self, now_ns: u64) {
        while now_ns >= self.slice_end_ns {
            self.slice_end_ns += SECOND_NS;
            let _collector_gone = self.slices.send((self.second, std::mem::take(&mut self.slice)));
            self.second += 1;
        }
    }

    fn note_the_end(&mut self, now_ns: u64) {
        let is_over = now_ns >= self.start_ns.saturating_add(self.load.duration_ns)
            || self.is_exhausted
            || self.stop.load(Ordering::Relaxed);
        if is_over {
            self.over_ns.get_or_insert(now_ns);
        }
    }

    /// Whether nothing is to be asked and nothing to be heard.
    fn is_quiet(&self) -> bool {
        let is_quiet = |connection: &Connection| connection.in_flight() == 0 && !connection.owes();
        self.next_due_ns().is_none() && self.connections.iter().all(is_quiet)
    }

    /// When the next operation of an open loop is due; `None`: there is none any more.
    fn next_due_ns(&self) -> Option<u64> {
        let due_ns = self.pace.as_ref()?.due_ns(self.asked);
        let is_wanted = due_ns < self.load.duration_ns && !self.stop.load(Ordering::Relaxed);
        is_wanted.then_some(self.start_ns + due_ns)
    }

    /// Asks what is due, or still owed, in an open loop. When to look again, if not for an answer.
    fn ask_what_is_due(&mut self, now_ns: u64) -> Result<Option<u64>, Trouble> {
        if self.pace.is_none() {
            return Ok(None);
        }
        if self.over_ns.is_some() {
            for index in 0..self.connections.len() {
                while self.connections[index].owes() && self.has_room(index) {
                    self.ask(index, now_ns);
                }
            }
        }
        let mut next = self.next_due_ns();
        let had_room = std::mem::replace(&mut self.has_room_left, true);
        while let Some(due_ns) = next.filter(|due_ns| *due_ns <= now_ns) {
            let Some(index) = self.find_room() else {
                self.has_room_left = false;
                next = None;
                break;
            };
            if had_room {
                self.slice.lag().saturating_record(now_ns - due_ns);
            }
            self.ask(index, due_ns);
            self.asked += 1;
            next = self.next_due_ns();
        }
        while let Some(index) = self.dirty.pop() {
            self.flush(index)?;
        }
        Ok(next)
    }

    /// The next connection in turn that can ask something.
    fn find_room(&mut self) -> Option<usize> {
        let count = self.connections.len();
        let found = (0..count).map(|step| (self.turn + step) % count).find(|index| self.has_room(*index))?;
        self.turn = (found + 1) % count;
        Some(found)
    }

    fn has_room(&self, index: usize) -> bool {
        let connection = &self.connections[index];
        connection.is_up() && connection.in_flight() < self.load.pipeline
    }

    /// Asks the next command on this connection: what it owes, else a new one. Whether there was one.
    fn ask(&mut self, index: usize, since_ns: u64) -> bool {
        let asked = self.connections[index].ask(|| self.picker.next(), since_ns, &self.load.requests);
        self.is_exhausted |= !asked;
        if asked && self.dirty.last() != Some(&index) {
            self.dirty.push(index);
        }
        asked
    }

    /// Sends what is left to send and, if the last pipeline of a closed loop is answered, the next one.
    fn refill(&mut self, index: usize) -> Result<(), Trouble> {
        let now_ns = SystemClock.boot_ns();
        let count = if self.connections[index].in_flight() == 0 { self.load.pipeline } else { 0 };
        for _ in 0..count {
            let may_ask = self.over_ns.is_none() || self.connections[index].owes();
            if !may_ask || !self.ask(index, now_ns) {
                break;
            }
        }
        self.dirty.clear();
        self.flush(index)
    }

    /// Takes what a connection has received; in a closed loop it goes on from there.
    fn serve(&mut self, index: usize, is_ending: bool, buffer: &mut [u8]) -> Result<(), Trouble> {
        if let Err(error) = self.connections[index].receive(is_ending, buffer, &mut self.slice) {
            return self.lost(index, error);
        }
        if self.pace.is_none() { self.refill(index) } else { self.flush(index) }
    }

    fn flush(&mut self, index: usize) -> Result<(), Trouble> {
        self.connections[index].flush().or_else(|error| self.lost(index, error))
    }

    fn lost(&mut self, index: usize, error: std::io::Error) -> Result<(), Trouble> {
        if error.kind() == std::io::ErrorKind::InvalidData {
            return Err(Trouble::Garbled);
        }
        if error.kind() == std::io::ErrorKind::ConnectionAborted {
            self.retry_ns = SystemClock.boot_ns() + RETRY_NS;
        }
        self.connections[index].lose();
        self.down += 1;
        Ok(())
    }

    /// Opens lost connections again, as soon as the server lets them.
    fn revive(&mut self, now_ns: u64) -> Result<(), Trouble> {
        if self.down == 0 || now_ns < self.retry_ns {
            return Ok(());
        }
        for index in 0..self.connections.len() {
            if self.connections[index].is_up() {
                continue;
            }
            if self.connect(index).is_err() {
                self.connections[index].lose();
                self.retry_ns = now_ns + RETRY_NS;
                return Ok(());
            }
            self.down -= 1;
            self.slice.reconnects += 1;
            if self.pace.is_none() { self.refill(index)? } else { self.flush(index)? }
        }
        Ok(())
    }

    fn connect(&mut self, index: usize) -> std::io::Result<()> {
        let Load { address, pass, requests, .. } = self.load;
        let socket = self.connections[index].open(*address, pass.as_deref(), requests)?;
        // Edges, so that nothing has to be said to the kernel again, whether the socket is full or not.
        let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(index as u64), events)?)
    }

    /// Waits for an answer, for `due_ns`, or for the next thing to do.
    fn sleep(&mut self, now_ns: u64, due_ns: Option<u64>, events: &mut Vec<epoll::Event>) -> Result<(), Trouble> {
        let fault = |error: rustix::io::Errno| Trouble::Connection(self.load.address, error.into());
        // epoll's own timeout is in milliseconds, too coarse for a schedule.
        if let Some(due_ns) = due_ns.filter(|due_ns| *due_ns != self.timer_ns) {
            let at = Itimerspec { it_interval: timespec(0), it_value: timespec(due_ns) };
            rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &at).map_err(fault)?;
            self.timer_ns = due_ns;
        }
        let until_ns = self.slice_end_ns.min(self.start_ns.saturating_add(self.load.duration_ns)).max(now_ns + 1);
        let sleep_ns = if self.over_ns.is_some() { SLEEP_NS_MAX } else { (until_ns - now_ns).min(SLEEP_NS_MAX) };
        events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&timespec(sleep_ns))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(fault(error)),
        }
    }
}

fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / SECOND_NS) as i64, tv_nsec: (ns % SECOND_NS) as i64 }
}
