//! Everything that can happen to the disk under one small story, one thing after the other.
//!
//! ```text
//!  story.rs   a shard with its log lives through everything: a roll, a full block, a snapshot, a trim, another start
//!  images.rs  the power goes before each of its changes: every image that the disk can have then is started on
//!  errors.rs  each of its calls fails, with each error, once and from then on
//!  bits.rs    each bit of what it left is wrong
//! ```
//! The judge is always the same: a start that succeeds has exactly the state that the story had at that position of the
//! log, and no position that was acknowledged is missing. Absent on purpose: chance worlds with many clients (tests/sim),
//! real files (tests/it).

mod bits;
mod errors;
mod images;
mod story;

/// A number that may be set, so that more is tried than in an ordinary run.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
