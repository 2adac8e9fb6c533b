//! Which of a core's shards is to be saved next, and who waits for it.
//!
//! ```text
//!  log size, BGSAVE, SAVE, a day ──▶ `due_lsn` of the shard ──▶ next_lsn >= due_lsn: it is due
//! ```
//! Every reason ends in one position, so that a turn without a save compares once a shard. Pure: no thread, no file, no
//! clock.

use crate::journal::Lsn;
use std::collections::VecDeque;

/// After a failure a shard is left alone for so long, unless somebody asks.
pub(super) const RETRY_AFTER_MS: u64 = 60_000;

/// With `history-retention` a shard is saved once a day if it changes at all, so that its log can be trimmed.
const SAVE_WITHIN_MS: u64 = 24 * 3600 * 1000;

/// Reasons to save, and what became of it, for all shards of a core.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Log between two saves, in bytes; `None`: only on command.
    log_bytes: Option<u64>,
    daily: bool,
    /// Commands so far: each is for all shards.
    asked: u64,
    shards: Vec<Due>,
    waiters: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Due {
    due_lsn: Lsn,
    /// Where the newest save began.
    begin: Lsn,
    /// Commands answered by saves that have ended.
    served: u64,
    /// Commands that the running save answers.
    serving: Option<u64>,
    saved_at_ms: u64,
    retry_at_ms: Option<u64>,
    /// Why the newest save failed, if it did.
    failure: Option<String>,
}

/// A SAVE that is answered when all shards of the core are saved.
#[derive(Debug)]
struct Waiter {
    /// Core that asked, and its number for it.
    to: (u16, u64),
    asked: u64,
}

impl Schedule {
    /// A core without shards. `daily`: save once a day what has changed.
    pub(super) fn new(log_bytes: Option<u64>, daily: bool) -> Self {
        Self { log_bytes, daily, asked: 0, shards: Vec::new(), waiters: VecDeque::new() }
    }

    /// The next shard, whose newest snapshot was begun at `begin` and at `saved_at_ms` (a log without one: its start).
    pub(super) fn add(&mut self, begin: Lsn, saved_at_ms: u64) {
        let served = self.asked;
        let due = Due { due_lsn: 0, begin, served, serving: None, saved_at_ms, retry_at_ms: None, failure: None };
        self.shards.push(due);
        self.set_due(self.shards.len() - 1);
    }

    /// Whether shard `place`, whose log ends at `next_lsn`, is to be saved.
    pub(super) fn is_due(&self, place: usize, next_lsn: Lsn) -> bool {
        next_lsn >= self.shards[place].due_lsn
    }

    /// A command asks for a save of every shard, begun from now on; `waiter` (core and its number) wants to hear of it.
    pub(super) fn ask(&mut self, waiter: Option<(u16, u64)>) {
        self.asked += 1;
        self.shards.iter_mut().filter(|shard| shard.serving.is_none()).for_each(|shard| shard.due_lsn = 0);
        self.waiters.extend(waiter.map(|to| Waiter { to, asked: self.asked }));
    }

    /// A save of shard `place` begins at `begin`.
    pub(super) fn begun(&mut self, place: usize, begin: Lsn) {
        let shard = &mut self.shards[place];
        assert!(shard.serving.is_none(), "one save of a shard at a time");
        shard.serving = Some(self.asked);
        shard.begin = begin;
        shard.due_lsn = Lsn::MAX;
    }

    /// The save of shard `place` has ended. Returns how many commands that answers.
    pub(super) fn ended(&mut self, place: usize, now_ms: u64, result: Result<(), String>) -> u64 {
        let shard = &mut self.shards[place];
        let serving = shard.serving.take().expect("a save ends that was begun");
        let answered = serving - std::mem::replace(&mut shard.served, serving);
        shard.failure = result.err();
        shard.retry_at_ms = shard.failure.is_some().then_some(now_ms + RETRY_AFTER_MS);
        if shard.failure.is_none() {
            shard.saved_at_ms = now_ms;
        }
        self.set_due(place);
        answered
    }

    /// Looks, now and then, for what is due by time. `changed`: whether a shard has records that its snapshot has not.
    pub(super) fn tick(&mut self, now_ms: u64, changed: impl Fn(usize) -> bool) {
        for (place, shard) in self.shards.iter_mut().enumerate().filter(|(_, shard)| shard.serving.is_none()) {
            let retry = shard.retry_at_ms.take_if(|at_ms| *at_ms <= now_ms).is_some();
            let waits = shard.retry_at_ms.is_some();
            let old = self.daily && !waits && now_ms.saturating_sub(shard.saved_at_ms) >= SAVE_WITHIN_MS;
            if retry || (old && changed(place)) {
                shard.due_lsn = 0;
            }
        }
    }

