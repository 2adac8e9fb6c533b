//! Dice that a number decides, and numbers that whoever runs a test decides.

/// splitmix64
pub struct Chance(pub u64);

impl Chance {
    /// One of `choices`.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// The number in the variable `name`, or the `usual` one; said aloud, so that the run can be had again.
pub fn setting(name: &str, usual: impl FnOnce() -> u64) -> u64 {
    let number = std::env::var(name).map_or_else(|_| usual(), |text| text.parse().expect("a number"));
    eprintln!("{name}={number}");
    number
}

/// A seed from the system.
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    u64::from_le_bytes(bytes)
}
