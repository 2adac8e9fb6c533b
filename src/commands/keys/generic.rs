//! EXISTS, TYPE, TTL and its like.

use super::{KEY, KeyRequest, KeyView, show};
use crate::commands::Request;
use crate::commands::spec::{CommandSpec, KeyUse};

/// EXISTS
pub static EXISTS: CommandSpec = CommandSpec {
    name: "exists",
    arity: -2,
    key: Some(KeyUse::ReadAll),
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    summary: "Tells how many of these accounts and streams there are",
    complexity: "O(N) where N is the number of keys",
    args: &[KEY.multiple()],
    parse: |args, _| Ok(Request::Keys(KeyRequest::Exists(args.rest()))),
    ..super::BASE
};

/// TYPE
pub static TYPE: CommandSpec = CommandSpec {
    name: "type",
    summary: "Tells what a key is: hash (an account), stream, or none",
    parse: |args, _| show(args, KeyView::Type),
    ..super::BASE
};

const EXPIRY: CommandSpec = CommandSpec {
    summary: "Answers -1, as no account expires, or -2 if there is none",
    parse: |args, _| show(args, KeyView::Expiry),
    ..super::BASE
};

/// TTL
pub static TTL: CommandSpec = CommandSpec { name: "ttl", ..EXPIRY };

/// PTTL
pub static PTTL: CommandSpec = CommandSpec { name: "pttl", since: "2.6.0", ..EXPIRY };

/// EXPIRETIME
pub static EXPIRETIME: CommandSpec = CommandSpec { name: "expiretime", since: "7.0.0", ..EXPIRY };

/// PEXPIRETIME
pub static PEXPIRETIME: CommandSpec = CommandSpec { name: "pexpiretime", since: "7.0.0", ..EXPIRY };
