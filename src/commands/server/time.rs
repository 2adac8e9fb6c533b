//! `TIME`

use super::ServerRequest;
use crate::commands::Request;
use crate::commands::spec::{Class, CommandSpec, Flags};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "time",
    flags: Flags::ANYTIME.and(Flags::FAST),
    class: Class::Open,
    tips: &["nondeterministic_output"],
    summary: "Tells the server's time: unix seconds, and microseconds of the second",
    since: "2.6.0",
    parse: |_, _| Ok(Request::Server(ServerRequest::Time)),
    ..CommandSpec::BASE
};
