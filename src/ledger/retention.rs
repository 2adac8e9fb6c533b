//! How far back transaction ids are remembered: time, turned into a position of the log.
//!
//! ```text
//!   blocks   |---|--|------|--|----|---|-----|---> log        each block has one time
//!   groups   (end_lsn, newest_ms, needs_lsn) ......           neighbours in time share one
//!   floor    end of the last group whose newest_ms <= now - retention: below it all is forgotten
//! ```
//! Forgotten = in a block that ended before the first block with `now_ms > now - retention` (commands.md C.11, 15).
//! Groups are at most [`GROUPS_MAX`], so an id may live longer by that part of the retention; never shorter.
//! A group also knows the oldest record that one of its own points to: the log must be kept from there while ids of
//! the group are remembered.

use std::collections::VecDeque;

use super::id::{Lsn, NO_LSN};

/// Groups in one retention period: with 24 h, 21 seconds each, 128 KiB in all.
const GROUPS_MAX: u64 = 4096;

/// No record points to another.
const NO_NEEDS: Lsn = Lsn::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    end_lsn: Lsn,
    oldest_ms: u64,
    newest_ms: u64,
    needs_lsn: Lsn,
}

/// The times of the blocks that are still remembered.
#[derive(Debug)]
pub(crate) struct Retention {
    retention_ms: u64,
    groups: VecDeque<Group>,
    floor: Lsn,
    /// End of the newest block that is in a group.
    marked: Lsn,
    /// What records of later blocks point to, and the newest record that does.
    open_needs: Lsn,
    open_newest: Lsn,
}

impl Retention {
    /// `retention_ms` is not 0; `u64::MAX` remembers for ever.
    pub(crate) fn new(retention_ms: u64) -> Self {
        assert!(retention_ms > 0, "without memory of ids a retry is a second debit");
        let (groups, floor, marked) = (VecDeque::new(), NO_LSN, NO_LSN);
        Self { retention_ms, groups, floor, marked, open_needs: NO_NEEDS, open_newest: NO_LSN }
    }

    /// All of it but the retention itself, as rows of a snapshot.
    pub(crate) fn rows(&self) -> impl Iterator<Item = [u64; 4]> {
        let first = [self.floor, self.marked, self.open_needs, self.groups.len() as u64];
        let group = |group: &Group| [group.end_lsn, group.oldest_ms, group.newest_ms, group.needs_lsn];
        std::iter::once(first).chain(self.groups.iter().map(group))
    }

    /// As [`Retention::rows`] was, of a snapshot that ends at `end`; `None` if that cannot be. The retention may be
    /// another: what was forgotten stays so, and the groups that there are go as they are.
    pub(crate) fn from_rows(retention_ms: u64, end: Lsn, rows: &[[u64; 4]]) -> Option<Self> {
        let (&[floor, marked, open_needs, count], groups) = rows.split_first()?;
        let group = |&[end_lsn, oldest_ms, newest_ms, needs_lsn]: &[u64; 4]| {
            let is_sound = oldest_ms <= newest_ms;
            is_sound.then_some(Group { end_lsn, oldest_ms, newest_ms, needs_lsn })
        };
        let groups = groups.iter().map(group).collect::<Option<VecDeque<_>>>()?;
        let pairs = groups.iter().zip(groups.iter().skip(1));
        let in_order = pairs.into_iter().all(|(a, b)| a.end_lsn <= b.end_lsn && a.newest_ms <= b.oldest_ms);
        let ends = groups.front().zip(groups.back()).is_none_or(|(a, b)| floor <= a.end_lsn && b.end_lsn == marked);
        let is_sound = count == groups.len() as u64 && in_order && ends && floor <= marked && marked <= end;
        is_sound.then_some(Self { retention_ms, groups, floor, marked, open_needs, open_newest: end })
    }

    /// The record at `lsn` points to the one at `opened_lsn`.
    pub(crate) fn need(&mut self, lsn: Lsn, opened_lsn: Lsn) {
        if lsn >= self.marked && !planted!("trim forgets what records point to") {
            (self.open_needs, self.open_newest) = (self.open_needs.min(opened_lsn), lsn);
        }
    }

