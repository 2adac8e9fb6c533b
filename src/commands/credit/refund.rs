//! `CREDIT.REFUND account tx of [AMOUNT n] [REASON s] [META s]`: gives a debit or a capture back, or a part of it.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.refund",
    arity: -4,
    flags: super::GROWING_WRITE,
    key: Some(KeyUse::Update),
    class: Class::Granter,
    summary: "Gives back a debit or a captured reservation, or a part of it",
    complexity: "O(1) while the refunded transaction is remembered, later O(N) where N is the number of newer entries",
    errors: &["NOACCOUNT", "NOTX", "NOTREFUNDABLE", "EXCEEDS", "OVERFLOW", "TXCONFLICT", "RELEASED"],
    args: &[
        ArgSpec::ACCOUNT,
        super::TX,
        ArgSpec::new("of", ArgKind::String),
        ArgSpec::option("AMOUNT", "amount", ArgKind::Integer),
        super::REASON,
        super::META,
    ],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, defaults: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    let (tx, made_tx) = args.starting_tx(defaults)?;
    let of = args.tx()?;
    let (mut amount, mut reason, mut meta) = (None, &b""[..], &b""[..]);
    while let Some(option) = args.option(&["AMOUNT", "REASON", "META"])? {
        match option {
            "AMOUNT" => amount = Some(args.refunded_amount()?),
            "REASON" => reason = args.reason()?,
            _ => meta = args.meta()?,
        }
    }
    let command = Command { of, reason, meta, ..Command::new(account, tx, Op::Refund { amount }) };
    Ok(Request::Ledger { command, made_tx })
}
