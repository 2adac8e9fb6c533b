//! A shard where it lives: on one core, with its committer at hand or lent to the core's journal thread.
//!
//! A commit is the same step in both places. Inline it costs no hand-over (two thread switches, dearer than the sync's
//! CPU), but the core does nothing else meanwhile; so that is for disks that answer fast. The committer is *moved* to the
//! journal thread and comes back with the result: that there is one block in flight is a matter of ownership.

use super::fatal;
use super::mailbox::Mailbox;
use super::room::Room;
use crate::clock::Clock;
use crate::journal::Block;
use crate::journal::storage::Spare;
use crate::journal::{JournalError, Lsn, SegmentName};
use crate::server::{Committer, HomeShard};
use crate::shard::batch::Reply;
use crate::telemetry::{CreditTotals, ShardFacts};
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// After this long without a commit the super is told what is durable (journal.md 2).
pub(super) const IDLE_AFTER_MS: u64 = 20;

/// A shard, its committer, and how its disk does.
pub(super) struct Home {
    pub(super) shard: HomeShard,
    committer: Option<Box<Committer>>,
    /// Running mean of recent syncs.
    sync_ns_mean: u64,
    /// When the newest commit ended, until the super knows of it.
    committed_at_ms: Option<u64>,
    making_spare: Arc<AtomicBool>,
    /// What a lent committer came back with.
    lent: Option<Lent>,
    stats: CommitStats,
}

/// Figures of a shard's commits.
#[derive(Clone, Copy, Debug, Default)]
struct CommitStats {
    commits: u64,
    records: u64,
    bytes: u64,
    inline: u64,
}

/// Work for a journal thread.
struct Job {
    place: usize,
    committer: Box<Committer>,
    task: Task,
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
    place: usize,
    committer: Box<Committer>,
    result: Result<Output, JournalError>,
    sync_ns: u64,
}

enum Output {
    /// The log is durable up to here: the block's end.
    Durable(Lsn, Arc<Block>),
    Idle,
    Lent(Lent),
}

impl Home {
    pub(super) fn new(shard: HomeShard, committer: Box<Committer>) -> Self {
        Self {
            shard,
            committer: Some(committer),
            sync_ns_mean: 0,
            committed_at_ms: None,
            making_spare: Arc::default(),
            lent: None,
            stats: CommitStats::default(),
        }
    }

    /// Commits what is open, unless a commit is under way: inline if the disk has been faster than `inline_ns_max`, else
    /// on the journal thread.
    pub(super) fn commit(&mut self, place: usize, journal: &JournalThread, inline_ns_max: u64, done: &mut Done<'_>) {
        if self.committer.is_none() {
            return;
        }
        let Some(block) = self.shard.take_block() else { return };
        let committer = self.committer.take().expect("just seen");
        let job = Job { place, committer, task: Task::Commit(block) };
        if self.sync_ns_mean < inline_ns_max {
            self.stats.inline += 1;
            let committed = job.run(done.clock);
            self.finish(committed, done);
        } else {
            journal.send(job);
        }
    }

    /// Takes the committer back, and releases what its block made durable. A failed sync ends the process here.
    pub(super) fn finish(&mut self, committed: Committed, done: &mut Done<'_>) {
        let Committed { committer, result, sync_ns, .. } = committed;
        let output = result.unwrap_or_else(|error| fatal::journal(self.shard.id(), self.shard.log(), &error));
        if committer.wants_spare() && !self.making_spare.swap(true, Ordering::Relaxed) {
            make_spare(&committer, self.making_spare.clone());
        }
        self.committer = Some(committer);
        let (durable, block) = match output {
            Output::Durable(durable, block) => (durable, block),
            Output::Idle => return,
            Output::Lent(lent) => {
                self.lent = Some(lent);
                return;
            }
        };
        self.sync_ns_mean = (self.sync_ns_mean * 7 + sync_ns) / 8;
        self.committed_at_ms = Some(done.now_ms);
        self.stats.commits += 1;
        self.stats.records += u64::from(block.record_count());
        self.stats.bytes += durable - block.first_lsn();
        drop(block); // the log recycles the buffer of a block that nobody else holds
        let before = done.released.len();
        self.shard.committed(durable, done.released);
        done.syncs.push((sync_ns, (done.released.len() - before) as u64));
    }

    /// Tells the super what is durable, once traffic has stopped for [`IDLE_AFTER_MS`].
    pub(super) fn idle(&mut self, place: usize, journal: &JournalThread, now_ms: u64) {
        if self.idle_due_ms().is_none_or(|due_ms| now_ms < due_ms) || self.shard.is_dirty() {
            return;
        }
        if let Some(committer) = self.committer.take() {
            self.committed_at_ms = None;
            journal.send(Job { place, committer, task: Task::Idle });
        }
    }

