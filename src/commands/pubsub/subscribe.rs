//! `SUBSCRIBE channel ...`, `PSUBSCRIBE pattern ...`, `UNSUBSCRIBE [channel ...]`, `PUNSUBSCRIBE [pattern ...]`
//!
//! Not between MULTI and EXEC, other than in Redis: a confirmation for each channel is no element of EXEC's array.

use super::PubSubRequest;
use crate::commands::Request;
use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};

const CHANNEL: ArgSpec = ArgSpec::new("channel", ArgKind::String).multiple();
const PATTERN: ArgSpec = ArgSpec::new("pattern", ArgKind::Pattern).multiple();

const BASE: CommandSpec = CommandSpec {
    flags: super::BASE.flags.and(Flags::NOSCRIPT).and(Flags::NO_MULTI),
    complexity: "O(N) where N is the number of channels or patterns",
    ..super::BASE
};

/// SUBSCRIBE
pub static SUBSCRIBE: CommandSpec = CommandSpec {
    name: "subscribe",
    arity: -2,
    summary: "Listens to channels",
    args: &[CHANNEL],
    parse: |args, _| parse(args, false, false),
    ..BASE
};

/// PSUBSCRIBE
pub static PSUBSCRIBE: CommandSpec = CommandSpec {
    name: "psubscribe",
    arity: -2,
    summary: "Listens to all channels that match a pattern",
    args: &[PATTERN],
    parse: |args, _| parse(args, false, true),
    ..BASE
};

/// UNSUBSCRIBE
pub static UNSUBSCRIBE: CommandSpec = CommandSpec {
    name: "unsubscribe",
    arity: -1,
    class: Class::Open,
    summary: "Listens no more to channels, or to any",
    args: &[CHANNEL.optional()],
    parse: |args, _| parse(args, true, false),
    ..BASE
};

/// PUNSUBSCRIBE
pub static PUNSUBSCRIBE: CommandSpec = CommandSpec {
    name: "punsubscribe",
    arity: -1,
    class: Class::Open,
    summary: "Listens no more to patterns, or to any",
    args: &[PATTERN.optional()],
    parse: |args, _| parse(args, true, true),
    ..BASE
};

fn parse<'a>(args: &mut Args<'a>, ends: bool, is_pattern: bool) -> Result<Request<'a>, Refusal> {
    Ok(Request::PubSub(PubSubRequest { ends, is_pattern, names: super::channels(args)? }))
}
