//! `CREDIT.DEBIT account tx amount [REASON s] [META s]`: takes credits if that many are available.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, CommandSpec, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.debit",
    arity: -4,
    flags: super::GROWING_WRITE,
    key: Some(KeyUse::Update),
    categories: &["spender"],
    summary: "Takes credits from an account if that many are available",
    args: &[ArgSpec::ACCOUNT, super::TX, super::AMOUNT, super::REASON, super::META],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, defaults: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    let (tx, made_tx) = args.starting_tx(defaults)?;
    let amount = args.amount()?;
    let (mut reason, mut meta) = (&b""[..], &b""[..]);
    while let Some(option) = args.option(&["REASON", "META"])? {
        match option {
            "REASON" => reason = args.reason()?,
            _ => meta = args.meta()?,
        }
    }
    Ok(Request::Ledger { command: Command { account, tx, reason, meta, op: Op::Debit { amount } }, made_tx })
}
