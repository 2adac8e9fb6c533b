//! Numbers from a seed (splitmix64): salts of segments, and the dice of the simulated disk.
//!
//! The same seed gives the same numbers. For salts the seed must be unpredictable, so it comes from the caller, who
//! may ask the system. Absent on purpose: the system's randomness.

/// A sequence of numbers that a seed determines.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, over the whole range.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0. The bias is far below what a simulation can see.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "nothing is below 0");
        self.number() % limit
    }

    /// True in `percent` of 100 cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A salt for the checksums of a segment: not 0, so that zeros are never a valid block.
    pub fn salt(&mut self) -> u32 {
        (self.number() >> 32) as u32 | 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_numbers() {
        let mut chance = Chance::new(0);
        assert_eq!(chance.number(), 0xe220_a839_7b1d_cdaf, "reference value of splitmix64");
        assert_eq!(Chance::new(7).salt(), Chance::new(7).salt());
        assert_ne!(Chance::new(7).number(), Chance::new(8).number());
    }
}
