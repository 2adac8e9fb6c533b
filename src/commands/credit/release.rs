//! `CREDIT.RELEASE account tx [REASON s]`: ends a hold, or burns an id that was never used.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry. No denyoom: a full server must still be able to end holds (commands.md C.1).
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.release",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST),
    key: Some(KeyUse::Update),
    class: Class::Spender,
    summary: "Returns a reservation's credits to the account; afterwards the id holds nothing and never will",
    errors: &["NOACCOUNT", "CAPTURED", "NORESERVATION"],
    args: &[ArgSpec::ACCOUNT, super::TX, super::REASON],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (account, tx) = (args.account()?, args.tx()?);
    let mut reason = &b""[..];
    while args.option(&["REASON"])?.is_some() {
        reason = args.reason()?;
    }
    Ok(Request::Ledger { command: Command { reason, ..Command::new(account, tx, Op::Release) }, made_tx: false })
}
