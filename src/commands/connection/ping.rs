//! `PING [message]`

use super::ConnectionRequest;
use crate::commands::args::Args;
use crate::commands::refusal::Refusal;
use crate::commands::spec::{ArgKind, ArgSpec, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "ping",
    arity: -1,
    // Not while loading, as in Redis: health checks take PONG for "ready".
    flags: Flags::FAST,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    summary: "Answers PONG, or the message",
    args: &[ArgSpec::new("message", ArgKind::String).optional()],
    parse,
    ..super::BASE
};

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    args.at_most(1)?;
    Ok(Request::Connection(ConnectionRequest::Ping(args.next_if_any())))
}
