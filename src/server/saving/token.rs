//! What the cores share of saves: who may save, how many saves are owed, and when each shard was saved.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// No save has ended in this run.
const NEVER: u64 = u64::MAX;

/// Off the way of commands: touched when a save begins or ends, and by who asks.
pub(in crate::server) struct Saves {
    /// Some core saves a shard.
    token: AtomicBool,
    /// Saves that commands have asked for and that have not ended.
    owed: AtomicU64,
    /// By shard, in unix milliseconds; 0: it has no snapshot.
    saved_ms: Vec<AtomicU64>,
    duration_ms: AtomicU64,
    step_ns_max: AtomicU64,
}

impl Saves {
    pub(in crate::server) fn new(shards: u16) -> Self {
        Self {
            token: AtomicBool::new(false),
            owed: AtomicU64::new(0),
            saved_ms: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            duration_ms: AtomicU64::new(NEVER),
            step_ns_max: AtomicU64::new(0),
        }
    }

    /// Takes the right to save a shard, if nobody has it.
    pub(super) fn take_token(&self) -> bool {
        // A look before: cores that wait do not pull the line to and fro.
        !self.token.load(Ordering::Relaxed) && !self.token.swap(true, Ordering::Acquire)
    }

    /// Gives it back after a save of `duration_ms` that answers so many commands.
    pub(super) fn give_token(&self, duration_ms: u64, answered: u64) {
        self.duration_ms.store(duration_ms, Ordering::Relaxed);
        self.owed.fetch_sub(answered, Ordering::Relaxed);
        self.token.store(false, Ordering::Release);
    }

    /// A command asks for a save of every shard.
    pub(in crate::server) fn ask(&self) {
        self.owed.fetch_add(self.saved_ms.len() as u64, Ordering::Relaxed);
    }

    /// The same, unless one is under way or owed. Returns whether it is asked for.
    pub(in crate::server) fn ask_if_idle(&self) -> bool {
        let all = self.saved_ms.len() as u64;
        !self.token.load(Ordering::Relaxed)
            && self.owed.compare_exchange(0, all, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether a save is under way or owed.
    pub(in crate::server) fn is_busy(&self) -> bool {
        self.token.load(Ordering::Relaxed) || self.owed.load(Ordering::Relaxed) > 0
    }

    /// `shard` has a snapshot, made at `at_ms`.
    pub(in crate::server) fn saved(&self, shard: u16, at_ms: u64) {
        self.saved_ms[usize::from(shard)].store(at_ms, Ordering::Relaxed);
    }

    /// When the shard was saved whose newest snapshot is oldest; `None` if one has none.
    pub(in crate::server) fn last_ms(&self) -> Option<u64> {
        let oldest = self.saved_ms.iter().map(|at_ms| at_ms.load(Ordering::Relaxed)).min();
        oldest.filter(|at_ms| *at_ms > 0)
    }

    /// How long the newest save took.
    pub(in crate::server) fn duration_ms(&self) -> Option<u64> {
        Some(self.duration_ms.load(Ordering::Relaxed)).filter(|ms| *ms != NEVER)
    }

    /// A core was busy with one step for so long.
    pub(super) fn stepped(&self, ns: u64) {
        self.step_ns_max.fetch_max(ns, Ordering::Relaxed);
    }

    /// The longest step.
    pub(in crate::server) fn step_ns_max(&self) -> u64 {
        self.step_ns_max.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_saves_at_a_time_and_a_command_keeps_the_server_busy_until_all_shards_are_saved() {
        let saves = Saves::new(2);
        assert!(saves.take_token() && !saves.take_token() && !saves.ask_if_idle());
        saves.give_token(1, 0);
        assert!(!saves.is_busy() && saves.ask_if_idle() && !saves.ask_if_idle());
        saves.ask();
        for answered in [2, 1, 1] {
            assert!(saves.is_busy() && saves.take_token());
            saves.give_token(5, answered);
        }
        assert!(!saves.is_busy());
        assert_eq!(saves.duration_ms(), Some(5));
    }

    #[test]
    fn the_last_save_is_that_of_the_shard_that_waits_longest() {
        let saves = Saves::new(2);
        saves.saved(0, 70);
        assert_eq!((saves.last_ms(), saves.duration_ms()), (None, None));
        saves.saved(1, 50);
        assert_eq!(saves.last_ms(), Some(50));
    }
}
