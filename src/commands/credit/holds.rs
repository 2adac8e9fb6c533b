//! `CREDIT.HOLDS account`: an account's figures and its active reservations, one snapshot.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.holds",
    arity: 2,
    flags: Flags::READONLY,
    key: Some(KeyUse::Read),
    class: Class::Reader,
    summary: "Shows what an account has and its active reservations by deadline",
    complexity: "O(N) where N is the number of active reservations",
    args: &[ArgSpec::ACCOUNT],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    Ok(Request::Ledger { command: Command::new(account, b"", Op::Holds), made_tx: false })
}
