//! WAIT, ROLE, MODULE LIST, DEBUG: what tools ask of any Redis, answered for a server without replicas and modules.

use super::ServerRequest;
use crate::commands::args::{Args, whole};
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

const BASE: CommandSpec =
    CommandSpec { class: Class::Open, flags: Flags::ANYTIME.and(Flags::NOSCRIPT), ..CommandSpec::BASE };

/// WAIT
pub static WAIT: CommandSpec = CommandSpec {
    name: "wait",
    arity: 3,
    group: "generic",
    categories: &["connection"],
    flags: Flags::BLOCKING,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    since: "3.0.0",
    summary: "Answers 0 at once: there are no replicas, and what was answered is on disk",
    args: &[ArgSpec::new("numreplicas", ArgKind::Integer), ArgSpec::new("timeout", ArgKind::Integer)],
    parse: wait,
    ..BASE
};

/// ROLE
pub static ROLE: CommandSpec = CommandSpec {
    name: "role",
    flags: Flags::ANYTIME.and(Flags::NOSCRIPT).and(Flags::FAST),
    since: "2.8.12",
    summary: "Answers that this is a master without replicas, and how long its logs are, in bytes",
    parse: |_, _| Ok(Request::Server(ServerRequest::Role)),
    ..BASE
};

/// MODULE
pub static MODULE: CommandSpec = CommandSpec {
    name: "module",
    arity: -2,
    flags: Flags::NONE,
    since: "4.0.0",
    summary: "A container for commands about modules",
    complexity: "Depends on subcommand.",
    subcommands: &[CommandSpec {
        name: "module|list",
        arity: 2,
        since: "4.0.0",
        summary: "Answers that there are none",
        parse: |_, _| Ok(Request::Nothing),
        ..BASE
    }],
    ..BASE
};

/// DEBUG
pub static DEBUG: CommandSpec = CommandSpec {
    name: "debug",
    arity: -2,
    flags: Flags::ANYTIME.and(Flags::NOSCRIPT).and(Flags::ADMIN),
    class: Class::Admin,
    summary: "Refused",
    args: &[ArgSpec::new("argument", ArgKind::String).multiple()],
    parse: |_, _| Err(Refusal::fixed("ERR DEBUG command not allowed. creditd has no option that allows it.")),
    ..BASE
};

fn wait<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    const RULE: Refusal = Refusal::fixed("ERR value is not an integer or out of range");
    whole(args.word()?, 0, i64::MAX as u64).ok_or(RULE)?;
    whole(args.word()?, 0, i64::MAX as u64).ok_or(Refusal::fixed("ERR timeout is not an integer or out of range"))?;
    Ok(Request::Number(0))
}
