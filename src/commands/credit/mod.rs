//! CREDIT.*: the account's commands (commands.md C.2, C.3). Each file: the grammar of one command, its table entry.

pub mod balance;
pub mod capture;
pub mod debit;
pub mod grant;
pub mod holds;
pub mod release;
pub mod reserve;

use super::spec::{ArgKind, ArgSpec, CommandSpec, Flags};

/// What all entries of the group share.
const BASE: CommandSpec = CommandSpec { group: "credit", since: "0.1.0", ..CommandSpec::BASE };

/// Flags of a write that a full server refuses.
const GROWING_WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);

const TX: ArgSpec = ArgSpec::new("tx", ArgKind::String);
const AMOUNT: ArgSpec = ArgSpec::new("amount", ArgKind::Integer);
const REASON: ArgSpec = ArgSpec::option("REASON", "text", ArgKind::String);
const META: ArgSpec = ArgSpec::option("META", "text", ArgKind::String);
