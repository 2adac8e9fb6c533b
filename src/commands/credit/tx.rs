//! `CREDIT.TX account tx`: what became of a transaction id.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.tx",
    arity: 3,
    flags: Flags::READONLY,
    key: Some(KeyUse::Read),
    class: Class::Reader,
    summary: "Shows what became of a transaction: its state, amounts, times, reason and meta; null if it is unknown",
    complexity: "O(1) while the transaction is remembered, later O(N) where N is the number of newer entries",
    args: &[ArgSpec::ACCOUNT, super::TX],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (account, tx) = (args.account()?, args.tx()?);
    Ok(Request::Ledger { command: Command::new(account, tx, Op::Tx), made_tx: false })
}