    /// The next waiter whose saves have all ended, and how: the first failure.
    pub(super) fn next_answer(&mut self) -> Option<((u16, u64), Result<(), String>)> {
        let asked = self.waiters.front()?.asked;
        if self.shards.iter().any(|shard| shard.served < asked) {
            return None;
        }
        let failure = self.shards.iter().find_map(|shard| shard.failure.clone());
        self.waiters.pop_front().map(|waiter| (waiter.to, failure.map_or(Ok(()), Err)))
    }

    /// Nothing will be saved any more: all who wait.
    pub(super) fn give_up(&mut self) -> Vec<(u16, u64)> {
        self.waiters.drain(..).map(|waiter| waiter.to).collect()
    }

    /// Whether the newest save of shard `place` failed.
    pub(super) fn has_failed(&self, place: usize) -> bool {
        self.shards[place].failure.is_some()
    }

    fn set_due(&mut self, place: usize) {
        let shard = &mut self.shards[place];
        shard.due_lsn = match self.log_bytes {
            _ if shard.served < self.asked => 0,
            Some(bytes) if shard.retry_at_ms.is_none() => shard.begin.saturating_add(bytes),
            _ => Lsn::MAX,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: u64 = 1000;

    fn two_shards() -> Schedule {
        let mut schedule = Schedule::new(Some(LOG), true);
        schedule.add(0, 0);
        schedule.add(500, 0);
        schedule
    }

    #[test]
    fn a_shard_is_due_after_so_much_log() {
        let mut schedule = two_shards();
        assert!(!schedule.is_due(0, LOG - 1) && schedule.is_due(0, LOG) && !schedule.is_due(1, LOG));
        schedule.begun(0, 1100);
        assert!(!schedule.is_due(0, 9000), "one at a time");
        assert_eq!(schedule.ended(0, 1, Ok(())), 0);
        assert!(!schedule.is_due(0, 2099) && schedule.is_due(0, 2100), "counted from where the save began");
        let mut on_command = Schedule::new(None, false);
        on_command.add(0, 0);
        assert!(!on_command.is_due(0, Lsn::MAX - 1));
        on_command.ask(None);
        assert!(on_command.is_due(0, 0));
    }

    #[test]
    fn a_command_is_answered_by_saves_that_began_after_it() {
        let mut schedule = two_shards();
        schedule.begun(0, 10);
        schedule.ask(Some((3, 7)));
        assert!(schedule.is_due(1, 600) && !schedule.is_due(0, 9000));
        assert_eq!(schedule.ended(0, 1, Ok(())), 0, "it was begun before");
        assert!(schedule.is_due(0, 0), "so another one follows at once");
        schedule.begun(1, 600);
        assert_eq!(schedule.ended(1, 2, Ok(())), 1);
        assert_eq!(schedule.next_answer(), None);
        schedule.begun(0, 20);
        schedule.ask(Some((3, 8)));
        assert_eq!(schedule.ended(0, 3, Err("no room".to_owned())), 1);
        assert_eq!(schedule.next_answer(), Some(((3, 7), Err("no room".to_owned()))), "both shards have ended");
        assert_eq!(schedule.next_answer(), None, "the second command waits for both again");
        assert!(schedule.is_due(0, 0) && schedule.is_due(1, 0), "a failure does not hold a command up");
        assert_eq!(schedule.give_up(), [(3, 8)]);
    }

    #[test]
    fn a_failure_is_tried_again_after_a_minute_or_on_command() {
        let mut schedule = two_shards();
        schedule.begun(0, 10);
        schedule.ended(0, 5, Err("no room".to_owned()));
        assert!(schedule.has_failed(0) && !schedule.is_due(0, 9000));
        schedule.tick(5 + RETRY_AFTER_MS - 1, |_| true);
        assert!(!schedule.is_due(0, 9000));
        schedule.tick(5 + RETRY_AFTER_MS, |_| true);
        assert!(schedule.is_due(0, 10));
        schedule.begun(0, 20);
        schedule.ended(0, 6, Ok(()));
        assert!(!schedule.has_failed(0) && !schedule.is_due(0, LOG + 19) && schedule.is_due(0, LOG + 20));
    }

    #[test]
    fn with_retention_what_has_changed_is_saved_once_a_day() {
        let mut schedule = two_shards();
        schedule.tick(SAVE_WITHIN_MS - 1, |_| true);
        assert!(!schedule.is_due(0, 1));
        schedule.tick(SAVE_WITHIN_MS, |place| place == 1);
        assert!(!schedule.is_due(0, 1) && schedule.is_due(1, 501));
        let mut without = Schedule::new(Some(LOG), false);
        without.add(0, 0);
        without.tick(SAVE_WITHIN_MS, |_| true);
        assert!(!without.is_due(0, 1));
    }
}
