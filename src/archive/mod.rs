//! A data directory at rest: proved, shown, exported, kept and repaired without a server.
//!
//! ```text
//!  journal::survey ── blocks, faults ──▶ verify: one Story per account and lead ──▶ claims ──▶ Report
//!                                   ├──▶ inspect: a line per block and record
//!                                   ├──▶ export: a row per record
//!                                   └──▶ head: position and chain
//!  files ── link, copy ──▶ backup ──▶ restore        closed segments ──▶ archive        a shard ──▶ repair
//! ```
//!
//! Invariants: verify, inspect, export, head and backup change, create and lock nothing in the directory, so they work
//! on a copy, on a backup, on copied segments, and beside a running server, of which they take what is there when they
//! come by. What restore, archive and repair write is proved; archive removes, and repair changes, only under the
//! directory's lock. Absent on purpose: the command line (cli), rules (ledger), the form of blocks (journal).

mod backup;
mod claims;
mod closed;
mod entry;
mod export;
mod failure;
mod head;
mod inspect;
mod moment;
mod nearby;
mod notation;
mod repair;
mod report;
mod restore;
mod row;
mod snapshots;
mod stories;
mod verify;
mod whole;

pub use backup::{Backup, Extent, backup};
pub use closed::{Archived, archive};
pub use entry::LEAD_TYPES;
pub use export::{Exported, Filter, Format, export};
pub use failure::Failure;
pub use head::{Head, HeadError, Hex, head, parse_heads};
pub use inspect::{Inspection, inspect};
pub use nearby::accounts_near;
pub use notation::{escaped, moment, parse_moment, unescaped};
pub use repair::{Cut, Diagnosis, Patient};
pub use report::{Finding, Report, ShardReport};
pub use restore::{read_backup, restore};
pub use verify::{Depth, Progress as Tell, verify};

#[cfg(test)]
mod tests;
