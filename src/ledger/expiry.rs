//! Reservation deadlines, as a hierarchical timer wheel.
//!
//! ```text
//!   level 0   64 buckets of 1 ms        deadline and elapsed differ in bits 0..6 only
//!   level 1   64 buckets of 64 ms       ... highest difference in bits 6..12
//!   ...       11 levels: all of u64, so no deadline is too far      <- cascades down as time reaches it
//! ```
//! Pure and intrusive: the caller supplies `now`, and the links live in the caller's slab ([`Timers`]), 16 bytes each.
//! Insert and cancel are O(1). A deadline never fires early. It is only a wake-up: settle-first decides (commands.md
//! R3), so a timer stays until it is cancelled, and a caller that stops half-way loses nothing.
//! A bucket that comes due may hold millions of timers, so it is moved down a bounded number at a time.
//! Absent on purpose: threads, clocks, callbacks, an order among timers of one millisecond.

const BITS: u32 = 6;
const WIDTH: usize = 1 << BITS;
const LEVELS: usize = 11;

/// End of a list, and the `prev` of a timer that is in no list.
const NIL: u32 = u32::MAX;

/// In `prev`: the timer is its bucket's first, the other bits are the bucket. Slots stay below it.
const BUCKET: u32 = 1 << 31;

/// The part of the caller's entry that the wheel uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    /// Unix milliseconds.
    pub(crate) deadline_ms: u64,
    prev: u32,
    next: u32,
}

impl Timer {
    /// A timer that is in no wheel.
    pub(crate) fn idle(deadline_ms: u64) -> Self {
        Self { deadline_ms, prev: NIL, next: NIL }
    }

    /// Whether it is in a wheel.
    pub(crate) fn is_running(&self) -> bool {
        self.prev != NIL
    }
}

/// Where the wheel's timers live: the caller's slab, by slot number.
pub(crate) trait Timers {
    /// The timer of a slot.
    fn timer(&self, slot: u32) -> &Timer;
    /// The timer of a slot, to link it.
    fn timer_mut(&mut self, slot: u32) -> &mut Timer;
}

/// The wheel: bucket heads and the time that it has reached.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Everything before this has been found due. Buckets are relative to it.
    elapsed_ms: u64,
    /// One bit per bucket that has timers.
    occupied: [u64; LEVELS],
    heads: Box<[u32]>,
}

impl Wheel {
    /// No timers.
    pub(crate) fn new() -> Self {
        Self { elapsed_ms: 0, occupied: [0; LEVELS], heads: vec![NIL; LEVELS * WIDTH].into() }
    }

    /// Starts the timer of `slot`, which must be idle. `now_ms` only saves work: an empty wheel starts from there.
    pub(crate) fn insert(&mut self, timers: &mut impl Timers, slot: u32, now_ms: u64) {
        assert!(slot < BUCKET, "slots are below 2^31");
        assert_eq!(timers.timer(slot).prev, NIL, "a timer is in one bucket at most");
        if self.occupied == [0; LEVELS] {
            self.elapsed_ms = self.elapsed_ms.max(now_ms);
        }
        self.link(timers, slot);
    }

    /// Stops the timer of `slot`, which must be running.
    pub(crate) fn cancel(&mut self, timers: &mut impl Timers, slot: u32) {
        let Timer { prev, next, .. } = *timers.timer(slot);
        assert_ne!(prev, NIL, "a timer is cancelled while it runs");
        if prev & BUCKET == 0 {
            timers.timer_mut(prev).next = next;
        } else {
            let bucket = (prev & !BUCKET) as usize;
            assert_eq!(self.heads[bucket], slot, "a first timer knows its bucket");
            self.heads[bucket] = next;
            if next == NIL {
                self.occupied[bucket / WIDTH] &= !(1 << (bucket % WIDTH));
            }
        }
        if next != NIL {
            timers.timer_mut(next).prev = prev;
        }
        let timer = timers.timer_mut(slot);
        (timer.prev, timer.next) = (NIL, NIL);
    }

