//! What comes to a core from other threads.
//!
//! Bounded queues, so that none can starve or block another: `requests` may be left standing while a shard has too
//! much un-durable work (then senders keep their batches and stop reading: back-pressure); the others are always taken,
//! and their number is bounded by what the core itself has asked for. A full queue is never waited for:
//! the sender keeps what it has and tries again in its next turn.

use super::doorbell::Doorbell;
use super::gate::Place;
use super::home::Home;
use super::inquiry::{Part, Question};
use super::journal_thread::Committed;
use super::readers::{self, Returned};
use super::saving::{Newest, SAVED_MAX, Saved};
use super::slow::Seen;
use super::streams::{FED_MAX, Fed};
use crate::net::tls::Fresh;
use crate::shard::batch::{Batch, Reply};
use crate::telemetry::CoreFacts;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use tokio::sync::mpsc;

/// Work for a core.
pub(super) enum Request {
    /// Commands for its shards.
    Commands(Batch),
    /// A question about its figures; the [`Part`] goes back to core `from`.
    Ask { from: u16, inquiry: u64, question: Question },
    /// The admin port wants its figures.
    Facts(mpsc::Sender<CoreFacts>),
    /// A connection, now its own.
    Connection(Accepted),
    /// A recovered shard, now its own, and its newest snapshot.
    Install(Box<Home>, Newest),
    /// A step of the server's life.
    Phase(Phase),
}

/// A fresh socket.
pub(super) struct Accepted {
    pub(super) stream: Fresh,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) place: Place,
}

/// The steps of a server's life, as a core is told of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Recovery runs; commands get -LOADING.
    Loading,
    /// All shards are there; claims that a crash cut short are brought to their ends. Commands get -LOADING.
    Resuming,
    /// All shards are there.
    Serving,
    /// No new commands; what was read goes to its shards.
    Quiescing,
    /// No core has commands of clients any more: bring the claims that run to their ends.
    Settling,
    /// No core sends anything any more: make everything durable, then CLEAN_STOP.
    Finishing,
    /// Write the last replies and end.
    Closing,
}

/// What comes back to a core that has asked.
pub(super) enum Answer {
    Replies(Vec<Reply>),
    Part {
        inquiry: u64,
        part: Part,
    },
    /// A command of this core's was slow.
    Slow(Seen),
}

/// One core's mailbox, shared with everybody who sends to it.
pub(super) struct Mailbox {
    requests: (Sender<Request>, Receiver<Request>),
    answers: (Sender<Answer>, Receiver<Answer>),
    commits: (Sender<Committed>, Receiver<Committed>),
    errands: (Sender<Returned>, Receiver<Returned>),
    saves: (Sender<Saved>, Receiver<Saved>),
    fed: (Sender<Fed>, Receiver<Fed>),
    /// Back-pressure: requests stand, on purpose; only the core itself sets and reads this.
    holding: AtomicBool,
    bell: Doorbell,
    waker: OnceLock<Waker>,
}

impl Mailbox {
    pub(super) fn new(requests_max: usize, shards_max: usize) -> Self {
        Self {
            requests: bounded(requests_max),
            answers: bounded(requests_max),
            commits: bounded(shards_max),
            errands: bounded(readers::jobs_max(shards_max)),
            saves: bounded(SAVED_MAX),
            fed: bounded(FED_MAX),
            holding: AtomicBool::new(false),
            bell: Doorbell::new(),
            waker: OnceLock::new(),
        }
    }

    /// The task that a ring wakes; set once, by the core itself.
    pub(super) fn set_waker(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    /// Gives the request back if the queue is full.
    pub(super) fn request(&self, request: Request) -> Result<(), Request> {
        self.requests.0.try_send(request).map_err(TrySendError::into_inner)?;
        self.ring();
        Ok(())
    }

    /// Waits for room: for the few control messages of start and stop, never from a core.
    pub(super) fn request_blocking(&self, request: Request) {
        self.requests.0.send(request).expect("a mailbox outlives its senders");
        self.ring();
    }

    /// Gives the answer back if the queue is full.
    pub(super) fn answer(&self, answer: Answer) -> Result<(), Answer> {
        self.answers.0.try_send(answer).map_err(TrySendError::into_inner)?;
        self.ring();
        Ok(())
    }

    /// From the core's journal thread. There is room for every shard's one commit in flight.
    pub(super) fn commit_done(&self, committed: Committed) {
        self.commits.0.try_send(committed).expect("one commit in flight a shard");
        self.ring();
    }

    /// From a reader thread. There is room for all that the core's shards have given out.
    pub(super) fn errands_done(&self, returned: Returned) {
        self.errands.0.try_send(returned).expect("a shard gives out so many errands and no more");
        self.ring();
    }

    /// From the thread `snapshot`. There is room for all that a core gives it to do.
    pub(super) fn saved(&self, saved: Saved) {
        self.saves.0.try_send(saved).expect("one save at a time, of so many steps");
        self.ring();
    }

    /// From the threads of streams: waits for room.
    pub(super) fn fed(&self, fed: Fed) {
        self.fed.0.send(fed).expect("a mailbox outlives its senders");
        self.ring();
    }

    /// Whether there was room.
    pub(super) fn try_fed(&self, fed: Fed) -> bool {
        let is_sent = self.fed.0.try_send(fed).is_ok();
        if is_sent {
            self.ring();
        }
        is_sent
    }

    pub(super) fn next_request(&self) -> Option<Request> {
        self.requests.1.try_recv().ok()
    }

    pub(super) fn next_answer(&self) -> Option<Answer> {
        self.answers.1.try_recv().ok()
    }

    pub(super) fn next_commit(&self) -> Option<Committed> {
        self.commits.1.try_recv().ok()
    }

    pub(super) fn next_errands(&self) -> Option<Returned> {
        self.errands.1.try_recv().ok()
    }

    pub(super) fn next_saved(&self) -> Option<Saved> {
        self.saves.1.try_recv().ok()
    }

    pub(super) fn next_fed(&self) -> Option<Fed> {
        self.fed.1.try_recv().ok()
    }

    /// Says whether requests are left standing: then they are no reason to stay awake.
    pub(super) fn hold_requests(&self, holding: bool) {
        self.holding.store(holding, Ordering::Relaxed);
    }

    /// Whether nothing is there that the core would take now.
    pub(super) fn is_empty(&self) -> bool {
        let nothing_asked = self.holding.load(Ordering::Relaxed) || self.requests.1.is_empty();
        nothing_asked
            && self.answers.1.is_empty()
            && self.commits.1.is_empty()
            && self.errands.1.is_empty()
            && self.saves.1.is_empty()
            && self.fed.1.is_empty()
    }

    /// The core is about to sleep: if something has come meanwhile, it is woken instead.
    pub(super) fn before_park(&self) {
        if !self.bell.may_sleep(|| self.is_empty()) {
            self.wake();
        }
    }

    pub(super) fn after_unpark(&self) {
        self.bell.awake();
    }

    fn ring(&self) {
        if self.bell.must_ring() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}
