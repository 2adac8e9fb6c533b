//! A shard where it lives: on one core, with its committer at hand or lent to the core's journal thread.
//!
//! A commit is the same step in both places. Inline it costs no hand-over (two thread switches, dearer than the sync's
//! CPU), but the core does nothing else meanwhile; so that is for disks that answer fast. The committer is *moved* to the
//! journal thread and comes back with the result: that there is one block in flight is a matter of ownership.

use super::fatal;
use super::journal_thread::{Committed, Held, Job, JournalThread, Lent, Output, Task};
use super::room::{Room, Supply};
use super::slow::{Seen, Slow, Watch};
use super::streams::Streams;
use super::watch::Post;
use crate::clock::Clock;
use crate::journal::{Block, Lsn};
use crate::server::{Committer, HomeShard};
use crate::shard::Admission;
use crate::shard::batch::Reply;
use crate::telemetry::{CreditTotals, DiskState, LeadFacts, ShardFacts};
use std::sync::Arc;

/// When a change has waited this long for the disk, no more are taken (journal.md 7).
const SLOW_AFTER_MS: u64 = 1_000;

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
    /// Shard time of the newest turn.
    now_ms: u64,
    supply: Supply,
    /// When the committer was sent away last.
    sent_at_ms: u64,
    /// Not after the moment since which the oldest change waits for the disk.
    undurable_since_ms: Option<u64>,
    /// What waits for room.
    held: Option<Held>,
    /// Where the watch looks how long the committer has been away.
    post: Post,
    /// What a lent committer came back with.
    lent: Option<Lent>,
    stats: CommitStats,
    pub(super) watch: Watch,
}

/// Figures of a shard's commits.
#[derive(Clone, Copy, Debug, Default)]
struct CommitStats {
    commits: u64,
    records: u64,
    bytes: u64,
    sync_ns: u64,
    inline: u64,
}

impl Home {
    pub(super) fn new(shard: HomeShard, committer: Box<Committer>, post: Post) -> Self {
        Self {
            supply: Supply::new(shard.id()),
            shard,
            committer: Some(committer),
            sync_ns_mean: 0,
            committed_at_ms: None,
            now_ms: 0,
            sent_at_ms: 0,
            undurable_since_ms: None,
            held: None,
            post,
            lent: None,
            stats: CommitStats::default(),
            watch: Watch::default(),
        }
    }

    /// Commits what is open, unless a commit is under way: inline if the disk has been faster than `inline_ns_max`, else
    /// on the journal thread. Looks how the disk does, and admits changes accordingly.
    pub(super) fn commit(&mut self, place: usize, journal: &JournalThread, inline_ns_max: u64, done: &mut Done<'_>) {
        self.now_ms = done.now_ms;
        if self.held.is_none() && self.shard.is_dirty() {
            self.undurable_since_ms.get_or_insert(self.now_ms);
        }
        if let Some(committer) = &self.committer {
            self.supply.look(committer, self.now_ms);
        }
        self.admit();
        let Some(committer) = &self.committer else { return };
        if self.held.is_some() && !self.supply.may_go_on(committer) {
            return;
        }
        let held = self.held.take().map(|held| held.block);
        let fresh = || self.shard.take_block().inspect(|_| self.watch.sent());
        let Some(block) = held.or_else(fresh) else { return };
        self.undurable_since_ms.get_or_insert(self.now_ms);
        let job = self.job(place, Task::Commit(block));
        if self.sync_ns_mean < inline_ns_max {
            self.stats.inline += 1;
            let committed = job.run(done.clock);
            self.finish(committed, done);
        } else {
            journal.send(job);
        }
    }

    /// Takes the committer back, and releases what its block made durable. A failed sync ends the process here; a block
    /// for which there is no room waits.
    pub(super) fn finish(&mut self, committed: Committed, done: &mut Done<'_>) {
        let Committed { committer, result, sync_ns, .. } = committed;
        self.post.over();
        self.committer = Some(committer);
        match result {
            Ok(Output::Durable { durable, block, from_reserve }) => {
                if from_reserve {
                    self.supply.reserve_taken(done.now_ms);
                }
                self.supply.went_on();
                self.durable(durable, block, sync_ns, done);
            }
            Ok(Output::NoRoom(held)) => {
                self.supply.spent(&held.error, done.now_ms);
                self.held = Some(held);
                self.undurable_since_ms = None; // the disk is full, not slow
            }
            Ok(Output::Idle) => {}
            Ok(Output::Lent(lent)) => self.lent = Some(lent),
            Err(error) => fatal::journal(self.shard.id(), self.shard.log(), &error),
        }
        self.admit();
    }

    fn durable(&mut self, durable: Lsn, block: Arc<Block>, sync_ns: u64, done: &mut Done<'_>) {
        self.sync_ns_mean = (self.sync_ns_mean * 7 + sync_ns) / 8;
        self.committed_at_ms = Some(done.now_ms);
        self.stats.commits += 1;
        self.stats.records += u64::from(block.record_count());
        self.stats.bytes += durable - block.first_lsn();
        self.stats.sync_ns += sync_ns;
        done.streams.publish(self.shard.id(), durable);
        drop(block); // the log recycles the buffer of a block that nobody else holds
        let before = done.released.len();
        self.shard.committed(durable, done.released);
        let released = (done.released.len() - before) as u64;
        done.syncs.push((sync_ns, released));
        let (slow, seen) = &mut done.slow;
        seen.extend(self.watch.durable(done.clock.boot_ns(), released, slow));
        // What was executed meanwhile is not older than this commit.
        self.undurable_since_ms = self.shard.is_dirty().then_some(self.sent_at_ms);
    }

