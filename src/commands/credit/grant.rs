//! `CREDIT.GRANT account tx amount [REASON s] [META s]`: adds credits; opens the account.

use crate::commands::spec::{ArgSpec, Class, CommandSpec, KeyUse};
use crate::ledger::command::Op;

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "credit.grant",
    arity: -4,
    flags: super::GROWING_WRITE,
    key: Some(KeyUse::Update),
    class: Class::Granter,
    summary: "Adds credits to an account, which it opens if needed",
    errors: &["OVERFLOW", "TXCONFLICT", "RELEASED"],
    args: &[ArgSpec::ACCOUNT, super::TX, super::AMOUNT, super::REASON, super::META],
    parse: |args, defaults| super::parse_amount(args, defaults, |amount| Op::Grant { amount }),
    ..super::BASE
};
