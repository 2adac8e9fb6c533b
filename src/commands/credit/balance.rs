//! `CREDIT.BALANCE account [AT ms]`: an account's figures, now or at a past moment.

use crate::commands::args::{Args, whole};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.balance",
    arity: -2,
    flags: Flags::READONLY.and(Flags::FAST),
    key: Some(KeyUse::Read),
    class: Class::Reader,
    summary: "Shows what an account has, holds and can spend, now or at a past moment",
    complexity: "O(1); with AT O(N/256) where N is the number of newer entries",
    args: &[ArgSpec::ACCOUNT, ArgSpec::option("AT", "unix-milliseconds", ArgKind::Integer)],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    const RULE: Refusal =
        Refusal::fixed("ERR AT must be a whole number of milliseconds since 1970, without sign or leading zero");
    let account = args.account()?;
    let mut op = Op::Balance;
    while args.option(&["AT"])?.is_some() {
        op = Op::BalanceAt { at_ms: whole(args.word()?, 0, u64::MAX).ok_or(RULE)? };
    }
    Ok(Request::Ledger { command: Command::new(account, b"", op), made_tx: false })
}
