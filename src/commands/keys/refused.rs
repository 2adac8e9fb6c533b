//! What people try on a key and accounts do not take: refused in words that say why, where "unknown command" would not.

use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags, KeyUse};

const BASE: CommandSpec = CommandSpec {
    class: Class::Open,
    flags: Flags::WRITE,
    key: Some(KeyUse::Update),
    arity: -2,
    summary: "Refused: accounts change only through CREDIT.*",
    args: &[super::KEY, ArgSpec::new("argument", ArgKind::String).optional().multiple()],
    parse: |_, _| {
        Err(Refusal::fixed("ERR accounts change only through CREDIT.*: creditd keeps credits, it is not a cache"))
    },
    ..super::BASE
};

const HASH: CommandSpec = CommandSpec { group: "hash", categories: &["hash"], since: "2.0.0", ..BASE };
const STRING: CommandSpec = CommandSpec { group: "string", categories: &["string"], ..BASE };

/// SET
pub static SET: CommandSpec = CommandSpec { name: "set", ..STRING };
/// INCR
pub static INCR: CommandSpec = CommandSpec { name: "incr", ..STRING };
/// INCRBY
pub static INCRBY: CommandSpec = CommandSpec { name: "incrby", ..STRING };
/// DECRBY
pub static DECRBY: CommandSpec = CommandSpec { name: "decrby", ..STRING };
/// HSET
pub static HSET: CommandSpec = CommandSpec { name: "hset", ..HASH };
/// HDEL
pub static HDEL: CommandSpec = CommandSpec { name: "hdel", ..HASH };
/// HINCRBY
pub static HINCRBY: CommandSpec = CommandSpec { name: "hincrby", ..HASH };
/// DEL
pub static DEL: CommandSpec = CommandSpec { name: "del", ..BASE };
/// UNLINK
pub static UNLINK: CommandSpec = CommandSpec { name: "unlink", since: "4.0.0", ..BASE };
/// EXPIRE
pub static EXPIRE: CommandSpec = CommandSpec { name: "expire", ..BASE };
/// RENAME
pub static RENAME: CommandSpec = CommandSpec { name: "rename", ..BASE };

/// KEYS
pub static KEYS: CommandSpec = CommandSpec {
    name: "keys",
    arity: 2,
    flags: Flags::READONLY,
    key: None,
    categories: &["keyspace", "dangerous"],
    summary: "Refused: it would hold up every command; use SCAN",
    args: &[ArgSpec::new("pattern", ArgKind::Pattern)],
    parse: |_, _| Err(Refusal::fixed("ERR KEYS would hold up every command; use SCAN, which goes on in steps")),
    ..BASE
};
