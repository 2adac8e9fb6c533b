//! CREDIT.*: the account's commands (commands.md C.2, C.3). Each file: the grammar of one command, its table entry.

pub mod audit;
pub mod balance;
pub mod capture;
pub mod debit;
pub mod grant;
pub mod history;
pub mod holds;
pub mod refund;
pub mod release;
pub mod reserve;
pub mod tx;

use super::args::Args;
use super::refusal::Refusal;
use super::spec::{ArgKind, ArgSpec, CommandSpec, Flags};
use super::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// What all entries of the group share, and those of LEAD.*.
pub(super) const BASE: CommandSpec = CommandSpec { group: "credit", since: "0.1.0", ..CommandSpec::BASE };

/// Flags of a write that a full server refuses.
pub(super) const GROWING_WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);

pub(super) const TX: ArgSpec = ArgSpec::new("tx", ArgKind::String);
const AMOUNT: ArgSpec = ArgSpec::new("amount", ArgKind::Integer);
pub(super) const REASON: ArgSpec = ArgSpec::option("REASON", "text", ArgKind::String);
pub(super) const META: ArgSpec = ArgSpec::option("META", "text", ArgKind::String);

/// `account tx amount [REASON s] [META s]`: the grammar of GRANT and DEBIT.
#[inline]
fn parse_amount<'a>(args: &mut Args<'a>, defaults: &Defaults, op: impl Fn(u64) -> Op) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    let (tx, made_tx) = args.starting_tx(defaults)?;
    let amount = args.amount()?;
    let (reason, meta) = args.reason_and_meta()?;
    Ok(Request::Ledger { command: Command { reason, meta, ..Command::new(account, tx, op(amount)) }, made_tx })
}