    /// When to look again, unix milliseconds: never after the earliest deadline, often exactly it. `None`: no timers.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.next_bucket().map(|(level, index)| self.bucket_start(level, index))
    }

    /// A timer that is due at `now_ms`, not removed; the caller cancels it. Moves at most `moves_max` timers down.
    ///
    /// `None`: nothing is due, or the moves were used up; then [`Wheel::next_expiry`] is not after `now_ms`.
    pub(crate) fn advance(&mut self, timers: &mut impl Timers, now_ms: u64, moves_max: usize) -> Option<u32> {
        let mut moves = 0;
        while let Some((level, index)) = self.next_bucket() {
            let start_ms = self.bucket_start(level, index);
            if start_ms > now_ms {
                break;
            }
            self.elapsed_ms = self.elapsed_ms.max(start_ms);
            let slot = self.heads[level * WIDTH + index];
            if level == 0 {
                assert!(timers.timer(slot).deadline_ms <= now_ms, "never early");
                return Some(slot);
            }
            if moves == moves_max {
                return None;
            }
            moves += 1;
            self.cancel(timers, slot);
            if !planted!("a timer is dropped on its way down") {
                self.link(timers, slot);
            }
        }
        // Nothing starts in between, so every timer's highest difference to `elapsed` stays where it is.
        self.elapsed_ms = self.elapsed_ms.max(now_ms);
        None
    }

    /// Puts an idle timer where its deadline belongs; an overdue one where time is now.
    fn link(&mut self, timers: &mut impl Timers, slot: u32) {
        let when_ms = timers.timer(slot).deadline_ms.max(self.elapsed_ms);
        let level = level_of(when_ms, self.elapsed_ms);
        let bucket = level * WIDTH + digit(when_ms, level);
        let next = std::mem::replace(&mut self.heads[bucket], slot);
        self.occupied[level] |= 1 << (bucket % WIDTH);
        let timer = timers.timer_mut(slot);
        (timer.prev, timer.next) = (BUCKET | bucket as u32, next);
        if next != NIL {
            timers.timer_mut(next).prev = slot;
        }
    }

    /// The bucket to look at next. A bucket above level 0 that time has reached (it is being moved down) comes first;
    /// then lower levels before higher ones, for they share more of `elapsed`.
    fn next_bucket(&self) -> Option<(usize, usize)> {
        let reached = (1..LEVELS).map(|level| (level, digit(self.elapsed_ms, level)));
        let mut reached = reached.filter(|&(level, index)| self.occupied[level] >> index & 1 == 1);
        let mut ahead = self.occupied.iter().enumerate().filter(|(_, bits)| **bits != 0);
        reached.next().or_else(|| ahead.next().map(|(level, bits)| (level, bits.trailing_zeros() as usize)))
    }

    /// The earliest time that the bucket stands for.
    fn bucket_start(&self, level: usize, index: usize) -> u64 {
        let above = BITS * (level as u32 + 1);
        let prefix = if above >= u64::BITS { 0 } else { self.elapsed_ms >> above << above };
        prefix | (index as u64) << (BITS * level as u32)
    }
}

/// The level of the highest bit in which the two differ.
fn level_of(when_ms: u64, elapsed_ms: u64) -> usize {
    let difference = (when_ms ^ elapsed_ms) | (WIDTH as u64 - 1);
    ((u64::BITS - 1 - difference.leading_zeros()) / BITS) as usize
}