    /// Says to the shard which changes it may take, as the disk is.
    fn admit(&mut self) {
        let is_slow = self.undurable_since_ms.is_some_and(|since_ms| self.now_ms > since_ms + SLOW_AFTER_MS);
        let admission = match self.supply.room() {
            Room::Spent => Admission::Nothing,
            _ if is_slow => Admission::Later,
            Room::Full => Admission::Endings,
            Room::Ample => Admission::All,
        };
        let before = self.shard.admission();
        if admission == before {
            return;
        }
        let shard = self.shard.id();
        if admission == Admission::Later {
            tracing::warn!(
                shard,
                slow_after_ms = SLOW_AFTER_MS,
                "disk slow: no changes are taken until it has answered"
            );
        } else if before == Admission::Later {
            tracing::info!(shard, "the disk has answered");
        }
        self.shard.set_admission(admission);
    }

    /// Whether so much waits for the disk that no more work should be taken. Not while changes are refused anyway: then
    /// whoever asks shall hear so.
    pub(super) fn is_behind(&self, undurable_bytes_max: u64) -> bool {
        self.shard.undurable_bytes() > undurable_bytes_max
            && matches!(self.shard.admission(), Admission::All | Admission::Endings)
    }

    /// Tells the super what is durable, once traffic has stopped for [`IDLE_AFTER_MS`].
    pub(super) fn idle(&mut self, place: usize, journal: &JournalThread, now_ms: u64) {
        if self.idle_due_ms().is_some_and(|due_ms| now_ms >= due_ms) {
            self.committed_at_ms = None;
            journal.send(self.job(place, Task::Idle));
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
        journal.send(self.job(place, task));
    }

    fn job(&mut self, place: usize, task: Task) -> Job {
        self.sent_at_ms = self.now_ms;
        self.post.begun();
        Job { place, committer: self.committer.take().expect("the caller saw it here"), task }
    }

    /// What the committer did when it was lent last, once.
    pub(super) fn take_lent(&mut self) -> Option<Lent> {
        self.lent.take()
    }

    /// How much room the disk has for the shard's log.
    pub(super) fn room(&self) -> Room {
        self.supply.room()
    }

    /// When the next turn has work here although nothing else happens.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let slow_at_ms = match self.shard.admission() {
            Admission::Later => None, // the end of the commit wakes the core
            _ => self.undurable_since_ms.map(|since_ms| since_ms + SLOW_AFTER_MS + 1),
        };
        [self.idle_due_ms(), self.supply.due_ms(), slow_at_ms].into_iter().flatten().min()
    }

    /// When [`Home::idle`] has work.
    fn idle_due_ms(&self) -> Option<u64> {
        let is_still = self.committer.is_some() && !self.shard.is_dirty();
        self.committed_at_ms.filter(|_| is_still).map(|at_ms| at_ms + IDLE_AFTER_MS)
    }

    /// The shard's figures.
    pub(super) fn facts(&self, now_ms: u64) -> ShardFacts {
        let (totals, leads) = (self.shard.ledger().totals(), self.shard.ledger().leads());
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
            leads: LeadFacts {
                leads: leads.len().into(),
                open: leads.open_count().into(),
                claims: leads.claim_count().into(),
                bytes: leads.bytes() as u64,
                running: self.shard.claims_running() as u64,
            },
            next_lsn: self.shard.log().next_lsn(),
            durable_lsn: self.shard.log().durable_lsn(),
            commits: self.stats.commits,
            records: self.stats.records,
            commit_bytes: self.stats.bytes,
            sync_ns: self.stats.sync_ns,
            inline_commits: self.stats.inline,
            waiting: self.shard.waiting() as u64,
            undurable_ms: self.undurable_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms)),
            overdue_ms: self.shard.ledger().next_expiry().map_or(0, |due_ms| now_ms.saturating_sub(due_ms)),
            disk: match (self.supply.room(), self.shard.admission()) {
                (Room::Spent, _) => DiskState::Spent,
                (_, Admission::Later) => DiskState::Slow,
                (Room::Full, _) => DiskState::Full,
                (Room::Ample, _) => DiskState::Ok,
            },
            disk_full_ms: self.supply.full_ms(self.now_ms),
            refused_disk_full: self.shard.refused(),
            ..ShardFacts::default()
        }
    }

    /// Whether a block waits that the next turn can commit: more than one was filled since the last commit.
    pub(super) fn has_waiting_block(&self) -> bool {
        self.committer.is_some() && self.held.is_none() && self.shard.is_dirty()
    }

    /// Whether nothing is in flight and nothing waits, at the end of the server's life. If a block waits for room then,
    /// the process ends here: nobody was told of what is in it.
    pub(super) fn is_quiet(&self) -> bool {
        if let Some(Held { error, .. }) = &self.held {
            fatal::journal(self.shard.id(), self.shard.log(), error);
        }
        self.committer.is_some() && self.shard.is_quiet()
    }
}

/// Where a commit's results go.
pub(super) struct Done<'a> {
    pub(super) clock: &'a dyn Clock,
    /// Hears what is durable.
    pub(super) streams: &'a Streams,
    pub(super) now_ms: u64,
    pub(super) released: &'a mut Vec<Reply>,
    /// Duration and number of released outcomes of each commit, for the histograms.
    pub(super) syncs: &'a mut Vec<(u64, u64)>,
    /// What is slow, and those that were.
    pub(super) slow: (&'a Slow, &'a mut Vec<Seen>),
}
