//! `LEAD.CLAIM account tx lead cost [REASON s] [META s]`: takes a slot of a lead, and the credits that it costs.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse, Names};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry. Not fast: it waits for the lead's shard.
pub static SPEC: CommandSpec = CommandSpec {
    name: "lead.claim",
    arity: -5,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    key: Some(KeyUse::Update),
    names: Names::Account,
    class: Class::Spender,
    summary: "Takes a slot of a lead for an account and debits what it costs: both, once, or neither",
    errors: &[
        "NOACCOUNT",
        "INSUFFICIENT",
        "LIMIT",
        "NOLEAD",
        "LEADFULL",
        "LEADCLOSED",
        "LEADEXPIRED",
        "ALREADYCLAIMED",
        "TXCONFLICT",
        "RELEASED",
    ],
    args: &[
        ArgSpec::ACCOUNT,
        super::TX,
        ArgSpec::new("lead", ArgKind::String),
        ArgSpec::new("cost", ArgKind::Integer),
        super::REASON,
        super::META,
    ],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, defaults: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    let (tx, made_tx) = args.starting_tx(defaults)?;
    let (lead, cost) = (args.lead()?, args.cost()?);
    let (reason, meta) = args.reason_and_meta()?;
    let command = Command { lead, reason, meta, ..Command::new(account, tx, Op::Claim { cost }) };
    Ok(Request::Ledger { command, made_tx })
}