/// Six bits of a time: its bucket in `level`.
fn digit(ms: u64, level: usize) -> usize {
    (ms >> (BITS * level as u32)) as usize % WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    impl Timers for Vec<Timer> {
        fn timer(&self, slot: u32) -> &Timer {
            &self[slot as usize]
        }
        fn timer_mut(&mut self, slot: u32) -> &mut Timer {
            &mut self[slot as usize]
        }
    }

    /// All that is due, in slices of three moves.
    fn drain(wheel: &mut Wheel, timers: &mut Vec<Timer>, now_ms: u64) -> BTreeSet<u32> {
        let mut due = BTreeSet::new();
        loop {
            while let Some(slot) = wheel.advance(timers, now_ms, 3) {
                wheel.cancel(timers, slot);
                assert!(due.insert(slot));
            }
            if wheel.next_expiry().is_none_or(|at| at > now_ms) {
                return due;
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert { ahead_ms: u64, back: bool },
        Cancel(usize),
        Pass(u64),
        PassSlowly(u64),
    }

    fn span() -> impl Strategy<Value = u64> {
        // Every magnitude from a millisecond to centuries is equally likely.
        (0..44u32, any::<u64>()).prop_map(|(bits, x)| x & ((1 << bits) - 1))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (span(), prop::bool::weighted(0.1)).prop_map(|(ahead_ms, back)| Step::Insert { ahead_ms, back }),
            1 => any::<usize>().prop_map(Step::Cancel),
            2 => span().prop_map(Step::Pass),
            1 => span().prop_map(Step::PassSlowly),
        ]
    }

    proptest! {
        #[test]
        fn the_wheel_does_what_a_sorted_set_does(steps in prop::collection::vec(step(), 1..80), start in span()) {
            let (mut wheel, mut timers, mut model) = (Wheel::new(), Vec::new(), BTreeSet::new());
            let mut now = start;
            for step in steps {
                match step {
                    Step::Insert { ahead_ms, back } => {
                        let deadline = if back { now.saturating_sub(ahead_ms) } else { now + ahead_ms };
                        let slot = timers.len() as u32;
                        timers.push(Timer::idle(deadline));
                        wheel.insert(&mut timers, slot, now);
                        model.insert((deadline, slot));
                    }
                    Step::Cancel(any) if !model.is_empty() => {
                        let entry = *model.iter().nth(any % model.len()).unwrap();
                        model.remove(&entry);
                        wheel.cancel(&mut timers, entry.1);
                    }
                    Step::Cancel(_) => {}
                    Step::Pass(ms) => now += ms,
                    // Leaves a bucket half moved down, so that the next steps meet it.
                    Step::PassSlowly(ms) => {
                        now += ms;
                        wheel.advance(&mut timers, now, 1);
                        continue;
                    }
                }
                if let Some(at) = wheel.next_expiry() {
                    let first = model.first().expect("no wake-up without a timer").0;
                    prop_assert!(at <= first.max(now), "a wake-up at {at} is late for {first}");
                } else {
                    prop_assert!(model.is_empty());
                }
                if matches!(step, Step::Pass(_)) {
                    let later = model.split_off(&(now + 1, 0));
                    let due = std::mem::replace(&mut model, later);
                    let due: BTreeSet<u32> = due.into_iter().map(|(_, slot)| slot).collect();
                    prop_assert_eq!(drain(&mut wheel, &mut timers, now), due);
                }
            }
        }
    }

    #[test]
    fn a_flood_is_moved_down_in_slices_and_blocks_nothing() {
        let (mut wheel, mut timers) = (Wheel::new(), vec![Timer::idle(1 << 20); 1000]);
        for slot in 0..1000 {
            wheel.insert(&mut timers, slot, 5);
        }
        assert_eq!(wheel.advance(&mut timers, (1 << 20) - 1, 10), None);
        assert_eq!(wheel.next_expiry(), Some(1 << 20));
        let mut slices = 0;
        while wheel.advance(&mut timers, 1 << 20, 10).is_none() {
            assert!(wheel.next_expiry().unwrap() <= 1 << 20, "there is work left, and it says so");
            slices += 1;
        }
        assert!(slices >= 99);
    }

    #[test]
    fn the_end_of_time_is_a_deadline_too() {
        let (mut wheel, mut timers) = (Wheel::new(), vec![Timer::idle(u64::MAX)]);
        wheel.insert(&mut timers, 0, 0);
        assert_eq!(drain(&mut wheel, &mut timers, u64::MAX - 1).len(), 0);
        assert_eq!(drain(&mut wheel, &mut timers, u64::MAX).len(), 1);
    }
}
