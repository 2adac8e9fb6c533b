//! Commits away from the core: its journal thread, the work that goes there with a committer, and what comes back.
//!
//! ```text
//!  Home ── Job: committer, task ──▶ journal-<core> ── Committed: committer, output ──▶ mailbox ──▶ Home::finish
//!    '──── the same step inline, if the disk answers fast ─────────────▲
//! ```
//!
//! Invariant: the committer is moved with the job, so a shard has one commit in flight. Absent on purpose: when to
//! commit and where, what an output means for the shard ([`super::home`]).

use super::mailbox::Mailbox;
use crate::clock::Clock;
use crate::journal::storage::Spare;
use crate::journal::{Block, JournalError, Lsn, SegmentName};
use crate::server::Committer;
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;

/// A block that was not touched, because there was no room for its segment.
pub(super) struct Held {
    pub(super) block: Arc<Block>,
    pub(super) error: JournalError,
}

/// Work for a journal thread.
pub(super) struct Job {
    pub(super) place: usize,
    pub(super) committer: Box<Committer>,
    pub(super) task: Task,
}

/// What a committer is to do.
pub(super) enum Task {
    /// Make a block durable.
    Commit(Arc<Block>),
    /// Tell the super, if it does not know, what is durable.
    Idle,
    /// Make all that was committed durable, and tell the super.
    Note,
    /// Let segments go that lie wholly below this.
    LetGo(Lsn),
}

/// What a committer did that was lent for a task of the caller's.
pub(super) enum Lent {
    /// [`Task::Note`] is done.
    Noted,
    /// These segments are of no meaning any more: their files can be removed.
    LetGo(Vec<SegmentName>),
}

/// A committer on its way back.
pub(super) struct Committed {
    /// Which of the core's shards this is.
    pub(super) place: usize,
    pub(super) committer: Box<Committer>,
    pub(super) result: Result<Output, JournalError>,
    pub(super) sync_ns: u64,
}

/// What came of a job.
pub(super) enum Output {
    /// The log is durable up to the block's end. `from_reserve`: its segment is the reserve.
    Durable { durable: Lsn, block: Arc<Block>, from_reserve: bool },
    /// The block was not touched.
    NoRoom(Held),
    /// There was nothing to commit.
    Idle,
    /// What the caller lent it for.
    Lent(Lent),
}

impl Job {
    /// Does it, here and now.
    pub(super) fn run(mut self, clock: &dyn Clock) -> Committed {
        let start_ns = clock.boot_ns();
        let result = match self.task {
            Task::Commit(block) => commit(&mut self.committer, block),
            Task::Idle => self.committer.idle().map(|()| Output::Idle),
            Task::Note => self.committer.note().map(|()| Output::Lent(Lent::Noted)),
            Task::LetGo(below) => self.committer.let_go(below).map(|gone| Output::Lent(Lent::LetGo(gone))),
        };
        let sync_ns = clock.boot_ns() - start_ns;
        Committed { place: self.place, committer: self.committer, result, sync_ns }
    }
}

/// One a core: commits blocks while the core goes on.
pub(super) struct JournalThread {
    jobs: Sender<Job>,
}

impl JournalThread {
    /// Starts the thread. It ends when this handle is dropped.
    pub(super) fn start(
        core: u16,
        shards_max: usize,
        mailbox: Arc<Mailbox>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = bounded::<Job>(shards_max);
        std::thread::Builder::new().name(format!("journal-{core}")).spawn(move || {
            while let Ok(job) = inbox.recv() {
                mailbox.commit_done(job.run(clock.as_ref()));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Hands a job over.
    pub(super) fn send(&self, job: Job) {
        self.jobs.try_send(job).expect("one commit in flight a shard");
    }
}

/// Commits a block, in the reserve if there is room nowhere else.
fn commit(committer: &mut Committer, block: Arc<Block>) -> Result<Output, JournalError> {
    let mut result = committer.commit(&block);
    let from_reserve = matches!(result, Err(JournalError::Full { .. })) && committer.spare().take_reserve();
    if from_reserve {
        result = committer.commit(&block);
    }
    match result {
        Ok(durable) => Ok(Output::Durable { durable, block, from_reserve }),
        Err(error @ JournalError::Full { .. }) => Ok(Output::NoRoom(Held { block, error })),
        Err(error) => Err(error),
    }
}
