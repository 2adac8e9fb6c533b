//! What was slow: the entries of SLOWLOG and the spikes of LATENCY.
//!
//! Plain data; whoever keeps it says when. Both are bounded, oldest out first, and grow only while something is slow.

use super::latency::{STAGES, Stage};
use std::collections::VecDeque;
use std::sync::Arc;

/// Seconds with a spike that are kept of each stage, as in Redis.
const SPIKES_MAX: usize = 160;

/// A command that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEntry {
    /// Unix seconds at which it was through.
    pub at_s: u64,
    /// Its words. What a caller wrote beside them (REASON, META) is left out.
    pub words: Vec<Box<[u8]>>,
    /// Time before it ran, nanoseconds.
    pub queue_ns: u64,
    /// Time in which its batch ran, or its old records were read.
    pub execute_ns: u64,
    /// Time until what it shows was on disk.
    pub sync_ns: u64,
    /// Commands that waited together with it, itself included.
    pub shared: u64,
    /// Address of who asked; empty: gone since.
    pub client: String,
    /// The name that it gave itself.
    pub client_name: Vec<u8>,
}

impl SlowEntry {
    /// From the socket to ready to leave.
    pub fn total_ns(&self) -> u64 {
        self.queue_ns + self.execute_ns + self.sync_ns
    }

    /// The stages in words, shown behind the command's own as Redis shows `... (N more arguments)`: no client's parser
    /// knows of stages.
    pub fn stages(&self) -> String {
        let us = |ns: u64| ns / 1000;
        let (queue, execute, sync, shared) = (us(self.queue_ns), us(self.execute_ns), us(self.sync_ns), self.shared);
        format!("(queue={queue}us execute={execute}us sync={sync}us commands={shared})")
    }
}

/// Slow commands, newest first; each with its number.
#[derive(Debug)]
pub struct SlowLog {
    entries: VecDeque<(u64, Arc<SlowEntry>)>,
    next: u64,
    len_max: usize,
}

impl SlowLog {
    /// An empty log that keeps `len_max` entries.
    pub fn new(len_max: usize) -> Self {
        Self { entries: VecDeque::new(), next: 0, len_max }
    }

    /// Entries that are kept.
    pub fn len_max(&self) -> usize {
        self.len_max
    }

    /// From now on keeps so many.
    pub fn set_len_max(&mut self, len_max: usize) {
        self.len_max = len_max;
        self.entries.truncate(len_max);
    }

    /// Takes an entry; the oldest goes if there are too many.
    pub fn push(&mut self, entry: SlowEntry) {
        self.entries.push_front((self.next, Arc::new(entry)));
        self.next += 1;
        self.entries.truncate(self.len_max);
    }