    /// The committer, while it is here: no block and no task is under way.
    pub(super) fn committer(&self) -> Option<&Committer> {
        self.committer.as_deref()
    }

    /// Has the journal thread do `task`, another than a commit; [`Home::take_lent`] gives what came of it. A failure ends
    /// the process, as that of a commit.
    ///
    /// # Panics
    /// If the committer is not here.
    pub(super) fn lend(&mut self, place: usize, journal: &JournalThread, task: Task) {
        let committer = self.committer.take().expect("the caller saw it here");
        journal.send(Job { place, committer, task });
    }

    /// What the committer did when it was lent last, once.
    pub(super) fn take_lent(&mut self) -> Option<Lent> {
        self.lent.take()
    }

    /// How much room the disk has for the shard's log.
    pub(super) fn room(&self) -> Room {
        Room::Ample
    }

    /// When [`Home::idle`] has work.
    pub(super) fn idle_due_ms(&self) -> Option<u64> {
        self.committed_at_ms.map(|at_ms| at_ms + IDLE_AFTER_MS)
    }

    /// The shard's figures, for INFO.
    pub(super) fn facts(&self) -> ShardFacts {
        let totals = self.shard.ledger().totals();
        ShardFacts {
            shard: self.shard.id(),
            totals: CreditTotals {
                accounts: totals.accounts,
                holds: totals.holds,
                expired: totals.expired,
                granted: totals.granted,
                debited: totals.debited - totals.captured,
                captured: totals.captured,
                refunded: totals.refunded,
                balance: totals.balance,
                reserved: totals.reserved,
            },
            transactions: totals.index_entries,
            account_bytes: totals.account_bytes,
            transaction_bytes: totals.index_bytes,
            next_lsn: self.shard.log().next_lsn(),
            durable_lsn: self.shard.log().durable_lsn(),
            commits: self.stats.commits,
            records: self.stats.records,
            commit_bytes: self.stats.bytes,
            inline_commits: self.stats.inline,
            ..ShardFacts::default()
        }
    }

    /// Whether a block waits that the next turn can commit: more than one was filled since the last commit.
    pub(super) fn has_waiting_block(&self) -> bool {
        self.committer.is_some() && self.shard.is_dirty()
    }

    /// Whether nothing is in flight and nothing waits.
    pub(super) fn is_quiet(&self) -> bool {
        self.committer.is_some() && self.shard.is_quiet()
    }
}

/// Where a commit's results go.
pub(super) struct Done<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) now_ms: u64,
    pub(super) released: &'a mut Vec<Reply>,
    /// Duration and number of released outcomes of each commit, for the histograms.
    pub(super) syncs: &'a mut Vec<(u64, u64)>,
}

impl Job {
    fn run(mut self, clock: &dyn Clock) -> Committed {
        let start_ns = clock.boot_ns();
        let result = match self.task {
            Task::Commit(block) => self.committer.commit(&block).map(|durable| Output::Durable(durable, block)),
            Task::Idle => self.committer.idle().map(|()| Output::Idle),
            Task::Note => self.committer.note().map(|()| Output::Lent(Lent::Noted)),
            Task::LetGo(below) => self.committer.let_go(below).map(|gone| Output::Lent(Lent::LetGo(gone))),
        };
        let sync_ns = clock.boot_ns() - start_ns;
        Committed { place: self.place, committer: self.committer, result, sync_ns }
    }
}

impl Committed {
    /// Which of the core's shards this is.
    pub(super) fn place(&self) -> usize {
        self.place
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

    fn send(&self, job: Job) {
        self.jobs.try_send(job).expect("one commit in flight a shard");
    }
}

/// Prepares the next segment beside the traffic; if that fails, the roll tries itself and says so.
fn make_spare(committer: &Committer, making: Arc<AtomicBool>) {
    let (spare, segment_len) = (committer.spare(), committer.segment_len());
    let make = move || {
        loop {
            match spare.step(segment_len) {
                Ok(None) => {}
                Ok(Some(_)) => break,
                Err(error) => {
                    tracing::warn!(%error, "the next log segment could not be prepared");
                    break;
                }
            }
        }
        making.store(false, Ordering::Relaxed);
    };
    if let Err(error) = std::thread::Builder::new().name("spare".to_owned()).spawn(make) {
        tracing::warn!(%error, "no thread to prepare the next log segment");
    }
}
