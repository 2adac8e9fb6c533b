//! Dice that a number decides, and numbers that whoever runs a test decides.

pub use creditd::journal::chance::Chance;

/// One of `choices`.
pub fn of<T: Copy>(chance: &mut Chance, choices: &[T]) -> T {
    choices[chance.below(choices.len() as u64) as usize]
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
