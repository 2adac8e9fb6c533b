//! Room on the disk for a shard's log: the next segment's file and a reserve are made ahead, on a helper thread.
//!
//! ```text
//!            one of them finds no room                  a block finds neither of them
//!   Ample ─────────────────────────────▶ Full ───────────────────────────────────────▶ Spent
//!     ▲     both are made                 │ ▲     one is made: the block goes on         │
//!     └───────────────────────────────────┘ └───────────────────────────────────────────┘
//! ```
//! What is missing is tried every [`TRY_EVERY_MS`] until it is there. A full disk is said once, in each direction.
//! Absent on purpose: which commands are refused meanwhile ([`crate::shard::Admission`]).

use super::Committer;
use crate::journal::JournalError;
use crate::journal::storage::Spare;
use crossbeam_channel::{Receiver, TryRecvError, bounded};

/// How often what could not be made is tried again, and how soon an idle core looks at what came of it.
const TRY_EVERY_MS: u64 = 500;

/// Length of a reserve, unless segments are shorter.
const RESERVE_BYTES: u64 = 8 << 20;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Enough.
    Ample,
    /// For what is begun, and the reserve.
    Full,
    /// A block waits: there is none for it.
    Spent,
}

/// Sees to it that there is room ahead of one shard.
pub(super) struct Supply {
    shard: u16,
    room: Room,
    /// A reserve is there. Not asked of the maker: it may be busy with the disk, and a core does not wait for that.
    has_reserve: bool,
    /// What a helper thread will say.
    attempt: Option<Receiver<Result<(), JournalError>>>,
    /// When to look again, or to try again.
    look_at_ms: u64,
    /// An attempt has ended since a block found no room.
    has_tried: bool,
    full_since_ms: u64,
    /// Of the times before, ended.
    full_ms: u64,
}

impl Supply {
    pub(super) fn new(shard: u16) -> Self {
        Self {
            shard,
            room: Room::Ample,
            has_reserve: false,
            attempt: None,
            look_at_ms: 0,
            has_tried: false,
            full_since_ms: 0,
            full_ms: 0,
        }
    }

    /// How much room there is, as far as known.
    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// Milliseconds of this run during which there was not enough.
    pub(super) fn full_ms(&self, now_ms: u64) -> u64 {
        let now = if self.room == Room::Ample { 0 } else { now_ms.saturating_sub(self.full_since_ms) };
        self.full_ms + now
    }

    /// When [`Supply::look`] has something to do although nothing else happens.
    pub(super) fn due_ms(&self) -> Option<u64> {
        (self.attempt.is_some() || self.room != Room::Ample).then_some(self.look_at_ms)
    }

    /// Takes what an attempt has come to, and makes the next if something is missing. To be called often.
    pub(super) fn look(&mut self, committer: &Committer, now_ms: u64) {
        match self.attempt.as_ref().map(Receiver::try_recv) {
            None => {}
            Some(Ok(result)) => self.tried(result, now_ms),
            Some(Err(TryRecvError::Empty)) => {
                self.look_at_ms = now_ms + TRY_EVERY_MS;
                return;
            }
            Some(Err(TryRecvError::Disconnected)) => self.attempt = None,
        }
        if now_ms < self.look_at_ms {
            return;
        }
        // Before its first block a log needs no reserve: a server that is started and stopped again makes none.
        let needs_reserve = !self.has_reserve && committer.counters().commits > 0;
        let is_short = self.room != Room::Ample;
        let needs_spare = committer.wants_spare() || is_short && !committer.spare().is_ready();
        if needs_reserve || needs_spare {
            self.look_at_ms = now_ms + TRY_EVERY_MS;
            self.attempt = start(committer, needs_spare);
        } else if self.room == Room::Full {
            self.full_ms = self.full_ms(now_ms);
            self.room = Room::Ample;
            let after_ms = now_ms - self.full_since_ms;
            tracing::info!(shard = self.shard, after_ms, "the disk has room again: all commands are taken");
        }
    }

    /// A block took the reserve.
    pub(super) fn reserve_taken(&mut self, now_ms: u64) {
        self.has_reserve = false;
        self.look_at_ms = now_ms;
        if self.room == Room::Ample {
            tracing::warn!(shard = self.shard, "disk full: the log goes on in its reserve; no new work is taken");
        }
        self.is_short(Room::Full, now_ms);
    }

    /// A block found no room: it waits.
    pub(super) fn spent(&mut self, error: &JournalError, now_ms: u64) {
        if self.room != Room::Spent {
            let why = why(error);
            tracing::warn!(shard = self.shard, why, "disk full and the reserve used up: only reads are answered");
        }
        (self.has_reserve, self.has_tried) = (false, false);
        self.look_at_ms = now_ms + TRY_EVERY_MS;
        self.is_short(Room::Spent, now_ms);
    }

    /// Whether a block that waits can be tried again: an attempt has ended, and there is a file.
    pub(super) fn may_go_on(&self, committer: &Committer) -> bool {
        self.has_tried && (committer.spare().is_ready() || committer.spare().has_reserve())
    }

    /// The block that waited is on disk.
    pub(super) fn went_on(&mut self) {
        if self.room == Room::Spent {
            self.room = Room::Full;
        }
    }

    fn tried(&mut self, result: Result<(), JournalError>, now_ms: u64) {
        self.attempt = None;
        self.has_tried = true;
        match result {
            Ok(()) => {
                self.has_reserve = true;
                self.look_at_ms = now_ms; // only what fails is tried at intervals
            }
            Err(error @ JournalError::Full { .. }) => {
                if self.room == Room::Ample {
                    let why = why(&error);
                    tracing::warn!(shard = self.shard, why, "disk full: no new work is taken until there is room");
                    self.is_short(Room::Full, now_ms);
                }
            }
            // A fault of another kind ends the process when the segment is needed, and says so then.
            Err(error) => tracing::warn!(shard = self.shard, %error, "the next log segment could not be prepared"),
        }
    }

    fn is_short(&mut self, room: Room, now_ms: u64) {
        if self.room == Room::Ample {
            self.full_since_ms = now_ms;
        }
        self.room = room;
    }
}

/// Has a helper thread make the reserve and, if asked, the spare.
fn start(committer: &Committer, with_spare: bool) -> Option<Receiver<Result<(), JournalError>>> {
    let (spare, segment_len) = (committer.spare(), committer.segment_len());
    let (answer, attempt) = bounded(1);
    let make = move || {
        let made = if with_spare { finish(|| spare.step(segment_len)) } else { Ok(()) };
        // Even if there is no room for a spare: a reserve is smaller.
        let kept = finish(|| spare.step_reserve(segment_len.min(RESERVE_BYTES)));
        let _ = answer.send(made.and(kept)); // nobody waits for it once the core has ended
    };
    let started = std::thread::Builder::new().name("spare".to_owned()).spawn(make);
    started.inspect_err(|error| tracing::warn!(%error, "no thread to prepare the next log segment")).ok()?;
    Some(attempt)
}

fn finish(step: impl Fn() -> Result<Option<u64>, JournalError>) -> Result<(), JournalError> {
    while step()?.is_none() {}
    Ok(())
}

/// Where and why there is no room, without the advice that goes with an end of the process.
fn why(error: &JournalError) -> String {
    match error {
        JournalError::Full { op, path, source } => format!("cannot {op} {}: {source}", path.display()),
        other => other.to_string(),
    }
}
