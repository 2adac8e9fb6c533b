//! How fast the log grows, and so when the disk is full.

/// The pace is that of the last one to two of these.
const WINDOW_MS: u64 = 10 * 60 * 1000;

/// What is told when the log does not grow, or hardly: a hundred years, in seconds.
const NEVER_S: f64 = 100.0 * 366.0 * 86_400.0;

/// Two earlier looks at a total that only grows. The caller brings the time.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    older: (u64, u64),
    newer: (u64, u64),
}

impl Growth {
    /// The total was 0 at `started_ms`.
    pub fn since(started_ms: u64) -> Self {
        Self { older: (started_ms, 0), newer: (started_ms, 0) }
    }

    /// The total is `bytes` at `now_ms` (any clock that does not go back): seconds until `free_bytes` are used up.
    pub fn full_in_s(&mut self, now_ms: u64, bytes: u64, free_bytes: u64) -> f64 {
        if now_ms.saturating_sub(self.newer.0) >= WINDOW_MS {
            self.older = self.newer;
            self.newer = (now_ms, bytes);
        }
        let (then_ms, then_bytes) = self.older;
        let grown = bytes.saturating_sub(then_bytes);
        if grown == 0 {
            return NEVER_S;
        }
        let elapsed_s = now_ms.saturating_sub(then_ms) as f64 / 1000.0;
        (free_bytes as f64 * elapsed_s / grown as f64).min(NEVER_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_minutes() {
        let mut growth = Growth::since(5_000);
        assert_eq!(growth.full_in_s(6_000, 0, 900), NEVER_S);
        assert_eq!(growth.full_in_s(15_000, 100, 900), 90.0, "10 bytes a second since the start");
        assert_eq!(growth.full_in_s(5_000 + WINDOW_MS, 600, 600), 600.0, "one a second");
        let later_ms = 5_000 + 2 * WINDOW_MS;
        assert_eq!(growth.full_in_s(later_ms, 1_800, 600), 300.0, "two a second since the look before");
        assert_eq!(growth.full_in_s(later_ms + WINDOW_MS, 1_800, 600), NEVER_S, "it has come to rest");
    }
}
