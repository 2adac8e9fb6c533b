//! `CREDIT.AUDIT account`: recomputes the account from its trail and compares.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.audit",
    arity: 2,
    flags: Flags::READONLY,
    key: Some(KeyUse::Read),
    summary: "Recomputes an account from all its entries and compares; an error names the first entry that does not fit",
    complexity: "O(N) where N is the number of entries of the account",
    errors: &["CORRUPT"],
    args: &[ArgSpec::ACCOUNT],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    Ok(Request::Ledger { command: Command::new(account, b"", Op::Audit), made_tx: false })
}
