//! `ECHO message`

use super::super::Request;
use super::super::spec::{ArgKind, ArgSpec, CommandSpec};
use super::ConnectionRequest;

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "echo",
    arity: 2,
    summary: "Answers the message",
    args: &[ArgSpec::new("message", ArgKind::String)],
    parse: |args, _| Ok(Request::Connection(ConnectionRequest::Echo(args.word()?))),
    ..super::BASE
};
