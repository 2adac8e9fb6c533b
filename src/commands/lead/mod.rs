//! LEAD.*: what is claimed, and the claim (commands.md C.4). Each file: the grammar of one command, its table entry.
//!
//! The key at position 1 is whose shard executes the command: the lead's, of LEAD.CLAIM the account's. There the lead is
//! a plain argument, so a cluster client never sees two keys of different slots.

pub mod claim;
pub mod claims;
pub mod close;
pub mod get;
pub mod open;

use super::credit::{GROWING_WRITE, META, REASON, TX};
use super::spec::{ArgKind, ArgSpec, CommandSpec, Names};

/// What all entries of the group share.
const BASE: CommandSpec = CommandSpec { group: "lead", names: Names::Lead, ..super::credit::BASE };

/// The lead at position 1.
const LEAD: ArgSpec = ArgSpec::new("lead", ArgKind::Key);