    /// The oldest record that a record of an id that is not forgotten points to; [`NO_LSN`] if ids are remembered for ever.
    pub(crate) fn needed(&self) -> Lsn {
        if self.retention_ms == u64::MAX {
            return NO_LSN;
        }
        self.groups.iter().map(|group| group.needs_lsn).fold(self.open_needs, Lsn::min)
    }

    /// Whether the block that ends at `end_lsn` can have the time `now_ms`, as those before it are known.
    pub(crate) fn can_mark(&self, end_lsn: Lsn, now_ms: u64) -> bool {
        end_lsn <= self.marked || self.groups.back().is_none_or(|group| now_ms >= group.newest_ms)
    }

    /// The block that ends at `end_lsn` (exclusive) has the time `now_ms`. Called in the order of the log; blocks that a
    /// snapshot knows come again and change nothing.
    pub(crate) fn mark(&mut self, end_lsn: Lsn, now_ms: u64) {
        if self.retention_ms == u64::MAX || end_lsn <= self.marked {
            return;
        }
        self.marked = end_lsn;
        // Records behind this block may be among them: then the group keeps a little more than it needs.
        let needs_lsn = self.open_needs;
        if self.open_newest < end_lsn {
            self.open_needs = NO_NEEDS;
        }
        let span_ms = (self.retention_ms / GROUPS_MAX).max(1);
        match self.groups.back_mut() {
            Some(group) if now_ms < group.oldest_ms.saturating_add(span_ms) => {
                assert!(end_lsn >= group.end_lsn && now_ms >= group.newest_ms, "blocks come in order");
                (group.end_lsn, group.newest_ms) = (end_lsn, now_ms);
                group.needs_lsn = group.needs_lsn.min(needs_lsn);
            }
            _ => self.groups.push_back(Group { end_lsn, oldest_ms: now_ms, newest_ms: now_ms, needs_lsn }),
        }
    }

    /// The position below which ids are forgotten at `now_ms`. Never goes back.
    pub(crate) fn floor(&mut self, now_ms: u64) -> Lsn {
        let retention_ms = self.retention_ms / if planted!("ids forgotten at half their time") { 2 } else { 1 };
        let Some(cutoff_ms) = now_ms.checked_sub(retention_ms) else { return self.floor };
        while let Some(group) = self.groups.pop_front_if(|group| group.newest_ms <= cutoff_ms) {
            self.floor = self.floor.max(group.end_lsn);
        }
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_forgotten_early_and_little_is_late(
            gaps in prop::collection::vec(0..100u64, 300),
            retention_ms in prop_oneof![1..20_000u64, 500_000..5_000_000u64]
        ) {
            let (mut retention, mut blocks, mut now) = (Retention::new(retention_ms), Vec::new(), 1_000);
            for (n, gap) in gaps.into_iter().enumerate() {
                now += gap;
                let end = (n as u64 + 1) * 4096;
                blocks.push((end, now));
                retention.mark(end, now);
                // One long silence, so that the cutoff walks through the blocks before it.
                now += if n == 150 { retention_ms.saturating_sub(5_000) } else { gap };
                let floor = retention.floor(now);
                let exact = |now: u64| {
                    let old = blocks.iter().filter(|(_, ms)| *ms + retention_ms <= now);
                    old.map(|(end, _)| *end).max().unwrap_or(0)
                };
                prop_assert!(floor <= exact(now));
                prop_assert!(floor >= exact(now.saturating_sub(retention_ms / GROUPS_MAX)));
                prop_assert!(retention.groups.len() as u64 <= GROUPS_MAX + 2);
            }
        }
    }

    #[test]
    fn a_group_keeps_what_its_own_records_need_and_never_less() {
        let mut retention = Retention::new(5_000);
        retention.need(8_000, 16);
        retention.need(9_000, 8); // of a block that is not closed yet
        retention.mark(8_192, 1_000);
        assert_eq!(retention.needed(), 8);
        retention.mark(12_288, 4_000);
        assert_eq!(retention.floor(6_000), 8_192);
        assert_eq!(retention.needed(), 8, "the second block's");
        assert_eq!((retention.floor(9_000), retention.needed()), (12_288, NO_NEEDS));
    }

    #[test]
    fn for_ever_is_for_ever() {
        let mut retention = Retention::new(u64::MAX);
        retention.mark(4096, 0);
        assert_eq!(retention.floor(u64::MAX), NO_LSN);
    }
}
