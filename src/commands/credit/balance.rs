//! `CREDIT.BALANCE account`: an account's figures now.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.balance",
    arity: -2,
    flags: Flags::READONLY.and(Flags::FAST),
    key: Some(KeyUse::Read),
    categories: &["reader"],
    summary: "Shows what an account has, holds and can spend",
    args: &[ArgSpec::ACCOUNT],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    args.end()?;
    Ok(Request::Ledger { command: Command::new(account, b"", Op::Balance), made_tx: false })
}
