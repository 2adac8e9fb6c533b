//! `CREDIT.RESERVE account tx amount [TTL ms] [REASON s] [META s]`: holds credits for a while.

use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, KeyUse};
use crate::commands::{Defaults, Request};
use crate::ledger::command::{Command, Op};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.reserve",
    arity: -4,
    flags: super::GROWING_WRITE,
    key: Some(KeyUse::Update),
    class: Class::Spender,
    summary: "Holds credits of an account until they are captured, released or the TTL is over",
    errors: &["NOACCOUNT", "INSUFFICIENT", "LIMIT", "TXCONFLICT", "RELEASED", "EXPIRED"],
    args: &[
        ArgSpec::ACCOUNT,
        super::TX,
        super::AMOUNT,
        ArgSpec::option("TTL", "milliseconds", ArgKind::Integer),
        super::REASON,
        super::META,
    ],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, defaults: &Defaults) -> Result<Request<'a>, Refusal> {
    let account = args.account()?;
    let (tx, made_tx) = args.starting_tx(defaults)?;
    let amount = args.amount()?;
    let (mut ttl_ms, mut reason, mut meta) = (defaults.reserve_ttl_ms, &b""[..], &b""[..]);
    while let Some(option) = args.option(&["TTL", "REASON", "META"])? {
        match option {
            "TTL" => ttl_ms = args.ttl_ms()?,
            "REASON" => reason = args.reason()?,
            _ => meta = args.meta()?,
        }
    }
    let command = Command { reason, meta, ..Command::new(account, tx, Op::Reserve { amount, ttl_ms }) };
    Ok(Request::Ledger { command, made_tx })
}
