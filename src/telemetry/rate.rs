//! Operations per second, from a total that only grows.

/// The rate between two looks at a total. The caller brings the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    last_ms: u64,
    last_total: u64,
    per_second: u64,
}

/// Looks closer together than this give the rate of the look before: over less time a rate is noise.
const WINDOW_MS_MIN: u64 = 100;

impl Rate {
    /// Notes that the total is `total` at `now_ms` (any clock that does not go back) and returns the rate per second.
    pub fn sample(&mut self, now_ms: u64, total: u64) -> u64 {
        let elapsed_ms = now_ms.saturating_sub(self.last_ms);
        if elapsed_ms >= WINDOW_MS_MIN {
            self.per_second = total.saturating_sub(self.last_total) * 1_000 / elapsed_ms;
            self.last_ms = now_ms;
            self.last_total = total;
        }
        self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_happened_since_the_look_before() {
        let mut rate = Rate::default();
        assert_eq!(rate.sample(1_000, 0), 0);
        assert_eq!(rate.sample(3_000, 500), 250);
        assert_eq!(rate.sample(3_050, 900), 250, "too soon to say");
        assert_eq!(rate.sample(4_000, 1_500), 1_000);
        assert_eq!(rate.sample(5_000, 1_500), 0);
    }
}
