//! When commands are due in an open loop.
//!
//! ```text
//! even    |  |  |  |  |  |  |  |  |  |  |       one every 1/rate
//! pulsed  ||||||    |    |    |    |    |       half of each second's operations in its first tenth
//! ```

/// The schedule of one thread.
pub(super) struct Pace {
    per_second: f64,
    /// Where in its own interval the thread stands, so that threads take turns.
    shift: f64,
    is_pulsed: bool,
}

impl Pace {
    /// Of thread `thread` of `threads`, which have `rate` operations a second together.
    pub(super) fn new(rate: f64, is_pulsed: bool, thread: usize, threads: usize) -> Self {
        assert!(rate > 0.0, "a rate is positive");
        Self { per_second: rate / threads as f64, shift: thread as f64 / threads as f64, is_pulsed }
    }

    /// When the operation `index`, counted from 0, is due: nanoseconds from the start.
    pub(super) fn due_ns(&self, index: u64) -> u64 {
        let even = (index as f64 + self.shift) / self.per_second;
        let at = if self.is_pulsed { even.floor() + pulsed(even.fract()) } else { even };
        (at * 1e9) as u64
    }
}

fn pulsed(part: f64) -> f64 {
    if part < 0.5 { part * 0.2 } else { 0.1 + (part - 0.5) * 1.8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_take_turns() {
        let (a, b) = (Pace::new(1_000.0, false, 0, 2), Pace::new(1_000.0, false, 1, 2));
        let mut due: Vec<u64> = (0..3).flat_map(|index| [a.due_ns(index), b.due_ns(index)]).collect();
        due.sort_unstable();
        assert_eq!(due, [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]);
    }

    #[test]
    fn half_of_a_second_s_operations_come_in_its_first_tenth() {
        let pace = Pace::new(1_000.0, true, 0, 1);
        let due: Vec<u64> = (0..2_000).map(|index| pace.due_ns(index)).collect();
        let within = |from: u64, to: u64| due.iter().filter(|ns| (from..to).contains(*ns)).count();
        assert_eq!(within(0, 1_000_000_000), 1_000);
        assert_eq!(within(0, 100_000_000), 500);
        assert_eq!(within(1_000_000_000, 1_100_000_000), 500);
        assert!(due.is_sorted());
    }
}
