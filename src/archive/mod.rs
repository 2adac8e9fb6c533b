//! A data directory at rest: proved, shown and exported without a server.
//!
//! ```text
//!  journal::survey ── blocks, faults ──▶ verify: one Story per account ──▶ Report
//!                                   ├──▶ inspect: a line per block and record
//!                                   ├──▶ export: a row per entry
//!                                   └──▶ head: position and chain
//! ```
//!
//! Invariant: nothing here changes, creates or locks anything, so all of it works on a copy, on a backup, on copied
//! segments, and beside a running server, of which it takes what is durable when it comes by. Absent on purpose: the
//! command line (cli), rules (ledger), the form of blocks (journal).

mod backup;
mod entry;
mod export;
mod failure;
mod head;
mod inspect;
mod notation;
mod repair;
mod report;
mod restore;
mod row;
mod snapshots;
mod stories;
mod verify;

pub use backup::{Backup, Extent, backup};
pub use export::{Exported, Filter, Format, export};
pub use failure::Failure;
pub use head::{Head, HeadError, Hex, head, parse_heads};
pub use inspect::{Inspection, inspect};
pub use notation::{escaped, moment, parse_moment, unescaped};
pub use repair::{Cut, Diagnosis, Patient};
pub use report::{Finding, Report, ShardReport};
pub use restore::{read_backup, restore};
pub use verify::{Depth, Progress as Tell, verify};

#[cfg(test)]
mod tests;
