//! What the world does to a server, done to the built one on real file systems, for as long as one likes.
//!
//! ```text
//!  kills.rs    SIGKILL under load, in the middle of starts, other cores in every life
//!  power.rs    the file system stops under load (ext4, XFS on loop devices); then it is mounted again
//!  thin.rs     the device under the file system has no room left: EIO where nobody expects it
//!  faults.rs   the nth call of every kind that touches files fails, once or from then on
//!  memory.rs   the kernel ends the server for want of memory
//! ```
//!
//! Whatever happened: the end has a message and an exit code, or there was none; the next server has every
//! acknowledged change once, and every other one once or not at all. All of it is ignored by default:
//!
//! ```text
//! cargo test --test it torture -- --ignored --nocapture --test-threads 1
//! ```
//!
//! `CREDITD_TORTURE_CYCLES` (3) says how often each is done, `CREDITD_TORTURE_SEED` (chosen and printed) which dice are
//! thrown; kills and cuts come when they come, so a seed repeats the plan, not the moment. A test that needs root, a
//! mount, a tool or a control group says SKIPPED where there is none, and proves nothing there.

mod faults;
mod kills;
mod memory;
mod power;
mod tally;
mod thin;

use crate::chance::{Chance, seed, setting};

/// How often, and the dice.
fn settings() -> (u64, Chance) {
    (setting("CREDITD_TORTURE_CYCLES", || 3), Chance::new(setting("CREDITD_TORTURE_SEED", seed)))
}