    /// The newest `count`.
    pub fn newest(&self, count: usize) -> Vec<(u64, Arc<SlowEntry>)> {
        self.entries.iter().take(count).cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was slow.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all entries; numbers go on.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

/// Seconds in which a stage took long, by stage.
#[derive(Debug, Default)]
pub struct Spikes([StageSpikes; STAGES.len()]);

/// Of one stage.
#[derive(Clone, Debug, Default)]
pub struct StageSpikes {
    /// Unix seconds and the longest time in each, milliseconds; oldest first.
    pub seconds: VecDeque<(u64, u64)>,
    /// The longest ever, milliseconds.
    pub max_ms: u64,
}

impl Spikes {
    /// `stage` took `ms` in the second `at_s`, which is not before any that was told.
    pub fn note(&mut self, stage: Stage, at_s: u64, ms: u64) {
        let spikes = &mut self.0[stage as usize];
        spikes.max_ms = spikes.max_ms.max(ms);
        match spikes.seconds.back_mut() {
            Some((second, longest_ms)) if *second == at_s => *longest_ms = (*longest_ms).max(ms),
            _ => {
                spikes.seconds.push_back((at_s, ms));
                if spikes.seconds.len() > SPIKES_MAX {
                    spikes.seconds.pop_front();
                }
            }
        }
    }

    /// The stages that had any, by name.
    pub fn stages(&self) -> impl Iterator<Item = (&'static str, &StageSpikes)> {
        let named = STAGES.iter().map(|(stage, name)| (*name, &self.0[*stage as usize]));
        named.filter(|(_, spikes)| !spikes.seconds.is_empty())
    }

    /// Forgets the stages that `wants` names. Returns how many had any.
    pub fn reset(&mut self, wants: impl Fn(&str) -> bool) -> u64 {
        let mut forgotten = 0;
        for (stage, _) in STAGES.iter().filter(|(_, name)| wants(name)) {
            let spikes = std::mem::take(&mut self.0[*stage as usize]);
            forgotten += u64::from(!spikes.seconds.is_empty());
        }
        forgotten
    }

    /// What happened and what to look at, for people.
    pub fn doctor(&self) -> String {
        let mut text = String::new();
        for (name, StageSpikes { seconds, max_ms }) in self.stages() {
            let mean_ms = seconds.iter().map(|(_, ms)| ms).sum::<u64>() / seconds.len() as u64;
            let advice = match name {
                "queue" => "commands waited for their core (docs/operate/runbooks/core-busy.md)",
                "execute" => "a batch ran long; SLOWLOG GET names one of its commands",
                "sync" => "the disk answered late (docs/operate/runbooks/disk-slow.md)",
                _ => "other work held up the writing of replies: many connections at once, or CPUs that others use",
            };
            text += &format!(
                "{name}: {} seconds with a spike, longest {max_ms} ms, on the average {mean_ms} ms. Likely: {advice}.\n",
                seconds.len()
            );
        }
        if text.is_empty() { "No stage took longer than latency-monitor-threshold.\n".to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at_s: u64) -> SlowEntry {
        SlowEntry {
            at_s,
            words: vec![(*b"CREDIT.DEBIT").into(), (*b"a").into()],
            queue_ns: 1_000,
            execute_ns: 2_999,
            sync_ns: 12_000_000,
            shared: 3,
            client: "127.0.0.1:1".to_owned(),
            client_name: Vec::new(),
        }
    }

    #[test]
    fn the_newest_entries_stay_and_numbers_go_on() {
        let mut log = SlowLog::new(2);
        (1..=3).for_each(|at_s| log.push(entry(at_s)));
        let ids = |log: &SlowLog, count| log.newest(count).iter().map(|(id, e)| (*id, e.at_s)).collect::<Vec<_>>();
        assert_eq!(ids(&log, 9), [(2, 3), (1, 2)]);
        assert_eq!(ids(&log, 1), [(2, 3)]);
        log.reset();
        assert!(log.is_empty());
        log.push(entry(4));
        assert_eq!(ids(&log, 9), [(3, 4)]);
        assert_eq!(entry(1).stages(), "(queue=1us execute=2us sync=12000us commands=3)");
        assert_eq!(entry(1).total_ns(), 12_003_999);
    }

    #[test]
    fn a_log_of_no_entries_keeps_none() {
        let mut log = SlowLog::new(0);
        log.push(entry(1));
        assert!(log.is_empty());
    }

    #[test]
    fn a_second_shows_its_longest_and_old_ones_go() {
        let mut spikes = Spikes::default();
        spikes.note(Stage::Sync, 10, 300);
        spikes.note(Stage::Sync, 10, 200);
        spikes.note(Stage::Queue, 10, 150);
        let seen = |spikes: &Spikes| {
            spikes.stages().map(|(name, s)| (name, s.seconds.back().copied(), s.max_ms)).collect::<Vec<_>>()
        };
        assert_eq!(seen(&spikes), [("queue", Some((10, 150)), 150), ("sync", Some((10, 300)), 300)]);
        (11..=10 + SPIKES_MAX as u64).for_each(|at_s| spikes.note(Stage::Sync, at_s, 1));
        let (_, sync) = spikes.stages().last().expect("there are some");
        assert_eq!((sync.seconds.len(), sync.seconds[0], sync.max_ms), (SPIKES_MAX, (11, 1), 300));
        assert!(spikes.doctor().contains("sync: 160 seconds with a spike, longest 300 ms, on the average 1 ms"));
        assert_eq!(spikes.reset(|name| name == "sync"), 1);
        assert_eq!(spikes.reset(|_| true), 1);
        assert_eq!(spikes.stages().count(), 0);
    }
}
