//! XADD, XDEL, XTRIM: refused in words that say why, where "unknown command" would not.

use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags, KeyUse};

const BASE: CommandSpec = CommandSpec {
    flags: Flags::WRITE.and(Flags::FAST),
    key: Some(KeyUse::Update),
    summary: "Refused: streams are read-only",
    parse: |_, _| {
        Err(Refusal::fixed("ERR streams are read-only: creditd writes an entry for every change, and nobody else does"))
    },
    ..super::BASE
};

const KEY: ArgSpec = ArgSpec::new("key", ArgKind::Key);
const ID: ArgSpec = ArgSpec::new("id", ArgKind::String);

/// XADD
pub static XADD: CommandSpec = CommandSpec {
    name: "xadd",
    arity: -5,
    args: &[
        KEY,
        ID,
        ArgSpec::block("data", &[ArgSpec::new("field", ArgKind::String), ArgSpec::new("value", ArgKind::String)])
            .multiple(),
    ],
    ..BASE
};

/// XDEL
pub static XDEL: CommandSpec = CommandSpec { name: "xdel", arity: -3, args: &[KEY, ID.multiple()], ..BASE };

/// XTRIM
pub static XTRIM: CommandSpec = CommandSpec {
    name: "xtrim",
    arity: -4,
    args: &[
        KEY,
        ArgSpec::one_of("strategy", &[ArgSpec::token("maxlen", "MAXLEN"), ArgSpec::token("minid", "MINID")]),
        ArgSpec::new("threshold", ArgKind::String),
    ],
    ..BASE
};
