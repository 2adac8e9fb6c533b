//! `CREDIT.DEBIT account tx amount [REASON s] [META s]`: takes credits if that many are available.

use crate::commands::spec::{ArgSpec, Class, CommandSpec, KeyUse};
use crate::ledger::command::Op;

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.debit",
    arity: -4,
    flags: super::GROWING_WRITE,
    key: Some(KeyUse::Update),
    class: Class::Spender,
    summary: "Takes credits from an account if that many are available",
    errors: &["NOACCOUNT", "INSUFFICIENT", "TXCONFLICT", "RELEASED"],
    args: &[ArgSpec::ACCOUNT, super::TX, super::AMOUNT, super::REASON, super::META],
    parse: |args, defaults| super::parse_amount(args, defaults, |amount| Op::Debit { amount }),
    ..super::BASE
};
