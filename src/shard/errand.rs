//! Commands that need records which are no longer in memory, on their way to a reader thread and back.
//!
//! ```text
//!  Shard::execute --Errand--> reader thread: Errand::run --> Shard::returned
//! ```
//! The parked command travels with its errand; a core thread never waits for one. Two lanes, so that a long walk never
//! stands before a replay: *recalls* read a known record and what it points to, *walks* follow a trail.

use super::Fault;
use super::batch::{Batch, Ticket};
use super::question::Question;
use super::recall::Recalled;
use super::trail::{Source, Stop, Trail};
use crate::journal::Window;
use crate::journal::storage::SegmentSource;
use crate::ledger::command::Command;
use crate::ledger::id::Lsn;
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::Rejection;

/// One command that waits for old records.
pub struct Errand {
    /// The command and where its outcome goes.
    command: Batch,
    /// Shard time at which it was executed, unix milliseconds.
    pub(super) now_ms: u64,
    /// The account's newest record then. It is durable before the errand runs.
    pub(super) from: Lsn,
    task: Task,
    walk_max: u64,
    found: Option<Result<Found, Stop>>,
}

/// What is to be read.
pub(super) enum Task {
    /// What the command's own id means, from the record at this place.
    Recall(Lsn),
    /// What the id that a REFUND is of means: from its newest record, or, if the index knows none, from the trail.
    RecallOf(Option<Lsn>),
    /// The answer.
    Answer(Question),
}

/// What was read.
pub(super) enum Found {
    /// What the command's own id means.
    Past(Recalled),
    /// What the id that a REFUND is of means.
    PastOf(Recalled),
    /// The answer.
    Answer(Outcome),
}

impl Errand {
    pub(super) fn new(
        (shard, ticket): (u16, Ticket),
        command: &Command<'_>,
        now_ms: u64,
        from: Lsn,
        task: Task,
        walk_max: u64,
    ) -> Self {
        let mut copy = Batch::default();
        copy.push(shard, ticket, command);
        Self { command: copy, now_ms, from, task, walk_max, found: None }
    }

    /// Whether it only reads records at known places.
    pub(super) fn is_recall(&self) -> bool {
        matches!(self.task, Task::Recall(_) | Task::RecallOf(Some(_)))
    }

    /// Whether its command is decided only when it is back.
    pub(super) fn is_aside(&self) -> bool {
        matches!(self.task, Task::RecallOf(_))
    }

    /// Shard time at which its command was executed, unix milliseconds.
    pub fn since_ms(&self) -> u64 {
        self.now_ms
    }

    /// The command and where its outcome goes.
    pub fn command(&self) -> (Ticket, Command<'_>) {
        let (_, ticket, command) = self.command.iter().next().expect("an errand has a command");
        (ticket, command)
    }

    /// Reads what the command needs. On any thread that may wait for the disk; errands that are run together share a
    /// window that was made after they were given out.
    pub fn run<R: SegmentSource>(&mut self, window: &mut Window<R>) {
        let found = match self.read(&mut *window) {
            // The log was trimmed meanwhile: the second look begins where it begins now.
            Err(Stop::Gone) => self.read(window),
            found => found,
        };
        self.found = Some(found);
    }

    /// What went wrong on the way, for the operator; the client hears that nothing was executed.
    pub fn fault(&self) -> Option<&Fault> {
        if let Some(Err(Stop::Broken(fault))) = &self.found { Some(fault) } else { None }
    }

    /// What was read, or the refusal that the client hears.
    pub(super) fn take_found(&mut self) -> Result<Found, Rejection> {
        let found = self.found.take().expect("an errand comes back after it was run");
        found.map_err(|stop| match stop {
            Stop::TooLong => Rejection::WalkTooLong { entries: self.walk_max },
            Stop::Broken(fault) => Rejection::Unreadable { lsn: fault.lsn() },
            Stop::Gone => Rejection::Unreadable { lsn: self.from },
            Stop::Elsewhere => unreachable!("files have every durable record"),
        })
    }

    fn read(&self, mut source: impl Source) -> Result<Found, Stop> {
        let (_, command) = self.command();
        let Command { account, tx, of, op, .. } = command;
        let mut recalled = Recalled::default();
        match &self.task {
            Task::Recall(lsn) => {
                recalled.read(&mut source, account, tx, *lsn, &op)?;
                Ok(Found::Past(recalled))
            }
            Task::RecallOf(hint) => {
                let mut trail = Trail::new(source, account, self.walk_max);
                let found = match hint {
                    Some(lsn) => Some(*lsn),
                    None => trail.find(self.from, of)?,
                };
                if let Some(lsn) = found {
                    match recalled.read(trail.source(), account, of, lsn, &op) {
                        Err(Stop::Gone) => recalled.forget(), // what is no longer kept is no longer refunded
                        read => read?,
                    }
                }
                Ok(Found::PastOf(recalled))
            }
            Task::Answer(question) => match question.answer(source, account, self.from, self.walk_max) {
                Err(Stop::Gone) => Ok(Found::Answer(question.answer_without_trail(self.now_ms))),
                answer => answer.map(Found::Answer),
            },
        }
    }
}
