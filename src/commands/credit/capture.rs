//! `CREDIT.CAPTURE account tx [AMOUNT n] [REASON s] [META s]`: turns a hold into a debit.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry. No denyoom: a full server must still be able to end holds (commands.md C.1).
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.capture",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST),
    key: Some(KeyUse::Update),
    class: Class::Spender,
    summary: "Debits a reservation, or a part of it, and returns the rest to the account",
    errors: &["NOACCOUNT", "NORESERVATION", "EXPIRED", "RELEASED", "EXCEEDS", "TXCONFLICT"],
    args: &[
        ArgSpec::ACCOUNT,
        super::TX,
        ArgSpec::option("AMOUNT", "amount", ArgKind::Integer),
        super::REASON,
        super::META,
    ],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let (account, tx) = (args.account()?, args.tx()?);
    let (mut amount, mut reason, mut meta) = (None, &b""[..], &b""[..]);
    while let Some(option) = args.option(&["AMOUNT", "REASON", "META"])? {
        match option {
            "AMOUNT" => amount = Some(args.captured_amount()?),
            "REASON" => reason = args.reason()?,
            _ => meta = args.meta()?,
        }
    }
    let command = Command { reason, meta, ..Command::new(account, tx, Op::Capture { amount }) };
    Ok(Request::Ledger { command, made_tx: false })
}
